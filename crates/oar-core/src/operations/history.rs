//! `history`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::call::Call;
use super::row::{About, Conclusion, Operation};
use crate::flow::outcome::TaskError;
use crate::statebox::{MetadataRecord, RunView, TaskName};
use crate::version::ReleaseVersion;

/// The operation, with its arguments.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub struct History {
    /// Only this task
    pub task: Option<TaskName>,
}

/// Every recorded run in chronological order.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Answer {
    /// The release.
    pub release: ReleaseVersion,
    /// The runs, oldest first.
    pub runs: Vec<Entry>,
    /// What ART has changed in the build data, oldest first.
    pub metadata: Vec<MetadataRecord>,
}

/// One run.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Entry {
    /// The task, as spelled in the file.
    pub task: String,
    /// The run.
    pub run: RunView,
}

impl Conclusion for Answer {}

impl Operation for History {
    const ABOUT: About =
        About::look("history", "List every recorded run of the tasks, oldest first: when, who, result");
    type Answer = Answer;

    async fn run(self, call: &Call) -> Result<Answer, TaskError> {
        let state = call.state().await?;
        let tasks = state.tasks().into_iter();
        let tasks = tasks.filter(|view| self.task.is_none_or(|task| view.task == Some(task)));
        let mut runs: Vec<Entry> = tasks
            .flat_map(|view| {
                let task = view.name;
                view.history.into_iter().map(move |run| Entry { task: task.clone(), run })
            })
            .collect();
        // The sort is stable, so runs of the same second keep the order of their task.
        runs.sort_by(|one, other| one.run.started.cmp(&other.run.started));
        Ok(Answer { release: call.release()?.clone(), runs, metadata: state.metadata_history() })
    }
}
