//! `image-consistency-check`.

use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};

use super::row::{About, Effect};
use super::task_run::{Change, Options, Prepared, TaskRow, Waits};
use crate::flow::outcome::{Refusal, TaskError};
use crate::schema::text_schema;
use crate::tasks::image_consistency_check::ImageConsistencyCheck as Work;

/// The id of a Prow job, which is the name of a Kubernetes object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobId(String);

/// The text is not the id of a Prow job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected the id of a Prow job, for example 0b8e7c1a-1111-4222-8333-944455556666")]
pub struct InvalidJobId;

impl FromStr for JobId {
    type Err = InvalidJobId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        let good = (8..=64).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        if good { Ok(Self(text.to_owned())) } else { Err(InvalidJobId) }
    }
}

impl<'de> Deserialize<'de> for JobId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

text_schema!(JobId, "JobId", "The id of a Prow job", ["0b8e7c1a-1111-4222-8333-944455556666"]);

/// The operation, with its arguments.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ImageConsistencyCheck {
    /// Id of the Prow job to follow, instead of the one in the StateBox
    pub job_id: Option<JobId>,
    /// Follow a job that is there, and start none; only callers within the program ask for that
    #[serde(skip)]
    pub follow: bool,
    /// Stay, and check again every five minutes until the task has ended
    pub wait: bool,
    /// How to make changes
    #[serde(flatten)]
    pub change: Change,
}

impl TaskRow for ImageConsistencyCheck {
    const ABOUT: About = About::task(
        "image-consistency-check",
        "Compare the payload with the shipment in a Prow job, then check the health of the images",
        Effect::Writes,
    )
    .hints(&["The job takes about an hour: run it again to see its progress."]);
    const WAITS: Waits = Waits::ToTheEnd;
    type Task = Work;

    fn options(&self) -> Result<Options, Refusal> {
        Ok(Options { change: self.change, wait: self.wait })
    }

    fn task(self, on: &Prepared<'_>) -> Result<Work, TaskError> {
        Ok(Work::new(on.services.clone(), self.job_id.map(|id| id.0)).only_following(self.follow))
    }
}
