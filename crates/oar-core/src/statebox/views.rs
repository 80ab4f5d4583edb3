//! The content of a StateBox file as types: read-only views that are made from the tree on demand.

use indexmap::IndexMap;
use jiff::Timestamp;
use serde::{Serialize, Serializer};

use super::claims::ClaimView;
use super::consents::{CONSENTS, ConsentView};
use super::drops::DropIntent;
use super::jobs::Job;
use super::judged::{JUDGED, Judged};
use super::metadata::{is_placeholder_id, is_placeholder_ticket, pending};
use super::names::{ReasonClass, RunOutcome, TaskName, TaskStatus};
use super::yaml::{Mapping, Node};
use crate::clock::Moment;

/// What the build data said about the release when its state was created.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Metadata {
    /// The release's Jira ticket: `ART-1`.
    pub jira_ticket: Option<String>,
    /// Impetus (`rpm`, `rhcos`, …) to advisory number.
    pub advisory_ids: IndexMap<String, u64>,
    /// The planned date, as the build data writes it: `2026-Jul-07`.
    pub release_date: Option<String>,
    /// Architecture to candidate nightly.
    pub candidate_builds: IndexMap<String, String>,
    /// The shipment merge request's address; absent in the Errata flow.
    pub shipment_mr: Option<String>,
    /// What ART has announced and not made yet, by the names of the fields above: `jira_ticket`, `shipment_mr`,
    /// `advisory_ids.microshift`. A release that waits for its `shipment_mr` is a Konflux release.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub pending: Vec<String>,
}

impl Metadata {
    /// Whether the release ships by a shipment merge request, even while that does not exist yet.
    pub fn is_konflux(&self) -> bool {
        self.shipment_mr.is_some() || self.pending.iter().any(|field| field == "shipment_mr")
    }
}

/// One task as the file holds it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct TaskView {
    /// The name as the file writes it.
    pub name: String,
    /// The task, unless the name is not one that we know.
    pub task: Option<TaskName>,
    /// The status.
    pub status: TaskStatus,
    /// When the task was started first, as the file writes it.
    pub started_at: Option<String>,
    /// When the task was decided, as the file writes it.
    pub completed_at: Option<String>,
    /// The captured log or a note.
    pub result: Option<String>,
    /// The runs, oldest first.
    pub history: Vec<RunView>,
    /// The external job that the task started.
    pub job: Option<Job>,
    /// What the task waits for.
    pub wait: Option<Wait>,
    /// Why the task need not pass.
    pub waiver: Option<Waiver>,
    /// Who is at the task, or was last, when that is recorded.
    pub claim: Option<ClaimView>,
    /// The consents to its plans that people recorded, the oldest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub consents: Vec<ConsentView>,
    /// What its verdict is about, when that is recorded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub judged: Option<Judged>,
}

/// One run of a task, from its history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct RunView {
    /// The run's id, given by who ran it.
    pub id: String,
    /// When it started, as the file writes it.
    pub started: Option<String>,
    /// When it ended; absent while it runs or when its end was lost.
    pub finished: Option<String>,
    /// Who ran it.
    pub by: Option<String>,
    /// With which command.
    pub command: Option<String>,
    /// How it ended.
    pub outcome: Option<RunOutcome>,
    /// Why it did not pass.
    pub class: Option<ReasonClass>,
    /// Why it did not pass, in words.
    pub reason: Option<String>,
    /// Where to look for more.
    pub links: Vec<String>,
    /// What it had done when a signal, an error or a time limit ended it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub done: Vec<String>,
    /// What it means to drop; only of `drop-bugs`.
    #[serde(skip_serializing_if = "DropIntent::is_empty")]
    pub drops: DropIntent,
    /// What was, or is to be, said to people about it.
    pub notifications: Vec<Notification>,
}

/// How far a notification got.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NotificationState {
    /// It arrived.
    Sent,
    /// It is still to be sent.
    Pending,
    /// It was sent and the answer never came: look before sending again.
    Unclear,
}

impl Serialize for NotificationState {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.text())
    }
}

impl NotificationState {
    /// The state as files write it.
    pub fn text(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Pending => "pending",
            Self::Unclear => "unclear",
        }
    }

    /// The state that a file holds as `text`, to the letter.
    pub fn from_file(text: &str) -> Option<Self> {
        [Self::Sent, Self::Pending, Self::Unclear].into_iter().find(|state| state.text() == text)
    }
}

/// One entry of a run's outbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Notification {
    /// What the message says, in one stable word: the same key is never sent twice for one run.
    pub key: String,
    /// How far it got.
    pub state: NotificationState,
    /// The channel, merge request or ticket it goes to.
    pub channel: String,
    /// The service's own id of the message, once it has one.
    pub ts: Option<String>,
    /// When this state was reached, `YYYY-MM-DDTHH:MM:SSZ`.
    pub at: String,
    /// The thread it belongs to, by the id of the thread's first message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thread: Option<String>,
    /// The text, as long as the message has not certainly arrived: the next run sends it.
    #[serde(skip)]
    pub text: Option<String>,
}

