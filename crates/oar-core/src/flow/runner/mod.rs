//! The one path that every task takes: plan, record the start, apply, tell people, record the outcome.
//!
//! The outcome is recorded as the typed value that the task returned, also when the task fails, is interrupted or
//! panics. Nothing is read back from the log.

mod messages;
mod outbox;
#[cfg(test)]
mod tests;

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use futures::FutureExt;
use jiff::Timestamp;
use serde::Serialize;

use crate::clock::Clock;
use crate::error::{Classified, ErrorClass};
use crate::flow::consent::{Consent, Question};
use crate::flow::graph::{Readiness, readiness};
use crate::flow::interrupt::{Hold, Interrupt, Signal};
use crate::flow::log::{LogCapture, OUTCOME_TARGET};
use crate::flow::outcome::{Plan, PlanSummary, Reason, Refusal, Step, TaskError, TaskOutcome};
use crate::flow::permit::WritePermit;
use crate::flow::runner::messages::OpenMessages;
use crate::flow::task::Task;
use crate::notify::Message;
use crate::notify::outbox::{Delivery, Earlier};
use crate::statebox::{
    Created, KEPT_LIMIT, Notification as NotificationRecord, NotificationState, ReasonClass, RunEnd,
    RunOutcome, RunStart, State, StateBox, StateBoxError, TaskName, TaskStatus,
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
    async fn deliver(&self, message: &Message, earlier: Earlier, permit: &WritePermit) -> Delivery;
}

/// How a run ended, as the command line shows it and `--output json` prints it.
#[derive(Debug, Clone, Serialize)]
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
    /// Whether nothing was to be changed, by the user's wish.
    pub dry_run: bool,
    /// Whether this run changed anything outside the StateBox.
    pub changed: bool,
    /// Whether the task had passed before, and there was nothing to do.
    pub nothing_to_do: bool,
    /// Whether the run was refused before it began, so that the task stays as it was.
    pub refused: bool,
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

/// Runs tasks of one release.
pub struct Runner<'a> {
    /// The release's state.
    pub statebox: &'a StateBox,
    /// The time.
    pub clock: &'a Clock,
    /// The user's wish to stop.
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
    /// Consent is being asked for: a run that ends here has done nothing and leaves no trace.
    asking: bool,
    /// From the start of the run on, until its end is recorded.
    record: Option<Hold>,
}

