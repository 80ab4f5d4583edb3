//! Approvals of a merge request (G11, G12).

use axum::{Json, body::Bytes, http::StatusCode};
use serde_json::Value;

use super::{
    asked::Asked,
    model::{AccessLevel, MergeRequest, MergeRequestState},
    notes::Body,
    projects::Access,
    refusal::Refusal,
    views::Views,
};

/// Not the author, named by a rule if there are rules, and not yet done.
fn may_approve(access: &Access<'_>, request: &MergeRequest) -> bool {
    let eligible = request.approval_rules.is_empty()
        || request.approval_rules.iter().any(|rule| rule.eligible.contains(&access.user));
    eligible
        && access.level >= AccessLevel::Developer
        && request.author != access.user
        && !request.approved_by.contains(&access.user)
        && matches!(request.state, MergeRequestState::Opened | MergeRequestState::Locked)
}

/// G11.
pub(super) async fn show(asked: Asked) -> Result<Json<Value>, Refusal> {
    let state = asked.world.gitlab.lock();
    let (access, request) = asked.access(&state)?;
    let views = asked.views(&state);
    Ok(Json(views.approvals(request, access.user, may_approve(&access, request))))
}

/// G12.
pub(super) async fn approve(asked: Asked, bytes: Bytes) -> Result<(StatusCode, Json<Value>), Refusal> {
    let mut state = asked.world.gitlab.lock();
    let (user, project, iid) = {
        let (access, request) = asked.access(&state)?;
        if !may_approve(&access, request) {
            return Err(Refusal::Unauthorized);
        }
        let head = Views { state: &state, site: String::new() }.head(request).unwrap_or_default();
        if let Some(sha) = Body::read(&asked.headers, &bytes)?.get("sha")
            && sha != head
        {
            return Err(Refusal::Conflict(format!("SHA does not match HEAD of source branch: {head}")));
        }
        (access.user, request.project, request.iid)
    };
    state.merge_request_mut(project, iid).ok_or(Refusal::NotFound(""))?.approved_by.push(user);
    let request = state.merge_request(project, iid).ok_or(Refusal::NotFound(""))?;
    let views = asked.views(&state);
    Ok((StatusCode::CREATED, Json(views.approvals(request, user, false))))
}

/// Takes one's own approval back.
pub(super) async fn unapprove(asked: Asked) -> Result<(StatusCode, Json<Value>), Refusal> {
    let mut state = asked.world.gitlab.lock();
    let (user, project, iid) = {
        let (access, request) = asked.access(&state)?;
        (access.user, request.project, request.iid)
    };
    let request = state.merge_request_mut(project, iid).ok_or(Refusal::NotFound(""))?;
    let before = request.approved_by.len();
    request.approved_by.retain(|id| *id != user);
    if request.approved_by.len() == before {
        return Err(Refusal::NotFound(""));
    }
    let request = state.merge_request(project, iid).ok_or(Refusal::NotFound(""))?;
    let views = asked.views(&state);
    Ok((StatusCode::CREATED, Json(views.approvals(request, user, true))))
}
