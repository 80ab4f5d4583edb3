//! What the controller does not touch, and what it continues: one case each.

use super::world::FakeWorld;
use super::*;
use crate::clients::release_controller::Phase;
use crate::error::ErrorClass;
use crate::prow::controller::ControllerReport;
use crate::prow::manual;
use crate::prow::record::{Intent, Run, Stage};

const INSTALL: &str = "periodic-ci-demo-4.20-install-f999";
const UPGRADE: &str = "periodic-ci-demo-4.20-upgrade-f999";
const FROM_STABLE: &str = "periodic-ci-demo-4.20-upgrade-from-stable-4.20-f999";
const STABLE_LATEST: &str = "_releases/ocp-latest-4.20-stable-amd64.json";
const NIGHTLY: &str = "4.20.0-0.nightly-2026-07-01-161907";

async fn pass(world: &FakeWorld, kind: BuildKind, dry: bool) -> ControllerReport {
    let permit = (!dry).then(WritePermit::granted_by_user_interface);
    Controller { world: world.world() }.pass(scope(kind), true, permit.as_ref()).await.unwrap()
}

async fn trigger(world: &FakeWorld, build: &str, existing: Existing) -> ControllerReport {
    let permit = WritePermit::granted_by_user_interface();
    let controller = Controller { world: world.world() };
    controller.trigger(&build.parse().unwrap(), Arch::Amd64, existing, Some(&permit)).await.unwrap()
}

/// The file of a latest build.
fn latest_text(build: &str) -> String {
    format!(
        "{{\"name\": \"{build}\", \"phase\": \"Accepted\", \"pullSpec\": \"p:{build}\", \"downloadURL\": \"\"}}\n"
    )
}

/// A world in which a controller died after it recorded what it was about to start and when `runs` runs were started,
/// before the last one's id was recorded.
async fn died(runs: usize) -> FakeWorld {
    for fuse in 1.. {
        let world = FakeWorld::new(1, REGISTRY, all_succeed());
        world.publish("4.20.1");
        world.fuse(Some(fuse));
        assert!(until_dead(&world, control(&world, BuildKind::Stable)).await.is_none(), "it ended before");
        world.fuse(None);
        let intended = record(&world, "4.20.1").map(|file| stages(&file));
        let intended = intended.iter().flatten().filter(|stage| matches!(stage, Stage::Intended(_))).count();
        if world.runs().len() == runs && intended == 2 {
            return world;
        }
    }
    unreachable!()
}

fn stages(file: &ResultFile) -> Vec<Stage> {
    file.jobs().flat_map(|job| job.runs().map(Run::stage).collect::<Vec<_>>()).collect()
}

fn jobs_of(world: &FakeWorld) -> Vec<String> {
    world.runs().into_iter().map(|run| run.job).collect()
}

fn result_of<'a>(report: &'a ControllerReport, job: &str) -> &'a str {
    report.jobs.iter().find(|start| start.job == job).unwrap().result
}

#[tokio::test]
async fn a_start_that_was_tried_for_a_day_is_given_up_because_prow_may_have_forgotten_its_run() {
    let world = died(1).await;
    world.advance(30 * HOUR);
    // With a newer run of the job Prow does not keep an old one.
    world.start_by_hand(UPGRADE, ProwState::Success);
    let report = pass(&world, BuildKind::Stable, false).await;
    assert_eq!(world.runs().len(), 2, "{report:?}");
    assert_eq!(stages(&record(&world, "4.20.1").unwrap()), [Stage::Ended(ProwState::Error); 2]);
    assert_eq!(result_of(&report, UPGRADE), "given up", "{report:?}");
    // A younger one is found by its key.
    let world = died(1).await;
    world.advance(HOUR);
    let report = pass(&world, BuildKind::Stable, false).await;
    assert_eq!((result_of(&report, UPGRADE), result_of(&report, INSTALL)), ("found", "started"));
}

#[tokio::test]
async fn an_empty_list_starts_nothing_again_and_gives_nothing_up() {
    let world = died(1).await;
    world.list_nothing(true);
    for hours in [1, 30] {
        world.advance(hours * HOUR);
        let report = pass(&world, BuildKind::Stable, false).await;
        assert_eq!((result_of(&report, UPGRADE), world.runs().len()), ("failed", 1), "{report:?}");
        assert_eq!(report.class(), Some(ErrorClass::Unavailable));
        let intended = |stage: &Stage| matches!(stage, Stage::Intended(_));
        assert!(stages(&record(&world, "4.20.1").unwrap()).iter().all(intended));
    }
    world.list_nothing(false);
    let report = pass(&world, BuildKind::Stable, false).await;
    assert_eq!(result_of(&report, UPGRADE), "found", "{report:?}");
}

