//! The tools of `release-tests mcp` at the sandbox: what they answer, and what they say when nothing works.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests say what they expect by failing")]

use std::collections::BTreeSet;
use std::time::Duration;

use end_to_end::effects::Effects;
use end_to_end::mcp::{self, Answer, Client, Era, Kind, Server, Tool};
use end_to_end::{ERRATA, Fault, Harness, KONFLUX};
use sandbox::services::PREFIXES;
use serde_json::{Value, json};

/// The beginnings of the texts of command lines (spec 05 §7.4).
const SUCCEEDED: &str = "✓ Command succeeded\n";
const FAILED: &str = "✗ Command failed (exit code ";

/// The most text of a call.
const BOUND: usize = 16 * 1024;

/// What every answer of a tool holds, whatever came of it.
#[track_caller]
fn assert_well_formed(tool: &Tool, definition: &Value, answer: &Answer) {
    let name = tool.name;
    let result = answer.result();
    let text = answer.text();
    assert!(!text.trim().is_empty() && text.len() <= BOUND + 512, "{name}: {} bytes", text.len());
    assert!(result["content"].as_array().unwrap().iter().all(|block| block["type"] == "text"), "{name}");
    assert_in_words_of_tools(tool, &text);
    if answer.is_followed {
        return;
    }
    if answer.is_error() {
        assert_eq!(answer.structured(), None, "{name}: clients validate what is structured: {result:#}");
        assert!(!text.contains("panicked") && !text.contains("RUST_BACKTRACE"), "{name}: {text}");
    } else {
        let schema = jsonschema::validator_for(&definition["outputSchema"]).unwrap();
        let structured = answer.structured().unwrap_or_else(|| panic!("{name}: {result:#}"));
        let wrong: Vec<String> = schema.iter_errors(structured).map(|error| error.to_string()).collect();
        assert_eq!(wrong, Vec::<String>::new(), "{name}: {structured:#}");
    }
    match tool.kind {
        Kind::Document(success, failure) => {
            let document = answer.document();
            assert!(document.is_object(), "{name}: {text}");
            let keys = if answer.is_error() { failure } else { success };
            for key in keys {
                assert!(document.get(key).is_some(), "{name}: {key} is missing in {document:#}");
            }
            if let Some(structured) = answer.structured() {
                assert_eq!(structured, &document, "{name}: the text repeats what is structured");
            }
        }
        Kind::Operation(keys) => {
            let document = answer.document();
            let keys = if answer.is_error() { &["error"] } else { keys };
            for key in keys {
                assert!(document.get(key).is_some(), "{name}: {key} is missing in {document:#}");
            }
        }
        Kind::Decision => {
            let document = answer.document();
            assert!(answer.is_error() && document.get("error").is_some(), "{name}: {document:#}");
        }
        Kind::Command | Kind::Critical | Kind::Generic => {
            let waits = text.contains("waits for consent");
            let begins = if answer.is_error() { FAILED } else { SUCCEEDED };
            assert!(text.starts_with(begins) || waits, "{name}: {text}");
            if let Some(structured) = answer.structured() {
                assert!(text.starts_with(structured["result"].as_str().unwrap()), "{name}: {structured:#}");
            }
        }
        Kind::Help => assert!(text.contains("take-ownership") && text.contains("--email"), "{name}: {text}"),
    }
}

