//! Slack's Web API: look-ups and posts (spec 03 §8).
//!
//! Requests are built by slack-morphism and sent through [`Http`].

mod blocks;
mod connector;
mod failure;
mod file;
mod lookup;
mod message;
mod people;
mod recent;
pub mod socket;
mod text;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use slack_morphism::blocks::SlackBlock;
use slack_morphism::{SlackApiToken, SlackApiTokenValue};
use tokio::sync::OnceCell;
use url::Url;

pub use blocks::{Block, Button, ButtonStyle};
pub use file::{Upload, UploadError};
pub use lookup::{Lookup, Undetermined, Wanted};
pub use message::Edit;
pub use people::{ChannelStanding, Members};
pub use recent::{Coverage, Recent};
pub use text::{GroupId, UnresolvedMention, UserId, escape, link};

use crate::clients::empty;
use crate::error::{ServiceError, ServiceErrorKind};
use crate::http::{Http, Repeat};
use crate::permit::WritePermit;
use connector::Connector;

/// The event type of the metadata by which a posted message is found again.
pub const EVENT_TYPE: &str = "oar_notification";

/// A message to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Post {
    /// `#name` or the channel's id.
    pub channel: String,
    /// The text in Slack's markup. When there are blocks, it is shown in notifications and by small clients
    /// only.
    pub text: String,
    /// The blocks that are shown instead of the text; when empty, the text is shown.
    pub blocks: Vec<Block>,
    /// The `ts` of the message whose thread this belongs to.
    pub thread: Option<String>,
    /// Whether a reply in a thread is shown in the channel as well.
    pub broadcast: bool,
    /// The key by which the message can be found again, invisible to readers.
    pub key: Option<String>,
}

/// Identifies a posted message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Posted {
    /// The channel's id.
    pub channel: String,
    /// The message's time stamp, its id within the channel.
    pub ts: String,
}

/// Looks up people, groups and messages, and posts messages. Cheap to clone; clones share the results of
/// look-ups.
#[derive(Clone)]
pub struct SlackClient {
    inner: Arc<Inner>,
}

struct Inner {
    http: Http,
    base: Url,
    token: Option<SecretString>,
    groups: OnceCell<Vec<Group>>,
    /// People that were looked up, by the address used for the look-up.
    people: Mutex<HashMap<String, Option<UserId>>>,
    /// The names of channels, by id.
    channels: Mutex<HashMap<String, String>>,
    /// The ids of channels, by name without `#`.
    channel_ids: Mutex<HashMap<String, String>>,
    /// The domain of the organisation's mail addresses.
    domain: Option<String>,
}

/// Refusals of a message because of its metadata.
const METADATA_REFUSALS: [&str; 4] = [
    "invalid_metadata_format",
    "invalid_metadata_schema",
    "metadata_too_large",
    "metadata_must_be_sent_from_app",
];

impl std::fmt::Debug for SlackClient {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("SlackClient").field("base", &self.inner.base.as_str()).finish_non_exhaustive()
    }
}

/// Slack leaves out, or writes null for, what there is none of.
#[derive(Deserialize)]
struct PostAnswer {
    channel: String,
    ts: String,
    message: Option<PostedMessage>,
}

#[derive(Deserialize)]
struct PostedMessage {
    thread_ts: Option<String>,
}

#[derive(Deserialize)]
struct GroupsAnswer {
    #[serde(default, deserialize_with = "empty::list")]
    usergroups: Vec<Group>,
}

#[derive(Deserialize)]
struct Group {
    id: Option<String>,
    handle: Option<String>,
}

#[derive(Deserialize)]
struct UserAnswer {
    user: FoundUser,
}

#[derive(Deserialize)]
struct FoundUser {
    id: String,
    deleted: Option<bool>,
}

#[derive(Deserialize)]
struct ChannelAnswer {
    channel: FoundChannel,
}

#[derive(Deserialize)]
struct FoundChannel {
    name: Option<String>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[derive(Serialize)]
struct PostBody<'a> {
    channel: &'a str,
    text: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    blocks: Vec<SlackBlock>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thread_ts: Option<&'a str>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    reply_broadcast: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<Metadata<'a>>,
    /// Off: previews of the linked pages would bury the message.
    unfurl_links: bool,
}

#[derive(Serialize)]
struct Metadata<'a> {
    event_type: &'static str,
    event_payload: Payload<'a>,
}

#[derive(Serialize)]
struct Payload<'a> {
    key: &'a str,
}

