//! Repositories, branches, references, commits, trees and blobs.

use std::sync::Arc;

use axum::{
    Extension, Json,
    extract::{Path, Query, State},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    asked::Asked,
    contents::{accepts, directory},
    database::Write,
    git::Sha,
    identity::Caller,
    reply::{self, missing, not_found, refuse},
    repository::{Commit, Repository},
};
use crate::{
    services::Refused,
    world::{Shared, World},
};

/// `GET /rate_limit`.
pub(super) async fn rate_limit(
    State(world): State<Shared>,
    Extension(caller): Extension<Caller>,
) -> Json<Value> {
    let now = world.clock.epoch_seconds();
    let account = caller.0.as_ref().map(|identity| identity.login.as_str());
    let core = world.github.lock().limits.standing(account, now).json();
    Json(json!({"resources": {"core": core, "graphql": core, "search": core}, "rate": core}))
}

/// `GET /user`.
pub(super) async fn user(State(world): State<Shared>, Extension(caller): Extension<Caller>) -> Response {
    match caller.0 {
        Some(identity) => Json(reply::user(&world, &identity)).into_response(),
        None => refuse(StatusCode::UNAUTHORIZED, "Requires authentication"),
    }
}

/// `GET /users/{login}`.
pub(super) async fn account(State(world): State<Shared>, Path(login): Path<String>) -> Response {
    let found = world.github.lock().tokens.values().find(|identity| identity.login == login).cloned();
    found.map_or_else(not_found, |identity| Json(reply::user(&world, &identity)).into_response())
}

/// `GET /repos/{owner}/{repo}`.
pub(super) async fn repository(asked: Asked) -> Result<Response, Refused> {
    let github = asked.world.github.lock();
    let repository = asked.repository(&github)?;
    Ok(Json(reply::repository(&asked.world, repository, asked.caller.0.as_ref())).into_response())
}

/// `GET …/branches`.
pub(super) async fn branches(asked: Asked, page: Query<Page>) -> Result<Response, Refused> {
    let github = asked.world.github.lock();
    let repository = asked.repository(&github)?;
    let url = reply::repository_url(&asked.world, repository);
    let all = repository
        .branches
        .iter()
        .map(|(branch, sha)| {
            let commit = json!({"sha": sha, "url": format!("{url}/commits/{sha}")});
            json!({"name": branch, "commit": commit, "protected": false})
        })
        .collect();
    Ok(page.0.answer(&format!("{url}/branches"), all))
}

/// `GET …/branches/{branch}`.
pub(super) async fn branch(asked: Asked) -> Result<Response, Refused> {
    let github = asked.world.github.lock();
    let repository = asked.repository(&github)?;
    let branch = asked.path("branch");
    let absent = || refuse(StatusCode::NOT_FOUND, "Branch not found");
    let head = repository.head(branch).ok_or_else(absent)?;
    let url = reply::repository_url(&asked.world, repository);
    Ok(Json(json!({
        "name": branch,
        "commit": reply::repository_commit(&asked.world, repository, head),
        "_links": {"self": format!("{url}/branches/{branch}"), "html": format!("{url}/tree/{branch}")},
        "protected": false,
        "protection": {"enabled": false, "required_status_checks": {"enforcement_level": "off", "contexts": [], "checks": []}},
        "protection_url": format!("{url}/branches/{branch}/protection"),
    }))
    .into_response())
}

fn reference(world: &World, repository: &Repository, branch: &str, sha: &str) -> Value {
    let url = reply::repository_url(world, repository);
    json!({
        "ref": format!("refs/heads/{branch}"),
        "node_id": format!("REF_{branch}"),
        "url": format!("{url}/git/refs/heads/{branch}"),
        "object": {"type": "commit", "sha": sha, "url": format!("{url}/git/commits/{sha}")},
    })
}

/// `GET …/git/ref/heads/{branch}`, and the same below `git/refs`, which clients use too.
pub(super) async fn read_reference(asked: Asked) -> Result<Response, Refused> {
    let github = asked.world.github.lock();
    let repository = asked.repository(&github)?;
    let path = asked.path("reference");
    let branch = path.strip_prefix("heads/").unwrap_or(path);
    let sha = repository.branches.get(branch).ok_or_else(not_found)?;
    Ok(Json(reference(&asked.world, repository, branch, sha)).into_response())
}

/// `GET …/git/matching-refs/heads/{prefix}`.
pub(super) async fn matching(asked: Asked) -> Result<Response, Refused> {
    let github = asked.world.github.lock();
    let repository = asked.repository(&github)?;
    let path = asked.path("prefix");
    let prefix = path.strip_prefix("heads/").unwrap_or(path);
    let found = repository.branches.iter().filter(|(branch, _)| branch.starts_with(prefix));
    let found = found.map(|(branch, sha)| reference(&asked.world, repository, branch, sha));
    Ok(Json(found.collect::<Vec<Value>>()).into_response())
}

