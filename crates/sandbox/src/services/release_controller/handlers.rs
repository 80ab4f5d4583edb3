//! The routes of the release controller.

use axum::{
    Router,
    extract::{Path, RawQuery, State as AxumState},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use serde_json::{Value, json};
use url::form_urlencoded;

use super::model::{Payload, Phase, version_key};
use crate::{
    unexpected::{Unexpected, unknown_route},
    world::Shared,
};

/// Its routes, without the prefix.
pub fn router() -> Router<Shared> {
    Router::new()
        .route("/api/v1/releasestream/{stream}/latest", get(latest))
        .route("/api/v1/releasestream/{stream}/tags", get(tags))
        .route("/api/v1/releasestream/{stream}/release/{tag}", get(release))
        .fallback(unknown_route)
        .method_not_allowed_fallback(unknown_route)
}

fn parameters(query: Option<&str>) -> Vec<(String, String)> {
    form_urlencoded::parse(query.unwrap_or_default().as_bytes()).into_owned().collect()
}

/// JSON as the controller writes it: indented, with a newline at the end.
fn pretty(value: &Value) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], format!("{value:#}\n")).into_response()
}

fn missing(what: &str) -> Response {
    (StatusCode::NOT_FOUND, format!("error: {what}\n")).into_response()
}

fn tag(payload: &Payload) -> Value {
    json!({
        "name": payload.name,
        "phase": payload.phase.name(),
        "pullSpec": format!("quay.io/openshift-release-dev/ocp-release:{}-x86_64", payload.name),
        "downloadURL": format!("https://openshift-release-artifacts.example.test/{}", payload.name),
    })
}

async fn latest(
    AxumState(world): AxumState<Shared>,
    Path(stream): Path<String>,
    RawQuery(query): RawQuery,
) -> Response {
    let query = parameters(query.as_deref());
    if let Some((name, _)) = query.iter().find(|(name, _)| !matches!(name.as_str(), "prefix" | "format")) {
        return Unexpected::new(format!("parameter {name} of latest")).into_response();
    }
    let value = |name: &str| query.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str());
    let prefix = value("prefix").unwrap_or_default();
    let state = world.release_controller.lock();
    let Some(payloads) = state.streams.get(&stream) else {
        return missing(&format!("the release stream {stream} was not found"));
    };
    let newest = payloads
        .iter()
        .filter(|payload| payload.phase == Phase::Accepted && payload.name.starts_with(prefix))
        .max_by_key(|payload| version_key(&payload.name));
    let Some(payload) = newest else {
        return missing(&format!("no tags exist within the release stream {stream} that match the request"));
    };
    let view = tag(payload);
    match value("format") {
        None | Some("json") => pretty(&view),
        Some(member @ ("name" | "pullSpec" | "downloadURL")) => {
            view.get(member).and_then(Value::as_str).unwrap_or_default().to_owned().into_response()
        }
        Some(other) => (
            StatusCode::BAD_REQUEST,
            format!(
                "error: unknown format {other}, must be one of 'json', 'name', 'pullSpec', 'downloadURL'\n"
            ),
        )
            .into_response(),
    }
}

async fn tags(
    AxumState(world): AxumState<Shared>,
    Path(stream): Path<String>,
    RawQuery(query): RawQuery,
) -> Response {
    let query = parameters(query.as_deref());
    let phases: Vec<&str> =
        query.iter().filter(|(name, _)| name == "phase").map(|(_, value)| value.as_str()).collect();
    let state = world.release_controller.lock();
    let Some(payloads) = state.streams.get(&stream) else {
        return missing(&format!("the release stream {stream} was not found"));
    };
    let wanted =
        payloads.iter().filter(|payload| phases.is_empty() || phases.contains(&payload.phase.name()));
    pretty(&json!({"name": stream, "tags": wanted.map(tag).collect::<Vec<_>>()}))
}

/// Every look-up error is a 404. The changelog is left out with `format=short`.
async fn release(
    AxumState(world): AxumState<Shared>,
    Path((stream, name)): Path<(String, String)>,
    RawQuery(query): RawQuery,
) -> Response {
    let short = parameters(query.as_deref()).iter().any(|(name, value)| name == "format" && value == "short");
    let state = world.release_controller.lock();
    let found = state.streams.get(&stream).and_then(|list| list.iter().find(|payload| payload.name == name));
    let Some(payload) = found else {
        return missing(&format!("unable to find release tag {name} in stream {stream}"));
    };
    let mut view = json!({
        "name": payload.name,
        "phase": payload.phase.name(),
        "results": {"blockingJobs": {}, "informingJobs": {}},
    });
    if !short && payload.has_changelog {
        view["changeLogJson"] = json!({
            "from": {"name": "", "created": "2026-06-20T00:00:00Z", "digest": ""},
            "to": {"name": payload.name, "created": "2026-06-25T00:00:00Z", "digest": payload.digest},
            "components": [],
            "updatedImages": [],
        });
    }
    pretty(&view)
}
