//! `drive`: the plan of a release; and `drive --once`: taking it on.

use std::collections::BTreeMap;

use jiff::SignedDuration;
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
use crate::statebox::check::decode;
use crate::statebox::{self, State, TaskName};
use crate::tasks::statebox_files::StateBoxFiles;

/// How many releases are looked at for how long steps usually take.
const EXAMPLES: usize = 40;

/// The plan, with its arguments.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Drive {
    /// A StateBox file to plan from alone: no service is asked, and the facts that are missing are named
    pub offline: Option<File>,
}

/// One pass, with its arguments.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub struct DriveOnce {
    /// Show what would be done without doing it
    pub dry_run: bool,
}

/// A node that nobody would look at again is a defect of this program.
impl Conclusion for DrivePlan {
    fn class(&self) -> Option<ErrorClass> {
        (!self.defects.is_empty()).then_some(ErrorClass::Failed)
    }
}

/// The result of a pass.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum Passed {
    /// What was done.
    Advanced(Box<Advanced>),
    /// What would be done.
    Plan(Box<DrivePlan>),
}

impl Conclusion for Passed {
    fn class(&self) -> Option<ErrorClass> {
        match self {
            Self::Advanced(advanced) => advanced.class(),
            Self::Plan(plan) => plan.class(),
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
    const ABOUT: About = About::look(
        "drive",
        "Show the state of each step of the release, what can be done now, what waits, and who must act",
    )
    .hints(&["It asks the services, and changes nothing; `oar status` shows what the StateBox alone says."]);
    type Answer = DrivePlan;

    async fn run(self, call: &Call) -> Result<DrivePlan, TaskError> {
        let release = call.release()?;
        let Some(file) = self.offline else {
            return Ok(advance::planned(call, &advance::policy(call)?, None, Care::Shown).await?.plan);
        };
        let state = state_of(file.clone())?;
        if state.release() != Some(release.to_string().as_str()) {
            let found = state.release().unwrap_or("no release").escape_debug().to_string();
            let words = format!("{} is the StateBox of {found}, not of {release}", file.name);
            return Err(Refusal::new(ErrorClass::Usage, words)
                .with_hint("Name the StateBox file of the release.")
                .into());
        }
        Ok(plan::offline(release, &state, &file.name, call.clock().now()))
    }
}

impl Operation for DriveOnce {
    const ABOUT: About = About::task(
        "drive --once",
        "Do everything in the release that can be done now and that the policy leaves to the engine",
        Effect::Writes,
    )
    .hints(&[
        "What is done without asking, paid jobs included, is set in the configuration document (`drive.*`); \
         `mcp.paid_jobs_ask` does not count.",
        "What needs a consent is done only when a person has recorded one.",
    ]);
    type Answer = Passed;

    async fn run(self, call: &Call) -> Result<Passed, TaskError> {
        call.release()?;
        let policy = advance::policy(call)?;
        if self.dry_run {
            return Ok(Passed::Plan(Box::new(
                advance::planned(call, &policy, None, Care::Shown).await?.plan,
            )));
        }
        Ok(Passed::Advanced(Box::new(advance::advance(call, &policy).await?)))
    }
}

/// How long steps usually take, from the newest releases of all y-streams; nothing of what cannot be read.
pub async fn usual_durations(call: &Call) -> BTreeMap<TaskName, SignedDuration> {
    let read = StateBoxFiles::new(call.clients().clone()).newest(EXAMPLES).await;
    let files = read.unwrap_or_else(|error| {
        tracing::debug!("how long steps usually take is not known: {}", error.inner());
        Vec::new()
    });
    let states: Vec<State> =
        files.into_iter().filter_map(|(_, text)| State::parse(&text.ok()?).ok()).collect();
    statebox::usual_durations(&states)
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
