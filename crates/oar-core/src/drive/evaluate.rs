//! What follows from the StateBox and the facts: pure. The same input gives the same answer.
//!
//! Three functions for each node: its verdict (`Evaluation::verdict`), what is to be done ([`to_do`]) and the next look
//! ([`next_look`]). Unset is not done, inconclusive is not passed, unknown is never ok.

#![expect(
    clippy::result_large_err,
    reason = "an early verdict is no failure: it is as likely as the other one"
)]

use std::collections::BTreeMap;

use indexmap::IndexMap;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Span, Timestamp};

use super::facts::{
    Alerts, BuildData, Fact, FactKey, Facts, JobView, PayloadView, Promotion, Seen, StageView, Standing,
    Tests,
};
use super::verdict::{Evidence, Lack, NodePlan, ToDo, Verdict};
use crate::clients::gitlab::MergeRequestState;
use crate::clients::release_controller::Phase;
use crate::clock::stamp;
use crate::config::{DrivePolicy, Leave, ReleaseDate};
use crate::error::ErrorClass;
use crate::flow::gates::not_available;
use crate::flow::nodes::{
    Action, Cost, Edge, Keeps, Need, Node, ROWS, Row, Who, chain, only_informs, refuses,
};
use crate::operators::shipment::ReleaseState;
use crate::statebox::{
    CONSISTENCY_TRIGGERED, IssueView, Metadata, ReasonClass, RunOutcome, STAGE_TRIGGERED, State, TaskName,
    TaskStatus, TaskView,
};
use crate::version::ReleaseVersion;

/// How often a free or consented step is tried that failed.
const TRIES: u32 = 3;
/// How often a paid job is started that ended by infrastructure.
const PAID_TRIES: u32 = 2;
/// ART's own wait for the acceptance: an image is accepted at the latest this long after it was made.
const ACCEPTED_WITHIN: SignedDuration = SignedDuration::from_hours(24);
/// How many days before its date a release may be approved.
const DAYS_BEFORE: i64 = 1;
/// What is said of a verdict when its subject has changed.
const AGAIN: [&str; 2] = ["run it again", "keep the verdict"];
/// What is decided about the tests of a build.
const JUDGE: [&str; 3] = ["accept", "reject", "wait"];

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

/// What the policy says of a node: the document, otherwise what its cost suggests.
pub fn policy_of(row: &Row, policy: &DrivePolicy) -> Leave {
    policy.0.get(row.node.id()).copied().unwrap_or(match row.cost {
        Cost::Reads | Cost::Free => Leave::Auto,
        Cost::Paid | Cost::Critical => Leave::Ask,
    })
}

/// What a run of the node's action would do now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Acts {
    /// There is nothing to run.
    No,
    /// It looks at, or records, what is there.
    Looks,
    /// It has an effect.
    Does,
}

/// A verdict with everything that the other two functions need.
#[derive(Debug, Clone)]
pub struct Judgement {
    verdict: Verdict,
    acts: Acts,
    note: Option<String>,
    stale: Option<String>,
    since: Option<Timestamp>,
    /// When to look next, where the verdict itself knows.
    due: Option<Timestamp>,
    deadline: Option<Timestamp>,
    whom: Option<Who>,
    /// The command, where it is not the usual one.
    command: Option<String>,
    evidence: Vec<Evidence>,
    lacks: Option<Lack>,
}

impl Judgement {
    fn new(verdict: Verdict) -> Self {
        let acts = if verdict == Verdict::Ready { Acts::Does } else { Acts::No };
        Self {
            verdict,
            acts,
            note: None,
            stale: None,
            since: None,
            due: None,
            deadline: None,
            whom: None,
            command: None,
            evidence: Vec::new(),
            lacks: None,
        }
    }

    fn waiting(what: impl Into<String>) -> Self {
        Self::new(Verdict::Waiting { what: what.into(), unknown: false })
    }

    fn running(what: impl Into<String>) -> Self {
        Self::new(Verdict::Running { what: what.into() })
    }

    fn blocked(by: impl Into<String>, whose: Who) -> Self {
        Self::new(Verdict::Blocked { by: by.into(), whose })
    }

    fn asks(question: impl Into<String>, choices: &[&str]) -> Self {
        let choices = choices.iter().map(|choice| (*choice).to_owned()).collect();
        Self::new(Verdict::Asks { question: question.into(), choices })
    }

    fn not_applicable(why: impl Into<String>) -> Self {
        Self::new(Verdict::NotApplicable { why: why.into() })
    }

    fn noting(mut self, note: impl Into<String>) -> Self {
        self.note = Some(note.into());
        self
    }

    fn since(mut self, since: Option<Timestamp>) -> Self {
        self.since = since;
        self
    }

    fn due(mut self, due: Timestamp) -> Self {
        self.due = Some(due);
        self
    }

    fn asked_of(mut self, whom: Who) -> Self {
        self.whom = Some(whom);
        self
    }

    fn only_looking(mut self) -> Self {
        self.acts = Acts::Looks;
        self
    }

    fn by_command(mut self, command: impl Into<String>) -> Self {
        self.command = Some(command.into());
        self
    }

    fn until(mut self, deadline: Option<Timestamp>) -> Self {
        self.deadline = deadline;
        self
    }

    fn on(mut self, evidence: Evidence) -> Self {
        self.evidence.push(evidence);
        self
    }
}

/// How a task's external job is known.
enum Handle {
    /// By its id, in the record or in the result of another program.
    Id,
    /// By its place in a queue.
    Queued,
    /// It was intended, and its start is not known.
    Intended(String),
    /// Not at all.
    None,
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
            Node::Task(task) => self.task(task, row),
            node => self.checkpoint(node, row),
        };
        self.overdue(row, judgement.unwrap_or_else(|early| early))
    }

    /// A verdict whose time is over asks, and goes on looking.
    fn overdue(&self, row: &Row, mut judgement: Judgement) -> Judgement {
        let is_late = judgement.deadline.is_some_and(|deadline| deadline <= self.input.now);
        let (Some(deadline), true) = (row.deadline, is_late) else { return judgement };
        let what = match &judgement.verdict {
            Verdict::Running { what } | Verdict::Waiting { what, .. } => what.clone(),
            _ => return judgement,
        };
        judgement.verdict = Verdict::Asks {
            question: format!("{what}: {}", deadline.then),
            choices: vec!["wait further".to_owned(), "intervene".to_owned()],
        };
        judgement
    }

    fn planned(&self, row: &Row, judgement: Judgement) -> NodePlan {
        let policy = policy_of(row, self.input.policy);
        let command = judgement.command.clone().or_else(|| self.command(row));
        let to_do = to_do(&judgement, policy, command);
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
            look_at,
        }
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

