//! The official conformance suite of MCP against the transport of the product, on which `src/bin/mcp_fixtures/` mounts what the
//! suite calls by name: both revisions, and no known failure.
#![expect(clippy::unwrap_used, reason = "tests say what they expect by failing")]

use std::collections::BTreeMap;
use std::process::{Command, Stdio};

use end_to_end::mcp::{self, Server};
use end_to_end::{Run, finish, release_tests};
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
