//! How merge requests come into being and how they are merged (G18, G19).

use std::collections::{BTreeMap, BTreeSet};

use axum::{Json, body::Bytes, http::StatusCode};
use jiff::Timestamp;
use serde_json::Value;

use super::{
    asked::Asked,
    git::Commit,
    model::{AccessLevel, Branch, MergeRequest, MergeRequestState, Pipeline},
    notes::Body,
    projects,
    refusal::Refusal,
    state::{State, stamp},
    views::Views,
};

/// G18: makes a merge request from a branch of this project.
pub(super) async fn create(asked: Asked, bytes: Bytes) -> Result<(StatusCode, Json<Value>), Refusal> {
    let now = asked.world.clock.now();
    let mut state = asked.world.gitlab.lock();
    let (source, author) = {
        let access = asked.project_to_change(&state)?;
        (access.project.id, access.user)
    };
    let body = Body::read(&asked.headers, &bytes)?;
    let needed = |name: &str| {
        let value = body.get(name).filter(|value| !value.trim().is_empty());
        value.ok_or_else(|| Refusal::Parameter(format!("{name} is missing")))
    };
    let (source_branch, target_branch, title) =
        (needed("source_branch")?, needed("target_branch")?, needed("title")?);
    if title.chars().count() > 255 {
        return Err(Refusal::Field("title", "is too long (maximum is 255 characters)".to_owned()));
    }
    let target = match body.get("target_project_id") {
        None => source,
        Some(id) => projects::find(&state, asked.caller, &id)?.project.id,
    };
    let find = |id: u64| state.projects.iter().find(|project| project.id == id);
    let (from, to) = (
        find(source).ok_or(Refusal::NotFound("Project"))?,
        find(target).ok_or(Refusal::NotFound("Project"))?,
    );
    if source != target && from.forked_from != Some(target) {
        return Err(Refusal::Messages("Source project is not a fork of the target project".to_owned()));
    }
    for (project, name, field) in [(from, &source_branch, "Source"), (to, &target_branch, "Target")] {
        if !project.branches.contains_key(name) {
            return Err(Refusal::Messages(format!("{field} branch \"{name}\" does not exist")));
        }
    }
    let same = |request: &&MergeRequest| {
        request.state == MergeRequestState::Opened
            && (request.source_project, request.project) == (source, target)
            && (&request.source_branch, &request.target_branch) == (&source_branch, &target_branch)
    };
    if let Some(other) = state.merge_requests.iter().find(same) {
        return Err(Refusal::Conflicts(format!(
            "Another open merge request already exists for this source branch: !{}",
            other.iid
        )));
    }
    let iids = state.merge_requests.iter().filter(|request| request.project == target);
    let iid = iids.map(|request| request.iid).max().unwrap_or_default() + 1;
    let id = state.next_id();
    let is = |name: &str| body.get(name).as_deref() == Some("true");
    let checks_left = state.checking_reads;
    state.merge_requests.push(MergeRequest {
        id,
        iid,
        project: target,
        source_project: source,
        title,
        description: body.get("description").unwrap_or_default(),
        state: MergeRequestState::Opened,
        labels: Vec::new(),
        source_branch,
        target_branch,
        author,
        notes: Vec::new(),
        approval_rules: Vec::new(),
        approved_by: Vec::new(),
        created_at: stamp(now),
        updated_at: stamp(now),
        notes_added: 0,
        notes_edited: 0,
        updates: 0,
        squash: is("squash"),
        auto_merge: false,
        remove_source_branch: is("remove_source_branch"),
        checks_left,
        merge_commit: None,
    });
    if let Some(status) = state.new_pipeline.clone() {
        let id = state.next_id();
        state.pipelines.push(Pipeline {
            id,
            project: target,
            merge_request: iid,
            status,
            created_at: stamp(now),
            jobs: Vec::new(),
            bridges: Vec::new(),
        });
    }
    let request = state.merge_request(target, iid).ok_or(Refusal::NotFound(""))?;
    let view = asked.views(&state).merge_request(request);
    Ok((StatusCode::CREATED, Json(view)))
}

