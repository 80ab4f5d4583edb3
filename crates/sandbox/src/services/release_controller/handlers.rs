//! The routes of the release controller.

use std::collections::BTreeMap;

use axum::{
    Router,
    extract::{Path, RawQuery, State as AxumState},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use serde::Serialize as _;
use serde_json::{Value, json};
use url::form_urlencoded;

use super::{
    model::{Payload, Phase, State, architecture},
    range,
};
use crate::{
    services::Refused,
    unexpected::{Unexpected, unknown_route},
    world::Shared,
};

/// Its routes, without the prefix: of amd64, and below the name of an architecture those of that one.
pub fn router() -> Router<Shared> {
    let site = || {
        Router::new()
            .route("/", get(crate::services::front_page))
            .route("/api/v1/releasestream/{stream}/latest", get(latest))
            .route("/api/v1/releasestream/{stream}/tags", get(tags))
            .route("/api/v1/releasestream/{stream}/release/{tag}", get(release))
            .route("/api/v1/releasestreams/{list}", get(streams))
    };
    site().nest("/{architecture}", site()).fallback(unknown_route).method_not_allowed_fallback(unknown_route)
}

/// What a path names.
type Named = Path<BTreeMap<String, String>>;

fn named<'a>(path: &'a BTreeMap<String, String>, part: &str) -> &'a str {
    path.get(part).map(String::as_str).unwrap_or_default()
}

/// The stream that is meant, when the controller that was asked has it.
fn stream<'a>(path: &'a BTreeMap<String, String>, state: &State) -> Result<&'a str, Refused> {
    let name = named(path, "stream");
    if state.streams.contains_key(name) && architecture(name) == asked(path) {
        return Ok(name);
    }
    Err(missing(&format!("the release stream {name} was not found")).into())
}

/// The architecture whose controller was asked.
fn asked(path: &BTreeMap<String, String>) -> &str {
    path.get("architecture").map_or("amd64", String::as_str)
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

fn bad(what: &str) -> Response {
    (StatusCode::BAD_REQUEST, format!("error: {what}\n")).into_response()
}

fn tag(stream: &str, payload: &Payload) -> Value {
    json!({
        "name": payload.name,
        "phase": payload.phase.name(),
        "pullSpec": payload.pull_spec(stream),
        "downloadURL": format!("https://openshift-release-artifacts.example.test/{}", payload.name),
    })
}

async fn latest(
    AxumState(world): AxumState<Shared>,
    Path(path): Named,
    RawQuery(query): RawQuery,
) -> Result<Response, Refused> {
    const KNOWN: [&str; 4] = ["prefix", "in", "rel", "format"];
    let query = parameters(query.as_deref());
    if let Some((name, _)) = query.iter().find(|(name, _)| !KNOWN.contains(&name.as_str())) {
        return Err(Unexpected::new(format!("parameter {name} of latest")).into());
    }
    let value = |name: &str| query.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str());
    let prefix = value("prefix").unwrap_or_default();
    let state = world.release_controller.lock();
    let stream = stream(&path, &state)?;
    let mut found = state.newest(stream, |payload| payload.name.starts_with(prefix));
    if let Some(range) = value("in") {
        if let Err(problem) = range::contains(range, "0.0.0") {
            return Err(bad(&format!("invalid version range: {problem}")).into());
        }
        found.retain(|payload| range::contains(range, &payload.name).unwrap_or(false));
    }
    let back = match value("rel").map(str::parse::<usize>) {
        None => 0,
        Some(Ok(back)) => back,
        Some(Err(_)) => return Err(bad("rel must be a non-negative integer").into()),
    };
    let Some(payload) = found.get(back) else {
        let problem = format!("no tags exist within the release stream {stream} that match the request");
        return Err(missing(&problem).into());
    };
    let view = tag(stream, payload);
    Ok(match value("format") {
        None | Some("json") => pretty(&view),
        Some(member @ ("name" | "pullSpec" | "downloadURL")) => {
            view.get(member).and_then(Value::as_str).unwrap_or_default().to_owned().into_response()
        }
        Some(other) => {
            bad(&format!("unknown format {other}, must be one of 'json', 'name', 'pullSpec', 'downloadURL'"))
        }
    })
}

