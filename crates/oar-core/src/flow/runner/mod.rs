//! The one path that every task takes, in named phases: load the state, plan, ask for consent, claim the task and record
//! the start, apply, tell people, record the outcome (`run.rs`).
//!
//! Of two runs of one task at the same moment only one acts: the other finds its claim. A plan that was made from another state than the
//! one that the claim met is made again, so that the second run sees what the first did.
//!
//! The outcome is recorded as the typed value that the task returned, also when the task fails, is interrupted or
//! panics; what was done until then is in the [`Recorder`](super::recorder::Recorder). Nothing is read back from the log.

mod claim;
mod load;
mod messages;
mod outbox;
mod plan;
mod record;
mod report;
mod run;
mod tell;
#[cfg(test)]
mod tests;

pub use claim::other_run;
pub use report::{Held, Report};

use async_trait::async_trait;

use self::run::Run;
use crate::clock::Clock;
use crate::flow::consent::Consent;
use crate::flow::interrupt::Interrupt;
use crate::flow::log::LogCapture;
use crate::flow::task::Task;
use crate::notify::Message;
use crate::notify::outbox::{Delivery, PreviousSend};
use crate::permit::WritePermit;
use crate::statebox::{State, StateBox, StateBoxError, TaskName, TaskStatus};

/// Whether a run may change the world.
#[derive(Debug, Clone, Copy)]
pub enum Mode<'a> {
    /// Only the plan is made.
    DryRun,
    /// The plan is made, and consent is asked for exactly when a run would ask now. Nothing is written or sent, whatever the
    /// answer is.
    AskOnly(&'a dyn Consent),
    /// The plan is applied.
    Apply(&'a WritePermit),
    /// The plan is applied when it is consented to; an empty plan asks nothing.
    Ask(&'a WritePermit, &'a dyn Consent),
}

impl<'a> Mode<'a> {
    fn permit(&self) -> Option<&'a WritePermit> {
        match self {
            Self::DryRun | Self::AskOnly(_) => None,
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
    /// The id of the run in the history; a new one when the caller gives none.
    pub id: Option<String>,
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
    ) -> Report<T::Done> {
        let run = Run::new(self, task, mode);
        let capture = LogCapture::default();
        let _hold = self.interrupt.hold();
        // The work of all clients is in it, more than a caller's stack is made for.
        let whole = Box::pin(async {
            let end = run.until_end(loaded).await;
            run.record(end, &capture).await
        });
        capture.scope(whole).await
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
