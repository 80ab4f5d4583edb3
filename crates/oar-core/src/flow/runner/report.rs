//! The report of a run for its caller.

use serde::Serialize;

use super::claim::held;
use super::run::{End, Progress, Run};
use crate::error::{Classified as _, ErrorClass};
use crate::flow::interrupt::Signal;
use crate::flow::log::OUTCOME_TARGET;
use crate::flow::outcome::{PlanSummary, Reason, Step, TaskOutcome};
use crate::flow::task::Task;
use crate::statebox::{
    Notification as NotificationRecord, NotificationState, ReasonClass, RunOutcome, TaskName, TaskStatus,
};

/// How a run ended, as the command line shows it and `--output json` prints it.
#[derive(Debug, Clone, Serialize, schemars::JsonSchema)]
#[expect(clippy::struct_excessive_bools, reason = "facts of a run for programs, each with its own meaning")]
pub struct Report<D> {
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
    /// Whether the run was refused before it started, so that the task's status does not change.
    pub refused: bool,
    /// Whether the run could not find out, or not do, what it should, for a reason outside the release: the task stays as
    /// it was.
    pub unknown: bool,
    /// Who runs the task now, when this run was refused for that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub held: Option<Held>,
    /// The status that the task has now; `None` for a dry run.
    pub status: Option<TaskStatus>,
    /// The positive result of a check.
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
    /// The delivery of each message.
    pub notifications: Vec<NotificationRecord>,
    /// The delivery of messages that earlier runs of this release could not send.
    pub earlier_notifications: Vec<NotificationRecord>,
    /// What the user should know beside the outcome.
    pub warnings: Vec<String>,
    /// What the task found and did; `None` when it came to no outcome.
    pub data: Option<D>,
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

/// Who is running a task, and until when unless renewed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Held {
    /// Their name.
    pub by: String,
    /// Until when, `YYYY-MM-DDTHH:MM:SSZ`.
    pub until: String,
}

impl<T: Task> Run<'_, T> {
    /// The report of what the run did, without how it ended.
    pub(super) fn report(&self, end: &End<T>, progress: &Progress) -> Report<T::Done> {
        let mut done = self.recorder.done(&progress.plan.steps);
        if let End::Finished(_, outcome) = end {
            done.extend(outcome.recorded.iter().cloned());
        }
        let mut report = Report {
            task: self.name(),
            command: self.task.command_name().to_owned(),
            release: self.statebox().release().to_string(),
            run: self.id.clone(),
            dry_run: self.mode.permit().is_none(),
            changed: !done.is_empty(),
            nothing_to_do: matches!(end, End::NothingToDo),
            refused: false,
            unknown: false,
            held: None,
            status: None,
            finding: None,
            reason: None,
            hint: None,
            plan: progress.plan.clone(),
            done,
            notifications: progress.notifications.clone(),
            earlier_notifications: progress.earlier_notifications.clone(),
            warnings: Vec::new(),
            data: None,
            class: None,
            signal: None,
            headline: None,
            log: String::new(),
        };
        if progress.created {
            report.warnings.push(self.created_warning());
        }
        let mut owed = report.notifications.iter().chain(&report.earlier_notifications);
        if owed.any(|record| record.state != NotificationState::Sent) {
            report.warnings.push(
                "a message was not delivered; it is kept, and the next command on this release sends it"
                    .to_owned(),
            );
        }
        report
    }

    /// What is said when the run of a task other than `create-test-report` made the file.
    pub(super) fn created_warning(&self) -> String {
        format!(
            "there was no StateBox: {} was created. Nobody was told that the release begins, as `create-test-report` does",
            self.statebox().location()
        )
    }

    /// Puts the end into the report; `None` when there is no run to record.
    ///
    /// `before` is the status that the state held; a run without a verdict leaves it.
    pub(super) fn take_end(
        &self,
        end: &End<T>,
        before: Option<TaskStatus>,
        report: &mut Report<T::Done>,
    ) -> Option<RunOutcome> {
        let stays = self.task.is_tracked().then(|| before.unwrap_or(TaskStatus::NotStarted));
        match end {
            End::Planned => None,
            End::NothingToDo => {
                tracing::info!("nothing to do: everything is up to date");
                report.status = Some(TaskStatus::Pass);
                None
            }
            End::Declined(refusal) => {
                tracing::warn!(target: OUTCOME_TARGET, "{refusal}");
                report.reason = Some(Reason::new(ReasonClass::Precondition, refusal.to_string()));
                report.hint = refusal.hint();
                report.class = Some(refusal.class());
                None
            }
            End::Stands(outcome) => {
                report.take_outcome(outcome, stays);
                None
            }
            End::Finished(_, outcome) => {
                report.take_outcome(outcome, stays);
                Some(if report.unknown { RunOutcome::Unknown } else { RunOutcome::from(outcome.status) })
            }
            End::Failed(error) => {
                tracing::error!(target: OUTCOME_TARGET, "{}", error.inner());
                report.unknown = error.is_undecided();
                report.held = held(error);
                report.status = if report.unknown { stays } else { Some(TaskStatus::Fail) };
                if let Some(refusal) = error.refusal() {
                    report.headline = refusal.headline().map(str::to_owned);
                    report.plan.checks = refusal.checks().to_vec();
                }
                report.reason = Some(error.reason());
                report.hint = error.inner().hint();
                report.class = Some(error.inner().class());
                Some(if report.unknown { RunOutcome::Unknown } else { RunOutcome::Fail })
            }
            End::Interrupted(signal) => {
                let text = format!("interrupted by {}", signal.name());
                tracing::error!(target: OUTCOME_TARGET, "{text}");
                report.unknown = true;
                report.status = stays;
                report.reason = Some(Reason::new(ReasonClass::Interrupted, text));
                report.hint =
                    Some("Run the same command again: it continues where this run stopped.".to_owned());
                report.signal = Some(*signal);
                Some(RunOutcome::Interrupted)
            }
            End::Panicked(text) => {
                let text = format!("internal error: {text}");
                tracing::error!(target: OUTCOME_TARGET, "{text}");
                report.status = Some(TaskStatus::Fail);
                report.reason = Some(Reason::new(ReasonClass::Tool, text));
                report.hint =
                    Some("This is a defect of the program: report it with the log above.".to_owned());
                report.class = Some(ErrorClass::Failed);
                Some(RunOutcome::Fail)
            }
        }
    }
}

impl<D: Clone> Report<D> {
    fn take_outcome(&mut self, outcome: &TaskOutcome<D>, stays: Option<TaskStatus>) {
        self.unknown = outcome.is_undecided();
        self.status = if self.unknown { stays } else { Some(outcome.status) };
        self.finding.clone_from(&outcome.finding);
        self.reason.clone_from(&outcome.reason);
        self.hint.clone_from(&outcome.hint);
        self.data = Some(outcome.done.clone());
        self.class = match outcome.status {
            TaskStatus::Fail => Some(outcome.class.unwrap_or(ErrorClass::Failed)),
            _ => outcome.class,
        };
    }
}
