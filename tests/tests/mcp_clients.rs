//! Clients that others wrote, unmodified, at the server and the sandbox: they list, call every tool of a release, follow its progress,
//! cancel, ask their user, and read. The conversation of each stands in `tests/mcp/`.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests say what they expect by failing")]

use std::process::Command;
use std::time::Duration;

use end_to_end::mcp::{self, Kind, LEGACY, MODERN, Server, Tool};
use end_to_end::{ERRATA, Fault, FaultKind, Harness, KONFLUX, LEAD, Run, elliott, finish, root};
use sandbox::services::errata::AdvisoryState;
use serde_json::{Value, json};

/// A release that can be pushed, beside one whose advisory never answers.
fn prepared() -> Harness {
    let (harness, _) = elliott::install(Harness::announced(KONFLUX));
    harness.sandbox.world().errata.lock().advisory_mut(150_002).unwrap().state = AdvisoryState::Qe;
    harness.oar(ERRATA, &["create-test-report"]).expect(0);
    let harness = mcp::with_usual_callers(harness);
    // Slow enough for progress, the effects of the slow call above all.
    harness.sandbox.set_latency(Duration::from_millis(60));
    harness.sandbox.faults().add(Fault::on("jira", FaultKind::Slow { ms: 600 }).method("PUT").forever());
    harness.sandbox.faults().add(Fault::on("errata", FaultKind::Hang).path("*14000*").forever());
    harness
}

/// The call whose progress is followed. Called a second time it has nothing to do.
const SLOW: &str = "oar_take_ownership";

/// The tool to which the client's user consents.
const PUSH: &str = "oar_push_to_cdn_staging";

/// Whether a tool is called after everything else: what asks the user once more, and a pass, which takes the release before the slow call
/// does.
fn is_last(tool: &Tool) -> bool {
    matches!(tool.kind, Kind::Critical | Kind::Decision) || tool.name == "release_advance"
}

fn script() -> Value {
    let tools = mcp::tools(KONFLUX).into_iter();
    let others = tools.filter(|tool| tool.kind != Kind::Generic && ![SLOW, PUSH].contains(&tool.name));
    let (last, first): (Vec<Tool>, Vec<Tool>) = others.partition(is_last);
    let calls = |tools: Vec<Tool>| -> Vec<Value> {
        tools.into_iter().map(|tool| json!([tool.name, tool.arguments])).collect()
    };
    let issue = json!({"release": KONFLUX, "issue": "a client listens", "blocker": false});
    json!({
        "release": KONFLUX,
        "calls": calls(first),
        "slow": [SLOW, {"release": KONFLUX, "email": LEAD}],
        "critical": [PUSH, {"release": KONFLUX}],
        "cancel": ["oar_is_release_shipped", {"release": ERRATA}],
        "cancel_after": 1.0,
        "last": calls(last),
        "change": ["oar_add_issue", issue],
        "resource": state(),
    })
}

/// The resource that is read and followed.
fn state() -> String {
    format!("release://{KONFLUX}/state")
}

/// The answer that a client reports is as the tool's kind says.
#[track_caller]
fn assert_answered(tool: &Tool, result: &Value) {
    let name = tool.name;
    let (text, failed) = (result["text"].as_str().unwrap(), result["is_error"].as_bool().unwrap());
    assert_eq!(result["structured"].is_object(), !failed, "{name}: {result:#}");
    let begins = if failed { "✗ " } else { "✓ Command succeeded\n" };
    match tool.kind {
        Kind::Document(..) | Kind::Operation(_) | Kind::Help => assert!(!failed, "{name}: {result:#}"),
        // What takes long is followed by its run.
        Kind::Command | Kind::Critical => {
            assert!(text.starts_with(begins) || text.contains("run_id: "), "{name}: {result:#}");
        }
        Kind::Decision | Kind::Generic => {}
    }
}

fn run(harness: &Harness, server: &Server, mut command: Command) -> (Value, Run) {
    command.env("MCP_URL", server.url()).env("MCP_TOKEN", mcp::token("asked"));
    command.env("MCP_SCRIPT", script().to_string()).env("HOME", harness.home());
    let run = finish(command);
    assert_eq!(run.code, Some(0), "{}\n{}", run.all(), server.log());
    let report = run.stdout.lines().last().and_then(|line| serde_json::from_str(line).ok());
    (report.unwrap_or_else(|| panic!("no report: {run:?}")), run)
}

