//! Changes of single values of an issue's fields: a label, a person in a list of people (spec 05 §3.2).

use http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Account, AccountId, Issue, IssueKey, JiraClient, body, unexpected};
use crate::clients::Effect;
use crate::error::{ServiceError, ServiceErrorKind};
use crate::http::Repeat;
use crate::permit::WritePermit;
use crate::service::Service;

/// A change of a label.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LabelChange {
    /// Add it.
    Add,
    /// Remove it.
    Remove,
}

impl JiraClient {
    /// Adds or removes one label (one request). The others do not change, not even those that somebody set
    /// since the issue was read: the list is not written as a whole.
    pub async fn change_label(
        &self,
        key: &IssueKey,
        label: &str,
        change: LabelChange,
        permit: &WritePermit,
    ) -> Result<(), ServiceError> {
        let verb = match change {
            LabelChange::Add => "add",
            LabelChange::Remove => "remove",
        };
        self.edit(key, "change labels", &json!({ "update": { "labels": [{ verb: label }] } }), permit).await
    }

    /// Adds people to `field`, a list of people, unless they are in it already (one or two requests).
    ///
    /// Jira has no way to add one of them: the list is read and written as a whole.
    pub async fn add_people(
        &self,
        key: &IssueKey,
        field: &str,
        people: &[AccountId],
        permit: &WritePermit,
    ) -> Result<Effect, ServiceError> {
        let issue = self.issue(key, &[field]).await?;
        let mut list = issue.people(field);
        let before = list.len();
        let shown = issue.field(field).map_or(0, |value| value.as_array().map_or(1, Vec::len));
        if shown != before {
            let detail =
                format!("{field} of {key} holds somebody without an account; writing it would remove them");
            return Err(ServiceError::new(Service::Jira, "add people", ServiceErrorKind::Malformed, detail));
        }
        for id in people {
            if !list.contains(id) {
                list.push(id.clone());
            }
        }
        if list.len() == before {
            return Ok(Effect::AlreadySo);
        }
        self.set_people(key, field, &list, permit).await?;
        Ok(Effect::Changed)
    }

    /// Makes `people` the list in `field` (one request). Whoever was added since the list was read is lost: for a list that
    /// was read just now.
    pub async fn set_people(
        &self,
        key: &IssueKey,
        field: &str,
        people: &[AccountId],
        permit: &WritePermit,
    ) -> Result<(), ServiceError> {
        let list: Vec<Value> = people.iter().map(|id| json!({ "accountId": id.as_str() })).collect();
        self.edit(key, "add people", &json!({ "fields": { field: list } }), permit).await
    }

    async fn edit(
        &self,
        key: &IssueKey,
        operation: &'static str,
        change: &Value,
        permit: &WritePermit,
    ) -> Result<(), ServiceError> {
        let call = self
            .call(operation, Method::PUT, &format!("/issue/{key}"))?
            .about(key.as_str())
            .body(body(change))
            // Setting the field to one value has the same effect however often it is sent.
            .repeat(Repeat::Safe)
            .permitted(permit);
        let reply = self.send(call).await?;
        // Jira answers 200 with the issue only when the request asks for it; this one does not.
        if reply.status == StatusCode::NO_CONTENT { Ok(()) } else { Err(unexpected(&reply)) }
    }
}

impl Issue {
    /// The people in `field`, a person or a list of people; empty when it is null or was not requested.
    pub fn people(&self, field: &str) -> Vec<AccountId> {
        let account = |value: &Value| Some(Account::deserialize(value).ok()?.id);
        match self.field(field) {
            Some(Value::Array(list)) => list.iter().filter_map(account).collect(),
            Some(one) => account(one).into_iter().collect(),
            None => Vec::new(),
        }
    }
}
