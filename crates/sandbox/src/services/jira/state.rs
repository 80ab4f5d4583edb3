//! What Jira knows, and how tests read and prepare it.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

use super::{
    model::{Account, ChangelogEntry, ChangelogItem, Issue, Login, Project, Right, Status, Write},
    refusal::Refusal,
};
use crate::world::Simulated;

/// What a wrong token leads to. Both occur on Cloud.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BadToken {
    /// 401 on every path but `serverInfo`.
    #[default]
    Refused,
    /// The caller counts as anonymous: 404 on issues and projects, 401 elsewhere.
    Anonymous,
}

/// A burst limit: after `allow` further requests, the next `refuse` ones are answered 429.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimit {
    /// Requests still answered.
    pub allow: u32,
    /// Requests refused after them.
    pub refuse: u32,
    /// Seconds in `Retry-After`.
    pub retry_after: u32,
}

/// So many writes to one issue are taken within so long, in Jira Cloud (spec 02 §5.6, Rate limiting).
const WRITES_PER_ISSUE: [(usize, Duration); 2] =
    [(20, Duration::from_secs(2)), (100, Duration::from_secs(30))];

/// Jira Cloud.
#[derive(Clone, Debug, Default)]
pub struct State {
    /// Accounts.
    pub accounts: Vec<Account>,
    /// Credentials.
    pub logins: Vec<Login>,
    /// Projects.
    pub projects: Vec<Project>,
    /// Issues by key.
    pub issues: BTreeMap<String, Issue>,
    /// What a wrong token leads to.
    pub bad_token: BadToken,
    /// A burst limit, if one is set.
    pub rate_limit: Option<RateLimit>,
    /// For how long after a write a search still shows the issue as it was before.
    pub search_lag: Option<SignedDuration>,
    /// The tokens of so many next pages count as expired.
    pub expire_tokens: u32,
    /// Whether issues do not say how many comments they have.
    pub hides_totals: bool,
    /// Issues as a search shows them until a time.
    stale: BTreeMap<String, (Timestamp, Issue)>,
    /// When issues were written to lately, by this machine's clock: programs pause by it, whatever the clock of the sandbox says.
    recent_writes: BTreeMap<String, VecDeque<Instant>>,
    pub(super) ids: u64,
}

impl State {
    /// Counts a write to the issue that a path names, unless too many came before it: then how long they stay too many.
    pub(super) fn count_write(&mut self, issue: &str, now: Instant) -> Result<(), Duration> {
        let longest = WRITES_PER_ISSUE.iter().map(|(_, within)| *within).max().unwrap_or_default();
        self.recent_writes.retain(|_, writes| {
            writes.retain(|at| now.duration_since(*at) < longest);
            !writes.is_empty()
        });
        let writes = self.recent_writes.entry(issue.to_owned()).or_default();
        for (most, within) in WRITES_PER_ISSUE {
            let oldest = writes.len().checked_sub(most).and_then(|index| writes.get(index));
            let left = oldest.map_or(Duration::ZERO, |at| within.saturating_sub(now.duration_since(*at)));
            if !left.is_zero() {
                return Err(left);
            }
        }
        writes.push_back(now);
        Ok(())
    }

    /// The issue with this key.
    pub fn issue(&self, key: &str) -> Option<&Issue> {
        self.issues.get(key)
    }

    /// The issue with this key, to prepare a case.
    pub fn issue_mut(&mut self, key: &str) -> Option<&mut Issue> {
        self.issues.get_mut(key)
    }

    /// The issue with this key or id, now or formerly, unless a security level hides it.
    pub fn shown(&self, key_or_id: &str) -> Option<&Issue> {
        self.visible_issue(key_or_id).ok()
    }

    /// Moves an issue to another project: it gets a key there, and its old key leads to it.
    pub fn move_issue(&mut self, key: &str, new_key: &str) -> Option<()> {
        let project = self.project(new_key.split('-').next()?)?.key.clone();
        let mut issue = self.issues.remove(key)?;
        issue.former_keys.push(std::mem::replace(&mut issue.key, new_key.to_owned()));
        issue.project = project;
        self.issues.insert(issue.key.clone(), issue);
        Some(())
    }

