//! The routes of both kinds: read, list, create, replace, merge, delete.

use std::collections::BTreeMap;

use axum::{
    Json, Router,
    body::Bytes,
    extract::{Path, Query, State as AxumState},
    http::{HeaderMap, Method, StatusCode, header},
    response::{IntoResponse, Response},
    routing::any,
};
use serde_json::{Map, Value, json};

use super::{
    front::{Target, bad_request, gate},
    labels, lease,
    model::{Kind, follow_streams},
};
use crate::{
    services::Refused,
    unexpected::{Unexpected, unknown_route},
    world::{Shared, World},
};

/// Its routes, without the prefix.
pub fn router() -> Router<Shared> {
    Router::new()
        .route("/apis/{group}/{version}/namespaces/{namespace}/{plural}", any(collection))
        .route("/apis/{group}/{version}/namespaces/{namespace}/{plural}/{name}", any(single))
        .fallback(unknown_route)
}

type Parts = BTreeMap<String, String>;

fn part<'a>(path: &'a Parts, name: &str) -> &'a str {
    path.get(name).map(String::as_str).unwrap_or_default()
}

/// The kind that a path means.
fn kind(path: &Parts) -> Result<Kind, Refused> {
    let api = format!("{}/{}", part(path, "group"), part(path, "version"));
    [Kind::ReleasePayload, Kind::Lease]
        .into_iter()
        .find(|kind| kind.api_version() == api && kind.plural() == part(path, "plural"))
        .ok_or_else(|| Unexpected::new(format!("the resource {api} {}", part(path, "plural"))).into())
}

/// Parameters that do not change what is asked.
const HARMLESS: [&str; 4] = ["pretty", "fieldManager", "fieldValidation", "timeoutSeconds"];

fn strange(query: &Parts, known: &[&str]) -> Result<(), Refused> {
    match query.keys().find(|name| !known.contains(&name.as_str()) && !HARMLESS.contains(&name.as_str())) {
        Some(name) => Err(Unexpected::new(format!("parameter {name}")).into()),
        None => Ok(()),
    }
}

