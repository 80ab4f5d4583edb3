//! `add-qe-approval`.

use schemars::JsonSchema;
use serde::Deserialize;

use super::row::{About, Effect, Flows};
use super::task_run::{Change, Options, Prepared, TaskRow};
use crate::clients::jira::IssueKey;
use crate::flow::outcome::{Refusal, TaskError};
use crate::tasks::add_qe_approval::AddQeApproval as Work;

/// The operation, with its arguments.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub struct AddQeApproval {
    /// Bugs to accept although they are not finished or cannot be seen
    pub accept_bug: Vec<IssueKey>,
    /// Approve although the release's date is more than a day away
    pub early: bool,
    /// If another process runs the same task, wait for that run to end first
    pub wait: bool,
    /// How to make changes
    #[serde(flatten)]
    pub change: Change,
}

impl TaskRow for AddQeApproval {
    const ABOUT: About = About::task(
        "add-qe-approval",
        "Approve the shipment merge request of a Konflux release, after the checks of change-advisory-status",
        Effect::Critical,
    )
    .of(Flows::Konflux);
    type Task = Work;

    fn options(&self) -> Result<Options, Refusal> {
        Ok(Options { change: self.change, wait: self.wait })
    }

    fn task(self, on: &Prepared<'_>) -> Result<Work, TaskError> {
        let whole = super::change_advisory_status::approval(on, self.accept_bug, self.early)?;
        Ok(Work::new(on.services.clone(), whole))
    }
}
