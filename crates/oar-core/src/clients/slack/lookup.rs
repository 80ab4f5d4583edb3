//! Finds a posted message again: by the key in its metadata or, if Slack accepted it only without metadata,
//! by its words.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use super::{EVENT_TYPE, Posted, SlackClient, locked};
use crate::clients::empty;
use crate::error::{Classified, ErrorClass, ServiceError};

/// Messages per request; Slack recommends no more than 200.
pub(super) const PAGE: usize = 200;
/// Channels per request; Slack refuses a thousand.
const CHANNELS: usize = 999;
/// The most pages of messages, or of channels, that one look-up reads.
const PAGES: usize = 10;

/// The message to look for.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// `#name` or the channel's id.
    pub channel: &'a str,
    /// The `ts` of the first message of its thread.
    pub thread: Option<&'a str>,
    /// The key with which it was posted.
    pub key: &'a str,
    /// Its text, as it was posted.
    pub text: &'a str,
    /// The earliest time at which it was posted.
    pub since: Timestamp,
}

/// The result of looking for a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lookup {
    /// The message exists.
    Found(Posted),
    /// It certainly does not exist.
    NotFound,
    /// Unknown: Slack does not allow the look-up, or there is too much to read; the reason.
    Undetermined(Undetermined),
}

/// Why it is unknown whether a message exists: a configuration that must be corrected, or an answer that is missing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct Undetermined {
    text: String,
    class: ErrorClass,
    hint: Option<String>,
}

impl Undetermined {
    /// The reason and the next step in one text.
    pub fn words(&self) -> String {
        match &self.hint {
            Some(hint) => format!("{}. {hint}", self.text),
            None => self.text.clone(),
        }
    }
}

impl Classified for Undetermined {
    fn class(&self) -> ErrorClass {
        self.class
    }

    fn hint(&self) -> Option<String> {
        self.hint.clone()
    }
}

impl From<ServiceError> for Undetermined {
    fn from(error: ServiceError) -> Self {
        Self { text: error.to_string(), class: error.class().of_unknown(), hint: error.hint() }
    }
}

/// Slack leaves out empty members or writes null.
#[derive(Deserialize)]
struct History {
    #[serde(default, deserialize_with = "empty::list")]
    messages: Vec<Message>,
    #[serde(default, deserialize_with = "empty::or_default")]
    response_metadata: Option<Paging>,
}

#[derive(Deserialize)]
struct Message {
    ts: String,
    text: Option<String>,
    bot_id: Option<String>,
    metadata: Option<MessageMetadata>,
}

#[derive(Deserialize)]
struct MessageMetadata {
    event_type: Option<String>,
    event_payload: Option<Value>,
}

impl Message {
    /// Whether it is the message: it has the key, or it is a bot's, has no key, and has the same words.
    fn is(&self, wanted: Wanted<'_>) -> bool {
        let ours =
            self.metadata.as_ref().filter(|metadata| metadata.event_type.as_deref() == Some(EVENT_TYPE));
        if let Some(metadata) = ours {
            let payload = metadata.event_payload.as_ref();
            payload.and_then(|payload| payload.get("key")?.as_str()) == Some(wanted.key)
        } else {
            let text = self.text.as_deref().unwrap_or_default();
            self.bot_id.as_deref().is_some_and(|bot| !bot.is_empty())
                && !words(wanted.text).is_empty()
                && words(text) == words(wanted.text)
        }
    }
}

/// The text without what Slack changes: white space, and brackets around addresses.
fn words(text: &str) -> String {
    text.chars().filter(|letter| letter.is_alphanumeric()).collect()
}

#[derive(Deserialize)]
struct Channels {
    #[serde(default, deserialize_with = "empty::list")]
    channels: Vec<Channel>,
    #[serde(default, deserialize_with = "empty::or_default")]
    response_metadata: Option<Paging>,
}

#[derive(Deserialize)]
struct Channel {
    id: String,
    name: Option<String>,
}

#[derive(Default, Deserialize)]
pub(super) struct Paging {
    next_cursor: Option<String>,
}

/// The cursor of the next page; `None` on the last one.
pub(super) fn next_cursor(paging: Option<Paging>) -> Option<String> {
    paging?.next_cursor.filter(|cursor| !cursor.is_empty())
}

pub(super) enum NotReached {
    Error(ServiceError),
    Reason(Undetermined),
}

impl From<ServiceError> for NotReached {
    fn from(error: ServiceError) -> Self {
        Self::Error(error)
    }
}

impl SlackClient {
    /// Looks for the message in its thread, and in the channel, where Slack puts a reply when the thread's
    /// first message was deleted.
    ///
    /// This needs the app's scopes to read the channel (`channels:history` or `groups:history`, and to find a
    /// channel's id by its name `channels:read` or `groups:read`); without them the answer is
    /// [`Lookup::Undetermined`], never [`Lookup::NotFound`].
    pub async fn find(&self, wanted: Wanted<'_>) -> Lookup {
        match self.search(wanted).await {
            Ok(Some(posted)) => Lookup::Found(posted),
            Ok(None) => Lookup::NotFound,
            Err(NotReached::Reason(reason)) => Lookup::Undetermined(reason),
            Err(NotReached::Error(error)) => Lookup::Undetermined(error.into()),
        }
    }

