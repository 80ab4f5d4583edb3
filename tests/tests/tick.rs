//! `oarctl tick`: one look at everything that waits.

use end_to_end::approval::{acts, approved_by, is_closed, make_ready, moves_of, publish, state_of};
use end_to_end::{ERRATA, Fault, FaultKind, Harness, KONFLUX};
use sandbox::services::errata::AdvisoryState;

/// A sandbox in which the Konflux release waits, with a look due at once, beside one that does not.
fn waiting() -> Harness {
    let harness = Harness::new().env("OAR_WAIT_INTERVAL", "1").env("OAR_WAIT_LEASE", "2");
    make_ready(&harness, KONFLUX);
    harness.oar(KONFLUX, &["change-advisory-status", "--yes", "--no-watch"]).expect(0);
    harness.oar(ERRATA, &["create-test-report"]).expect(0);
    std::thread::sleep(std::time::Duration::from_millis(1100));
    harness.sandbox.clear_requests();
    harness
}

fn tick(harness: &Harness) -> end_to_end::Run {
    harness.run("oarctl", ["tick"])
}

#[test]
fn every_release_that_waits_is_found_and_carried_on_once() {
    let harness = waiting();
    publish(&harness);
    let run = tick(&harness).expect(0);
    assert_eq!(run.stdout, "4.19.1: done\n", "{run:?}");
    for id in [150_001, 150_002] {
        assert_eq!((state_of(&harness, id), moves_of(&harness, id)), (AdvisoryState::RelPrep, 1));
    }
    assert_eq!(approved_by(&harness).len(), 1);
    assert!(is_closed(&harness, KONFLUX));
    harness.sandbox.clear_requests();
    let run = tick(&harness).expect(0);
    assert_eq!(run.stdout, "2 releases checked: nothing waits\n", "{run:?}");
    assert_eq!(acts(&harness), Vec::<String>::new());
    let run = harness.run("oarctl", ["tick", "--release", ERRATA]).expect(0);
    assert_eq!(run.stdout, "4.14.60: nothing waits\n", "a release that was named is answered");
    harness.sandbox.assert_no_unexpected();
}

#[test]
fn one_bad_release_does_not_keep_the_others_from_their_look() {
    let harness = waiting();
    harness.put_statebox("4.18.9", "release: 4.18.9\ntasks: [\n");
    publish(&harness);
    let run = harness.run("oarctl", ["tick", "--output", "json"]).expect(6);
    let rows = run.json();
    let row = |release: &str| {
        rows.as_array().unwrap().iter().find(|row| row["release"] == release).cloned().unwrap_or_default()
    };
    assert_eq!(row("4.18.9")["result"], "error", "{rows:#}");
    assert_eq!(row(KONFLUX)["result"], "done", "{rows:#}");
    assert_eq!(state_of(&harness, 150_001), AdvisoryState::RelPrep);
}

#[test]
fn a_y_stream_that_cannot_be_listed_is_named_and_the_others_are_looked_at() {
    let harness = waiting();
    publish(&harness);
    let broken = FaultKind::Status { code: 404, body: None, headers: Vec::new() };
    let fault = Fault::on("github", broken).path("*/contents/_releases/4.12/statebox").forever();
    harness.sandbox.faults().add(fault);
    let refused = FaultKind::Status { code: 403, body: None, headers: Vec::new() };
    let fault = Fault::on("github", refused).path("*/contents/_releases/4.13/statebox").forever();
    harness.sandbox.faults().add(fault);
    let run = tick(&harness);
    assert_ne!(run.code, Some(0), "{run:?}");
    assert!(run.stdout.contains("4.13: error: "), "{run:?}");
    assert!(!run.stdout.contains("4.12"), "a y-stream without a release is none: {run:?}");
    assert!(run.stdout.ends_with("4.19.1: done\n"), "{run:?}");
}

#[test]
fn a_dry_run_says_which_look_is_due_and_does_nothing() {
    let harness = waiting();
    publish(&harness);
    let before = harness.statebox(KONFLUX);
    let run = harness.run("oarctl", ["tick", "--dry-run"]).expect(0);
    assert!(run.stdout.starts_with("4.19.1: would look: ") && run.stdout.lines().count() == 1, "{run:?}");
    let rows = harness.run("oarctl", ["tick", "--dry-run", "--output", "json"]).expect(0).json();
    assert_eq!((&rows[0]["release"], &rows[0]["result"]), (&"4.19.1".into(), &"would look".into()), "{rows}");
    assert_eq!((acts(&harness), harness.statebox(KONFLUX)), (Vec::<String>::new(), before));
    tick(&harness).expect(0);
    let run = harness.run("oarctl", ["tick", "--dry-run", "-r", KONFLUX]).expect(0);
    assert_eq!(run.stdout, "4.19.1: nothing waits\n");
}

#[test]
fn messages_that_could_not_be_sent_before_are_sent_and_counted() {
    let harness = Harness::new();
    let down =
        || Fault::on("slack", FaultKind::Status { code: 503, body: None, headers: Vec::new() }).forever();
    harness.sandbox.faults().add(down());
    harness.oar(KONFLUX, &["create-test-report"]).expect(0);
    let run = harness.run("oarctl", ["tick", "-r", KONFLUX]).expect(0);
    assert!(run.stdout.starts_with("4.19.1: messages kept: 0 of "), "{run:?}");
    harness.sandbox.faults().clear();
    let run = harness.run("oarctl", ["tick", "-r", KONFLUX]).expect(0);
    assert!(run.stdout.starts_with("4.19.1: messages sent: "), "{run:?}");
    let run = harness.run("oarctl", ["tick", "-r", KONFLUX]).expect(0);
    assert_eq!(run.stdout, "4.19.1: nothing waits\n");
}

#[test]
fn one_reason_for_all_y_streams_is_said_once() {
    let harness = Harness::new();
    let mut command = harness.command("oarctl", ["tick"]);
    command.env_remove("GITHUB_TOKEN");
    let run = end_to_end::finish(command).expect(3);
    assert_eq!(run.stdout.lines().count(), 1, "{run:?}");
    assert!(run.stdout.contains("4.18, 4.19"), "{run:?}");
    assert_eq!(run.stderr.matches("next:").count(), 1, "{run:?}");
}
