//! Controllers and aggregators in a world that misbehaves: nothing is started twice, nothing is forgotten.

mod alongside_python;
mod controller;
mod passes;
mod world;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use self::world::{Chances, FakeWorld};
use super::aggregator::{Aggregator, AggregatorReport};
use super::controller::{Controller, Existing, Scope, Verdict};
use super::names::{BuildKind, LatestName, ResultName, path};
use super::outcome::Policy;
use super::record::ResultFile;
use crate::clients::prow::ProwState;
use crate::permit::WritePermit;
use crate::version::{Arch, YStream};

const REGISTRY: &str = r#"{
  "nightly": [
    {"prowJob": "periodic-ci-demo-4.20-install-f999"},
    {"prowJob": "periodic-ci-demo-4.20-fips-f999"},
    {"prowJob": "periodic-ci-demo-4.20-optional-f999", "optional": true},
    {"prowJob": "periodic-ci-demo-4.20-stopped-f999", "disabled": true}
  ],
  "stable": [
    {"prowJob": "periodic-ci-demo-4.20-upgrade-f999", "upgrade": true},
    {"prowJob": "periodic-ci-demo-4.20-install-f999", "retries": 4}
  ]
}
"#;
const HOUR: Duration = Duration::from_hours(1);

fn scope(kind: BuildKind) -> Scope {
    Scope { release: YStream::new(4, 20), kind, arch: Arch::Amd64 }
}

fn name(build: &str) -> ResultName {
    ResultName { build: build.parse().unwrap(), arch: Arch::Amd64 }
}

fn record(world: &FakeWorld, build: &str) -> Option<ResultFile> {
    record_in(&world.files(), build)
}

fn record_in(files: &BTreeMap<String, String>, build: &str) -> Option<ResultFile> {
    let name = name(build);
    let text = files.get(&path(&name))?;
    Some(ResultFile::parse(&name, text.as_bytes()).unwrap())
}

fn latest(world: &FakeWorld, kind: BuildKind) -> Option<String> {
    let name = LatestName { release: YStream::new(4, 20), kind, arch: Arch::Amd64 };
    world.files().get(&path(name)).cloned()
}

fn all_succeed() -> impl FnMut(&str, usize) -> ProwState + Send + 'static {
    |_, _| ProwState::Success
}

async fn control(world: &FakeWorld, kind: BuildKind) -> Verdict {
    let permit = WritePermit::granted_by_user_interface();
    Controller { world: world.world() }.pass(scope(kind), true, Some(&permit)).await.unwrap().verdict
}

async fn aggregate(world: &FakeWorld) -> AggregatorReport {
    let permit = WritePermit::granted_by_user_interface();
    aggregator(world).pass(Arch::Amd64, Some(&permit)).await.unwrap()
}

fn aggregator(world: &FakeWorld) -> Aggregator<'_> {
    Aggregator {
        world: world.world(),
        artifacts: Some(world),
        payloads: Some(world),
        policy: Policy::default(),
    }
}

#[tokio::test]
async fn a_new_build_is_tested_accepted_and_labelled_once() {
    let world = FakeWorld::new(1, REGISTRY, all_succeed());
    world.publish("4.20.1");
    assert_eq!(control(&world, BuildKind::Stable).await, Verdict::New);
    assert!(latest(&world, BuildKind::Stable).unwrap().contains("4.20.1"));
    assert_eq!(world.runs().len(), 2);
    assert_eq!(control(&world, BuildKind::Stable).await, Verdict::Same);
    let report = aggregate(&world).await;
    assert_eq!(report.builds[0].result, "open");
    let before = world.writes().len();
    aggregate(&world).await;
    assert_eq!(world.writes().len(), before, "nothing is written when nothing changed");
    world.advance(4 * HOUR);
    let report = aggregate(&world).await;
    assert_eq!((report.builds[0].result, report.class()), ("accepted", None), "{report:?}");
    assert_eq!(world.labels(), BTreeMap::from([("4.20.1".to_owned(), 1)]));
    let report = aggregate(&world).await;
    assert_eq!((report.records, report.finished, report.builds.len()), (1, 1, 0));
    assert_eq!(world.runs().len(), 2);
}

