//! What GitLab knows, and how tests read and prepare it.

use jiff::Timestamp;
use regex::Regex;
use serde_json::{Map, Value, json};

use super::git::Commit;
use super::merging;
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
#[derive(Clone, Debug, Default)]
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
    /// How often a new merge request is read before GitLab has checked whether it can be merged.
    pub checking_reads: u32,
    /// Status of the pipeline that a new merge request gets; none when it gets none.
    pub new_pipeline: Option<String>,
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

    /// The newest pipeline of a merge request.
    pub fn newest_pipeline(&self, project: u64, iid: u64) -> Option<&Pipeline> {
        let of_request = |pipeline: &&Pipeline| (pipeline.project, pipeline.merge_request) == (project, iid);
        self.pipelines.iter().filter(of_request).max_by_key(|pipeline| pipeline.id)
    }

    /// A project, to look at or to prepare a case.
    pub fn project_mut(&mut self, id: u64) -> Option<&mut Project> {
        self.projects.iter_mut().find(|project| project.id == id)
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

    /// An unused number.
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
                    "source_branch": request.source_branch, "target_branch": request.target_branch,
                    "auto_merge": request.auto_merge, "merge_commit": request.merge_commit,
                });
                (format!("{}!{}", request.project, request.iid), view)
            })
            .collect();
        json!({"merge_requests": requests})
    }

    /// `set-state {"project", "iid", "state"}`, `rate-limit {"per_minute"}`,
    /// `push {"project", "branch", "path", "content"}`, `label {"project", "iid", "label"}`,
    /// `job {"pipeline", "name", "status"}` (of a job or bridge), `pipeline {"pipeline", "status"}` (a success merges
    /// what waits for it), `new-requests {"checking_reads", "pipeline"}`, `token {"token", "expires_at", "oauth"}`.
    fn change(&mut self, operation: &str, body: &Value, now: Timestamp) -> Result<Value, String> {
        let number = |name: &str| {
            let value = body.get(name).and_then(Value::as_u64);
            value.ok_or_else(|| format!("{operation} needs the number {name}"))
        };
        let text = |name: &str| {
            let value = body.get(name).and_then(Value::as_str);
            value.map(str::to_owned).ok_or_else(|| format!("{operation} needs the text {name}"))
        };
        match operation {
            "set-state" => {
                let state = MergeRequestState::parse(&text("state")?)
                    .ok_or("state is opened, closed, merged or locked")?;
                let request = self.merge_request_mut(number("project")?, number("iid")?);
                request.ok_or("no such merge request")?.state = state;
            }
            "label" => {
                let request = self.merge_request_mut(number("project")?, number("iid")?);
                request.ok_or("no such merge request")?.labels.push(text("label")?);
            }
            "rate-limit" => {
                let count = u32::try_from(number("per_minute")?).map_err(|error| error.to_string())?;
                self.rate_limit = RateLimit::per_minute(count);
            }
            "push" => {
                let project = self.project_mut(number("project")?).ok_or("no such project")?;
                let branch = project.branches.get_mut(&text("branch")?).ok_or("no such branch")?;
                let mut files = branch.files.clone();
                files.insert(text("path")?, text("content")?);
                let signature = format!("art bot <art-bot@example.test> {} +0000", now.as_second());
                let commit = Commit::new(files, vec![branch.sha()], &signature, "Update shipment\n");
                branch.push(commit);
            }
            "job" => {
                let (id, name, status) = (number("pipeline")?, text("name")?, text("status")?);
                let pipeline = self.pipelines.iter_mut().find(|pipeline| pipeline.id == id);
                let pipeline = pipeline.ok_or("no such pipeline")?;
                let job = pipeline.jobs.iter_mut().chain(&mut pipeline.bridges).rfind(|job| job.name == name);
                job.ok_or("no such job")?.status = status;
            }
            "pipeline" => {
                let (id, status) = (number("pipeline")?, text("status")?);
                let pipeline = self.pipelines.iter_mut().find(|pipeline| pipeline.id == id);
                let pipeline = pipeline.ok_or("no such pipeline")?;
                pipeline.status.clone_from(&status);
                let (project, iid) = (pipeline.project, pipeline.merge_request);
                if status == "success" && self.merge_request(project, iid).is_some_and(|r| r.auto_merge) {
                    merging::carry_out(self, project, iid, now);
                }
            }
            "new-requests" => {
                let reads = u32::try_from(number("checking_reads")?).map_err(|error| error.to_string())?;
                self.checking_reads = reads;
                self.new_pipeline = body.get("pipeline").and_then(Value::as_str).map(str::to_owned);
            }
            "token" => {
                let value = text("token")?;
                let token = self.tokens.iter_mut().find(|token| token.value == value);
                let token = token.ok_or("no such token")?;
                if let Some(day) = body.get("expires_at") {
                    token.expires_at = day.as_str().map(str::to_owned);
                }
                token.oauth = body.get("oauth").and_then(Value::as_bool).unwrap_or(token.oauth);
            }
            _ => {
                let known = "set-state, label, rate-limit, push, job, pipeline, new-requests, token";
                return Err(format!("operations: {known}"));
            }
        }
        Ok(json!({"done": operation}))
    }
}
