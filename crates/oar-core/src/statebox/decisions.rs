//! What people decided about a release: that it is held, how a node counts, that a task need not pass.
//!
//! Every record says who, when and why, and stays: one that is taken back gets a mark. The mark is only ever added, also
//! when another program's save has removed it ([`super::ledger`]). The same records are kept of all releases together in
//! one file of their own ([`super::freezes`]).

use std::fmt;

use jiff::Timestamp;
use serde::{Serialize, Serializer};

use super::consents::Withdrawal;
use super::names::{NodeName, TaskName, TaskStatus, Verdict};
use super::state::State;
use super::views::Waiver;
use super::yaml::{Mapping, Node};
use crate::clock::{Moment, stamp};
use crate::error::ErrorClass;
use crate::permit::Closed;
use crate::redact::Redactor;
use crate::store::Change;

/// How many records a file keeps. When more come, the oldest that no longer counts goes first.
pub const DECISION_LIMIT: usize = 500;

/// The longest reason that is stored, in characters.
pub const REASON_LIMIT: usize = 1000;

pub(super) const DECISIONS: &str = "decisions";

/// What a person decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DecisionKind {
    /// Nothing more begins.
    Hold,
    /// How a node counts.
    Verdict,
    /// A task need not pass.
    Waiver,
}

impl DecisionKind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Hold, Self::Verdict, Self::Waiver];

    /// The kind as files write it.
    pub fn text(self) -> &'static str {
        match self {
            Self::Hold => "hold",
            Self::Verdict => "verdict",
            Self::Waiver => "waiver",
        }
    }

    /// The kind that a file holds as `text`, to the letter.
    pub fn from_file(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.text() == text)
    }
}

impl Serialize for DecisionKind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.text())
    }
}

crate::schema::text_schema!(
    DecisionKind,
    "DecisionKind",
    "What a person decided",
    one of DecisionKind::ALL.map(DecisionKind::text)
);

/// A decision that is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewDecision {
    /// An id that no other decision has.
    pub id: String,
    /// What is decided.
    pub subject: Subject,
    /// Who decides; an account's name rather than an address.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// Why.
    pub reason: String,
}

/// What a decision is about, and what it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// Nothing more begins.
    Hold {
        /// Until when; without an end until it is withdrawn.
        until: Option<Moment>,
    },
    /// How a node counts.
    Verdict {
        /// The node.
        node: NodeName,
        /// How it counts.
        verdict: Verdict,
        /// Where to look.
        evidence: Option<String>,
    },
    /// A task need not pass.
    Waiver {
        /// The task.
        task: TaskName,
        /// Until when; without an end until it is withdrawn.
        until: Option<Moment>,
    },
}

impl Subject {
    fn kind(&self) -> DecisionKind {
        match self {
            Self::Hold { .. } => DecisionKind::Hold,
            Self::Verdict { .. } => DecisionKind::Verdict,
            Self::Waiver { .. } => DecisionKind::Waiver,
        }
    }

    fn node(&self) -> Option<NodeName> {
        match self {
            Self::Hold { .. } => None,
            Self::Verdict { node, .. } => Some(*node),
            Self::Waiver { task, .. } => Some(NodeName::Task(*task)),
        }
    }
}

/// A decision as the file holds it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct DecisionView {
    /// Its id.
    pub id: String,
    /// What was decided.
    pub kind: DecisionKind,
    /// The node, or the task, as the file writes it; a hold has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// How the node counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Verdict>,
    /// Why.
    pub reason: String,
    /// Where to look.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evidence: Option<String>,
    /// Who decided.
    pub by: String,
    /// When, `YYYY-MM-DDTHH:MM:SSZ`.
    pub at: String,
    /// Until when: the last day `YYYY-MM-DD`, or a moment `YYYY-MM-DDTHH:MM:SSZ`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    /// Who took it back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub withdrawn: Option<Withdrawal>,
}

