use super::*;
use crate::clients::errata::{PushJob, PushStatus};
use crate::error::ServiceErrorKind;
use crate::service::Service;
use crate::statebox::TaskStatus;

type World = BTreeMap<AdvisoryId, Result<Known, ServiceError>>;

fn id(number: u64) -> AdvisoryId {
    AdvisoryId::new(number)
}

fn push(statuses: &[&str]) -> StagePush {
    let targets = ["cdn_stage", "cdn_docker_stage"];
    let jobs: Vec<PushJob> = statuses
        .iter()
        .zip(targets)
        .zip(1..)
        .map(|((status, target), id)| PushJob {
            id,
            target: target.to_owned(),
            status: PushStatus::from(*status),
            has_pub_task: true,
            nochannel: false,
            changed: Some("2026-07-01T10:00:00Z".parse().unwrap()),
        })
        .collect();
    StagePush::of(&jobs, Some("2026-06-30T10:00:00Z".parse().unwrap()))
}

/// A complete push whose time is not known.
fn unproven() -> StagePush {
    let job = PushJob {
        id: 1,
        target: "cdn_stage".to_owned(),
        status: PushStatus::Complete,
        has_pub_task: true,
        nochannel: false,
        changed: None,
    };
    StagePush::of(&[job], None)
}

fn advisory(state: &str, statuses: &[&str], blocking: &[u64]) -> Known {
    Known {
        state: AdvisoryState::from(state),
        text_only: false,
        blocking: blocking.iter().copied().map(AdvisoryId::new).collect(),
        push: push(statuses),
    }
}

fn world(advisories: impl IntoIterator<Item = (u64, Known)>) -> World {
    advisories.into_iter().map(|(number, known)| (id(number), Ok(known))).collect()
}

fn plan(own: &[u64], known: &World) -> StagingPlan {
    let own: Vec<(String, AdvisoryId)> =
        own.iter().map(|number| (format!("kind{number}"), id(*number))).collect();
    assemble(&own, known)
}

fn standing(plan: &StagingPlan, number: u64) -> &StagingStatus {
    &plan.advisories.iter().find(|advisory| advisory.id == id(number)).unwrap().standing
}

#[test]
fn the_decision_table_of_one_advisory() {
    for (state, statuses, expected) in [
        ("QE", &[][..], "to_push"),
        ("QE", &["FAILED", "COMPLETE"], "to_push"),
        ("REL_PREP", &["POST_PUSH_FAILED"], "complete"),
        ("SHIPPED_LIVE", &[], "to_push"),
        ("QE", &["COMPLETE", "COMPLETE"], "complete"),
        ("SHIPPED_LIVE", &["COMPLETE"], "complete"),
        ("QE", &["COMPLETE", "WAITING_ON_PUB"], "running"),
        ("QE", &["POST_PUSH_PROCESSING"], "running"),
        ("QE", &["COMPLETE", "SOMETHING_NEW"], "unknown"),
        ("NEW_FILES", &[], "refused"),
        // What was pushed before the respin is not what will be shipped.
        ("NEW_FILES", &["COMPLETE"], "refused"),
        ("IN_PUSH", &[], "refused"),
        ("ON_HOLD", &[], "refused"),
    ] {
        let plan = plan(&[1], &world([(1, advisory(state, statuses, &[]))]));
        assert_eq!(standing(&plan, 1).name(), expected, "{state} {statuses:?}");
    }
}

#[test]
fn a_push_whose_time_is_not_known_is_asked_for_again_until_the_advisory_ships() {
    for (state, expected) in [
        ("QE", "to_push"),
        ("REL_PREP", "to_push"),
        ("PUSH_READY", "to_push"),
        ("IN_PUSH", "complete"),
        ("SHIPPED_LIVE", "complete"),
    ] {
        let unproven = Known { push: unproven(), ..advisory(state, &[], &[]) };
        let plan = plan(&[1], &world([(1, unproven)]));
        assert_eq!(standing(&plan, 1).name(), expected, "{state}");
    }
}

