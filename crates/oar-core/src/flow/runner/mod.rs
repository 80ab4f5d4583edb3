//! The one path that every task takes: plan, claim the task and record the start, apply, tell people, record the
//! outcome.
//!
//! Of two runs of one task at the same moment only one acts: the other finds its claim. A plan that was made from another state than the
//! one that the claim met is made again, so that the second run sees what the first did.
//!
//! The outcome is recorded as the typed value that the task returned, also when the task fails, is interrupted or
//! panics. Nothing is read back from the log.

mod claim;
mod conclude;
mod messages;
mod outbox;
#[cfg(test)]
mod tests;
mod work;

pub use claim::other_run;

use std::panic::AssertUnwindSafe;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use futures::FutureExt;
use jiff::Timestamp;
use serde::Serialize;

use crate::clock::Clock;
use crate::error::ErrorClass;
use crate::flow::consent::Consent;
use crate::flow::interrupt::{Interrupt, Signal};
use crate::flow::log::LogCapture;
use crate::flow::outcome::{PlanSummary, Reason, Refusal, Step, TaskError, TaskOutcome};
use crate::flow::runner::claim::Claimed;
use crate::flow::task::Task;
use crate::notify::Message;
use crate::notify::outbox::{Delivery, PreviousSend};
use crate::permit::WritePermit;
use crate::statebox::{
    Notification as NotificationRecord, RunStart, State, StateBox, StateBoxError, TaskName, TaskStatus,
};

/// Whether a run may change the world.
#[derive(Debug, Clone, Copy)]
pub enum Mode<'a> {
    /// Only the plan is made.
    DryRun,
    /// The plan is applied.
    Apply(&'a WritePermit),
    /// The plan is applied when it is consented to; an empty plan asks nothing.
    Ask(&'a WritePermit, &'a dyn Consent),
}

impl<'a> Mode<'a> {
    fn permit(&self) -> Option<&'a WritePermit> {
        match self {
            Self::DryRun => None,
            Self::Apply(permit) | Self::Ask(permit, _) => Some(permit),
        }
    }
}

/// Sends one message. Implemented over Slack, and by tests.
#[async_trait]
pub trait Deliver: Send + Sync {
    /// Sends `message`, unless an earlier run has done so.
    async fn deliver(&self, message: &Message, earlier: PreviousSend, permit: &WritePermit) -> Delivery;
}

/// How a run ended, as the command line shows it and `--output json` prints it.
#[derive(Debug, Clone, Serialize, schemars::JsonSchema)]
#[expect(clippy::struct_excessive_bools, reason = "facts of a run for programs, each with its own meaning")]
pub struct Report {
    /// The task.
    pub task: TaskName,
    /// The command that was run; it is not always named like the task.
    pub command: String,
    /// The release.
    pub release: String,
    /// The run's id in the history.
    pub run: String,
    /// Whether this was a dry run, which changes nothing.
    pub dry_run: bool,
    /// Whether this run changed anything outside the StateBox.
    pub changed: bool,
    /// Whether the task had passed before, and there was nothing to do.
    pub nothing_to_do: bool,
    /// Whether the run was refused before it began, so that the task stays as it was.
    pub refused: bool,
    /// Whether the run could not find out, or not do, what it should, for a reason outside the release: the task stays as
    /// it was.
    pub unknown: bool,
    /// Who runs the task now, when this run was refused for that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub held: Option<Held>,
    /// The status that the task has now; `None` for a dry run.
    pub status: Option<TaskStatus>,
    /// What was looked at and found good.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finding: Option<String>,
    /// Why the run did not pass.
    pub reason: Option<Reason>,
    /// The next step, when the run did not pass.
    pub hint: Option<String>,
    /// What was to be done.
    pub plan: PlanSummary,
    /// What was done.
    pub done: Vec<Step>,
    /// What became of each message.
    pub notifications: Vec<NotificationRecord>,
    /// What became of the messages that earlier runs of this release could not send.
    pub earlier_notifications: Vec<NotificationRecord>,
    /// What the user should know beside the outcome.
    pub warnings: Vec<String>,
    /// Facts of the task.
    pub data: serde_json::Value,
    /// The class that decides the exit code; `None` is success.
    #[serde(skip)]
    pub class: Option<ErrorClass>,
    /// The signal that ended the run.
    #[serde(skip)]
    pub signal: Option<Signal>,
    /// What stands above the checks of the plan, when they refused the run.
    #[serde(skip)]
    pub headline: Option<String>,
    /// The log of the run.
    #[serde(skip)]
    pub log: String,
}

/// Who runs a task, and until when unless they go on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Held {
    /// Their name.
    pub by: String,
    /// Until when, `YYYY-MM-DDTHH:MM:SSZ`.
    pub until: String,
}

