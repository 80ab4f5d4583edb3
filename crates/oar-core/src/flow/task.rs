//! What a task is to the runner.

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Serialize;

use crate::flow::outcome::{Plan, TaskError, TaskOutcome};
use crate::flow::recorder::Recorder;
use crate::notify::Message;
use crate::permit::WritePermit;
use crate::statebox::{Change, State, StateError, TaskName, TaskStatus};

/// Puts what [`Task::complete`] found into a plan.
pub type Completion<P> = Box<dyn FnOnce(&mut P) + Send>;

/// One task of the release, of both flows.
///
/// [`Task::plan`] only reads. [`Task::apply`] makes the planned changes, looking again where the world may have
/// moved, and records each at the moment when it is made. What the task leaves in the StateBox beside its outcome goes through [`Task::remember`], in the same write
/// as the outcome. What it tells people goes through [`Task::notifications`], after its effects.
#[async_trait]
pub trait Task: Send + Sync {
    /// What the task means to do.
    type Plan: Plan;
    /// What the task found and did. What it records and whom it tells follows from this, and the facts of
    /// `--output json` are this as JSON.
    type Done: Clone + Serialize + JsonSchema + Send + Sync;

    /// The task's name.
    fn name(&self) -> TaskName;

    /// The command that runs it, which is not always named like the task.
    fn command_name(&self) -> &'static str {
        self.name().id()
    }

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

    /// Whether the task is carried on by somebody who looks again and records each look: a run that could not begin leaves
    /// no record of its own then.
    fn is_carried_on(&self) -> bool {
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

    /// Looks at what [`Task::plan`] left open because it does not decide whether a run acts: the last look before the
    /// first change. What was found goes into the plan, which is whole then.
    ///
    /// Where the plan [acts in any case](Plan::certainly_acts) and nobody is shown it first, this is done while the task
    /// is claimed; otherwise before. An error ends the run before it does anything, and must be one that says nothing
    /// about the release ([`is_undecided`](crate::flow::outcome::is_undecided)): a refusal belongs into the plan.
    async fn complete(&self, _plan: &Self::Plan) -> Result<Completion<Self::Plan>, TaskError> {
        Ok(Box::new(|_| ()))
    }

    /// The outcome when `plan` shows that everything stands as the StateBox says already, such as a job that still runs.
    /// Nothing is recorded then: a look is not a run.
    fn standing(&self, _plan: &Self::Plan) -> Option<TaskOutcome<Self::Done>> {
        None
    }

    /// Records in the StateBox what is about to be done, in the same write as the run's start, after it, and before
    /// [`Task::apply`]. An error ends the run before it does anything. Must change nothing when applied to its own
    /// result.
    fn intend(&self, _plan: &Self::Plan, _state: &mut State) -> Result<Change, StateError> {
        Ok(Change::Unchanged)
    }

    /// The state that a release without a StateBox file starts with.
    fn initial_state(&self) -> Result<State, TaskError>;

    /// Makes the planned changes; `recorder` hears of each when it is made.
    async fn apply(
        &self,
        plan: &Self::Plan,
        permit: &WritePermit,
        recorder: &Recorder,
    ) -> Result<TaskOutcome<Self::Done>, TaskError>;

    /// Makes the last changes of a plan that acts, which nobody who is told of `outcome` depends on; people are told at
    /// the same time. Gives the outcome, or why it is no Pass after all.
    async fn finish(
        &self,
        _plan: &Self::Plan,
        outcome: TaskOutcome<Self::Done>,
        _permit: &WritePermit,
        _recorder: &Recorder,
    ) -> Result<TaskOutcome<Self::Done>, TaskError> {
        Ok(outcome)
    }

    /// Changes the StateBox beside the outcome; must change nothing when applied to its own result.
    fn remember(
        &self,
        _plan: &Self::Plan,
        _outcome: &TaskOutcome<Self::Done>,
        _state: &mut State,
    ) -> Result<Change, StateError> {
        Ok(Change::Unchanged)
    }

    /// Whether people are told of this outcome at all: a Pass, what goes on outside, and no failure.
    fn tells(&self, outcome: &TaskOutcome<Self::Done>) -> bool {
        matches!(outcome.status, TaskStatus::Pass | TaskStatus::InProgress)
    }

    /// What people are told once the outcome stands. The keys must be the same however often the run is repeated.
    ///
    /// Asked after a Pass, and after a run that left the task In Progress when it changed something or an earlier
    /// message is owed. A message that a run of the same matter has sent is not sent again.
    async fn notifications(&self, _plan: &Self::Plan, _outcome: &TaskOutcome<Self::Done>) -> Vec<Message> {
        Vec::new()
    }
}
