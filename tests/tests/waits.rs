//! The wait of an approval: carried on by one of many, taken over from a killed one, and never for ever.
#![expect(clippy::unwrap_used, reason = "tests say what they expect by failing")]

use std::os::unix::fs::PermissionsExt as _;
use std::process::Child;
use std::time::{Duration, Instant};

use end_to_end::approval::{approved_by, is_closed, make_ready, moves_of, publish, state_of};
use end_to_end::{Fault, FaultKind, Harness, KONFLUX, wait};
use sandbox::Tickets;
use sandbox::services::errata::AdvisoryState;

const CARRY_ON: [&str; 5] = ["-r", KONFLUX, "change-advisory-status", "--carry-on", "--yes"];

/// A release that waits, with looks every second and a lease of two.
fn waiting(limit: &str) -> Harness {
    let harness = with_limit(limit);
    make_ready(&harness, KONFLUX);
    begin(&harness);
    harness
}

fn with_limit(limit: &str) -> Harness {
    Harness::new().env("OAR_WAIT_INTERVAL", "1").env("OAR_WAIT_LEASE", "2").env("OAR_WAIT_LIMIT", limit)
}

fn begin(harness: &Harness) {
    harness.oar(KONFLUX, &["change-advisory-status", "--yes", "--no-watch"]).expect(0);
    assert!(state(harness).contains("  wait:\n"), "{}", state(harness));
}

fn state(harness: &Harness) -> String {
    harness.statebox(KONFLUX).unwrap()
}

fn watcher(harness: &Harness) -> Child {
    harness.command("oar", CARRY_ON).spawn().unwrap()
}

