//! The state of one release: the file's tree as the truth, with typed views on it.

use indexmap::IndexMap;
use jiff::Timestamp;

use super::diagnostic::Diagnostics;
use super::ledger::Loss;
use super::metadata::fill_pending;
use super::names::TaskName;
use super::validate::{self, SCHEMA_VERSION};
use super::views::NotificationState;
use super::views::{IssueView, Metadata, OpenNotification, TaskView};
use super::yaml::{self, Mapping, Node};
use crate::clock::stamp;
use crate::redact::Redactor;
use crate::store::Change;
use crate::version::ReleaseVersion;

/// The state of one release.
///
/// Unknown keys at every level, and the order of all keys, survive every change. All operations take times and ids
/// from their caller, so that applying one twice is the same as applying it once.
#[derive(Debug, Clone)]
pub struct State {
    pub(super) root: Mapping,
    pub(super) redactor: Redactor,
    warnings: Diagnostics,
    /// What another program's save had changed when the file was read.
    pub(super) losses: Vec<Loss>,
}

impl PartialEq for State {
    fn eq(&self, other: &Self) -> bool {
        self.root == other.root
    }
}

impl State {
    /// The state of a release of which nothing is done yet (spec 01 §2.2).
    pub fn new(release: &ReleaseVersion, metadata: &Metadata, now: Timestamp) -> Self {
        let mut facts = Mapping::from([
            ("jira_ticket", Node::null()),
            ("advisory_ids", Node::mapping(Mapping::new())),
            ("release_date", Node::null()),
            ("candidate_builds", Node::mapping(Mapping::new())),
            ("shipment_mr", Node::null()),
        ]);
        fill_metadata(&mut facts, metadata);
        let now = stamp(now);
        let root = Mapping::from([
            ("schema_version", Node::text(SCHEMA_VERSION)),
            ("release", Node::text(release.to_string())),
            ("created_at", Node::text(&now)),
            ("updated_at", Node::text(&now)),
            ("metadata", Node::mapping(facts)),
            ("tasks", Node::sequence(Vec::new())),
            ("issues", Node::sequence(Vec::new())),
        ]);
        Self { root, redactor: Redactor::default(), warnings: Diagnostics::default(), losses: Vec::new() }
    }

    /// Reads a file of any age.
    ///
    /// The error holds every finding, warnings too, when at least one is an error.
    pub fn parse(text: &str) -> Result<Self, Diagnostics> {
        let mut root = yaml::parse(text)?.root;
        let found = validate::check(&mut root);
        match root.value {
            yaml::Value::Mapping(root) if !found.has_errors() => {
                Ok(Self { root, redactor: Redactor::default(), warnings: found, losses: Vec::new() })
            }
            _ => Err(found),
        }
    }

    /// The file's text. Reading a file that the reference or this program wrote and writing it again gives the same
    /// bytes.
    pub fn to_yaml(&self) -> String {
        yaml::emit(&Node::mapping(self.root.clone()))
    }

    /// The same state; everything stored from now on is masked by `redactor`.
    #[must_use]
    pub fn with_redactor(mut self, redactor: Redactor) -> Self {
        self.redactor = redactor;
        self
    }

    /// What was found when the file was read; no errors among them.
    pub fn warnings(&self) -> &Diagnostics {
        &self.warnings
    }

    /// The file's schema version when it is newer than what this program may write.
    pub fn newer_schema(&self) -> Option<&str> {
        validate::newer_schema(&self.root)
    }

    /// The file's schema version, as it says.
    pub fn schema_version(&self) -> Option<&str> {
        self.root.text("schema_version")
    }

    /// The release that the file names.
    pub fn release(&self) -> Option<&str> {
        self.root.text("release")
    }

    /// When the file was created, as it says.
    pub fn created_at(&self) -> Option<&str> {
        self.root.text("created_at")
    }

    /// When the file was changed last, as it says.
    pub fn updated_at(&self) -> Option<&str> {
        self.root.text("updated_at")
    }

    pub(super) fn set_updated_at(&mut self, now: &str) {
        self.root.set("updated_at", Node::text(now));
    }

