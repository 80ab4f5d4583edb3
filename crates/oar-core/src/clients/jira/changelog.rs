//! When issues changed their status (spec 05 §3.1, 3).
//!
//! A search shows only the newest entries of an issue's history, so the history is requested separately, for
//! up to a thousand issues at a time.

use std::collections::BTreeMap;

use http::Method;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::model::IssueId;
use super::{JiraClient, body, moment};
use crate::clients::empty;
use crate::error::{ServiceError, ServiceErrorKind};
use crate::service::Service;

/// How many issues one request may name.
const ISSUES_PER_REQUEST: usize = 1000;
/// Entries per page.
const ENTRIES_PER_PAGE: usize = 1000;
/// The field that holds the status.
const STATUS: &str = "status";
/// The most pages of one request: a million entries.
const MOST_PAGES: usize = 1000;

/// A change of one field of an issue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldChange {
    /// When.
    pub at: Timestamp,
    /// The id of the field: `status`, `customfield_10482`.
    pub field: String,
    /// The new value as people read it; empty when Jira shows none.
    pub to: String,
}

/// A change of an issue's status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusChange {
    /// When it was made.
    pub at: Timestamp,
    /// The name of the new status; empty when Jira shows none.
    pub to: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page {
    #[serde(deserialize_with = "empty::or_default")]
    issue_change_logs: Vec<Log>,
    #[serde(default, deserialize_with = "empty::or_default")]
    next_page_token: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Log {
    issue_id: IssueId,
    #[serde(default, deserialize_with = "empty::or_default")]
    change_histories: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    created: Value,
    #[serde(default, deserialize_with = "empty::or_default")]
    items: Vec<Item>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Item {
    #[serde(default)]
    field: Option<String>,
    #[serde(default, deserialize_with = "empty::or_default")]
    field_id: Option<String>,
    #[serde(default)]
    to_string: Option<String>,
}

impl JiraClient {
    /// Every change of the status of these issues, oldest first ([`JiraClient::field_changes`]).
    pub async fn status_changes(
        &self,
        issues: &[IssueId],
    ) -> Result<BTreeMap<IssueId, Vec<StatusChange>>, ServiceError> {
        let changes = self.field_changes(issues, &[STATUS]).await?;
        let statuses = |changes: Vec<FieldChange>| {
            changes.into_iter().map(|change| StatusChange { at: change.at, to: change.to }).collect()
        };
        Ok(changes.into_iter().map(|(issue, changes)| (issue, statuses(changes))).collect())
    }

    /// Every change of these fields, at most ten, of these issues, oldest first.
    ///
    /// An issue that is not in the answer has no entries that this account may see. `created` is in
    /// milliseconds since 1970 in this answer and a string in all others; both are accepted.
    pub async fn field_changes(
        &self,
        issues: &[IssueId],
        fields: &[&str],
    ) -> Result<BTreeMap<IssueId, Vec<FieldChange>>, ServiceError> {
        let mut changes: BTreeMap<IssueId, Vec<FieldChange>> = BTreeMap::new();
        for chunk in issues.chunks(ISSUES_PER_REQUEST) {
            self.read_changes(chunk, fields, &mut changes).await?;
        }
        for list in changes.values_mut() {
            list.sort_by_key(|change| change.at);
        }
        Ok(changes)
    }

    async fn read_changes(
        &self,
        issues: &[IssueId],
        fields: &[&str],
        changes: &mut BTreeMap<IssueId, Vec<FieldChange>>,
    ) -> Result<(), ServiceError> {
        const OPERATION: &str = "read histories";
        let mut token: Option<String> = None;
        for _ in 0..MOST_PAGES {
            let mut query =
                json!({ "issueIdsOrKeys": issues, "fieldIds": fields, "maxResults": ENTRIES_PER_PAGE });
            if let Some(token) = &token {
                query["nextPageToken"] = json!(token);
            }
            // A read, although it is a POST because of the long list.
            let call = self.call(OPERATION, Method::POST, "/changelog/bulkfetch")?.body(body(&query)).read();
            let reply = self.exchange(call).await?;
            let page: Page = self.decode(&reply)?;
            for log in page.issue_change_logs {
                let list = changes.entry(log.issue_id).or_default();
                for entry in log.change_histories {
                    let at = moment(&entry.created).ok_or_else(|| {
                        let detail = format!("`created` of an entry is {}, expected a time", entry.created);
                        reply.failure(ServiceErrorKind::Malformed, detail)
                    })?;
                    list.extend(entry.items.into_iter().filter_map(|item| {
                        // The answer may leave out the id of a field of Jira itself; the name is the same then.
                        let field = item.field_id.or(item.field)?;
                        fields.contains(&field.as_str()).then(|| FieldChange {
                            at,
                            field,
                            to: item.to_string.unwrap_or_default(),
                        })
                    }));
                }
            }
            let next = page.next_page_token;
            if next.is_none() {
                return Ok(());
            }
            if next == token {
                return Err(reply.failure(ServiceErrorKind::Malformed, "the next page is the same one again"));
            }
            token = next;
        }
        Err(ServiceError::new(
            Service::Jira,
            OPERATION,
            ServiceErrorKind::Malformed,
            format!("the histories have more than {MOST_PAGES} pages"),
        ))
    }
}
