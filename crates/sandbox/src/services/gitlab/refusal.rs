//! How GitLab says no.

use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde_json::json;

use crate::unexpected::Unexpected;

/// Why a request is not fulfilled.
#[derive(Clone, Debug)]
pub(super) enum Refusal {
    /// No token, or an unknown one; also an approval by somebody who may not.
    Unauthorized,
    /// The token's time is over.
    Expired,
    /// The token may not do this; the scope that is needed.
    Scope(&'static str),
    /// The account may not do this.
    Forbidden,
    /// Absent, or not visible: `Project`, `File` …; nothing for the plain message.
    NotFound(&'static str),
    /// A parameter is absent or wrong.
    Parameter(String),
    /// A field breaks a rule.
    Field(&'static str, String),
    /// A rule is broken: one text.
    Message(String),
    /// A rule is broken: a list of texts.
    Messages(String),
    /// Somebody else changed it in the meantime.
    Conflict(String),
    /// The same is there already: a list of texts.
    Conflicts(String),
    /// It cannot be merged now.
    NotAllowed,
    /// It cannot be merged in its present state.
    Unprocessable(String),
    /// GitLab could do it; the sandbox does not.
    Unexpected(Unexpected),
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (status, body) = match self {
            Self::Unauthorized => (StatusCode::UNAUTHORIZED, json!({"message": "401 Unauthorized"})),
            Self::Expired => (
                StatusCode::UNAUTHORIZED,
                json!({
                    "error": "invalid_token",
                    "error_description":
                        "Token is expired. You can either do re-authorization or token refresh.",
                }),
            ),
            Self::Scope(scope) => (
                StatusCode::FORBIDDEN,
                json!({
                    "error": "insufficient_scope",
                    "error_description":
                        "The request requires higher privileges than provided by the access token.",
                    "scope": scope,
                }),
            ),
            Self::Forbidden => (StatusCode::FORBIDDEN, json!({"message": "403 Forbidden"})),
            Self::NotFound("") => (StatusCode::NOT_FOUND, json!({"message": "404 Not found"})),
            Self::NotFound(what) => {
                (StatusCode::NOT_FOUND, json!({"message": format!("404 {what} Not Found")}))
            }
            Self::Parameter(message) => (StatusCode::BAD_REQUEST, json!({"error": message})),
            Self::Field(field, message) => (StatusCode::BAD_REQUEST, json!({"message": {field: [message]}})),
            Self::Message(message) => (StatusCode::BAD_REQUEST, json!({"message": message})),
            Self::Messages(message) => (StatusCode::BAD_REQUEST, json!({"message": [message]})),
            Self::Conflict(message) => (StatusCode::CONFLICT, json!({"message": message})),
            Self::Conflicts(message) => (StatusCode::CONFLICT, json!({"message": [message]})),
            Self::NotAllowed => {
                (StatusCode::METHOD_NOT_ALLOWED, json!({"message": "405 Method Not Allowed"}))
            }
            Self::Unprocessable(message) => (StatusCode::UNPROCESSABLE_ENTITY, json!({"message": message})),
            Self::Unexpected(what) => return what.into_response(),
        };
        (status, Json(body)).into_response()
    }
}
