//! What follows from the StateBox and the facts: pure. The same input gives the same answer.
//!
//! Three functions for each node: its verdict (`Evaluation::verdict`), what is to be done ([`to_do`]) and the next look
//! ([`next_look`]). Unset is not done, inconclusive is not passed, unknown is never ok.

#![expect(
    clippy::result_large_err,
    reason = "an early verdict is no failure: it is as likely as the other one"
)]

mod approval;
mod basis;
mod checkpoints;
mod decided;
mod job;
mod judgement;
mod stale;
mod tasks;
mod tries;

use std::collections::BTreeMap;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use judgement::{Acts, person};
pub use judgement::{Judgement, next_look, to_do};
pub use stale::{COMMIT, is_as_good, subjects};

use super::facts::{BuildData, FactKey, Facts, Standing};
use super::verdict::{Act, NodePlan, ToDo, Verdict};
use crate::clock::stamp;
use crate::config::{DrivePolicy, Leave};
use crate::flow::nodes::{Action, Cost, Node, ROWS, Row};
use crate::ids::IssueKey;
use crate::statebox::{IssueView, Metadata, State, TaskName, TaskStatus, TaskView};
use crate::version::ReleaseVersion;

/// What a verdict rests on.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a> {
    /// The release.
    pub release: &'a ReleaseVersion,
    /// Its state; `None` when it has no StateBox.
    pub state: Option<&'a State>,
    /// Where the StateBox is.
    pub location: &'a str,
    /// What was read of the services.
    pub facts: &'a Facts,
    /// What the engine may do by itself.
    pub policy: &'a DrivePolicy,
    /// The time.
    pub now: Timestamp,
    /// Whether a process that has claimed a task is certain to have ended.
    pub ended: fn(&str) -> bool,
}

/// What is said of every node, in the order of the table.
pub fn evaluate(input: Input<'_>) -> Vec<NodePlan> {
    let mut evaluation = Evaluation::new(input);
    for row in &ROWS {
        let judgement = evaluation.verdict(row);
        let plan = evaluation.planned(row, judgement);
        evaluation.plans.insert(row.node, plan);
    }
    ROWS.iter().filter_map(|row| evaluation.plans.remove(&row.node)).collect()
}

/// Whether the release ships by a shipment merge request; `None` while nobody knows.
pub fn is_konflux(input: Input<'_>) -> Option<bool> {
    let current = match input.facts.build_data.value() {
        Some(BuildData::Present { metadata, .. }) => Some(metadata.is_konflux()),
        _ => None,
    };
    input.state.map(|state| state.metadata().is_konflux()).or(current)
}

/// From when the release may be approved; `None` while nobody knows its date.
pub fn approval_opens(input: Input<'_>) -> Option<Timestamp> {
    Evaluation::new(input).approval_opens()
}

/// What the policy says of a node: the document, otherwise what its cost suggests.
pub fn policy_of(row: &Row, policy: &DrivePolicy) -> Leave {
    policy.steps.get(row.node.id()).copied().unwrap_or(match row.cost {
        Cost::Reads | Cost::Free => Leave::Auto,
        Cost::Paid | Cost::Critical => Leave::Ask,
    })
}

/// What is known while the nodes are gone through.
pub struct Evaluation<'a> {
    input: Input<'a>,
    tasks: BTreeMap<TaskName, TaskView>,
    issues: Vec<IssueView>,
    metadata: Metadata,
    konflux: Option<bool>,
    approved: bool,
    plans: BTreeMap<Node, NodePlan>,
}

impl<'a> Evaluation<'a> {
    fn new(input: Input<'a>) -> Self {
        let views = input.state.map(State::tasks).unwrap_or_default();
        let tasks: BTreeMap<_, _> = views.into_iter().filter_map(|view| Some((view.task?, view))).collect();
        let approved =
            tasks.get(&TaskName::ChangeAdvisoryStatus).is_some_and(|view| view.status == TaskStatus::Pass);
        Self {
            input,
            tasks,
            issues: input.state.map(State::issues).unwrap_or_default(),
            metadata: input.state.map(State::metadata).unwrap_or_default(),
            konflux: is_konflux(input),
            approved,
            plans: BTreeMap::new(),
        }
    }

    /// The verdict of a node; those that come before it have theirs already.
    fn verdict(&self, row: &Row) -> Judgement {
        if let Some(konflux) = self.konflux.filter(|konflux| !row.flows.has(*konflux)) {
            let flow = if konflux { "Konflux" } else { "Errata" };
            return Judgement::not_applicable(format!("not in the {flow} flow"));
        }
        let judgement = match row.node {
            Node::Task(task) => self.task(task, row).map(|judgement| self.paced(task, row, judgement)),
            node => self.checkpoint(node, row),
        };
        let judgement = self.refused(row, judgement.unwrap_or_else(|early| early));
        self.noted(row, self.overdue(row, judgement))
    }

    /// A step that would be run and whose run was refused in this pass is blocked by the reason.
    fn refused(&self, row: &Row, judgement: Judgement) -> Judgement {
        let Some(why) = self.input.facts.refused.get(&row.node).filter(|_| judgement.acts != Acts::No) else {
            return judgement;
        };
        let again = later(self.input.now, row.poll);
        Judgement { act: judgement.act, ..Judgement::blocked(why.clone(), row.who).due(again) }
            .since(judgement.since)
            .about(topic("the run is refused", why))
    }

