//! How an operation runs a task: it reads what it needs in parallel, compares the build data, and on request
//! waits for another run of the task or for the end of a job.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join3;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::call::Call;
use super::metadata_changes;
use super::row::{About, Conclusion, Effect, Operation};
use crate::config::WaitPolicy;
use crate::error::ErrorClass;
use crate::flow::interrupt::Signal;
use crate::flow::outcome::{Refusal, TaskError};
use crate::flow::runner::{Mode, Report, Runner};
use crate::flow::task::Task;
use crate::flow::wait::{Next, Wait};
use crate::permit::Gate as _;
use crate::statebox::{State, StateBox, StateBoxError, TaskStatus};
use crate::tasks::ReleaseContext;

/// The longest pause between two looks of a call that waits. The help texts of `--wait` name it.
pub(super) const LONGEST_PAUSE: Duration = Duration::from_mins(5);

/// The common arguments of operations that change something.
#[derive(Debug, Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Change {
    /// Show what would be done without doing it
    pub dry_run: bool,
    /// Accept changes that ART made to the build data after the release was owned, pushed or moved
    pub accept_metadata: bool,
}

/// What a waiting call waits for, besides its own run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waits {
    /// The end of another run of the same task.
    ForOthers,
    /// The same, and then the end of the task, which continues externally after it was started.
    ToTheEnd,
}

/// The options of a task's run.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// How to make changes.
    pub change: Change,
    /// Whether to wait for [`TaskRow::WAITS`].
    pub wait: bool,
}

/// The row of a task: its declaration, a type with the task's arguments. The parts that all tasks share are
/// implemented for it.
pub trait TaskRow: Send + 'static {
    /// Its description.
    const ABOUT: About;
    /// What a call with `wait` waits for.
    const WAITS: Waits = Waits::ForOthers;
    /// Whether the task creates the StateBox file of a release without one.
    const CREATES_STATE: bool = false;
    /// The task.
    type Task: Task;

    /// The options of its run.
    ///
    /// # Errors
    ///
    /// The arguments contradict each other; no request was sent yet.
    fn options(&self) -> Result<Options, Refusal>;

    /// The requested task.
    ///
    /// # Errors
    ///
    /// What it needs is not configured.
    fn task(self, on: &Prepared<'_>) -> Result<Self::Task, TaskError>;
}

impl<R: TaskRow + DeserializeOwned + JsonSchema> Operation for R {
    const ABOUT: About = <R as TaskRow>::ABOUT;
    type Answer = Report<<R::Task as Task>::Done>;

    async fn run(self, call: &Call) -> Result<Self::Answer, TaskError> {
        Ok(execute(self, call).await?.0)
    }
}

/// Runs the task of a row; also returns what it ran with.
pub(super) async fn execute<R: TaskRow>(
    row: R,
    call: &Call,
) -> Result<(Report<<R::Task as Task>::Done>, Prepared<'_>), TaskError> {
    let options = row.options()?;
    let (prepared, loaded) = Prepared::of::<R>(call, options).await?;
    let task = row.task(&prepared)?;
    let report = prepared.run::<R>(&task, loaded, options).await?;
    Ok((report, prepared))
}

impl<D> Conclusion for Report<D> {
    fn class(&self) -> Option<ErrorClass> {
        self.class
    }

    fn signal(&self) -> Option<Signal> {
        self.signal
    }
}

/// What a task of the call's release runs with.
pub struct Prepared<'a> {
    pub(super) call: &'a Call,
    pub(super) services: ReleaseContext,
    pub(super) statebox: Arc<StateBox>,
    /// A unique name for this call.
    pub(super) who: String,
}

impl fmt::Debug for Prepared<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Prepared").field("who", &self.who).finish_non_exhaustive()
    }
}

/// The state as it was read.
type Loaded = Result<Option<State>, StateBoxError>;

impl<'a> Prepared<'a> {
    /// Reads the release's configuration and its state at the same time, because different services answer.
    async fn of<R: TaskRow>(call: &'a Call, options: Options) -> Result<(Self, Loaded), TaskError> {
        let creates = R::CREATES_STATE && !options.change.dry_run;
        let statebox = if creates { call.statebox_to_create()? } else { call.statebox()? };
        // Its answer is kept for the run; one that could not be read is asked for again then.
        let freezes = call.holds()?.freezes();
        let (services, loaded, _) = join3(call.services(), statebox.find(), freezes).await;
        let prepared = Self { call, services: services?, statebox, who: call.who() };
        Ok((prepared, loaded))
    }

