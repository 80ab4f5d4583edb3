//! Messages and Slack's moods: a task keeps its true status whatever Slack does, and each message arrives once.
#![expect(clippy::unwrap_used, reason = "tests say what they expect by failing")]

use std::time::{Duration, Instant};

use end_to_end::mcp::{self, Era, Server};
use end_to_end::{ERRATA, Fault, FaultKind, Harness, KONFLUX, LEAD, Run, only_waits, wait};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

const CHANNEL: &str = "#team-qe-release-demo";

fn report(harness: &Harness, release: &str) -> Run {
    harness.oar(release, &["create-test-report"])
}

fn take(harness: &Harness, release: &str) -> Run {
    harness.oar(release, &["--output", "json", "take-ownership", "-e", LEAD])
}

/// The messages in the channels: the subject of each message, by its key.
fn matters(harness: &Harness) -> Vec<String> {
    let slack = harness.sandbox.world().slack.lock();
    let key = |message: &sandbox::services::slack::state::Message| {
        let metadata = message.metadata.as_ref()?;
        let key = metadata["event_payload"]["key"].as_str()?;
        Some(key.split('/').take(3).collect::<Vec<_>>().join("/"))
    };
    let mut matters: Vec<String> = slack.messages.iter().filter_map(key).collect();
    matters.sort();
    matters
}

fn status(harness: &Harness, release: &str, task: &str) -> String {
    let state = harness.statebox(release).unwrap();
    let (_, rest) = state.split_once(&format!("- name: {task}\n")).unwrap_or_default();
    rest.lines().find_map(|line| line.trim().strip_prefix("status: ")).unwrap_or("absent").to_owned()
}

