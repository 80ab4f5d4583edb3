//! What Slack sends over a socket (spec 05 §4.6, "`hello` frame" to "clicks").

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::clients::empty;

/// Why Slack ends a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DisconnectReason {
    /// It will end soon (`warning`, `refresh_requested`, and whatever is not known): another one is opened before.
    Refresh,
    /// Socket Mode was turned off for the app.
    LinkDisabled,
    /// The app has as many sockets as it may have.
    TooManySockets,
}

/// What kind of payload an envelope holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EnvelopeKind {
    /// An event of the Events API. It is delivered again when it is not acknowledged.
    Event,
    /// A click on a button. It is not delivered again.
    Interactive,
    /// Something that this program has no use for; its name.
    Other(String),
}

/// One delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// Its id, which the acknowledgement names.
    pub id: String,
    /// What it holds.
    pub kind: EnvelopeKind,
    /// How often it was delivered before, as far as Slack says so.
    pub retry: u64,
    /// What it is about, in JSON: for an event `payload.event`, for a click the payload. None for an event that tells of
    /// nothing (`app_rate_limited`).
    pub content: Option<String>,
    /// The id of the event, the same in every delivery.
    pub event_id: Option<String>,
    /// The type of the payload: `event_callback`, `app_rate_limited`, `block_actions`.
    pub payload_kind: Option<String>,
}

impl Envelope {
    /// The text that acknowledges it.
    pub(super) fn acknowledgement(&self) -> String {
        serde_json::json!({"envelope_id": self.id}).to_string()
    }
}

/// One text frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Frame {
    /// The connection is ready; how many sockets the app has with it.
    Hello(Option<u64>),
    /// The connection is to be replaced, or may not be.
    Disconnect(DisconnectReason),
    /// Something to acknowledge.
    Envelope(Envelope),
    /// Nothing that is known, and nothing to acknowledge.
    Unknown,
}

/// slack-morphism keeps its types of these frames to itself, and they are stricter than Slack: they want every part of
/// `debug_info`, an event in every payload, and only blocks that they know. A command would be lost with its frame.
#[derive(Deserialize)]
struct Raw<'a> {
    #[serde(rename = "type", default, deserialize_with = "empty::or_default")]
    kind: Option<String>,
    #[serde(default, deserialize_with = "empty::or_default")]
    envelope_id: Option<String>,
    #[serde(default, borrow)]
    payload: Option<&'a RawValue>,
    #[serde(default, deserialize_with = "lenient")]
    retry_attempt: Option<u64>,
    #[serde(default, deserialize_with = "lenient")]
    num_connections: Option<u64>,
    #[serde(default, deserialize_with = "empty::or_default")]
    reason: Option<String>,
}

#[derive(Deserialize)]
struct Payload<'a> {
    #[serde(rename = "type", default, deserialize_with = "empty::or_default")]
    kind: Option<String>,
    #[serde(default, borrow)]
    event: Option<&'a RawValue>,
    #[serde(default, deserialize_with = "empty::or_default")]
    event_id: Option<String>,
}

/// A number that decides nothing: whatever else stands there is none.
fn lenient<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    Ok(serde_json::Value::deserialize(deserializer)?.as_u64())
}

impl Frame {
    pub(crate) fn parse(text: &str) -> Self {
        let Ok(raw) = serde_json::from_str::<Raw<'_>>(text) else { return Self::Unknown };
        let kind = raw.kind.unwrap_or_default();
        if kind == "hello" {
            return Self::Hello(raw.num_connections);
        }
        if kind == "disconnect" {
            return Self::Disconnect(match raw.reason.as_deref() {
                Some("link_disabled") => DisconnectReason::LinkDisabled,
                Some("too_many_websockets") => DisconnectReason::TooManySockets,
                _ => DisconnectReason::Refresh,
            });
        }
        match raw.envelope_id {
            Some(id) => Self::Envelope(envelope(kind, id, raw.payload, raw.retry_attempt)),
            None => Self::Unknown,
        }
    }
}

