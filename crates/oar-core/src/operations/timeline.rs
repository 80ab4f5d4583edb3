//! `timeline`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::call::Call;
use super::row::{About, Conclusion, Operation};
use crate::flow::outcome::TaskError;
use crate::statebox::Timeline;
use crate::version::ReleaseVersion;

/// The operation; it has no arguments.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct ReleaseTimeline {}

/// Where the time of the release went.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Answer {
    /// The release.
    pub release: ReleaseVersion,
    /// Where its time went.
    #[serde(flatten)]
    pub timeline: Timeline,
}

impl Conclusion for Answer {}

impl Operation for ReleaseTimeline {
    const ABOUT: About =
        About::look("timeline", "Show where the time of the release went, as far as its StateBox tells");
    type Answer = Answer;

    async fn run(self, call: &Call) -> Result<Answer, TaskError> {
        let state = call.state().await?;
        Ok(Answer { release: call.release()?.clone(), timeline: Timeline::of(&state, call.clock().now()) })
    }
}
