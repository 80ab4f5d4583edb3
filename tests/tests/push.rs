//! push-to-cdn-staging in both flows: what blocks goes first, each push happens once, nothing without consent.
#![expect(clippy::unwrap_used, reason = "tests say what they expect by failing")]

use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::{Command, Stdio};

use end_to_end::{ERRATA, Harness, KONFLUX, Run, wait};
use jiff::SignedDuration;
use sandbox::services::errata::{Advisory, AdvisoryState, PushJob};

const PUSH: &[&str] = &["push-to-cdn-staging", "--yes"];
/// A third of what the reference needs.
const BUDGETS: [(&str, usize); 2] = [(KONFLUX, 13), (ERRATA, 37)];

fn prepare(harness: &Harness, id: u32, change: impl FnOnce(&mut Advisory)) {
    change(harness.sandbox.world().errata.lock().advisory_mut(id).unwrap());
}

/// A release that is announced, with all advisories in QE.
fn announced(release: &str) -> Harness {
    let harness = Harness::announced(release);
    prepare(&harness, 150_002, |advisory| advisory.state = AdvisoryState::Qe);
    harness.sandbox.clear_requests();
    harness
}

/// All pushes are through.
fn later(harness: &Harness) {
    harness.sandbox.clock().advance(SignedDuration::from_mins(5));
}

/// How many push jobs each advisory of the two releases has.
fn jobs(harness: &Harness) -> BTreeMap<u32, usize> {
    let state = harness.sandbox.world().errata.lock();
    state
        .advisories
        .iter()
        .filter(|(_, advisory)| !advisory.push_jobs.is_empty())
        .map(|(id, advisory)| (*id, advisory.push_jobs.len()))
        .collect()
}

fn status(harness: &Harness, release: &str) -> String {
    let report = harness.oar(release, &["status", "--output", "json"]).expect(0).json();
    let tasks = report["tasks"].as_array().unwrap();
    let task = tasks.iter().find(|task| task["name"] == "push-to-cdn-staging").unwrap();
    task["status"].as_str().unwrap().to_owned()
}

fn job(id: u32, target: &str, status: &str) -> PushJob {
    PushJob { id, target: target.to_owned(), status: status.to_owned(), respin: 1, ..PushJob::default() }
}

#[test]
fn a_konflux_release_is_pushed_and_passes_when_the_pushes_are_through() {
    let harness = announced(KONFLUX);
    let run = harness.oar(KONFLUX, PUSH).expect(0);
    assert!(run.stdout.contains("In Progress") && run.stdout.contains("cdn_stage READY"), "{run:?}");
    assert_eq!(jobs(&harness), BTreeMap::from([(150_001, 1), (150_002, 1)]), "microshift is left alone");
    assert_eq!(status(&harness, KONFLUX), "In Progress");

    let before = harness.statebox(KONFLUX);
    let run = harness.oar(KONFLUX, PUSH).expect(0);
    assert!(run.stdout.contains("In Progress"), "{run:?}");
    assert_eq!(jobs(&harness).values().sum::<usize>(), 2, "a running push is not started again");
    assert_eq!(harness.statebox(KONFLUX), before, "a look that finds the same is no new run");

    later(&harness);
    let run = harness.oar(KONFLUX, &["push-to-cdn-staging", "--output", "json"]).expect(0).json();
    assert_eq!((&run["status"], &run["data"]["complete"]), (&"Pass".into(), &2.into()), "{run:#}");
    assert_eq!(run["data"]["advisories"][0]["targets"]["cdn_stage"], "COMPLETE");
    assert_eq!(status(&harness, KONFLUX), "Pass");

    let before = harness.statebox(KONFLUX);
    harness.sandbox.clear_requests();
    let run = harness.oar(KONFLUX, PUSH).expect(0);
    assert!(run.stdout.contains("nothing to do"), "{run:?}");
    assert!(harness.sandbox.writes().is_empty(), "{:#?}", harness.sandbox.writes());
    assert_eq!(harness.statebox(KONFLUX), before);
    harness.sandbox.assert_no_unexpected();
}