/// What is to be done about a node now.
pub fn to_do(judgement: &Judgement, policy: Leave, command: Option<String>) -> ToDo {
    match (&judgement.verdict, judgement.acts, command) {
        (Verdict::Asks { .. }, _, _) => ToDo::Answer { command: judgement.command.clone() },
        (Verdict::Blocked { .. }, _, _) if judgement.command.is_some() => {
            ToDo::Answer { command: judgement.command.clone() }
        }
        (verdict, _, _) if verdict.is_settled() => ToDo::Nothing,
        (_, Acts::No, _) | (_, _, None) => ToDo::Nothing,
        (_, acts, Some(command)) => match (policy, acts) {
            (Leave::Never, _) => ToDo::ByHand { command },
            (Leave::Ask, Acts::Does) => ToDo::Consent { command },
            (Leave::Auto | Leave::Ask, acts) => ToDo::Run { command, only_looks: acts == Acts::Looks },
        },
    }
}

/// When to look next; `None` when nothing is left to do, or only a person can go on.
pub fn next_look(judgement: &Judgement, to_do: &ToDo, now: Timestamp) -> Option<Timestamp> {
    if judgement.verdict.is_settled() {
        return None;
    }
    match (judgement.due, to_do) {
        (Some(due), _) => Some(due.max(now)),
        (None, ToDo::Run { .. }) => Some(now),
        (None, _) => None,
    }
}

/// Who must act.
fn person(row: &Row, judgement: &Judgement, to_do: &ToDo) -> Option<Who> {
    match (&judgement.verdict, to_do) {
        (Verdict::Done | Verdict::NotApplicable { .. }, _) => None,
        (Verdict::Blocked { whose, .. }, _) => Some(*whose),
        (Verdict::Asks { .. } | Verdict::Failed { tries_left: 0, .. }, _)
        | (_, ToDo::Consent { .. } | ToDo::ByHand { .. } | ToDo::Answer { .. }) => {
            Some(judgement.whom.unwrap_or(row.who))
        }
        _ => judgement.whom,
    }
}

/// A verdict, or an early one: a fact is missing, or something comes first.
type Judged = Result<Judgement, Judgement>;

impl Evaluation<'_> {
    fn now(&self) -> Timestamp {
        self.input.now
    }

    /// The fact, or the verdict of a node that needs it and does not have it.
    fn need<'f, T>(&self, row: &Row, key: FactKey, fact: &'f Fact<T>) -> Result<&'f Seen<T>, Judgement> {
        match fact {
            Fact::Known(seen) => Ok(seen),
            Fact::NotLooked => {
                let mut judgement = Judgement::new(Verdict::Waiting {
                    what: format!("{}, which nobody has looked at", key.words()),
                    unknown: true,
                })
                .due(self.now());
                judgement.lacks = Some(Lack { fact: key, why: "not looked at".to_owned() });
                Err(judgement)
            }
            Fact::Unknown(unknown) => {
                let words = format!("{} cannot be determined: {}", key.words(), unknown.why);
                let mut judgement = if unknown.class == ErrorClass::Configuration {
                    let hint = unknown.hint.clone().map(|hint| format!(" {hint}")).unwrap_or_default();
                    Judgement::asks(format!("{words}.{hint}"), &["provide what is missing"])
                        .asked_of(Who::Operator)
                } else {
                    Judgement::new(Verdict::Waiting { what: words, unknown: true })
                };
                judgement = judgement.due(later(unknown.at, row.poll));
                judgement.lacks = Some(Lack { fact: key, why: unknown.why.clone() });
                Err(judgement)
            }
        }
    }

    fn status(&self, task: TaskName) -> TaskStatus {
        self.tasks.get(&task).map_or(TaskStatus::NotStarted, |view| view.status)
    }

    fn is_waived(&self, task: TaskName) -> bool {
        let waiver = self.tasks.get(&task).and_then(|view| view.waiver.as_ref());
        waiver.is_some_and(|waiver| waiver.counts_at(self.now()))
    }

    /// What the StateBox says.
    fn stated(&self, field: String, value: impl Into<String>, at: Option<&String>) -> Evidence {
        Evidence {
            address: self.input.location.to_owned(),
            field,
            value: value.into(),
            at: at.cloned(),
            age: None,
        }
    }

    fn status_of(&self, view: &TaskView) -> Evidence {
        let at = view.completed_at.as_ref().or(view.started_at.as_ref());
        self.stated(format!("tasks.{}.status", view.name), view.status.text(), at)
    }

    /// What a service said.
    fn read<T>(&self, seen: &Seen<T>, field: &str, value: impl Into<String>) -> Evidence {
        Evidence {
            address: seen.address.clone(),
            field: field.to_owned(),
            value: value.into(),
            at: Some(stamp(seen.at)),
            age: Some(self.now().duration_since(seen.at).as_secs()),
        }
    }

    /// Whether an earlier node is as far as it must be.
    fn is_met(&self, edge: Edge) -> bool {
        let settled = self.plans.get(&edge.node).is_some_and(|plan| plan.verdict.is_settled());
        let judged = || {
            let status = edge.node.task().map(|task| self.status(task));
            matches!(status, Some(TaskStatus::Pass | TaskStatus::Fail))
        };
        settled || (edge.need == Need::Verdict && judged())
    }

    /// A wait for the nodes that come first. The next look is the earliest of theirs, the person the first of theirs.
    fn after_others(&self, row: &Row) -> Result<(), Judgement> {
        let open: Vec<&Edge> =
            row.after.iter().filter(|edge| edge.keeps != Keeps::Usual && !self.is_met(**edge)).collect();
        if open.is_empty() {
            return Ok(());
        }
        let names: Vec<&str> = open.iter().map(|edge| edge.node.id()).collect();
        let plans: Vec<&NodePlan> = open.iter().filter_map(|edge| self.plans.get(&edge.node)).collect();
        let mut judgement = Judgement::waiting(names.join(", "));
        judgement.due = plans.iter().filter_map(|plan| plan.look_at).min();
        if judgement.due.is_none() {
            judgement.whom = plans.iter().find_map(|plan| plan.person);
        }
        Err(judgement)
    }

    /// Open blockers: a general one stops every node that has not begun, one of a task its node (spec 05 §8.8, 15).
    /// A command that refuses to run too early refuses for the blockers of what comes before it, too.
    fn blocker(&self, task: TaskName) -> Option<&IssueView> {
        let begun = self.status(task) != TaskStatus::NotStarted;
        let starts = self.status(task) != TaskStatus::InProgress;
        let earlier = if refuses(task) && starts { chain(task) } else { Vec::new() };
        self.issues.iter().filter(|issue| issue.blocks()).find(|issue| {
            let names = &issue.related_tasks;
            let is_waived = |name: &String| name.parse::<TaskName>().is_ok_and(|task| self.is_waived(task));
            let of_earlier = || {
                let concerned = names.iter().any(|name| earlier.iter().any(|task| name == task.id()));
                concerned && !names.iter().all(is_waived)
            };
            names.iter().any(|name| name == task.id()) || (names.is_empty() && !begun) || of_earlier()
        })
    }

    fn blocked_by(&self, issue: &IssueView, row: &Row) -> Judgement {
        let evidence = self.stated("issues".to_owned(), issue.issue.clone(), issue.reported_at.as_ref());
        let command = format!("oar -r {} issue resolve TEXT --resolution TEXT", self.input.release);
        Judgement::blocked(issue.issue.clone(), row.who)
            .since(time(issue.reported_at.as_ref()))
            .by_command(command)
            .on(evidence)
    }
}

