//! `/repos/{owner}/{repo}/contents/…`: read, list, write and remove files.

use std::sync::Arc;

use axum::{
    Extension, Json,
    body::Bytes,
    extract::Query,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use base64::{Engine, prelude::BASE64_STANDARD};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    asked::Asked,
    identity::{Caller, Identity},
    reply::{self, missing, not_found, refuse},
    repository::{Commit, Repository},
};
use crate::{intercept::StaleRead, services::Refused, world::World};

/// Files above this size are listed without their content.
const INLINE_LIMIT: usize = 1024 * 1024;

/// The most entries of a directory's list; the rest is silently left out.
const LISTED: usize = 1_000;

#[derive(Debug, Deserialize)]
pub(super) struct Reference {
    #[serde(rename = "ref")]
    reference: Option<String>,
}

/// `GET …/contents` lists the root.
pub(super) async fn root(asked: Asked, query: Query<Reference>) -> Result<Response, Refused> {
    read(asked, query, None).await
}

/// `GET …/contents/{path}`.
pub(super) async fn read(
    asked: Asked,
    Query(Reference { reference }): Query<Reference>,
    stale: Option<Extension<StaleRead>>,
) -> Result<Response, Refused> {
    let github = asked.world.github.lock();
    let repository = asked.repository(&github)?;
    let reference = reference.unwrap_or_else(|| repository.default_branch.clone());
    let absent = || refuse(StatusCode::NOT_FOUND, &format!("No commit found for the ref {reference}"));
    let mut commit = repository.resolve(&reference).cloned().ok_or_else(absent)?;
    let path = asked.path("path").trim_matches('/');
    if stale.is_some() {
        match repository.previous_version(&commit, path) {
            Some(previous) => commit = previous,
            None if path.is_empty() => {}
            None => return Err(not_found().into()),
        }
    }
    if let Some((sha, content)) = repository.file(&commit, path) {
        if accepts(&asked.headers, "raw") {
            let kind = "application/vnd.github.raw+json; charset=utf-8";
            return Ok(([(header::CONTENT_TYPE, kind)], content.clone()).into_response());
        }
        let mut value = reply::entry(&asked.world, repository, &reference, path, sha, Some(content.len()));
        let (encoding, text) = if content.len() > INLINE_LIMIT {
            ("none", String::new())
        } else {
            ("base64", reply::base64_lines(content))
        };
        if let Some(map) = value.as_object_mut() {
            map.insert("content".to_owned(), json!(text));
            map.insert("encoding".to_owned(), json!(encoding));
        }
        return Ok(Json(value).into_response());
    }
    match listing(&asked.world, repository, &reference, &commit, path) {
        Some(entries) if accepts(&asked.headers, "object") => {
            let mut value = reply::entry(&asked.world, repository, &reference, path, &commit.tree, None);
            if let Some(map) = value.as_object_mut() {
                map.insert("entries".to_owned(), entries);
            }
            Ok(Json(value).into_response())
        }
        Some(entries) => Ok(Json(entries).into_response()),
        None => Err(not_found().into()),
    }
}

/// The entries of a directory; `None` when there is none.
fn listing(
    world: &World,
    repository: &Repository,
    reference: &str,
    commit: &Commit,
    path: &str,
) -> Option<Value> {
    let tree = directory(repository, &commit.tree, path)?;
    let mut entries: Vec<(String, Value)> = Vec::new();
    for entry in repository.tree(&tree)? {
        let below = if path.is_empty() { entry.name.clone() } else { format!("{path}/{}", entry.name) };
        let size = repository.blob(&entry.sha).map(bytes::Bytes::len);
        entries
            .push((entry.name.clone(), reply::entry(world, repository, reference, &below, &entry.sha, size)));
    }
    entries.sort_by(|left, right| left.0.cmp(&right.0));
    entries.truncate(LISTED);
    Some(Value::Array(entries.into_iter().map(|(_, entry)| entry).collect()))
}

/// The tree of a directory below a tree.
pub(super) fn directory(repository: &Repository, root: &str, path: &str) -> Option<String> {
    path.split('/').filter(|part| !part.is_empty()).try_fold(root.to_owned(), |tree, part| {
        let entry = repository.tree(&tree)?.iter().find(|entry| entry.directory && entry.name == part)?;
        Some(entry.sha.clone())
    })
}

/// Whether the caller asks for the media type `application/vnd.github.<kind>+json` (or its older spellings).
pub(super) fn accepts(headers: &HeaderMap, kind: &str) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    accept.split(',').map(str::trim).any(|part| {
        part.strip_prefix("application/vnd.github.").is_some_and(|rest| {
            let rest = rest.split([';', '+']).next().unwrap_or_default();
            rest.strip_prefix("v3.").unwrap_or(rest) == kind
        })
    })
}

/// What both changes have in common.
#[derive(Debug)]
struct Change {
    message: String,
    sha: Option<String>,
    branch: Option<String>,
    content: Option<Value>,
    author: Identity,
}

