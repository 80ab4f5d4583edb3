//! What the build data says now, beside what the state says since it was made or last compared.
//!
//! ART changes advisories, ticket, date, builds and merge request after the state was made. Tasks act on the build data,
//! so the state takes the new values over, and keeps what they were.

use std::fmt;

use jiff::Timestamp;
use serde::Serialize;

use super::state::{State, changed};
use super::views::Metadata;
use super::yaml::{Mapping, Node};
use super::{TaskName, TaskStatus};
use crate::clock::stamp;
use crate::store::Change;

/// How many changes of the metadata a state keeps.
const KEPT: usize = 50;
/// The keys of our own below `metadata`.
const PENDING: &str = "pending";
const CHANGES: &str = "changes";

/// One value of the build data that the state does not have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct MetadataChange {
    /// Which: `advisory_ids.rpm`, `jira_ticket`, `release_date`, `candidate_builds.x86_64`, `shipment_mr`.
    pub field: String,
    /// What the state says; `None` when it says nothing.
    pub from: Option<String>,
    /// What the build data says.
    pub to: String,
    /// Whether something may have been done with the old value that must be done with the new one: an identifier that
    /// was replaced, or an advisory that nobody had announced.
    pub matters: bool,
}

impl fmt::Display for MetadataChange {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.from {
            Some(from) => write!(formatter, "{}: {from} -> {}", self.field, self.to),
            None => write!(formatter, "{}: {} is new", self.field, self.to),
        }
    }
}

/// What a state recorded of changed metadata.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct MetadataRecord {
    /// When it was taken over.
    pub at: Option<String>,
    /// Who ran the command that found it.
    pub by: Option<String>,
    /// The values, as `field: old -> new`.
    pub values: Vec<String>,
}

/// The values as field and text.
fn values(metadata: &Metadata) -> Vec<(String, String)> {
    let mut values = Vec::new();
    let mut add = |field: String, value: &str| values.push((field, value.to_owned()));
    for (impetus, id) in &metadata.advisory_ids {
        add(format!("advisory_ids.{impetus}"), &id.to_string());
    }
    for (field, value) in [("jira_ticket", &metadata.jira_ticket), ("release_date", &metadata.release_date)] {
        if let Some(value) = value {
            add(field.to_owned(), value);
        }
    }
    for (architecture, build) in &metadata.candidate_builds {
        add(format!("candidate_builds.{architecture}"), build);
    }
    if let Some(address) = &metadata.shipment_mr {
        add("shipment_mr".to_owned(), address);
    }
    values
}

impl State {
    /// The values of `now` that this state does not have. What `now` does not name is left as it is.
    pub fn metadata_changes(&self, now: &Metadata) -> Vec<MetadataChange> {
        let before = self.metadata();
        let known = values(&before);
        let mut changes = Vec::new();
        for (field, to) in values(now) {
            let from = known.iter().find(|(name, _)| *name == field).map(|(_, value)| value.clone());
            if from.as_ref() == Some(&to) {
                continue;
            }
            let announced = before.pending.contains(&field);
            let matters = field != "release_date"
                && (from.is_some() || field.starts_with("advisory_ids.") && !announced);
            changes.push(MetadataChange { field, from, to, matters });
        }
        changes
    }

    /// Whether the release was owned, pushed or approved, or is about to be: what was done then was done with the metadata
    /// of that time.
    pub fn has_begun(&self) -> bool {
        [TaskName::TakeOwnership, TaskName::PushToCdnStaging, TaskName::ChangeAdvisoryStatus]
            .into_iter()
            .filter_map(|task| self.task(task))
            .any(|view| view.status != TaskStatus::NotStarted)
    }

