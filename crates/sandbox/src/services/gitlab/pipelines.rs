//! Pipelines, jobs and bridges (G7 to G10).

use axum::{Json, response::Response};
use serde_json::Value;

use super::{
    asked::Asked,
    model::{Job, Pipeline},
    refusal::Refusal,
    state::State,
    views,
};

/// G7: newest first.
pub(super) async fn of_merge_request(asked: Asked) -> Result<Response, Refusal> {
    let state = asked.world.gitlab.lock();
    let request = asked.merge_request(&state)?;
    let mut found: Vec<&Pipeline> = state
        .pipelines
        .iter()
        .filter(|pipeline| pipeline.project == request.project && pipeline.merge_request == request.iid)
        .collect();
    found.sort_by_key(|pipeline| std::cmp::Reverse(pipeline.id));
    let views = asked.views(&state);
    let rows: Vec<Value> = found.into_iter().map(|pipeline| views.pipeline(pipeline)).collect();
    asked.answer(&rows)
}

fn find<'a>(state: &'a State, asked: &Asked) -> Result<&'a Pipeline, Refusal> {
    let (project, id) = (asked.project(state)?.project.id, asked.path("id"));
    let found =
        state.pipelines.iter().find(|pipeline| pipeline.project == project && pipeline.id.to_string() == id);
    found.ok_or(Refusal::NotFound(""))
}

/// G8.
pub(super) async fn show(asked: Asked) -> Result<Json<Value>, Refusal> {
    let state = asked.world.gitlab.lock();
    let pipeline = find(&state, &asked)?;
    Ok(Json(asked.views(&state).pipeline(pipeline)))
}

fn jobs_answer(asked: &Asked, bridge: bool) -> Result<Response, Refusal> {
    let state = asked.world.gitlab.lock();
    let pipeline = find(&state, asked)?;
    let retried_too = asked.query().get("include_retried") == Some("true");
    let list = if bridge { &pipeline.bridges } else { &pipeline.jobs };
    let mut found: Vec<&Job> = list.iter().filter(|job| retried_too || !job.retried).collect();
    found.sort_by_key(|job| std::cmp::Reverse(job.id));
    let rows: Vec<Value> = found.into_iter().map(|job| views::job(pipeline, job, bridge)).collect();
    asked.answer(&rows)
}

/// G9: newest first.
pub(super) async fn jobs(asked: Asked) -> Result<Response, Refusal> {
    jobs_answer(&asked, false)
}

/// G10: newest first.
pub(super) async fn bridges(asked: Asked) -> Result<Response, Refusal> {
    jobs_answer(&asked, true)
}
