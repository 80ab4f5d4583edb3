//! `drop-bugs`.

use schemars::JsonSchema;
use serde::Deserialize;

use super::row::{About, Effect};
use super::task_run::{Change, Options, Prepared, TaskRow};
use crate::clients::jira::IssueKey;
use crate::flow::outcome::{Refusal, TaskError};
use crate::tasks::drop_bugs::DropBugs as Work;

/// The operation, with its arguments.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub struct DropBugs {
    /// Critical bugs, or bugs with a customer case, that are dropped too
    pub include: Vec<IssueKey>,
    /// If another process runs the same task, wait for that run to end first
    pub wait: bool,
    /// How to make changes
    #[serde(flatten)]
    pub change: Change,
}

impl TaskRow for DropBugs {
    const ABOUT: About = About::task(
        "drop-bugs",
        "Remove unfinished bugs from the advisories and the shipment",
        Effect::Critical,
    )
    .hints(&["update-bug-list says which bugs are not finished."]);
    type Task = Work;

    fn options(&self) -> Result<Options, Refusal> {
        Ok(Options { change: self.change, wait: self.wait })
    }

    fn task(self, on: &Prepared<'_>) -> Result<Work, TaskError> {
        Ok(Work::new(on.services.clone(), self.include.into_iter().collect()))
    }
}
