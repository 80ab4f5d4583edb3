//! Cases for every row of the table and every rule of spec 05 §8.8; every edge in every condition; properties.

use std::collections::{BTreeMap, BTreeSet};

use indexmap::IndexMap;
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use super::evaluate::{Input, evaluate, lacking};
use super::facts::{
    Alerts, ApprovalsView, BuildData, Fact, FactKey, Facts, JobView, PayloadView, Promotion, Pushes, Seen,
    ShippedView, StageView, Tests, Unknown,
};
use super::plan::{assemble, check_policy, offline};
use super::verdict::{NodePlan, ToDo, Verdict};
use crate::clients::gitlab::MergeRequestState;
use crate::clients::release_controller::Phase;
use crate::config::{DrivePolicy, Leave};
use crate::error::ErrorClass;
use crate::flow::nodes::{Keeps, Need, Node, ROWS, Who};
use crate::operators::shipment::ReleaseState;
use crate::statebox::{
    Job, JobIntent, JobSystem, ManualStatus, Metadata, NewIssue, NewWait, ReasonClass, RunEnd, RunOutcome,
    RunStart, State, TaskClaim, TaskName as T, TaskStatus, Waiver,
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
    Tests::Record { blob: "b10b".to_owned(), aggregated, accepted, by_hand, since }
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
                },
                now,
            ),
            consistency_job: seen(JobView::Succeeded, now),
            stage_job: seen(JobView::Succeeded, now),
            pushes: seen(
                Pushes { total: 2, to_push: vec!["advisory 1".to_owned()], ..Pushes::default() },
                now,
            ),
            alerts: seen(Alerts::Read { blocking: false, alerts: Vec::new() }, now),
            payload: seen(PayloadView::Good, now),
            approvals: seen(ApprovalsView { open: true, given: 1, left: Some(0) }, now),
            shipped: seen(ShippedView { shipped: Some(true), details: IndexMap::new() }, now),
        };
        Self { state: Some(state), facts, policy: DrivePolicy::default(), now }
    }

    /// The same, ready to be approved.
    fn approvable(konflux: bool) -> Self {
        let mut world = Self::new(konflux);
        for task in T::WORKFLOW.into_iter().filter(|task| *task != T::ChangeAdvisoryStatus) {
            world.pass(task);
        }
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
            force: true,
        };
        let _ = self.state().set_task(task, &manual).unwrap();
    }

    fn pass(&mut self, task: T) {
        self.set(task, TaskStatus::Pass);
    }

    fn passed(mut self, tasks: &[T]) -> Self {
        tasks.iter().for_each(|task| self.pass(*task));
        self
    }

    fn run(&mut self, task: T, number: usize, outcome: RunOutcome, class: Option<ReasonClass>) {
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
            links: Vec::new(),
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
        Input { release, state: state.as_ref(), location: "4.19.1.yaml", facts, policy, now: *now }
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

#[expect(clippy::too_many_lines, reason = "a table")]
fn early() -> Vec<Case> {
    let node = Node::Task;
    vec![
        ("A is there", node(T::CreateTestReport), fresh(), "done", ""),
        ("A can be made", node(T::CreateTestReport), with(fresh(), |w| w.state = None), "ready", ""),
        (
            "A waits for ART",
            node(T::CreateTestReport),
            with(fresh(), |w| {
                w.state = None;
                w.facts.build_data = seen(BuildData::Absent("no assembly 4.19.1".to_owned()), w.now);
            }),
            "waiting",
            "no assembly",
        ),
        (
            "A without a date is ART's",
            node(T::CreateTestReport),
            with(fresh(), |w| {
                w.state = None;
                let metadata = Box::new(Metadata { release_date: None, ..metadata(true) });
                w.facts.build_data = seen(BuildData::Present { metadata, has_owner: true }, w.now);
            }),
            "blocked",
            "no release date",
        ),
        (
            "A is unknown",
            node(T::CreateTestReport),
            with(fresh(), |w| {
                w.state = None;
                w.facts.build_data = unknown(w);
            }),
            "waiting",
            "cannot be determined",
        ),
        (
            "B waits for A",
            node(T::TakeOwnership),
            with(fresh(), |w| w.state = None),
            "waiting",
            "create-test-report",
        ),
        ("B is ready", node(T::TakeOwnership), fresh(), "ready", ""),
        (
            "B without an owner asks",
            node(T::TakeOwnership),
            with(fresh(), |w| {
                let metadata = Box::new(metadata(true));
                w.facts.build_data = seen(BuildData::Present { metadata, has_owner: false }, w.now);
            }),
            "asks",
            "who takes it",
        ),
        (
            "B was killed",
            node(T::TakeOwnership),
            with(fresh(), |w| w.killed(T::TakeOwnership)),
            "ready",
            "did not reach its end",
        ),
        (
            "B is being run",
            node(T::TakeOwnership),
            with(fresh(), |w| {
                let claim = TaskClaim {
                    run: "r".to_owned(),
                    by: "somebody".to_owned(),
                    process: None,
                    since: w.now,
                    lease_until: w.now + hours(1),
                };
                let _ = w.state().claim_task(T::TakeOwnership, &claim, |_| false).unwrap();
            }),
            "running",
            "somebody runs it",
        ),
        ("bugs wait for B", node(T::UpdateBugList), fresh(), "waiting", "take-ownership"),
        ("bugs are ready", node(T::UpdateBugList), first(), "ready", ""),
        (
            "bugs wait for the next day",
            node(T::UpdateBugList),
            with(first(), |w| w.run(T::UpdateBugList, 1, RunOutcome::InProgress, None)),
            "waiting",
            "the next day",
        ),
        ("X is at once ready", node(T::AnalyzeCandidateBuild), fresh(), "ready", "accepted"),
        (
            "X without a build is recorded",
            node(T::AnalyzeCandidateBuild),
            with(fresh(), |w| {
                let none = Metadata { candidate_builds: IndexMap::new(), ..metadata(true) };
                w.state = Some(State::new(&release(), &none, w.now));
            }),
            "ready",
            "no candidate build",
        ),
        (
            "X without a record is recorded",
            node(T::AnalyzeCandidateBuild),
            with(fresh(), |w| w.facts.candidate_tests = seen(Tests::Absent, w.now)),
            "ready",
            "no record",
        ),
        (
            "X waits for the end of the tests",
            node(T::AnalyzeCandidateBuild),
            with(fresh(), |w| w.facts.candidate_tests = seen(record(false, None, false), w.now)),
            "waiting",
            "the end of the tests",
        ),
        (
            "X asks about rejected tests",
            node(T::AnalyzeCandidateBuild),
            with(fresh(), |w| w.facts.candidate_tests = seen(record(true, Some(false), false), w.now)),
            "asks",
            "rejected",
        ),
        (
            "X says not available",
            node(T::AnalyzeCandidateBuild),
            with(fresh(), |w| w.issue("its result is not available", false, &[T::AnalyzeCandidateBuild])),
            "not_applicable",
            "not available",
        ),
        (
            "X has a verdict",
            node(T::AnalyzeCandidateBuild),
            with(fresh(), |w| w.set(T::AnalyzeCandidateBuild, TaskStatus::Fail)),
            "done",
            "only informs",
        ),
        (
            "X is unknown",
            node(T::AnalyzeCandidateBuild),
            with(fresh(), |w| w.facts.candidate_tests = unknown(w)),
            "waiting",
            "cannot be determined",
        ),
        ("C waits for B", node(T::CheckCveTrackerBug), fresh(), "waiting", "take-ownership"),
        ("C is ready", node(T::CheckCveTrackerBug), fresh().passed(&[T::TakeOwnership]), "ready", ""),
        (
            "C is blocked by its issue",
            node(T::CheckCveTrackerBug),
            with(first(), |w| {
                w.set(T::CheckCveTrackerBug, TaskStatus::Fail);
                w.issue("a tracker is missing", true, &[T::CheckCveTrackerBug]);
            }),
            "blocked",
            "a tracker is missing",
        ),
        (
            "C failed and is tried again",
            node(T::CheckCveTrackerBug),
            with(first(), |w| w.set(T::CheckCveTrackerBug, TaskStatus::Fail)),
            "failed",
            "for the test",
        ),
        ("D waits for C", Node::SecurityAlerts, fresh(), "waiting", "check-cve-tracker-bug"),
        ("D is done", Node::SecurityAlerts, first(), "done", ""),
        (
            "D is done whatever the alerts say",
            Node::SecurityAlerts,
            with(first(), |w| {
                w.facts.alerts = seen(Alerts::Read { blocking: true, alerts: vec!["CVE".to_owned()] }, w.now);
            }),
            "done",
            "block the approval",
        ),
        (
            "D has none",
            Node::SecurityAlerts,
            with(first(), |w| w.facts.alerts = seen(Alerts::NotSecurity("RHBA".to_owned()), w.now)),
            "not_applicable",
            "RHBA",
        ),
        (
            "D without a ticket asks",
            Node::SecurityAlerts,
            with(first(), |w| {
                let unknown = refused(w);
                w.facts.set_unknown(FactKey::Alerts, unknown);
            }),
            "asks",
            "Run kinit.",
        ),
        ("D is not in the Errata flow", Node::SecurityAlerts, World::new(false), "not_applicable", "Errata"),
        ("E waits for C and D", node(T::PushToCdnStaging), fresh(), "waiting", "check-rhcos-security-alerts"),
        ("E is ready", node(T::PushToCdnStaging), first(), "ready", "advisory 1"),
        (
            "E runs",
            node(T::PushToCdnStaging),
            with(first(), |w| {
                let running = vec!["advisory 1: RUNNING".to_owned()];
                w.facts.pushes = seen(Pushes { total: 2, running, ..Pushes::default() }, w.now);
            }),
            "running",
            "RUNNING",
        ),
        (
            "E can be recorded",
            node(T::PushToCdnStaging),
            with(first(), |w| {
                w.facts.pushes = seen(Pushes { total: 2, complete: 2, ..Pushes::default() }, w.now)
            }),
            "ready",
            "2 of 2",
        ),
        (
            "E is refused",
            node(T::PushToCdnStaging),
            with(first(), |w| {
                let refused = vec!["advisory 2: is in NEW_FILES".to_owned()];
                w.facts.pushes = seen(Pushes { total: 2, complete: 1, refused, ..Pushes::default() }, w.now);
            }),
            "blocked",
            "NEW_FILES",
        ),
        (
            "E is odd",
            node(T::PushToCdnStaging),
            with(first(), |w| {
                let odd = vec!["advisory 2: NEW_WORD".to_owned()];
                w.facts.pushes = seen(Pushes { total: 2, odd, ..Pushes::default() }, w.now);
            }),
            "asks",
            "NEW_WORD",
        ),
        (
            "E could not be read in part",
            node(T::PushToCdnStaging),
            with(first(), |w| {
                let unread = vec!["advisory 2: 503".to_owned()];
                w.facts.pushes = seen(Pushes { total: 2, complete: 1, unread, ..Pushes::default() }, w.now);
            }),
            "waiting",
            "could not be read",
        ),
        (
            "E with no advisory is not done",
            node(T::PushToCdnStaging),
            with(first(), |w| w.facts.pushes = seen(Pushes::default(), w.now)),
            "waiting",
            "nothing is known",
        ),
        (
            "E takes too long",
            node(T::PushToCdnStaging),
            with(first(), |w| {
                let running = vec!["advisory 1: WAITING_ON_PUB".to_owned()];
                w.facts.pushes = seen(Pushes { total: 2, running, ..Pushes::default() }, w.now);
                w.run(T::PushToCdnStaging, 1, RunOutcome::InProgress, None);
                w.now += hours(48);
            }),
            "asks",
            "stuck",
        ),
    ]
}

#[expect(clippy::too_many_lines, reason = "a table")]
fn middle() -> Vec<Case> {
    let node = Node::Task;
    let promoted = |phase: Option<Phase>| {
        with(first(), |w| {
            w.facts.promotion = seen(Promotion { phase, created: None, digest: None }, w.now);
        })
    };
    let stage = |change: fn(&mut StageView)| {
        with(staged(), |w| {
            let mut view = w.facts.stage_release.value().unwrap().clone();
            change(&mut view);
            w.facts.stage_release = seen(view, w.now);
        })
    };
    let consistency = |job: JobView| {
        with(staged(), |w| {
            w.set(T::ImageConsistencyCheck, TaskStatus::InProgress);
            w.job(T::ImageConsistencyCheck, |job| job.id = Some("1".to_owned()));
            w.facts.consistency_job = seen(job, w.now);
        })
    };
    let tests = |tests: Tests| with(staged(), |w| w.facts.tests = seen(tests, w.now));
    vec![
        ("P waits for D", Node::Promotion, fresh(), "waiting", "check-rhcos-security-alerts"),
        ("P is done", Node::Promotion, first(), "done", ""),
        ("P is not there", Node::Promotion, promoted(None), "waiting", "does not show"),
        ("P is pending", Node::Promotion, promoted(Some(Phase::Ready)), "waiting", "Ready"),
        (
            "P is unknown to the controller",
            Node::Promotion,
            promoted(Some(Phase::Unknown)),
            "waiting",
            "Unknown",
        ),
        (
            "P is a new word",
            Node::Promotion,
            promoted(Some(Phase::Other("New".to_owned()))),
            "waiting",
            "New",
        ),
        ("P is rejected", Node::Promotion, promoted(Some(Phase::Rejected)), "asks", "override"),
        ("P failed", Node::Promotion, promoted(Some(Phase::Failed)), "asks", "override"),
        (
            "P takes too long",
            Node::Promotion,
            with(promoted(None), |w| w.now += hours(24)),
            "asks",
            "ART's own wait",
        ),
        (
            "P is unknown",
            Node::Promotion,
            with(first(), |w| w.facts.promotion = unknown(w)),
            "waiting",
            "503",
        ),
        ("the stage release is done", Node::StageRelease, first(), "done", ""),
        (
            "the stage release is no node of Errata",
            Node::StageRelease,
            World::new(false),
            "not_applicable",
            "Errata",
        ),
        ("a draft waits", Node::StageRelease, stage(|view| view.draft = true), "waiting", "draft"),
        (
            "a closed one is ART's",
            Node::StageRelease,
            stage(|view| view.merge_request = MergeRequestState::Closed),
            "blocked",
            "closed",
        ),
        (
            "a strange one is unknown",
            Node::StageRelease,
            stage(|view| view.merge_request = MergeRequestState::Unknown),
            "waiting",
            "does not know",
        ),
        (
            "not ready waits",
            Node::StageRelease,
            stage(|view| view.release = ReleaseState::NotReady("running".to_owned())),
            "waiting",
            "running",
        ),
        (
            "failed is ART's",
            Node::StageRelease,
            stage(|view| view.release = ReleaseState::Failed("failed".to_owned())),
            "blocked",
            "failed",
        ),
        (
            "unknown is unknown",
            Node::StageRelease,
            stage(|view| view.release = ReleaseState::Unknown("new".to_owned())),
            "waiting",
            "cannot be determined",
        ),
        ("F waits for E", node(T::ImageConsistencyCheck), first(), "waiting", "push-to-cdn-staging"),
        ("F is ready", node(T::ImageConsistencyCheck), staged(), "ready", ""),
        (
            "F waits for the stage release",
            node(T::ImageConsistencyCheck),
            stage(|view| view.draft = true),
            "waiting",
            "stage-release",
        ),
        (
            "F runs",
            node(T::ImageConsistencyCheck),
            consistency(JobView::Running("pending".to_owned())),
            "running",
            "pending",
        ),
        (
            "F has succeeded",
            node(T::ImageConsistencyCheck),
            consistency(JobView::Succeeded),
            "ready",
            "evaluated",
        ),
        (
            "F was aborted",
            node(T::ImageConsistencyCheck),
            consistency(JobView::Infrastructure("aborted".to_owned())),
            "ready",
            "once more",
        ),
        (
            "F failed there",
            node(T::ImageConsistencyCheck),
            consistency(JobView::Failed("failure".to_owned())),
            "ready",
            "recorded",
        ),
        ("F is gone", node(T::ImageConsistencyCheck), consistency(JobView::Absent), "asks", "does not have"),
        (
            "F takes too long",
            node(T::ImageConsistencyCheck),
            with(consistency(JobView::Running("pending".to_owned())), |w| w.now += hours(6)),
            "asks",
            "longer than usual",
        ),
        (
            "F of Errata asks for ART's job",
            node(T::ImageConsistencyCheck),
            World::new(false).passed(STAGED),
            "asks",
            "which Prow job",
        ),
        ("G is ready", node(T::StageTesting), staged(), "ready", ""),
        ("G of Errata is ready", node(T::StageTesting), World::new(false).passed(STAGED), "ready", ""),
        (
            "G waits in the queue",
            node(T::StageTesting),
            with(staged(), |w| {
                w.set(T::StageTesting, TaskStatus::InProgress);
                w.job(T::StageTesting, |job| job.queue_item = Some("7".to_owned()));
            }),
            "running",
            "queue",
        ),
        (
            "G was intended",
            node(T::StageTesting),
            with(staged(), |w| {
                w.set(T::StageTesting, TaskStatus::InProgress);
                let intent = JobIntent::new("key", w.now, IndexMap::new());
                w.job(T::StageTesting, |job| job.intent = Some(intent));
            }),
            "ready",
            "looks for it",
        ),
        (
            "Greenwave waits for F",
            node(T::CheckGreenwaveCvpTests),
            World::new(false).passed(STAGED),
            "waiting",
            "image-consistency-check",
        ),
        (
            "Greenwave is ready",
            node(T::CheckGreenwaveCvpTests),
            World::new(false).passed(STAGED).passed(&[T::ImageConsistencyCheck]),
            "ready",
            "",
        ),
        (
            "Greenwave is no node of Konflux",
            node(T::CheckGreenwaveCvpTests),
            fresh(),
            "not_applicable",
            "Konflux",
        ),
        ("R1 is there", Node::ResultFile, staged(), "done", ""),
        ("R1 waits for P", Node::ResultFile, promoted(None), "waiting", "promotion"),
        (
            "R1 is not there",
            Node::ResultFile,
            with(tests(Tests::Absent), |w| w.now = at("2026-07-02T12:00:00Z")),
            "waiting",
            "record",
        ),
        ("R1 takes too long", Node::ResultFile, tests(Tests::Absent), "asks", "job controller"),
        (
            "R1 is no JSON",
            Node::ResultFile,
            with(staged(), |w| w.facts.tests = unknown(w)),
            "waiting",
            "cannot be determined",
        ),
        ("R2 is there", Node::Aggregated, staged(), "done", ""),
        (
            "R2 is not there",
            Node::Aggregated,
            with(tests(record(false, None, false)), |w| w.now = at("2026-07-02T11:00:00Z")),
            "waiting",
            "end of all tests",
        ),
        ("R2 takes too long", Node::Aggregated, tests(record(false, None, false)), "asks", "aggregator"),
        ("R3 is accepted", Node::Accepted, staged(), "done", "accepted"),
        ("R3 is promoted by hand", Node::Accepted, tests(record(true, Some(false), true)), "done", "by hand"),
        (
            "R3 by hand before the end is not",
            Node::Accepted,
            tests(record(false, Some(true), true)),
            "waiting",
            "aggregated",
        ),
        (
            "R3 is rejected",
            Node::Accepted,
            tests(record(true, Some(false), false)),
            "blocked",
            "analyze-promoted-build",
        ),
        (
            "R3 has no verdict",
            Node::Accepted,
            tests(record(true, None, false)),
            "blocked",
            "without a verdict",
        ),
        (
            "R3 was decided by a person",
            Node::Accepted,
            tests(record(true, Some(false), false)).passed(&[T::AnalyzePromotedBuild]),
            "not_applicable",
            "a person has accepted",
        ),
        ("Y is ready", node(T::AnalyzePromotedBuild), staged(), "ready", "accepted"),
        (
            "Y waits",
            node(T::AnalyzePromotedBuild),
            tests(record(false, None, false)),
            "waiting",
            "aggregated",
        ),
        (
            "Y asks",
            node(T::AnalyzePromotedBuild),
            tests(record(true, Some(false), false)),
            "asks",
            "rejected",
        ),
        (
            "Y was rejected",
            node(T::AnalyzePromotedBuild),
            with(staged(), |w| w.set(T::AnalyzePromotedBuild, TaskStatus::Fail)),
            "asks",
            "is rejected",
        ),
    ]
}

#[expect(clippy::too_many_lines, reason = "a table")]
fn late() -> Vec<Case> {
    let node = Node::Task;
    let signing = || staged().passed(&[T::ImageConsistencyCheck, T::StageTesting, T::AnalyzePromotedBuild]);
    let waiting = || {
        with(approvable(), |w| {
            w.set(T::ChangeAdvisoryStatus, TaskStatus::InProgress);
            let wait = NewWait {
                condition: "the metadata URL".to_owned(),
                since: w.now,
                until: w.now + hours(48),
                next_check: w.now + SignedDuration::from_mins(30),
            };
            let _ = w.state().begin_wait(T::ChangeAdvisoryStatus, &wait);
        })
    };
    let approved = || approvable().passed(&[T::ChangeAdvisoryStatus]);
    let not_shipped = |given: usize, left: Option<u64>| {
        with(approved(), |w| {
            w.facts.shipped = seen(ShippedView { shipped: Some(false), details: IndexMap::new() }, w.now);
            w.facts.approvals = seen(ApprovalsView { open: true, given, left }, w.now);
        })
    };
    vec![
        ("Z waits for the gate", node(T::ImageSignedCheck), staged(), "waiting", "analyze-promoted-build"),
        ("Z is ready", node(T::ImageSignedCheck), signing(), "ready", ""),
        (
            "Z waits for the digest",
            node(T::ImageSignedCheck),
            with(signing(), |w| {
                let phase = Some(Phase::Accepted);
                w.facts.promotion = seen(Promotion { phase, created: None, digest: None }, w.now);
            }),
            "waiting",
            "digest",
        ),
        ("drop-bugs waits for B", node(T::DropBugs), fresh(), "waiting", "take-ownership"),
        ("drop-bugs is ready", node(T::DropBugs), first(), "ready", ""),
        ("W waits for the others", node(T::ChangeAdvisoryStatus), first(), "waiting", "stage-testing"),
        ("W is ready", node(T::ChangeAdvisoryStatus), approvable(), "ready", ""),
        ("W of Errata is ready", node(T::ChangeAdvisoryStatus), World::approvable(false), "ready", ""),
        (
            "W waits for its day",
            node(T::ChangeAdvisoryStatus),
            with(approvable(), |w| w.now = at("2026-07-05T23:59:59Z")),
            "waiting",
            "2026-07-07",
        ),
        (
            "W begins at midnight",
            node(T::ChangeAdvisoryStatus),
            with(approvable(), |w| w.now = at("2026-07-06T00:00:00Z")),
            "ready",
            "",
        ),
        (
            "W without a date asks",
            node(T::ChangeAdvisoryStatus),
            with(approvable(), |w| {
                let none = Metadata { release_date: None, ..metadata(true) };
                let mut world = World::new(true);
                world.state = Some(State::new(&release(), &none, world.now));
                world.facts.build_data =
                    seen(BuildData::Present { metadata: Box::new(none), has_owner: true }, world.now);
                for task in T::WORKFLOW.into_iter().filter(|task| *task != T::ChangeAdvisoryStatus) {
                    world.pass(task);
                }
                *w = world;
            }),
            "asks",
            "no date",
        ),
        (
            "W is blocked by any issue",
            node(T::ChangeAdvisoryStatus),
            with(approvable(), |w| w.issue("stage is down", true, &[T::DropBugs])),
            "blocked",
            "stage is down",
        ),
        (
            "W is blocked by alerts",
            node(T::ChangeAdvisoryStatus),
            with(approvable(), |w| {
                w.facts.alerts =
                    seen(Alerts::Read { blocking: true, alerts: vec!["CVE-1".to_owned()] }, w.now);
            }),
            "blocked",
            "CVE-1",
        ),
        (
            "W waits for a draft",
            node(T::ChangeAdvisoryStatus),
            with(approvable(), |w| {
                let mut view = w.facts.stage_release.value().unwrap().clone();
                view.draft = true;
                w.facts.stage_release = seen(view, w.now);
            }),
            "waiting",
            "draft",
        ),
        (
            "W asks about a payload without an address",
            node(T::ChangeAdvisoryStatus),
            with(approvable(), |w| {
                w.facts.payload = seen(PayloadView::Bad("no metadata URL".to_owned()), w.now)
            }),
            "asks",
            "no metadata URL",
        ),
        (
            "W looks at the tests again",
            node(T::ChangeAdvisoryStatus),
            with(approvable(), |w| w.facts.tests = unknown(w)),
            "waiting",
            "cannot be determined",
        ),
        ("W waits outside", node(T::ChangeAdvisoryStatus), waiting(), "running", "the metadata URL"),
        (
            "W's time is over",
            node(T::ChangeAdvisoryStatus),
            with(waiting(), |w| w.now += hours(72)),
            "asks",
            "still not up",
        ),
        (
            "W was started by another program",
            node(T::ChangeAdvisoryStatus),
            with(approvable(), |w| w.set(T::ChangeAdvisoryStatus, TaskStatus::InProgress)),
            "running",
            "records no wait",
        ),
        (
            "W failed",
            node(T::ChangeAdvisoryStatus),
            with(approvable(), |w| w.set(T::ChangeAdvisoryStatus, TaskStatus::Fail)),
            "failed",
            "",
        ),
        ("S waits for W", Node::Shipped, approvable(), "waiting", "change-advisory-status"),
        ("S is done", Node::Shipped, approved(), "done", ""),
        ("S waits", Node::Shipped, not_shipped(1, Some(0)), "waiting", "the shipping"),
        ("S has lost its approval", Node::Shipped, not_shipped(0, Some(1)), "asks", "not approved any more"),
        ("S lacks an approval", Node::Shipped, not_shipped(1, Some(1)), "asks", "not approved any more"),
        (
            "S is unknown",
            Node::Shipped,
            with(approved(), |w| {
                w.facts.shipped = seen(ShippedView { shipped: None, details: IndexMap::new() }, w.now);
            }),
            "waiting",
            "cannot be determined",
        ),
    ]
}

#[test]
fn every_row_has_its_cases() {
    let mut nodes = check(early());
    nodes.extend(check(middle()));
    nodes.extend(check(late()));
    let all: BTreeSet<Node> = ROWS.iter().map(|row| row.node).collect();
    assert_eq!(nodes, all);
}

// The contradictions of spec 05 §8.8, by their numbers.

#[test]
fn rule_1_missed_trackers_stop_only_the_approval() {
    let mut world = first();
    world.set(T::CheckCveTrackerBug, TaskStatus::Fail);
    world.issue("a tracker is missing", true, &[T::CheckCveTrackerBug]);
    assert_eq!(world.of(T::PushToCdnStaging).verdict, Verdict::Ready);
    assert_eq!(world.plan(Node::Promotion).verdict, Verdict::Done);
    let mut world = approvable();
    world.set(T::CheckCveTrackerBug, TaskStatus::Fail);
    assert_eq!(world.of(T::ChangeAdvisoryStatus).verdict.name(), "waiting");
    world.issue("a tracker is missing", true, &[T::CheckCveTrackerBug]);
    world.waive(T::CheckCveTrackerBug);
    assert_eq!(world.of(T::ChangeAdvisoryStatus).verdict, Verdict::Ready, "a waiver answers for it");
}

#[test]
fn rule_2_jobs_on_stage_wait_for_the_promotion_and_not_for_the_gate() {
    for task in [T::ImageConsistencyCheck, T::StageTesting] {
        let mut world = staged();
        world.facts.tests = seen(Tests::Absent, world.now);
        assert_eq!(world.of(task).verdict, Verdict::Ready);
        world.facts.promotion = seen(Promotion { phase: None, created: None, digest: None }, world.now);
        assert_eq!(world.of(task).verdict.name(), "waiting");
    }
}

#[test]
fn rule_3_the_candidate_build_blocks_nothing() {
    let mut world = approvable();
    world.set(T::AnalyzeCandidateBuild, TaskStatus::Fail);
    assert_eq!(world.of(T::ChangeAdvisoryStatus).verdict, Verdict::Ready);
}

#[test]
fn rule_4_a_person_decides_and_the_third_answer_is_to_wait() {
    for build in ["candidate_tests", "tests"] {
        let mut world = staged();
        let (task, fact) = if build == "tests" {
            (T::AnalyzePromotedBuild, &mut world.facts.tests)
        } else {
            (T::AnalyzeCandidateBuild, &mut world.facts.candidate_tests)
        };
        *fact = seen(record(true, Some(false), false), world.now);
        let plan = world.of(task);
        let Verdict::Asks { choices, .. } = &plan.verdict else { panic!("{plan:?}") };
        assert_eq!(choices, &["accept", "reject", "wait"]);
        assert_eq!(plan.person, Some(Who::Leads));
        assert!(plan.next_look.is_some(), "it goes on looking");
    }
}

#[test]
fn rules_5_and_6_the_stage_release_is_waited_for_and_never_a_failure() {
    let mut world = staged();
    let mut view = world.facts.stage_release.value().unwrap().clone();
    view.release = ReleaseState::NotReady("no pipeline".to_owned());
    world.facts.stage_release = seen(view, world.now);
    for task in [T::ImageConsistencyCheck, T::StageTesting] {
        let plan = world.of(task);
        assert_eq!((plan.verdict.name(), plan.person), ("waiting", None), "{plan:?}");
        assert!(plan.next_look.is_some());
    }
}

#[test]
fn rule_7_a_busy_queue_is_waited_for() {
    let mut world = staged();
    world.set(T::StageTesting, TaskStatus::InProgress);
    world.job(T::StageTesting, |job| job.queue_item = Some("7".to_owned()));
    let plan = world.of(T::StageTesting);
    assert_eq!((plan.verdict.name(), plan.person), ("running", None));
    assert!(matches!(plan.to_do, ToDo::Run { only_looks: true, .. }), "{plan:?}");
}

#[test]
fn rules_8_and_14_alerts_are_looked_at_again_and_the_top_level_decides() {
    let mut world = approvable();
    world.facts.alerts =
        seen(Alerts::Read { blocking: false, alerts: vec!["one blocks".to_owned()] }, world.now);
    assert_eq!(world.of(T::ChangeAdvisoryStatus).verdict, Verdict::Ready);
    world.facts.alerts = seen(Alerts::Read { blocking: true, alerts: Vec::new() }, world.now);
    let plan = world.of(T::ChangeAdvisoryStatus);
    assert_eq!((plan.verdict.name(), plan.person), ("blocked", Some(Who::ProductSecurity)));
    assert_eq!(world.plan(Node::SecurityAlerts).verdict, Verdict::Done);
}

#[test]
fn rule_9_a_missing_aggregation_is_told_after_twelve_hours() {
    let mut world = staged();
    world.facts.tests = seen(record(false, None, false), world.now);
    world.now = at("2026-07-02T11:59:59Z");
    assert_eq!(world.plan(Node::Aggregated).verdict.name(), "waiting");
    world.now = at("2026-07-02T12:00:00Z");
    let plan = world.plan(Node::Aggregated);
    assert_eq!((plan.verdict.name(), plan.person), ("asks", Some(Who::Leads)));
    assert!(plan.next_look.is_some(), "it goes on looking");
}

#[test]
fn rule_11_a_job_without_a_handle_is_asked_about_and_never_started_again() {
    for task in [T::ImageConsistencyCheck, T::StageTesting] {
        let mut world = staged();
        world.set(task, TaskStatus::InProgress);
        let plan = world.of(task);
        assert_eq!(plan.verdict.name(), "asks", "{plan:?}");
        assert!(matches!(plan.to_do, ToDo::Answer { .. }));
    }
}

#[test]
fn rule_12_the_approval_has_until_the_end_of_the_day_after_the_date_and_then_asks() {
    let mut world = approvable();
    world.now = at("2026-07-06T00:00:00Z");
    world.set(T::ChangeAdvisoryStatus, TaskStatus::InProgress);
    let wait = NewWait {
        condition: "the metadata URL".to_owned(),
        since: world.now,
        until: world.now + hours(48),
        next_check: world.now,
    };
    let _ = world.state().begin_wait(T::ChangeAdvisoryStatus, &wait);
    world.now = at("2026-07-08T23:59:59Z");
    let plan = world.of(T::ChangeAdvisoryStatus);
    assert_eq!((plan.verdict.name(), plan.deadline.as_deref()), ("running", Some("2026-07-09T00:00:00Z")));
    world.now = at("2026-07-09T00:00:00Z");
    let plan = world.of(T::ChangeAdvisoryStatus);
    assert_eq!((plan.verdict.name(), plan.person), ("asks", Some(Who::Leads)), "it is no failure");
    // Started later, it has its two days.
    let mut late = approvable();
    late.now = at("2026-07-08T00:00:00Z");
    late.set(T::ChangeAdvisoryStatus, TaskStatus::InProgress);
    let wait = NewWait { since: late.now, ..wait };
    let _ = late.state().begin_wait(T::ChangeAdvisoryStatus, &wait);
    assert_eq!(late.of(T::ChangeAdvisoryStatus).deadline.as_deref(), Some("2026-07-10T00:00:00Z"));
}

#[test]
fn rule_13_a_push_is_run_again_and_an_approval_is_looked_at() {
    let mut world = first();
    world.set(T::PushToCdnStaging, TaskStatus::InProgress);
    assert_eq!(world.of(T::PushToCdnStaging).verdict, Verdict::Ready, "it is pushed further");
    let mut world = approvable();
    world.set(T::ChangeAdvisoryStatus, TaskStatus::InProgress);
    let plan = world.of(T::ChangeAdvisoryStatus);
    assert_eq!((plan.verdict.name(), plan.to_do), ("running", ToDo::Nothing));
}

#[test]
fn rule_15_a_general_blocker_stops_what_has_not_begun_and_that_of_a_task_its_task() {
    let mut world = staged();
    world.set(T::ImageConsistencyCheck, TaskStatus::InProgress);
    world.job(T::ImageConsistencyCheck, |job| job.id = Some("1".to_owned()));
    world.facts.consistency_job = seen(JobView::Running("pending".to_owned()), world.now);
    world.issue("everything stops", true, &[]);
    assert_eq!(world.of(T::StageTesting).verdict.name(), "blocked");
    assert_eq!(world.of(T::ImageConsistencyCheck).verdict.name(), "running");
    let mut world = staged();
    world.issue("stage is down", true, &[T::StageTesting]);
    assert_eq!(world.of(T::StageTesting).verdict.name(), "blocked");
    assert_eq!(world.of(T::ImageConsistencyCheck).verdict, Verdict::Ready);
    // The commands of the jobs on stage refuse for what comes before them; that of the signatures does not.
    let mut world = staged();
    world.issue("a push is stuck", true, &[T::PushToCdnStaging]);
    assert_eq!(world.of(T::StageTesting).verdict.name(), "blocked");
    assert_eq!(world.of(T::ImageSignedCheck).verdict.name(), "waiting");
    world.waive(T::PushToCdnStaging);
    assert_eq!(world.of(T::StageTesting).verdict, Verdict::Ready);
}

#[test]
fn a_hurried_fix_goes_on_by_waiver_and_its_date_asks() {
    let mut world = staged().passed(&[T::ImageConsistencyCheck, T::StageTesting, T::ImageSignedCheck]);
    world.waive(T::AnalyzeCandidateBuild);
    world.waive(T::AnalyzePromotedBuild);
    world.facts.tests = seen(Tests::Absent, world.now);
    assert_eq!(world.of(T::ChangeAdvisoryStatus).verdict, Verdict::Ready);
    assert_eq!(world.plan(Node::Aggregated).verdict.name(), "not_applicable");
    world.now = at("2026-07-03T12:00:00Z");
    let plan = world.of(T::ChangeAdvisoryStatus);
    assert_eq!((plan.verdict.name(), plan.person), ("asks", Some(Who::Leads)));
}

#[test]
fn changed_identifiers_are_asked_about_and_placeholders_are_not_taken_over() {
    let mut world = staged();
    let mut changed = metadata(true);
    let _ = changed.advisory_ids.insert("rpm".to_owned(), 7);
    world.facts.build_data =
        seen(BuildData::Present { metadata: Box::new(changed.clone()), has_owner: true }, world.now);
    let plan = world.of(T::PushToCdnStaging);
    assert_eq!(plan.verdict.name(), "asks", "{plan:?}");
    assert!(plan.stale.unwrap().contains("advisory_ids.rpm: 1 -> 7"));
    // ART's placeholder is read as pending, and is no value.
    let mut absent = metadata(true);
    let _ = absent.advisory_ids.shift_remove("rpm");
    absent.pending = vec!["advisory_ids.rpm".to_owned()];
    world.facts.build_data =
        seen(BuildData::Present { metadata: Box::new(absent), has_owner: true }, world.now);
    assert_eq!(world.of(T::PushToCdnStaging).verdict, Verdict::Done);
    // Accepted, the change is in the state; what passed before it is stale until it has run again.
    let now = world.now;
    let _ = world.state().take_metadata(&changed, now, "tester");
    world.facts.build_data = seen(BuildData::Present { metadata: Box::new(changed), has_owner: true }, now);
    assert_eq!(world.of(T::PushToCdnStaging).verdict.name(), "asks");
    world.now = now + hours(2);
    world.set(T::PushToCdnStaging, TaskStatus::NotStarted);
    world.pass(T::PushToCdnStaging);
    assert_eq!(world.of(T::PushToCdnStaging).verdict, Verdict::Done);
}

#[test]
fn a_verdict_is_stale_when_what_it_judged_has_changed() {
    for (task, subject, is) in [
        (T::AnalyzePromotedBuild, "tests", "accepted"),
        (T::AnalyzePromotedBuild, "digest", "sha256:aa"),
        (T::ImageSignedCheck, "digest", "sha256:aa"),
        (T::ImageConsistencyCheck, "sha", "c0ffee"),
        (T::StageTesting, "sha", "c0ffee"),
        (T::PushToCdnStaging, "advisories", "rpm 1, rhcos 2"),
        (T::TakeOwnership, "advisories", "rpm 1, rhcos 2"),
    ] {
        let mut world = approvable();
        world.judge(task, subject, is);
        assert_eq!(world.of(task).verdict, Verdict::Done, "{task} {subject}");
        world.judge(task, subject, "something else");
        let plan = world.of(task);
        assert_eq!(plan.verdict.name(), "asks", "{task} {subject}");
        assert!(plan.stale.is_some_and(|stale| stale.contains(subject)));
        let approval = world.of(T::ChangeAdvisoryStatus);
        assert_eq!(approval.verdict.name(), "waiting", "{task} {subject}");
        // After the approval it is only noted.
        world.pass(T::ChangeAdvisoryStatus);
        let plan = world.of(task);
        assert_eq!((plan.verdict.name(), plan.person), ("done", None));
        assert!(plan.note.unwrap().contains("since then"));
    }
}

#[test]
fn paid_jobs_are_started_once_more_after_infrastructure_and_never_after_the_product() {
    let failed = |runs: usize, class| {
        let mut world = staged();
        (0..runs).for_each(|number| world.run(T::StageTesting, number, RunOutcome::Fail, class));
        match world.of(T::StageTesting).verdict {
            Verdict::Failed { tries_left, .. } => tries_left,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(failed(1, Some(ReasonClass::Infrastructure)), 1);
    assert_eq!(failed(2, Some(ReasonClass::Infrastructure)), 0);
    assert_eq!(failed(1, Some(ReasonClass::Product)), 0);
    assert_eq!(failed(1, None), 0);
    let mut world = staged();
    world.run(T::StageTesting, 0, RunOutcome::Fail, Some(ReasonClass::Product));
    let plan = world.of(T::StageTesting);
    assert_eq!((plan.person, &plan.to_do), (Some(Who::Owner), &ToDo::Nothing));
    world.issue("the cluster was broken", true, &[T::StageTesting]);
    let now = world.now;
    let _ = world.state().resolve_issue("the cluster was broken", "repaired", now).unwrap();
    assert!(matches!(world.of(T::StageTesting).verdict, Verdict::Failed { tries_left: 1, .. }));
}

#[test]
fn the_policy_says_what_runs_by_itself() {
    let mut world = staged();
    assert!(matches!(world.of(T::StageTesting).to_do, ToDo::Consent { .. }));
    assert_eq!(world.of(T::StageTesting).person, Some(Who::Owner));
    world.policy.0.insert("stage-testing".to_owned(), Leave::Auto);
    let plan = world.of(T::StageTesting);
    assert!(matches!(plan.to_do, ToDo::Run { only_looks: false, .. }), "{plan:?}");
    assert_eq!(plan.person, None);
    world.policy.0.insert("stage-testing".to_owned(), Leave::Never);
    assert!(matches!(world.of(T::StageTesting).to_do, ToDo::ByHand { .. }));
    for row in ROWS {
        let plan = World::new(true).plan(row.node);
        let asks = [
            "image-consistency-check",
            "stage-testing",
            "push-to-cdn-staging",
            "drop-bugs",
            "change-advisory-status",
        ];
        let expected = if asks.contains(&row.node.id()) { Leave::Ask } else { Leave::Auto };
        assert_eq!(plan.policy, expected, "{}", row.node);
    }
    assert!(check_policy(&world.policy).is_ok());
    world.policy.0.insert("stage-testin".to_owned(), Leave::Auto);
    assert!(check_policy(&world.policy).unwrap_err().to_string().contains("drive.stage-testin"));
}

#[test]
fn only_the_facts_are_asked_for_that_a_step_needs_which_could_go_on() {
    let lacks = |mut world: World| {
        world.facts = Facts { build_data: world.facts.build_data.clone(), ..Facts::default() };
        let release = release();
        lacking(&evaluate(world.input(&release)), &world.facts)
    };
    assert_eq!(lacks(fresh()), [FactKey::CandidateTests]);
    assert_eq!(lacks(first()), [FactKey::CandidateTests, FactKey::Alerts]);
    assert_eq!(
        lacks(World::new(false).passed(FIRST)),
        [FactKey::Promotion, FactKey::CandidateTests, FactKey::Pushes]
    );
    assert_eq!(lacks(approvable().passed(&[T::ChangeAdvisoryStatus])), [FactKey::Shipped]);
    let mut world = fresh();
    world.state = None;
    assert_eq!(lacks(world), Vec::new());
}

/// What an earlier node is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Condition {
    Done,
    Unknown,
    Stale,
    Refused,
    LostAnswer,
    Killed,
}

const CONDITIONS: [Condition; 6] = [
    Condition::Done,
    Condition::Unknown,
    Condition::Stale,
    Condition::Refused,
    Condition::LostAnswer,
    Condition::Killed,
];

/// Brings a checkpoint's fact into a condition. What was done once and is not any more is a stale one.
fn put_fact(world: &mut World, node: Node, condition: Condition) {
    let now = world.now;
    let key = match node {
        Node::SecurityAlerts => FactKey::Alerts,
        Node::Promotion => FactKey::Promotion,
        Node::StageRelease => FactKey::StageRelease,
        _ => FactKey::Tests,
    };
    match condition {
        Condition::Done => {}
        Condition::Unknown => world.facts.set_unknown(key, unavailable(world)),
        Condition::Refused => world.facts.set_unknown(key, refused(world)),
        // Whoever looked has not written down what was found.
        Condition::LostAnswer | Condition::Killed => match key {
            FactKey::Alerts => world.facts.alerts = Fact::NotLooked,
            FactKey::Promotion => world.facts.promotion = Fact::NotLooked,
            FactKey::StageRelease => world.facts.stage_release = Fact::NotLooked,
            _ => world.facts.tests = Fact::NotLooked,
        },
        Condition::Stale => match key {
            // A look of an hour ago that failed since.
            FactKey::Alerts => {
                world.facts.set_unknown(key, Unknown { at: now - hours(1), ..unavailable(world) })
            }
            FactKey::Promotion => {
                let phase = Some(Phase::Rejected);
                world.facts.promotion = seen(Promotion { phase, created: None, digest: None }, now);
            }
            FactKey::StageRelease => {
                let mut view = world.facts.stage_release.value().unwrap().clone();
                view.release = ReleaseState::NotReady("a newer pipeline runs".to_owned());
                world.facts.stage_release = seen(view, now);
            }
            _ if node == Node::ResultFile => world.facts.tests = seen(Tests::Absent, now),
            _ => world.facts.tests = seen(record(false, None, false), now),
        },
    }
}

/// Brings a task into a condition.
fn put_task(world: &mut World, task: T, condition: Condition) {
    if task == T::CreateTestReport {
        match condition {
            Condition::Done => {}
            Condition::Unknown => {
                world.state = None;
                world.facts.set_unknown(FactKey::BuildData, unavailable(world));
            }
            Condition::Refused => {
                world.state = None;
                world.facts.set_unknown(FactKey::BuildData, refused(world));
            }
            Condition::Stale | Condition::LostAnswer | Condition::Killed => world.state = None,
        }
        return;
    }
    let reset = |world: &mut World| world.set(task, TaskStatus::NotStarted);
    match condition {
        Condition::Done => world.pass(task),
        Condition::Unknown => {
            reset(world);
            world.run(task, 1, RunOutcome::Unknown, Some(ReasonClass::Infrastructure));
        }
        Condition::Refused => {
            reset(world);
            world.run(task, 1, RunOutcome::Blocked, Some(ReasonClass::Precondition));
        }
        Condition::LostAnswer => {
            reset(world);
            world.set(task, TaskStatus::InProgress);
            let intent = JobIntent::new("key", world.now, IndexMap::new());
            world.job(task, |job| job.intent = Some(intent));
        }
        Condition::Killed => {
            reset(world);
            world.killed(task);
        }
        Condition::Stale => {
            world.pass(task);
            let subject = match task {
                T::ImageSignedCheck
                | T::ImageConsistencyCheck
                | T::StageTesting
                | T::AnalyzePromotedBuild => "digest",
                T::AnalyzeCandidateBuild => "builds",
                _ => "advisories",
            };
            world.judge(task, subject, "something else");
        }
    }
}

/// Whether something is done about a node, or could be.
fn goes_on(plan: &NodePlan) -> bool {
    plan.verdict.is_settled() || matches!(plan.verdict, Verdict::Ready | Verdict::Running { .. })
}

#[test]
fn every_edge_holds_in_every_condition() {
    let mut covered = BTreeSet::new();
    for row in ROWS {
        for edge in row.after.iter().filter(|edge| edge.keeps != Keeps::Usual) {
            // An edge of a flow is tried in that flow.
            let konflux = row.flows.has(true) && edge.node.row().flows.has(true);
            for condition in CONDITIONS {
                let mut world = World::new(konflux);
                // Everything else that comes before it is done.
                for other in row.after.iter().filter_map(|edge| edge.node.task()) {
                    world.pass(other);
                }
                let earlier = [T::TakeOwnership, T::CheckCveTrackerBug, T::PushToCdnStaging];
                for other in earlier.into_iter().filter(|other| Node::Task(*other) != row.node) {
                    world.pass(other);
                }
                match edge.node {
                    Node::Task(task) => put_task(&mut world, task, condition),
                    node => put_fact(&mut world, node, condition),
                }
                let plans = world.plans();
                let (plan, before) = (&plans[&row.node], &plans[&edge.node]);
                let context =
                    format!("{} after {} that is {condition:?}: {plan:#?}\n{before:#?}", row.node, edge.node);
                // What changes after the approval is only noted.
                let noted = edge.node == Node::Task(T::ChangeAdvisoryStatus) && condition == Condition::Stale;
                let is_done = condition == Condition::Done || noted;
                let met = is_done || (edge.need == Need::Verdict && condition == Condition::Stale);
                assert_eq!(before.verdict.is_settled(), is_done, "{context}");
                if met {
                    let asks = matches!(plan.verdict, Verdict::Asks { .. }) && !konflux;
                    assert!(goes_on(plan) || asks, "{context}");
                } else {
                    assert_eq!(plan.verdict.name(), "waiting", "{context}");
                    assert!(words(plan).contains(edge.node.id()), "{context}");
                    assert!(plan.next_look.is_some() || plan.person.is_some(), "{context}");
                }
                covered.insert((row.node, edge.node, condition));
            }
        }
    }
    let edges = ROWS.iter().flat_map(|row| row.after.iter().map(move |edge| (row.node, edge)));
    for (node, edge) in edges.filter(|(_, edge)| edge.keeps != Keeps::Usual) {
        for condition in CONDITIONS {
            assert!(
                covered.contains(&(node, edge.node, condition)),
                "{node} after {}: {condition:?}",
                edge.node
            );
        }
    }
}

/// Any StateBox of a release, with any facts.
fn worlds() -> impl Strategy<Value = World> {
    let facts = prop::collection::vec(0..4_u8, 12);
    let tasks = prop::collection::vec((0..8_u8, any::<bool>()), T::ALL.len());
    (any::<bool>(), facts, tasks, 0..400_i64, prop::option::of(0..T::ALL.len()), any::<bool>()).prop_map(
        |(konflux, kinds, tasks, age, blocked, general)| {
            let mut world = World::new(konflux);
            for (task, (kind, waived)) in T::ALL.into_iter().zip(tasks) {
                match kind {
                    0 | 1 => world.pass(task),
                    2 => world.set(task, TaskStatus::Fail),
                    3 => world.set(task, TaskStatus::InProgress),
                    4 => world.killed(task),
                    5 => world.run(task, 1, RunOutcome::Fail, Some(ReasonClass::Infrastructure)),
                    6 => put_task(&mut world, task, Condition::LostAnswer),
                    _ => {}
                }
                if waived && kind == 7 {
                    world.waive(task);
                }
            }
            if let Some(index) = blocked {
                let tasks = if general { vec![] } else { vec![T::ALL[index]] };
                world.issue("something stands in the way", true, &tasks);
            }
            for (key, kind) in FactKey::ALL.into_iter().zip(kinds) {
                match kind {
                    0 => world.facts.set_unknown(key, unavailable(&world)),
                    1 => world.facts.set_unknown(key, refused(&world)),
                    _ => {}
                }
            }
            world.now += hours(age);
            world
        },
    )
}

proptest! {
    #[test]
    fn every_node_that_is_not_done_has_a_next_look_or_a_person(world in worlds()) {
        for plan in world.plans().values().filter(|plan| !plan.verdict.is_settled()) {
            prop_assert!(plan.next_look.is_some() || plan.person.is_some(), "{plan:#?}");
        }
    }

    #[test]
    fn the_same_input_gives_the_same_answer(world in worlds()) {
        let release = release();
        prop_assert_eq!(evaluate(world.input(&release)), evaluate(world.input(&release)));
    }

    #[test]
    fn no_node_is_ready_before_those_that_come_before_it(world in worlds()) {
        let plans = world.plans();
        for row in ROWS {
            let plan = &plans[&row.node];
            let begins = plan.verdict == Verdict::Ready
                && row.node.task().is_none_or(|task| {
                    world.state.as_ref().unwrap().task(task).is_none_or(|view| view.status != TaskStatus::InProgress)
                });
            if !begins {
                continue;
            }
            for edge in row.after.iter().filter(|edge| edge.keeps != Keeps::Usual && edge.need == Need::Done) {
                prop_assert!(plans[&edge.node].verdict.is_settled(), "{}: {:#?}", row.node, plans[&edge.node]);
            }
        }
    }

    #[test]
    fn time_alone_never_undoes_what_is_done(world in worlds(), more in 0..10_000_i64) {
        let before = world.plans();
        let mut later = world.clone();
        later.now += hours(more);
        let after = later.plans();
        for (node, plan) in before {
            if plan.verdict == Verdict::Done {
                prop_assert_eq!(&after[&node].verdict, &Verdict::Done, "{}", node);
            }
        }
    }

    #[test]
    fn what_nobody_knows_is_never_done_or_ready(world in worlds()) {
        for plan in world.plans().values().filter(|plan| plan.lacks.is_some()) {
            let is_open = matches!(plan.verdict, Verdict::Waiting { .. } | Verdict::Asks { .. });
            prop_assert!(is_open, "{plan:#?}");
        }
    }
}

#[test]
fn a_blocker_of_several_steps_is_asked_about_once() {
    let mut world = staged();
    world.issue("a push is stuck", true, &[T::PushToCdnStaging]);
    world.set(T::PushToCdnStaging, TaskStatus::Fail);
    let release = release();
    let plan = assemble(world.input(&release), false);
    let about: Vec<_> = plan.people.iter().filter(|request| request.question == "a push is stuck").collect();
    let [one] = about.as_slice() else { panic!("{about:#?}") };
    assert!(one.nodes.len() > 1 && one.nodes.contains(&Node::Task(T::StageTesting)), "{one:#?}");
}

#[test]
fn a_plan_without_services_names_what_is_not_known() {
    let world = first();
    let plan = offline(&release(), world.state.as_ref().unwrap(), "4.19.1.yaml", world.now);
    assert!(plan.offline && plan.facts.is_empty() && plan.defects.is_empty());
    let unknown: Vec<&str> = plan.unknown.iter().map(|unknown| unknown.fact.id()).collect();
    assert_eq!(unknown, ["candidate_tests", "alerts"]);
    assert!(plan.now.iter().all(|run| run.node == Node::Task(T::UpdateBugList)), "{:?}", plan.now);
}

#[test]
#[ignore = "reads the samples in OAR_SAMPLES"]
fn every_sample_gives_a_plan_and_shipped_ones_have_nothing_to_do() {
    let samples = std::env::var("OAR_SAMPLES").expect("OAR_SAMPLES names a directory with statebox/");
    let mut count = 0;
    for entry in std::fs::read_dir(format!("{samples}/statebox")).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let state = State::parse(&text).unwrap_or_else(|found| panic!("{}: {found:?}", path.display()));
        let release: ReleaseVersion = state.release().unwrap().parse().unwrap();
        let now = at("2026-12-01T00:00:00Z");
        let plan = offline(&release, &state, "sample", now);
        assert_eq!(plan.defects, Vec::<String>::new(), "{}", path.display());
        let approved =
            state.task(T::ChangeAdvisoryStatus).is_some_and(|view| view.status == TaskStatus::Pass);
        if approved {
            assert!(plan.now.is_empty() && plan.people.is_empty(), "{}: {plan:#?}", path.display());
        }
        count += 1;
    }
    assert!(count > 0);
}