fn until(what: &str, condition: impl Fn() -> bool) {
    let started = Instant::now();
    while !condition() {
        assert!(started.elapsed() < Duration::from_mins(1), "{what} did not come");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn assert_approved_once(harness: &Harness) {
    for id in [150_001, 150_002] {
        assert_eq!((state_of(harness, id), moves_of(harness, id)), (AdvisoryState::RelPrep, 1), "{id}");
    }
    assert_eq!(approved_by(harness).len(), 1);
    assert!(is_closed(harness, KONFLUX));
    let state = state(harness);
    assert!(
        state.contains("- name: change-advisory-status\n  status: Pass\n") && !state.contains("  wait:\n"),
        "{state}"
    );
    harness.sandbox.assert_no_unexpected();
}

#[test]
fn of_two_watchers_one_acts_and_both_end() {
    let harness = waiting("600");
    let watchers = [watcher(&harness), watcher(&harness)];
    until("a look", || state(&harness).contains("    holder:\n"));
    publish(&harness);
    for child in watchers {
        wait(child).expect(0);
    }
    assert_approved_once(&harness);
}

#[test]
fn a_watcher_whose_next_look_is_far_away_ends_when_somebody_else_ends_the_wait() {
    let harness = Harness::new().env("OAR_WAIT_INTERVAL", "3600").env("OAR_WAIT_LEASE", "2");
    make_ready(&harness, KONFLUX);
    harness.oar(KONFLUX, &["change-advisory-status", "--yes", "--no-watch"]).expect(0);
    harness.sandbox.clear_requests();
    let child = watcher(&harness);
    let reads = || {
        let requests = harness.sandbox.requests();
        requests.iter().filter(|request| request.path.contains("statebox/4.19.1")).count()
    };
    until("its first look", || reads() > 0);
    publish(&harness);
    harness.oar(KONFLUX, &["change-advisory-status", "--yes", "--no-watch"]).expect(0);
    let run = wait(child).expect(0);
    assert!(run.stdout.contains("there is nothing left to wait for"), "{run:?}");
    assert_approved_once(&harness);
}

#[test]
fn a_killed_watcher_is_taken_over() {
    let harness = waiting("600");
    let mut first = watcher(&harness);
    until("a holder", || state(&harness).contains("    holder:\n"));
    first.kill().unwrap();
    first.wait().unwrap();
    publish(&harness);
    wait(watcher(&harness)).expect(0);
    assert_approved_once(&harness);
}

#[test]
fn a_drive_finds_the_release_whose_look_is_due_and_carries_its_wait_on_once() {
    let harness = waiting("600");
    std::thread::sleep(Duration::from_millis(1100));
    publish(&harness);
    let drive = || harness.run("oarctl", ["drive", "--output", "json"]).json();
    let rows = drive();
    assert_eq!((rows.as_array().unwrap().len(), &rows[0]["release"]), (1, &KONFLUX.into()), "{rows:#}");
    let runs = rows[0]["runs"].as_array().unwrap();
    let is_approval = |run: &&serde_json::Value| run["node"] == "change-advisory-status";
    let results: Vec<_> = runs.iter().filter(is_approval).map(|run| &run["result"]).collect();
    assert_eq!(results, ["done"], "{rows:#}");
    assert_approved_once(&harness);
    // Its day is over, so it is not looked at any more.
    assert_eq!(drive(), serde_json::json!([]));
    assert_approved_once(&harness);
}

#[test]
fn the_deadline_asks_and_the_task_stays_in_progress() {
    let harness = waiting("1");
    std::thread::sleep(Duration::from_millis(1100));
    let run = wait(watcher(&harness)).expect(6);
    assert!(run.stderr.contains("the release leads were asked"), "{run:?}");
    let state = state(&harness);
    assert!(state.contains("- name: change-advisory-status\n  status: In Progress\n"), "{state}");
    assert!(state.contains("Decide: the metadata URL") && !state.contains("  wait:\n"), "{state}");
    let messages: Vec<String> =
        harness.sandbox.world().slack.lock().messages.iter().map(|message| message.text.clone()).collect();
    assert_eq!(messages.iter().filter(|text| text.contains("the deadline")).count(), 1, "{messages:#?}");
    let again = wait(watcher(&harness)).expect(0);
    assert!(again.stdout.contains("nothing left to wait for"), "{again:?}");
    // Whoever runs it again decided to wait further.
    publish(&harness);
    harness.oar(KONFLUX, &["change-advisory-status", "--yes"]).expect(0);
    assert_approved_once(&harness);
}

#[test]
fn the_deadline_is_said_in_the_thread_of_an_engine_that_may_have_ended() {
    let harness = with_limit("1");
    make_ready(&harness, KONFLUX);
    // It tells people that the approval can be run.
    harness.oar(KONFLUX, &["drive", "--once"]).expect(0);
    assert!(state(&harness).contains("    told: "), "{}", state(&harness));
    begin(&harness);
    std::thread::sleep(Duration::from_millis(1100));
    wait(watcher(&harness)).expect(6);
    let slack = harness.sandbox.world().slack.lock();
    let overdue: Vec<_> =
        slack.messages.iter().filter(|message| message.text.contains("the deadline")).collect();
    assert_eq!(overdue.len(), 1, "{:#?}", slack.messages);
    let thread =
        slack.messages.iter().find(|message| message.text.contains("is driven automatically")).unwrap();
    assert_eq!(overdue[0].thread_ts.as_ref(), Some(&thread.ts));
}

#[test]
fn trouble_is_recorded_and_the_wait_goes_on() {
    let harness = waiting("600");
    publish(&harness);
    harness.sandbox.world().errata.lock().advisory_mut(150_001).unwrap().state = AdvisoryState::NewFiles;
    let child = watcher(&harness);
    until("the trouble", || state(&harness).contains("is in NEW_FILES"));
    assert!(state(&harness).contains("- name: change-advisory-status\n  status: In Progress\n"));
    harness.sandbox.world().errata.lock().advisory_mut(150_001).unwrap().state = AdvisoryState::Qe;
    wait(child).expect(0);
    assert_approved_once(&harness);
}

#[test]
fn an_outage_at_a_look_is_recorded_with_the_wait_and_not_as_a_run() {
    let harness = waiting("600");
    publish(&harness);
    let down = FaultKind::Status { code: 503, body: None, headers: Vec::new() };
    harness.sandbox.faults().add(Fault::on("errata", down).method("GET").forever());
    let runs = || state(&harness).matches("command: change-advisory-status").count();
    let before = runs();
    let child = watcher(&harness);
    for _ in 0..3 {
        let looked = next_check(&harness);
        until("another look", || next_check(&harness) != looked);
    }
    assert_eq!(runs(), before, "{}", state(&harness));
    harness.sandbox.faults().clear();
    wait(child).expect(0);
    assert_approved_once(&harness);
}

#[test]
fn a_watcher_survives_trouble_in_its_first_second() {
    let harness = waiting("600");
    // Before it has read anything, the build data cannot be read: more often than one request is repeated.
    let fault = Fault::on("github-raw", FaultKind::DropBefore).times(9);
    harness.sandbox.faults().add(fault);
    let child = watcher(&harness);
    until("a holder", || state(&harness).contains("    holder:\n"));
    publish(&harness);
    let run = wait(child).expect(0);
    assert!(run.stderr.contains("the wait continues, and it is read again"), "{run:?}");
    assert_approved_once(&harness);
}

#[test]
fn a_watcher_never_speaks_to_another_sandbox_on_the_same_port() {
    let (harness, other) = (waiting("1"), Harness::new());
    other.sandbox.clear_requests();
    let place = |harness: &Harness| harness.sandbox.base_url().split('/').nth(2).unwrap().to_owned();
    let (here, there) = (place(&harness), place(&other));
    let (host, _) = here.split_once(':').unwrap();
    let (_, port) = there.split_once(':').unwrap();
    let mut command = harness.command("oar", CARRY_ON);
    let endpoints = harness.sandbox.environment().into_iter();
    for (name, address) in endpoints.filter(|(name, _)| name.starts_with("OAR_ENDPOINT_")) {
        command.env(name, address.replace(&here, &format!("{host}:{port}")));
    }
    end_to_end::finish(command).expect(4);
    assert!(other.sandbox.requests().is_empty(), "{}", other.request_lines());
}

#[test]
fn a_watcher_ends_when_the_state_is_out_of_reach_for_as_long_as_a_wait() {
    let harness = waiting("1");
    let down = FaultKind::Status { code: 503, body: None, headers: Vec::new() };
    harness.sandbox.faults().add(Fault::on("github", down).forever());
    wait(watcher(&harness)).expect(4);
    harness.sandbox.faults().clear();
    assert!(state(&harness).contains("  wait:\n"), "the wait stands for the next one");
}

#[test]
fn the_log_of_the_approval_goes_into_the_thread_that_asked_for_it() {
    let harness = waiting("600");
    let (channel, thread) = {
        let slack = harness.sandbox.world().slack.lock();
        let first = slack.messages.first().unwrap();
        (first.channel.clone(), first.ts.clone())
    };
    let harness = harness.env("OAR_SLACK_CHANNEL", &channel).env("OAR_SLACK_THREAD", &thread);
    publish(&harness);
    std::thread::sleep(Duration::from_millis(1100));
    wait(watcher(&harness)).expect(0);
    let slack = harness.sandbox.world().slack.lock();
    let logs: Vec<_> = slack.messages.iter().filter(|message| message.text.starts_with("```")).collect();
    let parts: String = logs.iter().map(|message| message.text.as_str()).collect();
    assert!(logs.iter().all(|message| message.thread_ts.as_deref() == Some(thread.as_str())), "{logs:#?}");
    assert_eq!(parts.matches("status is changed to [Pass]").count(), 1, "{:#?}", slack.messages);
    drop(slack);
    assert_approved_once(&harness);
}

#[test]
fn a_ticket_that_is_gone_at_the_end_of_the_wait_is_told_once_and_a_new_one_finishes() {
    for tickets in [Tickets::Expired, Tickets::None] {
        let harness = waiting("600");
        publish(&harness);
        // The ticket was valid when the wait started. The watcher reads the cache at every check, so a new
        // one is found.
        let cache = harness.home().join("krb5cc");
        let kerberos = harness.sandbox.kerberos();
        if tickets == Tickets::Expired {
            std::fs::copy(kerberos.cache(Tickets::Expired), &cache).unwrap();
        }
        let mut command = harness.command("oar", CARRY_ON);
        let child = command.env("KRB5CCNAME", format!("FILE:{}", cache.display())).spawn().unwrap();
        until("the trouble", || state(&harness).contains("last_result: ") && troubles(&harness) > 0);
        let looked = next_check(&harness);
        until("another look", || next_check(&harness) != looked);
        assert!(state(&harness).contains("- name: change-advisory-status\n  status: In Progress\n"));
        assert_eq!((moves_of(&harness, 150_001), troubles(&harness)), (0, 1), "{tickets:?}");
        // A ticket appears at once, as a whole, as kinit makes it.
        let fresh = harness.home().join("krb5cc.new");
        std::fs::copy(kerberos.cache(Tickets::Valid), &fresh).unwrap();
        std::fs::rename(&fresh, &cache).unwrap();
        wait(child).expect(0);
        assert_approved_once(&harness);
        assert_eq!(troubles(&harness), 1, "{tickets:?}: the same trouble is told once");
    }
}

/// How many messages ask for a new ticket.
fn troubles(harness: &Harness) -> usize {
    let slack = harness.sandbox.world().slack.lock();
    slack.messages.iter().filter(|message| message.text.contains("kinit")).count()
}

fn next_check(harness: &Harness) -> String {
    let state = state(harness);
    state.lines().find(|line| line.trim_start().starts_with("next_check:")).unwrap().to_owned()
}

#[test]
fn a_watcher_of_its_own_survives_the_command_and_writes_a_private_log() {
    let harness = Harness::new().env("OAR_WAIT_INTERVAL", "1").env("OAR_WAIT_LEASE", "2");
    make_ready(&harness, KONFLUX);
    let run = harness.oar(KONFLUX, &["change-advisory-status", "--yes"]).expect(0);
    let said = run.stderr.split_once("A watcher continues the wait (process ");
    let process = said.and_then(|(_, rest)| rest.split_once(')')).map(|(process, _)| process);
    // What is said holds from then on, also when the terminal closes now: the watcher has a session of its own.
    let status = std::fs::read_to_string(format!("/proc/{}/stat", process.unwrap())).unwrap();
    let session = status.rsplit_once(") ").unwrap().1.split(' ').nth(3);
    assert_eq!(session, process, "{status}");
    let log = harness.home().join(".local/state/release-tests/change-advisory-status-4.19.1.log");
    until("the log", || log.exists());
    assert_eq!(std::fs::metadata(&log).unwrap().permissions().mode() & 0o777, 0o600);
    until("a holder", || state(&harness).contains("    holder:\n"));
    let second = harness.oar(KONFLUX, &["change-advisory-status", "--yes"]).expect(0);
    assert!(second.stderr.contains("continues the wait and checks next at"), "no second watcher: {second:?}");
    publish(&harness);
    until("the approval", || state(&harness).contains("- name: change-advisory-status\n  status: Pass\n"));
    until("the end of the wait", || !state(&harness).contains("  wait:\n"));
    assert_approved_once(&harness);
    let text = std::fs::read_to_string(&log).unwrap();
    for (name, value) in harness.sandbox.environment() {
        if name.ends_with("TOKEN") || name == "OAR_JWK" {
            assert!(!text.contains(&value), "{name} is in the log");
        }
    }
}
