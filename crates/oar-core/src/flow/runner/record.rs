//! The last phase: what the state keeps of a run.

use std::time::Duration;

use super::report::Report;
use super::run::{ConsentState, End, Progress, Run};
use super::{marker, update_message};
use crate::error::ErrorClass;
use crate::flow::log::LogCapture;
use crate::flow::outcome::{Reason, TaskError};
use crate::flow::task::Task;
use crate::permit::WritePermit;
use crate::statebox::{NotificationState, RunEnd, RunOutcome, State, TaskStatus};

/// How long an interrupted run tries to record its end.
const INTERRUPTED_RECORD: Duration = Duration::from_millis(1200);

impl<T: Task> Run<'_, T> {
    /// Says how the run ended, and records it.
    pub(super) async fn record(&self, end: End<T>, capture: &LogCapture) -> Report<T::Done> {
        let progress = std::mem::take(&mut *self.progress());
        let mut report = self.report(&end, &progress);
        let Some(outcome) = self.take_end(&end, progress.status, &mut report) else { return report };
        let stopped_before_start = matches!(end, End::Interrupted(_)) && !progress.started;
        if matches!(progress.consent, ConsentState::Asking) || stopped_before_start {
            // It has done nothing and leaves no trace.
            report.status = None;
            return report;
        }
        self.settle(&end, &progress, &mut report);
        let keeps_pass = self.keeps_pass(&progress, &mut report);
        if !keeps_pass {
            self.mark_end(&progress, &report);
        }
        report.log = capture.text();
        let Some(permit) = self.mode.permit() else { return report };
        if !self.leaves_record(&progress, &report) {
            if self.claimed.is_held() {
                self.release(permit).await;
            }
            return report;
        }
        let mut run_end = self.run_end(&end, outcome, &report);
        if keeps_pass {
            run_end.status = None;
        }
        self.write_end(&end, &run_end, &mut report, permit).await;
        report
    }

    /// Whether the run was refused before it started, or found nothing to do after all.
    fn settle(&self, end: &End<T>, progress: &Progress, report: &mut Report<T::Done>) {
        // A blocker, a wrong call or somebody who was faster is an answer, not a run: the state says already what
        // stands in the way.
        let is_answer =
            matches!(report.class, Some(ErrorClass::Blocked | ErrorClass::Usage | ErrorClass::Conflict));
        report.refused =
            !progress.started && (is_answer || self.task.is_carried_on()) && matches!(end, End::Failed(_));
        if let End::Finished(_, outcome) = end {
            let passed = (outcome.status, progress.status) == (TaskStatus::Pass, Some(TaskStatus::Pass));
            report.nothing_to_do = passed && report.done.is_empty() && report.notifications.is_empty();
        }
        if report.refused && self.task.is_tracked() {
            report.status = Some(progress.status.unwrap_or(TaskStatus::NotStarted));
        }
    }

    /// Whether the task stays Pass although this run failed: only `force` takes a Pass away. Such a run changes
    /// no status, and says so.
    fn keeps_pass(&self, progress: &Progress, report: &mut Report<T::Done>) -> bool {
        let loses = report.status == Some(TaskStatus::Fail);
        let keeps = loses && progress.status == Some(TaskStatus::Pass) && !self.start().force;
        if keeps && self.task.is_tracked() {
            report.status = progress.status;
        }
        keeps && self.task.is_tracked()
    }

    /// Logs the line that other tools read.
    fn mark_end(&self, progress: &Progress, report: &Report<T::Done>) {
        if let Some(status) = report.status
            && self.task.is_tracked()
            && !report.refused
            && self.mode.permit().is_some()
            // Unknown is never Fail, and what was Fail before did not become so.
            && !(report.unknown && (status == TaskStatus::Fail || !progress.marked))
        {
            marker(self.name(), status);
        }
    }

    fn leaves_record(&self, progress: &Progress, report: &Report<T::Done>) -> bool {
        let undelivered = report.notifications.iter().any(|record| record.state != NotificationState::Sent);
        let has_record = self.task.creates_state() && (progress.started || progress.status.is_some());
        (self.task.is_tracked() || undelivered || has_record) && !progress.unreadable && !report.refused
    }

    fn run_end(&self, end: &End<T>, outcome: RunOutcome, report: &Report<T::Done>) -> RunEnd {
        let is_tracked = self.task.is_tracked();
        let (links, done) = match end {
            End::Finished(_, outcome) => (outcome.links.clone(), Vec::new()),
            // A run without an outcome reports at least what it had done.
            _ => (Vec::new(), report.done.iter().map(ToString::to_string).collect()),
        };
        RunEnd {
            run: self.start(),
            finished: self.now(),
            outcome,
            status: if is_tracked { report.status } else { None },
            class: report.reason.as_ref().map(|reason| reason.class),
            reason: report.reason.as_ref().map(|reason| reason.text.clone()),
            result: is_tracked.then(|| report.log.clone()),
            notifications: report.notifications.clone(),
            links,
            done,
        }
    }

    /// Writes the end into the state; what cannot be written is in the report.
    async fn write_end(
        &self,
        end: &End<T>,
        run_end: &RunEnd,
        report: &mut Report<T::Done>,
        permit: &WritePermit,
    ) {
        let writing = self.write(end, run_end, permit);
        let written = if matches!(end, End::Interrupted(_)) {
            // Whoever wants to stop does not wait for a slow or locked store.
            tokio::select! {
                written = writing => written,
                () = self.runner.clock.sleep(INTERRUPTED_RECORD) => {
                    if self.statebox().keep_end(self.name(), run_end) {
                        tracing::warn!("the state cannot be written now; the next command on this machine records it");
                    } else {
                        report.warnings.push("the interruption could not be recorded in time".to_owned());
                    }
                    return;
                }
            }
        } else {
            writing.await
        };
        let error = match written {
            Ok(created) => {
                if created && !self.task.creates_state() {
                    report.warnings.push(self.created_warning());
                }
                return;
            }
            Err(error) => error,
        };
        tracing::error!("the outcome could not be recorded: {}", error.inner());
        let text = format!("the outcome could not be recorded: {}", error.inner());
        report.class.get_or_insert(error.inner().class());
        if report.reason.is_none() {
            report.reason = Some(Reason::new(error.reason_class(), text));
        } else {
            report.warnings.push(text);
        }
        report.hint = report.hint.take().or_else(|| error.inner().hint());
    }

    /// Whether there was no file before.
    async fn write(&self, end: &End<T>, run_end: &RunEnd, permit: &WritePermit) -> Result<bool, TaskError> {
        let name = self.name();
        let initial = self.task.initial_state()?;
        let updated = self
            .statebox()
            .update_or_create(permit, &update_message(name), initial, |state: &mut State| {
                let ended = state.finish_run(name, run_end);
                let mut change = ended.or(state.release_task(name, &run_end.run.id, None));
                if let End::Finished(plan, outcome) = end {
                    change = change.or(self.task.remember(plan, outcome, state)?);
                }
                if self.task.creates_state() {
                    change = change.or(state.remove_finished_record(name));
                }
                Ok(change)
            })
            .await?;
        Ok(updated.created)
    }
}