/// Tasks.
impl Evaluation<'_> {
    fn task(&self, task: TaskName, row: &Row) -> Judged {
        if task == TaskName::CreateTestReport {
            return self.create_test_report(row);
        }
        let view = self.tasks.get(&task);
        let status = self.status(task);
        if let Some(view) = view.filter(|_| status == TaskStatus::Pass) {
            return Ok(self.passed(task, view, row));
        }
        if let Some(waiver) = view.and_then(|view| view.waiver.as_ref()).filter(|_| self.is_waived(task)) {
            let evidence = self.stated(
                format!("tasks.{task}.waiver"),
                format!("{}: {}", waiver.by, waiver.reason),
                Some(&waiver.at),
            );
            return Ok(
                Judgement::not_applicable(format!("waived by {}: {}", waiver.by, waiver.reason)).on(evidence)
            );
        }
        if only_informs(task) {
            if let Some(issue) = self.input.state.and_then(|state| not_available(state, task)) {
                let evidence =
                    self.stated("issues".to_owned(), issue.issue.clone(), issue.reported_at.as_ref());
                return Ok(Judgement::not_applicable(issue.issue).on(evidence));
            }
            if let Some(view) = view.filter(|_| status == TaskStatus::Fail) {
                return Ok(Judgement::new(Verdict::Done)
                    .noting("judged Fail, which only informs")
                    .since(time(view.completed_at.as_ref()))
                    .on(self.status_of(view)));
            }
        }
        if self.approved {
            return Ok(Judgement::not_applicable("the release is approved without it"));
        }
        if let Some(claim) =
            view.and_then(|view| view.claim.as_ref()).filter(|claim| claim.holds_at(self.now(), |_| false))
        {
            let lease = claim.lease_until.parse().unwrap_or(self.input.now);
            return Ok(Judgement::running(format!("{} runs it", claim.by))
                .since(claim.since.parse().ok())
                .due(lease)
                .on(self.stated(format!("tasks.{task}.claim"), claim.by.clone(), Some(&claim.since))));
        }
        if let Some(view) = view.filter(|_| status == TaskStatus::InProgress) {
            match task {
                TaskName::ChangeAdvisoryStatus => return Ok(self.approval_under_way(view, row)),
                TaskName::ImageConsistencyCheck | TaskName::StageTesting => {
                    return self.job(task, view, row);
                }
                _ => {}
            }
        }
        if let Some(issue) = self.blocker(task) {
            return Ok(self.blocked_by(issue, row));
        }
        self.after_others(row)?;
        if let Some(view) = view.filter(|_| status == TaskStatus::Fail) {
            return Ok(self.failed(task, view, row));
        }
        self.begins(task, view, row)
    }

    /// The verdict of a task that can begin as far as the others go.
    fn begins(&self, task: TaskName, view: Option<&TaskView>, row: &Row) -> Judged {
        let ready = || {
            let ready = Judgement::new(Verdict::Ready);
            match view {
                Some(view) if view.status == TaskStatus::InProgress => ready
                    .noting("the last run did not reach its end; run it again")
                    .since(time(view.started_at.as_ref()))
                    .on(self.status_of(view)),
                _ => ready,
            }
        };
        match task {
            TaskName::TakeOwnership => match self.input.facts.build_data.value() {
                Some(BuildData::Present { has_owner: false, .. }) => Ok(Judgement::asks(
                    "no owner of the release is configured: who takes it?",
                    &["name an owner"],
                )
                .by_command(format!("oar -r {} {task} -e ADDRESS", self.input.release))),
                _ => Ok(ready()),
            },
            TaskName::UpdateBugList => Ok(self.bug_list(view, row, ready())),
            TaskName::AnalyzeCandidateBuild => self.candidate(row),
            TaskName::AnalyzePromotedBuild => self.promoted(row),
            TaskName::PushToCdnStaging => self.push(view, row),
            TaskName::ImageConsistencyCheck if self.konflux == Some(false) => Ok(Judgement::asks(
                "which Prow job did ART start for this release? Its id is not recorded",
                &["name the job"],
            )
            .by_command(format!("oar -r {} {task} -i JOB_ID", self.input.release))),
            TaskName::ImageSignedCheck => self.signatures(row, ready()),
            TaskName::ChangeAdvisoryStatus => self.approval(row),
            _ => Ok(ready()),
        }
    }

    fn create_test_report(&self, row: &Row) -> Judged {
        if let Some(state) = self.input.state {
            let created = state.created_at().map(str::to_owned);
            let evidence =
                self.stated("created_at".to_owned(), created.clone().unwrap_or_default(), created.as_ref());
            return Ok(Judgement::new(Verdict::Done).since(time(created.as_ref())).on(evidence));
        }
        let seen = self.need(row, FactKey::BuildData, &self.input.facts.build_data)?;
        match &seen.value {
            BuildData::Absent(why) => Ok(Judgement::waiting(format!("ART's announcement: {why}"))
                .due(later(seen.at, row.poll))
                .on(self.read(seen, "assemblies", "absent"))),
            BuildData::Present { metadata, .. } => {
                let evidence =
                    self.read(seen, "release_date", metadata.release_date.clone().unwrap_or_default());
                if metadata.release_date.is_none() {
                    return Ok(Judgement::blocked("the build data names no release date", Who::Art)
                        .due(later(seen.at, row.poll))
                        .on(evidence));
                }
                Ok(Judgement::new(Verdict::Ready).on(evidence))
            }
        }
    }

    /// A passed task: done, unless what was judged has changed since.
    fn passed(&self, task: TaskName, view: &TaskView, row: &Row) -> Judgement {
        let since = time(view.completed_at.as_ref());
        let done = Judgement::new(Verdict::Done).since(since).on(self.status_of(view));
        let Some((changed, evidence)) = self.changed(task, view) else { return done };
        if self.approved {
            return done.noting(format!("since then {changed}")).on(evidence);
        }
        let mut stale = Judgement::asks(format!("{task} is Pass, but since then {changed}"), &AGAIN)
            .since(since)
            .asked_of(row.who)
            .on(self.status_of(view))
            .on(evidence);
        stale.command = self.command(row);
        stale.stale = Some(changed);
        stale
    }

    /// What has changed of what a passed task has judged; `None` when nothing is known to have changed.
    fn changed(&self, task: TaskName, view: &TaskView) -> Option<(String, Evidence)> {
        let subjects = subjects(task, self.input.facts);
        if let Some(judged) = &view.judged {
            for (subject, was) in &judged.of {
                let Some(is) = subjects.get(subject.as_str()).filter(|is| *is != was) else { continue };
                let words = format!("{subject} changed from {was} to {is}");
                let evidence =
                    self.stated(format!("tasks.{task}.judged.{subject}"), was.clone(), judged.at.as_ref());
                return Some((words, evidence));
            }
        }
        let concerns = |field: &str| {
            inputs(task).iter().any(|input| field.starts_with(input))
                && (task == TaskName::TakeOwnership || field != "advisory_ids.microshift")
        };
        let state = self.input.state?;
        if let Some(BuildData::Present { metadata, .. }) = self.input.facts.build_data.value() {
            let changes = state.metadata_changes(metadata).into_iter();
            if let Some(change) = changes.into_iter().find(|change| change.matters && concerns(&change.field))
            {
                let words = format!("ART changed the build data: {change}");
                let evidence = self.stated(
                    format!("metadata.{}", change.field),
                    change.from.unwrap_or_else(|| "absent".to_owned()),
                    None,
                );
                return Some((words, evidence));
            }
        }
        let completed = time(view.completed_at.as_ref())?;
        for record in state.metadata_history() {
            let later = record
                .at
                .as_ref()
                .and_then(|at| at.parse::<Timestamp>().ok())
                .is_some_and(|at| at > completed);
            // A changed value, not one that ART had announced.
            let changed = record.values.iter().find(|value| {
                value
                    .split_once(": ")
                    .is_some_and(|(field, change)| concerns(field) && change.contains(" -> "))
            });
            if let (true, Some(value)) = (later, changed) {
                let evidence = self.stated("metadata.changes".to_owned(), value.clone(), record.at.as_ref());
                return Some((format!("ART changed the build data: {value}"), evidence));
            }
        }
        None
    }

    /// A failed task: how often the engine may try it again.
    fn failed(&self, task: TaskName, view: &TaskView, row: &Row) -> Judgement {
        if row.action == Action::Verdict {
            return Judgement::asks(format!("{task} is Fail: the build is rejected"), &JUDGE)
                .since(time(view.completed_at.as_ref()))
                .by_command(format!("oar -r {} task set {task} Pass --reason TEXT", self.input.release))
                .on(self.status_of(view));
        }
        // A resolved blocker gives new tries.
        let resolved = self
            .issues
            .iter()
            .filter(|issue| {
                issue.blocker && issue.resolved && issue.related_tasks.iter().any(|name| name == task.id())
            })
            .filter_map(|issue| time(issue.resolved_at.as_ref()))
            .max();
        let failures: Vec<_> = view
            .history
            .iter()
            .rev()
            .filter(|run| {
                !matches!(
                    run.outcome,
                    None | Some(
                        RunOutcome::Unknown
                            | RunOutcome::Interrupted
                            | RunOutcome::Blocked
                            | RunOutcome::InProgress
                    )
                )
            })
            .take_while(|run| run.outcome == Some(RunOutcome::Fail))
            .filter(|run| {
                resolved.is_none_or(|resolved| time(run.finished.as_ref()).is_none_or(|end| end > resolved))
            })
            .collect();
        let decided_before = resolved.is_some_and(|resolved| {
            time(view.completed_at.as_ref()).is_some_and(|completed| completed <= resolved)
        });
        let count = match u32::try_from(failures.len()).unwrap_or(u32::MAX) {
            // The Python tooling keeps no history.
            0 if !decided_before => 1,
            count => count,
        };
        let last = view.history.iter().rev().find(|run| run.outcome == Some(RunOutcome::Fail));
        let class = last.and_then(|run| run.class);
        let tries = match row.cost {
            Cost::Paid if class == Some(ReasonClass::Infrastructure) => PAID_TRIES,
            // Failures of the product are a person's.
            Cost::Paid => 1,
            _ => TRIES,
        };
        let tries_left = tries.saturating_sub(count);
        let why = last
            .and_then(|run| run.reason.clone())
            .unwrap_or_else(|| "no reason is recorded; see the result of the task".to_owned());
        let mut judgement = Judgement::new(Verdict::Failed { class, why, tries_left })
            .since(time(view.completed_at.as_ref()))
            .on(self.status_of(view));
        if tries_left > 0 {
            judgement.acts = Acts::Does;
        }
        judgement
    }

    fn bug_list(&self, view: Option<&TaskView>, row: &Row, ready: Judgement) -> Judgement {
        let last = view.and_then(|view| view.history.last());
        let last = last.and_then(|run| time(run.finished.as_ref().or(run.started.as_ref())));
        match last.map(|last| later(last, row.poll)).filter(|due| *due > self.now()) {
            Some(due) => Judgement::waiting("the next day: it is repeated once a day").due(due),
            None => ready,
        }
    }

    fn candidate(&self, row: &Row) -> Judged {
        let release = self.input.release;
        let unavailable = |why: &str| {
            Judgement::new(Verdict::Ready).noting(why.to_owned()).by_command(format!(
                "oar -r {release} issue add \"the result of the candidate build is not available\" --task \
                 analyze-candidate-build"
            ))
        };
        let builds = &self.metadata.candidate_builds;
        let Some(build) = builds.get("x86_64").or_else(|| builds.get("amd64")) else {
            return Ok(unavailable("the release has no candidate build for x86_64").on(self.stated(
                "metadata.candidate_builds.x86_64".to_owned(),
                "absent",
                None,
            )));
        };
        let seen = self.need(row, FactKey::CandidateTests, &self.input.facts.candidate_tests)?;
        let evidence = self.read(seen, "verdict", seen.value.verdict());
        Ok(match &seen.value {
            Tests::Absent => unavailable("the candidate build has no record, or it was removed").on(evidence),
            tests if tests.are_good() => Judgement::new(Verdict::Ready)
                .noting(format!("{build} is {}: Pass can be recorded", tests.verdict()))
                .on(evidence),
            Tests::Record { aggregated: false, .. } => {
                Judgement::waiting(format!("the end of the tests of {build}"))
                    .due(later(seen.at, row.poll))
                    .until(
                        self.announced()
                            .zip(row.deadline)
                            .map(|(since, deadline)| later(since, deadline.after)),
                    )
                    .on(evidence)
            }
            tests => {
                Judgement::asks(format!("the tests of {build} are {}: accept them?", tests.verdict()), &JUDGE)
                    .by_command(format!(
                        "oar -r {release} task set analyze-candidate-build Pass --reason TEXT"
                    ))
                    .due(later(seen.at, row.poll))
                    .on(evidence)
            }
        })
    }

    fn promoted(&self, row: &Row) -> Judged {
        let seen = self.need(row, FactKey::Tests, &self.input.facts.tests)?;
        let evidence = self.read(seen, "verdict", seen.value.verdict());
        let release = self.input.release;
        if seen.value.are_good() {
            let note = format!("the tests of {release} are {}: Pass can be recorded", seen.value.verdict());
            return Ok(Judgement::new(Verdict::Ready).noting(note).on(evidence));
        }
        let question = format!("the tests of {release} are {}: accept them?", seen.value.verdict());
        Ok(Judgement::asks(question, &JUDGE)
            .by_command(format!("oar -r {release} task set analyze-promoted-build Pass --reason TEXT"))
            .due(later(seen.at, row.poll))
            .on(evidence))
    }

    fn push(&self, view: Option<&TaskView>, row: &Row) -> Judged {
        let seen = self.need(row, FactKey::Pushes, &self.input.facts.pushes)?;
        let pushes = &seen.value;
        let started = view.and_then(|view| time(view.started_at.as_ref()));
        let until = started.zip(row.deadline).map(|(since, deadline)| later(since, deadline.after));
        let count = format!("{} of {} advisories are on staging", pushes.complete, pushes.total);
        let evidence = self.read(seen, "push", count.clone());
        let due = later(seen.at, row.poll);
        let first = |list: &[String]| list.first().cloned().unwrap_or_default();
        let judgement = if !pushes.to_push.is_empty() {
            Judgement::new(Verdict::Ready).noting(pushes.to_push.join("; "))
        } else if !pushes.refused.is_empty() {
            Judgement::blocked(first(&pushes.refused), Who::Art).due(due)
        } else if !pushes.odd.is_empty() {
            Judgement::asks(format!("{}: look at it", first(&pushes.odd)), &["look at Errata Tool"]).due(due)
        } else if !pushes.unread.is_empty() {
            let what = format!("an advisory that could not be read: {}", first(&pushes.unread));
            Judgement::new(Verdict::Waiting { what, unknown: true }).due(due)
        } else if pushes.total > 0 && pushes.complete == pushes.total {
            Judgement::new(Verdict::Ready).only_looking().noting(format!("{count}: Pass can be recorded"))
        } else if pushes.running.is_empty() {
            let what = format!("{count}, and nothing is known of the others");
            Judgement::new(Verdict::Waiting { what, unknown: true }).due(due)
        } else {
            Judgement::running(first(&pushes.running)).only_looking().due(due).since(started).until(until)
        };
        Ok(judgement.on(evidence))
    }

    /// A task with a job under way.
    fn job(&self, task: TaskName, view: &TaskView, row: &Row) -> Judged {
        let started = view.job.as_ref().and_then(|job| time(job.triggered_at.as_ref()));
        let started = started.or_else(|| time(view.started_at.as_ref()));
        let until = started.zip(row.deadline).map(|(since, deadline)| later(since, deadline.after));
        let blocked = |judgement: Judgement| match self.blocker(task) {
            Some(issue) => self.blocked_by(issue, row),
            None => judgement,
        };
        match handle(task, view) {
            Handle::None => {
                let question = format!(
                    "{task} is In Progress and no job is recorded: look for a job of this release; a second one must not be \
                     started"
                );
                let option = if task == TaskName::StageTesting { "-n BUILD" } else { "-i JOB_ID" };
                Ok(Judgement::asks(question, &["name the job", "start a new one"])
                    .by_command(format!("oar -r {} {task} {option}", self.input.release))
                    .since(started)
                    .on(self.status_of(view)))
            }
            Handle::Intended(at) => Ok(blocked(
                Judgement::new(Verdict::Ready)
                    .noting("a job was about to be started; the next run looks for it before it starts one")
                    .since(time(Some(&at)))
                    .on(self.stated(format!("tasks.{task}.job.intent"), at.clone(), Some(&at))),
            )),
            Handle::Queued => Ok(Judgement::running("the job waits in a queue")
                .only_looking()
                .since(started)
                .due(self.now())
                .until(until)
                .on(self.status_of(view))),
            Handle::Id => {
                let (key, fact) = if task == TaskName::StageTesting {
                    (FactKey::StageJob, &self.input.facts.stage_job)
                } else {
                    (FactKey::ConsistencyJob, &self.input.facts.consistency_job)
                };
                let seen = self.need(row, key, fact)?;
                let ended = |words: &str| {
                    let evidence = self.read(seen, "state", words);
                    Judgement::new(Verdict::Ready).only_looking().since(started).on(evidence)
                };
                Ok(match &seen.value {
                    JobView::Running(state) => Judgement::running(format!("the job is {state}"))
                        .only_looking()
                        .since(started)
                        .due(later(seen.at, row.poll))
                        .until(until)
                        .on(self.read(seen, "state", state.clone())),
                    JobView::Succeeded => {
                        blocked(ended("success").noting("the job has succeeded: its result can be evaluated"))
                    }
                    JobView::Infrastructure(state) => blocked(ended(state).noting(format!(
                        "the job is {state}: its end can be recorded, then it is started once more"
                    ))),
                    JobView::Failed(state) => blocked(
                        ended(state).noting(format!("the job is {state}: its failure can be recorded")),
                    ),
                    JobView::Absent => Judgement::asks(
                        format!("{task} is In Progress, and the other system does not have its job any more"),
                        &["name the job", "start a new one"],
                    )
                    .since(started)
                    .due(later(seen.at, row.poll))
                    .on(self.read(seen, "state", "absent")),
                })
            }
        }
    }

    fn signatures(&self, row: &Row, ready: Judgement) -> Judged {
        let seen = self.need(row, FactKey::Promotion, &self.input.facts.promotion)?;
        let Some(digest) = &seen.value.digest else {
            return Ok(Judgement::waiting(
                "the digest of the image, which the controller has some minutes later",
            )
            .due(later(seen.at, row.poll))
            .on(self.read(seen, "changeLogJson.to.digest", "absent")));
        };
        Ok(ready.on(self.read(seen, "changeLogJson.to.digest", digest.clone())))
    }

    /// The release date: as the build data says now, otherwise as the StateBox does.
    fn release_date(&self) -> Option<Date> {
        let current = match self.input.facts.build_data.value() {
            Some(BuildData::Present { metadata, .. }) => metadata.release_date.as_ref(),
            _ => None,
        };
        let text = current.or(self.metadata.release_date.as_ref())?;
        text.parse::<ReleaseDate>().ok().map(|date| date.date())
    }

    /// When the release was announced: its StateBox is made soon after.
    fn announced(&self) -> Option<Timestamp> {
        self.input.state?.created_at()?.parse().ok()
    }

    fn approval(&self, row: &Row) -> Judged {
        let release = self.input.release;
        let early = format!("oar -r {release} change-advisory-status --early");
        let date = self.release_date();
        let day = self.stated(
            "metadata.release_date".to_owned(),
            date.map_or_else(|| "absent".to_owned(), |date| date.to_string()),
            None,
        );
        let Some(date) = date else {
            return Ok(Judgement::asks(
                "the build data names no date on which the release ships: approve it?",
                &["approve", "wait"],
            )
            .by_command(early)
            .on(day));
        };
        let from = midnight(date.saturating_sub(Span::new().days(DAYS_BEFORE)));
        if let Some(issue) = self.standing_blocker() {
            return Ok(self.blocked_by(issue, row));
        }
        if from > self.now() {
            // A hurried fix skips the tests of its build by waiver, and its date does not hold it back.
            if self.is_waived(TaskName::AnalyzePromotedBuild) {
                let question = format!(
                    "the tests are waived and the release ships on {date}: approve it before its day?"
                );
                return Ok(Judgement::asks(question, &["approve", "wait"])
                    .by_command(early)
                    .due(from)
                    .on(day));
            }
            return Ok(Judgement::waiting(format!("the day before the release date, {date}"))
                .due(from)
                .on(day));
        }
        if self.konflux == Some(true) {
            self.no_alert(row)?;
            self.mergeable(row)?;
        }
        if !self.is_waived(TaskName::AnalyzePromotedBuild) {
            // The verdict of the tests may have changed while the approval was waited for.
            self.need(row, FactKey::Tests, &self.input.facts.tests)?;
        }
        if self.konflux == Some(true) {
            let seen = self.need(row, FactKey::Payload, &self.input.facts.payload)?;
            if let PayloadView::Bad(why) = &seen.value {
                return Ok(Judgement::asks(
                    format!("{why}: how is the release approved?"),
                    &["ask ART", "wait"],
                )
                .asked_of(Who::Art)
                .due(later(seen.at, row.poll))
                .on(self.read(seen, "metadata.url", "not usable")));
            }
        }
        Ok(Judgement::new(Verdict::Ready).on(day))
    }

    /// An open blocker of anything: nothing at all may block the approval but what concerns only waived tasks.
    fn standing_blocker(&self) -> Option<&IssueView> {
        self.issues.iter().filter(|issue| issue.blocks()).find(|issue| {
            let tasks = &issue.related_tasks;
            let waived = |name: &String| name.parse::<TaskName>().is_ok_and(|task| self.is_waived(task));
            tasks.is_empty() || !tasks.iter().all(waived)
        })
    }

    fn no_alert(&self, row: &Row) -> Result<(), Judgement> {
        if self
            .plans
            .get(&Node::SecurityAlerts)
            .is_some_and(|plan| matches!(plan.verdict, Verdict::NotApplicable { .. }))
        {
            return Ok(());
        }
        let seen = self.need(row, FactKey::Alerts, &self.input.facts.alerts)?;
        match &seen.value {
            Alerts::Read { blocking: true, alerts } => {
                let words =
                    if alerts.is_empty() { "no alert is named".to_owned() } else { alerts.join("; ") };
                Err(Judgement::blocked(
                    format!("security alerts block the RHCOS advisory: {words}"),
                    Who::ProductSecurity,
                )
                .due(later(seen.at, row.poll))
                .on(self.read(seen, "alerts.blocking", "true")))
            }
            Alerts::Read { .. } | Alerts::NotSecurity(_) => Ok(()),
        }
    }

    /// A draft waits, and a closed merge request is ART's.
    fn mergeable(&self, row: &Row) -> Result<(), Judgement> {
        let seen = self.need(row, FactKey::StageRelease, &self.input.facts.stage_release)?;
        match stage_problem(&seen.value) {
            Some(problem) => Err(problem.due(later(seen.at, row.poll)).on(self.read(
                seen,
                "state",
                seen.value.merge_request.to_string(),
            ))),
            None => Ok(()),
        }
    }

    fn approval_under_way(&self, view: &TaskView, row: &Row) -> Judgement {
        let task = TaskName::ChangeAdvisoryStatus;
        let wait = view.wait.as_ref();
        let started =
            wait.and_then(|wait| wait.since.parse().ok()).or_else(|| time(view.started_at.as_ref()));
        let after_date = self.release_date().map(|date| midnight(date.saturating_add(Span::new().days(2))));
        let by_row = started.zip(row.deadline).map(|(since, deadline)| later(since, deadline.after));
        let deadline = [by_row, after_date].into_iter().flatten().max();
        let Some(wait) = wait else {
            // A checker of the Python tooling leaves no record, and lives for two days.
            return Judgement::running(
                "it was started by a program that records no wait; it may still be looking",
            )
            .since(started)
            .due(later(self.now(), row.poll))
            .until(deadline)
            .noting("run change-advisory-status: it looks at the lock of that program first")
            .on(self.status_of(view));
        };
        let evidence =
            self.stated(format!("tasks.{task}.wait.for"), wait.condition.clone(), wait.last_check.as_ref());
        let last = wait.last_result.clone().map(|last| format!("at the last look: {last}"));
        let mut judgement = match wait.held_at(self.now()) {
            Some(holder) => Judgement::running(format!("{} waits for {}", holder.who, wait.condition)),
            None => Judgement::running(format!("it waits for {}", wait.condition))
                .by_command(format!("oarctl tick --release {}", self.input.release)),
        };
        if wait.held_at(self.now()).is_none() && wait.due() <= self.now() {
            judgement = judgement.only_looking();
        }
        judgement.note = last;
        judgement.since(started).due(wait.due()).until(deadline).on(evidence)
    }
}

