//! `jobctl promote-test-results`.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{amd64, live_world};
use crate::flow::outcome::TaskError;
use crate::operations::call::Call;
use crate::operations::row::{About, Conclusion, Operation, PlanOrResult, Program};
use crate::prow::manual::{self, PlannedPromotion, RecordChanged};
use crate::prow::names::{BuildName, ResultName};
use crate::version::Arch;

/// The operation, with its arguments.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct PromoteTestResults {
    /// The build's whole name
    pub build: BuildName,
    /// The architecture
    #[serde(default = "amd64")]
    pub arch: Arch,
    /// Say what would be done, and do nothing
    #[serde(default)]
    pub dry_run: bool,
}

impl Conclusion for RecordChanged {}

impl Operation for PromoteTestResults {
    const ABOUT: About = About::job_change(
        Program::Jobctl,
        "promote-test-results",
        "Promote a build by hand, whatever its test results say",
    )
    .hints(&[
        "The aggregator's next pass labels the release payload.",
        "Look at the build first: `jobctl show`.",
    ]);
    type Answer = PlanOrResult<PlannedPromotion, RecordChanged>;

    async fn run(self, call: &Call) -> Result<Self::Answer, TaskError> {
        let Self { build, arch, dry_run } = self;
        let permit = call.permit_unless(dry_run)?;
        let live = live_world(call.clients())?;
        let name = ResultName { build, arch };
        let Some(permit) = permit else {
            return Ok(PlanOrResult::Plan(manual::plan_promotion(live.world(), &name).await?));
        };
        let changed = manual::promote(live.world(), &name, permit).await?;
        Ok(PlanOrResult::Result(RecordChanged { file: name.to_string(), changed }))
    }
}