/// `POST …/git/refs` makes a branch.
pub(super) async fn create_reference(
    asked: Asked,
    Write { identity, fields }: Write,
) -> Result<Response, Refused> {
    let mut github = asked.world.github.lock();
    let repository = asked.repository_to_change(&mut github)?;
    let text = |field: &str| fields.get(field).and_then(Value::as_str);
    let full = text("ref").ok_or_else(|| missing("ref"))?;
    let sha = text("sha").ok_or_else(|| missing("sha"))?;
    let refused = |message: &str| refuse(StatusCode::UNPROCESSABLE_ENTITY, message);
    let branch = full
        .strip_prefix("refs/heads/")
        .filter(|branch| !branch.is_empty())
        .ok_or_else(|| refused("Reference name must start with 'refs/'."))?;
    if repository.branches.contains_key(branch) {
        return Err(refused("Reference already exists").into());
    }
    if repository.commit(sha).is_none() {
        return Err(refused("Object does not exist").into());
    }
    repository.create_branch(branch, Some(&sha.to_owned()), &identity, asked.world.clock.now());
    Ok((StatusCode::CREATED, Json(reference(&asked.world, repository, branch, sha))).into_response())
}

#[derive(Debug, Deserialize)]
pub(super) struct Recursive {
    recursive: Option<String>,
}

/// `GET …/git/trees/{sha, branch or branch:path}`.
pub(super) async fn tree(
    asked: Asked,
    Query(Recursive { recursive }): Query<Recursive>,
) -> Result<Response, Refused> {
    let github = asked.world.github.lock();
    let repository = asked.repository(&github)?;
    let wanted = asked.path("tree");
    let (start, below) = wanted.split_once(':').unwrap_or((wanted, ""));
    let root = repository.resolve(start).map_or_else(|| start.to_owned(), |commit| commit.tree.clone());
    let sha = directory(repository, &root, below)
        .filter(|sha| repository.tree(sha).is_some())
        .ok_or_else(not_found)?;
    let url = reply::repository_url(&asked.world, repository);
    let mut entries = Vec::new();
    walk(repository, &url, &sha, "", recursive.is_some(), &mut entries);
    let tree =
        json!({"sha": sha, "url": format!("{url}/git/trees/{sha}"), "tree": entries, "truncated": false});
    Ok(Json(tree).into_response())
}

fn walk(repository: &Repository, url: &str, tree: &str, prefix: &str, deep: bool, entries: &mut Vec<Value>) {
    for entry in repository.tree(tree).unwrap_or_default() {
        let path = format!("{prefix}{}", entry.name);
        let kind = entry.kind();
        let mut value = json!({
            "path": path,
            "mode": entry.mode(),
            "type": kind,
            "sha": entry.sha,
            "url": format!("{url}/git/{kind}s/{}", entry.sha),
        });
        if let (Some(map), Some(content)) = (value.as_object_mut(), repository.blob(&entry.sha)) {
            map.insert("size".to_owned(), json!(content.len()));
        }
        entries.push(value);
        if deep && entry.directory {
            walk(repository, url, &entry.sha, &format!("{path}/"), deep, entries);
        }
    }
}

/// `GET …/git/blobs/{sha}`.
pub(super) async fn blob(asked: Asked) -> Result<Response, Refused> {
    let github = asked.world.github.lock();
    let repository = asked.repository(&github)?;
    let sha = asked.path("sha");
    let content = repository.blob(sha).ok_or_else(not_found)?;
    if accepts(&asked.headers, "raw") {
        let kind = "application/vnd.github.raw+json; charset=utf-8";
        return Ok(([(header::CONTENT_TYPE, kind)], content.clone()).into_response());
    }
    Ok(Json(json!({
        "sha": sha,
        "node_id": format!("B_{sha}"),
        "size": content.len(),
        "url": format!("{}/git/blobs/{sha}", reply::repository_url(&asked.world, repository)),
        "content": reply::base64_lines(content),
        "encoding": "base64",
    }))
    .into_response())
}

/// `GET …/git/commits/{sha}`.
pub(super) async fn git_commit(asked: Asked) -> Result<Response, Refused> {
    let github = asked.world.github.lock();
    let repository = asked.repository(&github)?;
    let commit = repository.commit(asked.path("sha")).ok_or_else(not_found)?;
    Ok(Json(reply::git_commit(&asked.world, repository, commit)).into_response())
}

