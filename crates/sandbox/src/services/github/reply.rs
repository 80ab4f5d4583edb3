//! GitHub's refusals, and the JSON of its objects.

use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use base64::{Engine, prelude::BASE64_STANDARD};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use super::{
    git::Sha,
    identity::Identity,
    repository::{Commit, Repository},
};
use crate::world::World;

const PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// A refusal as GitHub words it.
pub(super) fn refuse(status: StatusCode, message: &str) -> Response {
    let body = json!({
        "message": message,
        "documentation_url": "https://docs.github.com/rest",
        "status": status.as_str(),
    });
    (status, Json(body)).into_response()
}

/// 404 in the words of GitHub, for what does not exist and for what the caller may not know of.
pub(super) fn not_found() -> Response {
    refuse(StatusCode::NOT_FOUND, "Not Found")
}

/// 422 for a body without a field.
pub(super) fn missing(field: &str) -> Response {
    refuse(StatusCode::UNPROCESSABLE_ENTITY, &format!("Invalid request.\n\n\"{field}\" wasn't supplied."))
}

/// Base64 in lines of 60 characters with a line break after the last, as GitHub sends it.
pub(super) fn base64_lines(bytes: &[u8]) -> String {
    let encoded = BASE64_STANDARD.encode(bytes);
    let mut lines = String::with_capacity(encoded.len() + encoded.len() / 60 + 1);
    for (index, character) in encoded.chars().enumerate() {
        if index > 0 && index % 60 == 0 {
            lines.push('\n');
        }
        lines.push(character);
    }
    if !lines.is_empty() {
        lines.push('\n');
    }
    lines
}

/// `http://127.0.0.1:8765/github/repos/openshift/release-tests`.
pub(super) fn repository_url(world: &World, repository: &Repository) -> String {
    format!("{}/repos/{}", world.url("/github"), repository.full_name())
}

fn web_url(world: &World, repository: &Repository) -> String {
    format!("{}/{}", world.url("/github-web"), repository.full_name())
}

/// An account.
pub(super) fn user(world: &World, identity: &Identity) -> Value {
    let url = format!("{}/users/{}", world.url("/github"), identity.login);
    json!({
        "login": identity.login,
        "id": identity.id,
        "node_id": format!("U_{}", identity.id),
        "avatar_url": format!("{url}/avatar"),
        "gravatar_id": "",
        "url": url,
        "html_url": format!("{}/{}", world.url("/github-web"), identity.login),
        "followers_url": format!("{url}/followers"),
        "following_url": format!("{url}/following"),
        "gists_url": format!("{url}/gists"),
        "starred_url": format!("{url}/starred"),
        "subscriptions_url": format!("{url}/subscriptions"),
        "organizations_url": format!("{url}/orgs"),
        "repos_url": format!("{url}/repos"),
        "events_url": format!("{url}/events"),
        "received_events_url": format!("{url}/received_events"),
        "type": "User",
        "site_admin": false,
        "name": identity.name,
        "email": null,
    })
}

/// A repository as `caller` sees it.
pub(super) fn repository(world: &World, repository: &Repository, caller: Option<&Identity>) -> Value {
    let url = repository_url(world, repository);
    let owner = Identity::new(repository.id + 1000, &repository.owner, &repository.owner, false);
    let push = caller.is_some_and(|identity| identity.may_push);
    let mut value = json!({
        "id": repository.id,
        "node_id": format!("R_{}", repository.id),
        "name": repository.name,
        "full_name": repository.full_name(),
        "private": false,
        "owner": user(world, &owner),
        "html_url": web_url(world, repository),
        "description": null,
        "fork": false,
        "url": url,
        "contents_url": format!("{url}/contents/{{+path}}"),
        "commits_url": format!("{url}/commits{{/sha}}"),
        "git_refs_url": format!("{url}/git/refs{{/sha}}"),
        "trees_url": format!("{url}/git/trees{{/sha}}"),
        "branches_url": format!("{url}/branches{{/branch}}"),
        "default_branch": repository.default_branch,
        "archived": false,
        "disabled": false,
        "visibility": "public",
    });
    if let (Some(map), true) = (value.as_object_mut(), caller.is_some()) {
        map.insert("permissions".to_owned(), json!({"admin": false, "push": push, "pull": true}));
    }
    value
}

