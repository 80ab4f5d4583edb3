//! What a person must let happen: critical tools wait for exactly their plan's consent, whoever calls and however it is asked.

use end_to_end::mcp::{self, Answer, Client, Era, Server};
use end_to_end::{Harness, KONFLUX};
use sandbox::services::errata::AdvisoryState;
use serde_json::{Value, json};

/// The push, by this caller, whose user answers `elicited` where the client can ask.
fn push(server: &Server, era: Era, caller: &str, elicited: Option<Value>) -> Answer {
    let mut client = Client::new(server.address(), era, Some(&mcp::token(caller)));
    if let Some(elicited) = elicited {
        client = client.elicits(elicited);
    }
    client.connected().call_to_its_end("oar_push_to_cdn_staging", json!({"release": KONFLUX}))
}

fn pushes(harness: &Harness) -> usize {
    let requests = harness.sandbox.requests();
    requests.iter().filter(|request| request.service == "errata" && request.is_write()).count()
}

#[test]
fn a_critical_tool_waits_until_a_person_has_consented_to_exactly_its_plan() {
    let harness = mcp::prepared(KONFLUX);
    let server = Server::start(&harness, &[]);
    let waits = push(&server, Era::Modern, "lead", None);
    let text = waits.text();
    assert!(waits.is_error() && text.contains("waits for consent"), "{text}");
    assert!(text.contains(&format!("oar -r {KONFLUX} consent push-to-cdn-staging")), "{text}");
    assert!(text.contains("150002"), "the plan is shown: {text}");
    assert!(!text.contains("--yes"), "nothing with which the caller could consent: {text}");
    // Nor with what it could make up.
    for more in
        [json!({"yes": true}), json!({"consent": true}), json!({"confirm": "yes"}), json!({"dry_run": false})]
    {
        let mut arguments = more.clone();
        arguments["release"] = KONFLUX.into();
        let answer = server.client(Era::Modern, "lead").call("oar_push_to_cdn_staging", arguments);
        assert!(answer.is_error(), "{more}: {}", answer.text());
    }
    assert_eq!(pushes(&harness), 0, "{}", harness.request_lines());
    harness.oar(KONFLUX, &["consent", "push-to-cdn-staging", "--yes"]).expect(0);
    assert_eq!(pushes(&harness), 0, "consent itself does nothing");
    // Something else became of the plan meanwhile.
    let put = |state: AdvisoryState| {
        harness.sandbox.world().errata.lock().advisory_mut(150_002).unwrap().state = state;
    };
    put(AdvisoryState::NewFiles);
    let other = push(&server, Era::Modern, "lead", None);
    assert!(other.is_error(), "{}", other.text());
    assert_eq!(pushes(&harness), 0, "{}", harness.request_lines());
    put(AdvisoryState::Qe);
    // What the run that was refused wrote down for people.
    harness.oar(KONFLUX, &["issue", "resolve", "Advisories in NEW_FILES", "--resolution", "ART moved it"]);
    let done = push(&server, Era::Legacy, "lead", None);
    assert!(!done.is_error(), "{}", done.text());
    assert!(pushes(&harness) > 0, "{}", harness.request_lines());
}

#[test]
fn withdrawn_consent_is_none() {
    let harness = mcp::prepared(KONFLUX);
    let server = Server::start(&harness, &[]);
    harness.oar(KONFLUX, &["consent", "push-to-cdn-staging", "--yes"]).expect(0);
    harness.oar(KONFLUX, &["consent", "push-to-cdn-staging", "--withdraw"]).expect(0);
    let waits = push(&server, Era::Modern, "lead", None);
    assert!(waits.is_error() && waits.text().contains("waits for consent"), "{}", waits.text());
    assert_eq!(pushes(&harness), 0);
}

#[test]
fn the_document_s_standing_consent_is_named_by_the_run_that_it_allowed() {
    let harness = mcp::prepared(KONFLUX);
    let server = Server::start(&harness, &[]);
    let done = push(&server, Era::Modern, "standing", None);
    assert!(!done.is_error(), "{}", done.text());
    assert!(done.text().contains("standing consent of standing"), "{}", done.text());
    assert!(pushes(&harness) > 0);
    // For this tool and no other.
    let mut client = server.client(Era::Modern, "standing");
    let waits = client.call_to_its_end("oar_drop_bugs", json!({"release": KONFLUX}));
    assert!(waits.is_error() && waits.text().contains("waits for consent"), "{}", waits.text());
}

