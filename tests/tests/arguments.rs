//! Nonsensical arguments: every command line answers them with one of its exit codes, and never with a panic.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::process::{Command, Stdio};

use end_to_end::{Harness, finish, release_tests};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, TestRunner};

/// The beginnings of command lines.
const COMMANDS: &[&[&str]] = &[
    &["oar"],
    &["oar", "-r", "4.19.1"],
    &["oar", "-r", "4.19.1", "status"],
    &["oar", "-r", "4.19.1", "drive", "--offline"],
    &["oar", "-r", "4.19.1", "history"],
    &["oar", "-r", "4.19.1", "metadata"],
    &["oar", "-r", "4.19.1", "is-shipped"],
    &["oar", "-r", "4.19.1", "task", "set"],
    &["oar", "-r", "4.19.1", "issue", "add"],
    &["oar", "-r", "4.19.1", "issue", "resolve"],
    &["oar", "-r", "4.19.1", "take-ownership", "-e"],
    &["oar", "-r", "4.19.1", "change-advisory-status", "--accept-bug"],
    &["oarctl", "drive", "-r"],
    &["oarctl", "config", "get"],
    &["oarctl", "config", "check"],
    &["oarctl", "config", "decrypt"],
    &["oarctl", "statebox", "validate"],
    &["oarctl", "statebox", "fmt", "--check"],
    &["job", "run"],
    &["job", "get_results"],
    &["job", "get_payloads"],
    &["job", "run_required", "--channel"],
    &["jobctl", "show"],
    &["jobctl", "verify"],
    &["jobctl", "start-controller", "-r"],
    &["jobctl", "start-aggregator", "--interval"],
    &["jobctl", "trigger-jobs-for-build"],
    &["jobctl", "update-retried-job-run"],
    &["oar-sandbox"],
    &["oar-sandbox", "advance"],
    &["oar-sandbox", "play"],
    &["oar-sandbox", "serve", "--clock"],
    &["oar-sandbox", "serve", "--fault"],
];

/// Words that a shell or a script may pass by mistake or in malice.
fn word() -> impl Strategy<Value = OsString> {
    let texts = select(vec![
        "",
        "-",
        "--",
        "-r",
        "-e",
        "-v",
        "--output",
        "json",
        "--dry-run",
        "--help",
        "--yes",
        "--wait",
        "--reason",
        "--force",
        "--since",
        "--limit",
        "--arch",
        "4.19.1",
        "4.19",
        "99999999999999999999.1.1",
        "4.19.99999999999999999999",
        "4.22.0-rc.99999999999999999999",
        "5.0.0-ec.0",
        "4.19.1\n",
        "-1",
        "0",
        "18446744073709551616",
        "1e400",
        "NaN",
        "a@b",
        "a@example.com",
        "@",
        "../../x",
        "/dev/null",
        "/",
        "https://[::1",
        "http://",
        "\u{9b}31m",
        "\u{202e}",
        "2026-07-02T10:00:00Z",
        "+999999-01-01T00:00:00Z",
        "-009999-01-01T00:00:00Z",
        "P999999999Y",
        "9223372036854775807h",
        "stage-testing",
        "Pass",
        "{}",
        r#"{"kind":{"type":"status","code":0}}"#,
        "%s%n",
        "OCPBUGS-99999999999999999999",
        "4.20.0-0.nightly-2026-07-02-091500",
        "4.20.0-0.nightly-9999-99-99-999999",
    ]);
    prop_oneof![
        20 => texts.prop_map(OsString::from),
        2 => Just(OsString::from("a".repeat(70_000))),
        2 => Just(OsString::from_vec(vec![0xff, 0xfe, b'x'])),
        4 => "\\PC{0,12}".prop_map(OsString::from),
    ]
}

#[test]
fn no_argument_reaches_a_panic() {
    let harness = Harness::new()
        .env("OAR_HTTP_TIMEOUT", "0.5")
        .env("OAR_HTTP_RETRY_DELAY", "0")
        .env("OAR_STATE", "local:state");
    let state = harness.home().join("state");
    std::fs::create_dir(&state).unwrap_or_else(|error| panic!("{error}"));
    let mut runner = TestRunner::new(Config { failure_persistence: None, ..Config::with_cases(250) });
    let lines = (select(COMMANDS), prop::collection::vec(word(), 0..4));
    let tried = runner.run(&lines, |(command, words)| {
        let Some((program, begin)) = command.split_first() else { return Ok(()) };
        let mut started = if *program == "oar-sandbox" {
            let mut started = Command::new(release_tests().with_file_name("oar-sandbox"));
            // What serves would not end by itself: build data that do not exist.
            started
                .args(begin)
                .args(&words)
                .args(["--build-data", "/nonexistent"].iter().filter(|_| begin.contains(&"serve")));
            started.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
            started.env_remove("OAR_SANDBOX");
            started
        } else {
            let arguments = begin.iter().map(OsString::from).chain(words.iter().cloned());
            harness.command(program, arguments)
        };
        // Whatever waits for ever by its own wish, such as a pass every so often, is no subject here.
        if words.iter().any(|word| word == "--wait") || begin.contains(&"--interval") && !words.is_empty() {
            return Ok(());
        }
        started.current_dir(harness.home());
        let run = finish(started);
        prop_assert!(run.code.is_some_and(|code| (0..=6).contains(&code)), "{command:?} {words:?}: {run:?}");
        prop_assert!(!run.stderr.contains("panicked"), "{command:?} {words:?}: {run:?}");
        Ok(())
    });
    tried.unwrap_or_else(|error| panic!("{error}"));
}
