//! `jobctl promote-test-results`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{amd64, live_world};
use crate::flow::outcome::TaskError;
use crate::operations::call::Call;
use crate::operations::row::{About, Conclusion, Operation, Program};
use crate::prow::manual::{self, PlannedPromotion, RecordChanged};
use crate::prow::names::{BuildName, ResultName};
use crate::version::Arch;

/// The operation.
#[derive(Debug)]
pub struct PromoteTestResults;

/// What it is asked with.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct Arguments {
    /// The build's whole name
    pub build: BuildName,
    /// The architecture
    #[serde(default = "amd64")]
    pub arch: Arch,
    /// Say what would be done, and do nothing
    #[serde(default)]
    pub dry_run: bool,
}

/// What became of the record.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum Answer {
    /// What would become of it.
    Planned(PlannedPromotion),
    /// What became of it.
    Done(RecordChanged),
}

impl Conclusion for Answer {}

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
    type Arguments = Arguments;
    type Answer = Answer;

    async fn run(arguments: Arguments, call: &Call) -> Result<Answer, TaskError> {
        let Arguments { build, arch, dry_run } = arguments;
        let permit = call.permit_unless(dry_run)?;
        let live = live_world(call.clients(), &[])?;
        let name = ResultName { build, arch };
        let Some(permit) = permit else {
            return Ok(Answer::Planned(manual::plan_promotion(live.world(), &name).await?));
        };
        let changed = manual::promote(live.world(), &name, permit).await?;
        Ok(Answer::Done(RecordChanged { file: name.to_string(), changed }))
    }
}
