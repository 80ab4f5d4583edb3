//! Branches of a project, and commits that change files without a git program.

use std::collections::BTreeMap;

use axum::{
    Json,
    body::Bytes,
    http::{HeaderMap, StatusCode, header},
    response::Response,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use url::form_urlencoded;

use super::{
    asked::Asked, git::Commit, model::Branch, notes::Body, projects, refusal::Refusal, state::State,
};
use crate::unexpected::Unexpected;

fn commit_view(commit: &Commit) -> Value {
    json!({
        "id": commit.id, "short_id": commit.id.get(..8), "parent_ids": commit.parents, "message": commit.message,
        "title": commit.message.lines().next().unwrap_or_default(),
        "author_name": commit.signature.split(" <").next(),
    })
}

fn branch_view(name: &str, branch: &Branch, default: &str) -> Value {
    json!({
        "name": name, "commit": branch.head().as_ref().map(commit_view), "merged": false, "protected": false,
        "default": name == default, "can_push": true,
    })
}

/// Branches by name; `search` may begin with `^` and end with `$`.
pub(super) async fn list(asked: Asked) -> Result<Response, Refusal> {
    let query = asked.query();
    let state = asked.world.gitlab.lock();
    let project = asked.project(&state)?.project;
    let search = query.get("search").unwrap_or_default();
    let (start, rest) = search.strip_prefix('^').map_or((false, search), |rest| (true, rest));
    let (end, text) = rest.strip_suffix('$').map_or((false, rest), |rest| (true, rest));
    let rows: Vec<Value> = project
        .branches
        .iter()
        .filter(|(name, _)| match (start, end) {
            (true, true) => *name == text,
            (true, false) => name.starts_with(text),
            (false, true) => name.ends_with(text),
            (false, false) => name.contains(text),
        })
        .map(|(name, branch)| branch_view(name, branch, &project.default_branch))
        .collect();
    asked.answer(&rows)
}

/// One branch.
pub(super) async fn show(asked: Asked) -> Result<Json<Value>, Refusal> {
    let state = asked.world.gitlab.lock();
    let project = asked.project(&state)?.project;
    let name = asked.path("branch");
    let branch = project.branches.get(name).ok_or(Refusal::NotFound("Branch"))?;
    Ok(Json(branch_view(name, branch, &project.default_branch)))
}

/// The actions of a commit, each by its fields: JSON, or a form in which `actions[][x]` begins another action when
/// the one before has an `x` already.
fn actions(headers: &HeaderMap, bytes: &[u8]) -> Result<Vec<BTreeMap<String, String>>, Refusal> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let mut found: Vec<BTreeMap<String, String>> = Vec::new();
    if kind.starts_with("application/json") {
        let body: Value = serde_json::from_slice(bytes)
            .map_err(|_| Refusal::Parameter("400 Bad Request: invalid JSON".to_owned()))?;
        for action in body["actions"].as_array().into_iter().flatten() {
            let fields = action.as_object().into_iter().flatten();
            found.push(
                fields
                    .filter(|(_, value)| !value.is_null())
                    .map(|(name, value)| {
                        (name.clone(), value.as_str().map_or_else(|| value.to_string(), str::to_owned))
                    })
                    .collect(),
            );
        }
    } else {
        for (name, value) in form_urlencoded::parse(bytes) {
            let Some(field) = name.strip_prefix("actions[][").and_then(|rest| rest.strip_suffix(']')) else {
                continue;
            };
            if found.last().is_none_or(|last| last.contains_key(field)) {
                found.push(BTreeMap::new());
            }
            if let Some(last) = found.last_mut() {
                last.insert(field.to_owned(), value.into_owned());
            }
        }
    }
    if found.is_empty() {
        return Err(Refusal::Parameter("actions is missing".to_owned()));
    }
    Ok(found)
}