/// `GET …/commits/{ref}`.
pub(super) async fn commit(asked: Asked) -> Result<Response, Refused> {
    let github = asked.world.github.lock();
    let repository = asked.repository(&github)?;
    let wanted = asked.path("reference");
    let commit = repository.resolve(wanted).ok_or_else(|| {
        refuse(StatusCode::UNPROCESSABLE_ENTITY, &format!("No commit found for SHA: {wanted}"))
    })?;
    let mut value = reply::repository_commit(&asked.world, repository, commit);
    if let Some(map) = value.as_object_mut() {
        let before = commit.parents.first().and_then(|parent| repository.commit(parent));
        map.insert("files".to_owned(), Value::Array(changes(&asked.world, repository, before, commit)));
    }
    Ok(Json(value).into_response())
}

/// The files that a commit added, removed or modified; without line counts.
fn changes(
    world: &World,
    repository: &Repository,
    before: Option<&Arc<Commit>>,
    commit: &Commit,
) -> Vec<Value> {
    let url = reply::repository_url(world, repository);
    let old = |path: &String| before.and_then(|before| before.files.get(path));
    let change = |path: &String, sha: Option<&Sha>, status: &str| {
        json!({
            "sha": sha, "filename": path, "status": status, "additions": 0, "deletions": 0, "changes": 0,
            "blob_url": null, "raw_url": null, "contents_url": format!("{url}/contents/{path}?ref={}", commit.sha),
        })
    };
    let mut changed: Vec<Value> = Vec::new();
    for (path, sha) in commit.files.iter() {
        match old(path) {
            None => changed.push(change(path, Some(sha), "added")),
            Some(other) if other != sha => changed.push(change(path, Some(sha), "modified")),
            Some(_) => {}
        }
    }
    let removed =
        before.iter().flat_map(|before| before.files.keys()).filter(|path| !commit.files.contains_key(*path));
    changed.extend(removed.map(|path| change(path, None, "removed")));
    changed
}

#[derive(Debug, Deserialize)]
pub(super) struct Commits {
    sha: Option<String>,
    path: Option<String>,
    since: Option<jiff::Timestamp>,
    until: Option<jiff::Timestamp>,
    page: Option<usize>,
    per_page: Option<usize>,
}

/// `GET …/commits`.
pub(super) async fn commits(asked: Asked, Query(query): Query<Commits>) -> Result<Response, Refused> {
    let github = asked.world.github.lock();
    let repository = asked.repository(&github)?;
    let start = query.sha.as_deref().unwrap_or(&repository.default_branch);
    let head = repository.resolve(start).ok_or_else(not_found)?;
    let below = |commit: &Commit, path: &str| -> Vec<(String, Sha)> {
        let inside =
            |file: &str| file == path || file.strip_prefix(path).is_some_and(|rest| rest.starts_with('/'));
        commit
            .files
            .iter()
            .filter(|(file, _)| inside(file))
            .map(|(file, sha)| (file.clone(), sha.clone()))
            .collect()
    };
    let touches = |commit: &Commit, path: &str| {
        let before = commit.parents.first().and_then(|parent| repository.commit(parent));
        below(commit, path) != before.map(|before| below(before, path)).unwrap_or_default()
    };
    let wanted: Vec<Value> = repository
        .history(head)
        .iter()
        .filter(|commit| query.path.as_deref().is_none_or(|path| touches(commit, path.trim_matches('/'))))
        .filter(|commit| query.since.is_none_or(|since| commit.date >= since))
        .filter(|commit| query.until.is_none_or(|until| commit.date <= until))
        .map(|commit| reply::repository_commit(&asked.world, repository, commit))
        .collect();
    let mut link = format!("{}/commits?sha={start}", reply::repository_url(&asked.world, repository));
    if let Some(path) = &query.path {
        link.push_str("&path=");
        link.push_str(path);
    }
    Ok(Page { page: query.page, per_page: query.per_page }.answer(&link, wanted))
}

/// Which part of a list.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(super) struct Page {
    page: Option<usize>,
    per_page: Option<usize>,
}

impl Page {
    /// One page of a list, with the `Link` header.
    fn answer(self, link: &str, all: Vec<Value>) -> Response {
        let size = self.per_page.unwrap_or(30).clamp(1, 100);
        let page = self.page.unwrap_or(1).max(1);
        let last = all.len().div_ceil(size).max(1);
        let items: Vec<Value> = all.into_iter().skip((page - 1).saturating_mul(size)).take(size).collect();
        let mut response = Json(items).into_response();
        let separator = if link.contains('?') { '&' } else { '?' };
        let to = |page: usize, relation: &str| {
            format!("<{link}{separator}per_page={size}&page={page}>; rel=\"{relation}\"")
        };
        let mut links = Vec::new();
        if page < last {
            links.extend([to(page + 1, "next"), to(last, "last")]);
        }
        if page > 1 {
            links.extend([to(page - 1, "prev"), to(1, "first")]);
        }
        if let (false, Ok(value)) = (links.is_empty(), HeaderValue::from_str(&links.join(", "))) {
            response.headers_mut().insert(header::LINK, value);
        }
        response
    }
}