#[test]
fn what_blocks_is_pushed_first_and_to_its_end() {
    for (blocker, expected) in [
        (advisory("QE", &["COMPLETE"], &[]), StagingStatus::Push),
        (advisory("QE", &[], &[]), StagingStatus::Waits(vec![id(9)])),
        (advisory("QE", &["RUNNING"], &[]), StagingStatus::Waits(vec![id(9)])),
        (advisory("QE", &["FAILED"], &[]), StagingStatus::Waits(vec![id(9)])),
        (advisory("NEW_FILES", &[], &[]), StagingStatus::Held(Held::By(id(9)))),
        (advisory("QE", &["SOMETHING_NEW"], &[]), StagingStatus::Held(Held::By(id(9)))),
        (advisory("DROPPED_NO_SHIP", &[], &[]), StagingStatus::Push),
    ] {
        let context = format!("{blocker:?}");
        let plan = plan(&[1], &world([(1, advisory("QE", &[], &[9])), (9, blocker)]));
        assert_eq!(*standing(&plan, 1), expected, "{context}");
    }
    let known = world([(1, advisory("QE", &[], &[9])), (9, advisory("QE", &["FAILED"], &[]))]);
    let steps: Vec<String> = plan(&[1], &known).summary().steps.iter().map(ToString::to_string).collect();
    assert_eq!(
        steps,
        ["push to staging advisory 9 (blocks another one): cdn_stage FAILED -> all staging targets"]
    );
}

#[test]
fn only_what_was_never_pushed_is_pushed_later_without_another_question() {
    let unproven = Known { push: unproven(), ..advisory("QE", &[], &[9]) };
    for (follows, expected) in [
        (advisory("QE", &[], &[9]), 1),
        (advisory("QE", &["FAILED"], &[9]), 0),
        (advisory("QE", &["COMPLETE", "FAILED"], &[9]), 0),
        (unproven, 0),
    ] {
        let plan = plan(&[1], &world([(1, follows.clone()), (9, advisory("QE", &[], &[]))]));
        assert_eq!(*standing(&plan, 1), StagingStatus::Waits(vec![id(9)]), "{follows:?}");
        let PlanSummary { later, notes, .. } = plan.summary();
        assert_eq!(later.len(), expected, "{follows:?}");
        let is_said =
            notes.contains(&"a consent to this plan covers what follows, within 24 hours".to_owned());
        assert_eq!(is_said, expected > 0, "{notes:?}");
    }
}

#[test]
fn a_chain_is_pushed_from_its_end() {
    let known = world([
        (1, advisory("QE", &[], &[2, 3])),
        (2, advisory("QE", &[], &[3])),
        (3, advisory("QE", &[], &[])),
    ]);
    let plan = plan(&[1, 2, 3], &known);
    let names: Vec<&str> = plan.advisories.iter().map(|advisory| advisory.standing.name()).collect();
    assert_eq!(names, ["waiting", "waiting", "to_push"]);
    assert_eq!(plan.outcome().status, TaskStatus::InProgress);
}

#[test]
fn advisories_that_block_one_another_end_in_an_answer_that_names_them() {
    let known = world([
        (1, advisory("QE", &[], &[2])),
        (2, advisory("QE", &[], &[1])),
        (3, advisory("QE", &[], &[3])),
        (4, advisory("QE", &[], &[])),
        (5, advisory("QE", &[], &[1])),
    ]);
    let plan = plan(&[1, 2, 3, 4, 5], &known);
    assert_eq!(*standing(&plan, 5), StagingStatus::Held(Held::By(id(1))), "it is not part of the circle");
    for number in [1, 2, 3] {
        assert!(matches!(standing(&plan, number), StagingStatus::Held(Held::Cycle(_))), "{number}");
    }
    assert_eq!(*standing(&plan, 4), StagingStatus::Push, "the others go on");
    let outcome = plan.outcome();
    assert_eq!((outcome.status, outcome.class), (TaskStatus::Fail, Some(ErrorClass::Blocked)));
    let why = outcome.reason.unwrap().text;
    assert!(why.contains("1 -> 2 -> 1") && why.contains("3 -> 3"), "{why}");
}

#[test]
fn a_complete_circle_needs_nothing() {
    let known = world([(1, advisory("QE", &["COMPLETE"], &[2])), (2, advisory("QE", &["COMPLETE"], &[1]))]);
    assert_eq!(plan(&[1, 2], &known).outcome().status, TaskStatus::Pass);
}

