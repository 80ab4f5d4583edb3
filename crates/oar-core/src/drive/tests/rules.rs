//! The contradictions of spec 05 §8.8, by their numbers.

use super::{approvable, at, first, fresh, hours, record, seen, staged, words};
use crate::config::{DrivePolicy, Leave};
use crate::drive::case::{Case, Recommendation};
use crate::drive::facts::{Alerts, ApprovalGates, JobView, Promotion, Tests};
use crate::drive::verdict::{Act, Decided, ToDo, Verdict};
use crate::flow::nodes::{Node, Who};
use crate::operators::shipment::ReleaseState;
use crate::statebox::{
    DecisionKind, NewWait, NodeName, Notification, NotificationState, ReasonClass, RunEnd, RunOutcome,
    RunStart, State, Subject, TaskName as T, TaskStatus, Verdict as Decision,
};

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
    // That its result is not available is no blocker.
    let mut world = fresh();
    world.facts.candidate_tests = seen(Tests::Absent, world.now);
    let ToDo::Run { command, .. } = world.of(T::AnalyzeCandidateBuild).to_do else { panic!() };
    assert!(command.ends_with("--task analyze-candidate-build --no-blocker"), "{command}");
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
        // One that is found there is followed, by a run that starts none.
        let found = seen(JobView::Found("the job 7".to_owned()), world.now);
        (world.facts.consistency_job, world.facts.stage_job) = (found.clone(), found);
        let plan = world.of(task);
        assert!(matches!(plan.to_do, ToDo::Run { only_looks: true, .. }), "{plan:?}");
        // Of several a person names one.
        let several = seen(JobView::Several("the job 7, the job 8".to_owned()), world.now);
        (world.facts.consistency_job, world.facts.stage_job) = (several.clone(), several);
        let plan = world.of(task);
        assert_eq!(plan.verdict.name(), "asks", "{plan:?}");
        let ToDo::Answer { command: Some(command) } = &plan.to_do else { panic!("{plan:?}") };
        assert!(command.contains(" -n BUILD") || command.contains(" -i JOB_ID"), "{command}");
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
        until: at("2026-07-09T00:00:00Z"),
        next_check: world.now + hours(1),
    };
    let _ = world.state().begin_wait(T::ChangeAdvisoryStatus, &wait);
    world.now = at("2026-07-06T00:59:59Z");
    assert_eq!(world.of(T::ChangeAdvisoryStatus).to_do, ToDo::Nothing, "no look is due");
    world.now = at("2026-07-08T23:59:59Z");
    let plan = world.of(T::ChangeAdvisoryStatus);
    assert_eq!((plan.verdict.name(), plan.deadline.as_deref()), ("running", Some("2026-07-09T00:00:00Z")));
    // The look at the deadline asks people and ends the wait; nobody fails.
    world.now = at("2026-07-09T00:00:00Z");
    let plan = world.of(T::ChangeAdvisoryStatus);
    assert_eq!((plan.verdict.name(), &plan.act), ("running", &Act::CarryOn));
    assert!(matches!(plan.to_do, ToDo::Run { only_looks: true, .. }), "{plan:?}");
    world.policy.steps.insert("change-advisory-status".to_owned(), Leave::Never);
    let plan = world.of(T::ChangeAdvisoryStatus);
    assert!(matches!(plan.to_do, ToDo::Run { only_looks: true, .. }), "nobody else goes on: {plan:?}");
    // What it rests on has changed: it is not approved, however long it waited.
    world.policy = DrivePolicy::default();
    world.judge(T::AnalyzePromotedBuild, "tests", "something else");
    let plan = world.of(T::ChangeAdvisoryStatus);
    assert_eq!((plan.verdict.name(), &plan.to_do), ("running", &ToDo::Nothing));
    assert!(plan.note.unwrap().contains("analyze-promoted-build"));
}