    /// Takes over what `now` says, and keeps what changed. Changes nothing when it is applied to its own result.
    pub fn take_metadata(&mut self, now: &Metadata, at: Timestamp, by: &str) -> Change {
        let changes = self.metadata_changes(now);
        let before = self.metadata();
        // What is known already is not awaited, whatever placeholder ART has put back.
        let known = values(&before);
        let is_awaited = |field: &&String| known.iter().all(|(name, _)| name != *field);
        let now =
            &Metadata { pending: now.pending.iter().filter(is_awaited).cloned().collect(), ..now.clone() };
        if changes.is_empty() && before.pending == now.pending {
            return Change::Unchanged;
        }
        let mut change = self.update_metadata(now);
        let by = self.mask(by);
        let Some(facts) = self.root.get_mut("metadata").and_then(Node::as_mapping_mut) else { return change };
        if now.pending.is_empty() {
            change = change.or(changed(facts.remove(PENDING).is_some()));
        }
        if changes.is_empty() {
            return change;
        }
        if facts.get(CHANGES).and_then(Node::as_sequence).is_none() {
            facts.set(CHANGES, Node::sequence(Vec::new()));
        }
        if let Some(kept) = facts.get_mut(CHANGES).and_then(Node::as_sequence_mut) {
            let values = changes.iter().map(|change| Node::text(change.to_string())).collect();
            kept.push(Node::mapping(Mapping::from([
                ("at", Node::text(stamp(at))),
                ("by", Node::text(by)),
                ("values", Node::sequence(values)),
            ])));
            let surplus = kept.len().saturating_sub(KEPT);
            kept.drain(..surplus);
        }
        Change::Changed
    }

    /// What was taken over since the state was made, oldest first.
    pub fn metadata_history(&self) -> Vec<MetadataRecord> {
        let facts = self.root.get("metadata").and_then(Node::as_mapping);
        let kept = facts.and_then(|facts| facts.get(CHANGES)).and_then(Node::as_sequence).unwrap_or_default();
        let record = |entry: &Mapping| MetadataRecord {
            at: entry.text("at").map(str::to_owned),
            by: entry.text("by").map(str::to_owned),
            values: texts(entry.get("values")),
        };
        kept.iter().filter_map(Node::as_mapping).map(record).collect()
    }
}

fn texts(list: Option<&Node>) -> Vec<String> {
    let items = list.and_then(Node::as_sequence).unwrap_or_default();
    items.iter().filter_map(Node::as_text).map(str::to_owned).collect()
}

/// What is announced but does not exist yet: this program's list, and the placeholders that other programs
/// store.
pub(super) fn pending(facts: &Mapping) -> Vec<String> {
    let mut pending = texts(facts.get(PENDING));
    let mut add = |field: String| {
        if !pending.contains(&field) {
            pending.push(field);
        }
    };
    if facts.text("jira_ticket").is_some_and(is_placeholder_ticket) {
        add("jira_ticket".to_owned());
    }
    let advisories = facts.get("advisory_ids").and_then(Node::as_mapping);
    for (impetus, id) in advisories.iter().flat_map(|advisories| advisories.iter()) {
        if let Some(impetus) = impetus.as_text().filter(|_| is_placeholder_id(id)) {
            add(format!("advisory_ids.{impetus}"));
        }
    }
    pending
}

/// Writes what is announced but does not exist yet.
pub(super) fn fill_pending(facts: &mut Mapping, pending: &[String]) {
    if !pending.is_empty() {
        facts.set(PENDING, Node::sequence(pending.iter().map(Node::text).collect()));
    }
}

/// Whether a Jira key is the placeholder of a ticket that does not exist yet: `ART-0` (spec 01 §1.4).
pub(super) fn is_placeholder_ticket(key: &str) -> bool {
    key.split_once('-').is_some_and(|(project, number)| {
        !project.is_empty() && !number.is_empty() && number.bytes().all(|digit| digit == b'0')
    })
}

