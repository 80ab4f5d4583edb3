//! `create-test-report`.

use schemars::JsonSchema;
use serde::Deserialize;

use super::row::{About, Effect};
use super::task_run::{Change, Options, Prepared, TaskRow};
use crate::flow::outcome::{Refusal, TaskError};
use crate::tasks::create_test_report::CreateTestReport as Work;

/// The operation, with its arguments.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub struct CreateTestReport {
    /// Create the file although the release has a worksheet in Google Sheets
    pub beside_worksheet: bool,
    /// If another process runs the same task, wait for that run to end first
    pub wait: bool,
    /// How to make changes
    #[serde(flatten)]
    pub change: Change,
}

impl TaskRow for CreateTestReport {
    const ABOUT: About = About::task(
        "create-test-report",
        "Create the release's StateBox file and notify the release leads",
        Effect::Writes,
    )
    .hints(&["The first task of a release: every other one needs the file."]);
    const CREATES_STATE: bool = true;
    type Task = Work;

    fn options(&self) -> Result<Options, Refusal> {
        Ok(Options { change: self.change, wait: self.wait })
    }

    fn task(self, on: &Prepared<'_>) -> Result<Work, TaskError> {
        Ok(Work::new(on.services.clone(), on.statebox.location(), self.beside_worksheet))
    }
}
