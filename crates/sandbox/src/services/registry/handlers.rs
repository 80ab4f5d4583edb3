//! The registry's routes.

use axum::{
    Router,
    body::Body,
    extract::{Path, RawQuery, State as AxumState},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use serde_json::{Value, json};
use url::form_urlencoded;

use super::model::{MANIFEST_TYPE, Spelling, State, digest_of};
use crate::{
    unexpected::{Unexpected, unknown_route},
    world::{Shared, World},
};

/// What the token service calls the registry.
const SERVICE: &str = "registry.example.test";

/// Its routes, without the prefix.
pub fn router() -> Router<Shared> {
    Router::new()
        .route("/v2/", get(version))
        .route("/v2/auth", get(token))
        .route("/v2/{*rest}", get(content))
        .route("/storage/{digest}", get(storage))
        .fallback(unknown_route)
        .method_not_allowed_fallback(unknown_route)
}

fn refused(status: StatusCode, code: &str, message: &str) -> Response {
    let body = json!({"errors": [{"code": code, "message": message, "detail": {}}]});
    (status, axum::Json(body)).into_response()
}

fn challenge(world: &World, scope: Option<&str>) -> Response {
    let realm = format!("{}/v2/auth", world.url("/registry"));
    let scope = scope.map(|scope| format!(",scope=\"{scope}\"")).unwrap_or_default();
    let mut value = format!("Bearer realm=\"{realm}\",service=\"{SERVICE}\"{scope}");
    if world.registry.lock().spelling == Spelling::Odd {
        value = format!("Basic realm=\"{SERVICE}, for Bearer too\", {value}");
    }
    let mut response = refused(
        StatusCode::UNAUTHORIZED,
        "UNAUTHORIZED",
        "access to the requested resource is not authorized",
    );
    if let Ok(value) = value.parse() {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, value);
    }
    response
}

/// A token says for which repository it is good.
fn token_of(scope: &str) -> String {
    format!("anonymous-{}", digest_of(scope.as_bytes()).trim_start_matches("sha256:"))
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ")
}

async fn version(AxumState(world): AxumState<Shared>, headers: HeaderMap) -> Response {
    match bearer(&headers) {
        Some(token) if token.starts_with("anonymous-") => axum::Json(json!({})).into_response(),
        _ => challenge(&world, None),
    }
}

async fn token(AxumState(world): AxumState<Shared>, RawQuery(query): RawQuery) -> Response {
    let query: Vec<(String, String)> =
        form_urlencoded::parse(query.unwrap_or_default().as_bytes()).into_owned().collect();
    let value = |name: &str| query.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str());
    if value("service") != Some(SERVICE) {
        return refused(StatusCode::BAD_REQUEST, "UNSUPPORTED", "unknown service");
    }
    let Some(scope) = value("scope") else {
        return axum::Json(json!({"token": "anonymous-none"})).into_response();
    };
    let mut parts = scope.splitn(3, ':');
    if let (Some("repository"), Some(_), Some("pull")) = (parts.next(), parts.next(), parts.next()) {
        match world.registry.lock().spelling {
            Spelling::Plain => axum::Json(json!({"token": token_of(scope), "expires_in": 3600})),
            Spelling::Odd => {
                axum::Json(json!({"token": "", "access_token": token_of(scope), "expires_in": null}))
            }
        }
        .into_response()
    } else {
        Unexpected::new(format!("the scope {scope} for an anonymous caller")).into_response()
    }
}

async fn content(
    AxumState(world): AxumState<Shared>,
    Path(rest): Path<String>,
    headers: HeaderMap,
) -> Response {
    let mut parts = rest.rsplitn(3, '/');
    let (Some(reference), Some(kind), Some(repository)) = (parts.next(), parts.next(), parts.next()) else {
        return Unexpected::new(format!("the path /v2/{rest}")).into_response();
    };
    let scope = format!("repository:{repository}:pull");
    if bearer(&headers) != Some(token_of(&scope).as_str()) {
        return challenge(&world, Some(&scope));
    }
    let state = world.registry.lock();
    match kind {
        "manifests" => manifest(&state, repository, reference, &headers),
        "blobs" if !state.repositories.contains_key(repository) || !state.blobs.contains_key(reference) => {
            refused(StatusCode::NOT_FOUND, "BLOB_UNKNOWN", "blob unknown to registry")
        }
        "blobs" => {
            let place = format!("{}/storage/{reference}?signature=made-up", world.url("/registry"));
            (StatusCode::TEMPORARY_REDIRECT, [(header::LOCATION, place)]).into_response()
        }
        other => Unexpected::new(format!("{other} of a repository")).into_response(),
    }
}

fn manifest(state: &State, repository: &str, reference: &str, headers: &HeaderMap) -> Response {
    let found = state.repositories.get(repository).and_then(|repository| {
        let digest = repository.tags.get(reference).map_or(reference, String::as_str);
        Some((digest.to_owned(), repository.manifests.get(digest)?.clone()))
    });
    let Some((digest, manifest)) = found else {
        return refused(StatusCode::NOT_FOUND, "MANIFEST_UNKNOWN", "manifest unknown");
    };
    let accepted = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    let document: Value = serde_json::from_slice(&manifest).unwrap_or_default();
    let kind = document.get("mediaType").and_then(Value::as_str).unwrap_or(MANIFEST_TYPE).to_owned();
    if !accepted.contains(&kind) {
        // The real one would convert to an old schema, which is not simulated.
        return Unexpected::new(format!("a manifest as {accepted:?}")).into_response();
    }
    let headers = [
        (header::CONTENT_TYPE.as_str(), kind),
        ("docker-content-digest", digest),
        ("docker-distribution-api-version", "registry/2.0".to_owned()),
    ];
    (headers, Body::from(manifest)).into_response()
}

/// The storage of blobs, which accepts only signed URLs.
async fn storage(
    AxumState(world): AxumState<Shared>,
    Path(digest): Path<String>,
    headers: HeaderMap,
) -> Response {
    // The sandbox has one port for all, so a client that goes by origin sends its token here too, as it may.
    if bearer(&headers).is_some_and(|token| !token.starts_with("anonymous-")) {
        return (StatusCode::BAD_REQUEST, "Only one auth mechanism allowed").into_response();
    }
    match world.registry.lock().blobs.get(&digest) {
        Some(blob) => {
            ([(header::CONTENT_TYPE, "application/octet-stream")], Body::from(blob.clone())).into_response()
        }
        None => (StatusCode::NOT_FOUND, "NoSuchKey").into_response(),
    }
}