fn converses(command: Command, protocol: &str) -> Value {
    let harness = prepared();
    let server = Server::start(&harness, &["--poll", "1"]);
    let (report, run) = run(&harness, &server, command);
    assert_eq!(report["protocol"], protocol, "{report:#}");
    let tools = report["tools"].as_array().unwrap();
    for tool in mcp::tools(KONFLUX).into_iter().filter(|tool| tool.kind != Kind::Generic) {
        assert!(tools.contains(&json!(tool.name)), "{} is missing: {tools:?}", tool.name);
        let result = match tool.name {
            SLOW => &report["slow"],
            PUSH => &report["critical"],
            name => &report["results"][name],
        };
        assert_answered(&tool, result);
    }
    let slow = &report["slow"];
    assert_eq!(slow["is_error"], false, "{slow:#}");
    let progress: Vec<f64> =
        report["progress"].as_array().unwrap().iter().map(|step| step.as_f64().unwrap()).collect();
    assert!(!progress.is_empty(), "no progress was told");
    assert!(progress.windows(2).all(|pair| pair[0] < pair[1]), "{progress:?}");
    assert_eq!(report["asked"].as_array().unwrap().len(), 1, "{report:#}");
    assert_eq!(report["critical"]["is_error"], false, "{:#}", report["critical"]);
    assert_eq!(report["cancelled"], true, "{report:#}");
    assert!(report["state"].as_str().unwrap().contains("schema_version"), "{}", report["state"]);
    assert!(report["templates"].to_string().contains("release://{release}/state"), "{report:#}");
    assert_eq!(report["prompts"].as_array().unwrap().len(), 3);
    assert!(report["prompt"].as_str().unwrap().contains(KONFLUX), "{report:#}");
    // What was cancelled has left nothing behind.
    server.settled(&harness);
    let text = run.all();
    for secret in mcp::secrets(&harness).into_iter().filter(|secret| secret != LEAD) {
        assert!(!text.contains(&secret), "{secret}");
    }
    server.stopped();
    harness.sandbox.faults().clear();
    report
}

/// A conversation of `tests/mcp/` by the Python of an environment.
fn python(environment: &str, script: &str) -> Command {
    let mut command = mcp::outside(&format!("{environment}/bin/python"));
    command.args(["-B", "-W", "ignore", script]).current_dir(root().join("tests/mcp"));
    command
}

#[test]
fn python_s_client_of_the_legacy_era() {
    converses(python("mcp1", "client_mcp1.py"), LEGACY);
}

#[test]
fn python_s_client_of_the_modern_era() {
    let report = converses(python("mcp2", "client_mcp2.py"), MODERN);
    assert_eq!(report["listened"], state(), "the change was told");
}

#[test]
fn fastmcp_of_the_legacy_era() {
    converses(python("mcp1", "client_fastmcp.py"), LEGACY);
}

#[test]
fn fastmcp_of_the_modern_era() {
    converses(python("mcp2", "client_fastmcp.py"), MODERN);
}

#[test]
fn typescript_s_client() {
    let mut command = mcp::outside("node/bin/node");
    command.arg(root().join("tests/mcp/client_sdk.mjs"));
    converses(command, LEGACY);
}

/// The inspector's command line.
fn inspect(harness: &Harness, server: &Server, era: &str, arguments: &[&str]) -> Run {
    let mut command = mcp::node("@modelcontextprotocol/inspector", "clients/launcher/build/index.js");
    command.args(["--cli", "--server-url", &server.url(), "--transport", "http", "--protocol-era", era]);
    command.args(["--header", &format!("Authorization: Bearer {}", mcp::token("lead")), "--format", "json"]);
    command.args(arguments).env("HOME", harness.home()).current_dir(harness.home());
    finish(command)
}

#[test]
fn the_inspector_finds_nothing_to_complain_about() {
    let harness = prepared();
    let server = Server::start(&harness, &[]);
    for era in ["legacy", "auto", "modern"] {
        let list = inspect(&harness, &server, era, &["--method", "tools/list", "--strict"]).expect(0);
        assert!(list.stdout.contains("oar_get_release_status"), "{list:?}");
        let call = |name: &str, arguments: Value| {
            let arguments = arguments.to_string();
            let words = ["--method", "tools/call", "--tool-name", name, "--tool-args-json", &arguments];
            inspect(&harness, &server, era, &words)
        };
        let status = call("oar_get_release_status", json!({"release": KONFLUX})).expect(0);
        assert!(status.stdout.contains("take-ownership"), "{status:?}");
        // Starting it takes long, so one era shows that it takes the other answers too.
        let quick = |tool: &Tool| matches!(tool.kind, Kind::Document(..) | Kind::Help);
        for tool in mcp::tools(KONFLUX).into_iter().filter(|tool| era == "modern" && quick(tool)) {
            call(tool.name, tool.arguments).expect(0);
        }
        call("oar_get_release_status", json!({"release": "4.19"})).expect(5);
        call("oar_get_release_stattus", json!({"release": KONFLUX})).expect(5);
        let uri = format!("release://{KONFLUX}/state");
        let read = inspect(&harness, &server, era, &["--method", "resources/read", "--uri", &uri]).expect(0);
        assert!(read.stdout.contains("schema_version"), "{read:?}");
        for method in ["resources/list", "resources/templates/list", "prompts/list"] {
            inspect(&harness, &server, era, &["--method", method]).expect(0);
        }
    }
}
