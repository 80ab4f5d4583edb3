//! One run: its phases in their order, and what is known of it at any moment.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::sync::{Mutex, MutexGuard, PoisonError};

use futures::FutureExt as _;
use jiff::Timestamp;

use super::claim::Claimed;
use super::{Mode, Runner};
use crate::flow::interrupt::Signal;
use crate::flow::outcome::{PlanSummary, Refusal, Step, TaskError, TaskOutcome};
use crate::flow::recorder::Recorder;
use crate::flow::task::Task;
use crate::permit::{Closed, WritePermit};
use crate::statebox::{
    Notification, RunStart, State, StateBox, StateBoxError, StateError, TaskName, TaskStatus,
};

/// How often a run plans before it gives up, because somebody else was at the task each time.
const PLANS: usize = 5;

/// One run of a task, from its beginning to its end.
pub(super) struct Run<'r, T: Task> {
    pub(super) runner: &'r Runner<'r>,
    pub(super) task: &'r T,
    pub(super) mode: Mode<'r>,
    pub(super) id: String,
    started: Timestamp,
    pub(super) claimed: Claimed,
    pub(super) recorder: Recorder,
    /// With what the task acts; it remembers why an effect was refused.
    effects: Option<WritePermit>,
    progress: Mutex<Progress>,
}

/// What is known of a run at any moment, so that whatever ends it finds it.
#[derive(Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own, and any may hold beside any")]
pub(super) struct Progress {
    pub(super) plan: PlanSummary,
    pub(super) notifications: Vec<Notification>,
    pub(super) earlier_notifications: Vec<Notification>,
    /// The status that the StateBox holds before the run.
    pub(super) status: Option<TaskStatus>,
    pub(super) started: bool,
    /// The release had no StateBox, and this run made one.
    pub(super) created: bool,
    /// The state could not be read, so there is nothing to record in.
    pub(super) unreadable: bool,
    pub(super) consent: ConsentState,
    /// Whether the marker of the start is in the log.
    pub(super) marked: bool,
}

/// Whether somebody has consented to the steps of a run.
#[derive(Default)]
pub(super) enum ConsentState {
    #[default]
    NotAsked,
    /// Consent is being asked for: a run that ends here has done nothing and leaves no trace.
    Asking,
    /// It was given to these steps.
    Given(Vec<Step>),
}

impl ConsentState {
    pub(super) fn covers(&self, step: &Step) -> bool {
        matches!(self, Self::Given(steps) if steps.contains(step))
    }
}

/// How a run ended.
pub(super) enum End<T: Task> {
    Planned,
    NothingToDo,
    Declined(Refusal),
    Stands(TaskOutcome<T::Done>),
    Finished(T::Plan, TaskOutcome<T::Done>),
    Failed(TaskError),
    Interrupted(Signal),
    Panicked(String),
}

impl<'r, T: Task> Run<'r, T> {
    pub(super) fn new(runner: &'r Runner<'r>, task: &'r T, mode: Mode<'r>) -> Self {
        Self {
            runner,
            task,
            mode,
            id: runner.id.clone().unwrap_or_else(|| uuid::Uuid::now_v7().simple().to_string()),
            started: runner.clock.now(),
            claimed: Claimed::default(),
            recorder: Recorder::default(),
            effects: mode.permit().map(WritePermit::for_one_run),
            progress: Mutex::default(),
        }
    }

    pub(super) fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn name(&self) -> TaskName {
        self.task.name()
    }

