//! Files of branches (G6) and what a merge request changes (G5).

use std::collections::BTreeSet;

use axum::{
    Extension, Json,
    extract::{OriginalUri, Path, State as AxumState},
    response::{IntoResponse, Response},
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use sha1::{Digest as _, Sha1};
use sha2::Sha256;

use super::{
    front::Caller,
    model::{Branch, MergeRequest, Project, hex},
    pagination::{self, Query},
    projects,
    refusal::Refusal,
    views::Views,
};
use crate::world::Shared;

fn branch<'a>(project: &'a Project, reference: &str) -> Result<&'a Branch, Refusal> {
    let reference = if reference == "HEAD" { &project.default_branch } else { reference };
    let name = reference.strip_prefix("refs/heads/").unwrap_or(reference);
    let by_commit = || project.branches.values().find(|branch| branch.sha() == name);
    project.branches.get(name).or_else(by_commit).ok_or(Refusal::NotFound("Commit"))
}

/// G6.
pub(super) async fn file(
    AxumState(world): AxumState<Shared>,
    Extension(caller): Extension<Caller>,
    OriginalUri(uri): OriginalUri,
    Path((project, path)): Path<(String, String)>,
) -> Result<Json<Value>, Refusal> {
    let query = Query::read(uri.query());
    let state = world.gitlab.lock();
    let access = projects::find(&state, caller, &project)?;
    let reference = query.get("ref").ok_or_else(|| Refusal::Parameter("ref is missing".to_owned()))?;
    let branch = branch(access.project, reference)?;
    let content = branch.files.get(&path).ok_or(Refusal::NotFound("File"))?;
    Ok(Json(json!({
        "file_name": path.rsplit('/').next(), "file_path": path, "size": content.len(), "encoding": "base64",
        "content": STANDARD.encode(content), "content_sha256": hex(&Sha256::digest(content)), "ref": reference,
        "blob_id": hex(&Sha1::digest(content)), "commit_id": branch.sha(), "last_commit_id": branch.sha(),
        "execute_filemode": false,
    })))
}

/// The bare content of a file.
pub(super) async fn raw_file(
    AxumState(world): AxumState<Shared>,
    Extension(caller): Extension<Caller>,
    OriginalUri(uri): OriginalUri,
    Path((project, path)): Path<(String, String)>,
) -> Result<Response, Refusal> {
    let query = Query::read(uri.query());
    let state = world.gitlab.lock();
    let access = projects::find(&state, caller, &project)?;
    let branch = branch(access.project, query.get("ref").unwrap_or("HEAD"))?;
    let content = branch.files.get(&path).ok_or(Refusal::NotFound("File"))?;
    Ok(content.clone().into_response())
}

fn differences(project: &Project, request: &MergeRequest) -> Vec<Value> {
    let none = Branch::default();
    let at = |name: &str| project.branches.get(name).unwrap_or(&none);
    let (old, new) = (at(&request.target_branch), at(&request.source_branch));
    let paths: BTreeSet<&String> = old.files.keys().chain(new.files.keys()).collect();
    paths
        .into_iter()
        .filter(|path| old.files.get(*path) != new.files.get(*path))
        .map(|path| {
            let (before, after) = (old.files.get(path), new.files.get(path));
            json!({
                "old_path": path, "new_path": path, "a_mode": if before.is_some() { "100644" } else { "0" },
                "b_mode": if after.is_some() { "100644" } else { "0" }, "new_file": before.is_none(),
                "renamed_file": false, "deleted_file": after.is_none(), "generated_file": false,
                "diff": diff(before.map_or("", String::as_str), after.map_or("", String::as_str)),
            })
        })
        .collect()
}

/// One hunk that replaces everything: valid, if not the smallest.
fn diff(before: &str, after: &str) -> String {
    let range = |text: &str| {
        let lines = text.lines().count();
        if lines == 0 { "0,0".to_owned() } else { format!("1,{lines}") }
    };
    let mut text = format!("@@ -{} +{} @@\n", range(before), range(after));
    for (sign, side) in [('-', before), ('+', after)] {
        for line in side.lines() {
            text.push(sign);
            text.push_str(line);
            text.push('\n');
        }
    }
    text
}

/// G5: the merge request with its changes.
pub(super) async fn changes(
    AxumState(world): AxumState<Shared>,
    Extension(caller): Extension<Caller>,
    Path((project, iid)): Path<(String, String)>,
) -> Result<Json<Value>, Refusal> {
    let state = world.gitlab.lock();
    let access = projects::find(&state, caller, &project)?;
    let request = access.merge_request(&state, &iid)?;
    let mut view = Views { state: &state, site: world.url("/gitlab") }.merge_request(request);
    let changes = differences(access.project, request);
    view["changes_count"] = json!(changes.len().to_string());
    view["changes"] = json!(changes);
    view["overflow"] = json!(false);
    Ok(Json(view))
}

/// The changes alone, in pages.
pub(super) async fn diffs(
    AxumState(world): AxumState<Shared>,
    Extension(caller): Extension<Caller>,
    OriginalUri(uri): OriginalUri,
    Path((project, iid)): Path<(String, String)>,
) -> Result<Response, Refusal> {
    let state = world.gitlab.lock();
    let access = projects::find(&state, caller, &project)?;
    let request = access.merge_request(&state, &iid)?;
    pagination::answer(&world.base_url, &uri, &differences(access.project, request))
}
