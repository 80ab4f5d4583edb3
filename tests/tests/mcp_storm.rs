//! Calls that are cancelled at any moment leave no task, no connection and no half effect. Fifty here, a thousand with
//! `make test-deep`; the seed is printed, and `OAR_TEST_SEED` repeats it.

use std::time::Duration;

use end_to_end::effects::Effects;
use end_to_end::matrix::sample::{Numbers, is_deep};
use end_to_end::mcp::{self, Era, Server, until};
use end_to_end::{Harness, KONFLUX, LEAD, elliott};
use serde_json::{Value, json};

fn calls() -> [(&'static str, Value); 6] {
    [
        ("oar_take_ownership", json!({"release": KONFLUX, "email": LEAD})),
        ("oar_update_bug_list", json!({"release": KONFLUX})),
        ("oar_image_signed_check", json!({"release": KONFLUX})),
        ("oar_check_cve_tracker_bug", json!({"release": KONFLUX})),
        ("oar_is_release_shipped", json!({"release": KONFLUX})),
        ("oar_push_to_cdn_staging", json!({"release": KONFLUX})),
    ]
}

fn prepared() -> Harness {
    let (harness, _) = elliott::install(Harness::announced(KONFLUX));
    let harness = mcp::with_usual_callers(harness);
    harness.sandbox.clear_requests();
    harness
}

/// What is there when each of these is called once and left alone, and then once more.
fn undisturbed() -> Effects {
    let harness = prepared();
    let server = Server::start(&harness, &[]);
    let mut client = server.client(Era::Modern, "lead");
    for (tool, arguments) in calls() {
        client.call_to_its_end(tool, arguments);
    }
    Effects::of(&harness)
}

#[test]
fn cancelled_calls_leave_nothing_behind() {
    let count: u64 = if is_deep() { 1000 } else { 50 };
    let expected = undisturbed();
    let mut numbers = Numbers::named("storm");
    let harness = prepared();
    harness.sandbox.set_latency(Duration::from_millis(5));
    let server = Server::start(&harness, &[]);
    let mut clients = Era::ALL.map(|era| server.client(era, "lead"));
    server.settled(&harness);
    let files = server.open_files();
    for _ in 0..count {
        let which = usize::try_from(numbers.below(2)).unwrap();
        let (tool, arguments) = calls()[usize::try_from(numbers.below(6)).unwrap()].clone();
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
    until("its connections are closed", || (server.open_files() <= files + 4).then_some(()));
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
