//! Approvals of a merge request (G11, G12).

use axum::{
    Extension, Json,
    body::Bytes,
    extract::{Path, State as AxumState},
    http::{HeaderMap, StatusCode},
};
use serde_json::Value;

use super::{
    front::Caller,
    model::{AccessLevel, MergeRequest, MergeRequestState},
    notes::Body,
    projects::{self, Access},
    refusal::Refusal,
    views::Views,
};
use crate::world::Shared;

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
pub(super) async fn show(
    AxumState(world): AxumState<Shared>,
    Extension(caller): Extension<Caller>,
    Path((project, iid)): Path<(String, String)>,
) -> Result<Json<Value>, Refusal> {
    let state = world.gitlab.lock();
    let access = projects::find(&state, caller, &project)?;
    let request = access.merge_request(&state, &iid)?;
    let views = Views { state: &state, site: world.url("/gitlab") };
    Ok(Json(views.approvals(request, access.user, may_approve(&access, request))))
}

/// G12.
pub(super) async fn approve(
    AxumState(world): AxumState<Shared>,
    Extension(caller): Extension<Caller>,
    Path((project, iid)): Path<(String, String)>,
    headers: HeaderMap,
    bytes: Bytes,
) -> Result<(StatusCode, Json<Value>), Refusal> {
    let mut state = world.gitlab.lock();
    let (user, project, iid) = {
        let access = projects::find(&state, caller, &project)?;
        let request = access.merge_request(&state, &iid)?;
        if !may_approve(&access, request) {
            return Err(Refusal::Unauthorized);
        }
        let head = Views { state: &state, site: String::new() }.head(request).unwrap_or_default();
        if let Some(sha) = Body::read(&headers, &bytes)?.get("sha")
            && sha != head
        {
            return Err(Refusal::Conflict(format!("SHA does not match HEAD of source branch: {head}")));
        }
        (access.user, request.project, request.iid)
    };
    state.merge_request_mut(project, iid).ok_or(Refusal::NotFound(""))?.approved_by.push(user);
    let request = state.merge_request(project, iid).ok_or(Refusal::NotFound(""))?;
    let views = Views { state: &state, site: world.url("/gitlab") };
    Ok((StatusCode::CREATED, Json(views.approvals(request, user, false))))
}

/// Takes one's own approval back.
pub(super) async fn unapprove(
    AxumState(world): AxumState<Shared>,
    Extension(caller): Extension<Caller>,
    Path((project, iid)): Path<(String, String)>,
) -> Result<(StatusCode, Json<Value>), Refusal> {
    let mut state = world.gitlab.lock();
    let (user, project, iid) = {
        let access = projects::find(&state, caller, &project)?;
        let request = access.merge_request(&state, &iid)?;
        (access.user, request.project, request.iid)
    };
    let request = state.merge_request_mut(project, iid).ok_or(Refusal::NotFound(""))?;
    let before = request.approved_by.len();
    request.approved_by.retain(|id| *id != user);
    if request.approved_by.len() == before {
        return Err(Refusal::NotFound(""));
    }
    let request = state.merge_request(project, iid).ok_or(Refusal::NotFound(""))?;
    let views = Views { state: &state, site: world.url("/gitlab") };
    Ok((StatusCode::CREATED, Json(views.approvals(request, user, true))))
}