#[tokio::test]
async fn what_was_refused_is_started_later_whatever_gangway_lists() {
    let world = FakeWorld::new(1, REGISTRY, all_succeed());
    world.publish("4.20.1");
    world.misbehave(Chances { refused: 1000, ..Chances::default() });
    pass(&world, BuildKind::Stable, false).await;
    assert_eq!(record(&world, "4.20.1").unwrap().to_text().matches("intentUnsent").count(), 2);
    world.misbehave(Chances::default());
    world.list_nothing(true);
    world.advance(HOUR);
    let report = pass(&world, BuildKind::Stable, false).await;
    assert_eq!((result_of(&report, UPGRADE), world.runs().len()), ("started", 2), "{report:?}");
    assert!(!record(&world, "4.20.1").unwrap().to_text().contains("intentUnsent"));
}

#[tokio::test]
async fn a_job_that_was_disabled_since_is_not_started_and_neither_is_one_of_a_promoted_build() {
    let world = died(0).await;
    world.register(&REGISTRY.replace("\"retries\": 4", "\"disabled\": true"));
    world.advance(HOUR);
    let report = pass(&world, BuildKind::Stable, false).await;
    assert_eq!(jobs_of(&world), [UPGRADE]);
    assert_eq!(result_of(&report, INSTALL), "given up");

    let world = died(0).await;
    let permit = WritePermit::granted_by_user_interface();
    manual::promote(world.world(), &name("4.20.1"), &permit).await.unwrap();
    world.advance(HOUR);
    let report = pass(&world, BuildKind::Stable, false).await;
    assert!(world.runs().is_empty(), "{report:?}");
    assert_eq!((result_of(&report, UPGRADE), result_of(&report, INSTALL)), ("given up", "given up"));
}

#[tokio::test]
async fn a_dry_run_says_which_starts_would_be_carried_on_and_which_given_up() {
    let world = died(0).await;
    world.register(&REGISTRY.replace("\"retries\": 4", "\"disabled\": true"));
    let young = pass(&world, BuildKind::Stable, true).await;
    assert_eq!(young.planned, Vec::<String>::new(), "somebody may be at it");
    world.advance(HOUR);
    let expected = [
        format!("go on with the start of {UPGRADE}"),
        format!("look for the run of {INSTALL}, and give it up when it is not there"),
        "record 4.20.1 as the latest build".to_owned(),
    ];
    let report = pass(&world, BuildKind::Stable, true).await;
    assert_eq!((report.verdict, &report.planned[..]), (Verdict::New, &expected[..]));
    world.put(STABLE_LATEST, &latest_text("4.20.1"));
    let report = pass(&world, BuildKind::Stable, true).await;
    assert_eq!((report.verdict, &report.planned[..]), (Verdict::Same, &expected[..2]));
    assert!(world.runs().is_empty());
}

#[tokio::test]
async fn a_build_of_another_stream_in_the_latest_file_counts_as_none() {
    let world = FakeWorld::new(1, REGISTRY, all_succeed());
    // An interrupted start for the other stream's build is not continued here.
    world.put(STABLE_LATEST, &latest_text("4.21.0-ec.0"));
    let foreign = name("4.21.0-ec.0");
    let registry = REGISTRY.replace("4.20", "4.21");
    let job = crate::prow::registry::TestJobRegistry::parse(foreign.registry(), registry.as_bytes())
        .unwrap()
        .enabled(BuildKind::Stable)
        .next()
        .unwrap()
        .clone();
    let build = crate::prow::record::Build::new(foreign.build.clone(), "Accepted", "p:4.21", "");
    let old = world.clock.now() - 2 * HOUR;
    let file = ResultFile::create(foreign.clone(), build, &[(job, Intent::at(old))], old);
    world.put(&path(&foreign), &file.to_text());
    let report = pass(&world, BuildKind::Stable, false).await;
    assert_eq!((report.verdict, world.runs().len()), (Verdict::NoBuild, 0));
    assert!(
        report.warnings[0].contains("holds 4.21.0-ec.0, and it is not a stable build of 4.20"),
        "{report:?}"
    );

    world.publish("4.20.1");
    world.publish(NIGHTLY);
    world.register(&REGISTRY.replace("4.20-install", "4.20-upgrade-from-stable-4.20").replacen(
        "f999\"}",
        "f999\", \"upgrade\": true}",
        1,
    ));
    control(&world, BuildKind::Nightly).await;
    let upgrade = world.runs().into_iter().find(|run| run.job == FROM_STABLE).unwrap();
    let image = |build: &str| format!("registry.example.com/demo/release:{build}");
    assert_eq!(upgrade.payload, format!("{},{}", image("4.20.1"), image(NIGHTLY)));

    world.register(REGISTRY);
    let report = pass(&world, BuildKind::Stable, false).await;
    assert_eq!((report.verdict, report.recorded_now, report.warnings.len()), (Verdict::New, true, 1));
    assert!(latest(&world, BuildKind::Stable).unwrap().contains("4.20.1"));
    assert_eq!(pass(&world, BuildKind::Stable, false).await.warnings, Vec::<String>::new());
}

