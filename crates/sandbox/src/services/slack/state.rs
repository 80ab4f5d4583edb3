//! Channels, users, groups, tokens and messages.

use indexmap::{IndexMap, IndexSet};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};

use super::events::Telling;
use super::files::Files;
use super::sockets::Sockets;
use super::text::{Parsed, parse, readable};
use crate::world::Simulated;

/// Characters of a message that Slack keeps.
pub const TEXT_LIMIT: usize = 40_000;

/// A bot token: who it is and what it may do.
#[derive(Clone, Debug)]
pub struct Token {
    /// The bot's user id.
    pub user: String,
    /// The bot's own id.
    pub bot: String,
    /// Scopes such as `chat:write`.
    pub scopes: Vec<String>,
}

/// A channel.
#[derive(Clone, Debug, Serialize)]
pub struct Channel {
    /// `C…`.
    pub id: String,
    /// Name without `#`.
    pub name: String,
    /// Nobody can post any more.
    pub is_archived: bool,
    /// Whether the bot was invited.
    pub is_member: bool,
    /// Whether only its members see it.
    pub is_private: bool,
    /// The error with which it refuses every message.
    pub refuses: Option<String>,
}

/// A user.
#[derive(Clone, Debug, Serialize)]
pub struct User {
    /// `U…`.
    pub id: String,
    /// Account name.
    pub name: String,
    /// Full name.
    pub real_name: String,
    /// E-mail address.
    pub email: String,
    /// Deactivated.
    pub deleted: bool,
}

/// A user group.
#[derive(Clone, Debug, Serialize)]
pub struct UserGroup {
    /// `S…`.
    pub id: String,
    /// What people type after `@`.
    pub handle: String,
    /// Disabled.
    pub disabled: bool,
    /// Ids of its users.
    pub users: Vec<String>,
}

/// A posted message.
#[derive(Clone, Debug, Serialize)]
pub struct Message {
    /// Channel id.
    pub channel: String,
    /// Channel name without `#`.
    pub channel_name: String,
    /// Unique in its channel, increasing.
    pub ts: String,
    /// `ts` of the message it answers.
    pub thread_ts: Option<String>,
    /// An answer in a thread that the channel shows as well.
    pub broadcast: bool,
    /// The text, as sent, cut at [`TEXT_LIMIT`] characters.
    pub text: String,
    /// The blocks that people see instead of the text.
    pub blocks: Option<Value>,
    /// Who edited it last, and when.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub edited: Option<Value>,
    /// User id of the author.
    pub user: String,
    /// Bot id of the author.
    pub bot_id: Option<String>,
    /// `event_type` and `event_payload`.
    pub metadata: Option<Value>,
    /// Whom it mentions and what it links to.
    pub parsed: Parsed,
    #[serde(skip)]
    pub(super) at: Timestamp,
}

/// What Slack knows.
#[derive(Clone, Debug, Default)]
pub struct State {
    /// Tokens and their rights.
    pub tokens: IndexMap<String, Token>,
    /// All channels.
    pub channels: Vec<Channel>,
    /// All users.
    pub users: Vec<User>,
    /// All groups.
    pub groups: Vec<UserGroup>,
    /// All messages, oldest first.
    pub messages: Vec<Message>,
    /// Refuses a second message to a channel within one second, as Slack does.
    pub one_message_per_second: bool,
    /// The error with which every message with metadata is refused.
    pub refuses_metadata: Option<String>,
    /// The error with which every file is refused.
    pub refuses_files: Option<String>,
    /// The error with which every change of a message is refused.
    pub refuses_updates: Option<String>,
    /// Files.
    pub files: Files,
    /// Reactions: channel id, `ts`, name, user id.
    pub reactions: IndexSet<(String, String, String, String)>,
    /// The Socket Mode of the bot's app.
    pub sockets: Sockets,
    /// Channel id and `ts` of messages that were deleted.
    pub deleted: Vec<(String, String)>,
    last_ts: i64,
}

impl State {
    /// A message's text as people see it: names for mentions, labels for links.
    pub fn readable(&self, text: &str) -> String {
        readable(text, |id| {
            let user = self.users.iter().find(|user| user.id == id).map(|user| &user.real_name);
            let group = || self.groups.iter().find(|group| group.id == id).map(|group| &group.handle);
            user.or_else(group).map(|name| format!("@{name}"))
        })
    }

