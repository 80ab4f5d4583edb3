//! `job run_image_consistency_check`.

use std::num::NonZeroU64;

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
pub struct RunImageConsistencyCheck;

/// What it is asked with.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct Arguments {
    /// The payload to compare
    pub payload_url: ReleaseImage,
    /// The number of the shipment merge request
    pub mr_id: NonZeroU64,
    /// How the job is started
    #[serde(flatten)]
    pub start: Start,
}

impl Operation for RunImageConsistencyCheck {
    const ABOUT: About = About::job_change(
        Program::Job,
        "run_image_consistency_check",
        "Start the job that compares a payload with its shipment",
    )
    .hints(&["`oar image-consistency-check` starts the same for a release, and keeps its result."]);
    type Arguments = Arguments;
    type Answer = Started;

    async fn run(arguments: Arguments, call: &Call) -> Result<Started, TaskError> {
        let Arguments { payload_url, mr_id, start } = arguments;
        let order = JobOrder::image_consistency(call.clients(), &payload_url, mr_id.get())?;
        super::start(order, start, call).await
    }
}
