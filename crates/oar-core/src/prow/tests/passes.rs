//! Passes of the aggregator over records of people, other programs and misbehaving services.

use super::*;
use crate::error::ErrorClass;
use crate::prow::manual;
use crate::prow::record::tests::by_python;

const DAY: Duration = Duration::from_hours(24);
const INSTALL: &str = "periodic-ci-demo-4.20-install-f999";
const UPGRADE: &str = "periodic-ci-demo-4.20-upgrade-f999";

/// A world in which the tests of one stable build have ended, and its record is final.
async fn finished(outcomes: impl FnMut(&str, usize) -> ProwState + Send + 'static) -> FakeWorld {
    let world = FakeWorld::new(1, REGISTRY, outcomes);
    world.publish("4.20.1");
    control(&world, BuildKind::Stable).await;
    for _ in 0..2 {
        world.advance(4 * HOUR);
        aggregate(&world).await;
    }
    assert!(record(&world, "4.20.1").unwrap().is_aggregated());
    world
}

/// Makes the record of `build` one of the Python tooling, and lets `change` edit its text.
fn as_python_left_it(world: &FakeWorld, build: &str, change: impl FnOnce(String) -> String) {
    let text = change(by_python(&record(world, build).unwrap()).to_text());
    world.put(&path(name(build)), &text);
}

#[tokio::test]
async fn a_run_that_takes_an_old_ones_place_is_not_given_up_because_prow_is_slow_to_show_it() {
    let world = finished(|job, _| if job == INSTALL { ProwState::Failure } else { ProwState::Success }).await;
    world.advance(10 * DAY);
    let permit = WritePermit::granted_by_user_interface();
    let new = world.start_by_hand(INSTALL, ProwState::Success).parse().unwrap();
    let first = record(&world, "4.20.1")
        .unwrap()
        .entries(INSTALL)
        .next()
        .unwrap()
        .first()
        .unwrap()
        .id()
        .unwrap()
        .into_owned();
    manual::replace_run(world.world(), &name("4.20.1"), INSTALL, &first, &new, &permit).await.unwrap();
    world.misbehave(Chances { unseen: 1000, ..Chances::default() });
    let report = aggregate(&world).await;
    assert!(report.builds[0].problems.texts()[0].contains("Prow does not know the run"), "{report:?}");
    world.misbehave(Chances::default());
    world.advance(4 * HOUR);
    let report = aggregate(&world).await;
    assert_eq!((report.builds[0].result, report.class()), ("accepted", None), "{report:?}");
}

#[tokio::test]
async fn a_run_of_which_nothing_tells_a_time_is_given_up_two_days_after_it_was_missed() {
    let world = FakeWorld::new(1, REGISTRY, all_succeed());
    world.publish("4.20.1");
    control(&world, BuildKind::Stable).await;
    as_python_left_it(&world, "4.20.1", |text| text);
    let gone = world.runs()[0].id.clone();
    world.forget_run(&gone);
    world.advance(4 * HOUR);
    let mut noted = None;
    for _ in 0..2 {
        let report = aggregate(&world).await;
        assert_eq!((report.builds[0].result, report.builds[0].problems.count()), ("open", 1), "{report:?}");
        assert_eq!(*noted.get_or_insert_with(|| world.files()), world.files(), "the time is noted once");
        world.advance(DAY);
    }
    let report = aggregate(&world).await;
    assert!(report.builds[0].done.iter().any(|done| done.what.starts_with("lost")), "{report:?}");
    assert_eq!(report.started, 2, "and retried like any other run in error: {report:?}");
}

#[tokio::test]
async fn a_report_that_cannot_be_understood_costs_the_report_and_is_told_once() {
    let world = FakeWorld::new(1, REGISTRY, all_succeed());
    world.spoil_reports("the test report cannot be read: it is no map");
    world.publish("4.20.1");
    control(&world, BuildKind::Stable).await;
    let mut told = 0;
    let mut last = None;
    for _ in 0..4 {
        world.advance(4 * HOUR);
        let report = aggregate(&world).await;
        let texts = report.builds.iter().flat_map(|build| build.problems.texts());
        told += texts.filter(|text| text.contains("is left out: the test report cannot be read")).count();
        last = report.class();
    }
    assert!(record(&world, "4.20.1").unwrap().is_aggregated(), "it is complete without the report");
    assert_eq!((told, world.reports_asked(), last), (1, 1, None));
}