    /// The account with this id.
    pub fn account(&self, account_id: &str) -> Option<&Account> {
        self.accounts.iter().find(|account| account.account_id == account_id)
    }

    /// E-mail address of an issue's assignee.
    pub fn assignee_email(&self, key: &str) -> Option<&str> {
        let account = self.issue(key)?.assignee.as_deref()?;
        self.account(account).map(|account| account.email.as_str())
    }

    /// All writes to all issues: key and write, by key, then in order.
    pub fn writes(&self) -> Vec<(&str, &Write)> {
        self.issues
            .values()
            .flat_map(|issue| issue.writes.iter().map(|write| (issue.key.as_str(), write)))
            .collect()
    }

    /// The keys of an issue's subtasks, oldest first.
    pub fn subtasks(&self, parent: &str) -> Vec<&Issue> {
        let mut found: Vec<&Issue> =
            self.issues.values().filter(|issue| issue.parent.as_deref() == Some(parent)).collect();
        found.sort_by_key(|issue| issue.id);
        found
    }

    pub(super) fn project(&self, key_or_id: &str) -> Option<&Project> {
        self.projects.iter().find(|project| project.key == key_or_id || project.id == key_or_id)
    }

    pub(super) fn status(&self, project: &str, name: &str) -> Option<&Status> {
        self.project(project)?.statuses.iter().find(|status| status.name == name)
    }

    /// Key of the issue with this key or id, if the caller sees it.
    pub(super) fn visible(&self, key_or_id: &str) -> Result<String, Refusal> {
        let key = key_or_id.to_uppercase();
        let found = self
            .issues
            .get(&key)
            .or_else(|| self.issues.values().find(|issue| issue.former_keys.contains(&key)))
            .or_else(|| {
                let id: u64 = key_or_id.parse().ok()?;
                self.issues.values().find(|issue| issue.id == id)
            });
        found.filter(|issue| !issue.hidden).map(|issue| issue.key.clone()).ok_or(Refusal::NoIssue)
    }

    pub(super) fn visible_issue(&self, key_or_id: &str) -> Result<&Issue, Refusal> {
        let key = self.visible(key_or_id)?;
        self.issue(&key).ok_or(Refusal::NoIssue)
    }

    pub(super) fn visible_issue_mut(&mut self, key_or_id: &str) -> Result<&mut Issue, Refusal> {
        let key = self.visible(key_or_id)?;
        self.issue_mut(&key).ok_or(Refusal::NoIssue)
    }

    /// Keeps the issue as it is for searches, which show it so for a while. Called before every change.
    pub(super) fn before_change(&mut self, key: &str, now: Timestamp) {
        let Some(lag) = self.search_lag else { return };
        let Some(issue) = self.issues.get(key) else { return };
        let kept = self.stale.get(key).is_some_and(|(until, _)| now < *until);
        if !kept {
            self.stale.insert(key.to_owned(), (now + lag, issue.clone()));
        }
    }

    /// The issues as a search shows them now.
    pub(super) fn indexed(&self, now: Timestamp) -> impl Iterator<Item = &Issue> {
        self.issues.values().map(move |issue| match self.stale.get(&issue.key) {
            Some((until, stale)) if now < *until => stale,
            _ => issue,
        })
    }

    /// An unused number.
    pub(super) fn next_id(&mut self) -> u64 {
        self.ids += 1;
        18_100_000 + self.ids
    }

    /// Enters a change in an issue's changelog, unless nothing changed.
    pub(super) fn log_change(&mut self, key: &str, author: &str, now: &str, items: Vec<ChangelogItem>) {
        let items: Vec<ChangelogItem> = items.into_iter().filter(|item| item.from != item.to).collect();
        if items.is_empty() {
            return;
        }
        let id = self.next_id();
        if let Some(issue) = self.issue_mut(key) {
            now.clone_into(&mut issue.updated);
            issue.changelog.push(ChangelogEntry {
                id,
                author: author.to_owned(),
                created: now.to_owned(),
                items,
            });
        }
    }
}

