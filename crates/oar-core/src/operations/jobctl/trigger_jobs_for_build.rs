//! `jobctl trigger-jobs-for-build`.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{amd64, live_world_to_change};
use crate::config::Credential;
use crate::error::ErrorClass;
use crate::flow::outcome::TaskError;
use crate::operations::call::Call;
use crate::operations::row::{About, Conclusion, Operation, Program};
use crate::prow::controller::{Controller, ControllerReport, Existing};
use crate::prow::names::BuildName;
use crate::version::Arch;

/// The operation, with its arguments.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct TriggerJobsForBuild {
    /// The build's whole name
    pub build: BuildName,
    /// The architecture
    #[serde(default = "amd64")]
    pub arch: Arch,
    /// Start every job again; the runs that are recorded are dropped from the record
    #[serde(default)]
    pub no_skip_existing: bool,
    /// Say what would be done, and do nothing
    #[serde(default)]
    pub dry_run: bool,
}

impl Conclusion for ControllerReport {
    fn class(&self) -> Option<ErrorClass> {
        Self::class(self)
    }
}

impl Operation for TriggerJobsForBuild {
    const ABOUT: About =
        About::job_change(Program::Jobctl, "trigger-jobs-for-build", "Start the test jobs of one build")
            .hints(&["Without no_skip_existing only jobs that the build's record lacks are started."]);
    type Answer = ControllerReport;

    async fn run(self, call: &Call) -> Result<ControllerReport, TaskError> {
        let Self { build, arch, no_skip_existing, dry_run } = self;
        let permit = call.permit_unless(dry_run)?;
        let live = live_world_to_change(call.clients(), dry_run, &[Credential::GangwayToken])?;
        live.require_supported([build.y_stream()])?;
        let existing = if no_skip_existing { Existing::StartAgain } else { Existing::Keep };
        let controller = Controller { world: live.world() };
        Ok(controller.trigger(&build, arch, existing, permit).await?)
    }
}
