//! The issue list of an advisory, changed one issue at a time so that nobody else's change is overwritten
//! (spec 02 §2.5).

use http::Method;

use super::{AdvisoryId, ErrataClient, with_form};
use crate::clients::Effect;
use crate::clients::jira::IssueKey;
use crate::error::{ServiceError, ServiceErrorKind};
use crate::permit::WritePermit;

/// Why Errata Tool may refuse a change of one issue for an unrelated reason (spec 02 §2.5).
const WHOLE_ADVISORY: &str = "Errata Tool checks the whole advisory at every change: its state, and that its QE owner is \
    an enabled user with the role qa. Have what it names corrected, then run the command again.";

impl ErrataClient {
    /// Detaches one Jira issue, which Errata Tool allows while
    /// [`AdvisoryState::allows_bug_removal`](super::AdvisoryState::allows_bug_removal).
    ///
    /// The advisory may lose an approval by it; only reading it again shows that (spec 02 §2.11). Detaching
    /// an issue that is not attached succeeds without a change; an issue that Errata Tool does not know is
    /// refused.
    pub async fn remove_jira_issue(
        &self,
        id: AdvisoryId,
        key: &IssueKey,
        permit: &WritePermit,
    ) -> Result<Effect, ServiceError> {
        self.change_issue("remove Jira issue", "remove_jira_issue", id, key, false, permit).await
    }

    /// Attaches one Jira issue. The advisory loses its docs approval by it, and with that its product
    /// security approval (spec 02 §2.11).
    pub async fn add_jira_issue(
        &self,
        id: AdvisoryId,
        key: &IssueKey,
        permit: &WritePermit,
    ) -> Result<Effect, ServiceError> {
        self.change_issue("add Jira issue", "add_jira_issue", id, key, true, permit).await
    }

    async fn change_issue(
        &self,
        operation: &'static str,
        path: &str,
        id: AdvisoryId,
        key: &IssueKey,
        attached: bool,
        permit: &WritePermit,
    ) -> Result<Effect, ServiceError> {
        let call = self
            .call(operation, Method::POST, id, &format!("api/v1/erratum/{id}/{path}"))?
            .about(format!("advisory {id}, {key}"))
            .permitted(permit);
        match self.send(with_form(call, "jira_issue", key.as_str()), id).await {
            Ok(_) => Ok(Effect::Changed),
            Err(error) => self
                .settle(id, error, |advisory| advisory.jira_issues.contains(key) == attached)
                .await
                .map_err(|error| match (error.kind, &error.hint) {
                    (ServiceErrorKind::Rejected, None) => error.with_hint(WHOLE_ADVISORY),
                    _ => error,
                }),
        }
    }
}