#[test]
fn an_errata_release_pushes_what_blocks_first_and_to_its_end() {
    let harness = announced(ERRATA);
    let first = harness.oar(ERRATA, PUSH).expect(0);
    assert_eq!(jobs(&harness), BTreeMap::from([(140_001, 1), (140_002, 1), (140_005, 1)]));
    assert!(
        first.stdout.contains("advisory 140004 (metadata): follows when 140002 is on staging"),
        "{first:?}"
    );

    harness.oar(ERRATA, PUSH).expect(0);
    assert_eq!(jobs(&harness).get(&140_004), None, "its dependency still runs");

    later(&harness);
    let third = harness.oar(ERRATA, PUSH).expect(0);
    assert_eq!(jobs(&harness).get(&140_004), Some(&1), "{third:?}");
    assert!(third.stdout.contains("3 of 4 advisories are on staging"), "{third:?}");

    later(&harness);
    harness.oar(ERRATA, PUSH).expect(0);
    assert_eq!(status(&harness, ERRATA), "Pass");
    assert_eq!(jobs(&harness).values().sum::<usize>(), 4);
    let refused: Vec<_> = harness
        .sandbox
        .requests()
        .into_iter()
        .filter(|request| request.service == "errata" && request.status.is_some_and(|status| status >= 400))
        .collect();
    assert!(refused.is_empty(), "no push was sent that Errata Tool must refuse: {refused:#?}");
    harness.sandbox.assert_no_unexpected();
}

#[test]
fn an_advisory_outside_the_release_that_blocks_it_is_pushed_first() {
    let harness = announced(KONFLUX);
    prepare(&harness, 150_001, |advisory| advisory.blocking_advisories = vec![140_001]);
    let run = harness.oar(KONFLUX, &["push-to-cdn-staging", "--dry-run"]).expect(0);
    assert!(run.stdout.contains("push to staging advisory 140001 (blocks another one)"), "{run:?}");
    harness.oar(KONFLUX, PUSH).expect(0);
    assert_eq!(jobs(&harness), BTreeMap::from([(140_001, 1), (150_002, 1)]));
}

#[test]
fn each_run_keeps_to_its_budget() {
    for (release, budget) in BUDGETS {
        let harness = announced(release);
        for _ in 0..4 {
            harness.sandbox.clear_requests();
            harness.oar(release, PUSH).expect(0);
            let count = harness.sandbox.requests().len();
            assert!(count <= budget, "{release}: {count} requests:\n{}", harness.request_lines());
            later(&harness);
        }
        assert_eq!(status(&harness, release), "Pass");
    }
}

#[test]
fn a_dry_run_needs_no_consent_and_writes_nothing() {
    for release in [KONFLUX, ERRATA] {
        let harness = announced(release);
        let before = harness.statebox(release);
        let run = harness.oar(release, &["push-to-cdn-staging", "--dry-run"]).expect(0);
        assert!(run.stdout.contains("never pushed -> all staging targets"), "{run:?}");
        assert!(harness.sandbox.writes().is_empty(), "{:#?}", harness.sandbox.writes());
        assert_eq!(harness.statebox(release), before);
    }
}

#[test]
fn without_a_terminal_and_without_yes_nothing_is_sent() {
    let harness = announced(ERRATA);
    let before = harness.statebox(ERRATA);
    let run = harness.oar(ERRATA, &["push-to-cdn-staging"]).expect(6);
    assert!(
        run.stderr.contains("--yes") && run.stderr.contains("push to staging advisory 140001"),
        "{run:?}"
    );
    let json = harness.oar(ERRATA, &["push-to-cdn-staging", "--output", "json"]).expect(6).json();
    assert_eq!((&json["exit_code"], &json["status"]), (&6.into(), &serde_json::Value::Null));
    assert_eq!(json["plan"]["steps"].as_array().unwrap().len(), 3, "{json:#}");
    assert!(harness.sandbox.writes().is_empty(), "{:#?}", harness.sandbox.writes());
    assert_eq!(harness.statebox(ERRATA), before);
}