    /// What the build data said about the release.
    pub fn metadata(&self) -> Metadata {
        self.root.get("metadata").and_then(Node::as_mapping).map(Metadata::from_mapping).unwrap_or_default()
    }

    /// Every task of the file, in its order.
    pub fn tasks(&self) -> Vec<TaskView> {
        self.entries("tasks").map(TaskView::from_mapping).collect()
    }

    /// One task, if the file has it.
    pub fn task(&self, task: TaskName) -> Option<TaskView> {
        self.entries("tasks").find(|entry| entry.text("name") == Some(task.id())).map(TaskView::from_mapping)
    }

    /// Every issue of the file, in its order.
    pub fn issues(&self) -> Vec<IssueView> {
        self.entries("issues").map(IssueView::from_mapping).collect()
    }

    /// The notifications that have not certainly arrived, in the order of the file.
    pub fn pending_notifications(&self) -> Vec<OpenNotification> {
        let mut open = Vec::new();
        for task in self.tasks() {
            for run in task.history {
                for notification in run.notifications {
                    if notification.state != NotificationState::Sent {
                        let (task, run) = (task.name.clone(), run.id.clone());
                        open.push(OpenNotification { task, run, notification });
                    }
                }
            }
        }
        open
    }

    /// Takes over what `metadata` knows: the two maps entry by entry, the rest where it is present (spec 01 §2.3).
    pub fn update_metadata(&mut self, metadata: &Metadata) -> Change {
        let before = self.root.get("metadata").cloned();
        if before.as_ref().and_then(Node::as_mapping).is_none() {
            self.root.set("metadata", Node::mapping(Mapping::new()));
        }
        if let Some(facts) = self.root.get_mut("metadata").and_then(Node::as_mapping_mut) {
            fill_metadata(facts, metadata);
        }
        changed(before.as_ref() != self.root.get("metadata"))
    }

    /// The mappings in the list `key`.
    pub(super) fn entries(&self, key: &str) -> impl Iterator<Item = &Mapping> {
        self.root.get(key).and_then(Node::as_sequence).unwrap_or_default().iter().filter_map(Node::as_mapping)
    }

    /// The list `key`, which is made when it is missing.
    pub(super) fn list_mut(&mut self, key: &str) -> Option<&mut Vec<Node>> {
        if self.root.get(key).and_then(Node::as_sequence).is_none() {
            self.root.set(key, Node::sequence(Vec::new()));
        }
        self.root.get_mut(key).and_then(Node::as_sequence_mut)
    }

    /// `text` without secrets and addresses.
    pub(super) fn mask(&self, text: &str) -> String {
        self.redactor.redact(text).into_owned()
    }
}

pub(super) fn changed(is_changed: bool) -> Change {
    if is_changed { Change::Changed } else { Change::Unchanged }
}

fn fill_metadata(facts: &mut Mapping, metadata: &Metadata) {
    let set = |facts: &mut Mapping, key: &str, value: Option<&String>| {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            facts.set(key, Node::text(value));
        }
    };
    set(facts, "jira_ticket", metadata.jira_ticket.as_ref());
    fill_map(facts, "advisory_ids", &metadata.advisory_ids, |id| Node::integer(*id));
    set(facts, "release_date", metadata.release_date.as_ref());
    fill_map(facts, "candidate_builds", &metadata.candidate_builds, Node::text);
    set(facts, "shipment_mr", metadata.shipment_mr.as_ref());
    fill_pending(facts, &metadata.pending);
}

fn fill_map<'a, T>(
    facts: &mut Mapping,
    key: &str,
    entries: &'a IndexMap<String, T>,
    node: impl Fn(&'a T) -> Node,
) {
    if entries.is_empty() {
        return;
    }
    if facts.get(key).and_then(Node::as_mapping).is_none() {
        facts.set(key, Node::mapping(Mapping::new()));
    }
    if let Some(map) = facts.get_mut(key).and_then(Node::as_mapping_mut) {
        for (name, value) in entries {
            map.set(name, node(value));
        }
    }
}
