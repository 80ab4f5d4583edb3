//! `drive`: the plan of a release.

use schemars::JsonSchema;
use serde::Deserialize;

use super::call::Call;
use super::files::{Content, File};
use super::row::{About, Conclusion, Operation};
use crate::config::{ConfigError, DrivePolicy};
use crate::drive::plan::{self, DrivePlan};
use crate::error::ErrorClass;
use crate::flow::outcome::{Refusal, TaskError};
use crate::statebox::check::decode;
use crate::statebox::{State, StateBoxError};

/// The operation, with its arguments.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Drive {
    /// Only show what stands where, what would be done now, what waits and who must act; the default
    pub plan: bool,
    /// A StateBox file to plan from alone: no service is asked, and the facts that are missing are named
    pub offline: Option<File>,
}

impl Conclusion for DrivePlan {
    /// A node that nobody would look at again is a defect of this program.
    fn class(&self) -> Option<ErrorClass> {
        (!self.defects.is_empty()).then_some(ErrorClass::Failed)
    }
}

impl Operation for Drive {
    const ABOUT: About = About::look(
        "drive",
        "Show what stands where in the release, what would be done now, what waits, and who must act",
    )
    .hints(&["It changes nothing; `oar status` shows what the StateBox alone says."]);
    type Answer = DrivePlan;

    async fn run(self, call: &Call) -> Result<DrivePlan, TaskError> {
        let release = call.release()?;
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
            return Ok(plan::offline(release, &state, &file.name, now));
        }
        let policy = match call.settings().document() {
            Ok(document) => document.drive_policy()?,
            Err(ConfigError::MissingVariable { .. }) => DrivePolicy::default(),
            Err(error) => return Err(error.into()),
        };
        plan::check_policy(&policy)?;
        let statebox = call.statebox()?;
        let state = match call.load(&statebox).await {
            Ok(state) => Some(state),
            Err(StateBoxError::Absent { .. }) => None,
            Err(error) => return Err(error.into()),
        };
        let location = statebox.location();
        Ok(plan::plan(call.clients(), release, state.as_ref(), &location, &policy).await)
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