#[test]
fn a_form_of_the_client_counts_only_where_the_token_s_owner_allows_it() {
    for era in Era::ALL {
        let harness = mcp::prepared(KONFLUX);
        let server = Server::start(&harness, &[]);
        for refusal in [json!({"action": "decline"}), json!({"action": "cancel"})] {
            let refused = push(&server, era, "asked", Some(refusal));
            assert!(refused.is_error() && !refused.asked.is_empty(), "{era:?}: {refused:#?}");
        }
        let agrees = |value: Value| json!({"action": "accept", "content": value});
        let unclear = push(&server, era, "asked", Some(agrees(json!({}))));
        let asks_again = unclear.message["result"]["resultType"] == "input_required";
        assert!(unclear.is_error() || asks_again, "{era:?}: {unclear:#?}");
        let not_allowed = push(&server, era, "lead", Some(agrees(json!({"consent": true, "confirm": true}))));
        assert!(not_allowed.is_error() && not_allowed.asked.is_empty(), "{era:?}: {not_allowed:#?}");
        assert_eq!(pushes(&harness), 0, "{}", harness.request_lines());
        // The form itself says what it wants to know.
        let form = push(&server, era, "asked", Some(json!({"action": "decline"}))).asked.remove(0);
        let schema = form.pointer("/params/requestedSchema/properties").unwrap();
        let content: serde_json::Map<String, Value> =
            schema.as_object().unwrap().keys().map(|name| (name.clone(), true.into())).collect();
        let done = push(&server, era, "asked", Some(agrees(content.into())));
        assert!(!done.is_error(), "{era:?}: {}", done.text());
        assert!(pushes(&harness) > 0);
    }
}

#[test]
fn the_generic_runners_are_off_and_never_consent() {
    let harness = mcp::prepared(KONFLUX);
    let root = mcp::caller("root", &mcp::ALL_SCOPES, "reference");
    let harness = mcp::with_callers(harness, &json!({ "root": root }));
    let off = Server::start(&harness, &[]);
    let mut client = off.client(Era::Modern, "root");
    assert!(!client.tool_names().iter().any(|name| name.ends_with("_run_command")));
    let answer = client.call("oar_run_command", json!({"release": KONFLUX, "command": "status"}));
    assert!(answer.error().is_some() || answer.is_error(), "{answer:#?}");
    off.stopped();
    let server = Server::start(&harness, &["--generic"]);
    let mut client = server.client(Era::Modern, "root");
    let status = client.call("oar_run_command", json!({"release": KONFLUX, "command": "status"}));
    assert!(!status.is_error() && status.text().contains("take-ownership"), "{}", status.text());
    for (tool, arguments) in [
        ("oar_run_command", json!({"command": "push-to-cdn-staging", "args": "--yes"})),
        ("oar_run_command", json!({"command": "push-to-cdn-staging", "args": "-y"})),
        ("oar_run_command", json!({"command": "push-to-cdn-staging --yes"})),
        ("oar_run_command", json!({"command": "push-to-cdn-staging", "args": "'--yes'"})),
        ("oar_run_command", json!({"command": "push-to-cdn-staging", "args": "--ye"})),
        ("oar_run_command", json!({"command": "push-to-cdn-staging", "args": "--yes=true"})),
        ("oar_run_command", json!({"command": "drop-bugs", "args": "-vy"})),
        ("oar_run_command", json!({"command": "consent", "args": "push-to-cdn-staging --yes"})),
        ("oar_run_command", json!({"command": "change-advisory-status", "args": "--carry-on"})),
        ("oarctl_run_command", json!({"command": "config", "args": "decrypt"})),
        ("oarctl_run_command", json!({"command": "agents", "args": "run"})),
        ("oarctl_run_command", json!({"command": "slack-bot"})),
        ("oarctl_run_command", json!({"command": "statebox", "args": "validate /etc/passwd"})),
        ("jobctl_run_command", json!({"command": "show", "args": "/etc/passwd"})),
    ] {
        let mut arguments = arguments.clone();
        if tool == "oar_run_command" {
            arguments["release"] = KONFLUX.into();
        }
        let answer = client.call(tool, arguments.clone());
        assert!(answer.is_error(), "{tool} {arguments}: {}", answer.text());
        assert!(!answer.text().contains("root:"), "{}", answer.text());
    }
    assert_eq!(pushes(&harness), 0, "{}", harness.request_lines());
    assert_eq!(harness.sandbox.world().errata.lock().advisory_mut(150_002).unwrap().state, AdvisoryState::Qe);
}
