//! An AI agent in the demonstration: it asks the MCP server, which it starts itself, as the clients of desktops do. The client is the
//! official one for Rust.

use std::{
    fs::{self, File},
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use rmcp::{
    ServiceExt,
    model::{CallToolRequestParams, JsonObject},
};
use serde_json::Value;

use super::{Failure, print};

/// The longest that the agent waits for the server.
const LIMIT: Duration = Duration::from_mins(1);
/// The command that is shown.
const LINE: &str = "release-tests mcp --stdio";

/// Asks the server that `command` starts where `release` stands, and shows it; fails when no line has `words`. The server's log
/// goes to `log`.
pub(super) fn ask_where(release: &str, mut command: Command, log: &Path, words: &str) -> Result<(), Failure> {
    print(&format!("\n* An AI agent asks the server where {release} stands: oar_get_release_status\n"))?;
    command.arg("--stdio").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(File::create(log)?);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let told = runtime.block_on(async {
        let asked = tokio::time::timeout(LIMIT, ask(command, release)).await;
        asked.unwrap_or_else(|_| Err(format!("no answer within {} seconds", LIMIT.as_secs())))
    });
    let failed = |status: &str, why: String| {
        let said = fs::read_to_string(log).unwrap_or_default();
        let log = super::reason("", &said);
        let expected = format!("`{words}` in the answer");
        Failure::Step {
            line: LINE.to_owned(),
            status: status.to_owned(),
            expected,
            why: format!("{why}; {log}"),
        }
    };
    let document = told.map_err(|why| failed("no answer", why))?;
    let tasks = document.get("tasks").and_then(Value::as_array).into_iter().flatten();
    let text_of =
        |task: &Value, member: &str| task.get(member).and_then(Value::as_str).unwrap_or("?").to_owned();
    let lines: Vec<String> =
        tasks.map(|task| format!("{}: {}", text_of(task, "name"), text_of(task, "status"))).collect();
    for line in &lines {
        print(&format!("    {line}\n"))?;
    }
    if lines.iter().any(|line| line == words) {
        return Ok(());
    }
    Err(failed("another answer", document.to_string()))
}

/// One conversation: the state of the release as the tool gives it.
async fn ask(command: Command, release: &str) -> Result<Value, String> {
    let mut server = tokio::process::Command::from(command)
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| error.to_string())?;
    let pipes = server.stdout.take().zip(server.stdin.take()).ok_or("the server has no pipes")?;
    let client = ().serve(pipes).await.map_err(|error| error.to_string())?;
    let arguments: JsonObject = [("release".to_owned(), release.into())].into_iter().collect();
    let call = CallToolRequestParams::new("oar_get_release_status").with_arguments(arguments);
    let result = client.call_tool(call).await.map_err(|error| error.to_string())?;
    // The end of its input ends the server.
    client.cancel().await.map_err(|error| error.to_string())?;
    let status = server.wait().await.map_err(|error| error.to_string())?;
    match result.structured_content {
        Some(document) if result.is_error != Some(true) && status.success() => Ok(document),
        _ => Err(format!("{:?}, {status}", result.content)),
    }
}
