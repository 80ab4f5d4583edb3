//! Errors as Google Sheets words them.

use axum::http::StatusCode;
use serde_json::json;

pub(super) use crate::services::Refused as Refusal;
use crate::services::google_oauth::refusal;

/// The request is wrong.
pub(super) fn invalid(message: &str) -> Refusal {
    Refusal::from(refusal(StatusCode::BAD_REQUEST, "INVALID_ARGUMENT", message, None))
}

/// There is no such spreadsheet.
pub(super) fn not_found() -> Refusal {
    Refusal::from(refusal(StatusCode::NOT_FOUND, "NOT_FOUND", "Requested entity was not found.", None))
}

/// The spreadsheet is not shared with the caller, or not for writing.
pub(super) fn forbidden() -> Refusal {
    let message = "The caller does not have permission";
    Refusal::from(refusal(StatusCode::FORBIDDEN, "PERMISSION_DENIED", message, None))
}

/// The caller asked too often; `kind` is `Read` or `Write`.
pub(super) fn exhausted(kind: &str, limit: usize) -> Refusal {
    let message = format!(
        "Quota exceeded for quota metric '{kind} requests' and limit '{kind} requests per minute per user' of service \
         'sheets.googleapis.com' for consumer 'project_number:100000000001'."
    );
    let details = json!({
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": "RATE_LIMIT_EXCEEDED",
        "domain": "googleapis.com",
        "metadata": {
            "service": "sheets.googleapis.com",
            "quota_limit": format!("{kind}RequestsPerMinutePerUser"),
            "quota_limit_value": limit.to_string(),
        },
    });
    Refusal::from(refusal(StatusCode::TOO_MANY_REQUESTS, "RESOURCE_EXHAUSTED", &message, Some(details)))
}
