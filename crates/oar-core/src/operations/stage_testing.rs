//! `stage-testing`.

use std::num::NonZeroU64;

use schemars::JsonSchema;
use serde::Deserialize;

use super::row::{About, Effect};
use super::task_run::{Change, Options, Prepared, TaskRow, Waits};
use crate::error::ErrorClass;
use crate::flow::outcome::{Refusal, TaskError};
use crate::tasks::stage_testing::StageTesting as Work;

/// The operation, with its arguments.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub struct StageTesting {
    /// Number of the Jenkins build to follow, instead of the one in the StateBox
    pub build_number: Option<NonZeroU64>,
    /// Start a build although ART's own stage test of this payload passed or is running
    pub again: bool,
    /// Follow a job that is there, and start none; only callers within the program ask for that
    #[serde(skip)]
    pub follow: bool,
    /// Stay, and check again every five minutes until the task has ended
    pub wait: bool,
    /// How to make changes
    #[serde(flatten)]
    pub change: Change,
}

impl TaskRow for StageTesting {
    const ABOUT: About = About::task(
        "stage-testing",
        "Start the stage pipeline in Jenkins once and follow it to its result",
        Effect::Writes,
    )
    .hints(&["The pipeline takes some hours: run it again to see its progress."]);
    const WAITS: Waits = Waits::ToTheEnd;
    type Task = Work;

    fn options(&self) -> Result<Options, Refusal> {
        if self.again && self.build_number.is_some() {
            let message = "a build to follow and `again`, which starts one, exclude each other";
            return Err(Refusal::new(ErrorClass::Usage, message));
        }
        Ok(Options { change: self.change, wait: self.wait })
    }

    fn task(self, on: &Prepared<'_>) -> Result<Work, TaskError> {
        let number = self.build_number.map(NonZeroU64::get);
        Ok(Work::new(on.services.clone(), number, self.again).only_following(self.follow))
    }
}