/// G19: merges now, or when the pipeline succeeds.
pub(super) async fn merge(asked: Asked, bytes: Bytes) -> Result<Json<Value>, Refusal> {
    let now = asked.world.clock.now();
    let mut state = asked.world.gitlab.lock();
    let mut request = {
        let (access, request) = asked.access(&state)?;
        // Whoever may not push to the target branch may not merge into it.
        if access.level < AccessLevel::Developer {
            return Err(Refusal::Unauthorized);
        }
        request.clone()
    };
    let body = Body::read(&asked.headers, &bytes)?.or_query(asked.uri.query());
    let views = Views { state: &state, site: String::new() };
    let head = views.head(&request).unwrap_or_default();
    let status = views.detailed_status(&request);
    let pipeline =
        state.newest_pipeline(request.project, request.iid).map(|pipeline| pipeline.status.clone());
    let automatic = ["merge_when_pipeline_succeeds", "auto_merge"]
        .iter()
        .any(|name| body.get(name).as_deref() == Some("true"));
    let runs = pipeline.as_deref().is_some_and(|status| {
        matches!(status, "created" | "waiting_for_resource" | "preparing" | "pending" | "running")
    });
    let now_possible = status == "mergeable" && (!automatic || pipeline.as_deref() == Some("success"));
    let later_possible = automatic && runs && matches!(status, "mergeable" | "ci_still_running");
    if !now_possible && !later_possible {
        return Err(match status {
            "conflict" => Refusal::Unprocessable("Branch cannot be merged".to_owned()),
            _ => Refusal::NotAllowed,
        });
    }
    if let Some(sha) = body.get("sha")
        && sha != head
    {
        return Err(Refusal::Conflict(format!("SHA does not match HEAD of source branch: {head}")));
    }
    if let Some(squash) = body.get("squash") {
        request.squash = squash == "true";
    }
    if let Some(remove) = body.get("should_remove_source_branch") {
        request.remove_source_branch = remove == "true";
    }
    request.updated_at = stamp(now);
    request.auto_merge = !now_possible;
    let (project, iid) = (request.project, request.iid);
    *state.merge_request_mut(project, iid).ok_or(Refusal::NotFound(""))? = request;
    if now_possible {
        carry_out(&mut state, project, iid, now);
    }
    let request = state.merge_request(project, iid).ok_or(Refusal::NotFound(""))?;
    Ok(Json(asked.views(&state).merge_request(request)))
}

/// The files after a merge, or `None` when both sides changed the same file differently.
pub(super) fn merged_files(source: &Branch, target: &Branch) -> Option<BTreeMap<String, String>> {
    let ours = target.history();
    let theirs = source.history();
    let none = BTreeMap::new();
    let base = theirs.iter().rev().find(|commit| ours.iter().any(|own| own.id == commit.id));
    let base = base.map_or(&none, |commit| &commit.files);
    let mut files = target.files.clone();
    let paths: BTreeSet<&String> = base.keys().chain(source.files.keys()).collect();
    for path in paths {
        let (before, theirs, ours) = (base.get(path), source.files.get(path), target.files.get(path));
        if theirs == before || theirs == ours {
            continue;
        }
        if ours != before {
            return None;
        }
        match theirs {
            Some(content) => files.insert(path.clone(), content.clone()),
            None => files.remove(path),
        };
    }
    Some(files)
}

/// Merges, with one squashed commit on top of the target when the request asks for it.
pub(super) fn carry_out(state: &mut State, project: u64, iid: u64, now: Timestamp) {
    let Some(request) = state.merge_request(project, iid).cloned() else { return };
    let branch = |id: u64, name: &str| {
        state.projects.iter().find(|project| project.id == id).and_then(|project| project.branches.get(name))
    };
    let (Some(source), Some(target)) = (
        branch(request.source_project, &request.source_branch),
        branch(request.project, &request.target_branch),
    ) else {
        return;
    };
    let Some(files) = merged_files(source, target) else { return };
    let author = state.user(request.author).map_or("nobody", |user| user.name.as_str());
    let signature = format!("{author} <noreply@example.test> {} +0000", now.as_second());
    let mut parents = vec![target.sha()];
    if !request.squash {
        parents.push(source.sha());
    }
    let commit = Commit::new(files, parents, &signature, &format!("{}\n", request.title));
    let id = commit.id.clone();
    for project in &mut state.projects {
        if project.id == request.project
            && let Some(target) = project.branches.get_mut(&request.target_branch)
        {
            target.push(commit.clone());
        }
        if project.id == request.source_project && request.remove_source_branch {
            project.branches.remove(&request.source_branch);
        }
    }
    if let Some(request) = state.merge_request_mut(project, iid) {
        request.state = MergeRequestState::Merged;
        request.auto_merge = false;
        request.merge_commit = Some(id);
        request.updated_at = stamp(now);
    }
}
