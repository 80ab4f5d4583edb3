//! `/github-raw/{owner}/{repo}/{branch}/{path}`: files for everybody, as raw.githubusercontent.com gives them.

use axum::{
    extract::{Path, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use sha2::{Digest, Sha256};

use super::gate::names;
use crate::world::Shared;

/// A file at the head of a branch (also written `refs/heads/<branch>`) or at a commit.
pub(super) async fn file(
    State(world): State<Shared>,
    Path((owner, name, rest)): Path<(String, String, String)>,
    headers: HeaderMap,
) -> Response {
    let github = world.github.lock();
    let rest = rest.strip_prefix("refs/heads/").unwrap_or(&rest);
    let content = github.repository(&owner, &name).and_then(|repository| {
        // A branch name may hold slashes: the first split that leads to a file is the one that is meant.
        rest.match_indices('/').find_map(|(at, _)| {
            let (reference, path) = rest.split_at(at);
            let commit = repository.resolve(reference)?;
            repository.file(commit, path.get(1..)?).map(|(_, content)| content.clone())
        })
    });
    let Some(content) = content else {
        return (
            StatusCode::NOT_FOUND,
            [(header::CONTENT_TYPE, "text/plain; charset=utf-8")],
            "404: Not Found",
        )
            .into_response();
    };
    let tag = format!("\"{:x}\"", Sha256::digest(&content));
    let wanted = headers.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    if wanted.is_some_and(|wanted| names(wanted, &tag)) {
        return (StatusCode::NOT_MODIFIED, [(header::ETAG, tag)]).into_response();
    }
    let kind = "text/plain; charset=utf-8".to_owned();
    let cache = "max-age=300".to_owned();
    ([(header::ETAG, tag), (header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, cache)], content)
        .into_response()
}