/// A notification that has not certainly arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenNotification {
    /// The task, as the file writes it.
    pub task: String,
    /// The run that wants to say it.
    pub run: String,
    /// The entry.
    pub notification: Notification,
}

/// What a task waits for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Wait {
    /// What must happen.
    pub condition: String,
    /// Since when, `YYYY-MM-DDTHH:MM:SSZ`.
    pub since: String,
    /// Until when, if there is a deadline.
    pub until: Option<String>,
    /// When to look next.
    pub next_check: Option<String>,
    /// When somebody looked last.
    pub last_check: Option<String>,
    /// What that look found.
    pub last_result: Option<String>,
    /// Who looks.
    pub holder: Option<WaitHolder>,
}

/// Whoever carries on a wait.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct WaitHolder {
    /// Their name.
    pub who: String,
    /// Until when only the holder continues it, unless renewed.
    pub lease_until: Option<String>,
}

/// Why a task need not pass.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Waiver {
    /// Who decided.
    pub by: String,
    /// Why.
    pub reason: String,
    /// What it covers.
    pub scope: Option<String>,
    /// When it was given, `YYYY-MM-DDTHH:MM:SSZ`.
    pub at: String,
    /// When it ends: its last day `YYYY-MM-DD`, or a moment `YYYY-MM-DDTHH:MM:SSZ`.
    pub expires: Option<String>,
}

/// One issue as the file holds it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct IssueView {
    /// The text.
    pub issue: String,
    /// When it was reported, as the file writes it.
    pub reported_at: Option<String>,
    /// Who reported it; absent of issues that a task's run or another program recorded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reported_by: Option<String>,
    /// Whether it is over.
    pub resolved: bool,
    /// How it was resolved.
    pub resolution: Option<String>,
    /// When it was resolved, as the file writes it.
    pub resolved_at: Option<String>,
    /// Who resolved it, as far as that is recorded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resolved_by: Option<String>,
    /// Whether it stands in the way of its tasks, or of the whole release when it has none.
    pub blocker: bool,
    /// The tasks it concerns, as the file writes them; none means the whole release.
    pub related_tasks: Vec<String>,
}

impl IssueView {
    /// Whether this is an open blocker.
    pub fn blocks(&self) -> bool {
        self.blocker && !self.resolved
    }
}

fn owned(mapping: &Mapping, key: &str) -> Option<String> {
    mapping.text(key).map(str::to_owned)
}

fn texts(mapping: &Mapping, key: &str) -> Vec<String> {
    let items = mapping.get(key).and_then(Node::as_sequence).unwrap_or_default();
    items.iter().filter_map(Node::as_text).map(str::to_owned).collect()
}

fn mappings<'a>(mapping: &'a Mapping, key: &str) -> impl Iterator<Item = &'a Mapping> {
    mapping.get(key).and_then(Node::as_sequence).unwrap_or_default().iter().filter_map(Node::as_mapping)
}

/// A number that was written as one, or as text by hand.
pub(super) fn number(node: &Node) -> Option<u64> {
    node.as_u64().or_else(|| node.as_text()?.parse().ok())
}

impl Metadata {
    pub(super) fn from_mapping(mapping: &Mapping) -> Self {
        let entries = |key: &str| mapping.get(key).and_then(Node::as_mapping).cloned().unwrap_or_default();
        let advisories = entries("advisory_ids");
        let builds = entries("candidate_builds");
        Self {
            jira_ticket: owned(mapping, "jira_ticket").filter(|key| !is_placeholder_ticket(key)),
            advisory_ids: advisories
                .iter()
                .filter(|(_, value)| !is_placeholder_id(value))
                .filter_map(|(key, value)| Some((key.as_text()?.to_owned(), number(value)?)))
                .collect(),
            release_date: owned(mapping, "release_date"),
            candidate_builds: builds
                .iter()
                .filter_map(|(key, value)| Some((key.as_text()?.to_owned(), value.as_text()?.to_owned())))
                .collect(),
            shipment_mr: owned(mapping, "shipment_mr").filter(|address| !address.is_empty()),
            pending: pending(mapping),
        }
    }
}