#[test]
fn an_approval_whose_run_was_killed_begins_anew_and_one_whose_wait_is_over_asks() {
    let mut world = approvable();
    world.killed(T::ChangeAdvisoryStatus);
    assert_eq!(world.of(T::ChangeAdvisoryStatus).verdict, Verdict::Ready);
    let mut world = approvable();
    world.run(T::ChangeAdvisoryStatus, 1, RunOutcome::InProgress, None);
    let plan = world.of(T::ChangeAdvisoryStatus);
    assert_eq!(plan.verdict.name(), "asks");
    assert!(matches!(plan.to_do, ToDo::Answer { command: Some(command) } if command.ends_with("--wait")));
}

#[test]
fn an_approval_that_the_python_tooling_has_begun_since_our_last_run_is_left_alone() {
    for outcome in [Some(RunOutcome::Fail), Some(RunOutcome::InProgress), None] {
        let mut world = approvable();
        match outcome {
            Some(outcome) => world.run(T::ChangeAdvisoryStatus, 1, outcome, None),
            None => world.killed(T::ChangeAdvisoryStatus),
        }
        // As it writes: the status and when it began, and no run.
        let text = world.state().to_yaml();
        let text = text.replace("status: Fail", "status: In Progress");
        let ours = "started_at: '2026-07-06T10:00:00Z'";
        assert!(text.contains(ours), "{text}");
        world.state = Some(State::parse(&text.replace(ours, "started_at: '2026-07-06T11:00:00Z'")).unwrap());
        let plan = world.of(T::ChangeAdvisoryStatus);
        assert_eq!((plan.verdict.name(), &plan.to_do), ("running", &ToDo::Nothing), "{outcome:?}: {plan:?}");
    }
}

#[test]
fn another_reason_against_the_approval_is_another_question() {
    let closed = |why: &str, next: &[&str]| {
        let mut world = approvable();
        let next: Vec<String> = next.iter().map(|next| (*next).to_owned()).collect();
        let (why, about) = (why.to_owned(), next.clone());
        world.facts.approval_gates = seen(ApprovalGates::Closed { why, next, about }, world.now);
        world.of(T::ChangeAdvisoryStatus)
    };
    let verify = "have them verified, drop them with `drop-bugs`, or accept each with --accept-bug KEY";
    let ask = "ART moves it to QE, then `push-to-cdn-staging` pushes it";
    let two =
        "2 of 40 bugs are not Verified, Closed or Release Pending: OCPBUGS-1 (ON_QA), OCPBUGS-2 (no status)";
    let one = "1 of 40 bugs are not Verified, Closed or Release Pending: OCPBUGS-2 (ON_QA)";
    let new = "advisory 3 (rpm) is in NEW_FILES";
    let both = |bugs: &str| format!("2 things stand in the way: (1) {new}; (2) {bugs}");
    let (first, fewer) = (closed(two, &[verify]), closed(one, &[verify]));
    assert_eq!(first.topic, fewer.topic, "bugs change their state from look to look");
    let (more, later) = (closed(&both(two), &[ask, verify]), closed(&both(one), &[verify, ask]));
    assert_eq!(more.topic, later.topic);
    for other in [&more, &closed(new, &[ask])] {
        assert_ne!(first.topic, other.topic);
    }
    // Without a next step the reason counts, as far as it names nothing.
    assert_eq!(closed(two, &[]).topic, closed(one, &[]).topic);
    assert_ne!(closed(two, &[]).topic, closed(new, &[]).topic);
    let ToDo::Answer { command: Some(command) } = &first.to_do else { panic!("{first:?}") };
    assert_eq!(command, "oar -r 4.19.1 change-advisory-status --dry-run");
    assert!(words(&first).contains(&format!("{two}: {verify}")), "{first:?}");
    // The same for a run that was refused.
    let refused = |why: &str| {
        let mut world = approvable();
        let _ = world.facts.refused.insert(Node::Task(T::ChangeAdvisoryStatus), why.to_owned());
        world.policy.steps.insert("change-advisory-status".to_owned(), Leave::Auto);
        world.of(T::ChangeAdvisoryStatus)
    };
    assert_eq!(refused(two).verdict.name(), "blocked");
    assert_eq!(refused(two).topic, refused(one).topic);
    assert_ne!(refused(two).topic, refused(new).topic);
    let notes = "the release notes are not approved";
    let other = format!("2 things stand in the way: (1) {new}; (2) {notes}");
    assert_eq!(refused(&both(two)).topic, refused(&both(one)).topic);
    assert_ne!(refused(&both(two)).topic, refused(&other).topic, "another obstacle is another question");
    let issue = |text: &str| refused(&format!("an open issue blocks it: {text}")).topic;
    assert_ne!(issue("the builds are wrong"), issue("the notes are wrong"));
}