/// Carries the actions out.
fn carry_out(
    files: &mut BTreeMap<String, String>,
    actions: &[BTreeMap<String, String>],
) -> Result<(), Refusal> {
    for action in actions {
        let field = |name: &str| action.get(name).map(String::as_str);
        let path = field("file_path")
            .ok_or_else(|| Refusal::Parameter("actions[0][file_path] is missing".to_owned()))?;
        let content = || -> Result<String, Refusal> {
            let text = field("content").unwrap_or_default();
            if field("encoding") != Some("base64") {
                return Ok(text.to_owned());
            }
            let invalid = || Refusal::Message("Invalid base64 content".to_owned());
            String::from_utf8(STANDARD.decode(text).map_err(|_| invalid())?).map_err(|_| invalid())
        };
        let present = files.contains_key(path);
        match (field("action"), present) {
            (Some("create"), true) => {
                return Err(Refusal::Message("A file with this name already exists".to_owned()));
            }
            (Some("update" | "delete"), false) => {
                return Err(Refusal::Message("A file with this name doesn't exist".to_owned()));
            }
            (Some("create" | "update"), _) => {
                files.insert(path.to_owned(), content()?);
            }
            (Some("delete"), true) => {
                files.remove(path);
            }
            (Some("move" | "chmod"), _) => {
                return Err(Refusal::Unexpected(Unexpected::new("moving files in a commit")));
            }
            _ => return Err(Refusal::Parameter("actions[0][action] does not have a valid value".to_owned())),
        }
    }
    Ok(())
}

/// The parent of the new commit: the history so far.
fn base(state: &State, asked: &Asked, body: &Body, name: &str) -> Result<Branch, Refusal> {
    let own = asked.project(state)?.project;
    let (start_branch, start_sha) = (body.get("start_branch"), body.get("start_sha"));
    if start_branch.is_some() && start_sha.is_some() {
        return Err(Refusal::Parameter("start_branch, start_sha are mutually exclusive".to_owned()));
    }
    if start_branch.is_none() && start_sha.is_none() {
        let known = own.branches.get(name).cloned();
        return known.ok_or_else(|| {
            Refusal::Message("You can only create or edit files when you are on a branch".to_owned())
        });
    }
    let source = match body.get("start_project") {
        None => own,
        Some(other) => {
            let other = projects::find(state, asked.caller, &other)?.project;
            if other.id != own.id && own.forked_from != Some(other.id) {
                return Err(Refusal::Forbidden);
            }
            other
        }
    };
    if own.branches.contains_key(name) && body.get("force").as_deref() != Some("true") {
        return Err(Refusal::Message(format!(
            "A branch called '{name}' already exists. Switch to that branch in order to make changes"
        )));
    }
    let history = match (start_branch, start_sha) {
        (Some(branch), _) => source.branches.get(&branch).map(Branch::history),
        (_, Some(sha)) => source.branches.values().map(Branch::history).find_map(|mut history| {
            let at = history.iter().position(|commit| commit.id == sha)?;
            history.truncate(at + 1);
            Some(history)
        }),
        (None, None) => None,
    };
    let history =
        history.ok_or_else(|| Refusal::Message("Cannot find the commit to start from".to_owned()))?;
    let files = history.last().map(|commit| commit.files.clone()).unwrap_or_default();
    Ok(Branch { files, commits: history })
}

/// Makes a commit, on a branch that exists or on a new one.
pub(super) async fn create(asked: Asked, bytes: Bytes) -> Result<(StatusCode, Json<Value>), Refusal> {
    let now = asked.world.clock.now();
    let mut state = asked.world.gitlab.lock();
    let (id, signature) = {
        let access = asked.project_to_change(&state)?;
        let user = state.user(access.user).ok_or(Refusal::Unauthorized)?;
        let address = format!("{}@noreply.example.test", user.username);
        (access.project.id, format!("{} <{address}> {} +0000", user.name, now.as_second()))
    };
    let body = Body::read(&asked.headers, &bytes)?;
    let missing = |name: &str| Refusal::Parameter(format!("{name} is missing"));
    let name = body.get("branch").ok_or_else(|| missing("branch"))?;
    let message = body.get("commit_message").ok_or_else(|| missing("commit_message"))?;
    let actions = actions(&asked.headers, &bytes)?;
    let mut branch = base(&state, &asked, &body, &name)?;
    let mut files = branch.files.clone();
    carry_out(&mut files, &actions)?;
    let parents = branch.head().map(|head| head.id).into_iter().collect();
    let commit = Commit::new(files, parents, &signature, &message);
    let view = commit_view(&commit);
    branch.push(commit);
    let project = state.projects.iter_mut().find(|project| project.id == id);
    project.ok_or(Refusal::NotFound("Project"))?.branches.insert(name, branch);
    Ok((StatusCode::CREATED, Json(view)))
}
