//! `drive`: the plan of a release, and taking it on.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::advance::{self, Advanced};
use super::call::Call;
use super::files::{Content, File};
use super::row::{About, Conclusion, Effect, Operation};
use crate::drive::plan::{self, Care, DrivePlan};
use crate::error::ErrorClass;
use crate::flow::interrupt::Signal;
use crate::flow::outcome::{Refusal, TaskError};
use crate::statebox::State;
use crate::statebox::check::decode;

/// The operation, with its arguments.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Drive {
    /// Only show what stands where, what would be done now, what waits and who must act; the default
    pub plan: bool,
    /// Do everything that can be done now and that the policy leaves to the engine
    pub advance: bool,
    /// A StateBox file to plan from alone: no service is asked, and the facts that are missing are named
    pub offline: Option<File>,
    /// Show what would be done without doing it
    pub dry_run: bool,
}

/// The result.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum Answer {
    /// What was done.
    Advanced(Box<Advanced>),
    /// What stands where.
    Plan(Box<DrivePlan>),
}

impl Answer {
    /// What stands where.
    pub fn plan(&self) -> &DrivePlan {
        match self {
            Self::Advanced(advanced) => &advanced.plan,
            Self::Plan(plan) => plan,
        }
    }
}

impl Conclusion for Answer {
    /// A node that nobody would look at again is a defect of this program.
    fn class(&self) -> Option<ErrorClass> {
        match self {
            Self::Advanced(advanced) => advanced.class(),
            Self::Plan(plan) => (!plan.defects.is_empty()).then_some(ErrorClass::Failed),
        }
    }

    fn signal(&self) -> Option<Signal> {
        match self {
            Self::Advanced(advanced) => advanced.signal(),
            Self::Plan(_) => None,
        }
    }
}

impl Operation for Drive {
    const ABOUT: About = About::task(
        "drive",
        "Show what stands where in the release and what comes next; with --once, do what can be done now",
        Effect::Writes,
    )
    .hints(&[
        "Without --once it changes nothing; `oar status` shows what the StateBox alone says.",
        "With --once the section `drive` of the configuration document says what is done without asking.",
    ]);
    type Answer = Answer;

    async fn run(self, call: &Call) -> Result<Answer, TaskError> {
        let release = call.release()?;
        let is_odd =
            [self.plan, self.advance, self.offline.is_some()].into_iter().filter(|given| *given).count() > 1;
        if is_odd {
            return Err(
                Refusal::new(ErrorClass::Usage, "plan, advance and offline exclude each other").into()
            );
        }
        if let Some(file) = self.offline {
            let state = state_of(file.clone())?;
            if state.release() != Some(release.to_string().as_str()) {
                let found = state.release().unwrap_or("no release").escape_debug().to_string();
                let words = format!("{} is the StateBox of {found}, not of {release}", file.name);
                return Err(Refusal::new(ErrorClass::Usage, words)
                    .with_hint("Name the StateBox file of the release.")
                    .into());
            }
            let now = call.clock().now();
            return Ok(Answer::Plan(Box::new(plan::offline(release, &state, &file.name, now))));
        }
        let policy = advance::policy(call)?;
        if self.advance && !self.dry_run {
            return Ok(Answer::Advanced(Box::new(advance::advance(call, &policy).await?)));
        }
        Ok(Answer::Plan(Box::new(advance::planned(call, &policy, None, Care::Shown).await?.plan)))
    }
}

/// The state that a file holds.
fn state_of(File { name, content: Content(content) }: File) -> Result<State, Refusal> {
    let unusable = |why: String| {
        Refusal::new(ErrorClass::Usage, format!("{name} cannot be used: {why}"))
            .with_hint("`oarctl statebox validate FILE` names each problem of a StateBox file.")
    };
    let bytes = content.map_err(&unusable)?;
    let said =
        |found: crate::statebox::Diagnostics| unusable(found.lines(&name).collect::<Vec<_>>().join("; "));
    let text = decode(bytes).map_err(said)?;
    State::parse(&text).map_err(said)
}
