//! Whether somebody belongs to a user group, and what a channel is called, kept for some minutes: Slack lets its groups be
//! asked for 20 times a minute. Both can change while the bot works, and rights depend on them.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::Mutex;

use crate::agents::bot::Membership;
use crate::clients::slack::{Members, SlackClient, UserId};
use crate::error::ServiceError;

/// How long an answer counts after it was looked up. So long somebody who left may still give commands.
const KEPT_FOR: Duration = Duration::from_mins(3);

/// The most channels whose names are kept.
const CHANNELS: usize = 1000;

/// Looks up memberships and channels.
#[derive(Debug)]
pub struct Groups {
    slack: SlackClient,
    known: Mutex<BTreeMap<String, (Timestamp, Members)>>,
    channels: Mutex<BTreeMap<String, (Timestamp, String)>>,
}

impl Groups {
    /// The groups of this workspace.
    pub fn new(slack: SlackClient) -> Self {
        Self { slack, known: Mutex::default(), channels: Mutex::default() }
    }

    /// The name of a channel, without `#`; empty where it has none.
    ///
    /// # Errors
    ///
    /// Slack does not say.
    pub async fn channel_name(&self, id: &str, now: Timestamp) -> Result<String, ServiceError> {
        let mut channels = self.channels.lock().await;
        if let Some((_, name)) = channels.get(id).filter(|(at, _)| is_fresh(*at, now)) {
            return Ok(name.clone());
        }
        let name = self.slack.current_channel_name(id).await?;
        if channels.len() >= CHANNELS {
            channels.clear();
        }
        channels.insert(id.to_owned(), (now, name.clone()));
        Ok(name)
    }

    /// The memberships of `user` in these groups. What cannot be looked up is unknown, and looked up again next time.
    pub async fn memberships(
        &self,
        user: &UserId,
        handles: &[&str],
        now: Timestamp,
    ) -> BTreeMap<String, Membership> {
        let mut memberships = BTreeMap::new();
        for handle in handles {
            let membership = self.membership(user, handle, now).await;
            memberships.insert((*handle).to_owned(), membership);
        }
        memberships
    }

    async fn membership(&self, user: &UserId, handle: &str, now: Timestamp) -> Membership {
        // One look-up at a time: whoever waits finds the answer.
        let mut known = self.known.lock().await;
        let kept =
            known.get(handle).filter(|(at, _)| is_fresh(*at, now)).map(|(_, members)| members.contains(user));
        let is_member = match kept {
            Some(is_member) => is_member,
            None => match self.slack.group_members(handle).await {
                Ok(members) => {
                    let is_member = members.contains(user);
                    known.insert(handle.to_owned(), (now, members));
                    is_member
                }
                Err(error) => return Membership::Unknown(error.to_string()),
            },
        };
        if is_member { Membership::Member } else { Membership::NotMember }
    }
}

fn is_fresh(at: Timestamp, now: Timestamp) -> bool {
    at.checked_add(KEPT_FOR).is_ok_and(|end| now < end)
}
