//! Why a Jira operation failed, beyond the failed call itself.

use super::key::IssueKey;
use crate::error::{Classified, ErrorClass, ServiceError};

/// Why a Jira operation failed.
#[derive(Debug, thiserror::Error)]
pub enum JiraError {
    /// The service failed or refused.
    #[error(transparent)]
    Service(#[from] ServiceError),
    /// No account shows exactly the address; the nearest hits are strangers and never taken.
    #[error(
        "Jira: no account shows exactly this e-mail address ({others} other account(s) matched and were not taken): \
         the user is unknown to Jira or hides the address"
    )]
    AccountNotVisible {
        /// How many other accounts the search gave.
        others: usize,
    },
    /// Several accounts show the address.
    #[error("Jira: {count} accounts show this e-mail address")]
    AccountAmbiguous {
        /// How many.
        count: usize,
    },
    /// The only account with the address is switched off.
    #[error("Jira: the account with this e-mail address is deactivated")]
    AccountInactive,
    /// The issue offers no way to the status now.
    #[error(
        "Jira: cannot move {key} from `{current}` to `{wanted}`: not offered; offered are: {}",
        list(.offered)
    )]
    TransitionNotOffered {
        /// The issue.
        key: IssueKey,
        /// Its status.
        current: String,
        /// The status that was asked for.
        wanted: String,
        /// What it offers, as `transition (status it leads to)`.
        offered: Vec<String>,
    },
}

fn list(offered: &[String]) -> String {
    if offered.is_empty() { "none".to_owned() } else { offered.join(", ") }
}

impl Classified for JiraError {
    fn class(&self) -> ErrorClass {
        match self {
            Self::Service(error) => error.class(),
            Self::AccountNotVisible { .. } | Self::AccountAmbiguous { .. } | Self::AccountInactive => {
                ErrorClass::Failed
            }
            Self::TransitionNotOffered { .. } => ErrorClass::Blocked,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Service(error) => error.hint(),
            Self::AccountNotVisible { .. } => Some(
                "Check the spelling of the address; the user can show it in the Atlassian profile (Profile and \
                 visibility, Contact), otherwise assign by hand."
                    .to_owned(),
            ),
            Self::AccountAmbiguous { .. } => {
                Some("Assign by hand: this program does not choose between accounts.".to_owned())
            }
            Self::AccountInactive => Some("Name an owner with an active Jira account.".to_owned()),
            Self::TransitionNotOffered { key, .. } => {
                Some(format!("Look at {}: the workflow or your rights do not allow it now.", key.link()))
            }
        }
    }
}
