//! Finding a message of ours again by the key in its metadata.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use super::{EVENT_TYPE, Posted, SlackClient};
use crate::error::ServiceError;

/// Messages per request; Slack recommends no more than 200.
const PAGE: usize = 200;
/// The most pages of messages, or of channels, that one look-up reads.
const PAGES: usize = 10;

/// What looking for a message gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lookup {
    /// The message stands there.
    Found(Posted),
    /// It certainly does not.
    NotFound,
    /// Slack does not let us see, or there is too much to read; the reason.
    CannotTell(String),
}

#[derive(Deserialize)]
struct History {
    #[serde(default)]
    messages: Vec<Message>,
    #[serde(default)]
    response_metadata: Paging,
}

#[derive(Deserialize)]
struct Message {
    ts: String,
    metadata: Option<MessageMetadata>,
}

#[derive(Deserialize)]
struct MessageMetadata {
    event_type: Option<String>,
    event_payload: Option<Value>,
}

impl Message {
    fn has_key(&self, key: &str) -> bool {
        self.metadata.as_ref().is_some_and(|metadata| {
            metadata.event_type.as_deref() == Some(EVENT_TYPE)
                && metadata.event_payload.as_ref().and_then(|payload| payload.get("key")?.as_str())
                    == Some(key)
        })
    }
}

#[derive(Deserialize)]
struct Channels {
    #[serde(default)]
    channels: Vec<Channel>,
    #[serde(default)]
    response_metadata: Paging,
}

#[derive(Deserialize)]
struct Channel {
    id: String,
    name: Option<String>,
}

#[derive(Default, Deserialize)]
struct Paging {
    next_cursor: Option<String>,
}

impl Paging {
    fn next(self) -> Option<String> {
        self.next_cursor.filter(|cursor| !cursor.is_empty())
    }
}

enum NotReached {
    Error(ServiceError),
    Reason(String),
}

impl From<ServiceError> for NotReached {
    fn from(error: ServiceError) -> Self {
        Self::Error(error)
    }
}

impl SlackClient {
    /// Looks for the message that was posted with `key` to `channel` (in the thread of `thread`) since `since`.
    ///
    /// This needs the app's scopes to read the channel (`channels:history` or `groups:history`, and to find a
    /// channel's id by its name `channels:read` or `groups:read`); without them the answer is
    /// [`Lookup::CannotTell`], never [`Lookup::NotFound`].
    pub async fn find_by_key(
        &self,
        channel: &str,
        thread: Option<&str>,
        key: &str,
        since: Timestamp,
    ) -> Lookup {
        match self.search(channel, thread, key, since).await {
            Ok(Some(posted)) => Lookup::Found(posted),
            Ok(None) => Lookup::NotFound,
            Err(NotReached::Reason(reason)) => Lookup::CannotTell(reason),
            Err(NotReached::Error(error)) => Lookup::CannotTell(error.to_string()),
        }
    }

    async fn search(
        &self,
        channel: &str,
        thread: Option<&str>,
        key: &str,
        since: Timestamp,
    ) -> Result<Option<Posted>, NotReached> {
        let channel_id = self.channel_id(channel).await?;
        let mut parameters = vec![
            ("channel", channel_id.clone()),
            ("oldest", format!("{}.000000", since.as_second())),
            ("include_all_metadata", String::from("true")),
            ("limit", PAGE.to_string()),
        ];
        let method = match thread {
            Some(thread) => {
                parameters.push(("ts", thread.to_owned()));
                "conversations.replies"
            }
            None => "conversations.history",
        };
        for _ in 0..PAGES {
            let connector = self.connector("read the messages", format!("channel {channel}"));
            let history: History = self.get(connector, method, &parameters).await?;
            if let Some(message) = history.messages.into_iter().find(|message| message.has_key(key)) {
                return Ok(Some(Posted { channel: channel_id, ts: message.ts }));
            }
            let Some(cursor) = history.response_metadata.next() else { return Ok(None) };
            parameters.retain(|(name, _)| *name != "cursor");
            parameters.push(("cursor", cursor));
        }
        Err(NotReached::Reason(format!(
            "channel {channel} has more than {} messages since then",
            PAGES * PAGE
        )))
    }

    /// The id of a channel that is given by name or by id.
    async fn channel_id(&self, channel: &str) -> Result<String, NotReached> {
        if looks_like_id(channel) {
            return Ok(channel.to_owned());
        }
        let name = channel.trim_start_matches('#');
        let mut parameters = vec![
            ("types", String::from("public_channel,private_channel")),
            ("exclude_archived", String::from("true")),
            ("limit", String::from("1000")),
        ];
        for _ in 0..PAGES {
            let connector = self.connector("list the channels", format!("channel {channel}"));
            let page: Channels = self.get(connector, "conversations.list", &parameters).await?;
            if let Some(found) = page.channels.into_iter().find(|found| found.name.as_deref() == Some(name)) {
                return Ok(found.id);
            }
            let Some(cursor) = page.response_metadata.next() else {
                return Err(NotReached::Reason(format!(
                    "channel {channel} is not among those that the bot sees"
                )));
            };
            parameters.retain(|(name, _)| *name != "cursor");
            parameters.push(("cursor", cursor));
        }
        Err(NotReached::Reason(format!("channel {channel} is not among the first {} channels", PAGES * 1000)))
    }
}

/// Channel ids are upper case and start with their kind; names are lower case.
fn looks_like_id(channel: &str) -> bool {
    channel.len() > 2
        && channel.starts_with(['C', 'G', 'D'])
        && channel.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit())
}
