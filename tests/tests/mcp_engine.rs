//! The tools of the engine at the sandbox: the plan is read, a pass does nothing that asks a person, and what people decide
//! is recorded only with a person's word.
#![expect(clippy::unwrap_used, reason = "tests say what they expect by failing")]

use end_to_end::mcp::{self, Answer, Client, Era, Server};
use end_to_end::{Harness, KONFLUX, elliott};
use sandbox::services::errata::AdvisoryState;
use serde_json::{Value, json};

/// A Konflux release that is owned, and whose advisories can be pushed.
fn prepared() -> Harness {
    let (harness, _) = elliott::install(Harness::announced(KONFLUX));
    for advisory in harness.sandbox.world().errata.lock().advisories.values_mut() {
        if advisory.state == AdvisoryState::NewFiles {
            advisory.state = AdvisoryState::Qe;
        }
    }
    let mut standing = mcp::caller("decider", &mcp::SCOPES, "engine");
    standing["standing_consent"] = "release_decide,release_hold".into();
    let mut asked = mcp::caller("asked", &mcp::SCOPES, "engine");
    asked["elicitation"] = "yes".into();
    let harness = mcp::with_callers(
        harness,
        &json!({
            "engine": mcp::caller("engine", &["release:read", "release:write"], "engine"),
            "reader": mcp::caller("reader", &["release:read"], "reference"),
            "decider": standing,
            "asked": asked,
        }),
    );
    harness.pass(KONFLUX, "check-cve-tracker-bug");
    harness.sandbox.clear_requests();
    harness
}

fn of_release() -> Value {
    json!({"release": KONFLUX})
}

fn writes(harness: &Harness) -> Vec<String> {
    // Reads by POST, and signing in, change nothing.
    let others = ["brewhub", "google-oauth"];
    let writes = harness.sandbox.writes();
    let writes = writes.iter().filter(|write| !others.contains(&write.service.as_str()));
    writes.map(end_to_end::RecordedRequest::line).collect()
}

fn pushes(harness: &Harness) -> usize {
    harness.sandbox.writes().iter().filter(|request| request.line().contains("/push")).count()
}

fn results(pass: &Value) -> Vec<(&str, &str)> {
    let runs = pass["runs"].as_array().unwrap().iter();
    runs.map(|run| (run["node"].as_str().unwrap(), run["result"].as_str().unwrap())).collect()
}

fn done(answer: &Answer) -> Value {
    assert!(!answer.is_error(), "{}", answer.text());
    answer.document()
}

/// The commands of a document, wherever they stand.
fn commands(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Array(values) => values.iter().for_each(|value| commands(value, found)),
        Value::Object(fields) => {
            found.extend(fields.get("command").and_then(Value::as_str).map(str::to_owned));
            let several = fields.get("commands").and_then(Value::as_array).into_iter().flatten();
            found.extend(several.map(|command| command.as_str().unwrap().to_owned()));
            fields.values().for_each(|value| commands(value, found));
        }
        _ => {}
    }
}

fn assert_in_words_of_tools(document: &Value) {
    let mut found = Vec::new();
    commands(document, &mut found);
    assert!(!found.is_empty(), "{document:#}");
    for command in found {
        assert!(!command.contains("oar -r") || command.contains("A person does that"), "{command}");
    }
}

#[test]
fn a_reader_sees_the_plan_and_its_whole_and_takes_nothing_on() {
    let harness = prepared();
    let server = Server::start(&harness, &[]);
    for era in Era::ALL {
        let mut reader = server.client(era, "reader");
        let names = reader.tool_names();
        for name in
            ["release_plan", "release_timeline", "releases_overview", "doctor", "release_consent_plan"]
        {
            assert!(names.iter().any(|offered| offered == name), "{name}: {names:?}");
        }
        for name in ["release_advance", "release_decide", "release_waive", "release_hold"] {
            assert!(!names.iter().any(|offered| offered == name), "{name}: {names:?}");
            assert!(reader.call(name, of_release()).error().is_some(), "{name}");
        }
        let answer = reader.call("release_plan", of_release());
        let plan = done(&answer);
        assert!(answer.text().len() <= 16 * 1024 && !answer.text().contains("evidence"), "{}", answer.text());
        assert_in_words_of_tools(&plan);
        let whole = reader.request("resources/read", json!({"uri": format!("release://{KONFLUX}/plan")}));
        let whole: Value =
            serde_json::from_str(whole.result()["contents"][0]["text"].as_str().unwrap()).unwrap();
        assert_in_words_of_tools(&whole);
        let nodes = |plan: &Value| -> Vec<(String, String)> {
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            let nodes = plan["nodes"].as_array().unwrap().iter();
            nodes.map(|node| (text(&node["node"]), text(&node["verdict"]["state"]))).collect()
        };
        assert_eq!(nodes(&plan), nodes(&whole));
        assert!(!whole["facts"].as_array().unwrap().is_empty(), "{whole:#}");
        let by_hand = harness.oar(KONFLUX, &["drive", "--output", "json"]).expect(0).json();
        assert_eq!(nodes(&plan), nodes(&by_hand));
    }
    assert_eq!(writes(&harness), Vec::<String>::new());
    let unknown = server.client(Era::Modern, "reader").call("release_plan", json!({"release": "4.19.99"}));
    assert!(!unknown.text().contains("panicked"), "{}", unknown.text());
    server.stopped();
}