#[tokio::test]
async fn a_job_whose_images_are_not_known_keeps_no_other_from_its_start_and_is_given_up_in_the_end() {
    let registry = format!(
        r#"{{"nightly": [{{"prowJob": "{FROM_STABLE}", "upgrade": true}}, {{"prowJob": "{INSTALL}"}}], "stable": []}}"#
    );
    let world = FakeWorld::new(1, &registry, all_succeed());
    world.publish(NIGHTLY);
    world.put(STABLE_LATEST, "{");
    let dry = pass(&world, BuildKind::Nightly, true).await;
    assert_eq!((dry.planned.len(), result_of(&dry, FROM_STABLE)), (2, "failed"), "{dry:?}");
    assert_eq!(dry.class(), Some(ErrorClass::Failed));
    for hours in [0, 1] {
        world.advance(hours * HOUR);
        let report = pass(&world, BuildKind::Nightly, false).await;
        assert_eq!((result_of(&report, FROM_STABLE), report.class()), ("failed", Some(ErrorClass::Failed)));
        assert_eq!((jobs_of(&world), report.recorded_now), (vec![INSTALL.to_owned()], hours == 0));
        let problem = report.jobs[0].problem.clone().unwrap();
        assert!(problem.contains("ocp-latest-4.20-stable-amd64.json"), "{problem}");
    }
    world.advance(24 * HOUR);
    let report = pass(&world, BuildKind::Nightly, false).await;
    assert_eq!((result_of(&report, FROM_STABLE), report.recorded_now), ("given up", false));
    assert_eq!(world.runs().len(), 1);
}

#[tokio::test]
async fn the_controller_adds_nothing_to_a_record_but_what_it_was_started_with() {
    let more = REGISTRY
        .replace("\"retries\": 4}", "\"retries\": 4}, {\"prowJob\": \"periodic-ci-demo-4.20-new-f999\"}");
    for finished in [false, true] {
        let world = FakeWorld::new(1, REGISTRY, all_succeed());
        world.publish("4.20.1");
        control(&world, BuildKind::Stable).await;
        if finished {
            world.advance(4 * HOUR);
            aggregate(&world).await;
        }
        let before = record(&world, "4.20.1").unwrap().to_text();
        assert_eq!(before.contains("\"aggregated\": true"), finished);
        world.register(&more);
        world.remove(STABLE_LATEST);
        let report = pass(&world, BuildKind::Stable, true).await;
        assert_eq!(report.planned, ["record 4.20.1 as the latest build"]);
        let report = pass(&world, BuildKind::Stable, false).await;
        assert_eq!((report.verdict, report.recorded_now, report.jobs.len()), (Verdict::New, true, 0));
        assert_eq!((record(&world, "4.20.1").unwrap().to_text(), world.runs().len()), (before, 2));
        // An explicit request starts it.
        let report = trigger(&world, "4.20.1", Existing::Keep).await;
        assert_eq!(report.jobs.len(), 1, "{report:?}");
        assert!(!record(&world, "4.20.1").unwrap().is_aggregated());
    }
}

