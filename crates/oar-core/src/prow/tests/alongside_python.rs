//! The controller and the aggregator beside the Python ones, on the same branch at the same time (spec 04
//! §7.1, §7.6.2).

use super::world::FakeWorld;
use super::*;
use crate::prow::world::Builds as _;
use crate::store::Store as _;

const UPGRADE: &str = "periodic-ci-demo-4.20-upgrade-f999";
const INSTALL: &str = "periodic-ci-demo-4.20-install-f999";
const BUILD: &str = "4.20.1";
const STABLE_LATEST: &str = "_releases/ocp-latest-4.20-stable-amd64.json";
const IMAGE: &str = "registry.example.com/demo/release:4.20.1";

fn name_in(text: &str) -> String {
    let file: serde_json::Value = serde_json::from_str(text).unwrap();
    file["name"].as_str().unwrap().to_owned()
}

/// One pass of the Python controller: any different latest build counts as new; its file is written, every
/// job is started, and then the record is written, replacing an existing one.
async fn python_controls(world: &FakeWorld) {
    let latest = world.latest(YStream::new(4, 20), BuildKind::Stable, Arch::Amd64).await.unwrap().unwrap();
    let recorded = world.read(STABLE_LATEST).await.unwrap();
    if recorded.is_some_and(|file| name_in(&file.text) == latest.tag.name) {
        return;
    }
    world.request().await;
    world.put(STABLE_LATEST, &latest.body);
    let mut entries = Vec::new();
    for job in [UPGRADE, INSTALL] {
        world.request().await;
        let id = world.start_by_others(job, IMAGE, ProwState::Success);
        entries.push(serde_json::json!({"jobName": job, "firstJob": {"jobID": id}}));
    }
    let build: serde_json::Value = serde_json::from_str(&latest.body).unwrap();
    let record = serde_json::json!({"result": entries, "build": build});
    world.request().await;
    world.put(&path(name(BUILD)), &format!("{record:#}"));
}

/// Runs `paused` until its world is dead, then `other` to its end, then the rest of `paused`. `false` when
/// `paused` had ended before.
async fn between(
    world: &FakeWorld,
    paused: impl Future<Output = ()>,
    other: impl Future<Output = ()>,
) -> bool {
    let mut paused = Box::pin(paused);
    let halted = tokio::select! {
        biased;
        () = &mut paused => false,
        () = async { while !world.is_dead() { tokio::task::yield_now().await } } => true,
    };
    other.await;
    world.fuse(None);
    if halted {
        paused.await;
    }
    halted
}

async fn tested_once(world: &FakeWorld, context: &str) {
    for _ in 0..3 {
        python_controls(world).await;
        control(world, BuildKind::Stable).await;
        world.advance(HOUR);
    }
    assert_eq!(world.runs().len(), 2, "{context}");
    world.advance(4 * HOUR);
    aggregate(world).await;
    assert_all_recorded(world, context);
    let file = record(world, BUILD).unwrap();
    assert_eq!((file.is_aggregated(), file.accepted()), (true, Some(true)), "{context}");
}

#[tokio::test]
async fn the_python_controller_between_any_two_of_our_requests_tests_no_build_twice() {
    let mut halts = 0;
    for fuse in 1.. {
        let world = FakeWorld::new(1, REGISTRY, all_succeed());
        world.publish(BUILD);
        let ours = world.worker(Some(fuse));
        let pass = async {
            control(&ours, BuildKind::Stable).await;
        };
        let halted = between(&ours, pass, python_controls(&world)).await;
        tested_once(&world, &format!("after our request {fuse}")).await;
        if !halted {
            break;
        }
        halts += 1;
    }
    assert!(halts > 8, "{halts}");
}

#[tokio::test]
async fn our_controller_between_any_two_requests_of_the_python_one_tests_no_build_twice() {
    for fuse in 1..=6 {
        // Between its read of the latest file and its write, others cannot notice it.
        if fuse == 3 {
            continue;
        }
        let world = FakeWorld::new(1, REGISTRY, all_succeed());
        world.publish(BUILD);
        let python = world.worker(Some(fuse));
        let ours = async {
            control(&world, BuildKind::Stable).await;
        };
        assert!(between(&python, python_controls(&python), ours).await);
        tested_once(&world, &format!("before its request {fuse}")).await;
    }
}

#[tokio::test]
async fn what_the_python_controller_started_before_it_died_is_not_started_again() {
    for fuse in 4..=6 {
        let world = FakeWorld::new(1, REGISTRY, all_succeed());
        world.publish(BUILD);
        // This one dies after writing its record, the other one between its starts.
        world.fuse(Some(5));
        let _ = until_dead(&world, control(&world, BuildKind::Stable)).await;
        world.fuse(None);
        assert!(record(&world, BUILD).is_some() && latest(&world, BuildKind::Stable).is_none());
        let python = world.worker(Some(fuse));
        assert!(until_dead(&python, python_controls(&python)).await.is_none());
        world.advance(HOUR);
        tested_once(&world, &format!("dead before its request {fuse}")).await;
    }
}

#[tokio::test]
async fn retries_that_the_python_aggregator_started_and_has_not_recorded_are_not_started_again() {
    let world = FakeWorld::new(1, REGISTRY, |job, number| {
        if job == INSTALL && number == 0 { ProwState::Failure } else { ProwState::Success }
    });
    world.publish(BUILD);
    control(&world, BuildKind::Stable).await;
    world.advance(4 * HOUR);
    let others = [0, 1].map(|_| world.start_by_others(INSTALL, IMAGE, ProwState::Success));
    // Runs with other images, and those started by people, are not adopted.
    world.start_by_others(INSTALL, "registry.example.com/demo/release:4.20.0", ProwState::Success);
    let report = aggregate(&world).await;
    assert_eq!((report.started, world.runs().len()), (2, 2 + 3 + 2), "{report:?}");
    let file = record(&world, BUILD).unwrap();
    let retried: Vec<String> = file
        .entries(INSTALL)
        .flat_map(|job| job.retried().filter_map(|run| Some(run.id()?.into_owned())))
        .collect();
    assert_eq!(retried.len(), 4);
    assert!(others.iter().all(|id| retried.contains(id)), "{retried:?}");
    // The look-up fails, and nothing was sent: a later pass starts them.
    let world =
        FakeWorld::new(
            1,
            REGISTRY,
            |_, number| {
                if number == 0 { ProwState::Failure } else { ProwState::Success }
            },
        );
    world.publish(BUILD);
    control(&world, BuildKind::Stable).await;
    world.advance(4 * HOUR);
    world.misbehave(Chances { lost: 1000, ..Chances::default() });
    aggregate(&world).await;
    world.misbehave(Chances::default());
    aggregate(&world).await;
    world.advance(HOUR);
    aggregate(&world).await;
    assert_eq!(world.runs().len(), 2 + 2 + 4);
    assert_all_recorded(&world, "looked in vain");
}
