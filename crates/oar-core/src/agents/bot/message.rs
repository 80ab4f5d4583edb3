//! A message as an event tells of it (spec 05 §4.2, §4.6).

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::clients::empty;
use crate::clients::slack::UserId;

/// A message's name: one in its channel, whatever tells of it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct MessageKey {
    /// The channel's id.
    pub channel: String,
    /// The message's time stamp.
    pub ts: String,
}

impl fmt::Display for MessageKey {
    /// The id under which its command stands in histories.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "slack-{}-{}", self.channel, self.ts)
    }
}

/// A message that a person wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IncomingMessage {
    /// Its name.
    pub key: MessageKey,
    /// Who wrote it.
    pub user: UserId,
    /// The text in Slack's markup.
    pub text: String,
    /// The first message of the thread that it stands in.
    pub thread: Option<String>,
    /// The name that the person's program gave to the gesture of sending.
    pub client_id: Option<String>,
}

/// Why an event is nobody's command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ignored {
    /// It tells of no message: a reaction, a member that joined.
    OtherEvent,
    /// A message that was changed or deleted, or one that Slack itself wrote.
    Subtype,
    /// A program wrote it.
    Bot,
    /// It has no author or no words.
    Empty,
}

/// An event that is none.
#[derive(Debug, thiserror::Error)]
#[error("an event cannot be read")]
pub struct InvalidEvent(#[source] serde_json::Error);

/// Only what is read: whatever else Slack adds, or changes in the blocks, a command is not lost for it.
#[derive(Deserialize)]
struct Event {
    #[serde(rename = "type", default, deserialize_with = "empty::or_default")]
    kind: Option<String>,
    #[serde(default, deserialize_with = "empty::or_default")]
    subtype: Option<String>,
    #[serde(default, deserialize_with = "empty::or_default")]
    bot_id: Option<String>,
    #[serde(default, deserialize_with = "empty::or_default")]
    bot_profile: Option<serde_json::Value>,
    #[serde(default, deserialize_with = "empty::or_default")]
    edited: Option<serde_json::Value>,
    #[serde(default, deserialize_with = "empty::or_default")]
    user: Option<String>,
    #[serde(default, deserialize_with = "empty::or_default")]
    text: Option<String>,
    #[serde(default, deserialize_with = "empty::or_default")]
    channel: Option<String>,
    #[serde(default, deserialize_with = "empty::or_default")]
    ts: Option<String>,
    #[serde(default, deserialize_with = "empty::or_default")]
    thread_ts: Option<String>,
    #[serde(default, deserialize_with = "empty::or_default")]
    client_msg_id: Option<String>,
}

impl IncomingMessage {
    /// The message of an event, in either of its forms: `message` or `app_mention`.
    ///
    /// # Errors
    ///
    /// The event has another shape than Slack's events.
    pub fn of_event(event: &str) -> Result<Result<Self, Ignored>, InvalidEvent> {
        let event: Event = serde_json::from_str(event).map_err(InvalidEvent)?;
        Ok(event.message())
    }

    /// Where answers go: into the thread that it stands in, otherwise into one below it. A thread is named by its first
    /// message, never by an answer in it.
    pub fn reply_thread(&self) -> &str {
        self.thread.as_deref().unwrap_or(&self.key.ts)
    }

    /// When it was written, by Slack's clock, in whole seconds.
    pub fn written(&self) -> Option<Timestamp> {
        let (seconds, _) = self.key.ts.split_once('.')?;
        Timestamp::from_second(seconds.parse().ok()?).ok()
    }
}

impl Event {
    fn message(self) -> Result<IncomingMessage, Ignored> {
        if !matches!(self.kind.as_deref(), Some("message" | "app_mention")) {
            return Err(Ignored::OtherEvent);
        }
        if self.bot_id.is_some() || self.bot_profile.is_some() {
            return Err(Ignored::Bot);
        }
        // An answer that the channel shows as well, and a message with a file, were written by a person now.
        if !matches!(self.subtype.as_deref(), None | Some("thread_broadcast" | "file_share")) {
            return Err(Ignored::Subtype);
        }
        if self.edited.is_some() {
            return Err(Ignored::Subtype);
        }
        let given = |text: Option<String>| text.filter(|text| !text.is_empty()).ok_or(Ignored::Empty);
        Ok(IncomingMessage {
            user: UserId(given(self.user)?),
            text: given(self.text)?,
            key: MessageKey { channel: given(self.channel)?, ts: given(self.ts)? },
            thread: self.thread_ts.filter(|thread| !thread.is_empty()),
            client_id: self.client_msg_id.filter(|id| !id.is_empty()),
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn event(change: &Value) -> Value {
        let mut event = json!({
            "type": "message", "user": "U0ANN", "text": "oar status", "channel": "C0AAA", "ts": "1.000001",
            "client_msg_id": "a-b", "blocks": [{"type": "nobody knows"}], "team": "T0",
        });
        for (name, value) in change.as_object().unwrap() {
            event[name] = value.clone();
        }
        event
    }

    fn read(change: &Value) -> Result<IncomingMessage, Ignored> {
        IncomingMessage::of_event(&event(change).to_string()).unwrap()
    }

    #[test]
    fn both_forms_are_the_same_message() {
        let message = read(&json!({})).unwrap();
        assert_eq!(read(&json!({"type": "app_mention", "event_ts": "1.000001"})).unwrap(), message);
        assert_eq!(message.key.to_string(), "slack-C0AAA-1.000001");
        assert_eq!(message.reply_thread(), "1.000001");
        let answer = read(&json!({"thread_ts": "0.5", "subtype": "thread_broadcast"})).unwrap();
        assert_eq!(answer.reply_thread(), "0.5");
    }

    #[test]
    fn what_no_person_wrote_now_is_ignored() {
        for (change, expected) in [
            (json!({"type": "reaction_added"}), Ignored::OtherEvent),
            (json!({"type": null}), Ignored::OtherEvent),
            (json!({"bot_id": "B0AAA"}), Ignored::Bot),
            (json!({"bot_profile": {"id": "B0AAA"}}), Ignored::Bot),
            (json!({"subtype": "bot_message"}), Ignored::Subtype),
            (json!({"subtype": "message_changed"}), Ignored::Subtype),
            (json!({"subtype": "message_deleted"}), Ignored::Subtype),
            (json!({"subtype": "channel_join"}), Ignored::Subtype),
            (json!({"edited": {"user": "U0ANN", "ts": "2.0"}}), Ignored::Subtype),
            (json!({"user": null}), Ignored::Empty),
            (json!({"text": null}), Ignored::Empty),
            (json!({"text": ""}), Ignored::Empty),
            (json!({"ts": null}), Ignored::Empty),
        ] {
            assert_eq!(read(&change).unwrap_err(), expected, "{change}");
        }
        assert!(IncomingMessage::of_event("[1]").is_err());
        assert!(IncomingMessage::of_event(r#"{"type": 7}"#).is_err());
    }
}
