//! The end of a run: what the report says, and what the state keeps of it.

use std::any::Any;
use std::time::Duration;

use super::claim::held;
use super::{ConsentState, End, Mode, Progress, Report, Run, Runner, marker, update_message};
use crate::error::{Classified, ErrorClass};
use crate::flow::log::{LogCapture, OUTCOME_TARGET};
use crate::flow::outcome::{Reason, TaskError, TaskOutcome};
use crate::flow::task::Task;
use crate::permit::WritePermit;
use crate::statebox::{NotificationState, ReasonClass, RunEnd, RunOutcome, State, TaskStatus};

/// How long an interrupted run tries to record its end.
const INTERRUPTED_RECORD: Duration = Duration::from_millis(1200);

impl Runner<'_> {
    /// Says how a run ended, and records it.
    pub(super) async fn conclude<T: Task>(
        &self,
        task: &T,
        mode: &Mode<'_>,
        end: End,
        plan: Option<&T::Plan>,
        run: Run,
        capture: &LogCapture,
    ) -> Report {
        let name = task.name();
        let mut progress = std::mem::take(&mut *run.progress());
        let mut report = self.report_of(task, mode, &end, &run.id, &mut progress);
        let Some(run_outcome) = Self::take_end(task, &end, progress.status, &mut report) else {
            return report;
        };
        let stopped_before_start = matches!(end, End::Interrupted(_)) && !progress.started;
        if matches!(progress.consent, ConsentState::Asking) || stopped_before_start {
            // It has done nothing and leaves no trace.
            report.status = None;
            return report;
        }
        // A blocker, a wrong call or somebody who was faster is an answer, not a run: the state says already what
        // stands in the way.
        let is_answer =
            matches!(report.class, Some(ErrorClass::Blocked | ErrorClass::Usage | ErrorClass::Conflict));
        let refused_before_start =
            !progress.started && (is_answer || task.is_carried_on()) && matches!(end, End::Failed(_));
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
        if let Some(status) = report.status
            && task.is_tracked()
            && !refused_before_start
            && mode.permit().is_some()
            // Unknown is never Fail, and what was Fail before did not become so.
            && !(report.unknown && (status == TaskStatus::Fail || !progress.marked))
        {
            marker(name, status);
        }
        report.log = capture.text();
        let Some(permit) = mode.permit() else { return report };
        if !records {
            if run.claimed.is_held() {
                self.release(task, &run, permit).await;
            }
            return report;
        }
        let run_end = RunEnd {
            run: self.start(task, &run),
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
        let recording = self.record(task, &end, plan, &run_end, permit);
        let recorded = if matches!(end, End::Interrupted(_)) {
            // Whoever wants to stop does not wait for a slow or locked store.
            tokio::select! {
                recorded = recording => recorded,
                () = self.clock.sleep(INTERRUPTED_RECORD) => {
                    if self.statebox.keep_end(name, &run_end) {
                        tracing::warn!("the state cannot be written now; the next command on this machine records it");
                    } else {
                        report.warnings.push("the interruption could not be recorded in time".to_owned());
                    }
                    return report;
                }
            }
        } else {
            recording.await
        };
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

    /// The report of what the run did, without how it ended; takes the lists out of `progress`.
    fn report_of<T: Task>(
        &self,
        task: &T,
        mode: &Mode<'_>,
        end: &End,
        run: &str,
        progress: &mut Progress,
    ) -> Report {
        let mut report = Report {
            task: task.name(),
            command: task.command().split([' ', ':']).next().unwrap_or_default().to_owned(),
            release: self.statebox.release().to_string(),
            run: run.to_owned(),
            dry_run: matches!(mode, Mode::DryRun),
            changed: !progress.done.is_empty(),
            nothing_to_do: matches!(end, End::NothingToDo),
            refused: false,
            unknown: false,
            held: None,
            status: None,
            finding: None,
            reason: None,
            hint: None,
            plan: std::mem::take(&mut progress.plan),
            done: std::mem::take(&mut progress.done),
            notifications: std::mem::take(&mut progress.notifications),
            earlier_notifications: std::mem::take(&mut progress.earlier_notifications),
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
                "a message was not delivered; it is kept, and the next command on this release sends it"
                    .to_owned(),
            );
        }
        report
    }

    /// Puts the end into the report; `None` when there is no run to record.
    ///
    /// `before` is the status that the state held; a run without a verdict leaves it.
    fn take_end<T: Task>(
        task: &T,
        end: &End,
        before: Option<TaskStatus>,
        report: &mut Report,
    ) -> Option<RunOutcome> {
        let stays = task.is_tracked().then(|| before.unwrap_or(TaskStatus::NotStarted));
        Some(match end {
            End::Planned => return None,
            End::NothingToDo => {
                tracing::info!("nothing to do: everything is up to date");
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
                Self::take_outcome(outcome, stays, report);
                return None;
            }
            End::Finished(outcome) => {
                Self::take_outcome(outcome, stays, report);
                if report.unknown { RunOutcome::Unknown } else { RunOutcome::from(outcome.status) }
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
                if report.unknown { RunOutcome::Unknown } else { RunOutcome::Fail }
            }
            End::Interrupted(signal) => {
                let text = format!("interrupted by {}", signal.name());
                tracing::error!(target: OUTCOME_TARGET, "{text}");
                report.unknown = true;
                report.status = stays;
                report.reason = Some(Reason { class: ReasonClass::Interrupted, text });
                report.hint =
                    Some("Run the same command again: it continues where this run stopped.".to_owned());
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

    fn take_outcome(outcome: &TaskOutcome, stays: Option<TaskStatus>, report: &mut Report) {
        report.unknown = outcome.is_undecided();
        report.status = if report.unknown { stays } else { Some(outcome.status) };
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
                let ended = state.finish_run(name, run_end);
                let mut change = ended.or(state.release_task(name, &run_end.run.id, None));
                if let (End::Finished(outcome), Some(plan)) = (end, plan) {
                    change = change.or(task.remember(plan, outcome, state)?);
                }
                if task.creates_state() {
                    change = change.or(state.remove_finished_record(name));
                }
                Ok(change)
            })
            .await?;
        Ok(())
    }
}

pub(super) fn panic_text(panic: &(dyn Any + Send)) -> String {
    panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("no message")
        .to_owned()
}
