//! The newest messages of a channel and of its threads, as the events told of them.

use futures::{StreamExt as _, TryStreamExt as _};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use super::lookup::{NotReached, PAGE, Paging, next_cursor};
use super::{EVENT_TYPE, SlackClient, UserId};
use crate::clients::empty;
use crate::error::{ServiceError, ServiceErrorKind};

/// The most pages that are read of a channel, and of a thread: more than may be written in ten minutes, as Slack takes one message
/// a second in a channel.
const PAGES: usize = 5;
/// Threads that are read at the same time.
const THREADS_AT_ONCE: usize = 4;

#[derive(Deserialize)]
struct Page {
    #[serde(default, deserialize_with = "empty::list")]
    messages: Vec<Value>,
    #[serde(default, deserialize_with = "empty::or_default")]
    response_metadata: Option<Paging>,
}

/// The messages that [`SlackClient::read_recent`] looks for.
#[derive(Debug, Clone, Copy)]
pub struct Recent<'a> {
    /// The channel, by name or id.
    pub channel: &'a str,
    /// The oldest message.
    pub since: Timestamp,
    /// The oldest message whose thread is read.
    pub threads_since: Timestamp,
    /// Who reads. Threads that only this account has answered are not read.
    pub own: Option<&'a UserId>,
}

/// How far a channel was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coverage {
    /// Every message that was looked for, and every thread.
    Complete,
    /// Only the newest messages or threads, because there are too many.
    Newest,
}

impl SlackClient {
    /// Reads the messages of a channel and of its threads, the newest page first, and hands on each page when it is read: the
    /// messages of the channel, and those of the threads that began with them, oldest first. Each is JSON in the form of a
    /// `message` event, with its channel.
    ///
    /// # Errors
    ///
    /// The channel cannot be read. What was handed on before stays right.
    pub async fn read_recent(
        &self,
        recent: Recent<'_>,
        mut hand_on: impl FnMut(Vec<Value>),
    ) -> Result<Coverage, ServiceError> {
        let Recent { channel, threads_since, .. } = recent;
        let id = self.channel_id(channel).await.map_err(|error| match error {
            NotReached::Error(error) => error,
            NotReached::Reason(why) => self
                .connector("read the messages", format!("channel {channel}"))
                .error(ServiceErrorKind::NotFound, why.words()),
        })?;
        let mut coverage = Coverage::Complete;
        let mut pages = Pages::new("conversations.history", &id, None, threads_since);
        while let Some(listed) = pages.next(self).await? {
            let (found, of_page) = self.of_page(recent, &id, listed).await?;
            // A thread that began before the last page may have new answers.
            if of_page == Coverage::Newest || pages.is_cut() {
                coverage = Coverage::Newest;
            }
            hand_on(found);
        }
        Ok(coverage)
    }

    /// The messages of one page, and of the threads that began there.
    async fn of_page(
        &self,
        recent: Recent<'_>,
        id: &str,
        listed: Vec<Value>,
    ) -> Result<(Vec<Value>, Coverage), ServiceError> {
        let Recent { since, own, .. } = recent;
        let threads: Vec<String> = listed
            .iter()
            .filter(|message| {
                is_newer(text(message, "latest_reply"), since) && !is_answered_only_by(message, own)
            })
            .filter_map(|message| text(message, "ts").map(str::to_owned))
            .collect();
        let read = threads.iter().map(async |thread| self.answers(id, thread, since).await);
        let answers: Vec<_> = futures::stream::iter(read).buffered(THREADS_AT_ONCE).try_collect().await?;
        let is_cut = answers.iter().any(|(_, coverage)| *coverage == Coverage::Newest);
        let mut found: Vec<Value> = listed;
        found.extend(answers.into_iter().flat_map(|(answers, _)| answers));
        found.retain(|message| is_newer(text(message, "ts"), since));
        for message in &mut found {
            if let Some(members) = message.as_object_mut() {
                members.insert("channel".to_owned(), id.into());
            }
        }
        let ts = |message: &Value| text(message, "ts").unwrap_or_default().to_owned();
        found.sort_by_key(ts);
        found.dedup_by_key(|message| ts(message));
        Ok((found, if is_cut { Coverage::Newest } else { Coverage::Complete }))
    }

    /// The answers in a thread.
    async fn answers(
        &self,
        id: &str,
        thread: &str,
        since: Timestamp,
    ) -> Result<(Vec<Value>, Coverage), ServiceError> {
        let mut pages = Pages::new("conversations.replies", id, Some(thread), since);
        let mut answers = pages.all(self).await?;
        answers.retain(|answer| text(answer, "ts") != Some(thread));
        Ok((answers, if pages.is_cut() { Coverage::Newest } else { Coverage::Complete }))
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
        let messages = Pages::new("conversations.replies", channel, Some(thread), since).all(self).await?;
        let is_own = |message: &&Value| own.is_some_and(|own| text(message, "user") == Some(own.0.as_str()));
        Ok(messages.iter().filter(is_own).filter_map(key_of).map(str::to_owned).collect())
    }
}

/// The pages of a list of messages.
struct Pages {
    method: &'static str,
    channel: String,
    parameters: Vec<(&'static str, String)>,
    read: usize,
    has_more: bool,
}

impl Pages {
    fn new(method: &'static str, channel: &str, thread: Option<&str>, since: Timestamp) -> Self {
        let mut parameters = vec![
            ("channel", channel.to_owned()),
            ("oldest", format!("{}.000000", since.as_second())),
            ("include_all_metadata", String::from("true")),
            ("limit", PAGE.to_string()),
        ];
        parameters.extend(thread.map(|thread| ("ts", thread.to_owned())));
        Self { method, channel: channel.to_owned(), parameters, read: 0, has_more: true }
    }

    /// The next page; none after the last one, and after [`PAGES`].
    async fn next(&mut self, slack: &SlackClient) -> Result<Option<Vec<Value>>, ServiceError> {
        if !self.has_more || self.is_cut() {
            return Ok(None);
        }
        let connector = slack.connector("read the messages", format!("channel {}", self.channel));
        let page: Page = slack.get(connector, self.method, &self.parameters).await?;
        self.read += 1;
        let cursor = next_cursor(page.response_metadata);
        self.has_more = cursor.is_some();
        self.parameters.retain(|(name, _)| *name != "cursor");
        self.parameters.extend(cursor.map(|cursor| ("cursor", cursor)));
        Ok(Some(page.messages))
    }

    async fn all(&mut self, slack: &SlackClient) -> Result<Vec<Value>, ServiceError> {
        let mut all = Vec::new();
        while let Some(messages) = self.next(slack).await? {
            all.extend(messages);
        }
        Ok(all)
    }

    /// Whether there is more than was read.
    fn is_cut(&self) -> bool {
        self.has_more && self.read >= PAGES
    }
}

fn text<'a>(message: &'a Value, name: &str) -> Option<&'a str> {
    message.get(name).and_then(Value::as_str)
}

fn is_newer(ts: Option<&str>, since: Timestamp) -> bool {
    ts.and_then(seconds).is_some_and(|at| at >= since.as_second())
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