#[tokio::test]
async fn a_failed_job_is_retried_and_the_majority_decides() {
    for (retries, expected) in [([true, true], "accepted"), ([true, false], "rejected")] {
        let world = FakeWorld::new(1, REGISTRY, move |job, number| match (job.contains("fips"), number) {
            (true, 0) => ProwState::Failure,
            (true, number) if !retries[(number - 1).min(1)] => ProwState::Failure,
            _ => ProwState::Success,
        });
        world.publish("4.20.0-0.nightly-2026-07-01-161907");
        control(&world, BuildKind::Nightly).await;
        world.advance(4 * HOUR);
        assert_eq!(aggregate(&world).await.builds[0].result, "open");
        assert_eq!(world.runs().len(), 3 + 2);
        world.advance(4 * HOUR);
        let report = aggregate(&world).await;
        assert_eq!(report.builds[0].result, expected, "{report:?}");
        assert_eq!(world.labels().len(), usize::from(expected == "accepted"));
    }
}

#[tokio::test]
async fn an_older_latest_build_is_not_new_and_replaces_nothing() {
    let world = FakeWorld::new(1, REGISTRY, all_succeed());
    world.publish("4.20.1");
    control(&world, BuildKind::Stable).await;
    world.publish("4.20.2");
    control(&world, BuildKind::Stable).await;
    let files = world.files();
    world.fall_back();
    assert_eq!(control(&world, BuildKind::Stable).await, Verdict::Older);
    assert_eq!(world.files(), files);
    assert_eq!(world.runs().len(), 4);
}

#[tokio::test]
async fn a_build_is_recorded_as_the_latest_before_its_jobs_are_started() {
    let world = FakeWorld::new(1, REGISTRY, all_succeed());
    world.publish("4.20.1");
    world.misbehave(Chances { refused: 1000, ..Chances::default() });
    assert_eq!(control(&world, BuildKind::Stable).await, Verdict::New);
    assert!(latest(&world, BuildKind::Stable).is_some(), "another controller would start them otherwise");
    assert_eq!(world.runs().len(), 0);
    world.misbehave(Chances::default());
    // The intents are fresh: their process may still be working.
    assert_eq!(control(&world, BuildKind::Stable).await, Verdict::Same);
    assert_eq!(world.runs().len(), 0);
    world.advance(HOUR);
    assert_eq!(control(&world, BuildKind::Stable).await, Verdict::Same);
    assert_eq!(world.runs().len(), 2);
    assert_all_recorded(&world, "after the refusals");
}

#[tokio::test]
async fn existing_jobs_are_kept_or_started_again_as_it_is_asked() {
    let permit = WritePermit::granted_by_user_interface();
    let world = FakeWorld::new(1, REGISTRY, all_succeed());
    world.publish("4.20.1");
    let controller = Controller { world: world.world() };
    let build = "4.20.1".parse().unwrap();
    for (existing, runs) in [(Existing::Keep, 2), (Existing::Keep, 2), (Existing::StartAgain, 4)] {
        controller.trigger(&build, Arch::Amd64, existing, Some(&permit)).await.unwrap();
        assert_eq!(world.runs().len(), runs);
        world.advance(Duration::from_secs(1));
    }
    assert_eq!(latest(&world, BuildKind::Stable), None);
    let unknown = "4.20.9".parse().unwrap();
    let error = controller.trigger(&unknown, Arch::Amd64, Existing::Keep, Some(&permit)).await.unwrap_err();
    assert_eq!(error.to_string(), "no stream of amd64 has a build `4.20.9`");
}

#[tokio::test]
async fn a_dry_run_changes_nothing_and_says_what_would_be() {
    let world =
        FakeWorld::new(
            1,
            REGISTRY,
            |_, number| {
                if number == 0 { ProwState::Failure } else { ProwState::Success }
            },
        );
    world.publish("4.20.1");
    let report =
        Controller { world: world.world() }.pass(scope(BuildKind::Stable), true, None).await.unwrap();
    assert_eq!(report.planned.len(), 3, "{report:?}");
    assert!(world.files().is_empty() && world.runs().is_empty());
    control(&world, BuildKind::Stable).await;
    world.advance(4 * HOUR);
    let files = world.files();
    let report = aggregator(&world).pass(Arch::Amd64, None).await.unwrap();
    assert!(
        report.builds[0].done.iter().any(|done| done.what.starts_with("would be retried ")),
        "{report:?}"
    );
    assert_eq!((world.files(), world.runs().len()), (files, 2));
}