    /// A verdict whose time is over asks, and goes on looking.
    fn overdue(&self, row: &Row, mut judgement: Judgement) -> Judgement {
        let is_late = judgement.deadline.is_some_and(|deadline| deadline <= self.input.now)
            && judgement.act != Act::CarryOn;
        let (Some(deadline), true) = (row.deadline, is_late) else { return judgement };
        let what = match &judgement.verdict {
            Verdict::Running { what } | Verdict::Waiting { what, .. } => what.clone(),
            _ => return judgement,
        };
        judgement.verdict = Verdict::Asks {
            question: format!("{what}: {}", deadline.then),
            choices: vec!["wait further".to_owned(), "intervene".to_owned()],
        };
        judgement.topic = Some(deadline.then.to_owned());
        judgement
    }

    fn planned(&self, row: &Row, judgement: Judgement) -> NodePlan {
        let policy = policy_of(row, self.input.policy);
        let command = judgement.command.clone().or_else(|| self.command(row));
        let to_do = match to_do(&judgement, policy, command) {
            ToDo::Consent { command } if self.has_consent(row) => ToDo::Run { command, only_looks: false },
            ToDo::Consent { command } => {
                let consent = judgement.command.is_none().then(|| self.consent_command(row)).flatten();
                ToDo::Consent { command: consent.unwrap_or(command) }
            }
            to_do => to_do,
        };
        let person = person(row, &judgement, &to_do);
        let look_at = next_look(&judgement, &to_do, self.input.now);
        NodePlan {
            node: row.node,
            verdict: judgement.verdict,
            policy,
            note: judgement.note,
            stale: judgement.stale,
            since: judgement.since.map(stamp),
            next_look: look_at.map(stamp),
            deadline: judgement.deadline.map(stamp),
            person,
            to_do,
            evidence: judgement.evidence,
            lacks: judgement.lacks,
            case: judgement.case,
            look_at,
            act: judgement.act,
            topic: judgement.topic,
        }
    }

    /// Until when a node may take that began at `since`: the document says how long, otherwise its row.
    fn limit(&self, row: &Row, since: Option<Timestamp>) -> Option<Timestamp> {
        let usual = row.deadline?.after;
        let after = self.input.policy.limits.get(row.node.id()).copied().unwrap_or(usual);
        Some(later(since?, after))
    }

    /// Whether a person has consented to a plan of the node and no run has used that up, or has consented to what the node does now
    /// as what follows an earlier plan. The run asks whether it is its plan.
    fn has_consent(&self, row: &Row) -> bool {
        let pushes = self.input.facts.pushes.value();
        if row.node == Node::Task(TaskName::PushToCdnStaging)
            && pushes.is_some_and(|pushes| pushes.is_consented)
        {
            return true;
        }
        row.node.task().is_some_and(|task| {
            let consents = self.tasks.get(&task).map(|view| view.consents.as_slice()).unwrap_or_default();
            let mut consents = consents.iter();
            consents.any(|consent| consent.command == task.id() && consent.is_valid_at(self.input.now))
        })
    }

    /// The command with which a person consents, so that the engine does it; a paid job is started by its own.
    fn consent_command(&self, row: &Row) -> Option<String> {
        let task = row.node.task().filter(|_| row.cost == Cost::Critical)?;
        Some(format!("oar -r {} consent {task}", self.input.release))
    }

    /// The usual command of a node.
    fn command(&self, row: &Row) -> Option<String> {
        let task = row.node.task()?;
        let release = self.input.release;
        Some(match (row.action, task) {
            (Action::Verdict, _) => format!("oar -r {release} task set {task} Pass --reason TEXT"),
            (_, TaskName::TakeOwnership) => format!("oar -r {release} {task} -e ADDRESS"),
            (_, TaskName::ImageConsistencyCheck) if self.konflux == Some(false) => {
                format!("oar -r {release} {task} -i JOB_ID")
            }
            _ => format!("oar -r {release} {task}"),
        })
    }
}

/// A verdict, or an early one: a fact is missing, or something comes first.
type Judged = Result<Judgement, Judgement>;

/// What a question is about whose reason is part of it: another reason is another question, another number or bug in it is not.
fn topic(subject: &str, reason: &str) -> String {
    format!("{subject}: {}", lasting(reason))
}

/// What stays of a reason from look to look: it is without digits, and without the keys of issues and their states.
fn lasting(reason: &str) -> String {
    const ENDS: [char; 4] = [',', ';', '.', ':'];
    let words: Vec<&str> = reason.split_whitespace().collect();
    let (mut rest, mut kept) = (words.as_slice(), Vec::new());
    while let Some((word, after)) = rest.split_first() {
        rest = after;
        if word.trim_end_matches(ENDS).parse::<IssueKey>().is_err() {
            kept.push(word.replace(|character: char| character.is_ascii_digit(), ""));
        } else if !word.ends_with(ENDS) && after.first().is_some_and(|next| next.starts_with('(')) {
            let end = after.iter().position(|word| word.trim_end_matches(ENDS).ends_with(')'));
            rest = end.and_then(|end| after.get(end + 1..)).unwrap_or(after);
        }
    }
    kept.retain(|word| !word.is_empty());
    kept.join(" ")
}

/// A time of a file; what is no time is not known.
fn time(text: Option<&String>) -> Option<Timestamp> {
    text?.parse().ok()
}

fn later(time: Timestamp, by: SignedDuration) -> Timestamp {
    time.checked_add(by).unwrap_or(Timestamp::MAX)
}

fn midnight(date: Date) -> Timestamp {
    date.to_zoned(TimeZone::UTC).map_or(Timestamp::MAX, |day| day.timestamp())
}

/// The facts that verdicts lack and that nobody has looked at.
pub fn lacking(plans: &[NodePlan], facts: &Facts) -> Vec<FactKey> {
    let lacks = plans.iter().filter_map(|plan| plan.lacks.as_ref());
    let mut keys: Vec<FactKey> =
        lacks.map(|lack| lack.fact).filter(|key| facts.standing(*key) == Standing::NotLooked).collect();
    keys.sort_unstable();
    keys.dedup();
    keys
}
