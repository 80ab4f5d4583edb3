//! `job run_stage_testing`.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Start, Started};
use crate::flow::outcome::TaskError;
use crate::operations::call::Call;
use crate::operations::row::{About, Operation, Program};
use crate::prow::environment::ReleaseImage;
use crate::prow::jobs::JobOrder;

/// The operation.
#[derive(Debug)]
pub struct RunStageTesting;

/// What it is asked with.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct Arguments {
    /// The payload to test
    pub payload_url: ReleaseImage,
    /// How the job is started
    #[serde(flatten)]
    pub start: Start,
}

impl Operation for RunStageTesting {
    const ABOUT: About =
        About::job_change(Program::Job, "run_stage_testing", "Start the job that tests a payload on stage")
            .hints(&["`oar stage-testing` starts the same for a release, and keeps its result."]);
    type Arguments = Arguments;
    type Answer = Started;

    async fn run(arguments: Arguments, call: &Call) -> Result<Started, TaskError> {
        super::start(JobOrder::stage_testing(&arguments.payload_url), arguments.start, call).await
    }
}