/// What comes next is said in the vocabulary of tools, or it is said that a person does it.
#[track_caller]
fn assert_in_words_of_tools(tool: &Tool, text: &str) {
    if tool.kind == Kind::Generic {
        return;
    }
    let names_option = |text: &str| {
        let mut words = text.split_whitespace().map(|word| word.trim_start_matches(['`', '(', '\'']));
        words.any(|word| {
            word.strip_prefix("--")
                .is_some_and(|name| name.starts_with(|letter: char| letter.is_ascii_lowercase()))
        })
    };
    let document: Value = serde_json::from_str(text.lines().next().unwrap_or_default()).unwrap_or_default();
    let steps = document["next"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let lines = text.lines().filter(|line| line.trim_start().to_lowercase().starts_with("next:"));
    for next in lines.chain(document["next"].as_str()).chain(steps) {
        assert!(!names_option(next) || next.contains("person"), "{}: {next}", tool.name);
        assert!(!next.contains("oar -r") || next.contains("person"), "{}: {next}", tool.name);
    }
}

fn definition(definitions: &[Value], name: &str) -> Value {
    let found = definitions.iter().find(|definition| definition["name"] == name);
    found.unwrap_or_else(|| panic!("{name} is not offered")).clone()
}

fn assert_no_secret(harness: &Harness, answer: &Answer) {
    let text = answer.message.to_string();
    for secret in mcp::secrets(harness) {
        assert!(!text.contains(&secret), "{secret} stands in {text}");
    }
}

/// Every tool of a release, one after the other, as somebody with all rights calls them.
fn every_tool(release: &str, era: Era) {
    let harness = mcp::prepared(release);
    let server = Server::start(&harness, &[]);
    let mut client = server.client(era, "lead");
    let definitions = client.tools();
    for tool in mcp::tools(release) {
        if tool.kind == Kind::Generic {
            assert!(!definitions.iter().any(|definition| definition["name"] == tool.name), "{}", tool.name);
            continue;
        }
        let definition = definition(&definitions, tool.name);
        let answer = client.call_to_its_end(tool.name, tool.arguments.clone());
        assert_well_formed(&tool, &definition, &answer);
        assert_no_secret(&harness, &answer);
        let reads = ["release_plan", "releases_overview", "release_timeline", "doctor"].contains(&tool.name);
        if reads || matches!(tool.kind, Kind::Document(..) | Kind::Help) {
            assert!(!answer.is_error(), "{}: {}", tool.name, answer.text());
        }
        if tool.kind == Kind::Critical {
            assert!(answer.is_error(), "{}: {}", tool.name, answer.text());
        }
        // Existing callers look for the marker of the Python tooling (spec 05 §7.4).
        if tool.name == "oar_take_ownership" {
            assert!(answer.text().contains("status is changed to [Pass]"), "{}", answer.text());
        }
    }
    let status = client.call("oar_get_release_status", json!({"release": release})).document();
    let task = |name: &str| {
        let tasks = status["tasks"].as_array().unwrap();
        tasks.iter().find(|task| task["name"] == name).map(|task| task["status"].clone())
    };
    assert_eq!(task("take-ownership"), Some("Pass".into()), "{status:#}");
    assert_eq!(task("analyze-candidate-build"), Some("Pass".into()), "{status:#}");
    let state = harness.statebox(release).unwrap();
    assert!(!state.contains("decisions:"), "nobody has decided anything: {state}");
    assert_eq!(task("push-to-cdn-staging"), None, "what waits for consent did not begin: {status:#}");
    let history = harness.oar(release, &["history"]).expect(0).stdout;
    assert!(history.contains("mcp:lead"), "{history}");
    harness.sandbox.assert_no_unexpected();
}

#[test]
fn every_tool_of_a_konflux_release_answers_as_its_definition_says() {
    every_tool(KONFLUX, Era::Modern);
}

#[test]
fn every_tool_of_an_errata_release_answers_as_its_definition_says() {
    every_tool(ERRATA, Era::Legacy);
}

#[test]
fn both_eras_get_the_same_answers() {
    let harness = mcp::prepared(KONFLUX);
    let server = Server::start(&harness, &[]);
    let answers = Era::ALL.map(|era| {
        let mut client = server.client(era, "lead");
        let tools = client.tools();
        let call = client.call("oar_get_release_status", json!({"release": KONFLUX}));
        (tools, call.text(), call.structured().cloned(), call.is_error())
    });
    assert_eq!(answers[0], answers[1]);
}

#[test]
fn when_nothing_works_every_tool_says_so_and_changes_nothing() {
    for release in [KONFLUX, ERRATA] {
        let harness = mcp::prepared(release);
        let before = Effects::of(&harness);
        let server = Server::start(&harness, &[]);
        let mut client = server.client(Era::Modern, "lead");
        let definitions = client.tools();
        harness.sandbox.faults().add(Fault::anywhere(mcp::echo(&harness, 500)).forever());
        for tool in mcp::tools(release).into_iter().filter(|tool| tool.kind != Kind::Generic) {
            let answer = client.call_to_its_end(tool.name, tool.arguments.clone());
            assert_well_formed(&tool, &definition(&definitions, tool.name), &answer);
            assert_eq!(answer.is_error(), tool.asks, "{}: {}", tool.name, answer.text());
            assert_no_secret(&harness, &answer);
        }
        harness.sandbox.faults().clear();
        Effects::of(&harness).assert_none_twice(&before, release);
        let said = client.call("oar_get_release_status", json!({"release": release}));
        assert!(!said.is_error(), "it goes on afterwards: {}", said.text());
    }
}

/// The command line that does the same, of a tool that runs a task of a release.
fn command_of(tool: &Tool) -> Option<Vec<String>> {
    let name =
        tool.name.strip_prefix("oar_").filter(|_| matches!(tool.kind, Kind::Command | Kind::Critical))?;
    let mut words = vec![name.replace('_', "-")];
    words.extend(tool.arguments["email"].as_str().map(|email| format!("--email={email}")));
    words.extend((tool.arguments["notify"] == false).then(|| "--no-notify".to_owned()));
    Some(words)
}

/// Each task of the StateBox with its status, and how its runs ended.
fn recorded(harness: &Harness, release: &str) -> Vec<String> {
    let state: serde_yaml::Value = serde_yaml::from_str(&harness.statebox(release).unwrap()).unwrap();
    let text = |value: &serde_yaml::Value| value.as_str().unwrap_or("-").to_owned();
    let of_run = |run: &serde_yaml::Value| format!("{} {}", text(&run["outcome"]), text(&run["class"]));
    let of_task = |task: &serde_yaml::Value| {
        let runs = task["history"].as_sequence().into_iter().flatten().map(of_run);
        format!("{}: {}: {:?}", text(&task["name"]), text(&task["status"]), runs.collect::<Vec<_>>())
    };
    state["tasks"].as_sequence().unwrap().iter().map(of_task).collect()
}

/// The state can be written here, so it says what became of each run: as it does after the same command lines.
#[test]
fn what_fails_is_recorded_as_it_is_for_a_command_line() {
    for release in [KONFLUX, ERRATA] {
        let (harness, by_hand) = (mcp::prepared(release), mcp::prepared(release));
        for world in [&harness, &by_hand] {
            for (_, service) in PREFIXES.iter().filter(|(_, name)| !name.starts_with("github")) {
                world.sandbox.faults().add(Fault::on(service, mcp::echo(world, 500)).forever());
            }
        }
        let server = Server::start(&harness, &[]);
        let mut client = server.client(Era::Modern, "lead");
        let definitions = client.tools();
        for tool in mcp::tools(release) {
            let Some(words) = command_of(&tool) else { continue };
            let answer = client.call_to_its_end(tool.name, tool.arguments.clone());
            assert_well_formed(&tool, &definition(&definitions, tool.name), &answer);
            assert_no_secret(&harness, &answer);
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            let code = by_hand.oar(release, &words).code.unwrap();
            let text = answer.text();
            let begins = if code == 0 { SUCCEEDED.to_owned() } else { format!("{FAILED}{code})") };
            assert!(text.starts_with(&begins), "{}: {code} at a command line, here: {text}", tool.name);
            assert_eq!(answer.is_error(), code != 0, "{}: {text}", tool.name);
            assert_eq!(recorded(&harness, release), recorded(&by_hand, release), "after {}", tool.name);
        }
        server.stopped();
    }
}

#[test]
fn what_services_say_of_secrets_is_in_no_answer() {
    let harness = mcp::prepared(KONFLUX);
    let server = Server::start(&harness, &[]);
    let mut client = server.client(Era::Modern, "lead");
    harness.sandbox.faults().add(Fault::anywhere(mcp::echo(&harness, 400)).forever());
    for tool in mcp::tools(KONFLUX).into_iter().filter(|tool| tool.kind != Kind::Generic) {
        let answer = client.call_to_its_end(tool.name, tool.arguments.clone());
        assert_eq!(answer.is_error(), tool.asks, "{}: {}", tool.name, answer.text());
        assert_no_secret(&harness, &answer);
    }
    let of_release =
        ["state", "plan", "log/take-ownership"].map(|last| format!("release://{KONFLUX}/{last}"));
    for uri in of_release.into_iter().chain(["releases://active".to_owned()]) {
        assert_no_secret(&harness, &client.request("resources/read", json!({"uri": uri})));
    }
    let log = server.stopped().stderr;
    for secret in mcp::secrets(&harness) {
        assert!(!log.contains(&secret), "{secret} stands in {log}");
    }
}

#[test]
fn what_is_asked_wrongly_is_refused_with_what_was_expected() {
    let harness = mcp::prepared(KONFLUX);
    let before = Effects::of(&harness);
    let server = Server::start(&harness, &[]);
    for era in Era::ALL {
        let mut client = server.client(era, "lead");
        // What a schema says has its own tests with the tools; here is what only operations know, and one of those.
        for (tool, arguments, words) in [
            ("oar_get_release_status", json!({"release": ["4.19.1"]}), "release"),
            ("oar_take_ownership", json!({"release": KONFLUX, "email": "--yes"}), "email"),
            // An empty id is no id, and starts nothing (M7).
            ("oar_image_consistency_check", json!({"release": KONFLUX, "job_id": ""}), "job_id"),
            ("oar_stage_testing", json!({"release": KONFLUX, "build_number": "  "}), "build_number"),
            ("oar_add_issue", json!({"release": KONFLUX, "issue": "x".repeat(1001)}), "issue"),
            (
                "oar_add_issue",
                json!({"release": KONFLUX, "issue": "x", "related_tasks": ","}),
                "related_tasks",
            ),
            (
                "oar_resolve_issue",
                json!({"release": KONFLUX, "issue": "no such issue", "resolution": "x"}),
                "no such issue",
            ),
            ("get_run", json!({"run_id": "0198c0de-0000-7000-8000-000000000000"}), "0198c0de"),
            // These ask no service, so this is how they fail.
            ("mcp_cache_stats", json!({"release": KONFLUX}), "release"),
            ("mcp_cache_invalidate", json!({"release": "4.19"}), "release"),
            ("get_command_help", json!({"cli": "oar", "command": "take-owner"}), "take-owner"),
        ] {
            let answer = client.call(tool, arguments.clone());
            assert!(answer.is_error(), "{tool} {arguments}: {answer:#?}");
            assert!(answer.text().contains(words), "{tool} {arguments}: {}", answer.text());
            assert_eq!(answer.structured(), None);
        }
        let unknown = client.call("oar_take_ownershp", json!({}));
        assert_eq!(unknown.error(), Some(-32602), "{unknown:#?}");
        let not_there = client.request("no/such/method", json!({}));
        assert_eq!(not_there.error(), Some(-32601), "{not_there:#?}");
    }
    Effects::of(&harness).assert_none_twice(&before, "wrong arguments");
    assert!(harness.prow_jobs().is_empty());
}

#[test]
fn the_usual_questions_take_two_calls_and_six_kilobytes() {
    let harness = mcp::prepared(KONFLUX);
    harness.oar(KONFLUX, &["take-ownership", "-e", end_to_end::LEAD]).expect(0);
    harness.oar(KONFLUX, &["issue", "add", "stage is down", "--task", "stage-testing"]).expect(0);
    let server = Server::start(&harness, &[]);
    let mut client = server.client(Era::Modern, "daily");
    let list = client.request("tools/list", json!({}));
    let tools = list.result()["tools"].as_array().unwrap();
    assert!(tools.len() <= 15, "{}", tools.len());
    assert!(json!(tools).to_string().len() <= 12 * 1024, "{} bytes", json!(tools).to_string().len());
    let names: BTreeSet<&str> = tools.iter().filter_map(|tool| tool["name"].as_str()).collect();
    // Where does it stand? Why is it stuck? What is next? Each a call or two, and these words in the answers.
    for (question, calls, words) in [
        (
            "where does it stand",
            vec![("oar_get_release_status", json!({"release": KONFLUX}))],
            vec!["take-ownership", "Pass", "\"next\":[\""],
        ),
        (
            "why is it stuck",
            vec![("oar_get_issues", json!({"release": KONFLUX, "unresolved_only": true}))],
            vec!["stage is down", "stage-testing"],
        ),
        (
            "what blocks this task",
            vec![(
                "oar_get_issues",
                json!({"release": KONFLUX, "task_name": "stage-testing", "blockers_only": true}),
            )],
            vec!["stage is down"],
        ),
        // The sandbox's releases have their dates behind them; which are active has tests of its own.
        ("what is there at all", vec![("discover_active_releases", json!({}))], vec!["\"releases\":["]),
        (
            "is it out",
            vec![("oar_is_release_shipped", json!({"release": KONFLUX}))],
            vec!["shipped", "konflux", "shipment_mr_merged"],
        ),
    ] {
        let mut size = 0;
        let mut text = String::new();
        assert!(calls.len() <= 2, "{question}");
        for (tool, arguments) in calls {
            assert!(names.contains(tool), "{question}: {tool} is not in the profile: {names:?}");
            let answer = client.call(tool, arguments);
            assert!(!answer.is_error(), "{question}: {}", answer.text());
            text.push_str(&answer.text());
            size += answer.text().len();
        }
        assert!(size <= 6 * 1024, "{question}: {size} bytes");
        for word in words {
            assert!(text.contains(word), "{question}: `{word}` is missing in {text}");
        }
    }
}

#[test]
fn texts_of_others_are_marked_bounded_and_harmless() {
    let harness = mcp::prepared(KONFLUX);
    for (place, text) in mcp::HOSTILE.iter().enumerate() {
        let text = format!("{place} {text}");
        harness.oar(KONFLUX, &["issue", "add", &text, "--no-blocker"]);
        harness.oar(KONFLUX, &["issue", "add", &text]);
    }
    let server = Server::start(&harness, &[]);
    for era in Era::ALL {
        let mut client = server.client(era, "lead");
        let issues = client.call("oar_get_issues", json!({"release": KONFLUX}));
        let blocks = issues.result()["content"].as_array().unwrap();
        let mark = |block: &Value| block["text"].as_str().unwrap().contains("treat it as data");
        assert!(blocks.iter().any(mark), "{issues:#?}");
        assert!(
            !issues.text().contains('\u{1b}') && !issues.text().contains('\u{202e}'),
            "{}",
            issues.text()
        );
        assert!(issues.document()["count"].as_u64().unwrap() >= 1, "{issues:#?}");
        for uri in [format!("release://{KONFLUX}/state"), "releases://active".to_owned()] {
            let read = client.request("resources/read", json!({"uri": uri}));
            let text = read.result()["contents"][0]["text"].as_str().unwrap();
            assert!(!text.contains('\u{1b}'), "{uri}: {text}");
            assert_no_secret(&harness, &read);
        }
    }
    // More than a call may answer.
    let long = "a very long story ".repeat(50);
    for number in 0..60 {
        harness.oar(KONFLUX, &["issue", "add", &format!("{number}: {long}"), "--no-blocker"]);
    }
    for era in Era::ALL {
        let mut client = server.client(era, "lead");
        let issues = client.call("oar_get_issues", json!({"release": KONFLUX}));
        assert!(issues.text().len() <= BOUND + 512, "{}", issues.text().len());
        let document = issues.document();
        assert!(document.is_object(), "it stays JSON: {}", issues.text());
        assert!(document["left_out"].as_u64().unwrap() > 0, "{document:#}");
        let whole = whole_result(&server, &mut client, &issues);
        let whole: Value = serde_json::from_str(&whole).unwrap();
        assert_eq!(json!(whole["issues"].as_array().unwrap().len()), document["count"]);
    }
}

/// The whole result of a call whose answer leaves something out: as a resource, and in parts by the tool; and nobody else's.
fn whole_result(server: &Server, client: &mut Client, answer: &Answer) -> String {
    let text = answer.text();
    let (_, rest) = text.split_once("run://").unwrap_or_else(|| panic!("no resource is named: {text}"));
    let run: String = rest.chars().take_while(char::is_ascii_alphanumeric).collect();
    let uri = format!("run://{run}");
    let read = client.request("resources/read", json!({"uri": uri}));
    let whole = read.result()["contents"][0]["text"].as_str().unwrap().to_owned();
    let (mut parts, mut offset) = (String::new(), Some(0_usize));
    while let Some(at) = offset {
        let part = client.call("get_run", json!({"run_id": run, "offset": at}));
        let text = part.structured().unwrap()["result"].as_str().unwrap().to_owned();
        assert!(text.len() <= BOUND, "{}", text.len());
        let (some, note) = text.rsplit_once("\n… ").unwrap();
        parts.push_str(some);
        offset = note.split_once("offset ").map(|(_, next)| next.trim_end_matches(" …").parse().unwrap());
    }
    assert_eq!(parts, whole);
    let mut other = server.client(Era::Modern, "daily");
    assert!(other.request("resources/read", json!({"uri": uri})).error().is_some());
    assert!(other.call("get_run", json!({"run_id": run, "offset": 0})).is_error());
    whole
}

#[test]
fn what_a_command_line_that_only_reads_says_can_be_read_wholly() {
    let harness = mcp::prepared(KONFLUX);
    let root = mcp::caller("root", &mcp::ALL_SCOPES, "reference");
    let daily = mcp::caller("daily", &mcp::SCOPES, "daily");
    let harness = mcp::with_callers(harness, &json!({"root": root, "daily": daily}));
    let long = "a very long story ".repeat(50);
    for number in 0..30 {
        harness.oar(KONFLUX, &["issue", "add", &format!("{number}: {long}"), "--no-blocker"]);
    }
    let server = Server::start(&harness, &["--generic"]);
    let mut client = server.client(Era::Modern, "root");
    let list = json!({"release": KONFLUX, "command": "issue list", "args": "--all"});
    let answer = client.call("oar_run_command", list);
    assert!(!answer.is_error() && answer.text().len() <= BOUND + 512, "{}", answer.text());
    let whole = whole_result(&server, &mut client, &answer);
    for number in 0..30 {
        assert!(whole.contains(&format!("{number}: a very long story")), "{number}");
    }
}

/// The stream on which a client hears of changes of this resource and of the list of resources.
fn changes(client: &mut Client, era: Era, uri: &str) -> mcp::Stream {
    if era == Era::Legacy {
        let stream = client.stream();
        client.request("resources/subscribe", json!({"uri": uri})).result();
        return stream;
    }
    let wanted = json!({"resourceSubscriptions": [uri], "resourcesListChanged": true});
    let (connection, _) = client.begin("subscriptions/listen", json!({"notifications": wanted}));
    let mut stream = mcp::Stream::of(connection).unwrap();
    let is_begun = |message: &Value| message["method"] == "notifications/subscriptions/acknowledged";
    stream.until(Duration::from_mins(1), is_begun).unwrap();
    stream
}

#[test]
fn people_and_models_see_the_same_state_at_once() {
    for era in Era::ALL {
        let harness = mcp::prepared(KONFLUX);
        let server = Server::start(&harness, &["--poll", "1"]);
        let mut client = server.client(era, "lead");
        let uri = format!("release://{KONFLUX}/state");
        let mut stream = changes(&mut client, era, &uri);
        let limit = Duration::from_mins(1);
        harness.pass(KONFLUX, "stage-testing");
        let is_update = |message: &Value| message["method"] == "notifications/resources/updated";
        let changed = stream.until(limit, is_update).unwrap();
        assert_eq!(changed["params"]["uri"], uri, "{changed:#}");
        let read = client.request("resources/read", json!({"uri": uri}));
        assert!(read.message.to_string().contains("stage-testing"), "{read:#?}");
        let status = client.call("oar_get_release_status", json!({"release": KONFLUX})).document();
        let tasks = status["tasks"].as_array().unwrap();
        let stage = tasks.iter().find(|task| task["name"] == "stage-testing").unwrap();
        assert_eq!(stage["status"], "Pass", "no cache hides it");
        // In a session this needs no subscription.
        if era == Era::Legacy {
            client.request("resources/unsubscribe", json!({"uri": uri})).result();
        }
        harness.put_statebox("4.19.98", &harness.statebox(KONFLUX).unwrap());
        let is_listed = |message: &Value| message["method"] == "notifications/resources/list_changed";
        stream.until(limit, is_listed).unwrap();
        stream.close();
        server.stopped();
    }
}

#[test]
fn prompts_and_completion_know_the_releases() {
    let harness = mcp::prepared(KONFLUX);
    let server = Server::start(&harness, &[]);
    for era in Era::ALL {
        let mut client = server.client(era, "reader");
        let prompts = client.request("prompts/list", json!({}));
        let prompts = prompts.result()["prompts"].as_array().unwrap().clone();
        assert_eq!(prompts.len(), 3, "{prompts:#?}");
        for prompt in &prompts {
            let arguments = json!({"name": prompt["name"], "arguments": {"release": KONFLUX}});
            let got = client.request("prompts/get", arguments);
            assert!(got.result()["messages"].to_string().contains(KONFLUX), "{got:#?}");
            let argument = json!({"name": "release", "value": "4.19"});
            let reference = json!({"type": "ref/prompt", "name": prompt["name"]});
            let completed =
                client.request("completion/complete", json!({"ref": reference, "argument": argument}));
            let values = completed.result()["completion"]["values"].as_array().unwrap().clone();
            assert!(values.contains(&json!(KONFLUX)), "{completed:#?}");
        }
        let reference = json!({"type": "ref/resource", "uri": "release://{release}/state"});
        let argument = json!({"name": "release", "value": "4"});
        let completed =
            client.request("completion/complete", json!({"ref": reference, "argument": argument}));
        assert!(completed.result().to_string().contains(KONFLUX), "{completed:#?}");
    }
}