#[tokio::test]
async fn a_trigger_after_one_that_was_killed_says_that_the_jobs_are_left_to_others() {
    let world = died(0).await;
    let report = trigger(&world, "4.20.1", Existing::Keep).await;
    let results: Vec<_> = report.jobs.iter().map(|job| job.result).collect();
    assert_eq!((results, report.class()), (vec!["elsewhere"; 2], Some(ErrorClass::Conflict)), "{report:?}");
    assert!(report.jobs.iter().all(|job| job.hint.is_some()));
    assert_eq!(world.runs().len(), 0);
    let controller = Controller { world: world.world() };
    let build = "4.20.1".parse().unwrap();
    let planned = controller.trigger(&build, Arch::Amd64, Existing::Keep, None).await.unwrap();
    assert_eq!((planned.planned.len(), planned.class()), (0, Some(ErrorClass::Conflict)), "{planned:?}");
    // When nobody can be at it any more, they are started.
    world.advance(HOUR);
    let report = trigger(&world, "4.20.1", Existing::Keep).await;
    assert_eq!((world.runs().len(), report.class()), (2, None), "{report:?}");
}

#[tokio::test]
async fn a_record_of_the_python_tooling_gets_the_required_jobs_that_it_lacks() {
    let text = |job: &str| {
        format!(
            r#"{{"result": [{{"jobName": "{job}", "firstJob": {{"jobID": "run-by-others"}}}}], "build": {{"name": "4.20.1"}}}}"#
        )
    };
    // A job that the registry does not know was renamed: then it is unknown which jobs are missing.
    for (job, started) in
        [(INSTALL, vec![UPGRADE.to_owned()]), ("periodic-ci-demo-4.20-old-f360", Vec::new())]
    {
        let world = FakeWorld::new(1, REGISTRY, all_succeed());
        world.publish("4.20.1");
        world.put(&path(name("4.20.1")), &text(job));
        let report = pass(&world, BuildKind::Stable, false).await;
        assert_eq!((jobs_of(&world), report.recorded_now), (started, true));
    }
}

#[tokio::test]
async fn a_build_that_is_not_accepted_is_recorded_with_its_phase_and_a_warning() {
    let world = FakeWorld::new(1, REGISTRY, all_succeed());
    for (build, phase, warns) in [
        ("4.20.1", Phase::Rejected, true),
        ("4.20.2", Phase::Other("Verifying".to_owned()), true),
        ("4.20.3", Phase::Accepted, false),
    ] {
        world.publish_as(build, phase.clone());
        let report = trigger(&world, build, Existing::Keep).await;
        assert_eq!(report.jobs.len(), 2);
        assert_eq!(record(&world, build).unwrap().build().phase, phase.text());
        let words = format!("the phase of {build} is {phase}, not Accepted");
        assert_eq!(report.warnings.contains(&words), warns, "{report:?}");
    }
}

#[tokio::test]
async fn a_record_that_is_there_and_not_found_stops_the_pass_before_anything_is_started() {
    let world = died(0).await;
    world.hide(Some(path(name("4.20.1"))));
    let permit = WritePermit::granted_by_user_interface();
    let controller = Controller { world: world.world() };
    assert!(controller.pass(scope(BuildKind::Stable), true, Some(&permit)).await.is_err());
    assert_eq!((latest(&world, BuildKind::Stable), world.runs().len()), (None, 0));
    world.hide(None);
    world.advance(HOUR);
    pass(&world, BuildKind::Stable, false).await;
    assert_eq!(world.runs().len(), 2);
    assert!(latest(&world, BuildKind::Stable).is_some());
}

#[tokio::test]
async fn who_finds_another_one_at_work_leaves_it_the_jobs_and_the_latest_build() {
    let world = died(0).await;
    let report = pass(&world, BuildKind::Stable, false).await;
    assert!(report.warnings[0].contains("another program is about to start the jobs"), "{report:?}");
    assert_eq!((report.recorded_now, world.runs().len()), (false, 0));
    assert_eq!(latest(&world, BuildKind::Stable), None);
}

#[tokio::test]
async fn a_start_whose_turn_comes_when_others_may_take_it_over_is_not_sent() {
    const MINUTE: Duration = Duration::from_mins(1);
    for (minutes, runs, renewals) in [(4, 2, 0), (5, 2, 1), (10, 0, 1)] {
        let world = FakeWorld::new(1, REGISTRY, all_succeed());
        world.publish("4.20.1");
        world.turns_take(minutes * MINUTE);
        let report = pass(&world, BuildKind::Stable, false).await;
        let renewed = world.writes().iter().filter(|message| message.contains("take over the start")).count();
        assert_eq!((world.runs().len(), renewed), (runs, renewals), "{minutes} minutes: {report:?}");
        world.turns_take(Duration::ZERO);
        world.advance(HOUR);
        pass(&world, BuildKind::Stable, false).await;
        assert_eq!(world.runs().len(), 2, "{minutes} minutes");
        assert_all_recorded(&world, &format!("{minutes} minutes"));
    }
}
