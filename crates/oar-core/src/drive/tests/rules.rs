//! The contradictions of spec 05 §8.8, by their numbers.

use super::{approvable, at, first, fresh, hours, record, seen, staged};
use crate::drive::facts::{Alerts, JobView, Promotion, Tests};
use crate::drive::verdict::{ToDo, Verdict};
use crate::flow::nodes::{Node, Who};
use crate::operators::shipment::ReleaseState;
use crate::statebox::{NewWait, ReasonClass, RunOutcome, TaskName as T, TaskStatus};

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