impl SlackClient {
    /// A client of the Web API at `base` (`https://slack.com/api`; it may carry another path prefix).
    ///
    /// Without a token every call fails with [`ServiceErrorKind::MissingCredential`].
    pub fn new(http: Http, base: Url, token: Option<SecretString>) -> Self {
        let token = token
            .map(|token| SecretString::from(token.expose_secret().trim()))
            .filter(|token| !token.expose_secret().is_empty());
        Self {
            inner: Arc::new(Inner {
                http,
                base,
                token,
                groups: OnceCell::new(),
                people: Mutex::default(),
                channels: Mutex::default(),
                channel_ids: Mutex::default(),
                domain: None,
            }),
        }
    }

    /// The same client, with the mail domain of the organisation, so that its people can be looked up by
    /// login.
    #[must_use]
    pub fn of_domain(self, domain: Option<String>) -> Self {
        let Inner { http, base, token, .. } = &*self.inner;
        let mut inner = Self::new(http.clone(), base.clone(), token.clone()).inner;
        if let Some(inner) = Arc::get_mut(&mut inner) {
            inner.domain = domain;
        }
        Self { inner }
    }

    /// The login of a person of the organisation; `None` for other addresses.
    pub fn login_of<'a>(&self, address: &'a str) -> Option<&'a str> {
        let (login, domain) = address.trim().split_once('@')?;
        (self.inner.domain.as_deref()?.eq_ignore_ascii_case(domain)).then_some(login)
    }

    /// The active account of the person of the organisation with this login, `None` when Slack knows none.
    pub async fn user_id_by_login(&self, login: &str) -> Result<Option<UserId>, ServiceError> {
        match &self.inner.domain {
            Some(domain) => self.user_id_by_email(&format!("{login}@{domain}")).await,
            None => Ok(None),
        }
    }

    /// Posts a message. If Slack refuses it because of its metadata, it is sent without metadata; it can then
    /// be found again only by its words.
    ///
    /// After [`ServiceErrorKind::Unclear`] the message may exist: the caller looks for it with [`Self::find`]
    /// before it posts again.
    pub async fn post(&self, post: &Post, permit: &WritePermit) -> Result<Posted, ServiceError> {
        match self.post_with(post, post.key.as_deref(), permit).await {
            Err(error) if METADATA_REFUSALS.contains(&error.detail.as_str()) => {
                tracing::warn!("the message is sent without the key by which it is found again: {error}");
                self.post_with(post, None, permit).await
            }
            answer => answer,
        }
    }

    async fn post_with(
        &self,
        post: &Post,
        key: Option<&str>,
        permit: &WritePermit,
    ) -> Result<Posted, ServiceError> {
        let connector = Connector {
            repeat: Repeat::OnlyWhenRefused,
            ..self.connector("post a message", format!("channel {}", post.channel)).permitted(permit)
        };
        let body = PostBody {
            channel: &post.channel,
            text: &post.text,
            blocks: post.blocks.iter().map(Block::to_library).collect(),
            thread_ts: post.thread.as_deref(),
            reply_broadcast: post.broadcast && post.thread.is_some(),
            metadata: key.map(|key| Metadata { event_type: EVENT_TYPE, event_payload: Payload { key } }),
            unfurl_links: false,
        };
        let token = self.token(&connector)?;
        let client = slack_morphism::SlackClient::new(connector);
        let answer: PostAnswer = client
            .open_session(&token)
            .http_session_api
            .http_post("chat.postMessage", &body, None)
            .await
            .map_err(|error| failure::of_library(error, &client.http_api.connector))?;
        let beside = answer.message.is_some_and(|message| message.thread_ts.is_none());
        if beside && post.thread.is_some() {
            tracing::warn!("the thread's first message was deleted: the reply is in the channel itself");
        }
        let name = post.channel.trim_start_matches('#').to_owned();
        locked(&self.inner.channel_ids).insert(name, answer.channel.clone());
        Ok(Posted { channel: answer.channel, ts: answer.ts })
    }

    /// The id of the user group with this handle (with or without `@`). The list is fetched once per client.
    pub async fn usergroup_id(&self, handle: &str) -> Result<GroupId, ServiceError> {
        let handle = handle.trim().trim_start_matches('@');
        let groups = self.inner.groups.get_or_try_init(|| self.usergroups()).await?;
        let found = groups.iter().find(|group| group.handle.as_deref() == Some(handle));
        match found.and_then(|group| group.id.clone()) {
            Some(id) => Ok(GroupId(id)),
            None => Err(self
                .connector("find a user group", format!("@{handle}"))
                .error(ServiceErrorKind::NotFound, "no user group has this handle")
                .with_hint("Check the handle under contacts.slack in the configuration.")),
        }
    }

    async fn usergroups(&self) -> Result<Vec<Group>, ServiceError> {
        let connector = self.connector("list the user groups", String::new());
        let answer: GroupsAnswer = self.get(connector, "usergroups.list", &[]).await?;
        Ok(answer.usergroups)
    }

    /// The active account with this e-mail address, `None` when Slack knows none.
    pub async fn user_id_by_email(&self, address: &str) -> Result<Option<UserId>, ServiceError> {
        // Errors never contain the address.
        let connector = self.connector("find an account", String::from("by e-mail address"));
        let address = text::lookup_address(address.trim());
        if let Some(known) = locked(&self.inner.people).get(&address) {
            return Ok(known.clone());
        }
        let answer: Result<UserAnswer, _> =
            self.get(connector, "users.lookupByEmail", &[("email", address.clone())]).await;
        let found = match answer {
            Ok(answer) => Some(answer.user)
                .filter(|user| user.deleted != Some(true) && !user.id.is_empty())
                .map(|user| UserId(user.id)),
            Err(error) if error.kind == ServiceErrorKind::NotFound && error.detail == "users_not_found" => {
                None
            }
            Err(error) => return Err(error),
        };
        locked(&self.inner.people).insert(address, found.clone());
        Ok(found)
    }

    /// The name, without `#`, of the channel with this id. Looked up once per client; needs the scope
    /// `channels:read`, for private channels `groups:read`.
    pub async fn channel_name(&self, id: &str) -> Result<String, ServiceError> {
        if let Some(known) = locked(&self.inner.channels).get(id) {
            return Ok(known.clone());
        }
        let name = self.current_channel_name(id).await?;
        locked(&self.inner.channels).insert(id.to_owned(), name.clone());
        Ok(name)
    }

    /// The same, looked up each time: channels can be renamed. Empty where it has none.
    pub async fn current_channel_name(&self, id: &str) -> Result<String, ServiceError> {
        let connector = self.connector("read a channel", format!("channel {id}"));
        let answer: ChannelAnswer =
            self.get(connector, "conversations.info", &[("channel", id.to_owned())]).await?;
        Ok(answer.channel.name.unwrap_or_default())
    }

    /// Calls a reading method.
    async fn get<T: for<'de> Deserialize<'de> + Send>(
        &self,
        connector: Connector,
        method: &str,
        parameters: &[(&'static str, String)],
    ) -> Result<T, ServiceError> {
        let token = self.token(&connector)?;
        let parameters: Vec<(&str, Option<&String>)> =
            parameters.iter().map(|(name, value)| (*name, Some(value))).collect();
        let client = slack_morphism::SlackClient::new(connector);
        client
            .open_session(&token)
            .http_session_api
            .http_get(method, &parameters, None)
            .await
            .map_err(|error| failure::of_library(error, &client.http_api.connector))
    }

    /// Calls a method that changes something, whose answer tells nothing that is used. It is repeated only where that is
    /// safe.
    async fn change<B: Serialize + Send + Sync>(
        &self,
        connector: Connector,
        method: &str,
        body: &B,
    ) -> Result<(), ServiceError> {
        let token = self.token(&connector)?;
        let client = slack_morphism::SlackClient::new(connector);
        let answer: Result<serde::de::IgnoredAny, _> =
            client.open_session(&token).http_session_api.http_post(method, body, None).await;
        answer.map(drop).map_err(|error| failure::of_library(error, &client.http_api.connector))
    }

    fn connector(&self, operation: &'static str, subject: String) -> Connector {
        Connector {
            http: self.inner.http.clone(),
            base: self.inner.base.clone(),
            operation,
            subject: Some(subject).filter(|subject| !subject.is_empty()),
            repeat: Repeat::Safe,
            barrier: None,
        }
    }

    fn token(&self, connector: &Connector) -> Result<SlackApiToken, ServiceError> {
        let token = self.inner.token.as_ref().ok_or_else(|| {
            connector.error(ServiceErrorKind::MissingCredential, "SLACK_BOT_TOKEN is not set").with_hint(
                "Set SLACK_BOT_TOKEN to the bot token of the release team's Slack app; it tells the channels what \
                 was done.",
            )
        })?;
        Ok(SlackApiToken::new(SlackApiTokenValue(token.expose_secret().to_owned())))
    }
}
