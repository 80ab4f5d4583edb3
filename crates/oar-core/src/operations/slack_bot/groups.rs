//! Whether somebody belongs to a user group, kept for some minutes: Slack lets its groups be asked for 20 times a minute.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::Mutex;

use crate::agents::bot::Membership;
use crate::clients::slack::{Members, SlackClient, UserId};

/// How long the members of a group count after they were looked up. So long somebody who left may still give commands.
const KEPT_FOR: Duration = Duration::from_mins(3);

/// Looks up memberships.
#[derive(Debug)]
pub struct Groups {
    slack: SlackClient,
    known: Mutex<BTreeMap<String, (Timestamp, Members)>>,
}

impl Groups {
    /// The groups of this workspace.
    pub fn new(slack: SlackClient) -> Self {
        Self { slack, known: Mutex::default() }
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
        let fresh = |at: &Timestamp| at.checked_add(KEPT_FOR).is_ok_and(|end| now < end);
        let kept = known.get(handle).filter(|(at, _)| fresh(at)).map(|(_, members)| members.contains(user));
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
