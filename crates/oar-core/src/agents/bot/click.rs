//! A click on a button of a plan, as Slack tells it (spec 05 §4.6, "clicks").

use serde::Deserialize;

use super::approval::{Click, PlanAnswer};
use crate::clients::empty;
use crate::clients::slack::UserId;

/// What the button for consent says it is.
pub const APPROVE: &str = "approve";
/// What the other one says.
pub const REJECT: &str = "reject";

/// A click, and where it was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IncomingClick {
    /// The click.
    pub click: Click,
    /// The channel's id.
    pub channel: String,
    /// The message with the button.
    pub message: String,
    /// The first message of the thread.
    pub thread: String,
}

#[derive(Deserialize)]
struct Payload {
    #[serde(rename = "type", default, deserialize_with = "empty::or_default")]
    kind: Option<String>,
    user: User,
    container: Container,
    #[serde(default, deserialize_with = "empty::list")]
    actions: Vec<Action>,
}

#[derive(Deserialize)]
struct User {
    id: String,
}

#[derive(Deserialize)]
struct Container {
    channel_id: String,
    message_ts: String,
    #[serde(default, deserialize_with = "empty::or_default")]
    thread_ts: Option<String>,
}

#[derive(Deserialize)]
struct Action {
    #[serde(default, deserialize_with = "empty::or_default")]
    action_id: Option<String>,
    #[serde(default, deserialize_with = "empty::or_default")]
    value: Option<String>,
}

impl IncomingClick {
    /// The click of an interactive payload; `None` when it is no click on a button of ours.
    pub fn of_payload(payload: &str) -> Option<Self> {
        let payload: Payload = serde_json::from_str(payload).ok()?;
        let action = payload
            .actions
            .into_iter()
            .next()
            .filter(|_| payload.kind.as_deref() == Some("block_actions"))?;
        let answer = match action.action_id.as_deref() {
            Some(APPROVE) => PlanAnswer::Approve,
            Some(REJECT) => PlanAnswer::Reject,
            _ => return None,
        };
        let Container { channel_id: channel, message_ts: message, thread_ts } = payload.container;
        Some(Self {
            click: Click { question: action.value?, answer, user: UserId(payload.user.id) },
            channel,
            thread: thread_ts.unwrap_or_else(|| message.clone()),
            message,
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_a_click_on_our_buttons_is_one() {
        let payload = |action: &str, kind: &str| {
            json!({
                "type": kind, "user": {"id": "U0ANN"}, "trigger_id": "1",
                "container": {"channel_id": "C0AAA", "message_ts": "2.0", "thread_ts": "1.0"},
                "actions": [{"action_id": action, "value": "q"}],
            })
            .to_string()
        };
        let click = IncomingClick::of_payload(&payload("approve", "block_actions")).unwrap();
        assert_eq!((click.click.answer, click.click.question.as_str()), (PlanAnswer::Approve, "q"));
        assert_eq!((click.thread.as_str(), click.message.as_str()), ("1.0", "2.0"));
        assert!(IncomingClick::of_payload(&payload("reject", "block_actions")).is_some());
        for other in [payload("other", "block_actions"), payload("approve", "view_submission"), "{}".into()] {
            assert_eq!(IncomingClick::of_payload(&other), None, "{other}");
        }
    }
}
