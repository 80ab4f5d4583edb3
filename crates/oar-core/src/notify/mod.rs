//! What is said to whom. Message texts stand here and nowhere else.
//!
//! The builders are pure: they take facts and give a [`Message`]. [`outbox`] delivers one, and neither a look-up nor
//! a delivery that fails is ever an error of the task that has something to say.
//!
//! No message names an e-mail address, and all text that comes from elsewhere is escaped.

mod image_health_note;
pub mod merge_request;
pub mod outbox;
mod ownership;
mod report;

use std::fmt;

use sha1::{Digest, Sha1};

pub use image_health_note::{ImageHealthNote, ImageRow, NOTE_LIMIT, VulnerabilityRow, is_image_health_note};
pub use ownership::{AbnormalAdvisories, OwnershipTaken};
pub use report::ReportCreated;

use crate::clients::slack::{GroupId, Post, UserId, escape, link};

/// A message, ready to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// What tells this message from every other one, and the same message from a repetition:
    /// `<release>/<task>/<what>[/<short hash of the facts>]`. Readers do not see it.
    pub key: String,
    /// The channel: `#name` or its id.
    pub channel: String,
    /// The text in Slack's markup.
    pub text: String,
    /// The `ts` of the message whose thread this belongs to.
    pub thread: Option<String>,
}

impl Message {
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
            thread: self.thread.clone(),
            key: Some(self.key.clone()),
        }
    }
}

/// A group that a message is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GroupMention {
    /// Slack knows the group: its members are notified.
    Known(GroupId),
    /// Slack could not be asked: the handle stands as text.
    Handle(String),
}

impl fmt::Display for GroupMention {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Known(id) => id.fmt(formatter),
            Self::Handle(handle) => write!(formatter, "@{}", escape(handle.trim_start_matches('@'))),
        }
    }
}

/// The new owner of a release, by the best name that is known. Never an e-mail address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Owner {
    /// The Slack account.
    Slack(UserId),
    /// The name at GitLab.
    Gitlab(String),
    /// Nothing but the address is known.
    Unnamed,
}

impl fmt::Display for Owner {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Slack(id) => id.fmt(formatter),
            Self::Gitlab(username) => formatter.write_str(&escape(username)),
            Self::Unnamed => formatter.write_str("the new owner"),
        }
    }
}

/// Something that can be looked at: an advisory, an issue, a merge request, a file.
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

/// `title: a, b, c` as a line of its own; nothing for an empty list.
fn list_line(title: &str, references: &[Reference]) -> String {
    if references.is_empty() {
        return String::new();
    }
    let items: Vec<_> = references.iter().map(ToString::to_string).collect();
    format!("\n{title}: {}", items.join(", "))
}

/// Twelve hexadecimal digits that stand for `facts`.
fn short_hash<'a>(facts: impl IntoIterator<Item = &'a str>) -> String {
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
    fn names_are_escaped_and_mentions_are_not() {
        assert_eq!(GroupMention::Known(GroupId("S0AAA".into())).to_string(), "<!subteam^S0AAA>");
        assert_eq!(GroupMention::Handle("@demo<leads>".into()).to_string(), "@demo&lt;leads&gt;");
        assert_eq!(Owner::Slack(UserId("U0AAA".into())).to_string(), "<@U0AAA>");
        assert_eq!(Owner::Gitlab("demo".into()).to_string(), "demo");
        assert_eq!(Owner::Unnamed.to_string(), "the new owner");
    }

    #[test]
    fn the_hash_tells_the_borders_of_facts() {
        assert_eq!(short_hash(["a", "b"]), short_hash(["a", "b"]));
        assert_ne!(short_hash(["a", "b"]), short_hash(["ab"]));
        assert_ne!(short_hash(["a", "b"]), short_hash(["b", "a"]));
        assert_eq!(short_hash([]).len(), 12);
    }
}