#[test]
fn an_obstacle_without_a_next_step_is_a_question_beside_one_that_has_one() {
    let closed = |about: &[&str]| {
        let mut world = approvable();
        let (why, next) = ("it is blocked".to_owned(), vec!["accept it".to_owned()]);
        let about = about.iter().map(|about| (*about).to_owned()).collect();
        world.facts.approval_gates = seen(ApprovalGates::Closed { why, next, about }, world.now);
        world.of(T::ChangeAdvisoryStatus).topic
    };
    let first = closed(&["accept it", "OCPBUGS-1 (ON_QA) has no contact"]);
    assert_ne!(first, closed(&["accept it"]));
    assert_ne!(first, closed(&["accept it", "the notes are wrong"]));
    let more = ["OCPBUGS-2 has no contact", "accept it", "OCPBUGS-3 (no status) has no contact"];
    assert_eq!(first, closed(&more));
}

#[test]
fn a_report_whose_run_was_killed_is_run_again_and_one_of_another_program_is_done() {
    let mut world = fresh();
    let task = T::CreateTestReport;
    assert_eq!(world.of(task).verdict, Verdict::Done);
    world.killed(task);
    let plan = world.of(task);
    assert!(matches!(plan.to_do, ToDo::Run { only_looks: true, .. }), "{plan:?}");
    world.run(task, 1, RunOutcome::Pass, None);
    assert_eq!(world.of(task).verdict, Verdict::Done);
    // Its run has ended, and only its message has not arrived: the task is not tracked, so its status stays.
    let mut world = fresh();
    world.killed(task);
    let notification = Notification {
        key: "announced".to_owned(),
        state: NotificationState::Pending,
        channel: "#qe".to_owned(),
        ts: None,
        at: "2026-07-06T10:00:00Z".to_owned(),
        thread: None,
        text: Some("the StateBox is made".to_owned()),
    };
    let end = RunEnd {
        run: RunStart {
            id: format!("killed-{task}"),
            started: world.now - hours(2),
            by: "tester".to_owned(),
            command: task.id().to_owned(),
            force: false,
        },
        finished: world.now - hours(1),
        outcome: RunOutcome::Pass,
        status: None,
        class: None,
        reason: None,
        result: None,
        notifications: vec![notification],
        links: Vec::new(),
        done: Vec::new(),
    };
    let _ = world.state().finish_run(task, &end);
    assert_eq!(world.state().task(task).unwrap().status, TaskStatus::InProgress);
    assert_eq!(world.of(task).verdict, Verdict::Done);
}