async fn tags(
    AxumState(world): AxumState<Shared>,
    Path(path): Named,
    RawQuery(query): RawQuery,
) -> Result<Response, Refused> {
    let query = parameters(query.as_deref());
    let phases: Vec<&str> =
        query.iter().filter(|(name, _)| name == "phase").map(|(_, value)| value.as_str()).collect();
    let state = world.release_controller.lock();
    let stream = stream(&path, &state)?;
    let wanted = state
        .streams
        .get(stream)
        .into_iter()
        .flatten()
        .filter(|payload| phases.is_empty() || phases.contains(&payload.phase.name()));
    let tags: Vec<Value> = wanted.map(|payload| tag(stream, payload)).collect();
    // A list that nothing was put into is written so.
    let tags = if tags.is_empty() { Value::Null } else { tags.into() };
    Ok(pretty(&json!({"name": stream, "tags": tags})))
}

/// Every look-up error is a 404. The changelog, which takes its time, is left out with `format=short`.
async fn release(
    AxumState(world): AxumState<Shared>,
    Path(path): Named,
    RawQuery(query): RawQuery,
) -> Result<Response, Refused> {
    let short = parameters(query.as_deref()).iter().any(|(name, value)| name == "format" && value == "short");
    let name = named(&path, "tag");
    let (view, delay) = {
        let state = world.release_controller.lock();
        let stream = stream(&path, &state)?;
        let found = state.streams.get(stream).and_then(|list| list.iter().find(|tag| tag.name == name));
        let Some(payload) = found.filter(|_| !state.lookups_fail) else {
            return Err(missing(&format!("unable to find release tag {name} in stream {stream}")).into());
        };
        let mut view = json!({
            "name": payload.name,
            "phase": payload.phase.name(),
            "results": {"blockingJobs": {}, "informingJobs": {}},
        });
        if short {
            return Ok(pretty(&view));
        }
        if state.changelog_busy {
            let wait = [(header::RETRY_AFTER, "60")];
            let busy = (StatusCode::TOO_MANY_REQUESTS, wait, "too many changelogs are being rendered\n");
            return Err(busy.into_response().into());
        }
        if payload.has_changelog {
            view["changeLogJson"] = json!({
                "from": {"name": "", "created": "2026-06-20T00:00:00Z", "digest": ""},
                "to": {"name": payload.name, "created": payload.created.to_string(), "digest": payload.digest},
                "components": [],
                "updatedImages": [],
            });
        }
        (view, state.changelog_delay)
    };
    tokio::time::sleep(delay).await;
    Ok(pretty(&view))
}

/// `accepted`, `rejected`, `ready` and `all`: stream and names; `approvals`: payloads that a team's label accepts.
async fn streams(
    AxumState(world): AxumState<Shared>,
    Path(path): Named,
    RawQuery(query): RawQuery,
) -> Response {
    let list = named(&path, "list");
    let phase = match list {
        "accepted" => Some(Phase::Accepted),
        "rejected" => Some(Phase::Rejected),
        "ready" => Some(Phase::Ready),
        "all" | "approvals" => None,
        other => return Unexpected::new(format!("the list {other} of all streams")).into_response(),
    };
    let query = parameters(query.as_deref());
    let value = |name: &str| query.iter().find(|(found, _)| found == name).map(|(_, value)| value.clone());
    let state = world.release_controller.lock();
    let mine = state.streams.iter().filter(|(stream, _)| architecture(stream) == asked(&path));
    if list == "approvals" {
        let Some(team) = value("team").filter(|team| !team.is_empty()) else {
            return bad("the parameter team is required");
        };
        let prefix = value("prefix").unwrap_or_default();
        let label = format!("release.openshift.io/{}_state", team.to_lowercase());
        let accepted = world.kubernetes.lock().payloads_with(asked(&path), &label, "Accepted");
        let rows: Vec<Value> = mine
            .flat_map(|(stream, payloads)| payloads.iter().map(move |payload| (stream, payload)))
            .filter(|(_, payload)| payload.name.starts_with(&prefix) && accepted.contains(&payload.name))
            .map(|(stream, payload)| tag(stream, payload))
            .collect();
        // One space is the indentation of this answer alone.
        let mut text = Vec::new();
        let formatter = serde_json::ser::PrettyFormatter::with_indent(b" ");
        let mut serializer = serde_json::Serializer::with_formatter(&mut text, formatter);
        if rows.serialize(&mut serializer).is_err() {
            return StatusCode::INTERNAL_SERVER_ERROR.into_response();
        }
        text.push(b'\n');
        return ([(header::CONTENT_TYPE, "application/json")], text).into_response();
    }
    let view: serde_json::Map<String, Value> = mine
        .map(|(stream, payloads)| {
            let names: Vec<&str> = payloads
                .iter()
                .filter(|payload| phase.is_none_or(|phase| payload.phase == phase))
                .map(|payload| payload.name.as_str())
                .collect();
            (stream.clone(), json!(names))
        })
        .collect();
    pretty(&Value::Object(view))
}
