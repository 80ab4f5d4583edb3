//! What the engine may do by itself.

use super::{World, hours, seen, staged};
use crate::config::Leave;
use crate::drive::facts::DropsView;
use crate::drive::plan::check_policy;
use crate::drive::verdict::ToDo;
use crate::flow::nodes::{Node, ROWS, Who};
use crate::statebox::{NewConsent, RunOutcome, TaskName as T, TaskStatus};

#[test]
fn the_policy_says_what_runs_by_itself() {
    let mut world = staged();
    assert!(matches!(world.of(T::StageTesting).to_do, ToDo::Consent { .. }));
    assert_eq!(world.of(T::StageTesting).person, Some(Who::Owner));
    world.policy.steps.insert("stage-testing".to_owned(), Leave::Auto);
    let plan = world.of(T::StageTesting);
    assert!(matches!(plan.to_do, ToDo::Run { only_looks: false, .. }), "{plan:?}");
    assert_eq!(plan.person, None);
    world.policy.steps.insert("stage-testing".to_owned(), Leave::Never);
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
    world.policy.steps.insert("stage-testin".to_owned(), Leave::Auto);
    assert!(check_policy(&world.policy).unwrap_err().to_string().contains("drive.stage-testin"));
}

#[test]
fn nobody_is_asked_to_drop_nothing() {
    let mut world = staged().passed(&[T::ImageConsistencyCheck, T::StageTesting]);
    assert!(matches!(world.of(T::DropBugs).to_do, ToDo::Consent { .. }));
    world.facts.drops = seen(DropsView::Steps(Vec::new()), world.now);
    let plan = world.of(T::DropBugs);
    assert!(matches!(plan.to_do, ToDo::Run { only_looks: true, .. }), "{plan:?}");
    assert_eq!(plan.person, None);
}

#[test]
fn a_merge_request_of_drop_bugs_is_waited_for_and_nothing_is_recorded() {
    let mut world = staged().passed(&[T::ImageConsistencyCheck, T::StageTesting]);
    world.run(T::DropBugs, 1, RunOutcome::InProgress, None);
    world.facts.drops = seen(DropsView::Waits, world.now);
    let plan = world.of(T::DropBugs);
    assert_eq!((plan.verdict.name(), &plan.to_do, plan.person), ("running", &ToDo::Nothing, None));
    assert!(plan.next_look.is_some());
    assert_eq!(world.of(T::ChangeAdvisoryStatus).verdict.name(), "waiting");
    // It ran two hours ago.
    world.now += hours(10);
    let plan = world.of(T::DropBugs);
    assert_eq!((plan.verdict.name(), plan.person), ("asks", Some(Who::Owner)), "{plan:?}");
}

#[test]
fn a_refusal_of_drop_bugs_is_told_and_its_bugs_are_no_other_question() {
    let refused = |why: &str| {
        let mut world = staged().passed(&[T::ImageConsistencyCheck, T::StageTesting]);
        world.facts.drops = seen(DropsView::Refused(why.to_owned()), world.now);
        world.of(T::DropBugs)
    };
    let locked =
        |bugs: &str| refused(&format!("advisory 1 (rpm) is in REL_PREP, so these bugs stay: {bugs}"));
    let plan = locked("OCPBUGS-1, OCPBUGS-2");
    assert_eq!((plan.verdict.name(), plan.person), ("blocked", Some(Who::Owner)));
    let ToDo::Answer { command: Some(command) } = &plan.to_do else { panic!("{plan:?}") };
    assert_eq!(command, "oar -r 4.19.1 drop-bugs --dry-run");
    assert!(plan.next_look.is_some(), "it goes on looking");
    assert_eq!(plan.topic, locked("OCPBUGS-1").topic);
    assert_ne!(plan.topic, refused("the release to production was attempted: !1 has the label x").topic);
}

#[test]
fn what_needs_a_consent_runs_only_with_one_that_is_valid() {
    let mut world = staged();
    world.set(T::PushToCdnStaging, TaskStatus::NotStarted);
    assert!(matches!(world.of(T::PushToCdnStaging).to_do, ToDo::Consent { .. }));
    let consent = NewConsent {
        id: "c".to_owned(),
        command: T::PushToCdnStaging.id().to_owned(),
        plan: "0".repeat(64),
        by: "lead".to_owned(),
        at: world.now,
    };
    let _ = world.state().record_consent(T::PushToCdnStaging, &consent);
    let plan = world.of(T::PushToCdnStaging);
    assert!(matches!(plan.to_do, ToDo::Run { only_looks: false, .. }), "{plan:?}");
    assert_eq!(plan.person, None, "it was answered");
    world.now += hours(25);
    assert!(matches!(world.of(T::PushToCdnStaging).to_do, ToDo::Consent { .. }), "its time is over");
}

#[test]
fn a_refused_run_is_told_with_its_reason() {
    let mut world = staged();
    world.policy.steps.insert("stage-testing".to_owned(), Leave::Auto);
    let node = Node::Task(T::StageTesting);
    let _ = world.facts.refused.insert(node, "the kernel has a stop tag".to_owned());
    let plan = world.of(T::StageTesting);
    assert_eq!(plan.verdict.name(), "blocked");
    assert_eq!(plan.person, Some(Who::Owner));
    assert!(plan.next_look.is_some(), "it is tried again");
    // Nothing is refused that nobody would run.
    world.pass(T::StageTesting);
    assert_eq!(world.of(T::StageTesting).verdict.name(), "done");
}