#[tokio::test]
async fn without_its_registry_a_build_is_neither_accepted_nor_rejected() {
    let world = finished(all_succeed()).await;
    as_python_left_it(&world, "4.20.1", |text| {
        text.replace(",\n  \"aggregated\": true,\n  \"accepted\": true", "")
    });
    let without = world.with_registry("");
    aggregate(&without).await;
    let before = world.writes().len();
    let report = aggregate(&without).await;
    assert_eq!(report.builds[0].result, "open", "{report:?}");
    assert_eq!(report.class(), Some(ErrorClass::Configuration));
    assert!(report.builds[0].problems.texts()[0].contains("ocp-4.20-test-jobs-amd64.json"), "{report:?}");
    assert_eq!(world.writes().len(), before);
    let report = aggregate(&world).await;
    assert_eq!((report.builds[0].result, report.class()), ("accepted", None), "{report:?}");
}

#[tokio::test]
async fn a_failed_job_waits_for_the_registry_that_says_how_often_it_is_retried() {
    let world = FakeWorld::new(1, REGISTRY, |job, number| {
        if job == INSTALL && number == 0 { ProwState::Failure } else { ProwState::Success }
    });
    world.publish("4.20.1");
    control(&world, BuildKind::Stable).await;
    world.advance(4 * HOUR);
    let report = aggregate(&world.with_registry("")).await;
    assert_eq!((report.builds[0].result, world.runs().len()), ("open", 2), "{report:?}");
    let report = aggregate(&world).await;
    assert_eq!((report.started, world.runs().len()), (4, 6), "{report:?}");
    // A build whose record has its required jobs, all passed, needs no registry.
    world.advance(4 * HOUR);
    let report = aggregate(&world.with_registry("")).await;
    assert_eq!((report.builds[0].result, report.class()), ("accepted", None), "{report:?}");
}

#[tokio::test]
async fn jobs_that_were_renamed_meanwhile_are_evidence_still() {
    let world = finished(all_succeed()).await;
    as_python_left_it(&world, "4.20.1", |text| {
        let text = text.replace(",\n  \"aggregated\": true,\n  \"accepted\": true", "");
        text.replace("-f999\"", "-f360\"")
    });
    let report = aggregate(&world).await;
    assert_eq!((report.builds[0].result, report.class()), ("accepted", None), "{report:?}");
    assert_eq!(world.runs().len(), 2, "nothing is started again under the new name");
}

#[tokio::test]
async fn a_report_that_never_comes_is_asked_for_once_it_is_due_and_not_again() {
    let world = FakeWorld::new(1, REGISTRY, |job, number| match (job == UPGRADE, number) {
        // Its retries keep the record open.
        (true, 0) => ProwState::Failure,
        _ => ProwState::Success,
    });
    world.publish("4.20.1");
    control(&world, BuildKind::Stable).await;
    world.advance(3 * HOUR);
    aggregate(&world).await;
    assert_eq!(world.reports_asked(), 1, "the run has just ended: its report may still come");
    world.advance(HOUR);
    aggregate(&world).await;
    assert_eq!(world.reports_asked(), 2);
    let files = world.files();
    aggregate(&world).await;
    assert_eq!((world.reports_asked(), world.files()), (2, files), "it is known to have none");
    world.advance(4 * HOUR);
    let report = aggregate(&world).await;
    assert_eq!(report.builds[0].result, "accepted", "{report:?}");
    assert_eq!(world.reports_asked(), 2);
}

#[tokio::test]
async fn an_accepted_build_that_lost_its_label_gets_it_back_for_some_days() {
    let world = finished(all_succeed()).await;
    world.unlabel("4.20.1");
    let dry = aggregator(&world).pass(Arch::Amd64, None).await.unwrap();
    assert!(dry.builds.is_empty());
    let files = world.files();
    let report = aggregate(&world).await;
    assert_eq!((report.records, report.finished), (1, 1));
    assert!(report.builds[0].done[0].what.contains("labelled"), "{report:?}");
    assert_eq!(world.labels(), BTreeMap::from([("4.20.1".to_owned(), 2)]));
    assert!(aggregate(&world).await.builds.is_empty(), "and that is all");
    assert_eq!(world.files(), files, "the record stays as it is");
    world.advance(4 * DAY);
    world.unlabel("4.20.1");
    aggregate(&world).await;
    assert_eq!(world.labels().values().sum::<usize>(), 2, "old builds are left alone");

    // Another promotion checks the label, however old the build is.
    let permit = WritePermit::granted_by_user_interface();
    for changed in [true, false] {
        assert_eq!(manual::promote(world.world(), &name("4.20.1"), &permit).await.unwrap(), changed);
    }
    aggregate(&world).await;
    assert_eq!(world.labels().values().sum::<usize>(), 3);
    world.unlabel("4.20.1");
    assert!(manual::promote(world.world(), &name("4.20.1"), &permit).await.unwrap());
    aggregate(&world).await;
    assert_eq!(world.labels().values().sum::<usize>(), 4);
    assert!(record(&world, "4.20.1").unwrap().is_aggregated());
}

