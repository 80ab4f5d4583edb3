//! Maps GitLab's refusals to errors (spec 03 §2.2, §2.3).

use gitlab::api::ApiError;
use serde_json::Value;

use super::transport::Operation;
use crate::error::{ServiceError, ServiceErrorKind};
use crate::http::{Repeat, Reply};

/// The error for an answer, with GitLab's message.
pub(super) fn of(reply: &Reply, kind: ServiceErrorKind) -> ServiceError {
    let words = message(&reply.body);
    let failure = reply.failure(kind, &words);
    match kind {
        ServiceErrorKind::Unauthorized => {
            failure.with_hint("GITLAB_TOKEN is wrong or expired; make a new token and set it.")
        }
        ServiceErrorKind::Forbidden if words.contains("insufficient_scope") => {
            failure.with_hint("The token in GITLAB_TOKEN needs the scope `api`; make a new one with it.")
        }
        ServiceErrorKind::Forbidden => {
            failure.with_hint("The owner of the token in GITLAB_TOKEN lacks this right in the project.")
        }
        ServiceErrorKind::NotFound => failure.with_hint(
            "GitLab also answers 404 for what the token's owner may not see: check the address and that the \
             owner of GITLAB_TOKEN is a member of the project.",
        ),
        _ => failure,
    }
}

/// GitLab's error message: `message` (a string, or strings by field) or `error`.
fn message(body: &[u8]) -> String {
    let Ok(body) = serde_json::from_slice::<Value>(body) else { return String::from("no explanation") };
    let words = body.get("message").map(words);
    let error = match (body.get("error").map(self::words), body.get("error_description").map(self::words)) {
        (Some(error), Some(description)) => Some(format!("{error}: {description}")),
        (error, _) => error,
    };
    words.or(error).unwrap_or_else(|| String::from("no explanation"))
}

fn words(value: &Value) -> String {
    match value {
        Value::String(text) => text.split_whitespace().collect::<Vec<_>>().join(" "),
        Value::Array(items) => items.iter().map(words).collect::<Vec<_>>().join(", "),
        Value::Object(fields) => fields
            .iter()
            .map(|(field, value)| format!("{field}: {}", words(value)))
            .collect::<Vec<_>>()
            .join("; "),
        other => other.to_string(),
    }
}

/// Converts the library's error. Refusals are converted already; what is left are answers without the
/// expected JSON. After a write it is then unknown whether GitLab acted.
pub(super) fn of_library(error: ApiError<ServiceError>, operation: &Operation<'_>) -> ServiceError {
    let kind = match operation.repeat {
        Repeat::Safe => ServiceErrorKind::Malformed,
        Repeat::OnlyWhenRefused => ServiceErrorKind::Unclear,
    };
    match error {
        ApiError::Client { source } if source.kind == ServiceErrorKind::Malformed => {
            ServiceError { kind, ..source }
        }
        ApiError::Client { source } => source,
        ApiError::Json { source } | ApiError::DataType { source, .. } => {
            operation.error(kind, format!("not the JSON that was expected: {source}")).with_source(source)
        }
        ApiError::GitlabService { status, .. } => {
            operation.error(kind, "not the JSON that was expected").with_status(status.as_u16())
        }
        error @ (ApiError::UrlParse { .. } | ApiError::Body { .. }) => {
            operation.error(ServiceErrorKind::Rejected, error.to_string()).with_source(error)
        }
        error => operation.error(kind, error.to_string()).with_source(error),
    }
}
