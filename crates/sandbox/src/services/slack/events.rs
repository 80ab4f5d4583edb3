//! What whoever listens on a socket is told: messages, edits, clicks.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::state::{Message, State};
use super::text::parse;

/// How a message is told.
#[derive(Debug, Default)]
pub(super) struct Telling {
    /// Whether the mention comes before the message.
    pub(super) mention_first: bool,
    /// What the author's program called it.
    pub(super) client_msg_id: Option<String>,
}

impl State {
    /// The bot's user id.
    pub fn bot(&self) -> Option<&str> {
        self.tokens.values().next().map(|token| token.user.as_str())
    }

    /// Tells whoever listens on a socket of a message: a mention of the bot comes in two forms with the same `ts`, and events
    /// of their own.
    pub(super) fn tell(&mut self, message: &Message, told: &Telling, now: Timestamp) {
        if !self.channels.iter().any(|channel| channel.id == message.channel && channel.is_member) {
            return;
        }
        let mut event = json!({
            "type": "message", "user": message.user, "ts": message.ts, "event_ts": message.ts,
            "channel": message.channel, "channel_type": "channel", "text": message.text,
            "team": super::methods::TEAM,
        });
        let mut set = |name: &str, value: Value| {
            if let Some(members) = event.as_object_mut() {
                members.insert(name.to_owned(), value);
            }
        };
        if let Some(id) = &told.client_msg_id {
            set("client_msg_id", json!(id));
        }
        if let Some(thread) = &message.thread_ts {
            set("thread_ts", json!(thread));
        }
        if let Some(bot) = &message.bot_id {
            set("bot_id", json!(bot));
            set("app_id", json!(super::methods::APP));
        }
        let mentions = message.bot_id.is_none()
            && self.bot().is_some_and(|bot| message.parsed.users.iter().any(|user| user == bot));
        let mut forms = vec![event.clone()];
        if mentions {
            let mut mention = event;
            if let Some(members) = mention.as_object_mut() {
                members.insert("type".to_owned(), json!("app_mention"));
                members.shift_remove("channel_type");
            }
            forms.insert(usize::from(!told.mention_first), mention);
        }
        for form in forms {
            self.sockets.event(Some(form), now);
        }
    }

    /// Somebody edits a message, which is told as an event with the message inside.
    pub(super) fn edit(
        &mut self,
        channel: &str,
        ts: &str,
        text: &str,
        now: Timestamp,
    ) -> Result<Value, String> {
        let message = self.message_mut(channel, ts).ok_or("no such message")?;
        text.clone_into(&mut message.text);
        message.parsed = parse(text);
        let edited = json!({"user": message.user, "ts": format!("{}.000000", now.as_second())});
        message.edited = Some(edited.clone());
        let event = json!({
            "type": "message", "subtype": "message_changed", "hidden": true, "channel": channel,
            "ts": format!("{}.000000", now.as_second()), "event_ts": format!("{}.000000", now.as_second()),
            "message": {
                "type": "message", "user": message.user, "text": text, "ts": ts,
                "edited": edited,
            },
        });
        self.sockets.event(Some(event), now);
        Ok(json!({"edited": ts}))
    }

    /// Somebody clicks a button; an error when the message shows no such button.
    pub(super) fn click(
        &mut self,
        channel: &str,
        ts: &str,
        user: &str,
        action: &str,
    ) -> Result<Value, String> {
        let message = self
            .messages
            .iter()
            .find(|message| message.channel == channel && message.ts == ts)
            .ok_or("no such message")?;
        let blocks = message.blocks.as_ref().and_then(Value::as_array).cloned().unwrap_or_default();
        let button = blocks.iter().find_map(|block| {
            let elements = block.get("elements")?.as_array()?;
            let button = elements.iter().find(|element| element.get("action_id") == Some(&json!(action)))?;
            Some((block.get("block_id").cloned(), button.clone()))
        });
        let (block_id, button) = button.ok_or("the message shows no such button")?;
        let payload = json!({
            "type": "block_actions",
            "user": {"id": user, "username": "somebody", "name": "somebody", "team_id": super::methods::TEAM},
            "api_app_id": super::methods::APP,
            "team": {"id": super::methods::TEAM, "domain": "sandbox"},
            "container": {
                "type": "message", "message_ts": ts, "channel_id": channel, "is_ephemeral": false,
                "thread_ts": message.thread_ts,
            },
            "channel": {"id": channel, "name": message.channel_name},
            "message": {"type": "message", "ts": ts, "text": message.text, "blocks": blocks},
            "actions": [{
                "type": "button", "action_id": action, "block_id": block_id, "value": button.get("value"),
                "action_ts": ts, "text": button.get("text"),
            }],
        });
        Ok(json!({"delivered": self.sockets.click(&payload)}))
    }
}
