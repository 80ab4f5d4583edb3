//! The newest messages of a channel and of its threads, as the events told of them.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use super::lookup::{NotReached, PAGE, Paging, next_cursor};
use super::{EVENT_TYPE, SlackClient, UserId};
use crate::clients::empty;
use crate::error::{ServiceError, ServiceErrorKind};

/// The most pages that are read of a channel, and of a thread.
const PAGES: usize = 5;

#[derive(Deserialize)]
struct Page {
    #[serde(default, deserialize_with = "empty::list")]
    messages: Vec<Value>,
    #[serde(default, deserialize_with = "empty::or_default")]
    response_metadata: Option<Paging>,
}

impl SlackClient {
    /// The messages of a channel, by name or id, from `since` on, oldest first: those of the channel itself, and those in
    /// threads that began after `threads_since`. Each is JSON in the form of a `message` event, with its channel. Threads that
    /// only `own` has answered are not read.
    ///
    /// # Errors
    ///
    /// The channel cannot be read.
    pub async fn messages_since(
        &self,
        channel: &str,
        since: Timestamp,
        threads_since: Timestamp,
        own: Option<&UserId>,
    ) -> Result<Vec<Value>, ServiceError> {
        let id = self.channel_id(channel).await.map_err(|error| match error {
            NotReached::Error(error) => error,
            NotReached::Reason(why) => self
                .connector("read the messages", format!("channel {channel}"))
                .error(ServiceErrorKind::NotFound, why.words()),
        })?;
        let listed = self.pages("conversations.history", &id, None, threads_since).await?;
        let newer = |ts: Option<&str>| ts.and_then(seconds).is_some_and(|at| at >= since.as_second());
        let mut found: Vec<Value> = Vec::new();
        for message in &listed {
            let text = |name: &str| message.get(name).and_then(Value::as_str);
            if newer(text("ts")) {
                found.push(message.clone());
            }
            let is_read = newer(text("latest_reply")) && !is_answered_only_by(message, own);
            let Some(thread) = text("ts").filter(|_| is_read) else { continue };
            let answers = self.pages("conversations.replies", &id, Some(thread), since).await?;
            found.extend(
                answers
                    .into_iter()
                    .filter(|answer| answer.get("ts").and_then(Value::as_str) != Some(thread))
                    .filter(|answer| newer(answer.get("ts").and_then(Value::as_str))),
            );
        }
        for message in &mut found {
            if let Some(members) = message.as_object_mut() {
                members.insert("channel".to_owned(), id.clone().into());
            }
        }
        let ts = |message: &Value| message.get("ts").and_then(Value::as_str).unwrap_or_default().to_owned();
        found.sort_by_key(ts);
        found.dedup_by_key(|message| ts(message));
        Ok(found)
    }

    /// The keys of the bot's messages in this thread.
    ///
    /// # Errors
    ///
    /// The thread cannot be read.
    pub async fn keys_in_thread(
        &self,
        channel: &str,
        thread: &str,
        since: Timestamp,
        own: Option<&UserId>,
    ) -> Result<Vec<String>, ServiceError> {
        let messages = self.pages("conversations.replies", channel, Some(thread), since).await?;
        let is_own = |message: &&Value| {
            let user = message.get("user").and_then(Value::as_str);
            own.is_some_and(|own| user == Some(own.0.as_str()))
        };
        Ok(messages.iter().filter(is_own).filter_map(key_of).map(str::to_owned).collect())
    }

    async fn pages(
        &self,
        method: &str,
        channel: &str,
        thread: Option<&str>,
        since: Timestamp,
    ) -> Result<Vec<Value>, ServiceError> {
        let mut parameters = vec![
            ("channel", channel.to_owned()),
            ("oldest", format!("{}.000000", since.as_second())),
            ("include_all_metadata", String::from("true")),
            ("limit", PAGE.to_string()),
        ];
        parameters.extend(thread.map(|thread| ("ts", thread.to_owned())));
        let mut all = Vec::new();
        for _ in 0..PAGES {
            let connector = self.connector("read the messages", format!("channel {channel}"));
            let page: Page = self.get(connector, method, &parameters).await?;
            all.extend(page.messages);
            let Some(cursor) = next_cursor(page.response_metadata) else { break };
            parameters.retain(|(name, _)| *name != "cursor");
            parameters.push(("cursor", cursor));
        }
        Ok(all)
    }
}

/// Whether the first message of a thread says that nobody else has answered. It names only some of the people.
fn is_answered_only_by(first: &Value, own: Option<&UserId>) -> bool {
    let users = first.get("reply_users").and_then(Value::as_array);
    let count = first.get("reply_users_count").and_then(Value::as_u64);
    match (users.map(Vec::as_slice), own) {
        (Some([user]), Some(own)) => user.as_str() == Some(own.0.as_str()) && count == Some(1),
        _ => false,
    }
}

/// The key with which a message of this form was posted ([`Post::key`](super::Post::key)), if it has one.
fn key_of(message: &Value) -> Option<&str> {
    let metadata = message.get("metadata")?;
    let is_ours = metadata.get("event_type").and_then(Value::as_str) == Some(EVENT_TYPE);
    metadata.get("event_payload")?.get("key")?.as_str().filter(|_| is_ours)
}

/// The whole seconds of a time stamp.
fn seconds(ts: &str) -> Option<i64> {
    ts.split('.').next()?.parse().ok()
}
