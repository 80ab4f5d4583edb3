//! How messages name people and groups: never by e-mail address.

use std::fmt;

use super::escape;
use crate::clients::slack::{GroupId, UserId};

/// A group that a message is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GroupMention {
    /// Slack knows the group: its members are notified.
    Known(GroupId),
    /// The group could not be looked up: it is looked up again when the message is sent.
    Handle(String),
}

impl fmt::Display for GroupMention {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Known(id) => id.fmt(formatter),
            Self::Handle(handle) => match GroupId::of_handle(handle) {
                Some(unasked) => unasked.fmt(formatter),
                None => write!(formatter, "@{}", escape(handle.trim_start_matches('@'))),
            },
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
    /// Only the address is known.
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

/// A recipient of a message.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Person {
    /// The Slack account: the person is notified.
    Slack(UserId),
    /// Slack has no account with the person's address, or could not be asked: the name is written as text.
    Name(String),
}

impl Person {
    /// A person without a known Slack account. A name that looks like an address is cut down to the part
    /// before the `@`.
    pub fn named(name: &str) -> Self {
        let plain =
            |word: &'_ str| word.trim_matches(['<', '>']).split('@').next().unwrap_or_default().to_owned();
        let words: Vec<String> = name.split_whitespace().map(plain).filter(|word| !word.is_empty()).collect();
        let name = words.join(" ");
        Self::Name(if name.is_empty() { String::from("somebody unnamed") } else { name })
    }
}

impl fmt::Display for Person {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Slack(id) => id.fmt(formatter),
            Self::Name(name) => formatter.write_str(&escape(name)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_escaped_and_mentions_are_not() {
        assert_eq!(GroupMention::Known(GroupId("S0AAA".into())).to_string(), "<!subteam^S0AAA>");
        assert_eq!(GroupMention::Handle("@demo-leads".into()).to_string(), "<!subteam^@demo-leads>");
        assert_eq!(GroupMention::Handle("@demo<leads>".into()).to_string(), "@demo&lt;leads&gt;");
        assert_eq!(Owner::Slack(UserId("U0AAA".into())).to_string(), "<@U0AAA>");
        assert_eq!(Owner::Gitlab("demo".into()).to_string(), "demo");
        assert_eq!(Owner::Unnamed.to_string(), "the new owner");
        assert_eq!(Person::Slack(UserId("U0AAA".into())).to_string(), "<@U0AAA>");
        assert_eq!(Person::named("R & D").to_string(), "R &amp; D");
    }

    #[test]
    fn an_address_is_no_name() {
        assert_eq!(Person::named("demo@example.com"), Person::Name("demo".into()));
        assert_eq!(Person::named("Demo <demo@example.com>"), Person::Name("Demo demo".into()));
        assert_eq!(Person::named(" "), Person::Name("somebody unnamed".into()));
    }
}