    pub(super) fn statebox(&self) -> &'r StateBox {
        self.runner.statebox
    }

    pub(super) fn now(&self) -> Timestamp {
        self.runner.clock.now()
    }

    /// The run as the history names it. One that asked for consent before it started counts from its claim
    /// on.
    pub(super) fn start(&self) -> RunStart {
        RunStart {
            id: self.id.clone(),
            started: self.claimed.since().unwrap_or(self.started),
            by: self.runner.user.to_owned(),
            command: self.task.command(),
            force: false,
        }
    }

    /// Goes through the phases until the run ends or is ended.
    pub(super) async fn until_end(&self, loaded: Result<Option<State>, StateBoxError>) -> End<T> {
        let phases = AssertUnwindSafe(self.phases(loaded));
        tokio::select! {
            biased;
            signal = self.runner.interrupt.wait() => End::Interrupted(signal),
            error = self.keep_claim() => End::Failed(error),
            outcome = self.claimed.guard(self.runner.clock, phases.catch_unwind()) => match outcome {
                Ok(Ok(end)) => end,
                Ok(Err(error)) => End::Failed(error),
                Err(panic) => End::Panicked(panic_text(&*panic)),
            },
        }
    }

    /// Loads the state, then makes an attempt; another one when somebody else was at the task after it was planned.
    async fn phases(&self, loaded: Result<Option<State>, StateBoxError>) -> Result<End<T>, TaskError> {
        let mut state = self.load(loaded).await?;
        for _ in 0..PLANS {
            let view = state.as_ref().and_then(|state| state.task(self.name()));
            self.progress().status = view.map(|view| view.status);
            match self.attempt(state.as_ref()).await {
                Err(error) if matches!(error.state_error(), Some(StateError::Moved { .. })) => {
                    tracing::info!("somebody else was at {} meanwhile: planning again", self.name());
                    state = self.statebox().find().await?;
                }
                end => return end,
            }
        }
        Err(StateError::Moved { task: self.name() }.into())
    }

    /// One attempt, from the plan to the last message.
    async fn attempt(&self, state: Option<&State>) -> Result<End<T>, TaskError> {
        let mut planned = self.plan(state).await?;
        if matches!(self.mode, Mode::DryRun) {
            return Ok(End::Planned);
        }
        if let Some(end) = self.without_acting(&planned, state) {
            return Ok(end);
        }
        // Nobody is asked about a plan that may not begin; and while they think, it may be held.
        self.refuse_when_held(&planned, state).await?;
        if let Some(refusal) = self.consent(&planned.summary).await {
            return Ok(End::Declined(refusal));
        }
        self.refuse_when_held(&planned, state).await?;
        let Some(permit) = &self.effects else { return Ok(End::Planned) };
        if let Some(end) = self.claim(&mut planned, state, permit).await? {
            return Ok(end);
        }
        let outcome = self.unless_held(self.apply(&planned, permit).await)?;
        let outcome = self.unless_held(self.tell(&planned, outcome, state, permit).await)?;
        Ok(End::Finished(planned.plan, outcome))
    }

    /// Refuses a plan that would change anything while the release is held, or while that cannot be found out.
    async fn refuse_when_held(
        &self,
        planned: &super::plan::Planned<T::Plan>,
        state: Option<&State>,
    ) -> Result<(), Closed> {
        let Some(permit) = self.mode.permit().filter(|_| !planned.summary.steps.is_empty()) else {
            return Ok(());
        };
        if let Some(closed) = state.and_then(|state| state.closed(self.now()).into_iter().next()) {
            return Err(closed);
        }
        permit.begin().await
    }

    /// What a run came to. When an effect was refused because the release is held, a failure is none of the release: the
    /// rest was not done.
    fn unless_held(
        &self,
        ended: Result<TaskOutcome<T::Done>, TaskError>,
    ) -> Result<TaskOutcome<T::Done>, TaskError> {
        let Some(closed) = self.effects.as_ref().and_then(WritePermit::refused) else { return ended };
        match ended {
            Ok(outcome) if outcome.status == TaskStatus::Fail || outcome.class.is_some() => {
                Ok(outcome.held(closed))
            }
            Ok(outcome) => Ok(outcome),
            Err(_) => Err(closed.into()),
        }
    }

    /// Makes the planned changes.
    async fn apply(
        &self,
        planned: &super::plan::Planned<T::Plan>,
        permit: &WritePermit,
    ) -> Result<TaskOutcome<T::Done>, TaskError> {
        if self.task.is_tracked() && !std::mem::replace(&mut self.progress().marked, true) {
            super::marker(self.name(), TaskStatus::InProgress);
        }
        self.task.apply(&planned.plan, permit, &self.recorder).await
    }
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("no message")
        .to_owned()
}
