//! What no service of the sandbox knows: refused, remembered, and a failed test.

use std::sync::{Mutex, PoisonError};

use axum::{
    Json,
    extract::OriginalUri,
    http::{Method, StatusCode},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use serde_json::json;

/// A handler's answer to something that the sandbox does not simulate: 501, and the request is remembered.
///
/// A refusal that the real service makes too is an ordinary answer, never this.
#[derive(Clone, Debug)]
pub struct Unexpected(pub String);

impl Unexpected {
    /// With what is not simulated: `query parameter visibility`.
    pub fn new(what: impl Into<String>) -> Self {
        Self(what.into())
    }
}

impl IntoResponse for Unexpected {
    fn into_response(self) -> Response {
        let body = Json(json!({"message": format!("The sandbox does not simulate this: {}", self.0)}));
        let mut response = (StatusCode::NOT_IMPLEMENTED, body).into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// Marks an answer with 405 as that of the real service: without it, a known path with an unknown method is not simulated.
#[derive(Clone, Copy, Debug)]
pub struct Meant;

/// The answer for a route that no service has.
pub async fn unknown_route(method: Method, OriginalUri(uri): OriginalUri) -> Unexpected {
    Unexpected(format!("{method} {uri}"))
}

/// A request that was refused as unexpected.
#[derive(Clone, Debug, Serialize)]
pub struct UnexpectedRequest {
    /// Number of the request in the log.
    pub seq: u64,
    /// The service it went to.
    pub service: String,
    /// HTTP method.
    pub method: String,
    /// Path inside the service.
    pub path: String,
    /// What the sandbox does not know.
    pub reason: String,
}

/// All unexpected requests so far.
#[derive(Debug, Default)]
pub struct UnexpectedLog {
    entries: Mutex<Vec<UnexpectedRequest>>,
}

impl UnexpectedLog {
    /// Everything so far.
    pub fn all(&self) -> Vec<UnexpectedRequest> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Forgets everything.
    pub fn clear(&self) {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    pub(crate) fn add(&self, entry: UnexpectedRequest) {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner).push(entry);
    }
}
