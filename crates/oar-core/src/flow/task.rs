//! What a task is to the runner.

use async_trait::async_trait;

use crate::flow::outcome::{Plan, TaskError, TaskOutcome};
use crate::notify::Message;
use crate::permit::WritePermit;
use crate::statebox::{Change, State, StateError, TaskName, TaskStatus};

/// One task of the release, of both flows.
///
/// [`Task::plan`] only reads. [`Task::apply`] makes the planned changes, looking again where the world may have
/// moved. What the task leaves in the StateBox beside its outcome goes through [`Task::remember`], in the same write
/// as the outcome. What it tells people goes through [`Task::notifications`], after its effects.
#[async_trait]
pub trait Task: Send + Sync {
    /// What the task means to do.
    type Plan: Plan;

    /// The task's name.
    fn name(&self) -> TaskName;

    /// Whether runs are recorded as a task of the StateBox.
    fn is_tracked(&self) -> bool {
        true
    }

    /// Whether the task is the one that makes the StateBox file of a release that has none. Its planned file is made
    /// before [`Task::apply`], with the run in it, so that the next run tells what a killed one did not. When the run
    /// has told everybody, its record goes again.
    fn creates_state(&self) -> bool {
        false
    }

    /// The command as the history records it, without addresses and secrets.
    fn command(&self) -> String;

    /// Whether the open blocker with this text is the task's own: it was put there by a run, and this run decides
    /// whether it still holds. Any other blocker refuses the run.
    fn keeps_blocker(&self, _text: &str) -> bool {
        false
    }

    /// Computes what has to be done, from reads alone. `state` is the StateBox as it stands.
    async fn plan(&self, state: Option<&State>) -> Result<Self::Plan, TaskError>;

    /// Records in the StateBox what is about to be done, in the same write as the run's start and before
    /// [`Task::apply`]. An error ends the run before it does anything. Must change nothing when applied to its own
    /// result.
    fn intend(&self, _plan: &Self::Plan, _state: &mut State) -> Result<Change, StateError> {
        Ok(Change::Unchanged)
    }

    /// The state that a release without a StateBox file starts with.
    fn initial_state(&self) -> Result<State, TaskError>;

    /// Makes the planned changes.
    async fn apply(&self, plan: &Self::Plan, permit: &WritePermit) -> Result<TaskOutcome, TaskError>;

    /// Changes the StateBox beside the outcome; must change nothing when applied to its own result.
    fn remember(
        &self,
        _plan: &Self::Plan,
        _outcome: &TaskOutcome,
        _state: &mut State,
    ) -> Result<Change, StateError> {
        Ok(Change::Unchanged)
    }

    /// Whether people are told of this outcome at all: a Pass, what goes on outside, and no failure.
    fn tells(&self, outcome: &TaskOutcome) -> bool {
        matches!(outcome.status, TaskStatus::Pass | TaskStatus::InProgress)
    }

    /// What people are told once the outcome stands. The keys must be the same however often the run is repeated.
    ///
    /// Asked after a Pass, and after a run that left the task In Progress when it changed something or an earlier
    /// message is owed. A message that a run of the same matter has sent is not sent again.
    async fn notifications(&self, _plan: &Self::Plan, _outcome: &TaskOutcome) -> Vec<Message> {
        Vec::new()
    }
}