/// How a decision stands, in words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DecisionStanding<'a> {
    /// It counts.
    Counts(&'a DecisionView),
    /// A person took it back, or replaced it.
    Withdrawn(&'a Withdrawal),
    /// Its time is over.
    Over(&'a DecisionView),
}

impl DecisionView {
    pub(super) fn from_mapping(mapping: &Mapping) -> Option<Self> {
        let owned = |key: &str| mapping.text(key).map(str::to_owned);
        let unknown = || "unknown".to_owned();
        Some(Self {
            id: owned("id").unwrap_or_default(),
            kind: DecisionKind::from_file(mapping.text("kind")?)?,
            node: owned("node"),
            verdict: mapping.text("verdict").and_then(Verdict::from_file),
            reason: owned("reason").unwrap_or_default(),
            evidence: owned("evidence"),
            by: owned("by").unwrap_or_else(unknown),
            at: owned("at").unwrap_or_else(unknown),
            until: owned("until"),
            withdrawn: Withdrawal::of(mapping),
        })
    }

    /// The node that it is about.
    pub fn node_name(&self) -> Option<NodeName> {
        NodeName::from_file(self.node.as_deref()?)
    }

    /// How it stands at `now`. An end that cannot be read ends a waiver, and never a hold.
    pub fn standing(&self, now: Timestamp) -> DecisionStanding<'_> {
        if let Some(withdrawal) = &self.withdrawn {
            return DecisionStanding::Withdrawn(withdrawal);
        }
        let is_over = match self.until.as_deref().map(str::parse::<Moment>) {
            None => false,
            Some(Ok(until)) => until.is_over(now),
            Some(Err(_)) => self.kind != DecisionKind::Hold,
        };
        if is_over { DecisionStanding::Over(self) } else { DecisionStanding::Counts(self) }
    }

    /// Whether it counts at `now`.
    pub fn counts_at(&self, now: Timestamp) -> bool {
        matches!(self.standing(now), DecisionStanding::Counts(_))
    }

    /// A hold of `what`, as the refusal of whoever wants to begin something; `withdraw` is the command that ends it.
    pub fn closes(&self, what: &str, withdraw: &str) -> Closed {
        let Self { by, at, reason, .. } = self;
        let until = self.until.as_ref().map(|until| format!(" until {until}")).unwrap_or_default();
        Closed {
            class: ErrorClass::Blocked,
            text: format!("{what} is held by {by} since {at}{until}: {reason}"),
            hint: Some(format!("When it may go on: {withdraw}")),
        }
    }

    /// Whether it says the same as `other`, whoever decided.
    fn says_the_same(&self, other: &Self) -> bool {
        let said = |view: &Self| {
            let Self { kind, node, verdict, reason, evidence, until, .. } = view.clone();
            (kind, node, verdict, reason, evidence, until)
        };
        said(self) == said(other)
    }
}

impl fmt::Display for DecisionView {
    /// What was decided, by whom, when and why.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let node = self.node.as_deref().unwrap_or("unknown");
        match self.kind {
            DecisionKind::Hold => formatter.write_str("held")?,
            DecisionKind::Verdict => {
                write!(formatter, "{node}: {}", self.verdict.map_or("unknown", Verdict::text))?;
            }
            DecisionKind::Waiver => write!(formatter, "{node} waived")?,
        }
        write!(formatter, " by {} at {}", self.by, self.at)?;
        if let Some(until) = &self.until {
            write!(formatter, " until {until}")?;
        }
        write!(formatter, ": {}", self.reason)?;
        self.evidence.as_ref().map_or(Ok(()), |evidence| write!(formatter, " ({evidence})"))
    }
}

impl fmt::Display for DecisionStanding<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Counts(_) => formatter.write_str("it counts"),
            Self::Withdrawn(Withdrawal { by, at }) => write!(formatter, "taken back by {by} at {at}"),
            Self::Over(decision) => {
                write!(formatter, "over since {}", decision.until.as_deref().unwrap_or("unknown"))
            }
        }
    }
}

/// A list of decisions in a file: of a release, or of all.
pub(super) struct Records<'a> {
    pub(super) list: &'a mut Vec<Node>,
    pub(super) redactor: &'a Redactor,
}