#[test]
fn the_outcome_is_pass_only_when_every_advisory_is_on_staging() {
    let known = world([(1, advisory("QE", &["COMPLETE"], &[])), (2, advisory("QE", &["RUNNING"], &[]))]);
    assert_eq!(plan(&[1], &known).outcome().status, TaskStatus::Pass);
    let waiting = plan(&[1, 2], &known);
    let outcome = waiting.outcome();
    assert_eq!(outcome.status, TaskStatus::InProgress);
    assert!(!waiting.acts() && waiting.standing().is_none());
    let again = StagingPlan { recorded: outcome.reason.as_ref().map(|it| it.text.clone()), ..waiting };
    assert_eq!(again.standing(), Some(outcome.clone()), "a look that finds the same is no new run");
    let words = outcome.reason.unwrap().text;
    assert_eq!(words, "1 of 2 advisories are on staging; advisory 2 (kind2): cdn_stage RUNNING");
    assert_eq!(outcome.done.advisories[1].targets["cdn_stage"], "RUNNING");
}

#[test]
fn one_advisory_that_cannot_be_read_does_not_hide_the_others() {
    let down = ServiceError::new(Service::Errata, "read advisory", ServiceErrorKind::Unavailable, "down");
    let mut known = world([(2, advisory("QE", &[], &[]))]);
    known.insert(id(1), Err(down));
    let plan = plan(&[1, 2], &known);
    assert_eq!(*standing(&plan, 2), StagingStatus::Push);
    let outcome = plan.outcome();
    assert_eq!((outcome.status, outcome.class), (TaskStatus::Fail, Some(ErrorClass::Unavailable)));
}

#[test]
fn what_really_failed_decides_over_what_could_not_be_read_and_both_are_said() {
    use ErrorClass::{Blocked, Configuration, Failed, Unavailable};
    let unreadable =
        |kind| ServiceError::new(Service::Errata, "read advisory", kind, "not answered").with_hint("look");
    for (other, kind, expected) in [
        (advisory("QE", &["SOMETHING_NEW"], &[]), ServiceErrorKind::Unavailable, Failed),
        (advisory("NEW_FILES", &[], &[]), ServiceErrorKind::Unavailable, Blocked),
        (advisory("NEW_FILES", &[], &[]), ServiceErrorKind::Unauthorized, Blocked),
        (advisory("QE", &["RUNNING"], &[]), ServiceErrorKind::Unavailable, Unavailable),
        (advisory("QE", &["RUNNING"], &[]), ServiceErrorKind::Unauthorized, Configuration),
    ] {
        let mut known = world([(2, other)]);
        known.insert(id(1), Err(unreadable(kind)));
        let outcome = plan(&[1, 2], &known).outcome();
        assert_eq!(outcome.class, Some(expected), "{kind:?} {outcome:?}");
        let words = outcome.reason.unwrap().text;
        assert!(words.contains("not answered") && words.contains("advisory 2 (kind2): "), "{words}");
        assert_eq!(outcome.hint.as_deref(), Some("look"));
    }
}

#[test]
fn what_waits_for_an_advisory_that_could_not_be_read_is_unknown_too_and_no_fact() {
    let down = ServiceError::new(Service::Errata, "read advisory", ServiceErrorKind::Unavailable, "down");
    let mut known = world([(1, advisory("QE", &[], &[2])), (2, advisory("QE", &[], &[9]))]);
    known.insert(id(9), Err(down));
    let plan = plan(&[1, 2], &known);
    for (number, by) in [(1, 2), (2, 9)] {
        let expected = Held::Unknown { by: id(by), class: ErrorClass::Unavailable };
        assert_eq!(*standing(&plan, number), StagingStatus::Held(expected));
    }
    let outcome = plan.outcome();
    assert_eq!(outcome.class, Some(ErrorClass::Unavailable));
    assert!(outcome.reason.unwrap().text.contains("is not known"), "{outcome:?}", outcome = plan.outcome());
}

#[test]
fn dropped_and_text_only_advisories_are_left_alone_and_named() {
    let mut text = advisory("QE", &[], &[]);
    text.text_only = true;
    let known = world([(1, advisory("DROPPED_NO_SHIP", &[], &[])), (2, text)]);
    let plan = plan(&[1, 2], &known);
    assert!(plan.is_empty());
    assert_eq!(
        plan.summary().notes,
        [
            "advisory 1 (kind1) is dropped and not changed",
            "advisory 2 (kind2) is text only: there is nothing to push"
        ]
    );
}
