//! start-release-detector (spec 05 §2).

use super::{GroupMention, Message, short_hash};
use crate::version::{ReleaseVersion, YStream};

/// The newest announced release of a y-stream is older than its newest stable build: an announcement is missing.
#[derive(Debug, Clone)]
pub struct AnnouncementMissing<'a> {
    /// The y-stream.
    pub stream: YStream,
    /// The newest announced release.
    pub announced: &'a ReleaseVersion,
    /// The newest accepted stable build.
    pub stable: &'a ReleaseVersion,
    /// The release leads of the y-stream.
    pub leads: &'a GroupMention,
    /// ART, who announces releases.
    pub art: &'a GroupMention,
}

impl AnnouncementMissing<'_> {
    /// The message to the QE release channel: one for each stable build.
    pub fn message(&self, channel: &str) -> Message {
        let Self { stream, announced, stable, leads, art } = self;
        Message::new(
            format!(
                "{stream}/start-release-detector/behind/{}",
                short_hash([announced.to_string().as_str(), stable.to_string().as_str()])
            ),
            channel,
            format!(
                "{leads} The newest announced release of {stream} is {announced}, but the release controller has already \
                 accepted {stable}. An announcement is missing, and no StateBox is created for it. {art} Please check."
            ),
        )
    }
}

/// A release was announced and accepted more than a day ago, and nobody has begun it.
#[derive(Debug, Clone)]
pub struct ReleaseNotBegun<'a> {
    /// The release.
    pub release: &'a ReleaseVersion,
    /// The release leads of the y-stream.
    pub leads: &'a GroupMention,
}

impl ReleaseNotBegun<'_> {
    /// The message to the QE release channel. It is said once of a release, so the key has no other part.
    pub fn message(&self, channel: &str) -> Message {
        let Self { release, leads } = self;
        Message::new(
            format!("{release}/start-release-detector/not-begun"),
            channel,
            format!(
                "{leads} Release {release} is announced, the release controller has accepted it, and it has no StateBox. If it \
                 is to be tested, run `oar -r {release} create-test-report`."
            ),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clients::slack::GroupId;

    #[test]
    fn a_missing_announcement_is_told_once_for_each_stable_build() {
        let (leads, art) =
            (GroupMention::Known(GroupId("S0AAA".into())), GroupMention::Known(GroupId("S0ART".into())));
        let message = |stable: &str| {
            AnnouncementMissing {
                stream: YStream::new(4, 19),
                announced: &"4.19.0".parse().unwrap(),
                stable: &stable.parse().unwrap(),
                leads: &leads,
                art: &art,
            }
            .message("#team-qe-release-demo")
        };
        let first = message("4.19.1");
        assert!(first.key.starts_with("4.19/start-release-detector/behind/"), "{}", first.key);
        assert_ne!(first.key, message("4.19.2").key);
        insta::assert_snapshot!(first.text, @"<!subteam^S0AAA> The newest announced release of 4.19 is 4.19.0, but the release controller has already accepted 4.19.1. An announcement is missing, and no StateBox is created for it. <!subteam^S0ART> Please check.");
    }

    #[test]
    fn a_release_that_nobody_has_begun_is_told_with_what_to_do() {
        let leads = GroupMention::Known(GroupId("S0AAA".into()));
        let message = ReleaseNotBegun { release: &"4.19.1".parse().unwrap(), leads: &leads }.message("#x");
        assert_eq!(message.key, "4.19.1/start-release-detector/not-begun");
        insta::assert_snapshot!(message.text, @"<!subteam^S0AAA> Release 4.19.1 is announced, the release controller has accepted it, and it has no StateBox. If it is to be tested, run `oar -r 4.19.1 create-test-report`.");
    }
}
