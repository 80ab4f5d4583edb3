//! Projects (G2), and what the caller may do in one.

use axum::{
    Extension, Json,
    extract::{OriginalUri, Path, State as AxumState},
    response::Response,
};
use serde_json::{Value, json};

use super::{
    front::Caller,
    model::{AccessLevel, MergeRequest, Project},
    pagination,
    refusal::Refusal,
    state::State,
    views::Views,
};
use crate::world::Shared;

/// A project that the caller sees, with the caller's level in it.
#[derive(Debug)]
pub(super) struct Access<'a> {
    pub(super) project: &'a Project,
    pub(super) user: u64,
    pub(super) level: AccessLevel,
}

/// The project with this id or path. One that the caller may not see does not exist for them.
pub(super) fn find<'a>(state: &'a State, caller: Caller, name: &str) -> Result<Access<'a>, Refusal> {
    let id: Option<u64> = name.parse().ok();
    let same = |project: &&Project| Some(project.id) == id || project.path.eq_ignore_ascii_case(name);
    let project = state.projects.iter().find(same).ok_or(Refusal::NotFound("Project"))?;
    let user = caller.0.ok_or(Refusal::NotFound("Project"))?;
    let level = project.members.get(&user).ok_or(Refusal::NotFound("Project"))?;
    Ok(Access { project, user, level: *level })
}

/// The project with this id or path, for a caller who changes it.
pub(super) fn find_to_change<'a>(
    state: &'a State,
    caller: Caller,
    name: &str,
) -> Result<Access<'a>, Refusal> {
    let access = find(state, caller, name)?;
    if access.level < AccessLevel::Developer {
        return Err(Refusal::Forbidden);
    }
    Ok(access)
}

impl<'a> Access<'a> {
    /// A merge request of the project.
    pub(super) fn merge_request(&self, state: &'a State, iid: &str) -> Result<&'a MergeRequest, Refusal> {
        let iid: u64 =
            iid.parse().map_err(|_| Refusal::Parameter("merge_request_iid is invalid".to_owned()))?;
        state.merge_request(self.project.id, iid).ok_or(Refusal::NotFound(""))
    }
}

/// G2.
pub(super) async fn show(
    AxumState(world): AxumState<Shared>,
    Extension(caller): Extension<Caller>,
    Path(project): Path<String>,
) -> Result<Json<Value>, Refusal> {
    let state = world.gitlab.lock();
    let access = find(&state, caller, &project)?;
    Ok(Json(Views { state: &state, site: world.url("/gitlab") }.project(access.project)))
}

/// The project's labels.
pub(super) async fn labels(
    AxumState(world): AxumState<Shared>,
    Extension(caller): Extension<Caller>,
    OriginalUri(uri): OriginalUri,
    Path(project): Path<String>,
) -> Result<Response, Refusal> {
    let state = world.gitlab.lock();
    let access = find(&state, caller, &project)?;
    let rows: Vec<Value> = access
        .project
        .labels
        .iter()
        .zip(1u32..)
        .map(|((name, color), id)| {
            json!({
                "id": id, "name": name, "color": color, "text_color": "#FFFFFF", "description": null,
                "is_project_label": true,
            })
        })
        .collect();
    pagination::answer(&world.base_url, &uri, &rows)
}
