//! What failed is tried again, or not.

use jiff::{SignedDuration, Timestamp};

use super::{World, fresh, hours, staged};
use crate::drive::verdict::{NodePlan, ToDo, Verdict};
use crate::flow::nodes::Who;
use crate::statebox::{ReasonClass, RunOutcome, TaskName as T, TaskStatus};

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
    let again = |task: &str| ToDo::Answer { command: Some(format!("oar -r 4.19.1 {task}")) };
    assert_eq!((plan.person, &plan.to_do), (Some(Who::Owner), &again("stage-testing")));
    world.issue("the cluster was broken", true, &[T::StageTesting]);
    let now = world.now;
    let _ = world.state().resolve_issue("the cluster was broken", "repaired", now).unwrap();
    assert!(matches!(world.of(T::StageTesting).verdict, Verdict::Failed { tries_left: 1, .. }));
}

#[test]
fn the_end_of_a_job_that_two_engines_have_recorded_counts_once() {
    let task = T::ImageConsistencyCheck;
    let infrastructure = Some(ReasonClass::Infrastructure);
    for (second, expected) in [("https://prow.example.test/1", 1), ("https://prow.example.test/2", 0)] {
        let mut world = staged();
        world.run(task, 0, RunOutcome::InProgress, None);
        for (number, page) in [(1, "https://prow.example.test/1"), (2, second)] {
            world.run_about(task, number, RunOutcome::NotStarted, infrastructure, &[page]);
        }
        let plan = world.of(task);
        let Verdict::Failed { tries_left, .. } = plan.verdict else { panic!("{plan:#?}") };
        assert_eq!(tries_left, expected, "{second}");
    }
}

#[test]
fn a_job_that_was_aborted_is_started_once_more_and_then_a_person_is_asked() {
    // An aborted Prow job leaves the task Not Started.
    let mut world = staged();
    let aborted = |world: &mut World, number| {
        world.run(T::ImageConsistencyCheck, number, RunOutcome::InProgress, None);
        world.run(
            T::ImageConsistencyCheck,
            number + 10,
            RunOutcome::NotStarted,
            Some(ReasonClass::Infrastructure),
        );
    };
    aborted(&mut world, 0);
    let plan = world.of(T::ImageConsistencyCheck);
    assert!(matches!(plan.verdict, Verdict::Failed { tries_left: 1, .. }), "{plan:#?}");
    assert!(matches!(plan.to_do, ToDo::Consent { .. }), "{plan:#?}");
    aborted(&mut world, 1);
    let plan = world.of(T::ImageConsistencyCheck);
    assert!(matches!(plan.verdict, Verdict::Failed { tries_left: 0, .. }), "{plan:#?}");
    let again = ToDo::Answer { command: Some("oar -r 4.19.1 image-consistency-check".to_owned()) };
    assert_eq!((&plan.to_do, plan.person), (&again, Some(Who::Owner)));
    // Who puts the task back to the start wants a new job.
    world.set(T::ImageConsistencyCheck, TaskStatus::NotStarted);
    assert_eq!(world.of(T::ImageConsistencyCheck).verdict, Verdict::Ready);
}

#[test]
fn what_fails_by_the_product_or_a_setting_is_never_tried_again() {
    for class in [ReasonClass::Product, ReasonClass::Precondition, ReasonClass::Tool] {
        let mut world = fresh();
        world.run(T::TakeOwnership, 1, RunOutcome::Fail, Some(class));
        let plan = world.of(T::TakeOwnership);
        assert!(matches!(plan.verdict, Verdict::Failed { tries_left: 0, .. }), "{class}: {plan:#?}");
        let again = ToDo::Answer { command: Some("oar -r 4.19.1 take-ownership -e ADDRESS".to_owned()) };
        assert_eq!((&plan.to_do, plan.person), (&again, Some(Who::Owner)), "{class}");
    }
}

#[test]
fn tries_after_infrastructure_have_a_pause_that_grows() {
    let mut world = fresh();
    let now = world.now;
    let minutes = |plan: &NodePlan| {
        let next: Timestamp = plan.next_look.as_ref().unwrap().parse().unwrap();
        // Runs of these tests end two hours before now, but for a minute.
        next.duration_since(now - hours(2) + SignedDuration::from_mins(1)).as_mins()
    };
    for (number, pause) in [(1, 0), (2, 2)] {
        world.now = now;
        world.run(T::TakeOwnership, number, RunOutcome::Fail, Some(ReasonClass::Infrastructure));
        world.now = now - hours(2);
        assert_eq!(minutes(&world.of(T::TakeOwnership)), pause);
    }
    world.now = now;
    world.run(T::TakeOwnership, 3, RunOutcome::Fail, Some(ReasonClass::Infrastructure));
    assert!(matches!(world.of(T::TakeOwnership).verdict, Verdict::Failed { tries_left: 0, .. }));
}

#[test]
fn runs_without_a_verdict_are_repeated_after_a_pause_and_a_person_is_told_in_time() {
    let mut world = fresh();
    let now = world.now;
    for (number, pause) in [(1, 0), (2, 2), (3, 4), (4, 8), (5, 16), (6, 30), (7, 30)] {
        world.now = now;
        world.run(T::TakeOwnership, number, RunOutcome::Unknown, Some(ReasonClass::Infrastructure));
        world.now = now - hours(2);
        let plan = world.of(T::TakeOwnership);
        let due = now - hours(2) + SignedDuration::from_mins(1 + pause);
        assert_eq!(plan.look_at, Some(due), "{number}: {plan:#?}");
        let told = number >= 3;
        assert_eq!(plan.person, told.then_some(Who::Operator), "{number}");
        assert!(matches!(plan.to_do, ToDo::Run { .. }), "it goes on: {plan:#?}");
    }
    world.now = now;
    world.run(T::TakeOwnership, 9, RunOutcome::Pass, None);
    assert_eq!(world.of(T::TakeOwnership).verdict, Verdict::Done);
}
