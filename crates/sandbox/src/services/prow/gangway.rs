//! Gangway: starts and lists executions. One rate limit applies to all users together.

use std::collections::BTreeMap;

use axum::{
    Json, Router,
    body::Bytes,
    extract::{Path, RawQuery, Request, State as AxumState},
    http::{StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::post,
};
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use url::form_urlencoded;

use super::model::{JobState, ProwJob, Token};
use crate::{
    unexpected::{Unexpected, unknown_route},
    world::Shared,
};

/// The most characters of a Kubernetes label.
const LABEL: usize = 63;

/// Its routes, without the prefix.
pub fn router() -> Router<Shared> {
    Router::new().fallback(front)
}

fn site() -> Router<Shared> {
    Router::new()
        .route("/v1/executions", post(start_by_body).get(list))
        .route("/v1/executions/{name}", post(start_by_path).get(show))
        .fallback(unknown_route)
        .method_not_allowed_fallback(unknown_route)
}

async fn front(AxumState(world): AxumState<Shared>, request: Request) -> Response {
    let bearer = request
        .headers()
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok()?.strip_prefix("Bearer ").map(str::to_owned));
    let token = {
        let mut state = world.prow.lock();
        let Some(value) = bearer else {
            return (StatusCode::FORBIDDEN, "<html><head><title>Log In</title></head></html>")
                .into_response();
        };
        let Some(token) = state.tokens.iter().find(|token| token.value == value).cloned() else {
            return (StatusCode::UNAUTHORIZED, "Unauthorized\n").into_response();
        };
        // The rate limiter is behind the proxy that checks the token.
        let now = world.clock.now();
        if !state.limit.admit(now) {
            let wait = [(header::RETRY_AFTER, "7")];
            let text = "Rate limit exceeded. Please wait before retrying.";
            return (StatusCode::TOO_MANY_REQUESTS, wait, text).into_response();
        }
        token
    };
    let site = site().layer(middleware::from_fn(move |mut request: Request, next: Next| {
        request.extensions_mut().insert(token.clone());
        next.run(request)
    }));
    match tower::ServiceExt::oneshot(site.with_state(world), request).await {
        Ok(response) => response,
        Err(never) => match never {},
    }
}

fn refused(status: StatusCode, code: u8, message: impl Into<String>) -> Response {
    (status, Json(json!({"code": code, "message": message.into(), "details": []}))).into_response()
}

fn invalid(message: impl Into<String>) -> Response {
    refused(StatusCode::BAD_REQUEST, 3, message)
}

async fn start_by_path(
    AxumState(world): AxumState<Shared>,
    Path(name): Path<String>,
    axum::Extension(token): axum::Extension<Token>,
    body: Bytes,
) -> Response {
    match serde_json::from_slice::<Map<String, Value>>(&body) {
        Ok(mut body) => {
            body.insert("job_name".to_owned(), name.into());
            start(&world, &token, &body)
        }
        Err(error) => invalid(format!("invalid JSON: {error}")),
    }
}

async fn start_by_body(
    AxumState(world): AxumState<Shared>,
    axum::Extension(token): axum::Extension<Token>,
    body: Bytes,
) -> Response {
    match serde_json::from_slice::<Map<String, Value>>(&body) {
        Ok(body) => start(&world, &token, &body),
        Err(error) => invalid(format!("invalid JSON: {error}")),
    }
}

fn texts(options: Option<&Value>, name: &str) -> Result<BTreeMap<String, String>, String> {
    let Some(entries) = options.and_then(|options| options.get(name)) else { return Ok(BTreeMap::new()) };
    let entries = entries.as_object().ok_or_else(|| format!("{name} is not a map"))?;
    entries
        .iter()
        .map(|(key, value)| match value.as_str() {
            Some(value) if !key.is_empty() && !value.is_empty() => Ok((key.clone(), value.to_owned())),
            Some(_) => Err(format!("{name}: empty key or value")),
            None => Err(format!("{name}: {key} is not a string")),
        })
        .collect()
}