/// `PUT …/contents/{path}`.
pub(super) async fn write(asked: Asked, body: Bytes) -> Result<Response, Refused> {
    let change = change(&asked.caller, &body)?;
    let content = match &change.content {
        None => return Err(missing("content").into()),
        Some(Value::String(text)) => BASE64_STANDARD.decode(text.replace(['\n', '\r', ' '], "")),
        Some(_) => {
            let words = "Invalid request.\n\nFor 'properties/content', nil is not a string.";
            return Err(refuse(StatusCode::UNPROCESSABLE_ENTITY, words).into());
        }
    };
    let content =
        content.map_err(|_| refuse(StatusCode::UNPROCESSABLE_ENTITY, "content is not valid Base64"))?;
    apply(&asked, &change, Some(Bytes::from(content)))
}

/// `DELETE …/contents/{path}`. The fields may be in the body or in the query, as in GitHub.
pub(super) async fn remove(
    asked: Asked,
    Query(query): Query<serde_json::Map<String, Value>>,
    body: Bytes,
) -> Result<Response, Refused> {
    let body = if body.is_empty() { Bytes::from(Value::Object(query).to_string()) } else { body };
    apply(&asked, &change(&asked.caller, &body)?, None)
}

fn change(caller: &Caller, body: &Bytes) -> Result<Change, Refused> {
    let unknown = || refuse(StatusCode::UNAUTHORIZED, "Requires authentication");
    let mut author = caller.0.clone().ok_or_else(unknown)?;
    let Ok(Value::Object(mut fields)) = serde_json::from_slice(body) else {
        return Err(refuse(StatusCode::BAD_REQUEST, "Problems parsing JSON").into());
    };
    let mut text = |field: &str| match fields.remove(field) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(Refused::from(refuse(
            StatusCode::UNPROCESSABLE_ENTITY,
            &format!("Invalid request.\n\nFor 'properties/{field}', value is not a string."),
        ))),
    };
    let (message, sha, branch) = (text("message")?, text("sha")?, text("branch")?);
    let message = message.filter(|message| !message.is_empty()).ok_or_else(|| missing("message"))?;
    if let Some(Value::Object(person)) = fields.get("author").or_else(|| fields.get("committer")) {
        let field = |name: &str| person.get(name).and_then(Value::as_str).map(str::to_owned);
        (author.name, author.email) =
            (field("name").unwrap_or(author.name), field("email").unwrap_or(author.email));
    }
    Ok(Change { message, sha, branch, content: fields.remove("content"), author })
}

/// Checks a change against the repository and commits it. `content` absent: removes the file.
fn apply(asked: &Asked, change: &Change, content: Option<Bytes>) -> Result<Response, Refused> {
    let (world, path) = (&asked.world, asked.path("path"));
    let refused = |status: StatusCode, message: &str| Err(refuse(status, message).into());
    let mut github = world.github.lock();
    let repository = asked.repository_to_change(&mut github)?;
    if path.is_empty() || path.split('/').any(|part| matches!(part, "" | "." | ".." | ".git")) {
        return refused(StatusCode::UNPROCESSABLE_ENTITY, "path contains a malformed path component");
    }
    let branch = change.branch.clone().unwrap_or_else(|| repository.default_branch.clone());
    let branch = branch.strip_prefix("refs/heads/").unwrap_or(&branch).to_owned();
    let Some(head) = repository.head(&branch).cloned() else {
        return refused(StatusCode::NOT_FOUND, &format!("Branch {branch} not found"));
    };
    let present = head.files.get(path);
    let removes = content.is_none();
    match (present, &change.sha) {
        (None, _) if removes => return Err(not_found().into()),
        (Some(_), None) => return Err(missing("sha").into()),
        (None, Some(sha)) => return Err(mismatch(path, sha).into()),
        (Some(present), Some(sha)) if present != sha => return Err(mismatch(path, sha).into()),
        _ => {}
    }
    let conflict = |file: &str| path.strip_prefix(file).is_some_and(|rest| rest.starts_with('/'));
    if directory(repository, &head.tree, path).is_some() || head.files.keys().any(|file| conflict(file)) {
        let words = format!("{path} conflicts with a file or directory");
        return refused(StatusCode::UNPROCESSABLE_ENTITY, &words);
    }
    let size = content.as_ref().map(Bytes::len);
    let created = present.is_none();
    let written =
        repository.write(&branch, path, content, &change.message, &change.author, world.clock.now());
    let commit = written.map_err(|_| not_found())?;
    Ok(answer(world, repository, &branch, path, &commit, size, created))
}

fn answer(
    world: &World,
    repository: &Repository,
    branch: &str,
    path: &str,
    commit: &Arc<Commit>,
    size: Option<usize>,
    created: bool,
) -> Response {
    let content = commit
        .files
        .get(path)
        .map(|sha| reply::entry(world, repository, branch, path, sha, size.or(Some(0))));
    let status = if created { StatusCode::CREATED } else { StatusCode::OK };
    let body = json!({"content": content, "commit": reply::git_commit(world, repository, commit)});
    (status, Json(body)).into_response()
}

fn mismatch(path: &str, sha: &str) -> Response {
    refuse(StatusCode::CONFLICT, &format!("{path} does not match {sha}"))
}