/// Checkpoints.
impl Evaluation<'_> {
    fn checkpoint(&self, node: Node, row: &Row) -> Judged {
        if node == Node::Shipped {
            self.after_others(row)?;
            return self.shipped(row);
        }
        if self.approved {
            return Ok(Judgement::not_applicable("the release is approved"));
        }
        let tests_are_waived = self.is_waived(TaskName::AnalyzePromotedBuild);
        if tests_are_waived && [Node::ResultFile, Node::Aggregated, Node::Accepted].contains(&node) {
            return Ok(Judgement::not_applicable("the tests of the promoted build are waived"));
        }
        if node == Node::SecurityAlerts && self.input.state.is_some() && !self.has_rhcos() {
            return Ok(Judgement::not_applicable("the release has no RHCOS advisory"));
        }
        self.after_others(row)?;
        match node {
            Node::SecurityAlerts => self.alerts(row),
            Node::Promotion => self.promotion(row),
            Node::StageRelease => self.stage_release(row),
            Node::ResultFile | Node::Aggregated | Node::Accepted => self.tests(node, row),
            Node::Task(_) | Node::Shipped => Ok(Judgement::not_applicable("no checkpoint")),
        }
    }

    fn has_rhcos(&self) -> bool {
        let named = |metadata: &Metadata| {
            metadata.advisory_ids.contains_key("rhcos")
                || metadata.pending.iter().any(|field| field == "advisory_ids.rhcos")
        };
        let current = match self.input.facts.build_data.value() {
            Some(BuildData::Present { metadata, .. }) => named(metadata),
            _ => false,
        };
        named(&self.metadata) || current
    }

    fn alerts(&self, row: &Row) -> Judged {
        let seen = self.need(row, FactKey::Alerts, &self.input.facts.alerts)?;
        Ok(match &seen.value {
            Alerts::NotSecurity(words) => {
                Judgement::not_applicable(words.clone()).on(self.read(seen, "kind", "no security advisory"))
            }
            Alerts::Read { blocking, alerts } => {
                let done = Judgement::new(Verdict::Done).since(Some(seen.at)).on(self.read(
                    seen,
                    "alerts.blocking",
                    blocking.to_string(),
                ));
                if *blocking {
                    done.noting(format!("they block the approval: {}", alerts.join("; ")))
                } else {
                    done
                }
            }
        })
    }

    fn promotion(&self, row: &Row) -> Judged {
        let seen = self.need(row, FactKey::Promotion, &self.input.facts.promotion)?;
        let Promotion { phase, .. } = &seen.value;
        let words = phase.as_ref().map_or("absent", Phase::text);
        let evidence = self.read(seen, "phase", words);
        let due = later(seen.at, row.poll);
        let until = self.announced().zip(row.deadline).map(|(since, deadline)| later(since, deadline.after));
        Ok(match phase {
            Some(Phase::Accepted) => Judgement::new(Verdict::Done).on(evidence),
            Some(Phase::Rejected | Phase::Failed) => Judgement::asks(
                format!("the release is {words} in its stable stream; ART can override that by hand"),
                &["ask ART", "wait"],
            )
            .due(due)
            .on(evidence),
            None => Judgement::waiting("the promotion: the stable stream does not show the release")
                .due(due)
                .until(until)
                .on(evidence),
            Some(_) => Judgement::waiting(format!("the promotion: the release is {words}"))
                .due(due)
                .until(until)
                .on(evidence),
        })
    }

    fn stage_release(&self, row: &Row) -> Judged {
        let seen = self.need(row, FactKey::StageRelease, &self.input.facts.stage_release)?;
        let due = later(seen.at, row.poll);
        if let Some(problem) = stage_problem(&seen.value) {
            return Ok(problem.due(due).on(self.read(seen, "state", seen.value.merge_request.to_string())));
        }
        let (judgement, word) = match &seen.value.release {
            ReleaseState::Succeeded => (Judgement::new(Verdict::Done), "success"),
            ReleaseState::NotReady(why) => {
                (Judgement::waiting(format!("the stage release: {why}")).due(due), "not ready")
            }
            ReleaseState::Failed(why) => {
                (Judgement::blocked(format!("the stage release failed: {why}"), Who::Art).due(due), "failed")
            }
            ReleaseState::Unknown(why) => {
                let what = format!("the stage release, which cannot be determined: {why}");
                (Judgement::new(Verdict::Waiting { what, unknown: true }).due(due), "unknown")
            }
        };
        Ok(judgement.on(self.read(seen, "stage-release", word)))
    }

    fn tests(&self, node: Node, row: &Row) -> Judged {
        let seen = self.need(row, FactKey::Tests, &self.input.facts.tests)?;
        let due = later(seen.at, row.poll);
        let Tests::Record { blob, aggregated, since, .. } = &seen.value else {
            let made = self.input.facts.promotion.value().and_then(|promotion| promotion.created);
            let latest = made.map(|made| later(made, ACCEPTED_WITHIN));
            let until = latest.zip(row.deadline).map(|(since, deadline)| later(since, deadline.after));
            return Ok(Judgement::waiting("the record of the tests")
                .due(due)
                .until(until)
                .on(self.read(seen, "file", "absent")));
        };
        let done = Judgement::new(Verdict::Done);
        Ok(match node {
            Node::ResultFile => done.on(self.read(seen, "blob", blob.clone())),
            Node::Aggregated => {
                let evidence = self.read(seen, "aggregated", aggregated.to_string());
                let until = since.zip(row.deadline).map(|(since, deadline)| later(since, deadline.after));
                if *aggregated {
                    done.on(evidence)
                } else {
                    Judgement::waiting("the end of all tests")
                        .due(due)
                        .since(*since)
                        .until(until)
                        .on(evidence)
                }
            }
            _ => {
                let verdict = seen.value.verdict();
                let evidence = self.read(seen, "verdict", verdict);
                if seen.value.are_good() {
                    done.noting(verdict.to_owned()).on(evidence)
                } else if self.status(TaskName::AnalyzePromotedBuild) == TaskStatus::Pass {
                    Judgement::not_applicable("a person has accepted the build in analyze-promoted-build")
                        .on(evidence)
                } else {
                    Judgement::blocked(
                        format!("the tests are {verdict}; analyze-promoted-build decides"),
                        Who::Leads,
                    )
                    .due(due)
                    .on(evidence)
                }
            }
        })
    }

    fn shipped(&self, row: &Row) -> Judged {
        let seen = self.need(row, FactKey::Shipped, &self.input.facts.shipped)?;
        let due = later(seen.at, row.poll);
        let details: Vec<String> =
            seen.value.details.iter().map(|(key, words)| format!("{key} {words}")).collect();
        let details = details.join(", ");
        Ok(match seen.value.shipped {
            Some(true) => {
                Judgement::new(Verdict::Done).since(Some(seen.at)).on(self.read(seen, "shipped", "true"))
            }
            None => Judgement::new(Verdict::Waiting {
                what: format!("the shipping, which cannot be determined: {details}"),
                unknown: true,
            })
            .due(due)
            .on(self.read(seen, "shipped", "unknown")),
            Some(false) => {
                if self.konflux == Some(true) {
                    self.still_approved(row)?;
                }
                Judgement::waiting(format!("the shipping: {details}"))
                    .due(due)
                    .on(self.read(seen, "shipped", "false"))
            }
        })
    }

    /// A new commit of ART can take the approval away.
    fn still_approved(&self, row: &Row) -> Result<(), Judgement> {
        let seen = self.need(row, FactKey::Approvals, &self.input.facts.approvals)?;
        let approvals = &seen.value;
        let missing = approvals.open && (approvals.given == 0 || approvals.left.is_some_and(|left| left > 0));
        if !missing {
            return Ok(());
        }
        let words = format!(
            "{} given, {} needed",
            approvals.given,
            approvals.left.map_or_else(|| "?".to_owned(), |left| left.to_string())
        );
        Err(Judgement::asks(
            format!("the shipment merge request is not approved any more ({words}): approve it again?"),
            &["approve again", "wait"],
        )
        .asked_of(Who::Leads)
        .by_command(format!("oar -r {} add-qe-approval", self.input.release))
        .due(later(seen.at, row.poll))
        .on(self.read(seen, "approvals", words)))
    }
}

