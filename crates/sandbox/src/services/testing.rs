//! Calls to the routes without a server, for the services' unit tests.

use std::sync::Arc;

use axum::{
    body::{Body, to_bytes},
    http::Request,
};
use tower::ServiceExt as _;

pub(crate) use crate::testing::Answer;
use crate::{
    clock::ClockStart,
    scenario,
    world::{Shared, World},
};

/// A world with the scenario's data, standing at noon of 2026-07-02.
pub(crate) fn world() -> Shared {
    let start = ClockStart::Frozen("2026-07-02T12:00:00Z".parse().unwrap());
    let world = World::new("http://127.0.0.1:8765".to_owned(), start);
    scenario::load(&world);
    Arc::new(world)
}

/// Sends one request to the services.
pub(crate) async fn call(
    world: &Shared,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: impl Into<Body>,
) -> Answer {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(body.into()).unwrap();
    let response = super::router().with_state(Arc::clone(world)).oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let bytes = to_bytes(body, usize::MAX).await.unwrap();
    Answer {
        status: parts.status.as_u16(),
        headers: parts.headers,
        text: String::from_utf8(bytes.to_vec()).unwrap(),
    }
}

/// The status of a `GET` whose answer may be no text.
pub(crate) async fn status(world: &Shared, path: &str) -> u16 {
    let request = Request::builder().uri(path).body(Body::empty()).unwrap();
    let response = super::router().with_state(Arc::clone(world)).oneshot(request).await.unwrap();
    response.status().as_u16()
}