impl Records<'_> {
    /// Adds a decision. One about the same node is replaced; of holds, several count beside each other. Nothing changes
    /// when it is recorded already, and when one that says the same counts.
    pub(super) fn add(&mut self, decision: &NewDecision) -> Change {
        let record = self.record(decision);
        let Some(new) = DecisionView::from_mapping(&record) else { return Change::Unchanged };
        let known = views(self.list);
        let is_there = |known: &DecisionView| {
            known.id == new.id || known.counts_at(decision.at) && known.says_the_same(&new)
        };
        if known.iter().any(is_there) {
            return Change::Unchanged;
        }
        if new.kind != DecisionKind::Hold {
            let _ = self.withdraw(new.kind, decision.subject.node(), &decision.by, decision.at);
        }
        self.list.push(Node::mapping(record));
        while self.list.len() > DECISION_LIMIT {
            let over = |node: &Node| view(node).is_none_or(|view| !view.counts_at(decision.at));
            // One that counts is never dropped.
            let Some(oldest) = self.list.iter().position(over) else { break };
            self.list.remove(oldest);
        }
        Change::Changed
    }

    /// Takes back every decision of this kind that counts; of one node, when it is given.
    pub(super) fn withdraw(
        &mut self,
        kind: DecisionKind,
        node: Option<NodeName>,
        by: &str,
        at: Timestamp,
    ) -> Change {
        let by = self.redactor.redact(by).into_owned();
        let mut change = Change::Unchanged;
        for item in self.list.iter_mut() {
            let Some(view) = view(item) else { continue };
            let is_it = view.kind == kind && (node.is_none() || view.node_name() == node);
            if is_it
                && view.counts_at(at)
                && let Some(record) = item.as_mapping_mut()
            {
                let withdrawal = Mapping::from([("by", Node::text(&by)), ("at", Node::text(stamp(at)))]);
                record.set("withdrawn", Node::mapping(withdrawal));
                change = Change::Changed;
            }
        }
        change
    }

    fn record(&self, decision: &NewDecision) -> Mapping {
        let mask = |text: &str| self.redactor.redact(text).into_owned();
        let reason: String = mask(decision.reason.trim()).chars().take(REASON_LIMIT).collect();
        let mut record = Mapping::from([
            ("id", Node::text(&decision.id)),
            ("kind", Node::text(decision.subject.kind().text())),
        ]);
        let mut set = |key: &str, value: Option<String>| {
            if let Some(value) = value {
                record.set(key, Node::text(value));
            }
        };
        set("node", decision.subject.node().map(|node| node.id().to_owned()));
        if let Subject::Verdict { verdict, .. } = &decision.subject {
            set("verdict", Some(verdict.text().to_owned()));
        }
        set("reason", Some(reason));
        if let Subject::Verdict { evidence, .. } = &decision.subject {
            set("evidence", evidence.as_deref().map(mask));
        }
        set("by", Some(mask(&decision.by)));
        set("at", Some(stamp(decision.at)));
        if let Subject::Hold { until } | Subject::Waiver { until, .. } = &decision.subject {
            set("until", until.map(|until| until.to_string()));
        }
        record
    }
}

fn view(node: &Node) -> Option<DecisionView> {
    node.as_mapping().and_then(DecisionView::from_mapping)
}

pub(super) fn views(list: &[Node]) -> Vec<DecisionView> {
    list.iter().filter_map(view).collect()
}

impl State {
    /// Every decision about the release, the oldest first.
    pub fn decisions(&self) -> Vec<DecisionView> {
        views(self.root.get(DECISIONS).and_then(Node::as_sequence).unwrap_or_default())
    }

    /// The holds that count at `now`, the oldest first.
    pub fn holds(&self, now: Timestamp) -> Vec<DecisionView> {
        let mut all = self.decisions();
        all.retain(|decision| decision.kind == DecisionKind::Hold && decision.counts_at(now));
        all
    }

    /// Why nothing may begin at `now`, by this file: its holds, the oldest first.
    pub fn closed(&self, now: Timestamp) -> Vec<Closed> {
        let release = self.release().unwrap_or_default();
        let withdraw = format!("oar -r {release} hold --withdraw");
        self.holds(now).iter().map(|hold| hold.closes(release, &withdraw)).collect()
    }

    /// What a person decided about `node`, if that was not taken back.
    pub fn verdict(&self, node: NodeName) -> Option<DecisionView> {
        let is_it = |decision: &DecisionView| {
            decision.kind == DecisionKind::Verdict
                && decision.withdrawn.is_none()
                && decision.node_name() == Some(node)
        };
        self.decisions().into_iter().rev().find(is_it)
    }