/// What is wrong with the merge request itself.
fn stage_problem(view: &StageView) -> Option<Judgement> {
    match view.merge_request {
        MergeRequestState::Closed => {
            Some(Judgement::blocked("the shipment merge request is closed", Who::Art))
        }
        MergeRequestState::Unknown => Some(Judgement::new(Verdict::Waiting {
            what: "the shipment merge request, whose state this program does not know".to_owned(),
            unknown: true,
        })),
        MergeRequestState::Opened if view.draft => {
            Some(Judgement::waiting("ART, which still prepares the shipment: the merge request is a draft"))
        }
        MergeRequestState::Opened | MergeRequestState::Merged | MergeRequestState::Locked => None,
    }
}

/// The fields of the build data that a task's verdict is about.
fn inputs(task: TaskName) -> &'static [&'static str] {
    match task {
        TaskName::TakeOwnership => &["advisory_ids.", "jira_ticket", "shipment_mr"],
        TaskName::CheckCveTrackerBug
        | TaskName::ImageConsistencyCheck
        | TaskName::ChangeAdvisoryStatus
        | TaskName::DropBugs => &["advisory_ids.", "shipment_mr"],
        TaskName::PushToCdnStaging | TaskName::CheckGreenwaveCvpTests => &["advisory_ids."],
        TaskName::StageTesting => &["advisory_ids.metadata", "shipment_mr"],
        TaskName::AnalyzeCandidateBuild => &["candidate_builds.x86_64"],
        TaskName::CreateTestReport
        | TaskName::UpdateBugList
        | TaskName::AnalyzePromotedBuild
        | TaskName::ImageSignedCheck => &[],
    }
}

