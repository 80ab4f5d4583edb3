//! Messages of change-advisory-status at the end of its wait (spec 03 §9 rows 10 to 12).

use jiff::Timestamp;

use super::compose::{Composition, listed, quoted};
use super::{GroupMention, Message, Reference, escape, short_hash};
use crate::clock::stamp;
use crate::version::ReleaseVersion;

/// The release was approved: the payload's metadata is up and the advisories moved.
#[derive(Debug, Clone)]
pub struct ApprovalFinished<'a> {
    /// The release.
    pub release: &'a ReleaseVersion,
    /// The metadata URL; `None` in the Errata flow, which does not wait for it.
    pub metadata: Option<&'a Reference>,
    /// The advisories that are in `REL_PREP` or a later state now.
    pub advisories: &'a [Reference],
    /// The release leads of the y-stream.
    pub leads: &'a GroupMention,
}

impl ApprovalFinished<'_> {
    /// The message to the QE release channel. A release is approved once, so the key has no other part.
    pub fn message(&self, channel: &str) -> Message {
        let metadata = self.metadata.map_or_else(String::new, |metadata| format!(" Its {metadata} is up."));
        let moved = if self.advisories.is_empty() { "" } else { " Its advisories are in REL_PREP." };
        let text = format!("{} Release {} is approved by QE.{metadata}{moved}", self.leads, self.release);
        let key = format!("{}/change-advisory-status/finished", self.release);
        Composition::plain(text).paragraph(listed("Advisories", self.advisories)).message(key, channel)
    }
}

/// The wait for the approval ended with an error.
#[derive(Debug, Clone)]
pub struct ApprovalFailed<'a> {
    /// The release.
    pub release: &'a ReleaseVersion,
    /// What failed, without addresses.
    pub reason: &'a str,
    /// What to do next.
    pub next: Option<&'a str>,
    /// The release leads of the y-stream.
    pub leads: &'a GroupMention,
}

impl ApprovalFailed<'_> {
    /// The message to the QE release channel.
    pub fn message(&self, channel: &str) -> Message {
        let text = format!("{} The approval of release {} failed.", self.leads, self.release);
        let hash = short_hash([self.reason]);
        let key = format!("{}/change-advisory-status/failed/{hash}", self.release);
        let composition = Composition::titled(format!("{}: approval failed", self.release), text)
            .paragraph(format!("Reason: {}", quoted(self.reason)));
        match self.next {
            Some(next) => composition.footer(quoted(next)),
            None => composition,
        }
        .message(key, channel)
    }
}

/// The approval waited until its deadline: a person must decide.
#[derive(Debug, Clone)]
pub struct ApprovalOverdue<'a> {
    /// The release.
    pub release: &'a ReleaseVersion,
    /// What the approval waits for.
    pub awaited: &'a Reference,
    /// When the wait started.
    pub since: Timestamp,
    /// Its deadline.
    pub until: Timestamp,
    /// The command that continues the wait.
    pub command: &'a str,
    /// The release leads of the y-stream.
    pub leads: &'a GroupMention,
}

impl ApprovalOverdue<'_> {
    /// The message to the QE release channel, once for every deadline.
    pub fn message(&self, channel: &str) -> Message {
        let (since, until) = (stamp(self.since), stamp(self.until));
        let first = format!(
            "{} Release {} still waits for {}: since {since}, and the deadline {until} has passed.",
            self.leads, self.release, self.awaited
        );
        let key = format!("{}/change-advisory-status/overdue/{}", self.release, short_hash([until.as_str()]));
        Composition::titled(format!("{}: approval is overdue", self.release), first)
            .paragraph(format!("To keep waiting, run `{}`.", escape(self.command)))
            .footer("Nothing was changed, and nothing is lost.")
            .message(key, channel)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clients::slack::GroupId;

    fn leads() -> GroupMention {
        GroupMention::Known(GroupId("S0AAA".into()))
    }

    fn metadata() -> Reference {
        Reference::new("https://access.example.test/errata/RHBA-2026:1001", "errata page")
    }

    #[test]
    fn the_end_names_what_was_reached() {
        let advisories = [Reference::new("https://errata.example.test/advisory/1001", "1001")];
        let message = ApprovalFinished {
            release: &"4.19.1".parse().unwrap(),
            metadata: Some(&metadata()),
            advisories: &advisories,
            leads: &leads(),
        }
        .message("#team-qe-release-demo");
        insta::assert_snapshot!(message.key, @"4.19.1/change-advisory-status/finished");
        insta::assert_snapshot!(message.text, @r"
        <!subteam^S0AAA> Release 4.19.1 is approved by QE. Its <https://access.example.test/errata/RHBA-2026:1001|errata page> is up. Its advisories are in REL_PREP.
        Advisories: <https://errata.example.test/advisory/1001|1001>
        ");
        let errata = ApprovalFinished {
            release: &"4.14.60".parse().unwrap(),
            metadata: None,
            advisories: &[],
            leads: &leads(),
        };
        insta::assert_snapshot!(errata.message("#c").text, @"<!subteam^S0AAA> Release 4.14.60 is approved by QE.");
    }

    #[test]
    fn a_failure_is_quoted_as_text() {
        let message = ApprovalFailed {
            release: &"4.19.1".parse().unwrap(),
            reason: "GitLab: approve !612:\n401 <Unauthorized>",
            next: Some("Run the same command again."),
            leads: &leads(),
        }
        .message("#team-qe-release-demo");
        insta::assert_snapshot!(message.text, @r"
        <!subteam^S0AAA> The approval of release 4.19.1 failed.
        Reason: GitLab: approve !612: 401 &lt;Unauthorized&gt;
        Run the same command again.
        ");
        assert!(message.key.starts_with("4.19.1/change-advisory-status/failed/"), "{}", message.key);
    }

    #[test]
    fn a_deadline_asks_once_and_the_next_one_again() {
        let release = "4.19.1".parse().unwrap();
        let (awaited, leads) = (metadata(), leads());
        let overdue = |until: &str| {
            ApprovalOverdue {
                release: &release,
                awaited: &awaited,
                since: "2026-07-01T10:00:00Z".parse().unwrap(),
                until: until.parse().unwrap(),
                command: "oar -r 4.19.1 change-advisory-status --wait",
                leads: &leads,
            }
            .message("#team-qe-release-demo")
        };
        let message = overdue("2026-07-03T10:00:00Z");
        insta::assert_snapshot!(message.text, @r"
        <!subteam^S0AAA> Release 4.19.1 still waits for <https://access.example.test/errata/RHBA-2026:1001|errata page>: since 2026-07-01T10:00:00Z, and the deadline 2026-07-03T10:00:00Z has passed.
        To keep waiting, run `oar -r 4.19.1 change-advisory-status --wait`.
        Nothing was changed, and nothing is lost.
        ");
        assert_eq!(message.key, overdue("2026-07-03T10:00:00Z").key);
        assert_ne!(message.key, overdue("2026-07-05T10:00:00Z").key);
    }
}