    /// What a person decided about the build of `task` since the task ended last.
    pub fn newer_verdict(&self, task: TaskName) -> Option<DecisionView> {
        let decision = self.verdict(NodeName::Task(task))?;
        let decided: Timestamp = decision.at.parse().ok()?;
        let view = self.task(task);
        let view = view.as_ref();
        // The run that records a decision has its id.
        if view.is_some_and(|view| view.history.iter().any(|run| run.id == decision.id)) {
            return None;
        }
        let judged = view.filter(|view| matches!(view.status, TaskStatus::Pass | TaskStatus::Fail));
        let completed: Option<Timestamp> = judged.and_then(|view| view.completed_at.as_ref()?.parse().ok());
        completed.is_none_or(|completed| completed <= decided).then_some(decision)
    }

    /// The waivers of `task` that were not taken back, those that are over too: what was decided, and the field of the
    /// task, which people write by hand.
    pub fn waivers(&self, task: TaskName) -> Vec<Waiver> {
        let is_it = |decision: &DecisionView| {
            decision.kind == DecisionKind::Waiver
                && decision.withdrawn.is_none()
                && decision.node_name() == Some(NodeName::Task(task))
        };
        let decided = self.decisions().into_iter().filter(is_it).map(|decision| Waiver {
            by: decision.by,
            reason: decision.reason,
            scope: None,
            at: decision.at,
            expires: decision.until,
        });
        decided.chain(self.task(task).and_then(|view| view.waiver)).collect()
    }

    /// Whether `task` need not pass, at `now`.
    pub fn is_waived(&self, task: TaskName, now: Timestamp) -> bool {
        self.waivers(task).iter().any(|waiver| waiver.counts_at(now))
    }

    /// Records a decision ([`NewDecision`]).
    pub fn decide(&mut self, decision: &NewDecision) -> Change {
        self.change_decisions(|records| records.add(decision))
    }

    /// Takes back every decision of this kind that counts; of one node, when it is given.
    pub fn withdraw_decisions(
        &mut self,
        kind: DecisionKind,
        node: Option<NodeName>,
        by: &str,
        at: Timestamp,
    ) -> Change {
        if self.decisions().is_empty() {
            return Change::Unchanged;
        }
        self.change_decisions(|records| records.withdraw(kind, node, by, at))
    }

    fn change_decisions(&mut self, change: impl FnOnce(&mut Records<'_>) -> Change) -> Change {
        let redactor = self.redactor.clone();
        let Some(list) = self.list_mut(DECISIONS) else { return Change::Unchanged };
        change(&mut Records { list, redactor: &redactor })
    }

    /// Puts decisions back that `copy` has and this file lost, and that one was taken back: no program deletes one, and
    /// nothing makes one count again. Gives what was put back.
    pub(super) fn recover_decisions(&mut self, copy: &Self) -> Vec<String> {
        let known: Vec<Mapping> = copy.entries(DECISIONS).cloned().collect();
        if known.is_empty() {
            return Vec::new();
        }
        let (mut found, mut is_added) = (Vec::new(), false);
        let Some(list) = self.list_mut(DECISIONS) else { return found };
        for was in known {
            let (id, is_full) = (was.text("id"), list.len() >= DECISION_LIMIT);
            let now = list.iter_mut().filter_map(Node::as_mapping_mut).find(|now| now.text("id") == id);
            let shown = DecisionView::from_mapping(&was).map(|view| view.to_string()).unwrap_or_default();
            match now {
                // What is missing in a full list may have made room.
                None if !is_full => {
                    list.push(Node::mapping(was));
                    is_added = true;
                    found.push(shown);
                }
                Some(now) if Withdrawal::of(now).is_none() && Withdrawal::of(&was).is_some() => {
                    now.set("withdrawn", was.get("withdrawn").cloned().unwrap_or_else(Node::null));
                    found.push(format!("{shown} (taken back)"));
                }
                _ => {}
            }
        }
        if is_added {
            // In the order in which they were made.
            list.sort_by_key(|node| {
                node.as_mapping().and_then(|record| record.text("at")).map(str::to_owned)
            });
        }
        found
    }
}