    /// A channel by `#name`, name or id.
    pub fn channel(&self, wanted: &str) -> Option<&Channel> {
        let name = wanted.strip_prefix('#').unwrap_or(wanted);
        self.channels.iter().find(|channel| channel.id == wanted || channel.name == name)
    }

    /// The messages of a channel (`#name`, name or id), oldest first.
    pub fn messages_in(&self, channel: &str) -> Vec<Message> {
        let Some(channel) = self.channel(channel) else { return Vec::new() };
        self.messages.iter().filter(|message| message.channel == channel.id).cloned().collect()
    }

    /// Where the message stands among all; their time stamps grow.
    fn position(&self, channel: &str, ts: &str) -> Option<usize> {
        let found = self.messages.partition_point(|message| message.ts.as_str() < ts);
        self.messages.get(found).filter(|message| message.channel == channel && message.ts == ts)?;
        Some(found)
    }

    /// Whether there is such a message.
    pub(super) fn has(&self, channel: &str, ts: &str) -> bool {
        self.position(channel, ts).is_some()
    }

    /// The message, to be changed.
    pub(super) fn message_mut(&mut self, channel: &str, ts: &str) -> Option<&mut Message> {
        let found = self.position(channel, ts)?;
        self.messages.get_mut(found)
    }

    /// The messages from this time stamp on, oldest first.
    pub(super) fn messages_from(&self, ts: &str) -> &[Message] {
        let first = self.messages.partition_point(|message| message.ts.as_str() < ts);
        self.messages.get(first..).unwrap_or_default()
    }

    /// A channel that the bot was invited to.
    pub fn add_channel(&mut self, name: &str) -> &mut Channel {
        let id = format!("C0000CH{:03}", self.channels.len() + 1);
        let channel = Channel {
            id,
            name: name.to_owned(),
            is_archived: false,
            is_member: true,
            is_private: false,
            refuses: None,
        };
        self.channels.push_mut(channel)
    }

    /// Deletes a message; answers in its thread stay.
    pub fn delete(&mut self, channel: &str, ts: &str) {
        self.messages.retain(|message| !(message.channel == channel && message.ts == ts));
        self.deleted.push((channel.to_owned(), ts.to_owned()));
    }

    /// A group with these users.
    pub fn add_group(&mut self, handle: &str, users: &[&str]) -> &mut UserGroup {
        let id = format!("S0000GR{:03}", self.groups.len() + 1);
        let users = users.iter().map(|user| (*user).to_owned()).collect();
        self.groups.push_mut(UserGroup { id, handle: handle.to_owned(), disabled: false, users })
    }

    /// Stores a message and gives it its time stamp.
    pub(super) fn post(&mut self, channel: &Channel, draft: Draft, now: Timestamp) -> Message {
        self.last_ts = now.as_microsecond().max(self.last_ts + 1);
        let ts = format!("{}.{:06}", self.last_ts / 1_000_000, self.last_ts % 1_000_000);
        let text: String = draft.text.chars().take(TEXT_LIMIT).collect();
        let message = Message {
            channel: channel.id.clone(),
            channel_name: channel.name.clone(),
            ts,
            thread_ts: draft.thread_ts,
            broadcast: draft.broadcast,
            parsed: parse(draft.shown_words.as_deref().unwrap_or(&text)),
            text,
            edited: None,
            blocks: draft.blocks,
            user: draft.user,
            bot_id: draft.bot_id,
            metadata: draft.metadata,
            at: now,
        };
        self.messages.push(message.clone());
        message
    }
}

/// A message before it has a time stamp.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) text: String,
    pub(super) blocks: Option<Value>,
    /// What the blocks say, when there are any.
    pub(super) shown_words: Option<String>,
    pub(super) thread_ts: Option<String>,
    pub(super) broadcast: bool,
    pub(super) user: String,
    pub(super) bot_id: Option<String>,
    pub(super) metadata: Option<Value>,
}

impl Simulated for State {
    fn snapshot(&self) -> Value {
        json!({
            "channels": self.channels,
            "users": self.users,
            "usergroups": self.groups,
            "messages": self.messages,
            "one_message_per_second": self.one_message_per_second,
            "files": self.files.values().collect::<Vec<_>>(),
            "reactions": self.reactions,
            "sockets": self.sockets.shown(),
        })
    }