async fn collection(
    AxumState(world): AxumState<Shared>,
    Path(path): Path<Parts>,
    Query(query): Query<Parts>,
    method: Method,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Refused> {
    let kind = kind(&path)?;
    follow_streams(&world);
    let namespace = part(&path, "namespace");
    let target = Target { kind, namespace, name: "" };
    Ok(match method {
        Method::GET => {
            gate(&world, &headers, "list", target)?;
            strange(&query, &["labelSelector", "limit", "continue"])?;
            list(&world, &query, target)
        }
        Method::POST => {
            let object = object(target, &body)?;
            let name =
                object.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default().to_owned();
            let target = Target { kind, namespace, name: &name };
            gate(&world, &headers, "create", target)?;
            strange(&query, &[])?;
            if name.is_empty() {
                let problem = "metadata.name: Required value: name or generateName is required";
                return Err(target.invalid(problem).into());
            }
            if world.kubernetes.lock().view(kind, namespace, &name).is_some() {
                return Err(target.exists().into());
            }
            store(&world, target, &object, StatusCode::CREATED)
        }
        _ => Unexpected::new(format!("{method} on a list of objects")).into_response(),
    })
}

fn list(world: &World, query: &Parts, target: Target<'_>) -> Response {
    let selector = part(query, "labelSelector");
    let state = world.kubernetes.lock();
    let mut items = Vec::new();
    for ((kind, namespace, name), object) in &state.objects {
        if *kind != target.kind || namespace != target.namespace {
            continue;
        }
        match labels::selects(selector, &object.labels) {
            Ok(true) => items.extend(state.view(*kind, namespace, name)),
            Ok(false) => {}
            Err(problem) => return bad_request(&problem),
        }
    }
    let start = part(query, "continue").parse::<usize>().unwrap_or(0);
    let limit = part(query, "limit").parse::<usize>().ok().filter(|limit| *limit > 0).unwrap_or(usize::MAX);
    let total = items.len();
    let page: Vec<Value> = items.into_iter().skip(start).take(limit).collect();
    let end = start.saturating_add(page.len());
    let mut metadata = json!({"resourceVersion": "200000"});
    if end < total {
        metadata["continue"] = end.to_string().into();
        metadata["remainingItemCount"] = (total - end).into();
    }
    Json(json!({
        "apiVersion": target.kind.api_version(),
        "kind": format!("{}List", target.kind.name()),
        "metadata": metadata,
        "items": page,
    }))
    .into_response()
}

async fn single(
    AxumState(world): AxumState<Shared>,
    Path(path): Path<Parts>,
    Query(query): Query<Parts>,
    method: Method,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Refused> {
    let kind = kind(&path)?;
    follow_streams(&world);
    let target = Target { kind, namespace: part(&path, "namespace"), name: part(&path, "name") };
    let verb = match method {
        Method::GET => "get",
        Method::PUT => "update",
        Method::PATCH => "patch",
        Method::DELETE => "delete",
        _ => return Err(Unexpected::new(format!("{method} on an object")).into()),
    };
    gate(&world, &headers, verb, target)?;
    strange(&query, &[])?;
    let found = world.kubernetes.lock().view(kind, target.namespace, target.name);
    let present = found.ok_or_else(|| target.not_found())?;
    Ok(match verb {
        "get" => Json(present).into_response(),
        "delete" => {
            let key = (kind, target.namespace.to_owned(), target.name.to_owned());
            world.kubernetes.lock().objects.remove(&key);
            let details = json!({"name": target.name, "group": kind.group(), "kind": kind.plural()});
            Json(json!({
                "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details,
            }))
            .into_response()
        }
        "update" => {
            let object = object(target, &body)?;
            match object.pointer("/metadata/resourceVersion").and_then(Value::as_str) {
                None | Some("") => target
                    .invalid("metadata.resourceVersion: Invalid value: 0: must be specified for an update"),
                Some(version) if version != version_of(&present) => target.moved(),
                Some(_) => store(&world, target, &object, StatusCode::OK),
            }
        }
        _ => merge(&world, target, &headers, &present, &body),
    })
}

fn version_of(object: &Value) -> &str {
    object.pointer("/metadata/resourceVersion").and_then(Value::as_str).unwrap_or_default()
}

/// The object in a body.
fn object(target: Target<'_>, body: &Bytes) -> Result<Value, Refused> {
    let object: Value = serde_json::from_slice(body)
        .map_err(|error| bad_request(&format!("the object provided is unrecognized: {error}")))?;
    for (field, expected) in
        [("apiVersion", target.kind.api_version()), ("kind", target.kind.name().to_owned())]
    {
        let given = object.get(field).and_then(Value::as_str).unwrap_or_default();
        if given != expected {
            let problem =
                format!("the {field} in the data ({given}) does not match the expected {field} ({expected})");
            return Err(bad_request(&problem).into());
        }
    }
    Ok(object)
}

/// A JSON merge patch (RFC 7396).
fn merge(world: &World, target: Target<'_>, headers: &HeaderMap, present: &Value, body: &Bytes) -> Response {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    // For these objects the strategic form merges maps as the plain one does; custom resources have none.
    let strategic = kind == "application/strategic-merge-patch+json" && target.kind == Kind::Lease;
    if kind != "application/merge-patch+json" && !strategic {
        if kind == "application/json-patch+json" || kind == "application/apply-patch+yaml" {
            return Unexpected::new(format!("a patch of the kind {kind}")).into_response();
        }
        let message = "the body of the request was in an unknown format - accepted media types include: \
                       application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml";
        return target.refuse(StatusCode::UNSUPPORTED_MEDIA_TYPE, "UnsupportedMediaType", message);
    }
    let Ok(patch) = serde_json::from_slice::<Value>(body) else {
        return bad_request("error decoding patch: invalid JSON");
    };
    let wanted = patch.pointer("/metadata/resourceVersion").and_then(Value::as_str);
    if wanted.is_some_and(|wanted| wanted != version_of(present)) {
        return target.moved();
    }
    let mut merged = present.clone();
    apply(&mut merged, &patch);
    if merged == *present {
        return Json(merged).into_response();
    }
    store(world, target, &merged, StatusCode::OK)
}

fn apply(value: &mut Value, patch: &Value) {
    let Value::Object(changes) = patch else {
        *value = patch.clone();
        return;
    };
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    let Some(fields) = value.as_object_mut() else { return };
    for (name, change) in changes {
        if change.is_null() {
            fields.remove(name);
        } else {
            apply(fields.entry(name.clone()).or_insert(Value::Null), change);
        }
    }
}

/// Checks an object and keeps it.
fn store(world: &World, target: Target<'_>, object: &Value, status: StatusCode) -> Response {
    let texts = |pointer: &str| -> Result<BTreeMap<String, String>, String> {
        let Some(entries) = object.pointer(pointer).filter(|entries| !entries.is_null()) else {
            return Ok(BTreeMap::new());
        };
        serde_json::from_value(entries.clone()).map_err(|error| format!("{pointer}: {error}"))
    };
    let (labels, annotations) = match (texts("/metadata/labels"), texts("/metadata/annotations")) {
        (Ok(labels), Ok(annotations)) => (labels, annotations),
        (Err(problem), _) | (_, Err(problem)) => return bad_request(&problem),
    };
    if let Some(problem) = labels.values().find_map(|value| labels::problem(value)) {
        return target.invalid(&problem);
    }
    let mut rest = object.as_object().cloned().unwrap_or_default();
    rest.retain(|name, _| !matches!(name.as_str(), "apiVersion" | "kind" | "metadata"));
    if target.kind == Kind::Lease {
        match lease::check(&rest) {
            Ok(()) => rest = lease::normalized(rest),
            Err(lease::Problem::Shape(problem)) => return bad_request(&problem),
            Err(lease::Problem::Value(problem)) => return target.invalid(&problem),
        }
    }
    let now = world.clock.now();
    let mut state = world.kubernetes.lock();
    let key = (target.kind, target.namespace.to_owned(), target.name.to_owned());
    if !state.objects.contains_key(&key) {
        state.create(target.kind, target.namespace, target.name, now);
    }
    let version = state.next_version();
    if let Some(kept) = state.objects.get_mut(&key) {
        kept.labels = labels;
        kept.annotations = annotations;
        kept.rest = rest;
        kept.version = version;
    }
    match state.view(target.kind, target.namespace, target.name) {
        Some(view) => (status, Json(view)).into_response(),
        None => target.not_found(),
    }
}