/// Every way in which Slack can fail, and whether the message is in the channel anyway.
fn outages() -> Vec<(&'static str, FaultKind, bool)> {
    let refusal = |code: &str| FaultKind::Status {
        code: 200,
        body: Some(format!(r#"{{"ok": false, "error": "{code}"}}"#)),
        headers: Vec::new(),
    };
    vec![
        ("unavailable", FaultKind::Status { code: 503, body: None, headers: Vec::new() }, false),
        ("refused", refusal("not_in_channel"), false),
        ("fatal", refusal("fatal_error"), false),
        ("no connection", FaultKind::DropBefore, false),
        ("no answer", FaultKind::DropAfter, true),
        ("half an answer", FaultKind::Truncate, true),
        ("garbage", FaultKind::Garbage, false),
    ]
}

#[test]
fn with_slack_down_the_task_passes_and_the_message_arrives_once_with_the_next_run() {
    for release in [KONFLUX, ERRATA] {
        let expected = {
            let harness = Harness::new();
            report(&harness, release).expect(0);
            take(&harness, release).expect(0);
            matters(&harness)
        };
        assert!(expected.len() >= 2, "{expected:?}");
        for (name, kind, arrives) in outages() {
            let harness = Harness::new();
            harness.sandbox.faults().add(Fault::on("slack", kind).forever());
            report(&harness, release).expect(0);
            let run = take(&harness, release).expect(0);
            let json = run.json();
            assert_eq!(json["status"], "Pass", "{name}: {run:?}");
            assert!(json["warnings"].to_string().contains("it is kept"), "{name}: {run:?}");
            assert_eq!(status(&harness, release, "take-ownership"), "Pass", "{name}");
            if !arrives {
                assert_eq!(matters(&harness), Vec::<String>::new(), "{name}");
            }
            harness.sandbox.faults().clear();

            let run = take(&harness, release).expect(0);
            assert_eq!(matters(&harness), expected, "{name}: {run:?}\n{}", harness.request_lines());
            let json = run.json();
            let states: Vec<&str> = json["earlier_notifications"]
                .as_array()
                .unwrap()
                .iter()
                .map(|entry| entry["state"].as_str().unwrap())
                .collect();
            assert!(!states.is_empty() && states.iter().all(|state| *state == "sent"), "{name}: {run:?}");
            assert_eq!(json["warnings"], serde_json::json!([]), "{name}");

            let before = harness.statebox(release);
            take(&harness, release).expect(0);
            assert_eq!((matters(&harness), harness.statebox(release)), (expected.clone(), before), "{name}");
            assert!(
                !harness.statebox(release).unwrap().contains("text:"),
                "{name}: nothing is kept any more"
            );
            harness.sandbox.assert_no_unexpected();
        }
    }
}

#[test]
fn slack_down_at_one_request_only_costs_nothing_but_that_request() {
    let requests = {
        let harness = Harness::new();
        report(&harness, KONFLUX).expect(0);
        harness.sandbox.clear_requests();
        take(&harness, KONFLUX).expect(0);
        harness.sandbox.requests().iter().filter(|request| request.service == "slack").count() as u64
    };
    assert!(requests > 2, "{requests}");
    for (name, kind, _) in outages() {
        for skip in 0..requests {
            let harness = Harness::new();
            report(&harness, KONFLUX).expect(0);
            harness.sandbox.faults().add(Fault::on("slack", kind.clone()).skip(skip).times(3));
            let run = take(&harness, KONFLUX).expect(0);
            assert_eq!(run.json()["status"], "Pass", "{name} after {skip}");
            harness.sandbox.faults().clear();
            take(&harness, KONFLUX).expect(0);
            let told = matters(&harness);
            let owner = told.iter().filter(|matter| matter.ends_with("/take-ownership/owner")).count();
            assert_eq!(owner, 1, "{name} after {skip}: {told:?}");
        }
    }
}

#[test]
fn a_kept_message_is_sent_by_whatever_task_comes_next_and_holds_no_address() {
    let harness = Harness::new();
    let down = FaultKind::Status { code: 503, body: None, headers: Vec::new() };
    harness.sandbox.faults().add(Fault::on("slack", down).forever());
    report(&harness, KONFLUX).expect(0);
    let state = harness.statebox(KONFLUX).unwrap();
    assert!(state.contains("text:") && !state.contains("@example.com"), "{state}");
    harness.sandbox.faults().clear();
    take(&harness, KONFLUX).expect(0);
    let told = matters(&harness);
    let of = |matter: &str| told.iter().filter(|told| told.ends_with(matter)).count();
    assert_eq!((of("/create-test-report/created"), of("/take-ownership/owner")), (1, 1), "{told:?}");
    assert!(!harness.statebox(KONFLUX).unwrap().contains("text:"));
}

#[test]
fn a_kept_message_is_sent_once_by_a_drive_that_runs_no_step() {
    let harness = Harness::new().with_document(only_waits);
    let down = FaultKind::Status { code: 503, body: None, headers: Vec::new() };
    harness.sandbox.faults().add(Fault::on("slack", down).forever());
    report(&harness, KONFLUX).expect(0);
    let drive = || {
        let rows = harness.run("oarctl", ["drive", "-r", KONFLUX, "--output", "json"]).json();
        assert_eq!(rows[0]["runs"], serde_json::json!([]), "{rows:#}");
        let created =
            matters(&harness).iter().filter(|told| told.ends_with("/create-test-report/created")).count();
        (created, harness.statebox(KONFLUX).unwrap().contains("text:"))
    };
    assert_eq!(drive(), (0, true), "it stays kept while Slack is down");
    harness.sandbox.faults().clear();
    assert_eq!(drive(), (1, false));
    let told = matters(&harness);
    assert_eq!(drive(), (1, false));
    assert_eq!(matters(&harness), told);
}

/// Whom a message mentions.
fn mentioned(message: &sandbox::services::slack::state::Message) -> (Vec<String>, Vec<String>) {
    (message.parsed.users.clone(), message.parsed.groups.clone())
}

#[test]
fn a_message_that_was_composed_while_slack_was_down_mentions_people_when_it_is_sent() {
    let (told, owner) = {
        let harness = Harness::new();
        report(&harness, KONFLUX).expect(0);
        take(&harness, KONFLUX).expect(0);
        let slack = harness.sandbox.world().slack.lock();
        let mut told: Vec<_> = slack.messages.iter().map(mentioned).collect();
        // Messages to different channels are sent at the same time, in no order.
        told.sort();
        let owner = slack.users.iter().find(|user| user.email == LEAD).unwrap().id.clone();
        (told, owner)
    };
    let harness = Harness::new();
    let down = FaultKind::Status { code: 503, body: None, headers: Vec::new() };
    harness.sandbox.faults().add(Fault::on("slack", down).forever());
    report(&harness, KONFLUX).expect(0);
    take(&harness, KONFLUX).expect(0);
    let state = harness.statebox(KONFLUX).unwrap();
    assert!(state.contains("text:") && !state.contains(LEAD), "{state}");
    harness.sandbox.faults().clear();
    // Whichever command comes next.
    harness.oar(KONFLUX, &["check-cve-tracker-bug", "--no-notify"]);
    let slack = harness.sandbox.world().slack.lock();
    let mut later: Vec<_> = slack.messages.iter().map(mentioned).collect();
    later.sort();
    assert_eq!(later, told, "the same people");
    assert!(slack.messages.iter().any(|message| message.text.contains(&format!("<@{owner}>"))));
    assert!(
        slack.messages.iter().all(|message| message.text.contains("<!subteam^S")),
        "{:#?}",
        slack.messages
    );
}

#[test]
fn a_reply_that_slack_put_beside_its_thread_is_found_and_not_sent_again() {
    let harness = Harness::new();
    report(&harness, KONFLUX).expect(0);
    let (channel, thread) = {
        let mut slack = harness.sandbox.world().slack.lock();
        let asked = slack.messages_in(CHANNEL)[0].clone();
        slack.delete(&asked.channel, &asked.ts);
        (asked.channel, asked.ts)
    };
    let harness = harness.env("OAR_SLACK_CHANNEL", &channel).env("OAR_SLACK_THREAD", &thread);
    harness.sandbox.faults().add(Fault::on("slack", FaultKind::DropAfter).path("*chat.postMessage"));
    let run = take(&harness, KONFLUX).expect(0);
    take(&harness, KONFLUX).expect(0);
    let owner = matters(&harness).iter().filter(|matter| matter.ends_with("/owner")).count();
    assert_eq!(owner, 1, "{run:?}\n{}", harness.request_lines());
    assert!(!harness.statebox(KONFLUX).unwrap().contains("state: unclear"), "{run:?}");
}

#[test]
fn a_message_without_an_answer_is_settled_although_the_workspace_hides_its_channels() {
    // The bot may list no private channel, and a large workspace cannot be listed at all: only the bot's own channels count.
    let harness = Harness::new();
    for number in 0..20 {
        harness.sandbox.world().slack.lock().add_channel(&format!("other-{number}")).is_member = false;
    }
    let refused = FaultKind::Status {
        code: 200,
        body: Some(r#"{"ok": false, "error": "limit_required"}"#.to_owned()),
        headers: Vec::new(),
    };
    harness.sandbox.faults().add(Fault::on("slack", refused).path("*conversations.list").forever());
    harness.sandbox.faults().add(Fault::on("slack", FaultKind::DropAfter).path("*chat.postMessage"));
    report(&harness, KONFLUX).expect(0);
    let run = take(&harness, KONFLUX).expect(0);
    assert_eq!(run.json()["warnings"], serde_json::json!([]), "{run:?}");
    assert_eq!(matters(&harness).iter().filter(|matter| matter.ends_with("/created")).count(), 1);
}

#[test]
fn a_message_whose_metadata_slack_refuses_arrives_once() {
    let harness = Harness::new();
    harness.sandbox.world().slack.lock().refuses_metadata = Some("metadata_must_be_sent_from_app".to_owned());
    report(&harness, KONFLUX).expect(0);
    assert_eq!(harness.sandbox.world().slack.lock().messages.len(), 1);
    // The second post, the one without metadata, loses its answer.
    harness.sandbox.faults().add(Fault::on("slack", FaultKind::DropAfter).path("*chat.postMessage").skip(1));
    let run = take(&harness, KONFLUX).expect(0);
    take(&harness, KONFLUX).expect(0);
    let slack = harness.sandbox.world().slack.lock();
    let mut texts: Vec<&str> = slack.messages.iter().map(|message| message.text.as_str()).collect();
    texts.sort_unstable();
    assert!(texts.windows(2).all(|pair| pair[0] != pair[1]), "{run:?} {texts:#?}");
    assert!(texts.len() >= 2, "{texts:#?}");
}

/// Starts take-ownership, waits until a request to Slack that `path` matches hangs, and kills the program.
fn killed_at(harness: &Harness, path: &str, kind: FaultKind) {
    harness.sandbox.faults().add(Fault::on("slack", kind).path(path));
    let child = harness.command("oar", ["-r", KONFLUX, "take-ownership", "-e", LEAD]).spawn().unwrap();
    let started = Instant::now();
    while !harness.sandbox.requests().iter().any(|request| request.fault.is_some()) {
        assert!(started.elapsed() < Duration::from_secs(30), "no request to {path}");
        std::thread::sleep(Duration::from_millis(1));
    }
    std::thread::sleep(Duration::from_millis(30));
    kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), Signal::SIGKILL).unwrap();
    assert_eq!(wait(child).code, None);
    harness.sandbox.faults().clear();
}

#[test]
fn killed_between_effect_and_message_the_next_run_sends_it_once() {
    for kind in [FaultKind::Hang, FaultKind::HangAfter] {
        let harness = Harness::new();
        report(&harness, KONFLUX).expect(0);
        harness.sandbox.clear_requests();
        killed_at(&harness, "*chat.postMessage", kind.clone());
        take(&harness, KONFLUX).expect(0);
        take(&harness, KONFLUX).expect(0);
        let owner = matters(&harness).iter().filter(|matter| matter.ends_with("/owner")).count();
        assert_eq!(owner, 1, "{kind:?}\n{}", harness.request_lines());
        assert_eq!(status(&harness, KONFLUX, "take-ownership"), "Pass");
    }
}

#[test]
fn killed_while_it_sends_a_kept_message_the_next_run_sends_it_once() {
    for kind in [FaultKind::Hang, FaultKind::HangAfter] {
        let harness = Harness::new();
        report(&harness, KONFLUX).expect(0);
        let refusal = r#"{"ok": false, "error": "not_in_channel"}"#.to_owned();
        let refused = FaultKind::Status { code: 200, body: Some(refusal), headers: Vec::new() };
        harness.sandbox.faults().add(Fault::on("slack", refused).path("*chat.postMessage").forever());
        take(&harness, KONFLUX).expect(0);
        harness.sandbox.faults().clear();
        harness.sandbox.clear_requests();
        killed_at(&harness, "*chat.postMessage", kind.clone());
        take(&harness, KONFLUX).expect(0);
        take(&harness, KONFLUX).expect(0);
        let owner = matters(&harness).iter().filter(|matter| matter.ends_with("/owner")).count();
        assert_eq!(owner, 1, "{kind:?}\n{}", harness.request_lines());
    }
}

/// The same in an environment that names the thread of the first message, and that thread.
fn in_first_thread(harness: Harness) -> (Harness, String, String) {
    let (channel, thread) = {
        let slack = harness.sandbox.world().slack.lock();
        let asked = &slack.messages_in(CHANNEL)[0];
        (asked.channel.clone(), asked.ts.clone())
    };
    let harness = harness.env("OAR_SLACK_CHANNEL", &channel).env("OAR_SLACK_THREAD", &thread);
    (harness, channel, thread)
}

#[test]
fn a_call_of_the_mcp_server_belongs_to_no_thread_of_its_environment() {
    let harness = mcp::with_usual_callers(Harness::new());
    report(&harness, KONFLUX).expect(0);
    let (harness, channel, _) = in_first_thread(harness);
    let server = Server::start(&harness, &[]);
    let arguments = serde_json::json!({"release": KONFLUX, "email": LEAD});
    let answer = server.client(Era::Modern, "lead").call_to_its_end("oar_take_ownership", arguments);
    assert!(!answer.is_error(), "{}", answer.text());
    server.stopped();
    let slack = harness.sandbox.world().slack.lock();
    let told: Vec<_> = slack.messages.iter().skip(1).filter(|message| message.channel == channel).collect();
    assert!(!told.is_empty() && told.iter().all(|message| message.thread_ts.is_none()), "{told:#?}");
}

#[test]
fn messages_go_into_the_thread_that_asked_and_the_channel_shows_them() {
    let harness = Harness::new();
    report(&harness, KONFLUX).expect(0);
    let (harness, channel, thread) = in_first_thread(harness);
    take(&harness, KONFLUX).expect(0);
    let slack = harness.sandbox.world().slack.lock();
    let told: Vec<_> = slack.messages.iter().skip(1).collect();
    assert!(!told.is_empty());
    for message in told {
        let asked_there = message.channel == channel;
        assert_eq!(message.thread_ts.as_ref(), asked_there.then_some(&thread), "{message:?}");
        assert_eq!(message.broadcast, asked_there);
        assert!(message.text.contains(KONFLUX), "{message:?}");
    }
}

#[test]
fn a_thread_that_is_gone_or_elsewhere_loses_no_message() {
    for (channel, thread) in [("C0000CH001", "1.000000"), ("C0000NONE", "1.000000")] {
        let harness = Harness::new().env("OAR_SLACK_CHANNEL", channel).env("OAR_SLACK_THREAD", thread);
        report(&harness, KONFLUX).expect(0);
        let run = take(&harness, KONFLUX).expect(0);
        assert_eq!(run.json()["warnings"], serde_json::json!([]), "{run:?}");
        assert_eq!(harness.sandbox.world().slack.lock().messages_in(CHANNEL).len(), 2, "{channel}");
    }
}

#[test]
fn a_file_that_somebody_else_made_is_not_ours_because_an_answer_was_lost() {
    let harness = Harness::new();
    report(&harness, KONFLUX).expect(0);
    let before = matters(&harness);
    assert_eq!(before.len(), 1, "{before:?}");
    // To the second run the file seems to be absent, as it was before the first one; and the refusal of its write is lost.
    let file = |kind, method: &str| Fault::on("github", kind).path("/repos/*/contents/*").method(method);
    let absent = FaultKind::Status {
        code: 404,
        body: Some("{\"message\":\"Not Found\"}".into()),
        headers: Vec::new(),
    };
    harness.sandbox.faults().add(file(absent, "GET"));
    harness.sandbox.faults().add(file(FaultKind::DropAfter, "PUT"));
    harness.sandbox.clear_requests();
    let run = report(&harness, KONFLUX).expect(0);
    assert!(run.stderr.contains("another process created"), "{run:?}");
    assert_eq!(matters(&harness), before, "{run:?}");
}

#[test]
fn slacks_rate_limit_is_waited_for() {
    let harness = Harness::new();
    harness.sandbox.world().slack.lock().one_message_per_second = true;
    report(&harness, ERRATA).expect(0);
    let run = take(&harness, ERRATA).expect(0);
    assert_eq!(run.json()["warnings"], serde_json::json!([]), "{run:?}");
    let told = matters(&harness);
    assert!(told.iter().any(|matter| matter.ends_with("/take-ownership/owner")), "{told:?}");
}
