//! Maps GitHub's refusals to errors.

use std::time::Duration;

use serde::Deserialize;

use super::transport::Purpose;
use crate::clients::empty::{or_default, text};
use crate::error::{ServiceError, ServiceErrorKind};
use crate::http::Reply;
use crate::service::Service;

#[derive(Deserialize)]
struct Refusal {
    #[serde(default, deserialize_with = "text")]
    message: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    errors: serde_json::Value,
}

/// The wait that GitHub's documentation prescribes after a secondary limit whose answer names none: a minute,
/// then longer.
const SECONDARY_LIMIT_WAIT: Duration = Duration::from_mins(1);

/// GitHub's error message: `message`, and the messages of `errors` if there are any.
pub(super) fn message(reply: &Reply) -> String {
    let Ok(refusal) = serde_json::from_slice::<Refusal>(&reply.body) else {
        // A proxy's page, or GitHub's outage page.
        let words = reply.words();
        return if words.is_empty() { String::from("no explanation") } else { words };
    };
    let message = refusal.message.as_deref().unwrap_or("no explanation");
    let mut words = message.split_whitespace().collect::<Vec<_>>().join(" ");
    for error in refusal.errors.as_array().into_iter().flatten() {
        if let Some(detail) = error.as_str().or_else(|| error.get("message")?.as_str()) {
            words = format!("{words}; {detail}");
        }
    }
    words
}

/// The error for an answer to a read.
pub(super) fn of(reply: &Reply) -> ServiceError {
    let words = message(reply);
    if is_rate_limit(reply, &words) {
        return reply.failure(ServiceErrorKind::RateLimited, words);
    }
    let kind = reply.failure_kind().unwrap_or(ServiceErrorKind::Malformed);
    let failure = reply.failure(kind, words);
    match kind {
        ServiceErrorKind::Unauthorized => {
            failure.with_hint("GITHUB_TOKEN is wrong or expired; make a new token and set it.")
        }
        ServiceErrorKind::Forbidden => failure.with_hint(
            "The token in GITHUB_TOKEN lacks a right; it needs to read and write the repository's contents, and \
             its organisation may ask for single sign-on.",
        ),
        _ => failure,
    }
}

/// The error for an answer to a contents write (spec 01 §2.9, §8 S5).
pub(super) fn of_write(reply: &Reply) -> ServiceError {
    let words = message(reply);
    match reply.status.as_u16() {
        // The file to be created exists: somebody else was faster.
        422 if words.contains("\"sha\" wasn't supplied") => reply.failure(ServiceErrorKind::Conflict, words),
        404 => reply.failure(ServiceErrorKind::Forbidden, words).with_hint(
            "GitHub answers 404 to a write that the token may not make: check that the token in GITHUB_TOKEN may \
             write the repository's contents and that the branch exists.",
        ),
        // A success that does not announce a commit.
        200..=399 => reply.failure(ServiceErrorKind::Unclear, "an answer that GitHub does not document"),
        _ => of(reply),
    }
}

/// GitHub says 403 for both of its limits (429 for some): spec 01 §2.9.
fn is_rate_limit(reply: &Reply, words: &str) -> bool {
    matches!(reply.status.as_u16(), 403 | 429)
        && (reply.headers.contains_key("retry-after")
            || reply.headers.get("x-ratelimit-remaining").is_some_and(|left| left == "0")
            || words.to_ascii_lowercase().contains("rate limit")
            || is_secondary_limit(words))
}

/// "You have exceeded a secondary rate limit…", or the older "…triggered an abuse detection mechanism…".
fn is_secondary_limit(words: &str) -> bool {
    let words = words.to_ascii_lowercase();
    words.contains("secondary rate limit") || words.contains("abuse detection")
}

/// How long to wait after a refusal whose headers name no wait (docs.github.com, "Rate limits for the REST API").
pub(super) fn limit_wait(reply: &Reply) -> Option<Duration> {
    let limited = match reply.status.as_u16() {
        403 => is_secondary_limit(&message(reply)),
        429 => true,
        _ => false,
    };
    limited.then_some(SECONDARY_LIMIT_WAIT)
}

/// A write whose answer cannot be read may have taken effect.
pub(super) fn unclear_when_malformed(mut error: ServiceError) -> ServiceError {
    if error.kind == ServiceErrorKind::Malformed {
        error.kind = ServiceErrorKind::Unclear;
    }
    error
}

/// Converts the library's error.
pub(super) fn of_library(error: octocrab::Error, purpose: &Purpose) -> ServiceError {
    match error {
        octocrab::Error::Service { source, .. } => match source.downcast::<ServiceError>() {
            Ok(error) => *error,
            // Only the transport can fail in the stack, so any other error means that the stack itself has
            // ended.
            Err(source) => purpose
                .error(Service::GithubApi, ServiceErrorKind::Unclear, "the connection to GitHub is closed")
                .with_source(source),
        },
        octocrab::Error::Http { .. } => purpose
            .error(Service::GithubApi, ServiceErrorKind::Unauthorized, "the request cannot be built")
            .with_hint("GITHUB_TOKEN may hold only letters, digits and punctuation: no space or line break."),
        error => purpose
            .error(Service::GithubApi, ServiceErrorKind::Rejected, "the request cannot be built")
            .with_source(error),
    }
}
