//! What was judged changes afterwards.

use super::{FIRST, World, approvable, first, hours, metadata, record, seen, staged, unavailable};
use crate::drive::facts::{BuildData, FactKey, Pushes, Tests};
use crate::drive::verdict::{NodePlan, ToDo, Verdict};
use crate::flow::nodes::Node;
use crate::statebox::{NewWait, RunOutcome, TaskName as T, TaskStatus};

fn commands(plan: &NodePlan) -> Vec<&str> {
    match &plan.to_do {
        ToDo::Answer { command } => command.as_deref().into_iter().collect(),
        _ => Vec::new(),
    }
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
    assert!(plan.stale.as_ref().unwrap().contains("advisory_ids.rpm: 1 -> 7"));
    let accept = "oar -r 4.19.1 push-to-cdn-staging --accept-metadata";
    assert_eq!(commands(&plan), [accept], "what is shown must answer it");
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
    let plan = world.of(T::PushToCdnStaging);
    assert_eq!(plan.verdict.name(), "asks");
    let keep = "oar -r 4.19.1 task set push-to-cdn-staging Pass --reason TEXT";
    assert_eq!(commands(&plan), [keep]);
    world.now = now + hours(2);
    world.set(T::PushToCdnStaging, TaskStatus::Pass);
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
fn what_cannot_be_compared_is_said_and_undoes_nothing() {
    for (task, subject, key) in [
        (T::AnalyzePromotedBuild, "tests", FactKey::Tests),
        (T::ImageSignedCheck, "digest", FactKey::Promotion),
        (T::StageTesting, "sha", FactKey::StageRelease),
        (T::PushToCdnStaging, "advisories", FactKey::BuildData),
    ] {
        let mut world = approvable();
        world.judge(task, subject, "as it was");
        world.facts.set_unknown(key, unavailable(&world));
        let plan = world.of(task);
        assert_eq!(plan.verdict, Verdict::Done, "{task}");
        let note = plan.note.unwrap_or_default();
        assert!(
            note.contains(&format!("whether {subject} is still as it was cannot be determined")),
            "{note}"
        );
    }
}

#[test]
fn another_commit_with_the_same_images_is_not_stale() {
    for task in [T::ImageConsistencyCheck, T::StageTesting] {
        let mut world = approvable();
        world.judge(task, "sha", "0ld");
        assert_eq!(world.of(task).verdict.name(), "asks", "{task}");
        let mut stage = world.facts.stage_release.value().unwrap().clone();
        stage.same_images.insert("0ld".to_owned());
        world.facts.stage_release = seen(stage, world.now);
        assert_eq!(world.of(task).verdict, Verdict::Done, "{task}");
        world.judge(task, "sha", "0lder");
        assert_eq!(world.of(task).verdict.name(), "asks", "{task}: that one was not compared");
    }
}

#[test]
fn a_replaced_advisory_that_is_pushed_days_later_is_not_late_at_once() {
    let task = T::PushToCdnStaging;
    let mut world = first();
    world.run(task, 1, RunOutcome::InProgress, None);
    world.now += hours(72);
    let running = vec!["advisory 1".to_owned()];
    world.facts.pushes = seen(Pushes { total: 1, running, ..Pushes::default() }, world.now);
    assert_eq!(world.of(task).verdict.name(), "asks", "the first push takes three days");
    world.run(task, 2, RunOutcome::InProgress, None);
    assert_eq!(world.of(task).verdict.name(), "asks", "another run of the same push does not make it newer");
    for (change, expected) in [("candidate_builds", "asks"), ("advisory_ids", "running")] {
        let mut changed = world.state().metadata();
        if change == "advisory_ids" {
            let _ = changed.advisory_ids.insert("rpm".to_owned(), 7);
        } else {
            let _ = changed.candidate_builds.insert("x86_64".to_owned(), "another".to_owned());
        }
        let now = world.now;
        let _ = world.state().take_metadata(&changed, now, "tester");
        world.facts.build_data =
            seen(BuildData::Present { metadata: Box::new(changed), has_owner: true }, now);
        // What comes before the push is judged again.
        world.now += hours(2);
        world = world.passed(FIRST);
        assert_eq!(world.of(task).verdict.name(), expected, "{change}");
    }
    world.now += hours(48);
    assert_eq!(world.of(task).verdict.name(), "asks");
}

#[test]
fn the_mark_of_a_promotion_by_hand_is_waited_for_from_the_change_of_its_record_on() {
    for (ago, expected) in [(Some(11), "waiting"), (Some(12), "asks"), (None, "waiting")] {
        let mut world = approvable();
        let Tests::Record { blob, .. } = record(false, None, true) else { panic!("a record") };
        let since = ago.map(|ago| world.now - hours(ago));
        let tests =
            Tests::Record { blob, aggregated: false, accepted: None, by_hand: true, since, case: None };
        world.facts.tests = seen(tests, world.now);
        let plan = world.plan(Node::Aggregated);
        let is_asked = expected == "asks";
        assert_eq!((plan.verdict.name(), plan.person.is_some()), (expected, is_asked), "{ago:?}: {plan:?}");
    }
}

/// The shipment at another commit, of which GitLab cannot say whether it differs from `0ld`.
fn uncompared(world: &mut World) {
    let mut stage = world.facts.stage_release.value().unwrap().clone();
    stage.uncompared.insert("0ld".to_owned(), "GitLab: 503".to_owned());
    world.facts.stage_release = seen(stage, world.now);
}

#[test]
fn a_commit_that_could_not_be_compared_changes_no_verdict_and_lets_nobody_approve() {
    for (task, other) in
        [(T::ImageConsistencyCheck, T::StageTesting), (T::StageTesting, T::ImageConsistencyCheck)]
    {
        let mut world = approvable();
        assert_eq!(world.of(T::ChangeAdvisoryStatus).verdict, Verdict::Ready);
        world.judge(task, "sha", "0ld");
        uncompared(&mut world);
        let plan = world.of(task);
        assert_eq!(plan.verdict, Verdict::Done, "{task}");
        assert!(plan.note.unwrap().contains("cannot be determined: GitLab: 503"), "{task}");
        assert_eq!(world.plan(Node::StageRelease).verdict, Verdict::Done);
        let approval = world.of(T::ChangeAdvisoryStatus);
        assert!(matches!(approval.verdict, Verdict::Waiting { unknown: true, .. }), "{approval:?}");
        assert_eq!((&approval.to_do, approval.person), (&ToDo::Nothing, None), "{approval:?}");
        assert!(approval.next_look.is_some() && approval.lacks.is_some(), "{approval:?}");
        // What is known to have changed stays stale.
        world.judge(other, "sha", "0lder");
        assert_eq!(world.of(other).verdict.name(), "asks", "{other}");
    }
}

#[test]
fn an_approval_that_waits_is_not_carried_on_while_a_commit_cannot_be_compared() {
    let mut world = approvable();
    world.set(T::ChangeAdvisoryStatus, TaskStatus::InProgress);
    let now = world.now;
    let condition = "the metadata URL".to_owned();
    let wait = NewWait { condition, since: now, until: now + hours(48), next_check: now };
    let _ = world.state().begin_wait(T::ChangeAdvisoryStatus, &wait);
    let carries_on = |world: &World| matches!(world.of(T::ChangeAdvisoryStatus).to_do, ToDo::Run { .. });
    assert!(carries_on(&world));
    uncompared(&mut world);
    assert!(!carries_on(&world));
    let plan = world.of(T::ChangeAdvisoryStatus);
    assert!(plan.note.as_ref().unwrap().contains("still ships what was tested"), "{plan:?}");
    assert!(plan.next_look.is_some());
    // Whoever looks after the deadline asks people.
    world.now = plan.deadline.unwrap().parse().unwrap();
    assert!(carries_on(&world));
}

#[test]
fn tests_that_were_started_again_are_waited_for_and_nobody_is_asked() {
    let task = T::AnalyzePromotedBuild;
    for (tests, expected) in [
        (record(true, Some(true), false), "done"),
        (record(false, None, false), "waiting"),
        (record(true, Some(false), false), "asks"),
    ] {
        let mut world = approvable();
        world.judge(task, "tests", "accepted");
        world.facts.tests = seen(tests, world.now);
        let plan = world.of(task);
        assert_eq!((plan.verdict.name(), plan.person.is_some()), (expected, expected == "asks"));
        let approval = world.of(T::ChangeAdvisoryStatus);
        assert_eq!(approval.verdict.name() == "ready", expected == "done", "{approval:?}");
    }
}