/// Runs the command on a terminal of its own and types `answer`.
fn at_a_terminal(harness: &Harness, answer: &str) -> Run {
    let inner = harness.command("oar", ["-r", ERRATA, "push-to-cdn-staging"]);
    let words: Vec<String> = std::iter::once(inner.get_program())
        .chain(inner.get_args())
        .map(|word| format!("'{}'", word.to_str().unwrap()))
        .collect();
    let mut command = Command::new("script");
    command.args(["--quiet", "--return", "--command", &words.join(" "), "/dev/null"]).env_clear();
    command.envs(inner.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.current_dir(harness.home()).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(answer.as_bytes()).unwrap();
    wait(child)
}

#[test]
fn at_a_terminal_the_plan_is_shown_and_only_yes_goes_on() {
    for (answer, code) in [("y\n", 0), ("yes\n", 0), ("\n", 6), ("n\n", 6), ("sure\n", 6)] {
        let harness = announced(ERRATA);
        let before = harness.statebox(ERRATA);
        let run = at_a_terminal(&harness, answer).expect(code);
        assert!(run.stdout.contains("push-to-cdn-staging of 4.14.60 will:"), "{run:?}");
        assert!(run.stdout.contains("[y/N]"), "{run:?}");
        assert_eq!(jobs(&harness).len(), if code == 0 { 3 } else { 0 }, "{answer:?}");
        assert_eq!(harness.statebox(ERRATA) == before, code != 0);
    }
}

#[test]
fn an_advisory_in_new_files_is_refused_and_the_others_are_pushed() {
    let harness = Harness::new();
    let run = harness.oar(KONFLUX, PUSH).expect(6);
    assert!(run.stderr.contains("advisory 150002 (rhcos): is in NEW_FILES"), "{run:?}");
    assert!(run.stdout.contains("done: push to staging advisory 150001 (rpm)"), "{run:?}");
    assert_eq!(jobs(&harness), BTreeMap::from([(150_001, 1)]));
    assert_eq!(status(&harness, KONFLUX), "Fail");
}

#[test]
fn a_failed_push_is_started_again_and_a_live_one_says_nothing() {
    let harness = announced(KONFLUX);
    prepare(&harness, 150_001, |advisory| {
        advisory.push_jobs = vec![job(1, "cdn_stage", "FAILED"), job(2, "cdn_stage", "FAILED")];
    });
    prepare(&harness, 150_002, |advisory| {
        advisory.push_jobs = vec![job(4, "cdn_docker", "FAILED")];
    });
    harness.oar(KONFLUX, PUSH).expect(0);
    assert_eq!(jobs(&harness), BTreeMap::from([(150_001, 3), (150_002, 2)]));
    later(&harness);
    harness.oar(KONFLUX, PUSH).expect(0);
    assert_eq!(status(&harness, KONFLUX), "Pass");
}

#[test]
fn a_push_of_earlier_builds_or_without_channels_or_task_is_none() {
    let old = PushJob { respin: 0, ..job(1, "cdn_stage", "COMPLETE") };
    let nochannel = PushJob { nochannel: true, ..job(1, "cdn_stage", "COMPLETE") };
    let untasked = PushJob { untasked: true, ..job(1, "cdn_stage", "COMPLETE") };
    for stale in [old, nochannel, untasked] {
        let harness = announced(KONFLUX);
        prepare(&harness, 150_001, |advisory| advisory.push_jobs = vec![stale.clone()]);
        let run = harness.oar(KONFLUX, PUSH).expect(0);
        assert_eq!(jobs(&harness), BTreeMap::from([(150_001, 2), (150_002, 1)]), "{stale:?}: {run:?}");
        assert_eq!(status(&harness, KONFLUX), "In Progress");
        later(&harness);
        harness.oar(KONFLUX, PUSH).expect(0);
        assert_eq!(status(&harness, KONFLUX), "Pass");
    }
}

#[test]
fn where_no_time_is_known_errata_tool_is_asked_and_leaves_out_what_is_done() {
    for status_of_job in ["COMPLETE", "POST_PUSH_FAILED"] {
        let harness = announced(KONFLUX);
        for (id, target) in [(150_001, "cdn_stage"), (150_002, "cdn_docker_stage")] {
            prepare(&harness, id, |advisory| advisory.push_jobs = vec![job(1, target, status_of_job)]);
        }
        let run = harness.oar(KONFLUX, &["push-to-cdn-staging", "--dry-run"]).expect(0);
        assert!(run.stdout.contains("perhaps of earlier builds"), "{run:?}");
        harness.oar(KONFLUX, PUSH).expect(0);
        assert_eq!(jobs(&harness), BTreeMap::from([(150_001, 1), (150_002, 1)]), "nothing is pushed twice");
        assert_eq!(status(&harness, KONFLUX), "Pass");
    }
}

#[test]
fn what_still_follows_a_push_is_waited_for_and_never_pushed_again() {
    let harness = announced(KONFLUX);
    prepare(&harness, 150_001, |advisory| {
        advisory.push_jobs = vec![job(1, "cdn_stage", "POST_PUSH_PROCESSING")];
    });
    harness.oar(KONFLUX, PUSH).expect(0);
    assert_eq!(jobs(&harness), BTreeMap::from([(150_001, 1), (150_002, 1)]));
    assert_eq!(status(&harness, KONFLUX), "In Progress");
}

#[test]
fn a_status_nobody_knows_is_neither_done_nor_waited_for() {
    let harness = announced(KONFLUX);
    prepare(&harness, 150_001, |advisory| advisory.push_jobs = vec![job(1, "cdn_stage", "ON_HOLD")]);
    let run = harness.oar(KONFLUX, PUSH).expect(1);
    assert!(run.stderr.contains("cdn_stage ON_HOLD") && run.stderr.contains("/advisory/150001"), "{run:?}");
    assert_eq!(jobs(&harness), BTreeMap::from([(150_001, 1), (150_002, 1)]), "the other one is pushed");
    assert_eq!(status(&harness, KONFLUX), "Fail");
}

#[test]
fn a_push_that_errata_tool_refuses_does_not_stop_the_others() {
    let harness = announced(ERRATA);
    prepare(&harness, 140_001, |advisory| advisory.builds[0].rpms_signed = false);
    let run = harness.oar(ERRATA, PUSH).expect(1);
    assert!(run.stderr.contains("Packages are not signed"), "{run:?}");
    assert_eq!(jobs(&harness), BTreeMap::from([(140_002, 1), (140_005, 1)]));
    prepare(&harness, 140_001, |advisory| advisory.builds[0].rpms_signed = true);
    harness.oar(ERRATA, PUSH).expect(0);
    assert_eq!(jobs(&harness).get(&140_001), Some(&1));
}

#[test]
fn advisories_that_block_one_another_are_named_and_nothing_turns_in_circles() {
    let harness = announced(ERRATA);
    prepare(&harness, 140_002, |advisory| advisory.blocking_advisories = vec![140_004]);
    let run = harness.oar(ERRATA, PUSH).expect(6);
    assert!(run.stderr.contains("140002 -> 140004 -> 140002"), "{run:?}");
    assert_eq!(jobs(&harness), BTreeMap::from([(140_001, 1), (140_005, 1)]));
}

#[test]
fn a_release_without_an_advisory_to_push_is_refused_and_never_passes() {
    let harness = announced(KONFLUX);
    for id in [150_001, 150_002] {
        prepare(&harness, id, |advisory| advisory.state = AdvisoryState::DroppedNoShip);
    }
    let run = harness.oar(KONFLUX, PUSH).expect(6);
    assert!(run.stderr.contains("not one advisory"), "{run:?}");
    assert_ne!(status(&harness, KONFLUX), "Pass");
}