    fn change(&mut self, operation: &str, body: &Value, now: Timestamp) -> Result<Value, String> {
        let text = |field: &str| body.get(field).and_then(Value::as_str);
        let need = |field: &str| text(field).ok_or_else(|| format!("{operation} needs the text {field}"));
        let flag = |field: &str, default: bool| body.get(field).and_then(Value::as_bool).unwrap_or(default);
        match operation {
            "channel" => {
                let name = need("name")?;
                let channel = match self.channels.iter().position(|channel| channel.name == name) {
                    Some(known) => self.channels.get_mut(known).ok_or("no such channel")?,
                    None => self.add_channel(name),
                };
                channel.is_archived = flag("is_archived", channel.is_archived);
                channel.is_member = flag("is_member", channel.is_member);
                channel.is_private = flag("is_private", channel.is_private);
                channel.refuses = text("refuses").filter(|error| !error.is_empty()).map(str::to_owned);
                Ok(json!(channel))
            }
            "group" => {
                let handle = need("handle")?;
                let users = body.get("users").and_then(Value::as_array).cloned().unwrap_or_default();
                let users: Vec<&str> = users.iter().filter_map(Value::as_str).collect();
                match self.groups.iter_mut().find(|group| group.handle == handle) {
                    Some(group) => {
                        group.users = users.into_iter().map(str::to_owned).collect();
                        Ok(json!(group))
                    }
                    None => Ok(json!(self.add_group(handle, &users))),
                }
            }
            "user" => {
                let email = need("email")?.to_owned();
                let name = email.split('@').next().unwrap_or_default().to_owned();
                let id = format!("U0000US{:03}", self.users.len() + 1);
                let real_name = text("real_name").unwrap_or(&name).to_owned();
                let user = User { id, name, real_name, email, deleted: flag("deleted", false) };
                self.users.push(user.clone());
                Ok(json!(user))
            }
            "message" => {
                let channel = need("channel")?;
                let channel =
                    self.channel(channel).cloned().ok_or_else(|| format!("no channel {channel}"))?;
                let draft = Draft {
                    text: need("text")?.to_owned(),
                    blocks: None,
                    shown_words: None,
                    thread_ts: text("thread_ts").map(str::to_owned),
                    broadcast: false,
                    user: text("user").unwrap_or("U0000OTHER").to_owned(),
                    bot_id: None,
                    metadata: None,
                };
                let message = self.post(&channel, draft, now);
                let told = Telling {
                    mention_first: flag("mention_first", false),
                    client_msg_id: text("client_msg_id").map(str::to_owned),
                };
                self.tell(&message, &told, now);
                Ok(json!(message))
            }
            "edit" => {
                let channel = self.channel(need("channel")?).ok_or("no such channel")?.id.clone();
                self.edit(&channel, need("ts")?, need("text")?, now)
            }
            "click" => {
                let channel = self.channel(need("channel")?).ok_or("no such channel")?.id.clone();
                self.click(&channel, need("ts")?, need("user")?, need("action_id")?)
            }
            "sockets" => {
                if flag("rate_limited", false) {
                    self.sockets.event(None, now);
                }
                self.sockets.change(body)
            }
            "delete" => {
                let channel = self.channel(need("channel")?).ok_or("no such channel")?.id.clone();
                let ts = need("ts")?.to_owned();
                self.delete(&channel, &ts);
                Ok(json!({"deleted": ts}))
            }
            "limits" => {
                if let Some(error) = text("refuses_metadata") {
                    self.refuses_metadata = Some(error.to_owned()).filter(|error| !error.is_empty());
                }
                let refusal = |field: &str, known: &Option<String>| match text(field) {
                    Some(error) => Some(error.to_owned()).filter(|error| !error.is_empty()),
                    None => known.clone(),
                };
                self.refuses_files = refusal("refuses_files", &self.refuses_files);
                self.refuses_updates = refusal("refuses_updates", &self.refuses_updates);
                self.one_message_per_second = flag("one_message_per_second", self.one_message_per_second);
                Ok(json!({"one_message_per_second": self.one_message_per_second}))
            }
            _ => Err(format!(
                "no operation {operation}; there are channel, group, user, message, edit, click, sockets, delete and limits"
            )),
        }
    }
}