#[test]
fn an_approval_that_waits_for_its_page_does_not_wait_for_bugs_to_be_dropped() {
    let mut world = approvable();
    world.set(T::DropBugs, TaskStatus::NotStarted);
    assert_eq!(world.of(T::ChangeAdvisoryStatus).verdict.name(), "waiting");
    world.set(T::ChangeAdvisoryStatus, TaskStatus::InProgress);
    let wait = NewWait {
        condition: "the metadata URL".to_owned(),
        since: world.now,
        until: world.now + hours(48),
        next_check: world.now,
    };
    let _ = world.state().begin_wait(T::ChangeAdvisoryStatus, &wait);
    for status in [TaskStatus::NotStarted, TaskStatus::Fail] {
        world.set(T::DropBugs, status);
        let plan = world.of(T::DropBugs);
        assert_eq!(plan.verdict.name(), "not_applicable", "{status}");
        assert!(words(&plan).contains("the approval has begun without it"), "{plan:?}");
        let plan = world.of(T::ChangeAdvisoryStatus);
        assert!(matches!(plan.to_do, ToDo::Run { only_looks: true, .. }), "{status}: {plan:?}");
    }
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
fn a_hurried_fix_goes_on_by_waiver_and_its_date_does_not_hold_it_back() {
    let mut world =
        staged().passed(&[T::ImageConsistencyCheck, T::StageTesting, T::ImageSignedCheck, T::DropBugs]);
    world.facts.tests = seen(Tests::Absent, world.now);
    world.waive(T::AnalyzePromotedBuild);
    let mut one = world.clone();
    world.waive(T::AnalyzeCandidateBuild);
    assert_eq!(world.of(T::ChangeAdvisoryStatus).verdict, Verdict::Ready);
    assert_eq!(world.plan(Node::Aggregated).verdict.name(), "not_applicable");
    world.now = at("2026-07-05T12:00:00Z");
    assert_eq!(world.of(T::ChangeAdvisoryStatus).verdict, Verdict::Ready);
    // With only one of them waived, a person decides about the date.
    one.pass(T::AnalyzeCandidateBuild);
    one.now = world.now;
    let plan = one.of(T::ChangeAdvisoryStatus);
    assert_eq!((plan.verdict.name(), plan.person), ("asks", Some(Who::Leads)));
}

#[test]
fn a_recorded_waiver_counts_like_a_written_one_until_it_is_over_or_taken_back() {
    let mut world = approvable();
    for task in [T::AnalyzePromotedBuild, T::StageTesting] {
        world.set(task, TaskStatus::NotStarted);
    }
    world.facts.tests = seen(record(true, Some(false), false), world.now);
    world.issue("stage is down", true, &[T::StageTesting]);
    assert_eq!(world.of(T::ChangeAdvisoryStatus).verdict.name(), "blocked");
    let until = Some("2026-07-06".parse().unwrap());
    world.decide(Subject::Waiver { task: T::AnalyzePromotedBuild, until });
    world.decide(Subject::Waiver { task: T::StageTesting, until: None });
    for task in [T::AnalyzePromotedBuild, T::StageTesting] {
        let plan = world.of(task);
        let why = "waived by lead: two known flakes".to_owned();
        assert_eq!(plan.verdict, Verdict::NotApplicable { why });
        assert_eq!((plan.evidence[0].field.as_str(), plan.evidence.len()), ("decisions", 1), "{plan:#?}");
        assert_eq!(plan.evidence[0].at.as_deref(), Some("2026-07-06T11:00:00Z"));
    }
    assert_eq!(world.plan(Node::Accepted).verdict.name(), "not_applicable");
    assert_eq!(world.of(T::ChangeAdvisoryStatus).verdict, Verdict::Ready);
    world.now = at("2026-07-07T00:00:00Z");
    assert_eq!(world.of(T::AnalyzePromotedBuild).verdict.name(), "asks", "its time is over");
    let now = world.now;
    let task = Some(NodeName::Task(T::StageTesting));
    let _ = world.state().withdraw_decisions(DecisionKind::Waiver, task, "lead", now);
    assert_eq!(world.of(T::StageTesting).verdict.name(), "blocked", "it is taken back");
}

#[test]
fn a_build_that_a_person_accepts_or_rejects_is_recorded_so() {
    for task in [T::AnalyzePromotedBuild, T::AnalyzeCandidateBuild] {
        for (verdict, accepted, word) in
            [(Decision::Accept, true, "accept"), (Decision::Reject, false, "reject")]
        {
            let mut world = staged();
            // Whatever the record says, and whatever stands in the way of a run.
            let bad = seen(record(true, Some(!accepted), false), world.now);
            (world.facts.tests, world.facts.candidate_tests) = (bad.clone(), bad);
            world.issue("everything stops", true, &[]);
            world.policy.steps.insert(task.id().to_owned(), Leave::Ask);
            world.verdict(task, verdict);
            let plan = world.of(task);
            assert_eq!(plan.verdict, Verdict::Ready);
            assert!(matches!(plan.to_do, ToDo::Run { only_looks: true, .. }), "{plan:#?}");
            let Act::Decided(decided) = &plan.act else { panic!("{plan:#?}") };
            let reason = format!("{word} by lead: two known flakes (https://prow.example.test/view/1)");
            assert_eq!((decided.accepted, &decided.reason), (accepted, &reason));
            assert_eq!((plan.evidence[0].field.as_str(), &plan.evidence[0].value), ("decisions", &reason));
        }
    }
}

#[test]
fn a_rejection_stops_what_is_new_at_once_and_an_acceptance_lets_it_go_on() {
    let mut world = staged();
    world.verdict(T::AnalyzePromotedBuild, Decision::Reject);
    assert_eq!(world.of(T::StageTesting).verdict.name(), "blocked");
    world.set(T::AnalyzePromotedBuild, TaskStatus::Fail);
    world.now += hours(1);
    world.facts.tests = seen(record(true, Some(false), false), world.now);
    assert_eq!(world.plan(Node::Accepted).verdict.name(), "waiting");
    assert_eq!(world.plan(Node::Accepted).person, None, "who decides is asked once, by the task");
    world.verdict(T::AnalyzePromotedBuild, Decision::Accept);
    assert_eq!(world.of(T::StageTesting).verdict, Verdict::Ready);
    assert_eq!(world.plan(Node::Accepted).verdict.name(), "not_applicable");
    assert!(matches!(world.of(T::AnalyzePromotedBuild).act, Act::Decided(Decided { accepted: true, .. })));
    // Once it is recorded it is done, and what a person sets later counts.
    let id = world.state().verdict(NodeName::Task(T::AnalyzePromotedBuild)).unwrap().id;
    let run = RunStart {
        id,
        started: world.now - hours(2),
        by: "engine".to_owned(),
        command: "drive".to_owned(),
        force: false,
    };
    let end = RunEnd {
        finished: run.started,
        run,
        outcome: RunOutcome::Pass,
        status: Some(TaskStatus::Pass),
        class: None,
        reason: None,
        result: None,
        notifications: Vec::new(),
        links: Vec::new(),
        done: Vec::new(),
    };
    let _ = world.state().finish_run(T::AnalyzePromotedBuild, &end);
    let plan = world.of(T::AnalyzePromotedBuild);
    assert_eq!(plan.verdict, Verdict::Done, "also when the clock of the engine is slow: {plan:#?}");
    world.now += hours(1);
    world.set(T::AnalyzePromotedBuild, TaskStatus::Fail);
    assert_eq!(world.of(T::AnalyzePromotedBuild).verdict.name(), "asks");
}

#[test]
fn who_looks_further_is_asked_again_after_a_day() {
    let mut world = staged();
    world.facts.tests = seen(record(true, Some(false), false), world.now);
    world.verdict(T::AnalyzePromotedBuild, Decision::Wait);
    for node in [Node::Task(T::AnalyzePromotedBuild), Node::Accepted] {
        let plan = world.plan(node);
        assert_eq!((plan.verdict.name(), plan.person), ("waiting", None), "{plan:#?}");
        assert!(plan.next_look.is_some(), "{plan:#?}");
    }
    // A person has said that it is not clear, so a record that is good by now decides nothing.
    let mut good = world.clone();
    good.facts.tests = seen(record(true, Some(true), false), world.now);
    assert_eq!(good.of(T::AnalyzePromotedBuild).verdict.name(), "waiting");
    world.now += hours(23);
    let plan = world.of(T::AnalyzePromotedBuild);
    assert_eq!((plan.verdict.name(), plan.person), ("asks", Some(Who::Leads)), "{plan:#?}");
    assert!(words(&plan).contains("by lead: two known flakes"), "{plan:#?}");
    let ToDo::Answer { command: Some(command) } = &plan.to_do else { panic!("{plan:#?}") };
    assert_eq!(command, "oar -r 4.19.1 decide analyze-promoted-build VERDICT --reason TEXT");
}

#[test]
fn a_build_that_has_changed_since_can_be_accepted_again() {
    let mut world = staged();
    world.pass(T::AnalyzePromotedBuild);
    world.judge(T::AnalyzePromotedBuild, "tests", "accepted");
    world.facts.tests = seen(record(true, Some(false), false), world.now);
    assert_eq!(world.of(T::AnalyzePromotedBuild).verdict.name(), "asks");
    world.now += hours(2);
    world.verdict(T::AnalyzePromotedBuild, Decision::Accept);
    assert!(matches!(world.of(T::AnalyzePromotedBuild).act, Act::Decided(Decided { accepted: true, .. })));
}

#[test]
fn a_decision_about_another_step_is_noted_and_changes_nothing() {
    let mut world = staged();
    let before = world.of(T::StageTesting);
    world.verdict(T::StageTesting, Decision::Accept);
    let plan = world.of(T::StageTesting);
    assert_eq!((&plan.verdict, &plan.to_do), (&before.verdict, &before.to_do));
    assert_eq!(plan.note.as_deref(), Some("accept by lead: two known flakes"));
}

#[test]
fn a_rejected_build_starts_nothing_new_and_lets_run_what_runs() {
    let mut world = staged();
    world.set(T::ImageConsistencyCheck, TaskStatus::InProgress);
    world.job(T::ImageConsistencyCheck, |job| job.id = Some("1".to_owned()));
    world.facts.consistency_job = seen(JobView::Running("pending".to_owned()), world.now);
    world.set(T::AnalyzePromotedBuild, TaskStatus::Fail);
    assert_eq!(world.of(T::ImageConsistencyCheck).verdict.name(), "running");
    let plan = world.of(T::StageTesting);
    assert_eq!((plan.verdict.name(), plan.person), ("blocked", Some(Who::Leads)), "{plan:#?}");
    assert_eq!(world.of(T::AnalyzePromotedBuild).verdict.name(), "asks");
    assert_eq!(world.of(T::AnalyzeCandidateBuild).verdict, Verdict::Ready);
    world.waive(T::AnalyzePromotedBuild);
    assert_eq!(world.of(T::StageTesting).verdict, Verdict::Ready);
}

#[test]
fn a_general_blocker_stops_what_failed_from_beginning_anew() {
    let mut world = staged();
    world.run(T::StageTesting, 1, RunOutcome::Fail, Some(ReasonClass::Infrastructure));
    assert_eq!(world.of(T::StageTesting).verdict.name(), "failed");
    world.issue("everything stops", true, &[]);
    assert_eq!(world.of(T::StageTesting).verdict.name(), "blocked");
}

#[test]
fn a_rejected_build_comes_with_its_case() {
    let mut world = staged();
    world.set(T::AnalyzePromotedBuild, TaskStatus::NotStarted);
    let Tests::Record { blob, aggregated, accepted, by_hand, since, .. } = record(true, Some(false), false)
    else {
        panic!("a record")
    };
    let case = Case {
        recommendation: Recommendation::Reject,
        reasons: vec!["1 scenario failed everywhere".to_owned()],
        scenarios: Vec::new(),
        unexplained: Vec::new(),
        flaky_jobs: Vec::new(),
    };
    let case = Some(Box::new(case));
    world.facts.tests = seen(Tests::Record { blob, aggregated, accepted, by_hand, since, case }, world.now);
    let plan = world.of(T::AnalyzePromotedBuild);
    assert!(words(&plan).contains("recommended: reject (1 scenario failed everywhere)"), "{plan:?}");
    assert_eq!(plan.person, Some(Who::Leads));
    assert!(plan.case.is_some());
}
