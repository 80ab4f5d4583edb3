//! Cases for every row of the table and every rule of spec 05 §8.8; every edge in every condition; properties.

mod early;
mod edges;
mod late;
mod middle;
mod plans;
mod policy;
mod properties;
mod rules;
mod stale;
mod tries;

use early::early;
use late::late;
use middle::middle;

use std::collections::{BTreeMap, BTreeSet};

use indexmap::IndexMap;
use jiff::{SignedDuration, Timestamp};

use crate::clients::gitlab::MergeRequestState;
use crate::clients::release_controller::Phase;
use crate::config::DrivePolicy;
use crate::drive::evaluate::Input;
use crate::drive::facts::{
    Alerts, ApprovalGates, ApprovalsView, BuildData, DropsView, Fact, Facts, JobView, PayloadView, Promotion,
    Pushes, Seen, ShippedView, StageView, Tests, Unknown,
};
use crate::drive::plan::assemble;
use crate::drive::verdict::{NodePlan, Verdict};
use crate::error::ErrorClass;
use crate::flow::nodes::{Node, ROWS};
use crate::operators::shipment::ReleaseState;
use crate::statebox::{
    Job, JobSystem, ManualStatus, Metadata, NewDecision, NewIssue, NodeName, ReasonClass, RunEnd, RunOutcome,
    RunStart, State, Subject, TaskName as T, TaskStatus, Verdict as Decision, Waiver,
};
use crate::version::ReleaseVersion;

/// The approval may begin from the day before this on.
const DATE: &str = "2026-Jul-07";

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn hours(count: i64) -> SignedDuration {
    SignedDuration::from_hours(count)
}

fn release() -> ReleaseVersion {
    "4.19.1".parse().unwrap()
}

/// A release, and what is known of it.
#[derive(Debug, Clone)]
struct World {
    state: Option<State>,
    facts: Facts,
    policy: DrivePolicy,
    now: Timestamp,
}

fn seen<T>(value: T, now: Timestamp) -> Fact<T> {
    Fact::Known(Seen { value, at: now, address: "https://service.example.test/".to_owned() })
}

fn metadata(konflux: bool) -> Metadata {
    Metadata {
        jira_ticket: Some("ART-1".to_owned()),
        advisory_ids: [("rpm".to_owned(), 1), ("rhcos".to_owned(), 2)].into(),
        release_date: Some(DATE.to_owned()),
        candidate_builds: [("x86_64".to_owned(), "4.19.0-0.nightly-2026-06-28-010203".to_owned())].into(),
        shipment_mr: konflux
            .then(|| "https://gitlab.example.test/group/project/-/merge_requests/1".to_owned()),
        pending: Vec::new(),
    }
}

fn record(aggregated: bool, accepted: Option<bool>, by_hand: bool) -> Tests {
    let since = Some(at("2026-07-02T00:00:00Z"));
    Tests::Record { blob: "b10b".to_owned(), aggregated, accepted, by_hand, since, case: None }
}

impl World {
    /// A release of which everything outside is as it should be, and of which nothing is done.
    fn new(konflux: bool) -> Self {
        let now = at("2026-07-06T12:00:00Z");
        let metadata = metadata(konflux);
        let state = State::new(&release(), &metadata, at("2026-07-06T01:00:00Z"));
        let facts = Facts {
            build_data: seen(BuildData::Present { metadata: Box::new(metadata), has_owner: true }, now),
            promotion: seen(
                Promotion {
                    phase: Some(Phase::Accepted),
                    created: Some(at("2026-07-01T12:00:00Z")),
                    digest: Some("sha256:aa".to_owned()),
                },
                now,
            ),
            candidate_tests: seen(record(true, Some(true), false), now),
            tests: seen(record(true, Some(true), false), now),
            stage_release: seen(
                StageView {
                    merge_request: MergeRequestState::Opened,
                    draft: false,
                    release: ReleaseState::Succeeded,
                    sha: Some("c0ffee".to_owned()),
                    same_images: BTreeSet::new(),
                    uncompared: BTreeMap::new(),
                },
                now,
            ),
            consistency_job: seen(JobView::Succeeded, now),
            stage_job: seen(JobView::Succeeded, now),
            pushes: seen(
                Pushes { total: 2, to_push: vec!["advisory 1".to_owned()], ..Pushes::default() },
                now,
            ),
            drops: seen(DropsView::Steps(vec!["remove OCPBUGS-1".to_owned()]), now),
            alerts: seen(Alerts::Read { blocking: false, alerts: Vec::new() }, now),
            payload: seen(PayloadView::Good, now),
            approval_gates: seen(ApprovalGates::Open, now),
            approvals: seen(ApprovalsView { open: true, given: 1, left: Some(0) }, now),
            shipped: seen(ShippedView { shipped: Some(true), details: IndexMap::new() }, now),
            refused: BTreeMap::new(),
        };
        Self { state: Some(state), facts, policy: DrivePolicy::default(), now }
    }