impl TaskView {
    pub(super) fn from_mapping(mapping: &Mapping) -> Self {
        let name = owned(mapping, "name").unwrap_or_default();
        Self {
            task: TaskName::ALL.into_iter().find(|task| task.id() == name),
            name,
            status: mapping.text("status").and_then(TaskStatus::from_file).unwrap_or(TaskStatus::NotStarted),
            started_at: owned(mapping, "started_at"),
            completed_at: owned(mapping, "completed_at"),
            result: owned(mapping, "result"),
            history: mappings(mapping, "history").map(RunView::from_mapping).collect(),
            job: mapping.get("job").and_then(Node::as_mapping).map(Job::from_mapping),
            wait: mapping.get("wait").and_then(Node::as_mapping).map(Wait::from_mapping),
            waiver: mapping.get("waiver").and_then(Node::as_mapping).map(Waiver::from_mapping),
            claim: mapping.get("claim").and_then(Node::as_mapping).map(ClaimView::from_mapping),
            consents: mappings(mapping, CONSENTS).filter_map(ConsentView::from_mapping).collect(),
            judged: mapping.get(JUDGED).and_then(Node::as_mapping).map(Judged::from_mapping),
        }
    }

    /// The run that started last.
    pub fn last_run(&self) -> Option<&RunView> {
        self.history.last()
    }
}

impl RunView {
    fn from_mapping(mapping: &Mapping) -> Self {
        Self {
            id: owned(mapping, "id").unwrap_or_default(),
            started: owned(mapping, "started"),
            finished: owned(mapping, "finished"),
            by: owned(mapping, "by"),
            command: owned(mapping, "command"),
            outcome: mapping.text("outcome").and_then(RunOutcome::from_file),
            class: mapping.text("class").and_then(ReasonClass::from_file),
            reason: owned(mapping, "reason"),
            links: texts(mapping, "links"),
            done: texts(mapping, "done"),
            drops: DropIntent::of_run(mapping),
            notifications: mappings(mapping, "notifications")
                .filter_map(Notification::from_mapping)
                .collect(),
        }
    }
}

impl Notification {
    pub(super) fn from_mapping(mapping: &Mapping) -> Option<Self> {
        Some(Self {
            key: owned(mapping, "key")?,
            state: NotificationState::from_file(mapping.text("state")?)?,
            channel: owned(mapping, "channel").unwrap_or_default(),
            ts: owned(mapping, "ts"),
            at: owned(mapping, "at").unwrap_or_default(),
            thread: owned(mapping, "thread"),
            text: owned(mapping, "text"),
        })
    }
}

impl Wait {
    fn from_mapping(mapping: &Mapping) -> Self {
        Self {
            condition: owned(mapping, "for").unwrap_or_default(),
            since: owned(mapping, "since").unwrap_or_default(),
            until: owned(mapping, "until"),
            next_check: owned(mapping, "next_check"),
            last_check: owned(mapping, "last_check"),
            last_result: owned(mapping, "last_result"),
            holder: mapping.get("holder").and_then(WaitHolder::from_node),
        }
    }
}

impl WaitHolder {
    /// A name alone is a holder without a lease: anybody may take over.
    fn from_node(node: &Node) -> Option<Self> {
        match node.as_mapping() {
            Some(mapping) => {
                Some(Self { who: owned(mapping, "who")?, lease_until: owned(mapping, "lease_until") })
            }
            None => Some(Self { who: node.as_text()?.to_owned(), lease_until: None }),
        }
    }
}

impl Waiver {
    /// Whether it counts at `now`: it has no end, its last day is not over (UTC), or its last moment has not come. An
    /// end that cannot be read has come.
    pub fn counts_at(&self, now: Timestamp) -> bool {
        let Some(expires) = self.expires.as_deref() else { return true };
        expires.parse::<Moment>().is_ok_and(|end| !end.is_over(now))
    }

    fn from_mapping(mapping: &Mapping) -> Self {
        Self {
            by: owned(mapping, "by").unwrap_or_default(),
            reason: owned(mapping, "reason").unwrap_or_default(),
            scope: owned(mapping, "scope"),
            at: owned(mapping, "at").unwrap_or_default(),
            expires: owned(mapping, "expires"),
        }
    }
}

impl IssueView {
    pub(super) fn from_mapping(mapping: &Mapping) -> Self {
        let truth = |key: &str| mapping.get(key).and_then(Node::as_bool).unwrap_or(false);
        Self {
            issue: owned(mapping, "issue").unwrap_or_default(),
            reported_at: owned(mapping, "reported_at"),
            reported_by: owned(mapping, "reported_by"),
            resolved: truth("resolved"),
            resolution: owned(mapping, "resolution"),
            resolved_at: owned(mapping, "resolved_at"),
            resolved_by: owned(mapping, "resolved_by"),
            blocker: truth("blocker"),
            related_tasks: texts(mapping, "related_tasks"),
        }
    }
}

crate::schema::text_schema!(
    NotificationState,
    "NotificationState",
    "How far a message got",
    one of [NotificationState::Sent, NotificationState::Pending, NotificationState::Unclear].map(NotificationState::text)
);
