//! Files of branches (G6) and what a merge request changes (G5).

use std::collections::{BTreeMap, BTreeSet};

use axum::{
    Json,
    response::{IntoResponse, Response},
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use sha1::{Digest as _, Sha1};
use sha2::Sha256;

use super::{
    asked::Asked,
    git::Commit,
    model::{Branch, MergeRequest, Project, hex},
    refusal::Refusal,
    state::State,
    views::Views,
};

/// The newest commit of a branch, or the commit with this name.
fn commit(project: &Project, reference: &str) -> Result<Commit, Refusal> {
    let reference = if reference == "HEAD" { &project.default_branch } else { reference };
    let name = reference.strip_prefix("refs/heads/").unwrap_or(reference);
    let branch = project.branches.get(name).and_then(Branch::head);
    branch.or_else(|| project.commit(name)).ok_or(Refusal::NotFound("Commit"))
}

/// G6.
pub(super) async fn file(asked: Asked) -> Result<Json<Value>, Refusal> {
    let query = asked.query();
    let state = asked.world.gitlab.lock();
    let access = asked.project(&state)?;
    let path = asked.path("path");
    let reference = query.get("ref").ok_or_else(|| Refusal::Parameter("ref is missing".to_owned()))?;
    let commit = commit(access.project, reference)?;
    let content = commit.files.get(path).ok_or(Refusal::NotFound("File"))?;
    Ok(Json(json!({
        "file_name": path.rsplit('/').next(), "file_path": path, "size": content.len(), "encoding": "base64",
        "content": STANDARD.encode(content), "content_sha256": hex(&Sha256::digest(content)), "ref": reference,
        "blob_id": hex(&Sha1::digest(content)), "commit_id": commit.id, "last_commit_id": commit.id,
        "execute_filemode": false,
    })))
}

/// The bare content of a file.
pub(super) async fn raw_file(asked: Asked) -> Result<Response, Refusal> {
    let query = asked.query();
    let state = asked.world.gitlab.lock();
    let access = asked.project(&state)?;
    let commit = commit(access.project, query.get("ref").unwrap_or("HEAD"))?;
    let content = commit.files.get(asked.path("path")).ok_or(Refusal::NotFound("File"))?;
    Ok(content.clone().into_response())
}

/// The files that differ between the branches' common commit and the source.
pub(super) fn differences(source: &Branch, target: &Branch) -> Vec<Value> {
    let ours = target.history();
    let theirs = source.history();
    let base = theirs.iter().rev().find(|commit| ours.iter().any(|own| own.id == commit.id));
    between(base.map_or(&BTreeMap::new(), |commit| &commit.files), &source.files)
}

/// The files that differ.
fn between(old: &BTreeMap<String, String>, new: &BTreeMap<String, String>) -> Vec<Value> {
    let paths: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    paths
        .into_iter()
        .filter(|path| old.get(*path) != new.get(*path))
        .map(|path| {
            let (before, after) = (old.get(path), new.get(path));
            json!({
                "old_path": path, "new_path": path, "a_mode": if before.is_some() { "100644" } else { "0" },
                "b_mode": if after.is_some() { "100644" } else { "0" }, "new_file": before.is_none(),
                "renamed_file": false, "deleted_file": after.is_none(), "generated_file": false,
                "diff": diff(before.map_or("", String::as_str), after.map_or("", String::as_str)),
            })
        })
        .collect()
}

/// A commit and those that it comes from, the newest first.
fn ancestry(project: &Project, commit: &Commit) -> Vec<Commit> {
    let mut found = vec![commit.clone()];
    let mut next = 0;
    while let Some(commit) = found.get(next).cloned() {
        let parents = commit.parents.iter().filter_map(|id| project.commit(id));
        let new: Vec<Commit> = parents.filter(|parent| !found.contains(parent)).collect();
        found.extend(new);
        next += 1;
    }
    found
}

/// What differs between two commits of a project: directly (`straight`), otherwise since the commit from which both have come.
pub(super) async fn compare(asked: Asked) -> Result<Json<Value>, Refusal> {
    let query = asked.query();
    let state = asked.world.gitlab.lock();
    let access = asked.project(&state)?;
    let of = |name: &str| {
        let reference = query.get(name).ok_or_else(|| Refusal::Parameter(format!("{name} is missing")))?;
        commit(access.project, reference).map_err(|_| Refusal::NotFound("Ref"))
    };
    let (from, to) = (of("from")?, of("to")?);
    let (of_from, of_to) = (ancestry(access.project, &from), ancestry(access.project, &to));
    let base = match query.get("straight") {
        Some("true") => Some(from.clone()),
        // The commit from which both have come.
        Some("false") | None => of_to.iter().find(|commit| of_from.contains(commit)).cloned(),
        Some(_) => return Err(Refusal::Parameter("straight is invalid".to_owned())),
    };
    let base = base.ok_or(Refusal::NotFound("Merge Base"))?;
    let new = of_to.iter().rev().filter(|commit| !of_from.contains(commit));
    let commits: Vec<Value> = new.map(|commit| json!({"id": commit.id})).collect();
    Ok(Json(json!({
        "commit": commits.last(), "commits": commits, "diffs": between(&base.files, &to.files),
        "compare_timeout": false, "compare_same_ref": from.id == to.id,
    })))
}

fn of_request(state: &State, request: &MergeRequest) -> Vec<Value> {
    let none = Branch::default();
    let views = Views { state, site: String::new() };
    let (source, target) = views.branches(request);
    match source {
        Some(source) => differences(source, target.unwrap_or(&none)),
        None => Vec::new(),
    }
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
pub(super) async fn changes(asked: Asked) -> Result<Json<Value>, Refusal> {
    let state = asked.world.gitlab.lock();
    let request = asked.merge_request(&state)?;
    let mut view = asked.views(&state).merge_request(request);
    let changes = of_request(&state, request);
    view["changes_count"] = json!(changes.len().to_string());
    view["changes"] = json!(changes);
    view["overflow"] = json!(false);
    Ok(Json(view))
}

/// The changes alone, in pages.
pub(super) async fn diffs(asked: Asked) -> Result<Response, Refusal> {
    let state = asked.world.gitlab.lock();
    let request = asked.merge_request(&state)?;
    asked.answer(&of_request(&state, request))
}
