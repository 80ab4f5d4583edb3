//! Who may do what in which channel (`slack_bot.permissions`).

use std::collections::BTreeMap;
use std::fmt;

use crate::config::{ChannelGroups, ConfigError, Document};

/// What somebody may do. Each level includes those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// Commands that only read.
    Read,
    /// Commands that write.
    Write,
    /// Commands that cannot be undone, and the approval of their plans.
    Critical,
}

impl fmt::Display for Level {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Critical => "give critical commands",
        })
    }
}

/// Whether somebody belongs to a group, as far as it could be looked up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Membership {
    /// They do.
    Member,
    /// They do not.
    NotMember,
    /// It could not be looked up; the reason.
    Unknown(String),
}

/// Whether somebody may do something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Access {
    /// They may.
    Allowed,
    /// They may not; the groups that may.
    Refused {
        /// The handles of the groups whose members may; empty when nobody may in this channel.
        groups: Vec<String>,
    },
    /// Whether they may could not be found out, so they may not now; why.
    Unknown(String),
}

impl Access {
    /// Whether it is certain that they may.
    pub fn is_allowed(&self) -> bool {
        *self == Self::Allowed
    }
}

/// A channel that a message stands in.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// Its id.
    pub id: &'a str,
    /// Its name without `#`; none when it could not be looked up.
    pub name: Option<&'a str>,
}

/// The groups per channel.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Permissions {
    channels: Vec<ChannelGroups>,
}

impl Permissions {
    /// Those of the configuration document; without the section nobody may do anything.
    ///
    /// # Errors
    ///
    /// The section cannot be used.
    pub fn of_document(document: &Document) -> Result<Self, ConfigError> {
        Ok(Self { channels: document.slack_bot_permissions()? })
    }

    /// The channels in which somebody may do something: ids, and names without `#`.
    pub fn channels(&self) -> impl Iterator<Item = &str> {
        self.channels.iter().map(|channel| channel.channel.as_str())
    }

    /// Every group that is named, each once.
    pub fn all_groups(&self) -> Vec<&str> {
        let named = |channel: &str| self.groups(Place { id: channel, name: None }, Level::Read);
        let mut groups: Vec<&str> = self.channels().flat_map(named).collect();
        groups.sort_unstable();
        groups.dedup();
        groups
    }

    /// The groups whose members may do this in this channel, each once: those of the level and of the higher ones.
    pub fn groups(&self, place: Place<'_>, level: Level) -> Vec<&str> {
        let here = self
            .channels
            .iter()
            .filter(|channel| channel.channel == place.id || Some(channel.channel.as_str()) == place.name);
        let mut groups: Vec<&str> = Vec::new();
        for channel in here {
            let levels = [
                (Level::Read, &channel.read),
                (Level::Write, &channel.write),
                (Level::Critical, &channel.critical),
            ];
            for handle in levels.iter().filter(|(of, _)| *of >= level).flat_map(|(_, handles)| *handles) {
                if !groups.contains(&handle.as_str()) {
                    groups.push(handle);
                }
            }
        }
        groups
    }

    /// Whether somebody with these memberships may do this in this channel. A group that `memberships` does not name could
    /// not be looked up.
    pub fn access(
        &self,
        place: Place<'_>,
        level: Level,
        memberships: &BTreeMap<String, Membership>,
    ) -> Access {
        let groups = self.groups(place, level);
        let mut unknown = None;
        for group in &groups {
            match memberships.get(*group) {
                Some(Membership::Member) => return Access::Allowed,
                Some(Membership::NotMember) => {}
                Some(Membership::Unknown(why)) => {
                    unknown.get_or_insert_with(|| format!("the members of @{group} are not known: {why}"));
                }
                None => {
                    unknown.get_or_insert_with(|| format!("the members of @{group} were not looked up"));
                }
            }
        }
        match unknown {
            Some(why) => Access::Unknown(why),
            None => Access::Refused { groups: groups.into_iter().map(str::to_owned).collect() },
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn permissions() -> Permissions {
        let document = json!({"slack_bot": {"permissions": {
            "#releases": {"read": "everyone", "write": "qe", "critical": "leads"},
            "C0OTHER": {"read": "qe,leads"},
        }}});
        Permissions::of_document(&Document::parse(&document.to_string()).unwrap()).unwrap()
    }

    fn member_of(groups: &[&str]) -> BTreeMap<String, Membership> {
        let of =
            |group: &str| if groups.contains(&group) { Membership::Member } else { Membership::NotMember };
        ["everyone", "qe", "leads"].map(|group| (group.to_owned(), of(group))).into()
    }

    const RELEASES: Place<'_> = Place { id: "C0REL", name: Some("releases") };

    #[test]
    fn each_level_includes_those_before_it() {
        use Level::{Critical, Read, Write};
        for (group, allowed) in
            [("everyone", vec![Read]), ("qe", vec![Read, Write]), ("leads", vec![Read, Write, Critical])]
        {
            for level in [Read, Write, Critical] {
                let access = permissions().access(RELEASES, level, &member_of(&[group]));
                assert_eq!(access.is_allowed(), allowed.contains(&level), "{group} {level}");
            }
        }
    }

    #[test]
    fn nothing_is_allowed_by_default() {
        let everything = member_of(&["everyone", "qe", "leads"]);
        let nobody = Access::Refused { groups: vec![] };
        let elsewhere = Place { id: "C0ELSE", name: Some("elsewhere") };
        assert_eq!(permissions().access(elsewhere, Level::Read, &everything), nobody);
        assert_eq!(Permissions::default().access(RELEASES, Level::Read, &everything), nobody);
        let without_name = Place { id: "C0REL", name: None };
        assert_eq!(permissions().access(without_name, Level::Read, &everything), nobody);
        let by_id = Place { id: "C0OTHER", name: None };
        assert!(permissions().access(by_id, Level::Read, &everything).is_allowed());
        assert_eq!(permissions().access(by_id, Level::Write, &everything), nobody);
        let refused = permissions().access(RELEASES, Level::Write, &member_of(&["everyone"]));
        assert_eq!(refused, Access::Refused { groups: vec!["qe".into(), "leads".into()] });
    }

    #[test]
    fn an_unknown_membership_opens_nothing_and_closes_nothing() {
        let mut memberships = member_of(&[]);
        memberships.insert("qe".into(), Membership::Unknown("rate limited".into()));
        let access = permissions().access(RELEASES, Level::Write, &memberships);
        assert_eq!(access, Access::Unknown("the members of @qe are not known: rate limited".into()));
        memberships.insert("leads".into(), Membership::Member);
        assert!(permissions().access(RELEASES, Level::Write, &memberships).is_allowed());
        let not_looked_up = permissions().access(RELEASES, Level::Write, &BTreeMap::new());
        assert!(matches!(not_looked_up, Access::Unknown(_)));
    }
}