/// What the verdict of `task` is about, as far as it is known now: what a record of it is compared with.
pub fn subjects(task: TaskName, facts: &Facts) -> IndexMap<&'static str, String> {
    let mut subjects = IndexMap::new();
    let mut add = |subject, value: Option<String>| {
        if let Some(value) = value {
            subjects.insert(subject, value);
        }
    };
    let digest = || facts.promotion.value().and_then(|promotion| promotion.digest.clone());
    let sha = || facts.stage_release.value().and_then(|stage| stage.sha.clone());
    let metadata = match facts.build_data.value() {
        Some(BuildData::Present { metadata, .. }) => Some(metadata),
        _ => None,
    };
    let advisories = || {
        metadata.map(|metadata| {
            let ids = metadata.advisory_ids.iter().filter(|(impetus, _)| *impetus != "microshift");
            ids.map(|(impetus, id)| format!("{impetus} {id}")).collect::<Vec<_>>().join(", ")
        })
    };
    match task {
        TaskName::AnalyzePromotedBuild => {
            add("tests", facts.tests.value().map(|tests| tests.verdict().to_owned()));
            add("digest", digest());
        }
        TaskName::AnalyzeCandidateBuild => {
            add("builds", metadata.and_then(|metadata| metadata.candidate_builds.get("x86_64").cloned()));
        }
        TaskName::ImageSignedCheck => add("digest", digest()),
        TaskName::ImageConsistencyCheck | TaskName::StageTesting => {
            add("digest", digest());
            add("sha", sha());
        }
        TaskName::TakeOwnership
        | TaskName::CheckCveTrackerBug
        | TaskName::PushToCdnStaging
        | TaskName::ChangeAdvisoryStatus => add("advisories", advisories()),
        TaskName::CreateTestReport
        | TaskName::UpdateBugList
        | TaskName::CheckGreenwaveCvpTests
        | TaskName::DropBugs => {}
    }
    subjects
}

/// How the external job of a task is known: from its record, or from the result that another program left.
fn handle(task: TaskName, view: &TaskView) -> Handle {
    if let Some(job) = &view.job {
        if job.id.is_some() {
            return Handle::Id;
        }
        if job.queue_item.is_some() {
            return Handle::Queued;
        }
        if let Some(intent) = &job.intent {
            return Handle::Intended(intent.at.clone());
        }
    }
    let mark = if task == TaskName::StageTesting { STAGE_TRIGGERED } else { CONSISTENCY_TRIGGERED };
    let is_named = view.result.as_deref().is_some_and(|result| result.contains(mark));
    if is_named { Handle::Id } else { Handle::None }
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