#[test]
fn a_pass_is_the_caller_s_and_does_nothing_that_asks_a_person() {
    let harness = prepared();
    let server = Server::start(&harness, &[]);
    let mut client = server.client(Era::Modern, "engine");
    let pass = done(&client.call_to_its_end("release_advance", of_release()));
    assert!(results(&pass).contains(&("take-ownership", "done")), "{pass:#}");
    assert!(harness.prow_jobs().is_empty() && pushes(&harness) == 0, "{}", harness.request_lines());
    assert_in_words_of_tools(&pass["plan"]);
    let history = harness.oar(KONFLUX, &["history"]).expect(0).stdout;
    assert!(history.contains("mcp:engine"), "{history}");
    let again = done(&client.call_to_its_end("release_advance", of_release()));
    assert_eq!(results(&again), Vec::<(&str, &str)>::new(), "{again:#}");
    // What a person consents to is shown, and consented to by a person alone.
    let asked = json!({"release": KONFLUX, "task": "push-to-cdn-staging"});
    let shown = done(&client.call("release_consent_plan", asked.clone()));
    assert!(shown["plan"].to_string().contains("150002"), "{shown:#}");
    assert_eq!(shown["consents"], json!([]));
    done(&client.call_to_its_end("release_advance", of_release()));
    assert_eq!(pushes(&harness), 0, "{}", harness.request_lines());
    harness.oar(KONFLUX, &["consent", "push-to-cdn-staging", "--yes"]).expect(0);
    let shown = done(&client.call("release_consent_plan", asked));
    assert_eq!(shown["consents"][0]["by"], "tester", "{shown:#}");
    let pass = done(&client.call_to_its_end("release_advance", of_release()));
    let run =
        &pass["runs"].as_array().unwrap().iter().find(|run| run["node"] == "push-to-cdn-staging").unwrap();
    assert!(run["allowed_by"].as_str().unwrap().starts_with("the consent of tester of "), "{run:#}");
    assert!(pushes(&harness) > 0, "{}", harness.request_lines());
    server.stopped();
}

#[test]
fn what_a_person_decides_needs_a_person_s_word() {
    let decision = json!({"release": KONFLUX, "node": "analyze-promoted-build", "verdict": "accept", "reason": "known flakes"});
    let harness = prepared();
    let server = Server::start(&harness, &[]);
    let before = harness.statebox(KONFLUX).unwrap();
    let refused = server.client(Era::Modern, "engine").call("release_decide", decision.clone());
    let document = refused.document();
    assert!(refused.is_error() && refused.structured().is_none(), "{document:#}");
    assert!(document["error"].as_str().unwrap().contains("a person's decision"), "{document:#}");
    let next = document["next"].as_str().unwrap();
    assert!(next.starts_with("A person runs it themselves: `oar ") && next.contains(" decide "), "{next}");
    assert!(next.contains(KONFLUX) && next.contains("known flakes"), "{next}");
    let waive = json!({"release": KONFLUX, "task": "analyze-candidate-build", "reason": "a hurried fix"});
    assert!(server.client(Era::Modern, "decider").call("release_waive", waive).is_error(), "of another tool");
    assert_eq!(harness.statebox(KONFLUX).unwrap(), before);
    for era in Era::ALL {
        let client = Client::new(server.address(), era, Some(&mcp::token("asked")));
        let mut client = client.elicits(json!({"action": "decline"})).connected();
        let declined = client.call("release_decide", decision.clone());
        assert!(declined.is_error() && declined.asked.len() == 1, "{declined:#?}");
        let question = declined.asked[0].pointer("/params/message").unwrap().as_str().unwrap();
        assert!(
            question.contains("analyze-promoted-build accept") && question.contains("asked"),
            "{question}"
        );
        assert_eq!(harness.statebox(KONFLUX).unwrap(), before);
        // A model has no say in how the question looks.
        let mut odd = decision.clone();
        odd["reason"] = "known\n\nflakes\u{202e}".into();
        let declined = client.call("release_decide", odd);
        let question = declined.asked[0].pointer("/params/message").unwrap().as_str().unwrap();
        assert!(question.contains("known flakes\\u{202e}"), "{question:?}");
        assert_eq!(question.lines().count(), 3, "{question:?}");
        let client = Client::new(server.address(), era, Some(&mcp::token("asked")));
        let agrees = json!({"action": "accept", "content": {"consent": true}});
        let mut client = client.elicits(agrees).connected();
        done(&client.call("release_decide", decision.clone()));
        let state = harness.statebox(KONFLUX).unwrap();
        assert!(state.contains("by: mcp:asked") && state.contains("known flakes"), "{state}");
        let taken_back = json!({"release": KONFLUX, "node": "analyze-promoted-build", "withdraw": true});
        assert_eq!(done(&client.call("release_decide", taken_back))["outcome"], "withdrawn");
        harness.put_statebox(KONFLUX, &before);
    }
    let standing = done(&server.client(Era::Modern, "decider").call("release_decide", decision));
    assert_eq!((&standing["outcome"], &standing["changed"]), (&json!("recorded"), &json!(true)));
    server.stopped();
}

