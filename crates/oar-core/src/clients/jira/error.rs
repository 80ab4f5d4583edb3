//! Errors of Jira operations.

use crate::error::{ErrorClass, ServiceError, classified};
use crate::ids::IssueKey;

/// Why a Jira operation failed.
#[derive(Debug, thiserror::Error)]
pub enum JiraError {
    /// The service failed or refused.
    #[error(transparent)]
    Service(#[from] ServiceError),
    /// No person's account shows exactly the address. Similar hits are other people and never accepted.
    #[error("Jira: no person's account shows exactly this e-mail address{}", hits(*.strangers, *.hidden, *.no_people))]
    AccountNotVisible {
        /// How many accounts of people with another address the search found.
        strangers: usize,
        /// How many accounts without a visible address the search found: one of them may be the person's.
        hidden: usize,
        /// How many accounts of customers and applications show the address.
        no_people: usize,
    },
    /// Several accounts show the address.
    #[error("Jira: {count} accounts show this e-mail address")]
    AccountAmbiguous {
        /// How many.
        count: usize,
    },
    /// The only account with the address is deactivated.
    #[error("Jira: the account with this e-mail address is deactivated")]
    AccountInactive,
    /// The issue has no transition to the status now.
    #[error("Jira: cannot move {key} from `{current}` to `{wanted}`: {}", offer(.offered))]
    TransitionNotOffered {
        /// The issue.
        key: IssueKey,
        /// Its status.
        current: String,
        /// The requested status.
        wanted: String,
        /// The transitions that it offers, as `transition (target status)`.
        offered: Vec<String>,
    },
}

/// Describes what a search found instead of the account.
fn hits(strangers: usize, hidden: usize, no_people: usize) -> String {
    let parts: Vec<String> = [
        (hidden, "hiding the address (one may be the person)"),
        (strangers, "with another address"),
        (no_people, "with this address, but of a customer or an application, who cannot be assigned"),
    ]
    .into_iter()
    .filter(|(count, _)| *count > 0)
    .map(|(count, what)| format!("{count} {what}"))
    .collect();
    if parts.is_empty() { "; it finds nobody".to_owned() } else { format!("; it finds {}", parts.join(", ")) }
}

fn offer(offered: &[String]) -> String {
    if offered.is_empty() {
        "Jira offers this account no change of status at all".to_owned()
    } else {
        format!("not offered; offered are: {}", offered.join(", "))
    }
}

classified! {
    JiraError through Service;
    class {
        Self::AccountNotVisible { .. } | Self::AccountAmbiguous { .. } | Self::AccountInactive => {
            ErrorClass::Failed
        }
        Self::TransitionNotOffered { .. } => ErrorClass::Blocked,
    }
    hint {
        Self::AccountNotVisible { strangers: 0, hidden: 0, no_people: 0 } => Some(
            "Check the spelling of the address. Jira finds nobody either when the account of JIRA_USERNAME lacks \
             the right `Browse users and groups`: ask an administrator of Jira for it, otherwise assign by hand."
                .to_owned(),
        ),
        Self::AccountNotVisible { .. } => Some(
            "Check the spelling of the address; the user can show it in the Atlassian profile (Profile and \
             visibility, Contact), otherwise assign by hand."
                .to_owned(),
        ),
        Self::AccountAmbiguous { .. } => {
            Some("Assign by hand: this program does not choose between accounts.".to_owned())
        }
        Self::AccountInactive => Some("Name an owner with an active Jira account.".to_owned()),
        Self::TransitionNotOffered { key, offered, .. } if offered.is_empty() => Some(format!(
            "Either the account of JIRA_USERNAME lacks the right `Transition issues` in this project, or the status \
             is final: look at {}.",
            key.link()
        )),
        Self::TransitionNotOffered { key, .. } => {
            Some(format!("Look at {}: the workflow or your rights do not allow it now.", key.link()))
        }
    }
}
