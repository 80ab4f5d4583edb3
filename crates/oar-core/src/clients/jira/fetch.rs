//! Reads many issues by key in few requests (spec 02 §5.2).
//!
//! A search uses an index that lags behind and has a moved issue under its new key only. The bulk request
//! reads the stored issues, follows moved ones, and silently leaves out what the account may not see. So an
//! issue that is left out or has another key in the answer gets its own request.

use std::collections::{BTreeMap, BTreeSet};

use futures::future::{join_all, try_join_all};
use http::Method;
use serde::Deserialize;
use serde_json::json;

use super::{Issue, IssueKey, JiraClient, body};
use crate::clients::empty;
use crate::error::{ServiceError, ServiceErrorKind};

/// How many issues one request names at most; Jira refuses more.
const KEYS_PER_REQUEST: usize = 100;

/// Issues requested by key: those that Jira shows, and the rest.
#[derive(Debug, Clone, Default)]
pub struct IssueSet {
    /// The issues that Jira shows, by requested key. An issue that was requested by two keys is here twice.
    pub found: BTreeMap<IssueKey, Issue>,
    /// Keys that do not exist or that this account may not see; Jira gives the same answer for both.
    pub hidden: BTreeSet<IssueKey>,
}

impl IssueSet {
    /// The issue that was requested by this key, if Jira shows it.
    pub fn get(&self, key: &IssueKey) -> Option<&Issue> {
        self.found.get(key)
    }

    /// Every issue once, by the first of its requested keys.
    pub fn distinct(&self) -> impl Iterator<Item = &Issue> {
        let mut seen = BTreeSet::new();
        self.found.values().filter(move |issue| seen.insert(issue.identity()))
    }

    /// Sets every issue's other keys.
    fn connect(&mut self) {
        let mut keys: BTreeMap<String, BTreeSet<IssueKey>> = BTreeMap::new();
        for (asked, issue) in &self.found {
            let known = keys.entry(issue.identity().to_owned()).or_default();
            known.insert(asked.clone());
            known.insert(issue.key.clone());
        }
        for (asked, issue) in &mut self.found {
            let mut others = keys.get(issue.identity()).cloned().unwrap_or_default();
            others.remove(asked);
            issue.other_keys = others;
            issue.key = asked.clone();
        }
    }
}

#[derive(Deserialize)]
struct Answer {
    #[serde(default, deserialize_with = "empty::or_default")]
    issues: Vec<Issue>,
}

impl JiraClient {
    /// The issues with these keys and the named fields: one request per hundred keys, and one for each key that is
    /// hidden or whose issue was moved.
    ///
    /// A hidden issue does not affect the others (spec 02 §10 J3). An error means that not all could be read:
    /// the missing ones are then unknown, not hidden.
    pub async fn issues(&self, keys: &BTreeSet<IssueKey>, fields: &[&str]) -> Result<IssueSet, ServiceError> {
        let asked: Vec<&IssueKey> = keys.iter().collect();
        let answers =
            try_join_all(asked.chunks(KEYS_PER_REQUEST).map(|chunk| self.bulk(chunk, fields))).await?;
        let mut set = IssueSet::default();
        for issue in answers.into_iter().flatten() {
            if keys.contains(&issue.key) {
                set.found.insert(issue.key.clone(), issue);
            }
        }
        let left: Vec<&IssueKey> = keys.iter().filter(|key| !set.found.contains_key(*key)).collect();
        let alone = join_all(left.iter().map(|key| self.visible(key, fields))).await;
        for (key, answer) in left.into_iter().zip(alone) {
            match answer? {
                Some(issue) => drop(set.found.insert(key.clone(), issue)),
                None => drop(set.hidden.insert(key.clone())),
            }
        }
        set.connect();
        Ok(set)
    }

    async fn bulk(&self, keys: &[&IssueKey], fields: &[&str]) -> Result<Vec<Issue>, ServiceError> {
        let keys: Vec<&str> = keys.iter().map(|key| key.as_str()).collect();
        let call = self
            .call("read issues", Method::POST, "/issue/bulkfetch")?
            .body(body(&json!({ "issueIdsOrKeys": keys, "fields": fields })))
            // A read, although it is a POST because of the long list.
            .read();
        let reply = self.exchange(call).await?;
        Ok(self.decode::<Answer>(&reply)?.issues)
    }

    /// The issue, or `None` when this account may not see it. The latter is concluded only with credentials
    /// that are known to be valid.
    async fn visible(&self, key: &IssueKey, fields: &[&str]) -> Result<Option<Issue>, ServiceError> {
        let mut error = match self.issue(key, fields).await {
            Ok(issue) => return Ok(Some(issue)),
            Err(error) => error,
        };
        if !matches!(error.kind, ServiceErrorKind::NotFound | ServiceErrorKind::Forbidden) {
            return Err(error);
        }
        if self.credentials_good().await == Some(true) {
            return Ok(None);
        }
        error.kind = ServiceErrorKind::Unavailable;
        "whether this account may see it cannot be found out now".clone_into(&mut error.detail);
        Err(error)
    }
}