#[test]
fn a_model_holds_and_a_person_lets_go() {
    let harness = prepared();
    let server = Server::start(&harness, &[]);
    let mut client = server.client(Era::Modern, "engine");
    let nothing = client.call("release_hold", json!({"reason": "x"}));
    assert!(nothing.is_error() && nothing.text().contains("no release was given"), "{}", nothing.text());
    let both = client.call("release_hold", json!({"release": KONFLUX, "all": true, "reason": "x"}));
    assert!(both.is_error() && both.text().contains("give one of them"), "{}", both.text());
    let order = json!({"release": KONFLUX, "reason": "a defect was found", "until": "2099-12-31"});
    let held = done(&client.call("release_hold", order));
    assert_eq!(
        (&held["outcome"], &held["holds"][0]["by"]),
        (&json!("held"), &json!("mcp:engine")),
        "{held:#}"
    );
    let pass = client.call_to_its_end("release_advance", of_release()).document();
    assert_eq!(results(&pass), Vec::<(&str, &str)>::new(), "nothing begins: {pass:#}");
    assert!(pass["plan"]["held"][0].as_str().unwrap().contains("a defect was found"), "{pass:#}");
    let resume = client.call("release_hold", json!({"release": KONFLUX, "withdraw": true}));
    assert!(resume.is_error() && resume.text().contains("a person's decision"), "{}", resume.text());
    let overview = done(&client.call("releases_overview", json!({})));
    assert!(overview["releases"].is_array(), "{overview:#}");
    harness.oar(KONFLUX, &["hold", "--withdraw"]).expect(0);
    let all = done(&client.call("release_hold", json!({"all": true, "reason": "a freeze"})));
    assert_eq!((&all["outcome"], &all["release"]), (&json!("held"), &Value::Null));
    let refused = harness.oar(KONFLUX, &["take-ownership", "-e", end_to_end::LEAD]).expect(6);
    assert!(refused.stderr.contains("a freeze"), "{refused:#?}");
    let mut decider = server.client(Era::Modern, "decider");
    let resumed = done(&decider.call("release_hold", json!({"all": true, "withdraw": true})));
    assert_eq!(resumed["outcome"], "withdrawn");
    server.stopped();
}

#[test]
fn the_doctor_needs_no_release_and_says_what_it_did_not_look_at() {
    let harness = prepared();
    let server = Server::start(&harness, &[]);
    let mut reader = server.client(Era::Modern, "reader");
    let verdict = |arguments: Value, client: &mut Client| {
        let answer = client.call_to_its_end("doctor", arguments);
        let document = answer.document();
        let findings = document["findings"].as_array().unwrap();
        let found = findings.iter().find(|found| found["check"] == "build-data").unwrap().clone();
        let tokens =
            findings.iter().any(|found| found["check"] == "gitlab-token" && found["verdict"] == "ok");
        assert!(tokens, "{document:#}");
        found
    };
    assert_eq!(verdict(of_release(), &mut reader)["verdict"], "ok");
    let found = verdict(json!({}), &mut reader);
    assert_eq!(found["verdict"], "unknown", "{found:#}");
    assert!(found["text"].as_str().unwrap().starts_with("not looked at"), "{found:#}");
    assert_eq!(found["next"], "Name a release: `doctor` (release RELEASE).");
    let timeline = done(&reader.call("release_timeline", of_release()));
    assert_eq!(timeline["release"], KONFLUX);
    assert_eq!(writes(&harness), Vec::<String>::new());
    server.stopped();
}
