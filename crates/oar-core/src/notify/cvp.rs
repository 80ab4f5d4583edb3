//! check-greenwave-cvp-tests (spec 03 §9 row 19).

use super::compose::Composition;
use super::{GroupMention, Message, Reference, short_hash};
use crate::version::ReleaseVersion;

/// Container verification tests failed, and an issue was created for them.
#[derive(Debug, Clone)]
pub struct CvpIssueCreated<'a> {
    /// The release.
    pub release: &'a ReleaseVersion,
    /// The new issue.
    pub issue: &'a Reference,
    /// The release leads of the y-stream.
    pub leads: &'a GroupMention,
}

impl CvpIssueCreated<'_> {
    /// The message to the QE release channel.
    pub fn message(&self, channel: &str) -> Message {
        let text = format!(
            "{} Greenwave CVP tests of release {} failed; they are followed in {}.",
            self.leads, self.release, self.issue
        );
        let hash = short_hash([self.issue.name.as_str()]);
        let key = format!("{}/check-greenwave-cvp-tests/issue/{hash}", self.release);
        Composition::plain(text).message(key, channel)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_new_issue_is_linked() {
        let message = CvpIssueCreated {
            release: &"4.14.60".parse().unwrap(),
            issue: &Reference::new("https://jira.example.test/browse/CVP-7", "CVP-7"),
            leads: &GroupMention::Handle("demo-leads-4-14".into()),
        }
        .message("#team-qe-release-demo");
        insta::assert_snapshot!(message.text, @"@demo-leads-4-14 Greenwave CVP tests of release 4.14.60 failed; they are followed in <https://jira.example.test/browse/CVP-7|CVP-7>.");
        assert!(message.key.starts_with("4.14.60/check-greenwave-cvp-tests/issue/"), "{}", message.key);
    }
}
