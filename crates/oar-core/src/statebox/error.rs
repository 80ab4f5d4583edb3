//! Why a change of the state was refused.

use super::names::{TaskName, TaskStatus};
use crate::error::{Classified, ErrorClass};
use crate::permit::Closed;

/// Why a change of the state was refused. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StateError {
    /// A passed task would lose its Pass.
    #[error("{task} has passed; it is not set to {to}")]
    Downgrade {
        /// The task.
        task: TaskName,
        /// The requested status.
        to: TaskStatus,
    },
    /// An issue without text.
    #[error("an issue needs a text")]
    EmptyIssue,
    /// An issue that is too long for the file.
    #[error(
        "the issue has {length} characters; at most {limit} are stored, so name the essentials and link the rest"
    )]
    IssueTooLong {
        /// Its length in characters.
        length: usize,
        /// The longest permitted.
        limit: usize,
    },
    /// The task has another open blocker already.
    #[error("{task} has an open blocker already: {issue}")]
    BlockerExists {
        /// The task.
        task: TaskName,
        /// The blocker's text.
        issue: String,
    },
    /// No open issue has the text.
    #[error("no open issue matches `{search}`{}", listed("; open are", open))]
    NoSuchIssue {
        /// The text looked for.
        search: String,
        /// The texts of the open issues.
        open: Vec<String>,
    },
    /// More than one open issue has the text.
    #[error("`{search}` matches more than one open issue{}", listed(":", matches))]
    AmbiguousIssue {
        /// The text looked for.
        search: String,
        /// The texts of the issues that match.
        matches: Vec<String>,
    },
    /// The run is not in the task's history.
    #[error("{task} has no run `{run}` in its history")]
    UnknownRun {
        /// The task.
        task: TaskName,
        /// The run's id.
        run: String,
    },
    /// Somebody else carries on the wait.
    #[error("the wait of {task} is held by {who} until {until}")]
    WaitHeld {
        /// The task.
        task: TaskName,
        /// Who holds it.
        who: String,
        /// Until when, unless they renew it.
        until: String,
    },
    /// There is no wait to carry on.
    #[error("{task} does not wait for anything")]
    NotWaiting {
        /// The task.
        task: TaskName,
    },
    /// Another process recorded a job of the task in the meantime.
    #[error("{task}: {} has started a job meanwhile; none was started by this run", by.as_deref().unwrap_or("somebody else"))]
    JobTaken {
        /// The task.
        task: TaskName,
        /// Who it was.
        by: Option<String>,
    },
    /// Somebody else runs the task now.
    #[error("{who} runs {task} since {since}, and holds it until {until}; nothing was done by this run")]
    TaskHeld {
        /// The task.
        task: TaskName,
        /// Who runs it.
        who: String,
        /// Since when.
        since: String,
        /// Until when, unless they renew it.
        until: String,
    },
    /// This run counted as dead, and another process runs the task now.
    #[error("{who} has taken {task} over from this run, which did not renew its claim in time")]
    ClaimLost {
        /// The task.
        task: TaskName,
        /// Who runs it now.
        who: String,
    },
    /// The task is not as it was when the run was planned.
    #[error("{task} was changed by somebody else since this run was planned; nothing was done by it")]
    Moved {
        /// The task.
        task: TaskName,
    },
    /// The release is held.
    #[error(transparent)]
    Held(#[from] Closed),
    /// There is no valid consent to a plan.
    #[error("{why}")]
    NoConsent {
        /// The task.
        task: TaskName,
        /// Why there is none, as a sentence.
        why: String,
    },
    /// The consent to a plan was used by another run.
    #[error("{why}")]
    ConsentUsed {
        /// The task.
        task: TaskName,
        /// By whom and when, as a sentence.
        why: String,
    },
    /// A precondition that the caller's change requires of the state is not met.
    #[error("{reason}")]
    Precondition {
        /// What is missing, as a sentence.
        reason: String,
        /// What to do about it.
        hint: Option<String>,
    },
}

fn listed(lead: &str, texts: &[String]) -> String {
    if texts.is_empty() {
        return String::new();
    }
    let shown: Vec<String> = texts.iter().map(|text| format!("`{}`", excerpt(text))).collect();
    format!("{lead} {}", shown.join(", "))
}

/// The first line of a text, cut to a length that fits a message.
fn excerpt(text: &str) -> String {
    let line = text.trim().lines().next().unwrap_or_default();
    let cut: String = line.chars().take(100).collect();
    if cut.len() < text.trim().len() { format!("{cut}…") } else { cut }
}

impl Classified for StateError {
    fn class(&self) -> ErrorClass {
        match self {
            Self::Downgrade { .. }
            | Self::BlockerExists { .. }
            | Self::NoConsent { .. }
            | Self::Precondition { .. } => ErrorClass::Blocked,
            Self::EmptyIssue
            | Self::IssueTooLong { .. }
            | Self::NoSuchIssue { .. }
            | Self::AmbiguousIssue { .. } => ErrorClass::Usage,
            Self::Held(closed) => closed.class,
            Self::UnknownRun { .. } => ErrorClass::Failed,
            Self::WaitHeld { .. }
            | Self::NotWaiting { .. }
            | Self::JobTaken { .. }
            | Self::TaskHeld { .. }
            | Self::ClaimLost { .. }
            | Self::ConsentUsed { .. }
            | Self::Moved { .. } => ErrorClass::Conflict,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Downgrade { .. } => Some("Add --force and a reason to set it anyway.".into()),
            Self::BlockerExists { .. } => {
                Some("Resolve the open blocker first, or report this one with --no-blocker.".into())
            }
            Self::AmbiguousIssue { .. } => Some("Give more of the issue's text.".into()),
            Self::Precondition { hint, .. } => hint.clone(),
            Self::Held(closed) => closed.hint.clone(),
            Self::NoConsent { .. } => {
                Some("A person sees the plan of now and consents to it with `oar consent`.".into())
            }
            Self::WaitHeld { .. } => Some(
                "Nothing to do: that process continues the wait, and another one takes it over after that time.".into(),
            ),
            Self::NotWaiting { task } => Some(format!("Somebody else ended the wait; run {task} to go on.")),
            Self::JobTaken { .. } => Some("Run the same command again: it follows that job.".into()),
            Self::TaskHeld { .. } => Some(
                "Run the same command again when that run has ended, or with --wait. A run that died is replaced after \
                 that time."
                    .into(),
            ),
            Self::ClaimLost { .. } | Self::ConsentUsed { .. } | Self::Moved { .. } => {
                Some("Run the same command again: it looks first at what was done.".into())
            }
            Self::EmptyIssue
            | Self::IssueTooLong { .. }
            | Self::NoSuchIssue { .. }
            | Self::UnknownRun { .. } => None,
        }
    }
}