#[tokio::test]
async fn a_recycled_nightly_is_removed_and_a_bad_file_stops_nobody() {
    let world = FakeWorld::new(1, REGISTRY, all_succeed());
    world.publish("4.20.0-0.nightly-2026-07-01-161907");
    control(&world, BuildKind::Nightly).await;
    world.publish("4.20.0-0.nightly-2026-07-02-161907");
    control(&world, BuildKind::Nightly).await;
    world.put("_releases/ocp-test-result-4.20.0-0.nightly-2026-06-30-161907-amd64.json", "{");
    world.recycle();
    world.advance(4 * HOUR);
    let report = aggregate(&world).await;
    let results: Vec<_> = report.builds.iter().map(|build| build.result).collect();
    // The broken record is of a nightly that the stream does not have either.
    assert_eq!(results, ["removed", "removed", "accepted"], "{report:?}");
    world.put("_releases/ocp-test-result-4.20.7-amd64.json", "{");
    let report = aggregate(&world).await;
    assert_eq!(report.builds[0].result, "unknown");
    assert!(report.class().is_some());
}

/// Every run that was started is in the records, and every recorded run was started.
fn assert_all_recorded(world: &FakeWorld, context: &str) {
    let started: BTreeSet<String> = world.runs().into_iter().map(|run| run.id).collect();
    let mut recorded = BTreeSet::new();
    for (file, text) in world.files() {
        let Some(name) = file.strip_prefix("_releases/").and_then(|name| name.parse::<ResultName>().ok())
        else {
            continue;
        };
        let file = ResultFile::parse(&name, text.as_bytes()).unwrap();
        for run in file.jobs().flat_map(|job| job.runs().collect::<Vec<_>>()) {
            let id = run.id().unwrap().into_owned();
            assert!(recorded.insert(id.clone()), "{id} is recorded twice: {context}");
        }
    }
    assert_eq!(started, recorded, "{context}");
}

/// Runs `work` until it ends or the world dies.
async fn until_dead<T>(world: &FakeWorld, work: impl Future<Output = T>) -> Option<T> {
    tokio::pin!(work);
    loop {
        tokio::select! {
            biased;
            done = &mut work => return Some(done),
            () = tokio::task::yield_now() => {
                if world.is_dead() {
                    return None;
                }
            }
        }
    }
}

#[tokio::test]
async fn killed_after_any_request_a_pass_is_carried_on_with_each_job_started_once() {
    for fuse in 1..60 {
        let world = FakeWorld::new(1, REGISTRY, |job, number| {
            if job.contains("install") && number == 0 { ProwState::Failure } else { ProwState::Success }
        });
        world.publish("4.20.1");
        let context = format!("killed after request {fuse}");
        world.fuse(Some(fuse));
        let _ = until_dead(&world, control(&world, BuildKind::Stable)).await;
        world.fuse(None);
        world.advance(HOUR);
        control(&world, BuildKind::Stable).await;
        assert!(latest(&world, BuildKind::Stable).is_some(), "{context}");
        assert_eq!(world.runs().len(), 2, "{context}");
        world.advance(4 * HOUR);
        world.fuse(Some(fuse));
        let _ = until_dead(&world, aggregate(&world)).await;
        world.fuse(None);
        for _ in 0..3 {
            world.advance(4 * HOUR);
            aggregate(&world).await;
        }
        assert_all_recorded(&world, &context);
        assert_eq!(world.runs().len(), 2 + 4, "{context}");
        let file = record(&world, "4.20.1").unwrap();
        assert_eq!((file.is_aggregated(), file.accepted()), (true, Some(true)), "{context}");
        assert_eq!(world.labels().len(), 1);
    }
}