    /// With clients that were made before.
    pub(super) fn with_services(call: &'a Call, services: ReleaseContext) -> Result<Self, TaskError> {
        Ok(Self { call, services, statebox: call.statebox()?, who: call.who() })
    }

    /// What runs the tasks.
    pub(super) fn runner(&self) -> Runner<'_> {
        Runner {
            statebox: &self.statebox,
            clock: self.call.clock(),
            interrupt: self.call.interrupt(),
            deliver: &self.services,
            user: self.call.user(),
            id: None,
        }
    }

    async fn run<R: TaskRow>(
        &self,
        task: &R::Task,
        loaded: Loaded,
        options: Options,
    ) -> Result<Report<<R::Task as Task>::Done>, TaskError> {
        let Options { change, wait } = options;
        let policy = self.call.settings().wait_policy()?;
        let changed = metadata_changes::compare(
            self.call,
            &self.statebox,
            &self.services,
            (task.command_name(), task.name()),
            change,
            &loaded,
        )
        .await?;
        let mode = match (change.dry_run, R::ABOUT.effect) {
            (true, Effect::Critical) if self.call.asks_only() => Mode::AskOnly(self.call.consent()),
            (true, _) => Mode::DryRun,
            (false, Effect::Critical) => Mode::Ask(self.call.permit()?, self.call.consent()),
            (false, _) => Mode::Apply(self.call.permit()?),
        };
        let mut report = self.when_free(task, mode, wait, loaded).await;
        self.settle(change, &mut report, changed).await;
        if change.dry_run
            && let Err(closed) = self.call.holds()?.open().await
        {
            report.warnings.push(format!("a run would be refused now: {closed}"));
        }
        if wait && R::WAITS == Waits::ToTheEnd {
            return Ok(self.to_the_end(task, mode, policy, report).await);
        }
        Ok(report)
    }

    /// Runs the task; with `wait`, after the end of another run of it.
    async fn when_free<T: Task>(
        &self,
        task: &T,
        mode: Mode<'_>,
        wait: bool,
        mut loaded: Loaded,
    ) -> Report<T::Done> {
        let runner = Runner { id: self.call.run_id(), ..self.runner() };
        loop {
            let mut report = runner.run(task, mode, loaded).await;
            let Some(held) = report.held.as_ref().filter(|_| wait) else { return report };
            self.call.observer().note(&format!(
                "{} runs {} of {}; waiting for the end of that run (Ctrl-C stops waiting).",
                held.by, report.command, report.release
            ));
            let free = runner.until_free(task.name()).await;
            if let Some(signal) = self.call.interrupt().signal() {
                report.signal = Some(signal);
                report.warnings.push("stopped waiting for the end of that run, which continues".to_owned());
                return report;
            }
            loaded = free;
        }
    }

    /// Adds what ART has changed, and stores it now if the run has written nothing.
    async fn settle<D>(&self, change: Change, report: &mut Report<D>, changed: Vec<String>) {
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

    /// Checks again until the task has ended.
    async fn to_the_end<T: Task>(
        &self,
        task: &T,
        mode: Mode<'_>,
        policy: WaitPolicy,
        mut report: Report<T::Done>,
    ) -> Report<T::Done> {
        let observer = self.call.observer();
        let pause = policy.interval.min(LONGEST_PAUSE);
        let wait = Wait::new(self.call.clock()).unless_stopped(self.call.interrupt()).at_most(policy.limit);
        let mut told = None;
        loop {
            // A failed check may succeed at the next one; everything else decides.
            let passes = matches!(report.class, None | Some(ErrorClass::Unavailable));
            if report.status != Some(TaskStatus::InProgress) || !passes || report.signal.is_some() {
                return report;
            }
            let words =
                report.reason.as_ref().map_or("In Progress", |reason| reason.text.as_str()).to_owned();
            if told.as_ref() != Some(&words) {
                observer.note(&format!("{} of {}: {words}", report.command, report.release));
                if told.is_none() {
                    observer.note(&format!(
                        "Checking again every {} s; Ctrl-C stops checking, and the task continues.",
                        pause.as_secs()
                    ));
                }
                told = Some(words);
            }
            match wait.pause(pause).await {
                Next::Look => {}
                Next::TimeIsOver => {
                    let late = "the task has not ended in time; run the same command again to wait further";
                    report.warnings.push(late.to_owned());
                    return report;
                }
                Next::Stop(signal) => {
                    report.signal = Some(signal);
                    report.warnings.push(
                        "stopped waiting; the task continues, and the same command shows its progress"
                            .to_owned(),
                    );
                    return report;
                }
            }
            report = self.when_free(task, mode, true, self.statebox.find().await).await;
        }
    }
}