/// Whether a number is the placeholder of an advisory that does not exist yet: 0 or less (spec 01 §1.4).
pub(super) fn is_placeholder_id(node: &Node) -> bool {
    node.as_text().and_then(|text| text.parse::<i64>().ok()).is_some_and(|id| id <= 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_780_000_000 + second).unwrap()
    }

    fn wanted() -> Metadata {
        Metadata {
            jira_ticket: Some("ART-1".into()),
            advisory_ids: [("rpm".to_owned(), 1), ("rhcos".to_owned(), 2)].into_iter().collect(),
            release_date: Some("2026-Jul-07".into()),
            pending: vec!["shipment_mr".into()],
            ..Metadata::default()
        }
    }

    fn state() -> State {
        State::new(&"4.19.1".parse().unwrap(), &wanted(), at(0))
    }

    #[test]
    fn what_is_awaited_stands_in_the_file_until_it_is_there() {
        let mut state = state();
        assert_eq!(state.metadata(), wanted());
        assert!(state.to_yaml().contains("  pending:\n  - shipment_mr\n"), "{}", state.to_yaml());
        let address = "https://gitlab.example.com/g/p/-/merge_requests/1";
        let now = Metadata { shipment_mr: Some(address.into()), pending: Vec::new(), ..wanted() };
        let changes = state.metadata_changes(&now);
        assert_eq!(changes.len(), 1);
        assert!(!changes[0].matters, "what was announced is no surprise");
        assert_eq!(state.take_metadata(&now, at(1), "lead"), Change::Changed);
        assert_eq!(state.metadata(), now);
        let text = state.to_yaml();
        assert!(!text.contains("pending:"), "{text}");
        assert_eq!(state.take_metadata(&now, at(2), "lead"), Change::Unchanged);
        assert_eq!(state.to_yaml(), text);
        assert_eq!(State::parse(&text).unwrap().metadata_history(), state.metadata_history());
    }

    #[test]
    fn new_values_are_taken_over_and_old_ones_kept_and_nothing_is_removed() {
        let mut state = state();
        let now = Metadata {
            jira_ticket: None,
            advisory_ids: [("rpm".to_owned(), 7), ("extras".to_owned(), 9)].into_iter().collect(),
            release_date: Some("2026-Jul-09".into()),
            pending: vec!["jira_ticket".into(), "shipment_mr".into()],
            ..Metadata::default()
        };
        let changes: Vec<(String, bool)> =
            state.metadata_changes(&now).iter().map(|change| (change.to_string(), change.matters)).collect();
        assert_eq!(
            changes,
            [
                ("advisory_ids.rpm: 1 -> 7".to_owned(), true),
                ("advisory_ids.extras: 9 is new".to_owned(), true),
                ("release_date: 2026-Jul-07 -> 2026-Jul-09".to_owned(), false),
            ]
        );
        assert_eq!(state.take_metadata(&now, at(1), "lead@example.com"), Change::Changed);
        let metadata = state.metadata();
        assert_eq!(metadata.jira_ticket.as_deref(), Some("ART-1"));
        assert_eq!(metadata.advisory_ids["rhcos"], 2);
        assert_eq!(metadata.pending, ["shipment_mr"], "a ticket that is known is not awaited");
        let record = &state.metadata_history()[0];
        assert_eq!(record.values.len(), 3);
        assert!(!state.to_yaml().contains("example.com"));
        for number in 0..KEPT as u64 + 5 {
            let advisory_ids = [("rpm".to_owned(), 100 + number)].into_iter().collect();
            let _ = state.take_metadata(&Metadata { advisory_ids, ..Metadata::default() }, at(2), "lead");
        }
        assert_eq!(state.metadata_history().len(), KEPT);
    }

    #[test]
    fn placeholders_of_other_programs_are_awaited_values() {
        let text = state().to_yaml().replace("ART-1", "ART-0").replace("rpm: 1\n", "rpm: -1\n");
        let state = State::parse(&text).unwrap();
        let metadata = state.metadata();
        assert_eq!((metadata.jira_ticket, metadata.advisory_ids.len()), (None, 1));
        assert_eq!(metadata.pending, ["shipment_mr", "jira_ticket", "advisory_ids.rpm"]);
        assert_eq!(state.warnings().iter().count(), 1, "{:?}", state.warnings());
    }

    #[test]
    fn a_release_has_begun_when_it_was_owned() {
        let mut state = state();
        assert!(!state.has_begun());
        let start = super::super::RunStart {
            id: "r1".into(),
            started: at(1),
            by: "lead".into(),
            command: "take-ownership".into(),
            force: false,
        };
        let _ = state.start_run(TaskName::TakeOwnership, &start);
        assert!(state.has_begun());
    }
}
