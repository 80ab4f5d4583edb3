//! `task set`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::call::{Call, new_id};
use super::row::{About, Conclusion, Effect, Operation};
use crate::error::ErrorClass;
use crate::flow::outcome::{Refusal, TaskError};
use crate::statebox::{Change, ManualStatus, TaskName, TaskStatus};
use crate::version::ReleaseVersion;

/// The operation, with its arguments.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct TaskSet {
    /// The task
    pub name: TaskName,
    /// The new status
    pub status: TaskStatus,
    /// Why it is set by hand
    pub reason: String,
    /// What is stored as the task's result; only callers within the program give one.
    #[serde(skip)]
    pub result: Option<String>,
    /// Allow changing a Pass
    #[serde(default)]
    pub force: bool,
    /// Show what would be done without doing it
    #[serde(default)]
    pub dry_run: bool,
}

/// The change of the status.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Answer {
    /// The release.
    pub release: ReleaseVersion,
    /// The task.
    pub task: TaskName,
    /// Its status before.
    pub from: TaskStatus,
    /// The requested status.
    pub to: TaskStatus,
    /// Whether the file was changed.
    pub changed: bool,
    /// Whether this was a dry run, which changes nothing.
    pub dry_run: bool,
    /// Whether the file differs from the request.
    #[serde(skip)]
    pub differs: bool,
}

impl Conclusion for Answer {}

impl Operation for TaskSet {
    const ABOUT: About = About::task(
        "task set",
        "Set the status of a task; the reason is kept in its history",
        Effect::Writes,
    );
    type Answer = Answer;

    async fn run(self, call: &Call) -> Result<Answer, TaskError> {
        let Self { name, status, reason, result, force, dry_run } = self;
        if reason.trim().is_empty() {
            let message = "--reason is empty; expected why the status is set by hand";
            return Err(Refusal::new(ErrorClass::Usage, message).into());
        }
        let statebox = call.statebox()?;
        let state = statebox.load().await?;
        let from = state.task(name).map_or(TaskStatus::NotStarted, |view| view.status);
        let setting = ManualStatus {
            id: new_id(),
            status,
            reason,
            by: call.user().to_owned(),
            at: call.clock().now(),
            result,
            force,
        };
        let _hold = call.interrupt().hold();
        let change = if dry_run {
            // The same rules apply, on a copy that is discarded.
            state.clone().set_task(name, &setting)?
        } else {
            let message = format!("Update task: {name}");
            statebox.update(call.permit()?, &message, |state| state.set_task(name, &setting)).await?.change
        };
        let differs = change == Change::Changed;
        let release = call.release()?.clone();
        Ok(Answer { release, task: name, from, to: status, changed: differs && !dry_run, dry_run, differs })
    }
}
