//! Changes of an issue's status (spec 02 §5.2 J-6).

use http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::json;

use super::model::same;
use super::{Issue, IssueKey, JiraClient, JiraError, Transition, body, unexpected};
use crate::clients::{self, Attempt, Effect, empty};
use crate::error::ServiceError;
use crate::error::ServiceErrorKind::{Conflict, Rejected, Unclear};
use crate::permit::WritePermit;

/// How often a transition is tried when somebody else changes the issue at the same time.
const ATTEMPTS: usize = 3;

impl JiraClient {
    /// Moves the issue to `status` unless it has it already (one or three requests).
    pub async fn transition_to(
        &self,
        key: &IssueKey,
        status: &str,
        permit: &WritePermit,
    ) -> Result<Effect, JiraError> {
        let issue = self.issue(key, &["status"]).await?;
        self.transition_issue(&issue, status, permit).await
    }

    /// Moves an issue that was just read with its `status` (no request when it has the wanted one already).
    pub async fn transition_issue(
        &self,
        issue: &Issue,
        status: &str,
        permit: &WritePermit,
    ) -> Result<Effect, JiraError> {
        if is_in(issue, status) {
            return Ok(Effect::AlreadySo);
        }
        let offered = self.transitions(&issue.key).await?;
        self.transition_offered(&issue.key, issue.status(), status, offered, permit).await
    }

    /// Moves an issue that had the status `current` and offered these transitions when it was read. When Jira
    /// refuses one of them, the transitions are read again, and only a different one is tried.
    ///
    /// The transition is selected by the status that it leads to, otherwise by its own name, ignoring case:
    /// both spellings are in use (spec 02 §5.2 J-6, §11.5).
    pub async fn transition_offered(
        &self,
        key: &IssueKey,
        current: Option<&str>,
        status: &str,
        mut offered: Vec<Transition>,
        permit: &WritePermit,
    ) -> Result<Effect, JiraError> {
        let mut attempt = 1;
        let mut refused: Option<(String, ServiceError)> = None;
        loop {
            let by_target =
                |transition: &&Transition| transition.to.as_ref().is_some_and(|to| same(&to.name, status));
            let by_name = |transition: &&Transition| transition.leads_to(status);
            let Some(chosen) = offered.iter().find(by_target).or_else(|| offered.iter().find(by_name)) else {
                return Err(JiraError::TransitionNotOffered {
                    key: key.clone(),
                    current: current.unwrap_or("unknown").to_owned(),
                    wanted: status.to_owned(),
                    offered: offered.iter().map(describe).collect(),
                });
            };
            if let Some((id, failure)) = refused.take()
                && id == chosen.id
            {
                return Err(failure.into());
            }
            let call = self
                .call("move issue", Method::POST, &format!("/issue/{key}/transitions"))?
                .about(key.as_str())
                .body(body(&json!({ "transition": { "id": chosen.id } })))
                .permitted(permit);
            // Another success, such as a gateway's page, proves nothing: only reading the issue shows the
            // result.
            let write = async {
                match self.send(call).await? {
                    reply if reply.status == StatusCode::NO_CONTENT => Ok(()),
                    reply => Err(ServiceError { kind: Unclear, ..unexpected(&reply) }),
                }
            };
            // A transition is not repeated blindly: reading the issue shows whether it happened or somebody
            // else was faster.
            let look = async {
                Ok::<_, ServiceError>(is_in(&self.issue(key, &["status"]).await?, status).then_some(()))
            };
            let failure = match Box::pin(clients::attempt(write, &[Unclear, Rejected, Conflict], look)).await
            {
                // Somebody changed the issue at the same time, or the transition is no longer offered:
                // nothing was changed.
                Attempt::Absent(failure) if failure.kind != Unclear && attempt < ATTEMPTS => failure,
                tried => return Ok(tried.settled()?.effect()),
            };
            let is_refused = failure.kind == Rejected;
            attempt += 1;
            let id = chosen.id.clone();
            offered = match self.transitions(key).await {
                Ok(offered) => offered,
                Err(_) => return Err(failure.into()),
            };
            refused = is_refused.then_some((id, failure));
        }
    }

    /// The transitions that the issue offers this account now. An empty list may mean that the account lacks
    /// the right to change the status.
    pub async fn transitions(&self, key: &IssueKey) -> Result<Vec<Transition>, ServiceError> {
        #[derive(Deserialize)]
        struct Answer {
            #[serde(deserialize_with = "empty::or_default")]
            transitions: Vec<Transition>,
        }
        let call = self
            .call("read transitions", Method::GET, &format!("/issue/{key}/transitions"))?
            .about(key.as_str());
        let reply = self.send(call).await?;
        Ok(self.decode::<Answer>(&reply)?.transitions)
    }
}

fn is_in(issue: &Issue, status: &str) -> bool {
    issue.status().is_some_and(|current| same(current, status))
}

fn describe(transition: &Transition) -> String {
    match &transition.to {
        Some(to) if !same(&to.name, &transition.name) => format!("{} (to {})", transition.name, to.name),
        _ => transition.name.clone(),
    }
}
