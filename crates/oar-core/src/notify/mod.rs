//! What is said to whom. Message texts stand here; only the Jira comments of [`crate::agents::notificator`] are with
//! the table that reads them.
//!
//! The builders are pure: they take facts and return a [`Message`]. [`outbox`] delivers it. A failed look-up
//! or delivery is never an error of the task that sends the message.
//!
//! No message contains an e-mail address, and all text from other sources is escaped.

mod approval;
mod approvals_needed;
mod bugs;
mod compose;
mod cve;
mod cvp;
mod detector;
mod drive;
mod health;
mod image_health_note;
mod jobs;
mod log;
mod mentions;
pub mod merge_request;
pub mod outbox;
mod ownership;
mod people;
mod report;
pub mod split;
mod test_results;
mod thread;

use std::fmt;

use sha1::{Digest, Sha1};

pub use approval::{ApprovalFailed, ApprovalFinished, ApprovalOverdue};
pub use approvals_needed::ApprovalsNeeded;
pub use bugs::{BugForPerson, BugsDropped, BugsToVerify, ConfirmDroppable, UnverifiedCveReminder};
pub use cve::{MissingCveTrackers, MissingTrackers};
pub use cvp::{CvpFailure, CvpIssueCreated, cvp_issue_description, cvp_issue_summary};
pub use detector::{AnnouncementMissing, ReleaseNotBegun};
pub use drive::{DriveThread, MorningSummary, Open, Question, Telling};
pub use health::{UnhealthyAdvisories, UnhealthyAdvisory, UnhealthyBuild, UnhealthyImage, UnhealthyImages};
pub use image_health_note::{ImageHealthNote, ImageRow, NOTE_LIMIT, VulnerabilityRow, is_image_health_note};
pub use jobs::{ConsistencyCheckTriggered, StageTesting, StageTestingJob};
pub use log::CommandLog;
pub use ownership::{AbnormalAdvisories, OwnershipTaken};
pub use people::{GroupMention, Owner, Person};
pub use report::ReportCreated;
pub use test_results::TestResult;
pub use thread::ReleaseThread;

use crate::clients::slack::{Block, Post, escape, link};

/// A message, ready to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Identifies the message, so that it is sent once: `<release>/<task>/<what>[/<short hash of the
    /// facts>]`. Readers do not see it.
    pub key: String,
    /// The channel: `#name` or its id.
    pub channel: String,
    /// The text in Slack's markup.
    pub text: String,
    /// The same as blocks; empty when the text is enough.
    pub blocks: Vec<Block>,
    /// The `ts` of the message whose thread this belongs to.
    pub thread: Option<String>,
    /// Whether a reply in a thread is shown in the channel as well.
    pub broadcast: bool,
}

impl Message {
    /// A message with only a text.
    pub fn new(key: impl Into<String>, channel: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            key: key.into(),
            channel: channel.into(),
            text: text.into(),
            blocks: Vec::new(),
            thread: None,
            broadcast: false,
        }
    }

    /// The message in parts that Slack shows completely, each with its own key; most messages are one part.
    pub fn parts(self) -> Vec<Self> {
        if self.text.chars().count() <= split::TEXT_LIMIT {
            return vec![self];
        }
        let texts = split::split(&self.text, split::TEXT_LIMIT);
        let part = |(index, text): (usize, String)| Self {
            key: if index == 0 { self.key.clone() } else { format!("{}/{}", self.key, index + 1) },
            channel: self.channel.clone(),
            text,
            blocks: Vec::new(),
            thread: self.thread.clone(),
            broadcast: self.broadcast,
        };
        texts.into_iter().enumerate().map(part).collect()
    }

    /// The same message, in the thread of the message with this `ts`.
    #[must_use]
    pub fn in_thread(mut self, thread: impl Into<String>) -> Self {
        self.thread = Some(thread.into());
        self
    }

    fn to_post(&self) -> Post {
        Post {
            channel: self.channel.clone(),
            text: self.text.clone(),
            blocks: self.blocks.clone(),
            thread: self.thread.clone(),
            broadcast: self.broadcast,
            key: Some(self.key.clone()),
        }
    }
}

/// Something with a web page: an advisory, an issue, a merge request, a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// Its web address.
    pub url: String,
    /// Its short name, such as `169293` or `ART-1234`.
    pub name: String,
}

impl Reference {
    /// A reference by web address and short name.
    pub fn new(url: impl Into<String>, name: impl Into<String>) -> Self {
        Self { url: url.into(), name: name.into() }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&link(&self.url, &self.name))
    }
}

/// [`compose::listed`] as a separate line.
fn list_line(title: &str, references: &[Reference]) -> String {
    let list = compose::listed(title, references);
    if list.is_empty() { list } else { format!("\n{list}") }
}

/// A hash of `facts`: twelve hexadecimal digits.
pub fn short_hash<'a>(facts: impl IntoIterator<Item = &'a str>) -> String {
    let mut hash = Sha1::new();
    for fact in facts {
        hash.update(fact.as_bytes());
        hash.update([0]);
    }
    let start = hash.finalize().iter().take(6).fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    format!("{start:012x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_message_comes_in_parts_with_keys_of_their_own() {
        let short = Message::new("k", "#c", "one line");
        assert_eq!(short.clone().parts(), [short]);
        let long = Message::new("k", "#c", "a line\n".repeat(1_000)).in_thread("1.5");
        let parts = long.parts();
        let keys: Vec<&str> = parts.iter().map(|part| part.key.as_str()).collect();
        assert_eq!(keys, ["k", "k/2"]);
        assert!(parts.iter().all(|part| part.thread.as_deref() == Some("1.5") && part.channel == "#c"));
        assert_eq!(parts.iter().map(|part| part.text.matches("a line").count()).sum::<usize>(), 1_000);
    }

    #[test]
    fn the_hash_tells_the_borders_of_facts() {
        assert_eq!(short_hash(["a", "b"]), short_hash(["a", "b"]));
        assert_ne!(short_hash(["a", "b"]), short_hash(["ab"]));
        assert_ne!(short_hash(["a", "b"]), short_hash(["b", "a"]));
        assert_eq!(short_hash([]).len(), 12);
    }
}
