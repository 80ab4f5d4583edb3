//! `jobctl update-retried-job-run`.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{amd64, live_world};
use crate::flow::outcome::TaskError;
use crate::operations::call::Call;
use crate::operations::row::{About, Operation, PlanOrResult, Program};
use crate::prow::manual::{self, PlannedReplacement, RecordChanged};
use crate::prow::names::{BuildName, ResultName};
use crate::prow::record::RunId;
use crate::version::Arch;

/// The operation, with its arguments.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct UpdateRetriedJobRun {
    /// The build's whole name
    pub build: BuildName,
    /// The architecture
    #[serde(default = "amd64")]
    pub arch: Arch,
    /// The job whose run is replaced
    pub job_name: String,
    /// The run that is recorded
    pub current_job_id: String,
    /// The run that replaces it
    pub new_job_id: RunId,
    /// Say what would be done, and do nothing
    #[serde(default)]
    pub dry_run: bool,
}

impl Operation for UpdateRetriedJobRun {
    const ABOUT: About = About::job_change(
        Program::Jobctl,
        "update-retried-job-run",
        "Replace a recorded run with another run and judge the build again",
    )
    .hints(&["`jobctl show` lists the recorded runs; the aggregator's next pass evaluates the build again."]);
    type Answer = PlanOrResult<PlannedReplacement, RecordChanged>;

    async fn run(self, call: &Call) -> Result<Self::Answer, TaskError> {
        let Self { build, arch, job_name: job, current_job_id: current, new_job_id: new, dry_run } = self;
        let permit = call.permit_unless(dry_run)?;
        let live = live_world(call.clients())?;
        let name = ResultName { build, arch };
        if !manual::check_run(live.world(), &job, &new).await? {
            let words =
                format!("Prow does not know the run {new} (any more); it is recorded without a check");
            call.observer().warn(&words);
        }
        let Some(permit) = permit else {
            let plan = manual::plan_replacement(live.world(), &name, &job, &current, &new).await?;
            return Ok(PlanOrResult::Plan(plan));
        };
        let place = manual::replace_run(live.world(), &name, &job, &current, &new, permit).await?;
        Ok(PlanOrResult::Result(RecordChanged { file: name.to_string(), changed: place.is_some() }))
    }
}