fn envelope(kind: String, id: String, payload: Option<&RawValue>, retry: Option<u64>) -> Envelope {
    let text = payload.map(RawValue::get);
    let parsed = text.and_then(|text| serde_json::from_str::<Payload<'_>>(text).ok());
    let kind = match kind.as_str() {
        "events_api" => EnvelopeKind::Event,
        "interactive" => EnvelopeKind::Interactive,
        _ => EnvelopeKind::Other(kind),
    };
    let content = match kind {
        EnvelopeKind::Event => parsed.as_ref().and_then(|payload| payload.event).map(RawValue::get),
        EnvelopeKind::Interactive => text,
        EnvelopeKind::Other(_) => None,
    };
    Envelope {
        id,
        kind,
        retry: retry.unwrap_or_default(),
        content: content.filter(|text| *text != "null").map(str::to_owned),
        event_id: parsed.as_ref().and_then(|payload| payload.event_id.clone()),
        payload_kind: parsed.and_then(|payload| payload.kind),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parse(frame: &serde_json::Value) -> Frame {
        Frame::parse(&frame.to_string())
    }

    #[test]
    fn a_connection_is_ready_whatever_it_tells_of_itself() {
        for (hello, sockets) in [
            (json!({"type": "hello"}), None),
            (json!({"type": "hello", "num_connections": 2, "debug_info": {}}), Some(2)),
            (json!({"type": "hello", "num_connections": "many", "connection_info": null}), None),
        ] {
            assert_eq!(parse(&hello), Frame::Hello(sockets), "{hello}");
        }
    }

    #[test]
    fn an_unknown_reason_asks_for_another_connection() {
        use DisconnectReason::{LinkDisabled, Refresh, TooManySockets};
        for (reason, expected) in [
            (json!("warning"), Refresh),
            (json!("refresh_requested"), Refresh),
            (json!("link_disabled"), LinkDisabled),
            (json!("too_many_websockets"), TooManySockets),
            (json!("something new"), Refresh),
            (json!(null), Refresh),
        ] {
            assert_eq!(parse(&json!({"type": "disconnect", "reason": reason})), Frame::Disconnect(expected));
        }
    }

    #[test]
    fn envelopes_keep_what_they_hold() {
        let event = json!({"type": "message", "blocks": [{"type": "nobody knows"}]});
        let frame = json!({
            "type": "events_api", "envelope_id": "e-1", "accepts_response_payload": false, "retry_attempt": 2,
            "retry_reason": "timeout",
            "payload": {"type": "event_callback", "event_id": "Ev1", "event": event},
        });
        let Frame::Envelope(envelope) = parse(&frame) else { panic!("no envelope") };
        assert_eq!((envelope.kind.clone(), envelope.retry), (EnvelopeKind::Event, 2));
        assert_eq!(envelope.event_id.as_deref(), Some("Ev1"));
        assert_eq!(envelope.content.as_deref(), Some(event.to_string().as_str()));
        assert_eq!(envelope.acknowledgement(), r#"{"envelope_id":"e-1"}"#);
        let click =
            json!({"type": "interactive", "envelope_id": "e-2", "payload": {"type": "block_actions"}});
        let Frame::Envelope(envelope) = parse(&click) else { panic!("no envelope") };
        assert_eq!(envelope.content.as_deref(), Some(r#"{"type":"block_actions"}"#));
    }

    #[test]
    fn what_tells_of_nothing_is_acknowledged_all_the_same() {
        for frame in [
            json!({"type": "events_api", "envelope_id": "e", "payload": {"type": "app_rate_limited"}}),
            json!({"type": "events_api", "envelope_id": "e", "payload": {"event": null}}),
            json!({"type": "events_api", "envelope_id": "e", "payload": [1]}),
            json!({"type": "events_api", "envelope_id": "e"}),
            json!({"type": "something_new", "envelope_id": "e", "payload": {"x": 1}}),
            json!({"envelope_id": "e"}),
        ] {
            let Frame::Envelope(envelope) = parse(&frame) else { panic!("{frame}") };
            assert_eq!(envelope.content, None, "{frame}");
            assert_eq!(envelope.acknowledgement(), r#"{"envelope_id":"e"}"#);
        }
        for text in ["", "[1]", "{}", "not JSON", r#"{"type": "something"}"#, r#"{"envelope_id": 7}"#] {
            assert_eq!(Frame::parse(text), Frame::Unknown, "{text}");
        }
    }
}
