//! Clients that others wrote, unmodified, at the server and the sandbox: they list, call every tool of a release, follow its progress,
//! cancel, ask their user, and read. The conversation of each stands in `tests/mcp/`.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests say what they expect by failing")]

use std::process::Command;
use std::time::Duration;

use end_to_end::mcp::{self, Kind, LEGACY, MODERN, Server};
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

fn script() -> Value {
    let calls: Vec<Value> = mcp::tools(KONFLUX)
        .into_iter()
        .filter(|tool| !matches!(tool.kind, Kind::Generic | Kind::Critical | Kind::Decision))
        // A pass would take the release before the slow call does.
        .filter(|tool| ![SLOW, "release_advance"].contains(&tool.name))
        .map(|tool| json!([tool.name, tool.arguments]))
        .collect();
    json!({
        "release": KONFLUX,
        "calls": calls,
        "slow": [SLOW, {"release": KONFLUX, "email": LEAD}],
        "critical": ["oar_push_to_cdn_staging", {"release": KONFLUX}],
        "cancel": ["oar_is_release_shipped", {"release": ERRATA}],
        "cancel_after": 1.0,
        "resource": format!("release://{KONFLUX}/state"),
    })
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
    let server = Server::start(&harness, &[]);
    let (report, run) = run(&harness, &server, command);
    assert_eq!(report["protocol"], protocol, "{report:#}");
    let tools = report["tools"].as_array().unwrap();
    for tool in mcp::tools(KONFLUX).into_iter().filter(|tool| tool.kind != Kind::Generic) {
        assert!(tools.contains(&json!(tool.name)), "{} is missing: {tools:?}", tool.name);
    }
    for tool in
        mcp::tools(KONFLUX).into_iter().filter(|tool| matches!(tool.kind, Kind::Document(..) | Kind::Help))
    {
        let result = &report["results"][tool.name];
        assert_eq!(result["is_error"], false, "{}: {result:#}", tool.name);
        assert!(result["structured"].is_object(), "{}: {result:#}", tool.name);
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
    assert_eq!(report["listened"], true);
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