/// The builds of the simulation: releases and nightlies in turn.
fn simulated_build(number: u32) -> (BuildKind, String) {
    if number.is_multiple_of(2) {
        return (BuildKind::Stable, format!("4.20.{}", number / 2));
    }
    let made = Timestamp::from_second(1_767_225_600 + i64::from(number) * 3600).unwrap();
    (BuildKind::Nightly, format!("4.20.0-0.nightly-{}", made.strftime("%Y-%m-%d-%H%M%S")))
}

/// Computes from its runs alone whether a build of this kind is accepted, and checks that each job has the
/// required runs.
fn assert_runs(kind: BuildKind, file: &ResultFile, context: &str) -> bool {
    let mut good = true;
    let jobs: Vec<_> = file.jobs().collect();
    assert_eq!(jobs.len(), if kind == BuildKind::Nightly { 3 } else { 2 }, "{context}");
    for job in &jobs {
        let states: Vec<_> = job.runs().map(|run| run.state().unwrap()).collect();
        let optional = job.name().contains("optional");
        let configured = match kind {
            _ if optional => 0,
            BuildKind::Stable if job.name().contains("install") => 4,
            _ => 2,
        };
        let expected = if states[0] == ProwState::Success { 1 } else { 1 + configured };
        assert_eq!(states.len(), expected, "{context}");
        let successes = states.iter().filter(|state| **state == ProwState::Success).count();
        good &= optional || states[0] == ProwState::Success || 2 * successes > states.len();
    }
    good
}

#[tokio::test]
async fn two_controllers_and_two_aggregators_test_a_thousand_builds_once_each() {
    const BUILDS: u32 = 1000;
    let mut dice = StdRng::seed_from_u64(7);
    let mut fate = StdRng::seed_from_u64(11);
    let world = FakeWorld::new(3, REGISTRY, move |_, _| match fate.random_range(0..10) {
        0 => ProwState::Failure,
        1 => ProwState::Error,
        2 => ProwState::Aborted,
        _ => ProwState::Success,
    });
    let permit = WritePermit::granted_by_user_interface();
    for number in 1..=BUILDS {
        let (kind, build) = simulated_build(number);
        world.publish(&build);
        world.misbehave(Chances {
            conflict: 50,
            lost: 30,
            refused: 30,
            unseen: 30,
            mid_change: 100,
            slow: 20,
            blind: 50,
        });
        // Each of them dies now and then, and the others continue, while its intents become old.
        let mut worker = || {
            let fuse = dice.random_ratio(1, 8).then(|| dice.random_range(1..40));
            world.worker(fuse)
        };
        let crew = [worker(), worker(), worker(), worker()];
        let start = |worker: usize| {
            let (crew, permit) = (&crew, &permit);
            // A fault of a service may end a pass; the next one goes on.
            async move {
                let controller = Controller { world: crew[worker].world() };
                let pass = controller.pass(scope(kind), true, Some(permit));
                let _ = Box::pin(until_dead(&crew[worker], pass)).await;
            }
        };
        let follow = |worker: usize| {
            let (crew, permit) = (&crew, &permit);
            async move {
                let aggregator = aggregator(&crew[worker]);
                let _ = Box::pin(until_dead(&crew[worker], aggregator.pass(Arch::Amd64, Some(permit)))).await;
            }
        };
        tokio::join!(start(0), start(1), follow(2), follow(3));
        world.misbehave(Chances::default());
        world.advance(HOUR);
        // Before the next build comes, this one is seen in any case.
        control(&world, kind).await;
        world.advance(HOUR);
        world.archive();
    }
    for _ in 0..12 {
        control(&world, BuildKind::Stable).await;
        control(&world, BuildKind::Nightly).await;
        aggregate(&world).await;
        world.advance(3 * HOUR);
    }
    assert_all_recorded(&world, "at the end");
    let mut accepted = BTreeMap::new();
    let files = world.files();
    for (kind, build) in (1..=BUILDS).map(simulated_build) {
        let file = record_in(&files, &build).unwrap_or_else(|| panic!("{build} has no record"));
        let context = format!("{build}: {}", file.to_text());
        assert!(file.is_aggregated(), "{context}");
        let good = assert_runs(kind, &file, &context);
        assert_eq!(file.accepted(), Some(good), "{context}");
        if good {
            accepted.insert(build, 1);
        }
    }
    assert_eq!(world.labels(), accepted, "one call labelled each accepted build, and none another");
}
