//! Repositories, branches, references, commits, trees and blobs.

use std::sync::Arc;

use axum::{
    Extension, Json,
    extract::{Path, Query, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    contents::{accepts, directory},
    database::Write,
    git::Sha,
    identity::Caller,
    reply::{self, missing, not_found, refuse},
    repository::{Commit, Repository},
};
use crate::world::{Shared, World};

type Named = Path<(String, String)>;
type NamedAnd = Path<(String, String, String)>;

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
pub(super) async fn repository(
    State(world): State<Shared>,
    Path((owner, name)): Named,
    Extension(caller): Extension<Caller>,
) -> Response {
    let github = world.github.lock();
    let Some(repository) = github.repository(&owner, &name) else { return not_found() };
    Json(reply::repository(&world, repository, caller.0.as_ref())).into_response()
}

/// `GET …/branches`.
pub(super) async fn branches(
    State(world): State<Shared>,
    Path((owner, name)): Named,
    page: Query<Page>,
) -> Response {
    let github = world.github.lock();
    let Some(repository) = github.repository(&owner, &name) else { return not_found() };
    let url = reply::repository_url(&world, repository);
    let all = repository
        .branches
        .iter()
        .map(|(branch, sha)| {
            let commit = json!({"sha": sha, "url": format!("{url}/commits/{sha}")});
            json!({"name": branch, "commit": commit, "protected": false})
        })
        .collect();
    page.0.answer(&format!("{url}/branches"), all)
}

/// `GET …/branches/{branch}`.
pub(super) async fn branch(State(world): State<Shared>, Path((owner, name, branch)): NamedAnd) -> Response {
    let github = world.github.lock();
    let Some(repository) = github.repository(&owner, &name) else { return not_found() };
    let Some(head) = repository.head(&branch) else {
        return refuse(StatusCode::NOT_FOUND, "Branch not found");
    };
    let url = reply::repository_url(&world, repository);
    Json(json!({
        "name": branch,
        "commit": reply::repository_commit(&world, repository, head),
        "_links": {"self": format!("{url}/branches/{branch}"), "html": format!("{url}/tree/{branch}")},
        "protected": false,
        "protection": {"enabled": false, "required_status_checks": {"enforcement_level": "off", "contexts": [], "checks": []}},
        "protection_url": format!("{url}/branches/{branch}/protection"),
    }))
    .into_response()
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
pub(super) async fn read_reference(
    State(world): State<Shared>,
    Path((owner, name, path)): NamedAnd,
) -> Response {
    let github = world.github.lock();
    let Some(repository) = github.repository(&owner, &name) else { return not_found() };
    let branch = path.strip_prefix("heads/").unwrap_or(&path);
    match repository.branches.get(branch) {
        Some(sha) => Json(reference(&world, repository, branch, sha)).into_response(),
        None => not_found(),
    }
}

/// `GET …/git/matching-refs/heads/{prefix}`.
pub(super) async fn matching(State(world): State<Shared>, Path((owner, name, path)): NamedAnd) -> Response {
    let github = world.github.lock();
    let Some(repository) = github.repository(&owner, &name) else { return not_found() };
    let prefix = path.strip_prefix("heads/").unwrap_or(&path);
    let found = repository.branches.iter().filter(|(branch, _)| branch.starts_with(prefix));
    Json(found.map(|(branch, sha)| reference(&world, repository, branch, sha)).collect::<Vec<Value>>())
        .into_response()
}

/// `POST …/git/refs` makes a branch.
pub(super) async fn create_reference(
    State(world): State<Shared>,
    Path((owner, name)): Named,
    Write { identity, fields }: Write,
) -> Response {
    let mut github = world.github.lock();
    let Some(repository) = github.repository_mut(&owner, &name) else { return not_found() };
    let text = |field: &str| fields.get(field).and_then(Value::as_str);
    let Some(full) = text("ref") else { return missing("ref") };
    let Some(sha) = text("sha") else { return missing("sha") };
    let Some(branch) = full.strip_prefix("refs/heads/").filter(|branch| !branch.is_empty()) else {
        return refuse(StatusCode::UNPROCESSABLE_ENTITY, "Reference name must start with 'refs/'.");
    };
    if repository.branches.contains_key(branch) {
        return refuse(StatusCode::UNPROCESSABLE_ENTITY, "Reference already exists");
    }
    if repository.commit(sha).is_none() {
        return refuse(StatusCode::UNPROCESSABLE_ENTITY, "Object does not exist");
    }
    repository.create_branch(branch, Some(&sha.to_owned()), &identity, world.clock.now());
    (StatusCode::CREATED, Json(reference(&world, repository, branch, sha))).into_response()
}

#[derive(Debug, Deserialize)]
pub(super) struct Recursive {
    recursive: Option<String>,
}

/// `GET …/git/trees/{sha, branch or branch:path}`.
pub(super) async fn tree(
    State(world): State<Shared>,
    Path((owner, name, wanted)): NamedAnd,
    Query(Recursive { recursive }): Query<Recursive>,
) -> Response {
    let github = world.github.lock();
    let Some(repository) = github.repository(&owner, &name) else { return not_found() };
    let (start, below) = wanted.split_once(':').unwrap_or((&wanted, ""));
    let root = repository.resolve(start).map_or_else(|| start.to_owned(), |commit| commit.tree.clone());
    let Some(sha) = directory(repository, &root, below).filter(|sha| repository.tree(sha).is_some()) else {
        return not_found();
    };
    let url = reply::repository_url(&world, repository);
    let mut entries = Vec::new();
    walk(repository, &url, &sha, "", recursive.is_some(), &mut entries);
    Json(json!({"sha": sha, "url": format!("{url}/git/trees/{sha}"), "tree": entries, "truncated": false}))
        .into_response()
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
pub(super) async fn blob(
    State(world): State<Shared>,
    Path((owner, name, sha)): NamedAnd,
    headers: HeaderMap,
) -> Response {
    let github = world.github.lock();
    let Some(repository) = github.repository(&owner, &name) else { return not_found() };
    let Some(content) = repository.blob(&sha) else { return not_found() };
    if accepts(&headers, "raw") {
        let kind = "application/vnd.github.raw+json; charset=utf-8";
        return ([(header::CONTENT_TYPE, kind)], content.clone()).into_response();
    }
    Json(json!({
        "sha": sha,
        "node_id": format!("B_{sha}"),
        "size": content.len(),
        "url": format!("{}/git/blobs/{sha}", reply::repository_url(&world, repository)),
        "content": reply::base64_lines(content),
        "encoding": "base64",
    }))
    .into_response()
}

/// `GET …/git/commits/{sha}`.
pub(super) async fn git_commit(State(world): State<Shared>, Path((owner, name, sha)): NamedAnd) -> Response {
    let github = world.github.lock();
    let Some(repository) = github.repository(&owner, &name) else { return not_found() };
    let Some(commit) = repository.commit(&sha) else { return not_found() };
    Json(reply::git_commit(&world, repository, commit)).into_response()
}

/// `GET …/commits/{ref}`.
pub(super) async fn commit(State(world): State<Shared>, Path((owner, name, wanted)): NamedAnd) -> Response {
    let github = world.github.lock();
    let Some(repository) = github.repository(&owner, &name) else { return not_found() };
    let Some(commit) = repository.resolve(&wanted) else {
        return refuse(StatusCode::UNPROCESSABLE_ENTITY, &format!("No commit found for SHA: {wanted}"));
    };
    let mut value = reply::repository_commit(&world, repository, commit);
    if let Some(map) = value.as_object_mut() {
        let before = commit.parents.first().and_then(|parent| repository.commit(parent));
        map.insert("files".to_owned(), Value::Array(changes(&world, repository, before, commit)));
    }
    Json(value).into_response()
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
pub(super) async fn commits(
    State(world): State<Shared>,
    Path((owner, name)): Named,
    Query(query): Query<Commits>,
) -> Response {
    let github = world.github.lock();
    let Some(repository) = github.repository(&owner, &name) else { return not_found() };
    let start = query.sha.as_deref().unwrap_or(&repository.default_branch);
    let Some(head) = repository.resolve(start) else { return not_found() };
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
        .map(|commit| reply::repository_commit(&world, repository, commit))
        .collect();
    let mut link = format!("{}/commits?sha={start}", reply::repository_url(&world, repository));
    if let Some(path) = &query.path {
        link.push_str("&path=");
        link.push_str(path);
    }
    Page { page: query.page, per_page: query.per_page }.answer(&link, wanted)
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
