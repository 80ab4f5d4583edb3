//! What the Slack bot does beside calling operations: it looks up who may call which, and answers in the thread
//! (spec 05 §4). What it decides is in [`agents::bot`](crate::agents::bot).

mod bot;
mod catch_up;
mod check;
mod click;
mod consent;
mod desk;
mod groups;
mod heard;
mod line;
mod messages;
mod notebook;
mod order;
mod progress;
mod questions;
mod run;
mod say;
mod thread;
mod words;

use std::collections::BTreeMap;

pub use bot::{Round, SlackBot};
pub use check::Readiness;
pub use groups::Groups;
pub use notebook::{Notebook, NotebookError, PATH};
pub use order::{CommandLines, Order, Output, ReadCommand, Stream, Unusable};
pub use thread::CommandThread;
pub use words::plan as plan_in_words;

use super::{Effect, Row, TABLE};
use crate::agents::bot::{Level, Membership, Permissions, Place, Words};

impl From<Effect> for Level {
    fn from(effect: Effect) -> Self {
        match effect {
            Effect::Reads => Self::Read,
            Effect::Writes => Self::Write,
            Effect::Critical => Self::Critical,
        }
    }
}

/// Whether what follows a program's name can be meant as a command of it: an option, or the name of a command or nearly so. Others
/// are sentences that happen to begin with the name, such as "job done, thanks".
fn can_be_meant(words: &Words) -> bool {
    // The other names are no words of a language.
    if !matches!(words.program(), "oar" | "job") {
        return true;
    }
    let commands = TABLE.iter().filter(|row| row.about.program.name() == words.program());
    let names: Vec<&str> = commands.filter_map(|row| row.about.command.split(' ').next()).collect();
    let is_near = |word: &str| {
        let most = |name: &str| if name.len() < 6 { 1 } else { 2 };
        names.iter().any(|name| strsim::osa_distance(word, name) <= most(name))
    };
    let is_command = |word: &str| word.starts_with('-') || word == "help" || names.contains(&word);
    let mut texts = words.texts();
    texts.next().is_none_or(|first| is_command(first) || is_near(first)) || texts.any(is_command)
}

/// The operations that somebody with these memberships may use in this channel, and that this bot has: what `help` lists.
fn allowed_operations(
    permissions: &Permissions,
    place: Place<'_>,
    memberships: &BTreeMap<String, Membership>,
    offers: impl Fn(&Row) -> bool,
) -> Vec<&'static Row> {
    let allowed =
        |row: &&Row| permissions.access(place, Level::from(row.about.effect), memberships).is_allowed();
    TABLE.iter().filter(allowed).filter(|row| offers(row)).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::agents::bot::{Addressee, Heard, listen};

    use super::*;
    use crate::config::Document;

    #[test]
    fn somebody_may_use_what_their_groups_may() {
        let document = json!({"slack_bot": {"permissions": {
            "releases": {"read": "everyone", "critical": "leads"},
        }}});
        let document = Document::parse(&document.to_string()).unwrap();
        let permissions = Permissions::of_document(&document).unwrap();
        let place = Place { id: "C0REL", name: Some("releases") };
        let effects = |group: &str| {
            let mut memberships =
                BTreeMap::from(["everyone", "leads"].map(|name| (name.to_owned(), Membership::NotMember)));
            memberships.insert(group.to_owned(), Membership::Member);
            let rows = allowed_operations(&permissions, place, &memberships, |_| true);
            (rows.len(), rows.iter().all(|row| row.about.effect == Effect::Reads))
        };
        assert_eq!(effects("nobody"), (0, true));
        assert_eq!(effects("leads"), (TABLE.len(), false));
        let (count, only_reads) = effects("everyone");
        assert!(only_reads && count > 0 && count < TABLE.len());
        let memberships =
            BTreeMap::from(["everyone", "leads"].map(|name| (name.to_owned(), Membership::Member)));
        let of_job = |row: &Row| row.about.program == crate::operations::Program::Job;
        let rows = allowed_operations(&permissions, place, &memberships, of_job);
        assert!(!rows.is_empty() && rows.len() < TABLE.len(), "only what the bot has: {}", rows.len());
    }

    #[test]
    fn a_sentence_that_begins_with_a_programs_name_is_no_command() {
        let addressee = Addressee { bot: None, programs: &["oar", "oarctl", "job", "jobctl"] };
        let is_meant = |text: &str| match listen(text, &addressee) {
            Heard::Command(words) => can_be_meant(&words),
            other => panic!("{text}: {other:?}"),
        };
        for text in ["job done, thanks all!", "oar is down again today", "job interviews are at 3"] {
            assert!(!is_meant(text), "{text}");
        }
        for text in [
            "oar -r 4.19.1 status",
            "oar staus",
            "oar help",
            "oar",
            "oar 4.19.1 status",
            "job start -x",
            "oarctl config check",
        ] {
            assert!(is_meant(text), "{text}");
        }
    }
}
