//! Errors as Google's services word them.

use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

/// An error of a Google service: `status` is its name among Google's codes, such as `PERMISSION_DENIED`.
pub fn refusal(code: StatusCode, status: &str, message: &str, details: Option<Value>) -> Response {
    let mut error = json!({"code": code.as_u16(), "message": message, "status": status});
    if let Some(details) = details {
        error["details"] = json!([details]);
    }
    (code, Json(json!({"error": error}))).into_response()
}

/// An error of the token service.
pub(super) fn oauth(error: &str, description: &str) -> Response {
    let body = json!({"error": error, "error_description": description});
    (StatusCode::BAD_REQUEST, Json(body)).into_response()
}
