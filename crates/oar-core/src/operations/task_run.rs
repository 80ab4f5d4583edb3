//! How an operation runs a task: what it needs is read at once, what ART has changed is compared, and somebody else's
//! run, or the end of a job, is waited for where the caller wants that.

use std::time::Duration;

use futures::future::join;
use schemars::JsonSchema;
use serde::Deserialize;

use super::call::Call;
use super::metadata_changes;
use super::row::{Conclusion, Effect};
use crate::config::WaitPolicy;
use crate::error::ErrorClass;
use crate::flow::interrupt::Signal;
use crate::flow::outcome::TaskError;
use crate::flow::runner::{Mode, Report, Runner};
use crate::flow::task::Task;
use crate::statebox::{State, StateBox, StateBoxError, TaskStatus};
use crate::tasks::ReleaseContext;

/// The longest pause between two looks of a call that waits.
const LONGEST_PAUSE: Duration = Duration::from_mins(5);

/// What every operation that changes something is asked with.
#[derive(Debug, Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Change {
    /// Say what would be done, and do nothing
    pub dry_run: bool,
    /// Go on with what ART has changed in the build data since the release was owned, pushed or moved
    pub accept_metadata: bool,
}

/// What a call waits for, beside what its own run does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Waits {
    /// For nothing.
    Never,
    /// For the end of somebody else's run of the same task.
    ForOthers,
    /// For that, and then for the end of the task: it goes on outside after it was started.
    ToTheEnd,
}

impl Waits {
    /// [`Waits::ForOthers`] when it is wished.
    pub(super) fn for_others(wished: bool) -> Self {
        if wished { Self::ForOthers } else { Self::Never }
    }

    /// [`Waits::ToTheEnd`] when it is wished.
    pub(super) fn to_the_end(wished: bool) -> Self {
        if wished { Self::ToTheEnd } else { Self::Never }
    }
}

impl Conclusion for Report {
    fn class(&self) -> Option<ErrorClass> {
        self.class
    }

    fn signal(&self) -> Option<Signal> {
        self.signal
    }
}

/// What a task of the call's release runs with.
pub(super) struct Prepared<'a> {
    pub(super) call: &'a Call,
    pub(super) services: ReleaseContext,
    pub(super) statebox: StateBox,
}

/// The state as it was read.
pub(super) type Loaded = Result<Option<State>, StateBoxError>;

impl<'a> Prepared<'a> {
    /// Reads the release's configuration and its state at the same time, because different services answer.
    pub(super) async fn of(call: &'a Call) -> Result<(Self, Loaded), TaskError> {
        Self::with(call, call.statebox()?).await
    }

    /// The same, with this StateBox.
    pub(super) async fn with(call: &'a Call, statebox: StateBox) -> Result<(Self, Loaded), TaskError> {
        let (services, loaded) = join(call.services(), statebox.find()).await;
        Ok((Self { call, services: services?, statebox }, loaded))
    }

    /// With clients that were made before.
    pub(super) fn with_services(call: &'a Call, services: ReleaseContext) -> Result<Self, TaskError> {
        Ok(Self { call, services, statebox: call.statebox()? })
    }

    /// What runs the tasks.
    pub(super) fn runner(&self) -> Runner<'_> {
        Runner {
            statebox: &self.statebox,
            clock: self.call.clock(),
            interrupt: self.call.interrupt(),
            deliver: &self.services,
            user: self.call.user(),
        }
    }

    /// Runs `task`.
    pub(super) async fn run<T: Task>(
        &self,
        task: &T,
        loaded: Loaded,
        effect: Effect,
        change: Change,
        waits: Waits,
    ) -> Result<Report, TaskError> {
        let policy = WaitPolicy::of(self.call.settings().environment())?;
        let changed = metadata_changes::compare(
            self.call,
            &self.statebox,
            &self.services,
            task.name(),
            change,
            &loaded,
        )
        .await?;
        let mode = match (change.dry_run, effect) {
            (true, _) => Mode::DryRun,
            (false, Effect::Critical) => Mode::Ask(self.call.permit()?, self.call.consent()),
            (false, _) => Mode::Apply(self.call.permit()?),
        };
        let mut report = self.when_free(task, mode, waits, loaded).await;
        self.settle(change, &mut report, changed).await;
        if waits == Waits::ToTheEnd {
            return Ok(self.to_the_end(task, mode, policy, report).await);
        }
        Ok(report)
    }

    /// Runs the task; with [`Waits`], after the end of somebody else's run of it.
    async fn when_free<T: Task>(&self, task: &T, mode: Mode<'_>, waits: Waits, mut loaded: Loaded) -> Report {
        let runner = self.runner();
        loop {
            let mut report = runner.run(task, mode, loaded).await;
            let Some(held) = report.held.as_ref().filter(|_| waits != Waits::Never) else { return report };
            self.call.observer().note(&format!(
                "{} runs {} of {}; waiting for the end of that run (Ctrl-C stops waiting).",
                held.by, report.command, report.release
            ));
            tokio::select! {
                biased;
                signal = self.call.interrupt().wait() => {
                    report.signal = Some(signal);
                    return report;
                }
                state = runner.until_free(task.name()) => loaded = state,
            }
        }
    }

    /// Adds what ART has changed, and stores it now if the run has written nothing.
    async fn settle(&self, change: Change, report: &mut Report, changed: Vec<String>) {
        report.warnings.extend(changed);
        if report.class.is_none()
            && report.signal.is_none()
            && !change.dry_run
            && let Ok(permit) = self.call.permit()
            && let Err(error) = self.statebox.settle_metadata(permit).await
        {
            report.warnings.push(format!("the changed build data could not be recorded: {error}"));
        }
    }

    /// Looks again until the task has ended.
    async fn to_the_end<T: Task>(
        &self,
        task: &T,
        mode: Mode<'_>,
        policy: WaitPolicy,
        mut report: Report,
    ) -> Report {
        let observer = self.call.observer();
        let pause = policy.interval.min(LONGEST_PAUSE);
        let mut waited = Duration::ZERO;
        let mut told = None;
        loop {
            // What could not be looked at may be there at the next look; everything else decides.
            let passes = matches!(report.class, None | Some(ErrorClass::Unavailable));
            if report.status != Some(TaskStatus::InProgress) || !passes || report.signal.is_some() {
                return report;
            }
            if waited >= policy.limit {
                let late = "the task has not ended in time; run the same command again to wait further";
                report.warnings.push(late.to_owned());
                return report;
            }
            let words =
                report.reason.as_ref().map_or("In Progress", |reason| reason.text.as_str()).to_owned();
            if told.as_ref() != Some(&words) {
                observer.note(&format!("{} of {}: {words}", report.command, report.release));
                if told.is_none() {
                    observer.note(&format!(
                        "Looking again every {} s; Ctrl-C stops looking, and the task goes on.",
                        pause.as_secs()
                    ));
                }
                told = Some(words);
            }
            tokio::select! {
                () = self.call.clock().sleep(pause) => {}
                signal = self.call.interrupt().wait() => {
                    report.signal = Some(signal);
                    return report;
                }
            }
            waited += pause;
            report = self.when_free(task, mode, Waits::ToTheEnd, self.statebox.find().await).await;
        }
    }
}
