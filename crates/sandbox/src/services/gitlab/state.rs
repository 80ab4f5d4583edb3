//! What GitLab knows, and how tests read and prepare it.

use jiff::Timestamp;
use regex::Regex;
use serde_json::{Map, Value, json};

use super::model::{MergeRequest, MergeRequestState, Pipeline, Project, Token, User};
use crate::world::Simulated;

/// Requests that are answered in one minute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimit {
    /// How many.
    pub per_minute: u32,
    /// The minute that is counted, since 1970.
    pub(super) minute: i64,
    /// Requests in it.
    pub(super) observed: u32,
}

impl RateLimit {
    /// So many in one minute.
    pub fn per_minute(per_minute: u32) -> Self {
        Self { per_minute, minute: 0, observed: 0 }
    }
}

impl Default for RateLimit {
    fn default() -> Self {
        Self::per_minute(100_000)
    }
}

/// GitLab.
#[derive(Debug, Default)]
pub struct State {
    /// Accounts.
    pub users: Vec<User>,
    /// Tokens.
    pub tokens: Vec<Token>,
    /// Projects.
    pub projects: Vec<Project>,
    /// Merge requests of all projects.
    pub merge_requests: Vec<MergeRequest>,
    /// Pipelines of all merge requests.
    pub pipelines: Vec<Pipeline>,
    /// How many requests are answered.
    pub rate_limit: RateLimit,
    pub(super) ids: u64,
}

impl State {
    /// A merge request by project id and number.
    pub fn merge_request(&self, project: u64, iid: u64) -> Option<&MergeRequest> {
        self.merge_requests.iter().find(|request| request.project == project && request.iid == iid)
    }

    /// A merge request, to prepare a case.
    pub fn merge_request_mut(&mut self, project: u64, iid: u64) -> Option<&mut MergeRequest> {
        self.merge_requests.iter_mut().find(|request| request.project == project && request.iid == iid)
    }

    /// The account with this id.
    pub fn user(&self, id: u64) -> Option<&User> {
        self.users.iter().find(|user| user.id == id)
    }

    /// The account with this name.
    pub fn user_named(&self, username: &str) -> Option<&User> {
        self.users.iter().find(|user| user.username.eq_ignore_ascii_case(username))
    }

    /// Bodies of the notes that people wrote on a merge request, oldest first.
    pub fn note_bodies(&self, project: u64, iid: u64) -> Vec<&str> {
        let notes = self.merge_request(project, iid).map(|request| request.notes.as_slice());
        let written = notes.unwrap_or_default().iter().filter(|note| !note.system);
        written.map(|note| note.body.as_str()).collect()
    }

    /// Names of the accounts that GitLab notifies because a text mentions them: existing, active, not in code.
    pub fn mentioned(&self, markdown: &str) -> Vec<String> {
        let Ok(code) = Regex::new(r"(?s)```.*?```|`[^`\n]*`") else { return Vec::new() };
        let Ok(mention) = Regex::new(r"(?:^|[^\w@./-])@([A-Za-z0-9_][A-Za-z0-9_.-]*)") else {
            return Vec::new();
        };
        let text = code.replace_all(markdown, " ");
        let mut found: Vec<String> = Vec::new();
        for name in mention.captures_iter(&text).filter_map(|capture| capture.get(1)) {
            let name = name.as_str().trim_end_matches(['.', '-', '_']);
            let user = self.user_named(name).filter(|user| user.state == "active");
            if let Some(user) = user
                && !found.contains(&user.username)
            {
                found.push(user.username.clone());
            }
        }
        found
    }

    /// A number nobody has yet.
    pub(super) fn next_id(&mut self) -> u64 {
        self.ids += 1;
        5_500_000 + self.ids
    }
}

/// The time as GitLab writes it.
pub(super) fn stamp(now: Timestamp) -> String {
    now.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

impl Simulated for State {
    fn snapshot(&self) -> Value {
        let requests: Map<String, Value> = self
            .merge_requests
            .iter()
            .map(|request| {
                let notes: Vec<Value> = request
                    .notes
                    .iter()
                    .map(|note| {
                        let author = self.user(note.author).map(|user| &user.username);
                        json!({"author": author, "body": note.body, "mentions": self.mentioned(&note.body)})
                    })
                    .collect();
                let view = json!({
                    "title": request.title, "state": request.state.name(), "labels": request.labels,
                    "notes": notes, "notes_added": request.notes_added, "notes_edited": request.notes_edited,
                    "updates": request.updates, "approved_by": request.approved_by,
                });
                (format!("{}!{}", request.project, request.iid), view)
            })
            .collect();
        json!({"merge_requests": requests})
    }

    /// `set-state {"project", "iid", "state"}`, `rate-limit {"per_minute"}`.
    fn change(&mut self, operation: &str, body: &Value, _now: Timestamp) -> Result<Value, String> {
        let number = |name: &str| {
            let value = body.get(name).and_then(Value::as_u64);
            value.ok_or_else(|| format!("{operation} needs the number {name}"))
        };
        match operation {
            "set-state" => {
                let name = body.get("state").and_then(Value::as_str).unwrap_or_default();
                let state =
                    MergeRequestState::parse(name).ok_or("state is opened, closed, merged or locked")?;
                let request = self.merge_request_mut(number("project")?, number("iid")?);
                request.ok_or("no such merge request")?.state = state;
            }
            "rate-limit" => {
                let count = u32::try_from(number("per_minute")?).map_err(|error| error.to_string())?;
                self.rate_limit = RateLimit::per_minute(count);
            }
            _ => return Err("operations: set-state, rate-limit".to_owned()),
        }
        Ok(json!({"done": operation}))
    }
}