impl Login {
    /// Refuses who may not.
    pub(super) fn may(&self, right: Right) -> Result<(), Refusal> {
        if self.rights.contains(&right) {
            return Ok(());
        }
        let what = match right {
            Right::Assign => "assign issues",
            Right::Transition => "transition issues",
            Right::Edit => "edit issues in this project",
            Right::Comment => "add comments to this issue",
            Right::Create => "create issues in this project",
            Right::BrowseUsers => "browse users and groups",
        };
        Err(Refusal::Forbidden(format!("You do not have permission to {what}.")))
    }
}

/// The time as Jira writes it.
pub(super) fn stamp(now: Timestamp) -> String {
    now.strftime("%Y-%m-%dT%H:%M:%S%.3f+0000").to_string()
}

impl Simulated for State {
    fn snapshot(&self) -> Value {
        let issues: Map<String, Value> = self
            .issues
            .values()
            .map(|issue| {
                let view = json!({
                    "summary": issue.summary,
                    "status": issue.status,
                    "assignee": self.assignee_email(&issue.key),
                    "parent": issue.parent,
                    "comments": issue.comments.iter().map(|comment| &comment.body).collect::<Vec<_>>(),
                    "writes": issue.writes.iter().map(|write| format!("{write:?}")).collect::<Vec<_>>(),
                });
                (issue.key.clone(), view)
            })
            .collect();
        json!({"issues": issues})
    }

    /// `set-status {"issue", "status"}`, `hide {"issue", "hidden"}`, `bad-token {"mode": "refused"|"anonymous"}`,
    /// `rate-limit {"allow", "refuse", "retry_after"}`, `search-lag {"seconds"}`, `expire-tokens {"count"}`,
    /// `label {"issue", "label"}`.
    fn change(&mut self, operation: &str, body: &Value, _now: Timestamp) -> Result<Value, String> {
        let text = |name: &str| {
            body.get(name).and_then(Value::as_str).ok_or_else(|| format!("{operation} needs the text {name}"))
        };
        let number = |name: &str| {
            let value = body.get(name).and_then(Value::as_u64).and_then(|value| u32::try_from(value).ok());
            value.ok_or_else(|| format!("{operation} needs the number {name}"))
        };
        match operation {
            "set-status" => {
                let (key, status) = (text("issue")?, text("status")?);
                let project = self.issue(key).ok_or("no such issue")?.project.clone();
                self.status(&project, status).ok_or("no such status in the project")?;
                let issue = self.issue_mut(key).ok_or("no such issue")?;
                status.clone_into(&mut issue.status);
            }
            "hide" => {
                let hidden = body.get("hidden").and_then(Value::as_bool).unwrap_or(true);
                self.issue_mut(text("issue")?).ok_or("no such issue")?.hidden = hidden;
            }
            "move" => {
                self.move_issue(text("issue")?, text("to")?).ok_or("no such issue or project")?;
            }
            "bad-token" => {
                self.bad_token = match text("mode")? {
                    "refused" => BadToken::Refused,
                    "anonymous" => BadToken::Anonymous,
                    other => return Err(format!("mode is refused or anonymous, not {other}")),
                };
            }
            "rate-limit" => {
                self.rate_limit = Some(RateLimit {
                    allow: number("allow")?,
                    refuse: number("refuse")?,
                    retry_after: number("retry_after")?,
                });
            }
            "search-lag" => {
                self.search_lag = Some(SignedDuration::from_secs(i64::from(number("seconds")?)));
            }
            "expire-tokens" => self.expire_tokens = number("count")?,
            "label" => {
                let label = text("label")?.to_owned();
                self.issue_mut(text("issue")?).ok_or("no such issue")?.labels.push(label);
            }
            _ => {
                return Err(
                    "operations: set-status, hide, move, bad-token, rate-limit, search-lag, expire-tokens, \
                            label"
                        .to_owned(),
                );
            }
        }
        Ok(json!({"done": operation}))
    }
}
