//! How the Errata Tool says no.

use std::collections::BTreeMap;

use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde_json::json;

/// Why a request is not fulfilled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// There is no such record.
    NotFound(String),
    /// The request cannot be understood, or a push target refuses: 400.
    BadRequest(BTreeMap<String, Vec<String>>),
    /// A rule forbids it: 422, messages by field.
    Invalid(BTreeMap<String, Vec<String>>),
    /// A required parameter is absent: 400 with one message.
    MissingParameter(String),
    /// Something that the request names is not known: 400 with this message.
    Unknown(String),
}

impl Refusal {
    /// A rule that belongs to no field.
    pub(super) fn base(message: impl Into<String>) -> Self {
        Self::Invalid(BTreeMap::from([("base".to_owned(), vec![message.into()])]))
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        match self {
            Self::NotFound(what) => {
                (StatusCode::NOT_FOUND, Json(json!({"error": format!("Couldn't find {what}")})))
            }
            Self::BadRequest(errors) => (StatusCode::BAD_REQUEST, Json(json!({"errors": errors}))),
            Self::Invalid(errors) => (StatusCode::UNPROCESSABLE_ENTITY, Json(json!({"errors": errors}))),
            Self::Unknown(message) => (StatusCode::BAD_REQUEST, Json(json!({"error": message}))),
            Self::MissingParameter(name) => (
                StatusCode::BAD_REQUEST,
                Json(json!({"error": format!("param is missing or the value is empty: {name}")})),
            ),
        }
        .into_response()
    }
}