fn signature(commit: &Commit) -> Value {
    let date = commit.date.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    json!({"name": commit.author.name, "email": commit.author.email, "date": date})
}

fn unverified() -> Value {
    json!({"verified": false, "reason": "unsigned", "signature": null, "payload": null, "verified_at": null})
}

/// A commit as the git database shows it, and as the answer to a written file.
pub(super) fn git_commit(world: &World, repository: &Repository, commit: &Commit) -> Value {
    let url = repository_url(world, repository);
    let web = web_url(world, repository);
    let parent = |sha: &Sha| json!({"sha": sha, "url": format!("{url}/git/commits/{sha}"), "html_url": format!("{web}/commit/{sha}")});
    json!({
        "sha": commit.sha,
        "node_id": format!("C_{}", commit.sha),
        "url": format!("{url}/git/commits/{}", commit.sha),
        "html_url": format!("{web}/commit/{}", commit.sha),
        "author": signature(commit),
        "committer": signature(commit),
        "tree": {"sha": commit.tree, "url": format!("{url}/git/trees/{}", commit.tree)},
        "message": commit.message,
        "parents": commit.parents.iter().map(parent).collect::<Vec<Value>>(),
        "verification": unverified(),
    })
}

/// A commit as the list of commits shows it.
pub(super) fn repository_commit(world: &World, repository: &Repository, commit: &Commit) -> Value {
    let url = repository_url(world, repository);
    let web = web_url(world, repository);
    let parent = |sha: &Sha| json!({"sha": sha, "url": format!("{url}/commits/{sha}"), "html_url": format!("{web}/commit/{sha}")});
    json!({
        "sha": commit.sha,
        "node_id": format!("C_{}", commit.sha),
        "commit": {
            "author": signature(commit),
            "committer": signature(commit),
            "message": commit.message,
            "tree": {"sha": commit.tree, "url": format!("{url}/git/trees/{}", commit.tree)},
            "url": format!("{url}/git/commits/{}", commit.sha),
            "comment_count": 0,
            "verification": unverified(),
        },
        "url": format!("{url}/commits/{}", commit.sha),
        "html_url": format!("{web}/commit/{}", commit.sha),
        "comments_url": format!("{url}/commits/{}/comments", commit.sha),
        "author": user(world, &commit.author),
        "committer": user(world, &commit.author),
        "parents": commit.parents.iter().map(parent).collect::<Vec<Value>>(),
    })
}

/// A file or directory as the contents interface shows it, without its content.
pub(super) fn entry(
    world: &World,
    repository: &Repository,
    reference: &str,
    path: &str,
    sha: &str,
    size: Option<usize>,
) -> Value {
    let url = repository_url(world, repository);
    let web = web_url(world, repository);
    let encoded = utf8_percent_encode(path, PATH);
    let (kind, object, page) =
        if size.is_some() { ("file", "blobs", "blob") } else { ("dir", "trees", "tree") };
    let own = format!("{url}/contents/{encoded}?ref={}", utf8_percent_encode(reference, NON_ALPHANUMERIC));
    let git = format!("{url}/git/{object}/{sha}");
    let html = format!("{web}/{page}/{reference}/{encoded}");
    let raw = format!("{}/{}/{reference}/{encoded}", world.url("/github-raw"), repository.full_name());
    json!({
        "name": path.rsplit('/').next().unwrap_or(path),
        "path": path,
        "sha": sha,
        "size": size.unwrap_or(0),
        "url": own,
        "html_url": html,
        "git_url": git,
        "download_url": size.map(|_| raw),
        "type": kind,
        "_links": {"self": own, "git": git, "html": html},
    })
}

#[cfg(test)]
mod tests {
    use super::base64_lines;

    #[test]
    fn base64_is_broken_into_lines_of_60() {
        assert_eq!(base64_lines(b""), "");
        assert_eq!(base64_lines(b"a"), "YQ==\n");
        let lines: Vec<usize> = base64_lines(&[7; 100]).lines().map(str::len).collect();
        assert_eq!(lines, [60, 60, 16]);
        assert_eq!(base64_lines(&[0; 45]).matches('\n').count(), 1);
    }
}
