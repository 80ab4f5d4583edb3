//! Searching: by query, and many issues by key in few requests (spec 02 §5.2 J-10).

use std::collections::{BTreeMap, BTreeSet};

use http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Issue, IssueKey, JiraClient, body};
use crate::error::{ServiceError, ServiceErrorKind};
use crate::http::{Repeat, Reply};
use crate::service::Service;

/// How many issues one page holds at most when fields are asked for (spec 02 §11.5).
const PAGE: usize = 100;

/// How many keys one query names. A page holds as many, so a query costs one request.
const KEYS_PER_QUERY: usize = 100;

/// How many pages a search reads before it gives up: far more than any query of ours has.
const MOST_PAGES: usize = 200;

/// Issues that were asked for by key: those that Jira shows, and the rest.
#[derive(Debug, Clone, Default)]
pub struct IssueSet {
    /// What Jira shows, by key.
    pub found: BTreeMap<IssueKey, Issue>,
    /// Keys that do not exist or that this account may not see; Jira gives the same answer for both.
    pub hidden: BTreeSet<IssueKey>,
}

impl IssueSet {
    /// The issue with this key, when Jira shows it.
    pub fn get(&self, key: &IssueKey) -> Option<&Issue> {
        self.found.get(key)
    }
}

#[derive(Deserialize)]
struct Page {
    issues: Vec<Issue>,
    #[serde(default, rename = "nextPageToken")]
    next: Option<String>,
    #[serde(default, rename = "isLast")]
    is_last: Option<bool>,
}

/// What a query for keys gave.
enum ByKey {
    Issues(Vec<Issue>),
    /// Refused because of keys: those that it names, which may be none.
    Keys(BTreeSet<String>),
}

impl JiraClient {
    /// Every issue that the query finds, with the named fields only, page by page.
    pub async fn search(&self, jql: &str, fields: &[&str]) -> Result<Vec<Issue>, ServiceError> {
        let first = Self::checked(self.page(jql, fields, None).await?)?;
        self.all_pages(jql, fields, first).await
    }

    /// The issues with these keys and the named fields, in one request per hundred keys.
    ///
    /// Jira refuses a whole query when one of its keys does not exist or is hidden, and names them: those are left
    /// out and the rest is asked for again. Hidden keys are never an error of the others (spec 02 §10 J3).
    pub async fn issues(&self, keys: &BTreeSet<IssueKey>, fields: &[&str]) -> Result<IssueSet, ServiceError> {
        let keys: Vec<&IssueKey> = keys.iter().collect();
        let mut set = IssueSet::default();
        let mut waiting: Vec<Vec<&IssueKey>> =
            keys.chunks(KEYS_PER_QUERY).rev().map(<[&IssueKey]>::to_vec).collect();
        while let Some(mut chunk) = waiting.pop() {
            if chunk.is_empty() {
                continue;
            }
            match self.by_key(&chunk, fields).await? {
                ByKey::Issues(issues) => {
                    set.found.extend(issues.into_iter().map(|issue| (issue.key.clone(), issue)));
                }
                ByKey::Keys(named) => {
                    let before = chunk.len();
                    chunk.retain(|key| !named.contains(key.as_str()));
                    if chunk.len() == before && before > 1 {
                        // The refusal names none of ours: halving finds the one it means.
                        waiting.push(chunk.split_off(before / 2));
                        waiting.push(chunk);
                    } else if chunk.len() < before {
                        waiting.push(chunk);
                    }
                }
            }
        }
        set.hidden = keys.into_iter().filter(|key| !set.found.contains_key(*key)).cloned().collect();
        Ok(set)
    }

    async fn by_key(&self, keys: &[&IssueKey], fields: &[&str]) -> Result<ByKey, ServiceError> {
        let list: Vec<&str> = keys.iter().map(|key| key.as_str()).collect();
        let jql = format!("key in ({})", list.join(", "));
        let reply = self.page(&jql, fields, None).await?;
        if reply.status == StatusCode::BAD_REQUEST
            && let Some(named) = refused_keys(&reply, keys)
        {
            return Ok(ByKey::Keys(named));
        }
        self.all_pages(&jql, fields, Self::checked(reply)?).await.map(ByKey::Issues)
    }

    async fn all_pages(&self, jql: &str, fields: &[&str], first: Reply) -> Result<Vec<Issue>, ServiceError> {
        let mut found = Vec::new();
        let mut reply = first;
        for _ in 0..MOST_PAGES {
            let page: Page = self.decode(&reply)?;
            found.extend(page.issues);
            let Some(next) = page.next.filter(|_| page.is_last != Some(true)) else { return Ok(found) };
            reply = Self::checked(self.page(jql, fields, Some(&next)).await?)?;
        }
        Err(ServiceError::new(
            Service::Jira,
            "search issues",
            ServiceErrorKind::Malformed,
            format!("the search has more than {MOST_PAGES} pages"),
        ))
    }

    /// One page, whatever its status.
    async fn page(&self, jql: &str, fields: &[&str], token: Option<&str>) -> Result<Reply, ServiceError> {
        let mut query = json!({ "jql": jql, "fields": fields, "maxResults": PAGE });
        if let Some(token) = token {
            query["nextPageToken"] = json!(token);
        }
        let call = self
            .call("search issues", Method::POST, "/search/jql")?
            .body(body(&query))
            // A search changes nothing; it is a POST because queries are long.
            .repeat(Repeat::Safe);
        self.http.send(call).await
    }
}

/// The keys that a refusal of a query names, out of those that were asked for; `None` when the refusal is about
/// something else.
fn refused_keys(reply: &Reply, asked: &[&IssueKey]) -> Option<BTreeSet<String>> {
    let answer: Value = serde_json::from_slice(&reply.body).ok()?;
    let messages: Vec<&str> =
        answer.get("errorMessages")?.as_array()?.iter().filter_map(Value::as_str).collect();
    let about_issues = messages.iter().any(|message| message.to_lowercase().contains("issue"));
    let words = messages.iter().flat_map(|message| {
        message.split(|character: char| !(character.is_ascii_alphanumeric() || "-_".contains(character)))
    });
    let named: BTreeSet<String> =
        words.filter(|word| asked.iter().any(|key| key.as_str() == *word)).map(str::to_owned).collect();
    (about_issues || !named.is_empty()).then_some(named)
}

/// `text` as a quoted string of the query language.
pub(super) fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}
