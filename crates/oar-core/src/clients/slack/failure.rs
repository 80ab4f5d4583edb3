//! What Slack's refusals mean and what to do about them.

use serde::Deserialize;
use slack_morphism::errors::SlackClientError;

use super::connector::Connector;
use crate::error::{ServiceError, ServiceErrorKind};
use crate::http::Repeat;

/// The part of a refusal that names the scope a token lacks.
#[derive(Deserialize)]
struct Refusal {
    needed: Option<String>,
}

/// Our own error out of the library's.
pub(super) fn of_library(error: SlackClientError, connector: &Connector) -> ServiceError {
    match error {
        SlackClientError::SystemError(mut system) => {
            let error = connector.error(ServiceErrorKind::Malformed, "the library failed");
            let Some(cause) = system.cause.take() else { return error };
            match cause.downcast() {
                Ok(error) => *error,
                Err(cause) => error.with_source(cause),
            }
        }
        SlackClientError::ApiError(refusal) => {
            let needed = refusal
                .http_response_body
                .as_deref()
                .and_then(|body| serde_json::from_str::<Refusal>(body).ok())
                .and_then(|refusal| refusal.needed);
            of_code(&refusal.code, needed.as_deref(), connector)
        }
        other => connector.error(ServiceErrorKind::Malformed, "the library failed").with_source(other),
    }
}

fn of_code(code: &str, needed: Option<&str>, connector: &Connector) -> ServiceError {
    let detail = connector.http.redactor().redact(code).chars().take(100).collect::<String>();
    let (kind, hint) = match code {
        "invalid_auth" | "not_authed" | "account_inactive" | "token_revoked" | "token_expired" => (
            ServiceErrorKind::Unauthorized,
            Some(String::from("SLACK_BOT_TOKEN is wrong, expired or revoked; set the bot's current token.")),
        ),
        "missing_scope" => (
            ServiceErrorKind::Forbidden,
            Some(needed.map_or_else(
                || String::from("Give the Slack app the scope that this needs and install it again."),
                |needed| format!("Give the Slack app the scope `{needed}` and install it again."),
            )),
        ),
        "channel_not_found" => (
            ServiceErrorKind::NotFound,
            Some(String::from(
                "Check the channel under contacts.slack in the configuration; a bot sees a private channel only \
                 when it is a member.",
            )),
        ),
        "not_in_channel" => (
            ServiceErrorKind::Forbidden,
            Some(String::from("Invite the bot to the channel: /invite followed by the bot's name.")),
        ),
        "is_archived" => (
            ServiceErrorKind::Rejected,
            Some(String::from("The channel is archived; name another one under contacts.slack.")),
        ),
        "users_not_found" | "user_not_found" | "thread_not_found" | "message_not_found" => {
            (ServiceErrorKind::NotFound, None)
        }
        "no_permission"
        | "access_denied"
        | "team_access_not_granted"
        | "ekm_access_denied"
        | "restricted_action"
        | "not_allowed_token_type" => (ServiceErrorKind::Forbidden, None),
        "ratelimited" | "rate_limited" => (ServiceErrorKind::RateLimited, None),
        // Slack documents that these may come after it acted.
        "fatal_error" | "internal_error" | "request_timeout"
            if connector.repeat == Repeat::OnlyWhenRefused =>
        {
            (ServiceErrorKind::Unclear, None)
        }
        "fatal_error"
        | "internal_error"
        | "request_timeout"
        | "service_unavailable"
        | "team_added_to_org" => (ServiceErrorKind::Unavailable, None),
        _ => (ServiceErrorKind::Rejected, None),
    };
    let error = connector.error(kind, detail);
    match hint {
        Some(hint) => error.with_hint(hint),
        None => error,
    }
}