#[tokio::test]
async fn a_payload_that_never_comes_is_waited_for_one_day_and_then_done_without() {
    let world = FakeWorld::new(1, REGISTRY, all_succeed());
    world.publish("4.20.1");
    world.without_payloads();
    control(&world, BuildKind::Stable).await;
    for _ in 0..2 {
        world.advance(8 * HOUR);
        let report = aggregate(&world).await;
        assert_eq!(
            (report.builds[0].result, report.class()),
            ("open", Some(ErrorClass::Unavailable)),
            "{report:?}"
        );
    }
    world.advance(DAY);
    let report = aggregate(&world).await;
    assert_eq!((report.builds[0].result, report.class()), ("accepted", None), "{report:?}");
    assert!(report.builds[0].done[0].what.contains("no release payload"), "{report:?}");
    assert_eq!(aggregate(&world).await.class(), None, "a final record waits for nothing");
    assert!(world.labels().is_empty());
}

#[tokio::test]
async fn a_stream_without_builds_proves_nothing_and_a_young_nightly_is_waited_for() {
    // The clock stands at 2026-07-02T15:00:00Z.
    let (old, young) = ("4.20.0-0.nightly-2026-07-01-145900", "4.20.0-0.nightly-2026-07-01-150100");
    let world = FakeWorld::new(1, REGISTRY, all_succeed());
    for build in [old, young] {
        world.publish(build);
        control(&world, BuildKind::Nightly).await;
    }
    world.forget_builds();
    let report = aggregate(&world).await;
    let results = |report: &AggregatorReport| -> Vec<(String, &'static str)> {
        report.builds.iter().map(|build| (build.build.clone(), build.result)).collect()
    };
    assert_eq!(results(&report), [(old.to_owned(), "open"), (young.to_owned(), "open")], "{report:?}");
    world.publish("4.20.0-0.nightly-2026-07-02-150000");
    let report = aggregate(&world).await;
    assert_eq!(results(&report), [(old.to_owned(), "removed"), (young.to_owned(), "open")], "{report:?}");
    world.advance(HOUR);
    assert_eq!(aggregate(&world).await.builds[0].result, "removed");
}

#[tokio::test]
async fn an_intent_is_given_up_also_when_nothing_tells_what_the_job_would_be_started_with() {
    let job = "periodic-ci-demo-4.20-upgrade-from-stable-4.20-f999";
    let registry = format!(
        r#"{{"nightly": [{{"prowJob": "{job}", "upgrade": true}}, {{"prowJob": "{INSTALL}"}}], "stable": []}}"#
    );
    let build = "4.20.0-0.nightly-2026-07-02-101500";
    let world = FakeWorld::new(1, &registry, all_succeed());
    world.publish("4.20.1");
    world.publish(build);
    world.misbehave(Chances { refused: 1000, ..Chances::default() });
    control(&world, BuildKind::Nightly).await;
    world.misbehave(Chances::default());
    assert_eq!(world.runs().len(), 0);
    // The source of the upgrade cannot be read.
    let stable = LatestName { release: YStream::new(4, 20), kind: BuildKind::Stable, arch: Arch::Amd64 };
    world.put(&path(stable), "{");
    world.advance(HOUR);
    let report = aggregate(&world).await;
    assert_eq!((report.builds[0].problems.count(), world.runs().len()), (1, 1), "{report:?}");
    world.advance(DAY);
    let report = aggregate(&world).await;
    assert!(
        report.builds[0].done.iter().any(|done| done.what.contains("given up")),
        "the start was tried for a day: {report:?}"
    );
}
