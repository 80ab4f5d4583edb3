//! The issue list of an advisory, one issue at a time: nobody else's change is overwritten (spec 02 §2.5).

use http::Method;

use super::{AdvisoryId, ErrataClient, with_form};
use crate::clients::Effect;
use crate::clients::jira::IssueKey;
use crate::error::ServiceError;
use crate::flow::permit::WritePermit;

impl ErrataClient {
    /// Detaches one Jira issue. An approval of product security is lost by it (spec 02 §2.11).
    pub async fn remove_jira_issue(
        &self,
        id: AdvisoryId,
        key: &IssueKey,
        _permit: &WritePermit,
    ) -> Result<Effect, ServiceError> {
        self.change_issue("remove Jira issue", "remove_jira_issue", id, key, false).await
    }

    /// Attaches one Jira issue. An approval of product security is lost by it (spec 02 §2.11).
    pub async fn add_jira_issue(
        &self,
        id: AdvisoryId,
        key: &IssueKey,
        _permit: &WritePermit,
    ) -> Result<Effect, ServiceError> {
        self.change_issue("add Jira issue", "add_jira_issue", id, key, true).await
    }

    async fn change_issue(
        &self,
        operation: &'static str,
        path: &str,
        id: AdvisoryId,
        key: &IssueKey,
        attached: bool,
    ) -> Result<Effect, ServiceError> {
        let call = self
            .call(operation, Method::POST, id, &format!("api/v1/erratum/{id}/{path}"))?
            .about(format!("advisory {id}, {key}"));
        match self.send(with_form(call, "jira_issue", key.as_str()), id).await {
            Ok(_) => Ok(Effect::Changed),
            Err(error) => {
                self.settle(id, error, |advisory| advisory.jira_issues.contains(key) == attached).await
            }
        }
    }
}