    /// The same, ready to be approved.
    fn approvable(konflux: bool) -> Self {
        let mut world = Self::new(konflux);
        for task in T::WORKFLOW.into_iter().filter(|task| *task != T::ChangeAdvisoryStatus) {
            world.pass(task);
        }
        world.pass(T::DropBugs);
        world
    }

    fn state(&mut self) -> &mut State {
        self.state.as_mut().unwrap()
    }

    fn set(&mut self, task: T, status: TaskStatus) {
        let manual = ManualStatus {
            id: format!("{task}-{status}-{}", self.now),
            at: self.now - hours(1),
            by: "tester".to_owned(),
            status,
            reason: "for the test".to_owned(),
            result: None,
            force: true,
        };
        let _ = self.state().set_task(task, &manual).unwrap();
    }

    fn pass(&mut self, task: T) {
        self.set(task, TaskStatus::Pass);
    }

    fn passed(mut self, tasks: &[T]) -> Self {
        for task in tasks {
            self.pass(*task);
        }
        self
    }

    fn run(&mut self, task: T, number: usize, outcome: RunOutcome, class: Option<ReasonClass>) {
        self.run_about(task, number, outcome, class, &[]);
    }

    /// The same with where to look for more, such as the page of a job.
    fn run_about(
        &mut self,
        task: T,
        number: usize,
        outcome: RunOutcome,
        class: Option<ReasonClass>,
        links: &[&str],
    ) {
        let started = self.now - hours(2);
        let run = RunStart {
            id: format!("run-{task}-{number}"),
            started,
            by: "tester".to_owned(),
            command: task.id().to_owned(),
            force: false,
        };
        let status = match outcome {
            RunOutcome::Pass => Some(TaskStatus::Pass),
            RunOutcome::Fail => Some(TaskStatus::Fail),
            RunOutcome::InProgress => Some(TaskStatus::InProgress),
            RunOutcome::NotStarted => Some(TaskStatus::NotStarted),
            _ => None,
        };
        let end = RunEnd {
            run,
            finished: started + SignedDuration::from_mins(1),
            outcome,
            status,
            class,
            reason: Some("it did not go well".to_owned()),
            result: None,
            notifications: Vec::new(),
            links: links.iter().map(|link| (*link).to_owned()).collect(),
            done: Vec::new(),
        };
        let _ = self.state().finish_run(task, &end);
    }

    /// A run that recorded its start and nothing else.
    fn killed(&mut self, task: T) {
        let started = self.now - hours(2);
        let id = format!("killed-{task}");
        let run =
            RunStart { id, started, by: "tester".to_owned(), command: task.id().to_owned(), force: false };
        let _ = self.state().start_run(task, &run);
    }

    fn issue(&mut self, text: &str, blocker: bool, tasks: &[T]) {
        let issue = NewIssue {
            text: text.to_owned(),
            blocker,
            related_tasks: tasks.to_vec(),
            at: self.now - hours(1),
        };
        let _ = self.state().add_issue(&issue).unwrap();
    }

    fn waive(&mut self, task: T) {
        let waiver = Waiver {
            by: "lead".to_owned(),
            reason: "accepted".to_owned(),
            scope: None,
            at: "2026-07-05T00:00:00Z".to_owned(),
            expires: None,
        };
        let _ = self.state().set_waiver(task, Some(&waiver));
    }

    /// Records a waiver or a verdict as `oar waive` and `oar decide` do, an hour ago.
    fn decide(&mut self, subject: Subject) {
        let decision = NewDecision {
            id: format!("decision-{subject:?}-{}", self.now),
            subject,
            by: "lead".to_owned(),
            at: self.now - hours(1),
            reason: "two known flakes".to_owned(),
        };
        assert!(self.state().decide(&decision).is_changed());
    }

