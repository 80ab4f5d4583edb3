//! How Jira says no.

use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde_json::{Map, Value, json};

/// Why a request is not fulfilled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The issue is absent or hidden; Jira Cloud does not say which.
    NoIssue,
    /// Something else is absent: 404 with this message.
    NotFound(String),
    /// 400 with a message.
    Bad(String),
    /// 400 with several messages.
    Several(Vec<String>),
    /// 400 with messages by field.
    Fields(Vec<(String, String)>),
    /// 401: only for somebody who logged in.
    LogIn,
    /// 403 with a message.
    Forbidden(String),
    /// 410: the old search.
    Gone,
}

impl Refusal {
    /// 400 about one field.
    pub(super) fn field(name: &str, message: impl Into<String>) -> Self {
        Self::Fields(vec![(name.to_owned(), message.into())])
    }
}

/// What Cloud answers for an absent and for a hidden issue.
pub(super) const NO_ISSUE: &str = "Issue does not exist or you do not have permission to see it.";

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (status, message) = match self {
            Self::NoIssue => (StatusCode::NOT_FOUND, NO_ISSUE.to_owned()),
            Self::NotFound(message) => (StatusCode::NOT_FOUND, message),
            Self::Bad(message) => (StatusCode::BAD_REQUEST, message),
            Self::Forbidden(message) => (StatusCode::FORBIDDEN, message),
            Self::Gone => (
                StatusCode::GONE,
                "The requested API has been removed. Please migrate to the /rest/api/3/search/jql API."
                    .to_owned(),
            ),
            Self::Several(messages) => {
                let body = Json(json!({"errorMessages": messages, "errors": {}}));
                return (StatusCode::BAD_REQUEST, body).into_response();
            }
            Self::Fields(errors) => {
                let errors: Map<String, Value> =
                    errors.into_iter().map(|(name, message)| (name, json!(message))).collect();
                let body = Json(json!({"errorMessages": [], "errors": errors}));
                return (StatusCode::BAD_REQUEST, body).into_response();
            }
            Self::LogIn => {
                let text = "Client must be authenticated to access this resource.";
                return (StatusCode::UNAUTHORIZED, text).into_response();
            }
        };
        (status, Json(json!({"errorMessages": [message], "errors": {}}))).into_response()
    }
}
