//! Many issues by key in few requests (spec 02 §5.2).
//!
//! A search would answer from an index that lags behind, and files a moved issue under its new key alone. The bulk
//! request reads what is stored, follows moved issues, and leaves out silently what the account may not see; what is
//! left out or comes under another key is therefore asked for by itself.

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

/// Issues that were asked for by key: those that Jira shows, and the rest.
#[derive(Debug, Clone, Default)]
pub struct IssueSet {
    /// What Jira shows, by the key that was asked for. An issue that was asked for by two keys stands here twice.
    pub found: BTreeMap<IssueKey, Issue>,
    /// Keys that do not exist or that this account may not see; Jira gives the same answer for both.
    pub hidden: BTreeSet<IssueKey>,
}

impl IssueSet {
    /// The issue that was asked for by this key, when Jira shows it.
    pub fn get(&self, key: &IssueKey) -> Option<&Issue> {
        self.found.get(key)
    }

    /// Every issue once, by the first of the keys by which it was asked for.
    pub fn distinct(&self) -> impl Iterator<Item = &Issue> {
        let mut seen = BTreeSet::new();
        self.found.values().filter(move |issue| seen.insert(issue.identity()))
    }

    /// Gives every issue its other keys.
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
    /// A hidden issue is never an error of the others (spec 02 §10 J3). An error means that not all could be looked
    /// at: what is missing then is unknown, not hidden.
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
            // It changes nothing; it is a POST because the list is long.
            .read();
        let reply = self.exchange(call).await?;
        Ok(self.decode::<Answer>(&reply)?.issues)
    }

    /// The issue, or `None` when this account may not see it. That it is hidden is believed only with credentials
    /// that are known to be good.
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
