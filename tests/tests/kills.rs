//! A signal ends a run in its own words. (Kills after every request of every command: `matrix.rs`.)
#![expect(clippy::unwrap_used, reason = "tests say what they expect by failing")]

use std::time::{Duration, Instant};

use end_to_end::approval::{publish, ready};
use end_to_end::{ERRATA, Fault, FaultKind, Harness, KONFLUX, LEAD, Run, wait};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

fn take(harness: &Harness, release: &str) -> Run {
    harness.oar(release, &["take-ownership", "-e", LEAD])
}

fn prepared(release: &str) -> Harness {
    let harness = Harness::announced(release);
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

/// Runs a command in which the request of `fault` hangs, and stops it when that request and `beside` others that match
/// `acts` have arrived.
fn stop_in_the_middle(harness: &Harness, arguments: &[&str], fault: Fault, acts: &str, beside: usize) -> Run {
    harness.sandbox.clear_requests();
    harness.sandbox.faults().add(fault);
    let child = harness.command("oar", arguments).spawn().unwrap();
    let started = Instant::now();
    loop {
        let requests = harness.sandbox.requests();
        let others = requests
            .iter()
            .filter(|one| one.fault.is_none() && one.acted && one.method != "GET" && one.path.contains(acts));
        if others.count() >= beside && requests.iter().any(|request| request.fault.is_some()) {
            break;
        }
        assert!(started.elapsed() < Duration::from_secs(30), "{}", harness.request_lines());
        std::thread::sleep(Duration::from_millis(1));
    }
    // Requests that run beside the one that hangs get their answers.
    std::thread::sleep(Duration::from_millis(30));
    kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), Signal::SIGINT).unwrap();
    let run = wait(child);
    harness.sandbox.faults().clear();
    run.expect(130)
}

#[test]
fn an_interrupted_run_prints_and_stores_what_it_had_done() {
    let take = ["-r", ERRATA, "take-ownership", "-e", LEAD];
    let push = ["-r", ERRATA, "push-to-cdn-staging", "--yes"];
    let approve = ["-r", KONFLUX, "change-advisory-status", "--yes", "--no-watch"];
    let on = |service: &str| Fault::on(service, FaultKind::Hang);
    let cases: [(&[&str], Fault, &str, usize, &str); 3] = [
        (&take, on("jira").method("PUT").forever(), "erratum", 1, "set QE owner of advisory"),
        (&push, on("errata").method("POST").path("*push").skip(1), "push", 1, "push to staging advisory"),
        (
            &approve,
            on("errata").method("POST").path("*change_state").forever(),
            "approve",
            1,
            "approve shipment merge request",
        ),
    ];
    for (arguments, fault, acts, beside, effect) in cases {
        let (release, task) = (arguments[1], arguments[2]);
        let harness = if task == "change-advisory-status" { ready(release) } else { prepared(release) };
        if task == "push-to-cdn-staging" {
            harness.pass(release, "take-ownership");
        }
        publish(&harness);
        let run = stop_in_the_middle(&harness, arguments, fault, acts, beside);
        assert!(run.stdout.contains(&format!("done: {effect}")), "{run:?}");
        let history = harness.oar(release, &["history", task, "--output", "json"]).expect(0).json();
        let stored = &history["runs"].as_array().unwrap().last().unwrap()["run"]["done"];
        let stored: Vec<&str> = stored.as_array().unwrap().iter().map(|one| one.as_str().unwrap()).collect();
        assert!(stored.iter().any(|one| one.starts_with(effect)), "{stored:?}");
        assert_eq!(run.stdout.matches("done: ").count(), stored.len(), "{run:?}");
        let shown = harness.oar(release, &["history", task]).expect(0);
        assert!(shown.stdout.contains(&format!("done: {effect}")), "{shown:?}");
        // The next run finds what was done, and does the rest.
        let again = harness.oar(release, arguments.get(2..).unwrap()).expect(0);
        assert!(!stored.iter().any(|one| again.stdout.contains(one)), "{again:?}");
    }
}
