//! Maps Slack's refusals to errors and hints.

use serde::Deserialize;
use slack_morphism::errors::SlackClientError;

use super::connector::Connector;
use crate::error::{ServiceError, ServiceErrorKind};
use crate::http::Repeat;

/// The member of a refusal that names the missing scope.
#[derive(Deserialize)]
struct Refusal {
    needed: Option<String>,
}

/// Converts the library's error.
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
        "invalid_auth"
        | "not_authed"
        | "account_inactive"
        | "token_revoked"
        | "token_expired"
        | "user_removed_from_team"
        | "team_disabled" => (
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
                "Check the channel where it is named (--slack-channel, or contacts.slack in the configuration); a bot \
                 sees a private channel only when it is a member.",
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
        "restricted_action" | "restricted_action_read_only_channel" => (
            ServiceErrorKind::Forbidden,
            Some(String::from(
                "The channel lets only some people post: ask its managers to allow the bot, or name another channel \
                 under contacts.slack.",
            )),
        ),
        "restricted_action_thread_only_channel" => (
            ServiceErrorKind::Forbidden,
            Some(String::from(
                "The channel takes replies in threads only: ask its managers to allow the bot's messages, or name another \
                 channel under contacts.slack.",
            )),
        ),
        "cannot_reply_to_message"
        | "restricted_action_non_threadable_channel"
        | "restricted_action_thread_locked" => (
            ServiceErrorKind::Forbidden,
            Some(String::from("The thread takes no replies: the message belongs into the channel itself.")),
        ),
        "message_limit_exceeded" | "accesslimited" => (
            ServiceErrorKind::Forbidden,
            Some(String::from("The Slack workspace is over a limit of its plan: ask its administrators.")),
        ),
        "plan_upgrade_required" => (
            ServiceErrorKind::Forbidden,
            Some(String::from("The Slack workspace has no user groups in its plan: ask its administrators.")),
        ),
        "team_not_found" | "missing_argument" | "invalid_team" => (
            ServiceErrorKind::Rejected,
            Some(String::from(
                "The bot's token may be of a whole organisation, which knows no channel by its name: name channels by \
                 their ids (C…) under contacts.slack, or set a token of the workspace.",
            )),
        ),
        "no_permission"
        | "access_denied"
        | "team_access_not_granted"
        | "ekm_access_denied"
        | "not_allowed_token_type" => (
            ServiceErrorKind::Forbidden,
            Some(String::from(
                "SLACK_BOT_TOKEN lacks this right: ask the administrators of the Slack workspace.",
            )),
        ),
        "ratelimited" | "rate_limited" => (ServiceErrorKind::RateLimited, None),
        // Slack documents that these may be returned after it acted.
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
