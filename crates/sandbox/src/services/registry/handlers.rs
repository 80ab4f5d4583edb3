//! The registry's routes.

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{Path, RawQuery, State as AxumState},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
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
        .route("/v2/auth", get(token).post(exchange))
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

/// A token says whose it is (nobody's, or an account's) and for which repository it is good.
fn token_of(owner: &str, scope: &str) -> String {
    format!("{owner}-{}", digest_of(scope.as_bytes()).trim_start_matches("sha256:"))
}

const NOBODY: &str = "anonymous";
const ACCOUNT: &str = "account";

/// Whether a token is one of the registry's own.
fn is_own(token: &str) -> bool {
    [NOBODY, ACCOUNT].iter().any(|owner| token.starts_with(&format!("{owner}-")))
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ")
}

async fn version(AxumState(world): AxumState<Shared>, headers: HeaderMap) -> Response {
    match bearer(&headers) {
        Some(token) if is_own(token) => axum::Json(json!({})).into_response(),
        _ => challenge(&world, None),
    }
}

/// Name and password of basic authentication.
fn account(headers: &HeaderMap) -> Option<(String, String)> {
    let encoded = headers.get(header::AUTHORIZATION)?.to_str().ok()?.strip_prefix("Basic ")?;
    let text = String::from_utf8(STANDARD.decode(encoded).ok()?).ok()?;
    let (name, password) = text.split_once(':')?;
    Some((name.to_owned(), password.to_owned()))
}

async fn token(
    AxumState(world): AxumState<Shared>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let owner = match (headers.contains_key(header::AUTHORIZATION), account(&headers)) {
        (false, _) => NOBODY,
        (true, Some((name, password))) if world.registry.lock().accounts.get(&name) == Some(&password) => {
            ACCOUNT
        }
        (true, _) => {
            let words = "Invalid username or password";
            return refused(StatusCode::UNAUTHORIZED, "UNAUTHORIZED", words);
        }
    };
    issue(&world, owner, &query.unwrap_or_default())
}

/// The way of OAuth 2.0 with a form: an identity token is exchanged.
async fn exchange(AxumState(world): AxumState<Shared>, body: Bytes) -> Response {
    let form: Vec<(String, String)> = form_urlencoded::parse(&body).into_owned().collect();
    let value = |name: &str| form.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str());
    if value("grant_type") != Some("refresh_token") || value("client_id").is_none() {
        return Unexpected::new("a grant other than a refresh token of a named client").into_response();
    }
    let token = value("refresh_token").unwrap_or_default();
    if !world.registry.lock().identity_tokens.contains(token) {
        return refused(StatusCode::UNAUTHORIZED, "UNAUTHORIZED", "invalid refresh token");
    }
    issue(&world, ACCOUNT, &String::from_utf8_lossy(&body))
}

fn issue(world: &World, owner: &str, query: &str) -> Response {
    let query: Vec<(String, String)> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    let value = |name: &str| query.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str());
    if value("service") != Some(SERVICE) {
        return refused(StatusCode::BAD_REQUEST, "UNSUPPORTED", "unknown service");
    }
    let Some(scope) = value("scope") else {
        return axum::Json(json!({"token": format!("{owner}-none")})).into_response();
    };
    let mut parts = scope.splitn(3, ':');
    if let (Some("repository"), Some(_), Some("pull")) = (parts.next(), parts.next(), parts.next()) {
        match world.registry.lock().spelling {
            Spelling::Plain => axum::Json(json!({"token": token_of(owner, scope), "expires_in": 3600})),
            Spelling::Odd => {
                axum::Json(json!({"token": "", "access_token": token_of(owner, scope), "expires_in": null}))
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
    let may = |owner: &str| bearer(&headers) == Some(token_of(owner, &scope).as_str());
    if !may(ACCOUNT) && (!may(NOBODY) || world.registry.lock().hides(repository)) {
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
    if bearer(&headers).is_some_and(|token| !is_own(token)) {
        return (StatusCode::BAD_REQUEST, "Only one auth mechanism allowed").into_response();
    }
    match world.registry.lock().blobs.get(&digest) {
        Some(blob) => {
            ([(header::CONTENT_TYPE, "application/octet-stream")], Body::from(blob.clone())).into_response()
        }
        None => (StatusCode::NOT_FOUND, "NoSuchKey").into_response(),
    }
}