    async fn search(&self, wanted: Wanted<'_>) -> Result<Option<Posted>, NotReached> {
        let id = self.channel_id(wanted.channel).await?;
        if let Some(thread) = wanted.thread {
            match self.look_through("conversations.replies", Some(thread), &id, wanted).await {
                Ok(None) => {}
                // The thread's first message was deleted.
                Err(NotReached::Error(error)) if error.detail == "thread_not_found" => {}
                answer => return answer,
            }
        }
        self.look_through("conversations.history", None, &id, wanted).await
    }

    async fn look_through(
        &self,
        method: &str,
        thread: Option<&str>,
        id: &str,
        wanted: Wanted<'_>,
    ) -> Result<Option<Posted>, NotReached> {
        let channel = wanted.channel;
        let mut parameters = vec![
            ("channel", id.to_owned()),
            ("oldest", format!("{}.000000", wanted.since.as_second())),
            ("include_all_metadata", String::from("true")),
            ("limit", PAGE.to_string()),
        ];
        parameters.extend(thread.map(|thread| ("ts", thread.to_owned())));
        for _ in 0..PAGES {
            let connector = self.connector("read the messages", format!("channel {channel}"));
            let history: History = self.get(connector, method, &parameters).await?;
            if let Some(message) = history.messages.into_iter().find(|message| message.is(wanted)) {
                return Ok(Some(Posted { channel: id.to_owned(), ts: message.ts }));
            }
            let Some(cursor) = next_cursor(history.response_metadata) else { return Ok(None) };
            parameters.retain(|(name, _)| *name != "cursor");
            parameters.push(("cursor", cursor));
        }
        Err(NotReached::Reason(Undetermined {
            text: format!("channel {channel} has more than {} messages since then", PAGES * PAGE),
            class: ErrorClass::Unavailable,
            hint: None,
        }))
    }

    /// The id of a channel that is given by name or by id.
    ///
    /// Only the bot's own channels are listed: it cannot read others, and a large workspace has many
    /// thousands. Public and private ones are listed separately, because each kind needs its own scope.
    pub(super) async fn channel_id(&self, channel: &str) -> Result<String, NotReached> {
        if looks_like_id(channel) {
            return Ok(channel.to_owned());
        }
        let name = channel.trim_start_matches('#');
        if let Some(id) = locked(&self.inner.channel_ids).get(name) {
            return Ok(id.clone());
        }
        let (mut refusal, mut listed) = (None, false);
        for kind in ["public_channel", "private_channel"] {
            match self.own_channel(channel, name, kind).await {
                Ok(Some(id)) => return Ok(id),
                Ok(None) => listed = true,
                Err(error) => refusal = refusal.or(Some((kind, error))),
            }
        }
        let absent = |shown: &str, more: String| {
            NotReached::Reason(Undetermined {
                text: format!("channel {channel} is not among those that the bot is in{shown}"),
                class: ErrorClass::Configuration,
                hint: Some(format!(
                    "Check the channel's name, and invite the bot there: /invite followed by the bot's name.{more}"
                )),
            })
        };
        Err(match refusal {
            // More rights are needed only if it is a channel of that kind.
            Some((kind, NotReached::Error(error))) if listed && error.detail == "missing_scope" => {
                let kind = kind.replace('_', " ");
                let hint = error.hint().unwrap_or_default();
                absent(" and may list", format!(" If it is a {kind}: {hint}"))
            }
            Some((_, refusal)) => refusal,
            None => absent("", String::new()),
        })
    }

    async fn own_channel(&self, channel: &str, name: &str, kind: &str) -> Result<Option<String>, NotReached> {
        let mut parameters = vec![
            ("types", kind.to_owned()),
            ("exclude_archived", String::from("true")),
            ("limit", CHANNELS.to_string()),
        ];
        for _ in 0..PAGES {
            let connector = self.connector("list the bot's channels", format!("channel {channel}"));
            let page: Channels = self.get(connector, "users.conversations", &parameters).await?;
            // Others of the page may be looked for next.
            let mut known = locked(&self.inner.channel_ids);
            for Channel { id, name } in page.channels {
                let Some(name) = name else { continue };
                known.entry(name).or_insert(id);
            }
            if let Some(id) = known.get(name) {
                return Ok(Some(id.clone()));
            }
            drop(known);
            let Some(cursor) = next_cursor(page.response_metadata) else { return Ok(None) };
            parameters.retain(|(name, _)| *name != "cursor");
            parameters.push(("cursor", cursor));
        }
        Err(NotReached::Reason(Undetermined {
            text: format!(
                "channel {channel} is not among the first {} channels of the bot",
                PAGES * CHANNELS
            ),
            class: ErrorClass::Unavailable,
            hint: Some("Name the channel by its id (C…).".to_owned()),
        }))
    }
}

/// Channel ids are upper case and start with their kind; names are lower case.
fn looks_like_id(channel: &str) -> bool {
    channel.len() > 2
        && channel.starts_with(['C', 'G', 'D'])
        && channel.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit())
}
