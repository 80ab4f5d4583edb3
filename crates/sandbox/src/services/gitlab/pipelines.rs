//! Pipelines, jobs and bridges (G7 to G10).

use axum::{
    Extension, Json,
    extract::{OriginalUri, Path, State as AxumState},
    http::Uri,
    response::Response,
};
use serde_json::Value;

use super::{
    front::Caller,
    model::{Job, Pipeline},
    pagination::{self, Query},
    projects,
    refusal::Refusal,
    state::State,
    views::{self, Views},
};
use crate::world::Shared;

/// G7: newest first.
pub(super) async fn of_merge_request(
    AxumState(world): AxumState<Shared>,
    Extension(caller): Extension<Caller>,
    OriginalUri(uri): OriginalUri,
    Path((project, iid)): Path<(String, String)>,
) -> Result<Response, Refusal> {
    let state = world.gitlab.lock();
    let request = projects::find(&state, caller, &project)?.merge_request(&state, &iid)?;
    let mut found: Vec<&Pipeline> = state
        .pipelines
        .iter()
        .filter(|pipeline| pipeline.project == request.project && pipeline.merge_request == request.iid)
        .collect();
    found.sort_by_key(|pipeline| std::cmp::Reverse(pipeline.id));
    let views = Views { state: &state, site: world.url("/gitlab") };
    let rows: Vec<Value> = found.into_iter().map(|pipeline| views.pipeline(pipeline)).collect();
    pagination::answer(&world.base_url, &uri, &rows)
}

fn find<'a>(state: &'a State, caller: Caller, project: &str, id: &str) -> Result<&'a Pipeline, Refusal> {
    let project = projects::find(state, caller, project)?.project.id;
    let found =
        state.pipelines.iter().find(|pipeline| pipeline.project == project && pipeline.id.to_string() == id);
    found.ok_or(Refusal::NotFound(""))
}

/// G8.
pub(super) async fn show(
    AxumState(world): AxumState<Shared>,
    Extension(caller): Extension<Caller>,
    Path((project, id)): Path<(String, String)>,
) -> Result<Json<Value>, Refusal> {
    let state = world.gitlab.lock();
    let pipeline = find(&state, caller, &project, &id)?;
    Ok(Json(Views { state: &state, site: world.url("/gitlab") }.pipeline(pipeline)))
}

fn jobs_answer(world: &Shared, uri: &Uri, pipeline: &Pipeline, bridge: bool) -> Result<Response, Refusal> {
    let retried_too = Query::read(uri.query()).get("include_retried") == Some("true");
    let list = if bridge { &pipeline.bridges } else { &pipeline.jobs };
    let mut found: Vec<&Job> = list.iter().filter(|job| retried_too || !job.retried).collect();
    found.sort_by_key(|job| std::cmp::Reverse(job.id));
    let rows: Vec<Value> = found.into_iter().map(|job| views::job(pipeline, job, bridge)).collect();
    pagination::answer(&world.base_url, uri, &rows)
}

/// G9: newest first.
pub(super) async fn jobs(
    AxumState(world): AxumState<Shared>,
    Extension(caller): Extension<Caller>,
    OriginalUri(uri): OriginalUri,
    Path((project, id)): Path<(String, String)>,
) -> Result<Response, Refusal> {
    let state = world.gitlab.lock();
    jobs_answer(&world, &uri, find(&state, caller, &project, &id)?, false)
}

/// G10: newest first.
pub(super) async fn bridges(
    AxumState(world): AxumState<Shared>,
    Extension(caller): Extension<Caller>,
    OriginalUri(uri): OriginalUri,
    Path((project, id)): Path<(String, String)>,
) -> Result<Response, Refusal> {
    let state = world.gitlab.lock();
    jobs_answer(&world, &uri, find(&state, caller, &project, &id)?, true)
}
