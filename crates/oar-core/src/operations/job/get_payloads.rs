//! `job get_payloads`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::tell;
use crate::error::ErrorClass;
use crate::failures::Failures;
use crate::flow::outcome::TaskError;
use crate::operations::call::Call;
use crate::operations::row::{About, Conclusion, Operation, Program};
use crate::prow::jobs::{NewestRelease, Recording, newest_releases};
use crate::version::ReleaseVersion;

/// The operation, with its arguments.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct GetPayloads {
    /// A release of each minor version
    pub versions: Vec<ReleaseVersion>,
    /// Record each newer release in _releases/Auto-OCP-<X.Y>.txt on the branch of the records
    #[serde(default)]
    pub push: bool,
    /// With push: say what would be written, and write nothing
    #[serde(default)]
    pub dry_run: bool,
}

/// What was found for each minor version.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(transparent)]
pub struct Answer {
    /// The minor versions, in the order of the arguments.
    pub releases: Vec<NewestRelease>,
    /// What failed.
    #[serde(skip)]
    pub failures: Failures,
}

impl Conclusion for Answer {
    fn class(&self) -> Option<ErrorClass> {
        self.failures.class()
    }
}

impl Operation for GetPayloads {
    const ABOUT: About =
        About::job_change(Program::Job, "get_payloads", "Show the newest accepted release of minor versions")
            .hints(&["It writes nothing without push."]);
    type Answer = Answer;

    async fn run(self, call: &Call) -> Result<Answer, TaskError> {
        let Self { versions, push, dry_run } = self;
        let recording = match (push, dry_run) {
            (false, _) => Recording::No,
            (true, true) => Recording::Planned,
            (true, false) => Recording::Done(call.permit()?),
        };
        let (releases, failures) =
            newest_releases(call.clients(), &versions, recording, &|event| tell(call, event)).await?;
        Ok(Answer { releases, failures })
    }
}
