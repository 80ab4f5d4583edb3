//! `check-greenwave-cvp-tests`.

use schemars::JsonSchema;
use serde::Deserialize;

use super::row::{About, Effect, Flows};
use super::task_run::{Change, Options, Prepared, TaskRow};
use crate::flow::outcome::{Refusal, TaskError};
use crate::tasks::check_greenwave_cvp_tests::CheckGreenwaveCvpTests as Work;

/// The operation, with its arguments.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub struct CheckGreenwaveCvpTests {
    /// If another process runs the same task, wait for that run to end first
    pub wait: bool,
    /// How to make changes
    #[serde(flatten)]
    pub change: Change,
}

impl TaskRow for CheckGreenwaveCvpTests {
    const ABOUT: About = About::task(
        "check-greenwave-cvp-tests",
        "Check the Greenwave CVP tests of the advisories and report failures in Jira (Errata flow)",
        Effect::Writes,
    )
    .of(Flows::Errata);
    type Task = Work;

    fn options(&self) -> Result<Options, Refusal> {
        Ok(Options { change: self.change, wait: self.wait })
    }

    fn task(self, on: &Prepared<'_>) -> Result<Work, TaskError> {
        Ok(Work::new(on.services.clone()))
    }
}
