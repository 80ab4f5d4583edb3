//! The download root: static files by name, version and release.

use axum::{
    Json, Router,
    extract::{Path, State as AxumState},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};

use crate::{
    unexpected::{Unexpected, unknown_route},
    world::Shared,
};

/// Its routes, without the prefix.
pub fn router() -> Router<Shared> {
    Router::new()
        .route("/", get(crate::services::front_page))
        .route("/packages/{name}/{version}/{release}/metadata.json", get(metadata))
        .fallback(unknown_route)
        .method_not_allowed_fallback(unknown_route)
}

async fn metadata(
    AxumState(world): AxumState<Shared>,
    Path((name, version, release)): Path<(String, String, String)>,
    headers: HeaderMap,
) -> Response {
    if headers.contains_key(header::AUTHORIZATION) {
        // A file server has no use for a Kerberos ticket, and should not be offered one.
        return Unexpected::new("a proof of identity for a public file").into_response();
    }
    let nvr = format!("{name}-{version}-{release}");
    match world.brew.lock().builds.get(&nvr).and_then(|build| build.metadata.clone()) {
        Some(metadata) => Json(metadata).into_response(),
        None => {
            (StatusCode::NOT_FOUND, "<html><head><title>404 Not Found</title></head></html>").into_response()
        }
    }
}
