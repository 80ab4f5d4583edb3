//! A signal ends a run in its own words. (Kills after every request of every command: `matrix.rs`.)
#![expect(clippy::unwrap_used, reason = "tests say what they expect by failing")]

use std::time::{Duration, Instant};

use end_to_end::{Fault, FaultKind, Harness, KONFLUX, LEAD, Run, wait};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

fn take(harness: &Harness, release: &str) -> Run {
    harness.oar(release, &["take-ownership", "-e", LEAD])
}

fn prepared(release: &str) -> Harness {
    let harness = Harness::new();
    harness.oar(release, &["create-test-report"]).expect(0);
    harness.sandbox.clear_requests();
    harness
}

/// Starts take-ownership, lets `after` requests be answered, and sends `signal` when the next one has acted.
fn stop_after(harness: &Harness, release: &str, after: u64, signal: Signal) -> Run {
    harness.sandbox.faults().add(Fault::anywhere(FaultKind::HangAfter).skip(after));
    let child = harness.command("oar", ["-r", release, "take-ownership", "-e", LEAD]).spawn().unwrap();
    let started = Instant::now();
    while !harness.sandbox.requests().iter().any(|request| request.fault.is_some() && request.acted) {
        assert!(started.elapsed() < Duration::from_secs(30), "request {after} never came");
        std::thread::sleep(Duration::from_millis(1));
    }
    // Requests that run beside the one that hangs get their answers.
    std::thread::sleep(Duration::from_millis(30));
    kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), signal).unwrap();
    let run = wait(child);
    harness.sandbox.faults().clear();
    run
}

#[test]
fn an_interrupted_run_says_so_in_the_state_and_in_its_exit_code() {
    for (signal, code, name) in [(Signal::SIGINT, 130, "SIGINT"), (Signal::SIGTERM, 143, "SIGTERM")] {
        let harness = prepared(KONFLUX);
        // By the twentieth request the start is recorded and the effects are under way.
        let run = stop_after(&harness, KONFLUX, 20, signal);
        assert_eq!(run.code, Some(code), "{run:?}");
        let state = harness.statebox(KONFLUX).unwrap();
        assert!(state.contains(&format!("interrupted by {name}")), "{state}");
        let history = harness.oar(KONFLUX, &["history", "take-ownership"]).expect(0);
        assert!(history.stdout.contains(&format!("interrupted by {name}")), "{history:?}");
        take(&harness, KONFLUX).expect(0);
    }
}
