//! Writes to the git database: blobs, trees, commits, and moving a branch to a commit.

use axum::{
    Json,
    body::Bytes,
    extract::{FromRequest, Request},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Value, json};

use super::{
    asked::Asked,
    git::Files,
    identity::{Caller, Identity},
    reply::{self, missing, refuse},
};
use crate::{services::Refused, world::Shared};

/// A write by a caller with an account, with the fields of its body. Who may push, [`Asked::repository_to_change`] knows.
pub(super) struct Write {
    pub(super) identity: Identity,
    pub(super) fields: Value,
}

impl FromRequest<Shared> for Write {
    type Rejection = Refused;

    async fn from_request(request: Request, world: &Shared) -> Result<Self, Refused> {
        let caller = request.extensions().get::<Caller>().and_then(|caller| caller.0.clone());
        let identity = caller.ok_or_else(|| refuse(StatusCode::UNAUTHORIZED, "Requires authentication"))?;
        let body = Bytes::from_request(request, world).await.map_err(IntoResponse::into_response)?;
        let fields = serde_json::from_slice(&body)
            .map_err(|_| refuse(StatusCode::BAD_REQUEST, "Problems parsing JSON"))?;
        Ok(Self { identity, fields })
    }
}

fn invalid(message: &str) -> Refused {
    refuse(StatusCode::UNPROCESSABLE_ENTITY, message).into()
}

/// `POST …/git/blobs`.
pub(super) async fn create_blob(asked: Asked, Write { fields, .. }: Write) -> Result<Response, Refused> {
    let mut github = asked.world.github.lock();
    let repository = asked.repository_to_change(&mut github)?;
    let content = fields.get("content").and_then(Value::as_str).ok_or_else(|| missing("content"))?;
    let content = match fields.get("encoding").and_then(Value::as_str) {
        None | Some("utf-8") => content.as_bytes().to_vec(),
        Some("base64") => BASE64_STANDARD
            .decode(content.replace(['\n', '\r'], ""))
            .map_err(|_| invalid("content is not valid Base64"))?,
        Some(_) => return Err(invalid("Unsupported encoding")),
    };
    let sha = repository.add_blob(content.into());
    let url = format!("{}/git/blobs/{sha}", reply::repository_url(&asked.world, repository));
    Ok((StatusCode::CREATED, Json(json!({"sha": sha, "url": url}))).into_response())
}

/// `POST …/git/trees`: entries by path upon `base_tree`; an entry whose `sha` is null goes.
pub(super) async fn create_tree(asked: Asked, Write { fields, .. }: Write) -> Result<Response, Refused> {
    let mut github = asked.world.github.lock();
    let repository = asked.repository_to_change(&mut github)?;
    let entries = fields.get("tree").and_then(Value::as_array).ok_or_else(|| missing("tree"))?;
    let mut files = match fields.get("base_tree").and_then(Value::as_str) {
        None => Files::new(),
        Some(base) => repository.files(base).ok_or_else(|| invalid("base_tree is not a tree oid"))?,
    };
    for entry in entries {
        let text = |field: &str| entry.get(field).and_then(Value::as_str);
        let path = text("path")
            .filter(|path| !path.is_empty() && !path.starts_with('/'))
            .ok_or_else(|| invalid("tree.path is missing or malformed"))?;
        if text("mode") != Some("100644") || text("type").is_some_and(|kind| kind != "blob") {
            return Err(invalid("Must supply a valid tree.mode"));
        }
        match (text("content"), entry.get("sha")) {
            (Some(content), None) => {
                let sha = repository.add_blob(content.to_owned().into());
                files.insert(path.to_owned(), sha);
            }
            (None, Some(Value::Null)) => {
                if files.remove(path).is_none() {
                    return Err(invalid("GitRPC::BadObjectState"));
                }
            }
            (None, Some(Value::String(sha))) if repository.blob(sha).is_some() => {
                files.insert(path.to_owned(), sha.clone());
            }
            (None, Some(Value::String(sha))) => {
                return Err(invalid(&format!("tree.sha {sha} is not a valid blob")));
            }
            _ => return Err(invalid("Must supply either tree.sha or tree.content, and not both.")),
        }
    }
    let sha = repository.add_tree(&files);
    let url = reply::repository_url(&asked.world, repository);
    let tree: Vec<Value> = repository
        .tree(&sha)
        .unwrap_or_default()
        .iter()
        .map(|entry| {
            json!({
                "path": entry.name, "mode": entry.mode(), "type": entry.kind(), "sha": entry.sha,
                "url": format!("{url}/git/{}s/{}", entry.kind(), entry.sha),
            })
        })
        .collect();
    let answer =
        json!({"sha": sha, "url": format!("{url}/git/trees/{sha}"), "tree": tree, "truncated": false});
    Ok((StatusCode::CREATED, Json(answer)).into_response())
}

/// `POST …/git/commits`.
pub(super) async fn create_commit(
    asked: Asked,
    Write { identity, fields }: Write,
) -> Result<Response, Refused> {
    let mut github = asked.world.github.lock();
    let repository = asked.repository_to_change(&mut github)?;
    let text = |field: &str| fields.get(field).and_then(Value::as_str);
    let message = text("message").ok_or_else(|| missing("message"))?;
    let tree = text("tree").ok_or_else(|| missing("tree"))?;
    let parents: Vec<String> = fields
        .get("parents")
        .and_then(Value::as_array)
        .map(|parents| parents.iter().filter_map(|parent| parent.as_str().map(str::to_owned)).collect())
        .unwrap_or_default();
    let files = repository.files(tree).ok_or_else(|| invalid("Tree SHA does not exist"))?;
    if parents.len() > 1 || parents.iter().any(|parent| repository.commit(parent).is_none()) {
        return Err(invalid("Parent SHA does not exist or is not a commit object"));
    }
    let commit = repository.record(files, parents, message, &identity, asked.world.clock.now());
    Ok((StatusCode::CREATED, Json(reply::git_commit(&asked.world, repository, &commit))).into_response())
}

/// `PATCH …/git/refs/heads/{branch}`: only forward, unless `force` is true.
pub(super) async fn move_reference(asked: Asked, Write { fields, .. }: Write) -> Result<Response, Refused> {
    let mut github = asked.world.github.lock();
    let repository = asked.repository_to_change(&mut github)?;
    let sha = fields.get("sha").and_then(Value::as_str).ok_or_else(|| missing("sha"))?;
    let force = fields.get("force").and_then(Value::as_bool).unwrap_or(false);
    let path = asked.path("reference");
    let branch = path.strip_prefix("heads/").unwrap_or(path);
    let commit = repository.commit(sha).cloned().ok_or_else(|| invalid("Object does not exist"))?;
    let head = repository.branches.get(branch).cloned().ok_or_else(|| invalid("Reference does not exist"))?;
    let forward = repository.history(&commit).iter().any(|earlier| earlier.sha == head);
    if !forward && !force {
        return Err(invalid("Update is not a fast forward"));
    }
    repository.branches.insert(branch.to_owned(), sha.to_owned());
    let url = reply::repository_url(&asked.world, repository);
    Ok(Json(json!({
        "ref": format!("refs/heads/{branch}"),
        "node_id": format!("REF_{branch}"),
        "url": format!("{url}/git/refs/heads/{branch}"),
        "object": {"type": "commit", "sha": sha, "url": format!("{url}/git/commits/{sha}")},
    }))
    .into_response())
}
