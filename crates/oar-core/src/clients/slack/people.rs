//! Who belongs to a user group, and what is known of an account (spec 05 §4.6, "groups").

use serde::Deserialize;

use super::lookup::NotReached;
use super::{SlackClient, UserId};
use crate::clients::empty;
use crate::email::EmailAddress;
use crate::error::{ServiceError, ServiceErrorKind};

/// The members of a user group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Members(Vec<String>);

impl Members {
    /// Whether this account is one of them.
    pub fn contains(&self, user: &UserId) -> bool {
        self.0.contains(&user.0)
    }
}

/// How the bot stands to a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct ChannelStanding {
    /// Whether the bot was invited.
    #[serde(default)]
    pub is_member: bool,
    /// Whether only members see it.
    #[serde(default)]
    pub is_private: bool,
    /// Whether nobody can write there any more.
    #[serde(default)]
    pub is_archived: bool,
}

#[derive(Deserialize)]
struct StandingAnswer {
    channel: ChannelStanding,
}

#[derive(Deserialize)]
struct MembersAnswer {
    #[serde(default, deserialize_with = "empty::list")]
    users: Vec<String>,
}

#[derive(Deserialize)]
struct AccountAnswer {
    user: Account,
}

#[derive(Deserialize)]
struct Account {
    #[serde(default, deserialize_with = "empty::or_default")]
    profile: Option<Profile>,
}

#[derive(Deserialize)]
struct Profile {
    #[serde(default, deserialize_with = "empty::or_default")]
    email: Option<String>,
}

#[derive(Deserialize)]
struct OwnAnswer {
    #[serde(default, deserialize_with = "empty::or_default")]
    user_id: Option<String>,
}

impl SlackClient {
    /// The members of the user group with this handle, asked for anew each time. An error means that they are not known.
    pub async fn group_members(&self, handle: &str) -> Result<Members, ServiceError> {
        let group = self.usergroup_id(handle).await?;
        let connector = self.connector("list a user group's members", format!("@{handle}"));
        let answer: MembersAnswer =
            self.get(connector, "usergroups.users.list", &[("usergroup", group.0)]).await?;
        Ok(Members(answer.users))
    }

    /// The e-mail address of an account; `None` when Slack tells none.
    pub async fn address_of(&self, user: &UserId) -> Result<Option<EmailAddress>, ServiceError> {
        let connector = self.connector("read an account", user.0.clone());
        let answer: AccountAnswer = self.get(connector, "users.info", &[("user", user.0.clone())]).await?;
        Ok(answer.user.profile.and_then(|profile| profile.email?.parse().ok()))
    }

    /// The scopes of the token; `None` when Slack does not say.
    pub async fn scopes(&self) -> Result<Option<Vec<String>>, ServiceError> {
        let connector = self.connector("ask what the token may do", String::new());
        connector.scopes_of(&self.token(&connector)?).await
    }

    /// How the bot stands to a channel, by name or id.
    pub async fn standing_in(&self, channel: &str) -> Result<ChannelStanding, ServiceError> {
        let connector = || self.connector("read a channel", format!("channel {channel}"));
        let id = self.channel_id(channel).await.map_err(|error| match error {
            NotReached::Error(error) => error,
            NotReached::Reason(why) => connector().error(ServiceErrorKind::NotFound, why.words()),
        })?;
        let answer: StandingAnswer = self.get(connector(), "conversations.info", &[("channel", id)]).await?;
        Ok(answer.channel)
    }

    /// The account of the bot itself; `None` when Slack does not say.
    pub async fn own_account(&self) -> Result<Option<UserId>, ServiceError> {
        let connector = self.connector("ask who the bot is", String::new());
        let answer: OwnAnswer = self.get(connector, "auth.test", &[]).await?;
        Ok(answer.user_id.filter(|id| !id.is_empty()).map(UserId))
    }
}