/// Runs tasks of one release.
pub struct Runner<'a> {
    /// The release's state.
    pub statebox: &'a StateBox,
    /// The time.
    pub clock: &'a Clock,
    /// The user's request to stop.
    pub interrupt: &'a Interrupt,
    /// Where messages go.
    pub deliver: &'a dyn Deliver,
    /// Who runs it, as the history records it.
    pub user: &'a str,
}

/// What is known of a run at any moment, so that whatever ends it finds what was done.
#[derive(Default)]
struct Progress {
    plan: PlanSummary,
    done: Vec<Step>,
    notifications: Vec<NotificationRecord>,
    earlier_notifications: Vec<NotificationRecord>,
    /// The status that the StateBox holds before the run.
    status: Option<TaskStatus>,
    started: bool,
    /// The state could not be read, so there is nothing to record in.
    unreadable: bool,
    consent: ConsentState,
    /// Whether the marker of the start is in the log.
    marked: bool,
}

/// Whether somebody has consented to the steps of a run.
#[derive(Default)]
enum ConsentState {
    #[default]
    NotAsked,
    /// It is being asked for: a run that ends here has done nothing and leaves no trace.
    Asking,
    /// It was given to these steps.
    Given(Vec<Step>),
}

impl ConsentState {
    fn covers(&self, step: &Step) -> bool {
        matches!(self, Self::Given(steps) if steps.contains(step))
    }
}

/// One run, from its beginning to its end.
struct Run {
    id: String,
    started: Timestamp,
    claimed: Claimed,
    progress: Mutex<Progress>,
}

impl Run {
    fn progress(&self) -> std::sync::MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

enum End {
    Planned,
    NothingToDo,
    Declined(Refusal),
    Stands(TaskOutcome),
    Finished(TaskOutcome),
    Failed(TaskError),
    Interrupted(Signal),
    Panicked(String),
}

impl Runner<'_> {
    /// Runs `task` to its end and says how it ended. `loaded` is the state as the caller has just read it.
    ///
    /// Whatever happens is in the report; it never fails otherwise.
    pub async fn run<T: Task>(
        &self,
        task: &T,
        mode: Mode<'_>,
        loaded: Result<Option<State>, StateBoxError>,
    ) -> Report {
        let run = Run {
            id: uuid::Uuid::now_v7().simple().to_string(),
            started: self.clock.now(),
            claimed: Claimed::default(),
            progress: Mutex::default(),
        };
        let capture = LogCapture::default();
        let _hold = self.interrupt.hold();
        let remembered: Mutex<Option<T::Plan>> = Mutex::new(None);
        // The work of all clients is in it, more than a caller's stack is made for.
        let whole = Box::pin(async {
            let work = AssertUnwindSafe(self.work(task, &mode, loaded, &run, &remembered));
            let end = tokio::select! {
                biased;
                signal = self.interrupt.wait() => End::Interrupted(signal),
                error = self.keep_claim(task, &run, mode.permit()) => End::Failed(error),
                outcome = run.claimed.guard(self.clock, work.catch_unwind()) => match outcome {
                    Ok(Ok(end)) => end,
                    Ok(Err(error)) => End::Failed(error),
                    Err(panic) => End::Panicked(conclude::panic_text(&*panic)),
                },
            };
            let plan = remembered.into_inner().unwrap_or_else(PoisonError::into_inner);
            self.conclude(task, &mode, end, plan.as_ref(), run, &capture).await
        });
        capture.scope(whole).await
    }

    fn start<T: Task>(&self, task: &T, run: &Run) -> RunStart {
        RunStart {
            id: run.id.clone(),
            started: run.claimed.since().unwrap_or(run.started),
            by: self.user.to_owned(),
            command: task.command(),
            force: false,
        }
    }
}

/// The command that resolves an issue, by the beginning of its text.
pub(crate) fn resolve_command(release: &str, issue: &str) -> String {
    let line = issue.lines().next().unwrap_or_default();
    let mut begin = String::new();
    for word in line.split(' ') {
        if !begin.is_empty() && begin.len() + word.len() > 40 {
            break;
        }
        begin.push_str(if begin.is_empty() { "" } else { " " });
        begin.push_str(word);
        // A sentence is enough when it says something.
        if begin.len() >= 15 && begin.ends_with('.') {
            break;
        }
    }
    // Whatever a shell takes apart inside quotes is left out with what follows it.
    let begin = begin.split('\'').next().unwrap_or_default().trim_end();
    format!("oar -r {release} issue resolve '{begin}' --resolution '<how>'")
}

/// The line that other tools read (`interop-exact`, spec 01 §4.2).
fn marker(task: TaskName, status: TaskStatus) {
    tracing::info!("task [{}] status is changed to [{status}]", task.display_name());
}

fn update_message(task: TaskName) -> String {
    format!("Update task: {task}")
}
