//! Messages of image-consistency-check and stage-testing about started jobs (spec 03 §9 rows 7 and 9).

use super::compose::Composition;
use super::{GroupMention, Message, Reference, escape, short_hash};
use crate::version::ReleaseVersion;

/// The Prow job of the image consistency check was started.
#[derive(Debug, Clone)]
pub struct ConsistencyCheckTriggered<'a> {
    /// The release.
    pub release: &'a ReleaseVersion,
    /// The job: its name, and its page at Prow.
    pub job: &'a Reference,
    /// The release leads of the y-stream.
    pub leads: &'a GroupMention,
}

impl ConsistencyCheckTriggered<'_> {
    /// The message to the QE release channel.
    pub fn message(&self, channel: &str) -> Message {
        let text = format!(
            "{} The image consistency check of release {} is running: {}",
            self.leads, self.release, self.job
        );
        let hash = short_hash([self.job.url.as_str()]);
        let key = format!("{}/image-consistency-check/triggered/{hash}", self.release);
        Composition::plain(text).message(key, channel)
    }
}

/// The state of the stage test's job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StageTestingJob<'a> {
    /// It has a build.
    Started {
        /// The build: its number, and its page at Jenkins.
        build: &'a Reference,
    },
    /// It is still in Jenkins' queue after the command's wait.
    Queued {
        /// The queue item: its number, and its page at Jenkins.
        item: &'a Reference,
    },
}

/// The stage test was started.
#[derive(Debug, Clone)]
pub struct StageTesting<'a> {
    /// The release.
    pub release: &'a ReleaseVersion,
    /// The job's short name, such as `Stage-Pipeline`.
    pub job: &'a str,
    /// Its state.
    pub state: StageTestingJob<'a>,
    /// The release leads of the y-stream.
    pub leads: &'a GroupMention,
}

impl StageTesting<'_> {
    /// The message to the QE release channel.
    pub fn message(&self, channel: &str) -> Message {
        let job = escape(self.job);
        let (what, url, words) = match self.state {
            StageTestingJob::Started { build } => {
                ("triggered", &build.url, format!("is running: {job} {build}"))
            }
            StageTestingJob::Queued { item } => (
                "queued",
                &item.url,
                format!(
                    "waits in Jenkins' queue: {job} {item}. It is followed from there; do not start it again."
                ),
            ),
        };
        let text = format!("{} The stage test of release {} {words}", self.leads, self.release);
        let key = format!("{}/stage-testing/{what}/{}", self.release, short_hash([url.as_str()]));
        Composition::plain(text).message(key, channel)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clients::slack::GroupId;

    fn leads() -> GroupMention {
        GroupMention::Known(GroupId("S0AAA".into()))
    }

    #[test]
    fn the_consistency_check_is_named_with_its_job() {
        let message = ConsistencyCheckTriggered {
            release: &"4.19.1".parse().unwrap(),
            job: &Reference::new("https://prow.example.test/view/1", "periodic-demo-image-consistency-check"),
            leads: &leads(),
        }
        .message("#team-qe-release-demo");
        insta::assert_snapshot!(message.text, @"<!subteam^S0AAA> The image consistency check of release 4.19.1 is running: <https://prow.example.test/view/1|periodic-demo-image-consistency-check>");
        assert!(message.key.starts_with("4.19.1/image-consistency-check/triggered/"), "{}", message.key);
        assert!(message.blocks.is_empty());
    }

    #[test]
    fn the_stage_test_runs_or_waits_and_the_two_are_two_messages() {
        let release = "4.14.60".parse().unwrap();
        let place = Reference::new("https://jenkins.example.test/job/zstreams/job/Stage-Pipeline/7/", "#7");
        let leads = leads();
        let stage = |state| StageTesting { release: &release, job: "Stage-Pipeline", state, leads: &leads };
        let running = stage(StageTestingJob::Started { build: &place }).message("#team-qe-release-demo");
        insta::assert_snapshot!(running.text, @"<!subteam^S0AAA> The stage test of release 4.14.60 is running: Stage-Pipeline <https://jenkins.example.test/job/zstreams/job/Stage-Pipeline/7/|#7>");
        let waiting = stage(StageTestingJob::Queued { item: &place }).message("#team-qe-release-demo");
        insta::assert_snapshot!(waiting.text, @"<!subteam^S0AAA> The stage test of release 4.14.60 waits in Jenkins' queue: Stage-Pipeline <https://jenkins.example.test/job/zstreams/job/Stage-Pipeline/7/|#7>. It is followed from there; do not start it again.");
        assert_ne!(running.key, waiting.key);
    }
}
