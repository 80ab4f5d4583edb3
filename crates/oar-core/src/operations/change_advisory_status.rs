//! `change-advisory-status`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::call::Call;
use super::row::{About, Conclusion, Effect, Operation};
use super::task_run::{Change, LONGEST_PAUSE, Options, Prepared, TaskRow, execute};
use crate::clients::jira::IssueKey;
use crate::error::ErrorClass;
use crate::flow::interrupt::Signal;
use crate::flow::outcome::{Refusal, TaskError};
use crate::flow::runner::Report;
use crate::flow::wait::{Next, Wait};
use crate::statebox::{TaskName, TaskStatus};
use crate::tasks::approval_wait::{Look, STOPPED, Watcher};
use crate::tasks::change_advisory_status::{ChangeAdvisoryStatus as Work, Done};

/// The operation, with its arguments.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ChangeAdvisoryStatus {
    /// The state to move the advisories to
    pub status: Target,
    /// Bugs to accept although they are not finished or cannot be seen
    pub accept_bug: Vec<IssueKey>,
    /// Approve although the release's date is more than a day away
    pub early: bool,
    /// Stay until the wait has ended
    pub wait: bool,
    /// How to make changes
    #[serde(flatten)]
    pub change: Change,
}

/// The state that an approval moves advisories to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
pub enum Target {
    /// The release is ready to ship.
    #[default]
    #[serde(rename = "REL_PREP")]
    RelPrep,
}

/// The result of an approval.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum Answer {
    /// The report of a run.
    Ran(Box<Report<Done>>),
    /// Nothing was run: the state of the wait, if there is one.
    Waits(WaitState),
}

/// A wait that was checked.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct WaitState {
    /// The task.
    pub task: TaskName,
    /// Whether it waits.
    pub waits: bool,
    /// The result of the last check.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

impl WaitState {
    fn new(detail: Option<String>) -> Self {
        Self { task: TaskName::ChangeAdvisoryStatus, waits: detail.is_some(), detail }
    }
}

impl Answer {
    /// Whether the run left a wait that another process must continue.
    pub fn leaves_wait(&self) -> bool {
        match self {
            Self::Ran(report) => {
                report.status == Some(TaskStatus::InProgress)
                    && report.class.is_none()
                    && report.signal.is_none()
            }
            Self::Waits(_) => false,
        }
    }
}

impl Conclusion for Answer {
    fn class(&self) -> Option<ErrorClass> {
        match self {
            Self::Ran(report) => report.class,
            Self::Waits(_) => None,
        }
    }

    fn signal(&self) -> Option<Signal> {
        match self {
            Self::Ran(report) => report.signal,
            Self::Waits(_) => None,
        }
    }
}

impl Operation for ChangeAdvisoryStatus {
    const ABOUT: About = About::task(
        "change-advisory-status",
        "Approve the release: the shipment merge request, then the advisories from QE to `REL_PREP`",
        Effect::Critical,
    )
    .hints(&[
        "The last task of a release: every other one must be Pass.",
        "A Konflux release's advisories move when its metadata URL is up; until then the task waits.",
    ]);
    type Answer = Answer;

    async fn run(self, call: &Call) -> Result<Answer, TaskError> {
        let (wait, accept_bug) = (self.wait, self.accept_bug.clone());
        let (report, prepared) = execute(Approve(self), call).await?;
        let answer = Answer::Ran(Box::new(report));
        if !wait || !answer.leaves_wait() {
            return Ok(answer);
        }
        call.observer().note("The task waits; this command looks until the wait is over (Ctrl-C leaves it).");
        watch(&prepared, accept_bug).await
    }
}

/// The run of the task, without the wait that it may leave.
#[derive(Debug)]
struct Approve(ChangeAdvisoryStatus);

impl TaskRow for Approve {
    const ABOUT: About = <ChangeAdvisoryStatus as Operation>::ABOUT;
    type Task = Work;

    fn options(&self) -> Result<Options, Refusal> {
        Ok(Options { change: self.0.change, wait: self.0.wait })
    }

    fn task(self, on: &Prepared<'_>) -> Result<Work, TaskError> {
        approval(on, self.0.accept_bug, self.0.early)
    }
}

/// The whole approval of the release.
pub(super) fn approval(on: &Prepared<'_>, accept_bug: Vec<IssueKey>, early: bool) -> Result<Work, TaskError> {
    let policy = on.call.settings().wait_policy()?;
    Ok(Work::new(on.services.clone(), on.who.clone(), policy).accepting(accept_bug).early(early))
}

/// Continues a wait of another call until it has ended. If the state cannot be read at first, reading is
/// retried for the time of a wait.
///
/// # Errors
///
/// The wait cannot be continued, or its deadline has passed.
pub async fn resume_wait(accept_bug: Vec<IssueKey>, call: &Call) -> Result<Answer, TaskError> {
    let policy = call.settings().wait_policy()?;
    let wait = Wait::new(call.clock()).unless_stopped(call.interrupt()).at_most(policy.limit);
    let services = loop {
        let error = match call.services().await {
            Ok(services) => break services,
            Err(error) => error,
        };
        // A usage error, a missing credential or a clear refusal is permanent for this process.
        let class = error.inner().class();
        let stays = matches!(class, ErrorClass::Usage | ErrorClass::Configuration | ErrorClass::Failed);
        if stays {
            return Err(error);
        }
        tracing::warn!("{}; the wait continues, and it is read again", error.inner());
        match wait.pause(policy.interval.min(LONGEST_PAUSE)).await {
            Next::Look => {}
            Next::TimeIsOver => return Err(error),
            Next::Stop(_) => return Ok(Answer::Waits(WaitState::new(Some(STOPPED.to_owned())))),
        }
    };
    watch(&Prepared::with_services(call, services)?, accept_bug).await
}

async fn watch(prepared: &Prepared<'_>, accept_bug: Vec<IssueKey>) -> Result<Answer, TaskError> {
    let watcher = Watcher {
        services: &prepared.services,
        runner: prepared.runner(),
        who: prepared.who.clone(),
        policy: prepared.call.settings().wait_policy()?,
        accepted: accept_bug.into_iter().collect(),
        stays: true,
    };
    match watcher.watch(prepared.call.permit()?).await? {
        Look::Finished(report) => Ok(Answer::Ran(report)),
        Look::NoWait | Look::Messages { .. } => Ok(Answer::Waits(WaitState::new(None))),
        Look::Later(_, why) => Ok(Answer::Waits(WaitState::new(Some(why)))),
        Look::Overdue => Err(Refusal::blocked(
            "the deadline of the wait has passed; the release leads were asked, the task stays In Progress",
        )
        .with_hint("Run the command again to wait further.")
        .into()),
    }
}
