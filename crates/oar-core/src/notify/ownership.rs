//! Messages of take-ownership (spec 03 §9 rows 3 to 5).

use super::{GroupMention, Message, Owner, Reference, list_line, short_hash};
use crate::version::ReleaseVersion;

/// A release has a new owner.
///
/// The lists contain everything that belongs to the owner now, not only what one run changed. So a run that
/// completes an interrupted one sends the same message, under the same key.
#[derive(Debug, Clone)]
pub struct OwnershipTaken<'a> {
    /// The release.
    pub release: &'a ReleaseVersion,
    /// The owner, as the message names them.
    pub owner: &'a Owner,
    /// Identifies the owner, whatever name is known (the address; only its hash is used).
    pub owner_identity: &'a str,
    /// The shipment merge request; `None` in the Errata flow.
    pub merge_request: Option<&'a Reference>,
    /// The advisories of the release.
    pub advisories: &'a [Reference],
    /// The owner's Jira subtasks.
    pub subtasks: &'a [Reference],
    /// The advisories among them that are still in `NEW_FILES`.
    pub abnormal: &'a [Reference],
    /// The release leads of the y-stream.
    pub leads: &'a GroupMention,
}

impl OwnershipTaken<'_> {
    /// The message to the QE release channel, for both flows (rows 3 and 5).
    pub fn message(&self, channel: &str) -> Message {
        let owner = match self.owner {
            Owner::Unnamed => String::from("."),
            named => format!(": {named}."),
        };
        let mut text = format!("{} Release {} has a new owner{owner}", self.leads, self.release);
        text.push_str(&list_line(
            "Shipment merge request",
            self.merge_request.map_or(&[], std::slice::from_ref),
        ));
        text.push_str(&list_line("Advisories", self.advisories));
        text.push_str(&list_line("Jira sub-tasks", self.subtasks));
        text.push_str(&list_line("Advisories still in NEW_FILES", self.abnormal));
        let facts = std::iter::once(self.owner_identity)
            .chain(self.merge_request.map(|reference| reference.url.as_str()))
            .chain(self.advisories.iter().chain(self.subtasks).map(|reference| reference.url.as_str()));
        Message::new(format!("{}/take-ownership/owner/{}", self.release, short_hash(facts)), channel, text)
    }
}

/// Advisories are still in `NEW_FILES` when their release gets its owner, so ART must check them.
#[derive(Debug, Clone)]
pub struct AbnormalAdvisories<'a> {
    /// The release.
    pub release: &'a ReleaseVersion,
    /// The advisories; not empty.
    pub advisories: &'a [Reference],
    /// ART's group.
    pub art: &'a GroupMention,
}

impl AbnormalAdvisories<'_> {
    /// The message to the ART channel (row 4).
    pub fn message(&self, channel: &str) -> Message {
        let text = format!(
            "{} Release {} has advisories that are still in NEW_FILES; please check.{}",
            self.art,
            self.release,
            list_line("Advisories", self.advisories)
        );
        let facts = self.advisories.iter().map(|reference| reference.url.as_str());
        Message::new(
            format!("{}/take-ownership/abnormal-advisories/{}", self.release, short_hash(facts)),
            channel,
            text,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clients::slack::{GroupId, UserId};

    fn advisory(number: u32) -> Reference {
        Reference::new(format!("https://errata.example.test/advisory/{number}"), number.to_string())
    }

    #[test]
    fn the_konflux_message_names_everything() {
        let message = OwnershipTaken {
            release: &"4.19.1".parse().unwrap(),
            owner: &Owner::Slack(UserId("U0AAA".into())),
            owner_identity: "demo@example.com",
            merge_request: Some(&Reference::new(
                "https://gitlab.example.test/group/project/-/merge_requests/612",
                "group/project!612",
            )),
            advisories: &[advisory(1001), advisory(1002)],
            subtasks: &[Reference::new("https://jira.example.test/browse/ART-2", "ART-2")],
            abnormal: &[advisory(1002)],
            leads: &GroupMention::Known(GroupId("S0AAA".into())),
        }
        .message("#team-qe-release-demo");
        insta::assert_snapshot!(message.text, @r"
        <!subteam^S0AAA> Release 4.19.1 has a new owner: <@U0AAA>.
        Shipment merge request: <https://gitlab.example.test/group/project/-/merge_requests/612|group/project!612>
        Advisories: <https://errata.example.test/advisory/1001|1001>, <https://errata.example.test/advisory/1002|1002>
        Jira sub-tasks: <https://jira.example.test/browse/ART-2|ART-2>
        Advisories still in NEW_FILES: <https://errata.example.test/advisory/1002|1002>
        ");
        assert!(!message.text.contains("example.com"));
    }

    #[test]
    fn the_errata_message_leaves_out_what_there_is_not() {
        let message = OwnershipTaken {
            release: &"4.14.60".parse().unwrap(),
            owner: &Owner::Unnamed,
            owner_identity: "demo@example.com",
            merge_request: None,
            advisories: &[advisory(1001)],
            subtasks: &[],
            abnormal: &[],
            leads: &GroupMention::Handle("demo-leads-4-14".into()),
        }
        .message("#team-qe-release-demo");
        insta::assert_snapshot!(message.text, @r"
        <!subteam^@demo-leads-4-14> Release 4.14.60 has a new owner.
        Advisories: <https://errata.example.test/advisory/1001|1001>
        ");
    }

    #[test]
    fn the_key_changes_with_the_facts_and_not_with_the_names() {
        let release = "4.19.1".parse().unwrap();
        let leads = [GroupMention::Known(GroupId("S0AAA".into())), GroupMention::Handle("demo".into())];
        let advisories = [advisory(1001)];
        let taken = OwnershipTaken {
            release: &release,
            owner: &Owner::Unnamed,
            owner_identity: "demo@example.com",
            merge_request: None,
            advisories: &advisories,
            subtasks: &[],
            abnormal: &[],
            leads: &leads[0],
        };
        let key = taken.message("#a").key;
        let (prefix, hash) = key.rsplit_once('/').unwrap();
        assert_eq!((prefix, hash.len()), ("4.19.1/take-ownership/owner", 12));
        let named =
            OwnershipTaken { owner: &Owner::Gitlab("demo".into()), leads: &leads[1], ..taken.clone() };
        assert_eq!(named.message("#a").key, key);
        let other = OwnershipTaken { owner_identity: "other@example.com", ..taken.clone() };
        assert_ne!(other.message("#a").key, key);
        let fewer = OwnershipTaken { advisories: &[], ..taken };
        assert_ne!(fewer.message("#a").key, key);
    }

    #[test]
    fn art_hears_of_abnormal_advisories() {
        let message = AbnormalAdvisories {
            release: &"4.14.60".parse().unwrap(),
            advisories: &[advisory(1001), advisory(1002)],
            art: &GroupMention::Known(GroupId("S0BBB".into())),
        }
        .message("#forum-ocp-release-demo");
        assert_eq!(message.channel, "#forum-ocp-release-demo");
        assert!(message.key.starts_with("4.14.60/take-ownership/abnormal-advisories/"));
        insta::assert_snapshot!(message.text, @r"
        <!subteam^S0BBB> Release 4.14.60 has advisories that are still in NEW_FILES; please check.
        Advisories: <https://errata.example.test/advisory/1001|1001>, <https://errata.example.test/advisory/1002|1002>
        ");
    }
}
