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
use crate::agents::bot::{Level, Membership, Permissions, Place};

impl From<Effect> for Level {
    fn from(effect: Effect) -> Self {
        match effect {
            Effect::Reads => Self::Read,
            Effect::Writes => Self::Write,
            Effect::Critical => Self::Critical,
        }
    }
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
}
