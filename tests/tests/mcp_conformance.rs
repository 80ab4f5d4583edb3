//! The official conformance suite of MCP against the transport of the product, on which `src/bin/mcp_fixtures/` mounts what the
//! suite calls by name: both revisions, and no known failure.
#![expect(clippy::unwrap_used, reason = "tests say what they expect by failing")]

use std::collections::BTreeMap;
use std::process::{Command, Stdio};
use std::time::Duration;

use end_to_end::mcp::{self, Client, Era, Server, Stream};
use end_to_end::{Run, finish, release_tests};
use serde_json::json;
use tempfile::TempDir;

/// Scenarios that are run and not scored, of which nothing is expected: those of an extension that the server does not offer.
const NOT_OFFERED: [&str; 1] = ["tasks-"];

fn fixtures() -> Server {
    let program = release_tests().with_file_name("mcp_fixtures");
    assert!(program.exists(), "{} is missing: build the programs first", program.display());
    let mut command = Command::new(program);
    command.env_clear().stdin(Stdio::null());
    Server::start_program(command)
}

/// What the suite wrote: each scenario, and how many of its checks failed.
fn judged(run: &Run) -> BTreeMap<String, (u64, u64)> {
    let mut found = BTreeMap::new();
    for line in run.stdout.lines() {
        // `✓ tools-list: 3 passed, 0 failed`
        let Some((name, counts)) = line.trim_start_matches(['✓', '✗', '~', '?', ' ']).split_once(": ")
        else {
            continue;
        };
        let count = |word: &str| {
            let (before, _) = counts.split_once(word)?;
            before.trim_end().rsplit(' ').next()?.parse::<u64>().ok()
        };
        if let (true, Some(passed), Some(failed)) = (name != "Total", count(" passed"), count(" failed")) {
            found.insert(name.trim().to_owned(), (passed, failed));
        }
    }
    found
}

fn conforms(revision: &str, scored: usize) {
    let server = fixtures();
    let folder = TempDir::new().unwrap();
    let baseline = folder.path().join("baseline.yaml");
    // Nothing that is scored may fail, and nothing is forgiven.
    std::fs::write(&baseline, "server: []\n").unwrap();
    let mut command = mcp::node("@modelcontextprotocol/conformance", "dist/index.js");
    command.current_dir(folder.path()).arg("server").args([
        "--url",
        &server.url(),
        "--requirements",
        revision,
    ]);
    command.arg("--expected-failures").arg(&baseline).arg("-o").arg(folder.path().join("results"));
    let run = finish(command);
    assert_eq!(run.code, Some(0), "{}", run.all());
    let judged = judged(&run);
    assert!(judged.len() >= scored, "{} of {scored} scenarios were run:\n{}", judged.len(), run.all());
    for (name, (passed, failed)) in &judged {
        if NOT_OFFERED.iter().any(|prefix| name.starts_with(prefix)) {
            continue;
        }
        assert_eq!(*failed, 0, "{name}, {passed} passed:\n{}", run.all());
    }
    let run = server.stopped_anyhow();
    assert!(!run.stderr.contains("panicked"), "{}", run.stderr);
}

#[test]
fn the_revision_of_the_legacy_era() {
    conforms("2025-11-25", 30);
}

#[test]
fn the_revision_of_the_modern_era() {
    conforms("2026-07-28", 37);
}

#[test]
fn the_client_of_the_other_tests_speaks_both_eras() {
    let server = fixtures();
    for era in Era::ALL {
        let person = json!({"name": "Robin", "username": "robin", "email": "robin@example.com"});
        let client = Client::new(server.address(), era, None);
        let mut client = client.elicits(json!({"action": "accept", "content": person})).connected();
        assert!(client.tool_names().iter().any(|name| name == "test_simple_text"));
        let text = client.call("test_simple_text", json!({}));
        assert_eq!(
            (text.text().as_str(), text.is_error()),
            ("This is a simple text response for testing.", false)
        );
        assert!(client.call("test_error_handling", json!({})).is_error());
        assert_eq!(client.call("no_such_tool", json!({})).error(), Some(-32602));
        let call =
            json!({"name": "test_tool_with_progress", "arguments": {}, "_meta": {"progressToken": "1"}});
        let told = client.request("tools/call", call);
        assert_eq!((told.notifications.len(), told.is_error()), (3, false), "{told:#?}");
        let asked = match era {
            Era::Modern => client.call("test_input_required_result_elicitation", json!({})),
            Era::Legacy => client.call("test_elicitation", json!({"message": "Who are you?"})),
        };
        assert_eq!(asked.asked.len(), 1, "{asked:#?}");
        assert!(asked.text().to_lowercase().contains("robin"), "{asked:#?}");
        match era {
            Era::Modern => {
                let wanted = json!({"notifications": {"resourceSubscriptions": ["test://watched-resource"]}});
                let (connection, _) = client.begin("subscriptions/listen", wanted);
                let mut stream = Stream::of(connection).unwrap();
                let acknowledged = |message: &serde_json::Value| {
                    message["method"] == "notifications/subscriptions/acknowledged"
                };
                stream.until(Duration::from_mins(1), acknowledged).unwrap();
                stream.close();
            }
            Era::Legacy => {
                let session = client.session().unwrap().to_owned();
                assert!((200..300).contains(&client.end()));
                let mut late = Client::new(server.address(), era, None);
                late.steal(&session);
                assert_eq!(late.request("tools/list", json!({})).status, 404);
            }
        }
    }
}