impl Progress {
    /// The start of the run stands in the StateBox.
    fn started(&mut self, interrupt: &Interrupt) {
        self.started = true;
        self.record = Some(interrupt.hold_to_record());
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
    /// Whatever happens is in the report; nothing is thrown.
    pub async fn run<T: Task>(
        &self,
        task: &T,
        mode: Mode<'_>,
        loaded: Result<Option<State>, StateBoxError>,
    ) -> Report {
        let id = uuid::Uuid::now_v7().simple().to_string();
        let started = self.clock.now();
        let progress = Mutex::new(Progress::default());
        let capture = LogCapture::default();
        let _hold = self.interrupt.hold();
        let remembered: Mutex<Option<T::Plan>> = Mutex::new(None);
        capture
            .scope(async {
                let work =
                    AssertUnwindSafe(self.work(task, &mode, loaded, &id, started, &progress, &remembered));
                let end = tokio::select! {
                    biased;
                    signal = self.interrupt.wait() => End::Interrupted(signal),
                    outcome = work.catch_unwind() => match outcome {
                        Ok(Ok(end)) => end,
                        Ok(Err(error)) => End::Failed(error),
                        Err(panic) => End::Panicked(panic_text(&*panic)),
                    },
                };
                let progress = progress.into_inner().unwrap_or_else(PoisonError::into_inner);
                let plan = remembered.into_inner().unwrap_or_else(PoisonError::into_inner);
                self.conclude(task, &mode, end, plan.as_ref(), progress, &id, started, &capture).await
            })
            .await
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of one run")]
    async fn work<T: Task>(
        &self,
        task: &T,
        mode: &Mode<'_>,
        loaded: Result<Option<State>, StateBoxError>,
        id: &str,
        started: Timestamp,
        progress: &Mutex<Progress>,
        remembered: &Mutex<Option<T::Plan>>,
    ) -> Result<End, TaskError> {
        let name = task.name();
        let mut state = loaded.inspect_err(|_| lock(progress).unreadable = true)?;
        lock(progress).status = state.as_ref().and_then(|state| state.task(name)).map(|view| view.status);
        if let (Some(found), Some(permit)) = (state.take_if(|_| mode.permit().is_some()), mode.permit()) {
            let (now, sent) = self.send_kept(found, permit).await;
            lock(progress).earlier_notifications = sent;
            state = Some(now);
        }
        self.refuse_when_blocked(task, state.as_ref())?;
        if task.is_tracked() && mode.permit().is_some() {
            marker(name, TaskStatus::InProgress);
        }
        let plan = task.plan(state.as_ref()).await?;
        let summary = plan.summary();
        for check in &summary.checks {
            tracing::info!("ok: {}", check.text);
        }
        for note in &summary.notes {
            tracing::info!("{note}");
        }
        lock(progress).plan = summary.clone();
        let Some(permit) = mode.permit() else { return Ok(End::Planned) };

        let history =
            state.as_ref().and_then(|state| state.task(name)).map(|view| view.history).unwrap_or_default();
        let open = OpenMessages::of(&history);
        let is_pass = state
            .as_ref()
            .and_then(|state| state.task(name))
            .is_some_and(|view| view.status == TaskStatus::Pass);
        let done_before = if task.is_tracked() { is_pass } else { state.is_some() };
        if summary.steps.is_empty() && done_before && !open.any() {
            return Ok(End::NothingToDo);
        }
        if let Some(outcome) = plan.standing()
            && !open.owes()
        {
            return Ok(End::Stands(outcome));
        }
        if let Mode::Ask(_, consent) = mode
            && !summary.steps.is_empty()
        {
            lock(progress).asking = true;
            let question = Question { task: name, release: self.statebox.release(), plan: &summary };
            if let Err(refusal) = consent.ask(question).await {
                return Ok(End::Declined(refusal));
            }
            lock(progress).asking = false;
        }
        if task.is_tracked() && plan.acts() {
            let start = self.start(task, id, started);
            self.statebox
                .update_or_create(permit, &update_message(name), task.initial_state()?, |state| {
                    let intended = task.intend(&plan, state)?;
                    Ok(intended.or(state.start_run(name, &start)))
                })
                .await?;
            lock(progress).started(self.interrupt);
        }
        if task.creates_state() && state.is_none() && plan.acts() {
            if let Created::Before(_) = self.create(task, id, started, permit).await? {
                tracing::info!("somebody else created {} meanwhile", self.statebox.location());
                return Ok(End::NothingToDo);
            }
            lock(progress).started(self.interrupt);
        }
        let outcome = task.apply(&plan, permit).await?;
        lock(progress).done.clone_from(&outcome.done);
        let tell = match outcome.status {
            TaskStatus::Pass => !summary.steps.is_empty() || open.any() || !is_pass,
            TaskStatus::InProgress => !outcome.done.is_empty() || open.owes(),
            TaskStatus::Fail | TaskStatus::NotStarted => true,
        };
        if tell && task.tells(&outcome) {
            let episode = open.episode.as_ref().map_or(id, |(run, _)| run);
            let mut room = state.as_ref().map_or(KEPT_LIMIT, State::room_for_messages);
            for mut message in task.notifications(&plan, &outcome).await {
                message.key = format!("{}/{episode}", message.key);
                for part in message.parts() {
                    if open.is_settled(&part.key) {
                        continue;
                    }
                    let delivery = self.deliver.deliver(&part, open.earlier(&part.key), permit).await;
                    let record = self.record_of(&part, &delivery, room);
                    room = room.saturating_sub(record.text.as_ref().map_or(0, String::len));
                    lock(progress).notifications.push(record);
                }
            }
        }
        *remembered.lock().unwrap_or_else(PoisonError::into_inner) = Some(plan);
        Ok(End::Finished(outcome))
    }

    fn refuse_when_blocked<T: Task>(&self, task: &T, state: Option<&State>) -> Result<(), Refusal> {
        if let Some(state) = state
            && task.is_tracked()
            && let Readiness::Blocked { issue } = readiness(state, task.name())
            && !task.keeps_blocker(&issue)
        {
            let release = self.statebox.release().to_string();
            return Err(Refusal::blocked(format!("an open issue blocks it: {issue}"))
                .with_hint(format!("When it is cleared: {}", resolve_command(&release, &issue))));
        }
        Ok(())
    }

    /// Makes the StateBox file with this run in it.
    async fn create<T: Task>(
        &self,
        task: &T,
        id: &str,
        started: Timestamp,
        permit: &WritePermit,
    ) -> Result<Created, TaskError> {
        let mut initial = task.initial_state()?;
        let _ = initial.start_run(task.name(), &self.start(task, id, started));
        let message = format!("Initialize StateBox for release {}", self.statebox.release());
        Ok(self.statebox.create(permit, &message, initial).await?)
    }

    fn start<T: Task>(&self, task: &T, id: &str, started: Timestamp) -> RunStart {
        RunStart {
            id: id.to_owned(),
            started,
            by: self.user.to_owned(),
            command: task.command(),
            force: false,
        }
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of one run, put together once")]
    async fn conclude<T: Task>(
        &self,
        task: &T,
        mode: &Mode<'_>,
        end: End,
        plan: Option<&T::Plan>,
        progress: Progress,
        id: &str,
        started: Timestamp,
        capture: &LogCapture,
    ) -> Report {
        let name = task.name();
        let mut report = Report {
            task: name,
            command: task.command().split([' ', ':']).next().unwrap_or_default().to_owned(),
            release: self.statebox.release().to_string(),
            run: id.to_string(),
            dry_run: matches!(mode, Mode::DryRun),
            changed: !progress.done.is_empty(),
            nothing_to_do: matches!(end, End::NothingToDo),
            refused: false,
            status: None,
            finding: None,
            reason: None,
            hint: None,
            plan: progress.plan,
            done: progress.done,
            notifications: progress.notifications,
            earlier_notifications: progress.earlier_notifications,
            warnings: Vec::new(),
            data: serde_json::Value::Null,
            class: None,
            signal: None,
            headline: None,
            log: String::new(),
        };
        let mut owed = report.notifications.iter().chain(&report.earlier_notifications);
        if owed.any(|record| record.state != NotificationState::Sent) {
            report.warnings.push(
                "a message has not reached its channel; it is kept, and the next command of the release sends it"
                    .to_owned(),
            );
        }
        let Some(run_outcome) = Self::take_end(task, &end, &mut report) else { return report };
        if progress.asking {
            report.status = None;
            return report;
        }
        // A blocker, a wrong call or somebody who was faster is an answer, not a run: the state says already what
        // stands in the way.
        let refused_before_start = !progress.started
            && matches!(report.class, Some(ErrorClass::Blocked | ErrorClass::Usage | ErrorClass::Conflict))
            && matches!(end, End::Failed(_));
        report.refused = refused_before_start;
        if let End::Finished(outcome) = &end {
            let passed = (outcome.status, progress.status) == (TaskStatus::Pass, Some(TaskStatus::Pass));
            report.nothing_to_do = passed && outcome.done.is_empty() && report.notifications.is_empty();
        }
        if refused_before_start && task.is_tracked() {
            report.status = Some(progress.status.unwrap_or(TaskStatus::NotStarted));
        }
        let undelivered = report.notifications.iter().any(|record| record.state != NotificationState::Sent);
        let has_record = task.creates_state() && (progress.started || progress.status.is_some());
        let records =
            (task.is_tracked() || undelivered || has_record) && !progress.unreadable && !refused_before_start;
        if task.is_tracked()
            && !refused_before_start
            && mode.permit().is_some()
            && let Some(status) = report.status
        {
            marker(name, status);
        }
        report.log = capture.text();
        let (true, Some(permit)) = (records, mode.permit()) else { return report };
        let run_end = RunEnd {
            run: self.start(task, id, started),
            finished: self.clock.now(),
            outcome: run_outcome,
            status: if task.is_tracked() { report.status } else { None },
            class: report.reason.as_ref().map(|reason| reason.class),
            reason: report.reason.as_ref().map(|reason| reason.text.clone()),
            result: task.is_tracked().then(|| report.log.clone()),
            notifications: report.notifications.clone(),
            links: match &end {
                End::Finished(outcome) => outcome.links.clone(),
                _ => Vec::new(),
            },
        };
        let recorded = self.record(task, &end, plan, &run_end, permit).await;
        if let Err(error) = recorded {
            tracing::error!("the outcome could not be recorded: {}", error.inner());
            let text = format!("the outcome could not be recorded: {}", error.inner());
            report.class.get_or_insert(error.inner().class());
            if report.reason.is_none() {
                report.reason = Some(Reason { class: error.reason_class(), text });
            } else {
                report.warnings.push(text);
            }
            report.hint = report.hint.or_else(|| error.inner().hint());
        }
        report
    }

    /// Puts the end into the report; `None` when there is no run to record.
    fn take_end<T: Task>(task: &T, end: &End, report: &mut Report) -> Option<RunOutcome> {
        let name = task.name();
        Some(match end {
            End::Planned => return None,
            End::NothingToDo => {
                tracing::info!("nothing to do: everything is as it should be");
                if task.is_tracked() {
                    marker(name, TaskStatus::Pass);
                }
                report.status = Some(TaskStatus::Pass);
                return None;
            }
            End::Declined(refusal) => {
                tracing::warn!(target: OUTCOME_TARGET, "{refusal}");
                report.reason = Some(Reason { class: ReasonClass::Precondition, text: refusal.to_string() });
                report.hint = refusal.hint();
                report.class = Some(refusal.class());
                return None;
            }
            End::Stands(outcome) => {
                if task.is_tracked() {
                    marker(name, outcome.status);
                }
                Self::take_outcome(outcome, report);
                return None;
            }
            End::Finished(outcome) => {
                Self::take_outcome(outcome, report);
                RunOutcome::from(outcome.status)
            }
            End::Failed(error) => {
                tracing::error!(target: OUTCOME_TARGET, "{}", error.inner());
                report.status = Some(TaskStatus::Fail);
                if let Some(refusal) = error.refusal() {
                    report.headline = refusal.headline().map(str::to_owned);
                    report.plan.checks = refusal.checks().to_vec();
                }
                report.reason = Some(error.reason());
                report.hint = error.inner().hint();
                report.class = Some(error.inner().class());
                RunOutcome::Fail
            }
            End::Interrupted(signal) => {
                let text = format!("interrupted by {}", signal.name());
                tracing::error!(target: OUTCOME_TARGET, "{text}");
                report.status = Some(TaskStatus::Fail);
                report.reason = Some(Reason { class: ReasonClass::Interrupted, text });
                report.hint =
                    Some("Run the same command again: it goes on where this run was stopped.".to_owned());
                report.signal = Some(*signal);
                RunOutcome::Interrupted
            }
            End::Panicked(text) => {
                let text = format!("internal error: {text}");
                tracing::error!(target: OUTCOME_TARGET, "{text}");
                report.status = Some(TaskStatus::Fail);
                report.reason = Some(Reason { class: ReasonClass::Tool, text });
                report.hint =
                    Some("This is a defect of the program: report it with the log above.".to_owned());
                report.class = Some(ErrorClass::Failed);
                RunOutcome::Fail
            }
        })
    }

    fn take_outcome(outcome: &TaskOutcome, report: &mut Report) {
        report.status = Some(outcome.status);
        report.finding.clone_from(&outcome.finding);
        report.reason.clone_from(&outcome.reason);
        report.hint.clone_from(&outcome.hint);
        report.data = outcome.data.clone();
        report.class = match outcome.status {
            TaskStatus::Fail => Some(outcome.class.unwrap_or(ErrorClass::Failed)),
            _ => outcome.class,
        };
    }

    async fn record<T: Task>(
        &self,
        task: &T,
        end: &End,
        plan: Option<&T::Plan>,
        run_end: &RunEnd,
        permit: &WritePermit,
    ) -> Result<(), TaskError> {
        let name = task.name();
        let initial = task.initial_state()?;
        self.statebox
            .update_or_create(permit, &update_message(name), initial, |state: &mut State| {
                let mut change = state.finish_run(name, run_end);
                if let (End::Finished(outcome), Some(plan)) = (end, plan) {
                    change = change.or(task.remember(plan, outcome, state)?);
                }
                if task.creates_state() {
                    change = change.or(state.forget_told(name));
                }
                Ok(change)
            })
            .await?;
        Ok(())
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

fn lock(progress: &Mutex<Progress>) -> std::sync::MutexGuard<'_, Progress> {
    progress.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The line that other tools read (`interop-exact`, spec 01 §4.2).
fn marker(task: TaskName, status: TaskStatus) {
    tracing::info!("task [{}] status is changed to [{status}]", task.display_name());
}

fn update_message(task: TaskName) -> String {
    format!("Update task: {task}")
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("no message")
        .to_owned()
}