    fn verdict(&mut self, task: T, verdict: Decision) {
        let evidence = Some("https://prow.example.test/view/1".to_owned());
        self.decide(Subject::Verdict { node: NodeName::Task(task), verdict, evidence });
    }

    fn job(&mut self, task: T, change: impl FnOnce(&mut Job)) {
        let mut job = Job::new(JobSystem::Prow, "job");
        job.triggered_at = Some("2026-07-06T11:00:00Z".to_owned());
        change(&mut job);
        let _ = self.state().set_job(task, Some(&job));
    }

    fn judge(&mut self, task: T, subject: &str, value: &str) {
        let of = [(subject.to_owned(), value.to_owned())].into();
        let now = self.now - hours(1);
        let _ = self.state().set_judged(task, Some(&of), now);
    }

    fn input<'a>(&'a self, release: &'a ReleaseVersion) -> Input<'a> {
        let Self { state, facts, policy, now } = self;
        Input {
            release,
            state: state.as_ref(),
            location: "4.19.1.yaml",
            facts,
            policy,
            now: *now,
            ended: |process| process == "ended",
        }
    }

    fn plans(&self) -> BTreeMap<Node, NodePlan> {
        let release = release();
        let plan = assemble(self.input(&release), false);
        assert_eq!(plan.defects, Vec::<String>::new());
        plan.nodes.into_iter().map(|plan| (plan.node, plan)).collect()
    }

    fn plan(&self, node: Node) -> NodePlan {
        self.plans().remove(&node).unwrap()
    }

    fn of(&self, task: T) -> NodePlan {
        self.plan(Node::Task(task))
    }
}

/// The words of a verdict.
fn words(plan: &NodePlan) -> String {
    match &plan.verdict {
        Verdict::Running { what } | Verdict::Waiting { what, .. } => what.clone(),
        Verdict::Blocked { by, .. } => by.clone(),
        Verdict::Asks { question, .. } => question.clone(),
        Verdict::Failed { why, .. } | Verdict::NotApplicable { why } => why.clone(),
        Verdict::Done | Verdict::Ready => plan.note.clone().unwrap_or_default(),
    }
}

fn unavailable(world: &World) -> Unknown {
    Unknown { why: "503".to_owned(), hint: None, class: ErrorClass::Unavailable, at: world.now }
}

fn unknown<T>(world: &World) -> Fact<T> {
    Fact::Unknown(unavailable(world))
}

fn refused(world: &World) -> Unknown {
    let hint = Some("Run kinit.".to_owned());
    Unknown { why: "no ticket".to_owned(), hint, class: ErrorClass::Configuration, at: world.now }
}

/// A case: its name, the node, the world, the state of the verdict, and a part of its words.
type Case = (&'static str, Node, World, &'static str, &'static str);

fn check(cases: Vec<Case>) -> BTreeSet<Node> {
    let mut nodes = BTreeSet::new();
    for (name, node, world, state, part) in cases {
        let plan = world.plan(node);
        assert_eq!(plan.verdict.name(), state, "{name}: {plan:#?}");
        assert!(words(&plan).contains(part), "{name}: `{}` has no `{part}`", words(&plan));
        nodes.insert(node);
    }
    nodes
}

fn with(mut world: World, change: impl FnOnce(&mut World)) -> World {
    change(&mut world);
    world
}

const FIRST: &[T] = &[T::TakeOwnership, T::CheckCveTrackerBug];
const STAGED: &[T] = &[T::TakeOwnership, T::CheckCveTrackerBug, T::PushToCdnStaging];

/// Konflux: nothing is done.
fn fresh() -> World {
    World::new(true)
}

/// Konflux: owned, CVEs checked.
fn first() -> World {
    fresh().passed(FIRST)
}

/// Konflux: on staging.
fn staged() -> World {
    fresh().passed(STAGED)
}

fn approvable() -> World {
    World::approvable(true)
}

#[test]
fn every_row_has_its_cases() {
    let mut nodes = check(early());
    nodes.extend(check(middle()));
    nodes.extend(check(late()));
    let all: BTreeSet<Node> = ROWS.iter().map(|row| row.node).collect();
    assert_eq!(nodes, all);
}
