//! `push-to-cdn-staging`.

use schemars::JsonSchema;
use serde::Deserialize;

use super::row::{About, Effect};
use super::task_run::{Change, Options, Prepared, TaskRow, Waits};
use crate::flow::outcome::{Refusal, TaskError};
use crate::tasks::push_to_cdn_staging::PushToCdnStaging as Work;

/// The operation, with its arguments.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub struct PushToCdnStaging {
    /// Stay, and check again every five minutes until the task has ended
    pub wait: bool,
    /// How to make changes
    #[serde(flatten)]
    pub change: Change,
}

impl TaskRow for PushToCdnStaging {
    const ABOUT: About = About::task(
        "push-to-cdn-staging",
        "Push the advisories to the staging CDN and show the progress of each target",
        Effect::Critical,
    )
    .hints(&["A push takes up to hours: run it again to see its progress."]);
    const WAITS: Waits = Waits::ToTheEnd;
    type Task = Work;

    fn options(&self) -> Result<Options, Refusal> {
        Ok(Options { change: self.change, wait: self.wait })
    }

    fn task(self, on: &Prepared<'_>) -> Result<Work, TaskError> {
        Ok(Work::new(on.services.clone()))
    }
}