fn start(world: &Shared, token: &Token, body: &Map<String, Value>) -> Response {
    const FIELDS: [&str; 4] = ["job_name", "job_execution_type", "refs", "pod_spec_options"];
    if let Some(unknown) = body.keys().find(|key| !FIELDS.contains(&key.as_str())) {
        return invalid(format!("unknown field {unknown}"));
    }
    let Some(name) = body.get("job_name").and_then(Value::as_str).filter(|name| !name.is_empty()) else {
        return invalid("job_name field cannot be empty");
    };
    match body.get("job_execution_type") {
        Some(Value::String(kind)) if kind == "1" || kind == "PERIODIC" => {}
        Some(Value::Number(kind)) if kind.as_u64() == Some(1) => {}
        Some(_) => return Unexpected::new("executions that are not periodic").into_response(),
        None => return invalid("unsupported JobExecutionType: JOB_EXECUTION_TYPE_UNSPECIFIED"),
    }
    if body.contains_key("refs") {
        return invalid("periodic jobs cannot have refs");
    }
    let options = body.get("pod_spec_options");
    let parts = (texts(options, "envs"), texts(options, "annotations"), texts(options, "labels"));
    let (envs, annotations, labels) = match parts {
        (Ok(envs), Ok(annotations), Ok(labels)) => (envs, annotations, labels),
        (Err(error), _, _) | (_, Err(error), _) | (_, _, Err(error)) => return invalid(error),
    };
    let now = world.clock.now();
    let mut state = world.prow.lock();
    let Some(known) = state.known.iter().find(|known| known.name == name) else {
        return refused(
            StatusCode::INTERNAL_SERVER_ERROR,
            2,
            format!("failed to find associated periodic job {name:?}"),
        );
    };
    if !token.tenants.contains(&known.tenant) {
        return refused(StatusCode::FORBIDDEN, 7, "client not authorized for this job's tenant");
    }
    let job = state.start(name, envs, annotations, labels, now);
    Json(json!({
        "id": job.id,
        "job_name": job.job,
        "job_type": "PERIODIC",
        "job_status": "TRIGGERED",
        "pod_spec_options": {"envs": job.envs, "labels": job.labels, "annotations": job.annotations},
        "gcs_path": "",
    }))
    .into_response()
}

fn row(job: &ProwJob, now: Timestamp) -> Value {
    json!({
        "id": job.id,
        "job_name": job.job,
        "job_type": "PERIODIC",
        "job_status": job.state_at(now).name().to_uppercase(),
        "gcs_path": "",
    })
}

async fn show(AxumState(world): AxumState<Shared>, Path(id): Path<String>) -> Response {
    let now = world.clock.now();
    let base = world.url("/prow");
    let state = world.prow.lock();
    let Some(job) = state.find(&id, now) else {
        let text = format!("prowjobs.prow.k8s.io \"{id}\" not found");
        return refused(StatusCode::INTERNAL_SERVER_ERROR, 2, text);
    };
    let mut answer = row(job, now);
    if let Some(fields) = answer.as_object_mut() {
        fields.insert("create_time".to_owned(), job.started.to_string().into());
        if job.has_page(now) {
            fields.insert("job_url".to_owned(), job.page(&base).into());
        }
        if let Some(completed) = job.completed(now) {
            fields.insert("completion_time".to_owned(), completed.to_string().into());
        }
    }
    Json(answer).into_response()
}

async fn list(AxumState(world): AxumState<Shared>, RawQuery(query): RawQuery) -> Response {
    let query = query.unwrap_or_default();
    let (mut name, mut wanted) = (None, None);
    for (key, value) in form_urlencoded::parse(query.as_bytes()) {
        match key.as_ref() {
            "job_name" => name = Some(value.into_owned()),
            "status" => match JobState::parse(&value) {
                Some(state) => wanted = Some(state),
                None => return invalid(format!("invalid value for enum type: {value}")),
            },
            other => return invalid(format!("unknown parameter {other}")),
        }
    }
    let now = world.clock.now();
    let state = world.prow.lock();
    // When its own look at the cluster fails, it logs that and answers with what it has: nothing.
    let rows: Vec<Value> = state
        .kept(now)
        .filter(|_| !state.lists_nothing)
        .filter(|job| name.as_ref().is_none_or(|name| label(&job.job) == *name))
        .filter(|job| wanted.is_none_or(|wanted| job.state_at(now) == wanted))
        .map(|job| row(job, now))
        .collect();
    Json(json!({"job_execution": rows})).into_response()
}

/// The job's name as its label holds it.
pub(super) fn label(job: &str) -> &str {
    match job.get(..LABEL) {
        Some(cut) if job.len() > LABEL => cut.trim_end_matches(['.', '_', '-']),
        _ => job,
    }
}
