//! Calls that are cancelled at any moment leave no task, no connection and no half effect. Fifty here, a thousand with
//! `make test-deep`; the seed is printed, and `OAR_TEST_SEED` repeats it. What is stopped says so, and what it had started.
#![expect(clippy::unwrap_used, reason = "tests say what they expect by failing")]

use std::time::Duration;

use end_to_end::effects::Effects;
use end_to_end::matrix::sample::{Numbers, is_deep};
use end_to_end::mcp::{self, Era, Server, Silent, until};
use end_to_end::{ERRATA, Fault, FaultKind, Harness, KONFLUX, LEAD, elliott};
use jiff::SignedDuration;
use sandbox::services::errata::AdvisoryState;
use serde_json::{Value, json};

/// Two of them start a job, once.
fn calls() -> [(&'static str, Value); 8] {
    [
        ("oar_take_ownership", json!({"release": KONFLUX, "email": LEAD})),
        ("oar_update_bug_list", json!({"release": KONFLUX})),
        ("oar_image_signed_check", json!({"release": KONFLUX})),
        ("oar_check_cve_tracker_bug", json!({"release": KONFLUX})),
        ("oar_is_release_shipped", json!({"release": KONFLUX})),
        ("oar_push_to_cdn_staging", json!({"release": KONFLUX})),
        ("oar_stage_testing", json!({"release": KONFLUX})),
        ("oar_image_consistency_check", json!({"release": KONFLUX})),
    ]
}

fn prepared() -> Harness {
    let (harness, _) = elliott::install(Harness::on_staging(KONFLUX));
    harness.sandbox.world().prow.lock().pace.pending_after = jiff::SignedDuration::ZERO;
    // An advisory that is not ready would block the jobs, or not: that depends on which call finds it first.
    harness.sandbox.world().errata.lock().advisory_mut(150_002).unwrap().state = AdvisoryState::Qe;
    let harness = mcp::with_usual_callers(harness);
    harness.sandbox.clear_requests();
    harness
}

/// How many more connections to services may wait for their next use: one of each call that a caller may have at the same time.
const IDLE: usize = 8;

/// What is there when each of these is called once and left alone, and how many files and sockets the server has open then.
fn undisturbed() -> (Effects, usize) {
    let harness = prepared();
    let server = Server::start(&harness, &[]);
    let mut client = server.client(Era::Modern, "lead");
    let mut round = || {
        for (tool, arguments) in calls() {
            client.call_to_its_end(tool, arguments);
        }
        server.settled(&harness);
        harness.sandbox.clock().advance(SignedDuration::from_mins(2));
        Effects::of(&harness)
    };
    let first = round();
    // Now the jobs have left their queues, as they may have in the storm: there is more to do, and nothing again.
    let effects = round();
    let old = effects.counts.iter().filter(|(what, _)| first.counts.contains_key(*what));
    let old =
        Effects { counts: old.map(|(what, count)| (what.clone(), *count)).collect(), ..Effects::default() };
    old.assert_none_twice(&first, "called once more");
    for job in ["Jenkins build of zstreams/Stage-Pipeline", "Prow job "] {
        let started = effects
            .counts
            .iter()
            .filter(|(what, _)| what.starts_with(job) && what.ends_with(":4.19.1-x86_64"));
        assert_eq!(started.map(|(_, count)| *count).sum::<usize>(), 1, "{job}: {effects:#?}");
    }
    (effects, server.open_files())
}

#[test]
fn cancelled_calls_leave_nothing_behind() {
    let count: u64 = if is_deep() { 1000 } else { 50 };
    let (expected, files) = undisturbed();
    let mut numbers = Numbers::named("storm");
    let harness = prepared();
    harness.sandbox.set_latency(Duration::from_millis(5));
    let server = Server::start(&harness, &[]);
    let mut clients = Era::ALL.map(|era| server.client(era, "lead"));
    server.settled(&harness);
    let (clients_before, _) = server.connections();
    for _ in 0..count {
        let which = usize::try_from(numbers.below(2)).unwrap();
        let (tool, arguments) = calls()[usize::try_from(numbers.below(8)).unwrap()].clone();
        let client = &mut clients[which];
        let (connection, id) = client.begin("tools/call", json!({"name": tool, "arguments": arguments}));
        std::thread::sleep(Duration::from_millis(numbers.below(400)));
        if which == 1 {
            client.notify("notifications/cancelled", &json!({"requestId": id, "reason": "enough"}));
        }
        // In the modern era the end of the connection is the cancellation.
        connection.close();
    }
    server.settled(&harness);
    until("its clients' connections are closed", || (server.connections().0 <= clients_before).then_some(()));
    until("what it had open is closed", || (server.open_files() <= files + IDLE).then_some(()));
    // It still works, and finishes what was cancelled: each effect once.
    harness.sandbox.set_latency(Duration::ZERO);
    let mut client = server.client(Era::Modern, "lead");
    for (tool, arguments) in calls() {
        let answer = client.call_to_its_end(tool, arguments);
        assert!(answer.message.get("result").is_some(), "{answer:#?}");
    }
    let effects = Effects::of(&harness).without_trouble("cancelled");
    effects.assert_none_twice(&expected, "cancelled");
    let state = harness.statebox(KONFLUX).unwrap();
    assert!(!state.contains("status: In Progress\n  started_at: null"), "{state}");
    let status = harness.oar(KONFLUX, &["status", "--output", "json"]).expect(0).json();
    println!("{count} calls: {}", status["tasks"]);
    harness.oar(KONFLUX, &["take-ownership", "-e", LEAD]).expect(0);
    let (memory, _) = server.usage();
    println!("memory: {memory:.0} MB");
    let log = server.stopped().stderr;
    assert!(!log.contains("panicked"), "{log}");
}

/// A release whose first change at Jira never gets an answer. By then the start of the run is recorded.
fn hanging() -> Harness {
    let harness = mcp::with_usual_callers(Harness::announced(KONFLUX)).env("OAR_HTTP_TIMEOUT", "120");
    harness.sandbox.faults().add(Fault::on("jira", FaultKind::Hang).method("PUT").forever());
    harness
}

/// The run says that it was interrupted, and the next one goes on from there.
fn interrupted(harness: &Harness) {
    harness.sandbox.faults().clear();
    let state = harness.statebox(KONFLUX).unwrap();
    assert!(state.contains("interrupted"), "{state}");
    harness.oar(KONFLUX, &["take-ownership", "-e", LEAD]).expect(0);
}

/// A run that goes on after its call was answered is stopped by its caller: it records that, and nobody else can do it.
#[test]
fn a_caller_stops_its_own_run_and_the_state_says_so() {
    let harness = hanging();
    let server = Server::start(&harness, &[]);
    let mut client = server.client(Era::Modern, "lead");
    let arguments = json!({"release": KONFLUX, "email": LEAD});
    let answer = client.call("oar_take_ownership", arguments);
    let run = mcp::run_id(&answer).unwrap_or_else(|| panic!("it does not go on: {answer:#?}"));
    let stop = json!({"run_id": run, "stop": true});
    assert!(server.client(Era::Modern, "asked").call("get_run", stop.clone()).is_error());
    let stopped = client.call("get_run", stop);
    let text = stopped.text();
    assert!(stopped.is_error() && text.contains("lead stopped it"), "{text}");
    interrupted(&harness);
    server.stopped();
}

#[test]
fn what_takes_longer_than_a_call_may_is_stopped_and_the_state_says_so() {
    let harness = hanging();
    let server = Server::start(&harness, &["--time-limit", "10"]);
    let mut client = server.client(Era::Modern, "lead");
    let answer = client.call("oar_take_ownership", json!({"release": KONFLUX, "email": LEAD}));
    let text = answer.text();
    assert!(answer.is_error() && text.contains("longer than 10 s"), "{text}");
    interrupted(&harness);
    server.stopped();
}

#[test]
fn what_was_started_before_the_stop_is_named() {
    let harness = mcp::with_usual_callers(Harness::on_staging(KONFLUX)).env("OAR_HTTP_TIMEOUT", "120");
    let server = Server::start(&harness, &[]);
    // Only messages come after the start of the build.
    harness.sandbox.faults().add(Fault::on("slack", FaultKind::Hang).forever());
    let mut client = server.client(Era::Modern, "lead");
    let answer = client.call("oar_stage_testing", json!({"release": KONFLUX}));
    let run = mcp::run_id(&answer).unwrap_or_else(|| panic!("it does not go on: {answer:#?}"));
    let item = harness.sandbox.world().jenkins.lock().items.last().unwrap().id;
    let stopped = client.call("get_run", json!({"run_id": run, "stop": true}));
    let text = stopped.text();
    assert!(text.contains("lead stopped it") && text.contains(&format!("queue item {item}")), "{text}");
    harness.sandbox.faults().clear();
    let run = harness.oar(KONFLUX, &["stage-testing"]).expect(0);
    assert_eq!(
        harness.sandbox.world().jenkins.lock().items.last().unwrap().id,
        item,
        "it is followed: {run:?}"
    );
    server.stopped();
}

#[test]
fn one_service_that_hangs_slows_nobody_but_who_asked_for_it() {
    let harness = prepared();
    let silent = Silent::start();
    let server = Server::start_beside(&harness, &[], &silent);
    let mut client = server.client(Era::Modern, "daily");
    let mut lead = server.client(Era::Modern, "lead");
    // All that each of the two may have at the same time or may let wait hangs: documents of one, commands of the other.
    let mut hanging = Vec::new();
    for _ in 0..24 {
        let arguments = json!({"release": ERRATA});
        let document = json!({"name": "oar_is_release_shipped", "arguments": arguments});
        hanging.push(client.begin("tools/call", document).0);
        let command = json!({"name": "oar_push_to_cdn_staging", "arguments": arguments});
        hanging.push(lead.begin("tools/call", command).0);
    }
    until("requests hang", || (silent.taken() >= 16).then_some(()));
    // Nothing of this was asked for before, so all of it is read now; one writes, and one is a command.
    let mut other = server.client(Era::Legacy, "asked");
    for (tool, arguments) in [
        ("oar_get_release_metadata", json!({"release": KONFLUX})),
        ("oar_get_release_status", json!({"release": KONFLUX})),
        ("oar_add_issue", json!({"release": KONFLUX, "issue": "the errata tool hangs", "blocker": false})),
        ("oar_image_signed_check", json!({"release": KONFLUX})),
    ] {
        let answer = other.call(tool, arguments);
        assert!(
            !answer.is_error() && mcp::run_id(&answer).is_none(),
            "{tool}: {answer:#?}\n{}",
            harness.request_lines()
        );
    }
    assert_eq!(server.get("/livez").head.status, 200);
    for connection in hanging {
        connection.close();
    }
    server.settled(&harness);
    server.stopped();
}

#[test]
fn what_is_cached_is_answered_as_it_was_the_first_time() {
    let harness = prepared();
    let server = Server::start(&harness, &[]);
    let arguments = || json!({"release": KONFLUX});
    let reads =
        || harness.sandbox.requests().iter().filter(|request| request.service == "github-raw").count();
    let first = server.client(Era::Modern, "lead").call("oar_get_release_metadata", arguments());
    let asked = reads();
    for era in Era::ALL {
        let again = server.client(era, "reader").call("oar_get_release_metadata", arguments());
        for key in ["content", "structuredContent", "isError"] {
            assert_eq!(again.result()[key], first.result()[key], "{era:?}");
        }
    }
    assert_eq!(reads(), asked);
    let statistics = server.client(Era::Modern, "lead").call("mcp_cache_stats", json!({})).document();
    assert_eq!((&statistics["metrics"]["hits"], &statistics["metrics"]["misses"]), (&json!(2), &json!(1)));
    let invalidated = server.client(Era::Modern, "lead").call("mcp_cache_invalidate", arguments());
    assert!(!invalidated.is_error(), "{invalidated:#?}");
    server.client(Era::Modern, "reader").call("oar_get_release_metadata", arguments());
    assert_eq!(reads(), asked + 1);
    let log = server.stopped().stderr;
    let lines =
        log.lines().filter(|line| line.contains("audit: caller=reader tool=oar_get_release_metadata"));
    assert_eq!(lines.count(), 3, "{log}");
}
