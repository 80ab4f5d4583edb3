//! The message of create-test-report (spec 03 §9 row 1).

use super::{GroupMention, Message, Reference};
use crate::version::ReleaseVersion;

/// A release got its StateBox.
#[derive(Debug, Clone)]
pub struct ReportCreated<'a> {
    /// The release.
    pub release: &'a ReleaseVersion,
    /// The web address of the StateBox file (interop-exact, spec 01 §2.1).
    pub state_url: &'a str,
    /// The release leads of the y-stream.
    pub leads: &'a GroupMention,
}

impl ReportCreated<'_> {
    /// The message to the QE release channel. A release is announced once, so the key has no other part.
    pub fn message(&self, channel: &str) -> Message {
        let report = Reference::new(self.state_url, format!("test report of {}", self.release));
        Message::new(
            format!("{}/create-test-report/created", self.release),
            channel,
            format!("{} The {report} is ready.", self.leads),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clients::slack::GroupId;

    #[test]
    fn the_report_is_announced_with_its_link() {
        let message = ReportCreated {
            release: &"4.19.1".parse().unwrap(),
            state_url: "https://github.example.test/o/r/blob/z-stream/_releases/4.19/statebox/4.19.1.yaml",
            leads: &GroupMention::Known(GroupId("S0AAA".into())),
        }
        .message("#team-qe-release-demo");
        assert_eq!((message.channel.as_str(), message.thread.as_deref()), ("#team-qe-release-demo", None));
        insta::assert_snapshot!(message.key, @"4.19.1/create-test-report/created");
        insta::assert_snapshot!(message.text, @"<!subteam^S0AAA> The <https://github.example.test/o/r/blob/z-stream/_releases/4.19/statebox/4.19.1.yaml|test report of 4.19.1> is ready.");
    }
}
