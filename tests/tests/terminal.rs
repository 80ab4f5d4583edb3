//! The person at the terminal: signals wherever a command stands, what reaches a terminal, output that goes nowhere.
#![expect(
    clippy::disallowed_methods,
    reason = "the environment says how a test runs, and where programs are"
)]
#![expect(clippy::unwrap_used, reason = "tests say what they expect by failing")]

use std::fs::File;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use end_to_end::{Harness, KONFLUX, LEAD, Run, finish, release_tests, wait};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Waits until `child` catches `signal`, so that it does not end by the signal's own effect.
fn listens_for(child: &Child, signal: Signal) {
    let started = Instant::now();
    loop {
        let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        let mask = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap_or("0");
        let mask = u64::from_str_radix(mask.trim(), 16).unwrap_or(0);
        if mask & (1 << (signal as i32 - 1)) != 0 {
            return;
        }
        assert!(started.elapsed() < Duration::from_secs(30), "{signal} is never caught: {status}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn send(child: &Child, signal: Signal) {
    kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), signal).unwrap();
}

/// The same command, with no signal ignored: whoever runs the tests may have started them with `nohup`.
fn hearing_all(inner: &Command) -> Command {
    let mut command = Command::new("env");
    command.args(["--default-signal"]).arg(inner.get_program()).args(inner.get_args()).env_clear();
    command.current_dir(inner.get_current_dir().unwrap());
    command.envs(inner.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

const SIGNALS: [(Signal, i32); 3] = [(Signal::SIGINT, 130), (Signal::SIGTERM, 143), (Signal::SIGHUP, 129)];

#[test]
fn a_signal_ends_a_command_that_waits_for_input() {
    let harness = Harness::new();
    let fifo = harness.home().join("fifo");
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let fifo = fifo.to_str().unwrap();
    for (signal, code) in SIGNALS {
        for (program, arguments, variable) in [
            ("oarctl", &["statebox", "validate", "-"][..], ("X", "")),
            ("oarctl", &["config", "encrypt", "-"], ("X", "")),
            ("oarctl", &["config", "view"], ("OAR_CONFIG", fifo)),
            ("oar", &["-r", KONFLUX, "status"], ("OAR_CA_BUNDLE", fifo)),
            (
                "job",
                &["run_required", "--channel", "4.19", "--file", "-", "--version", KONFLUX, "--dry-run"],
                ("X", ""),
            ),
        ] {
            let mut command = hearing_all(&harness.command(program, arguments));
            command.env(variable.0, variable.1).stdin(Stdio::piped());
            let mut child = command.spawn().unwrap();
            let open = child.stdin.take();
            listens_for(&child, signal);
            send(&child, signal);
            let run = wait(child);
            drop(open);
            assert_eq!(run.code, Some(code), "{arguments:?} {signal}: {run:?}");
        }
    }
}

/// A local StateBox of the Konflux release in the home.
fn local(harness: &Harness) -> std::path::PathBuf {
    let state = harness.home().join("state");
    let folder = state.join("_releases/4.19/statebox");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(
        folder.join(format!("{KONFLUX}.yaml")),
        format!(
            "schema_version: '1.0'\nrelease: {KONFLUX}\ncreated_at: '2026-07-02T10:00:00Z'\n\
             updated_at: '2026-07-02T10:00:00Z'\nmetadata: {{}}\ntasks: []\nissues: []\n"
        ),
    )
    .unwrap();
    state
}

#[test]
fn a_lock_that_is_waited_for_is_named_and_a_signal_ends_the_wait() {
    let harness = Harness::new();
    let state = local(&harness);
    let lock = File::create(state.join(".lock")).unwrap();
    lock.lock().unwrap();
    let before = std::fs::read(state.join(format!("_releases/4.19/statebox/{KONFLUX}.yaml"))).unwrap();
    let mut command = harness.command("oar", ["-r", KONFLUX, "issue", "add", "x"]);
    command.env("OAR_STATE", format!("local:{}", state.display()));
    let mut child = command.spawn().unwrap();
    let mut said = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    said.read_line(&mut line).unwrap();
    assert!(
        line.contains("WARNING: another process writes in") && line.contains("waiting for its lock"),
        "{line}"
    );
    send(&child, Signal::SIGTERM);
    assert_eq!(wait(child).code, Some(143));
    let after = std::fs::read(state.join(format!("_releases/4.19/statebox/{KONFLUX}.yaml"))).unwrap();
    assert_eq!(before, after);
}

#[test]
fn a_signal_ends_a_command_whose_reader_does_not_read() {
    let harness = Harness::new();
    // More than a pipe holds.
    let text = format!("{{\"a\": \"{}\"}}", "x".repeat(120_000));
    std::fs::write(harness.home().join("plain.json"), text).unwrap();
    let encrypted = harness.run("oarctl", ["config", "encrypt", "plain.json", "--out", "c.json"]).expect(0);
    assert!(encrypted.stderr.contains("Wrote c.json"), "{encrypted:?}");
    let child = harness.command("oarctl", ["config", "decrypt", "c.json"]).spawn().unwrap();
    listens_for(&child, Signal::SIGTERM);
    let stuck = || std::fs::read_to_string(format!("/proc/{}/wchan", child.id())).unwrap_or_default();
    let started = Instant::now();
    while !stuck().contains("pipe") && started.elapsed() < Duration::from_secs(10) {
        std::thread::sleep(Duration::from_millis(5));
    }
    send(&child, Signal::SIGTERM);
    let mut child = child;
    // Not a byte is read until it has ended.
    assert_eq!(child.wait().unwrap().code(), Some(143));
}

#[test]
fn who_is_started_by_nohup_outlives_the_terminal() {
    let harness = Harness::new();
    let inner = harness.command("oarctl", ["statebox", "validate", "-"]);
    let mut command = Command::new("nohup");
    command.arg(inner.get_program()).args(inner.get_args()).env_clear().current_dir(harness.home());
    command.envs(inner.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let open = child.stdin.take();
    listens_for(&child, Signal::SIGTERM);
    send(&child, Signal::SIGHUP);
    drop(open);
    let run = wait(child);
    assert!(run.code.is_some_and(|code| code != 129) && run.stdout.contains("1 file"), "{run:?}");
}

/// Runs a shell line on its own terminal and returns what a person sees there.
fn on_a_terminal(harness: &Harness, line: &str) -> String {
    let inner = harness.command("oar", ["-V"]);
    let mut command = Command::new("script");
    command.args(["-qec", line, "/dev/null"]).env_clear().current_dir(harness.home());
    command.envs(inner.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.env("TERM", "xterm").env("OAR", format!("{} oar -r {KONFLUX}", release_tests().display()));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    finish(command).stdout
}

#[test]
fn the_y_stream_of_the_detector_is_asked_for_at_a_terminal_only() {
    let harness = Harness::new();
    for (answer, code, words) in [
        ("4.20\n", 0, "4.20: "),
        (" 4.19 \n", 0, "4.19: nothing new"),
        ("4.x\n", 2, "`4.x` is not a y-stream"),
        ("\n", 2, "nobody answered; nothing was done"),
    ] {
        let inner = harness.command("oarctl", ["-V"]);
        let mut command = Command::new("script");
        let line = format!("{} oarctl start-release-detector", release_tests().display());
        command.args(["-qec", &line, "/dev/null"]).env_clear().current_dir(harness.home());
        command.envs(inner.get_envs().filter_map(|(name, value)| Some((name, value?)))).env("TERM", "xterm");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.as_mut().unwrap().write_all(answer.as_bytes()).unwrap();
        let run = wait(child).expect(code);
        let (before, after) = run.stdout.split_once("Please input the minor version of OCP: ").unwrap();
        assert!(after.contains(words), "{answer:?}: {before} {after}");
    }
    harness.sandbox.clear_requests();
    let run = harness.run("oarctl", ["start-release-detector"]).expect(2);
    assert!(!run.all().contains("Please input") && run.stderr.contains("no y-stream was named"), "{run:?}");
    assert!(harness.sandbox.requests().is_empty());
}

const HOSTILE: &str = "esc \u{9b}31mred \u{202e}rtl \u{1b}[2J \u{7}end";

#[test]
fn what_acts_in_a_text_never_reaches_a_terminal_and_stays_in_the_data() {
    let harness = Harness::announced(KONFLUX);
    harness.oar(KONFLUX, &["issue", "add", "--no-blocker", HOSTILE]).expect(0);
    harness.oar(KONFLUX, &["task", "set", "stage-testing", "Fail", "--reason", HOSTILE]).expect(0);
    let acts = |text: &str| {
        text.chars().any(|character| {
            (character.is_control() && !"\n\t\r".contains(character)) || character == '\u{202e}'
        })
    };
    for arguments in
        [&["issue", "list"][..], &["status"], &["history"], &["--output", "json", "issue", "list"]]
    {
        let run = harness.oar(KONFLUX, arguments).expect(0);
        assert!(!acts(&run.all()), "{arguments:?}: {run:?}");
        // Colours are our own.
        let seen = on_a_terminal(&harness, &format!("$OAR {}", arguments.join(" ")));
        assert!(
            !seen.contains("\u{1b}[2J") && !seen.contains('\u{9b}') && !seen.contains('\u{202e}'),
            "{seen:?}"
        );
        assert!(seen.contains("u{9b}31mred") || seen.contains("u009b31mred"), "{arguments:?}: {seen}");
    }
    let listed = harness.oar(KONFLUX, &["--output", "json", "issue", "list"]).expect(0).json();
    assert!(listed.to_string().contains("rtl"), "{listed}");
    let texts: Vec<String> = strings(&listed);
    assert!(texts.iter().any(|text| text == HOSTILE), "{texts:?}");
    // What people answered with is not for a terminal either.
    let wrong = harness.run("oar", ["-r", KONFLUX, "\u{9b}31m"]).expect(2);
    assert!(!acts(&wrong.all()), "{wrong:?}");
}

fn strings(value: &serde_json::Value) -> Vec<String> {
    match value {
        serde_json::Value::String(text) => vec![text.clone()],
        serde_json::Value::Array(items) => items.iter().flat_map(strings).collect(),
        serde_json::Value::Object(fields) => fields.values().flat_map(strings).collect(),
        _ => Vec::new(),
    }
}

#[test]
fn on_a_terminal_results_stand_once_and_the_log_comes_with_v() {
    let harness = Harness::new();
    let seen = on_a_terminal(&harness, "$OAR create-test-report");
    assert!(!seen.contains("INFO") && !seen.contains("status is changed to"), "{seen:?}");
    assert!(seen.contains("create-test-report of 4.19.1"), "{seen:?}");
    let seen = on_a_terminal(&harness, &format!("$OAR take-ownership -e {LEAD}"));
    // The progress line is removed before the next text starts.
    let lines = seen.replace("\r\n", "\n");
    let visible: Vec<&str> = lines.lines().map(|line| line.rsplit('\r').next().unwrap_or(line)).collect();
    let count = |text: &str| visible.iter().filter(|line| line.contains(text)).count();
    assert_eq!(count("advisory 150001"), 1, "{visible:#?}");
    assert!(!seen.contains("INFO"), "{seen:?}");
    let seen = on_a_terminal(&harness, &format!("$OAR -v take-ownership -e {LEAD}"));
    assert!(seen.contains("INFO: ") && seen.contains("DEBUG: "), "{seen:?}");
    // Elsewhere the log is as it was.
    let run = harness.oar(KONFLUX, &["take-ownership", "-e", LEAD]).expect(0);
    assert!(run.stderr.contains("Z: INFO: nothing to do: everything is up to date"), "{run:?}");
}

#[test]
fn who_is_waited_for_is_said() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap();
    let harness = Harness::new()
        .env("OAR_ENDPOINT_GITHUB_API", &format!("http://{address}/x"))
        .env("OAR_HTTP_TIMEOUT", "4");
    let seen = on_a_terminal(&harness, "$OAR status");
    for attempt in 1..=4 {
        let expected = format!("waiting for GitHub at {address}, attempt {attempt} of 5: read");
        assert!(seen.contains(&expected), "{seen:?}");
    }
    let harness = harness.env("OAR_HTTP_TIMEOUT", "0.2").env("OAR_HTTP_RETRY_DELAY", "1");
    let run = harness.oar(KONFLUX, &["status"]).expect(4);
    let logged = format!("no answer from {address} within 0.2 s; attempt 2 of 5");
    assert!(run.stderr.contains(&logged), "{run:?}");
    assert!(run.stderr.contains("(5 attempts)") && !run.stderr.contains("may have acted"), "{run:?}");
    assert!(!run.stderr.contains("because:") && run.stderr.contains("next: "), "{run:?}");
}

#[test]
fn errors_name_host_port_proxy_and_cause_in_one_line() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let harness = Harness::new()
        .env("OAR_ENDPOINT_GITHUB_API", "http://github.example.test:8181/")
        .env("OAR_HTTP_RETRY_DELAY", "1")
        .env("http_proxy", &format!("http://user:planted-secret@{free}"))
        .env("NO_PROXY", "127.0.0.1");
    let run = harness.oar(KONFLUX, &["status"]).expect(4);
    let error = run.stderr.lines().find(|line| line.starts_with("error: ")).unwrap();
    for expected in ["github.example.test:8181", &format!("through the proxy {free}"), "onnection refused"] {
        assert!(error.contains(expected), "{error}");
    }
    assert!(!run.stderr.contains("planted-secret"), "{run:?}");
    assert!(
        run.stderr
            .contains("next: Check the network (VPN, proxy) and the address (`OAR_ENDPOINT_GITHUB_API`)"),
        "{run:?}"
    );
}

#[test]
fn output_that_cannot_be_written_is_no_verdict() {
    let harness = Harness::new();
    for (program, arguments) in [
        ("oar", &["-r", KONFLUX, "is-shipped"][..]),
        ("oar", &["-r", KONFLUX, "--output", "json", "is-shipped"]),
        ("oar", &["-r", KONFLUX, "metadata"]),
        ("oarctl", &["config", "view"]),
        ("oarctl", &["config", "check"]),
        ("oar", &["--help"]),
        ("jobctl", &["-V"]),
    ] {
        let mut command = harness.command(program, arguments);
        command.stdout(File::create("/dev/full").unwrap());
        let run = finish(command);
        assert_eq!(run.code, Some(4), "{arguments:?}: {run:?}");
        assert!(run.stderr.contains("could not be written to standard output: No space left"), "{run:?}");
    }
    for arguments in [&["reference"][..], &["completions", "oar", "bash"], &["--help"]] {
        let mut command = Command::new(release_tests());
        command
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(File::create("/dev/full").unwrap())
            .stderr(Stdio::piped());
        assert_eq!(finish(command).code, Some(4), "{arguments:?}");
    }
    for arguments in [&["start"][..], &["--help"], &["play"]] {
        let mut command = sandbox(arguments, harness.home().as_path());
        command.stdout(File::create("/dev/full").unwrap());
        let run = finish(command);
        assert!(run.code.is_some_and(|code| code != 0), "{arguments:?}: {run:?}");
    }
}

#[test]
fn with_a_json_log_everything_on_standard_error_is_json() {
    let harness = Harness::new().env("OAR_LOG_FORMAT", "json");
    for (arguments, code) in [
        (&["-r", KONFLUX, "status"][..], 6),
        (&["-r", KONFLUX, "no-such-command"], 2),
        (&["-r", KONFLUX, "history"], 6),
        (&["status"], 2),
    ] {
        let run = harness.run("oar", arguments);
        let objects: Vec<serde_json::Value> = run
            .stderr
            .lines()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
            .collect();
        let last = objects.iter().rfind(|object| object["level"] == "ERROR").unwrap();
        assert!(last["message"].is_string() && last["time"].is_string(), "{last}");
        assert_eq!(last["exit_code"], run.code.unwrap(), "{last}");
        assert_eq!(run.code, Some(code), "{run:?}");
    }
}

fn sandbox(arguments: &[&str], home: &Path) -> Command {
    let program = release_tests().with_file_name("oar-sandbox");
    let mut command = Command::new(program);
    command.args(arguments).env_clear().current_dir(end_to_end::root());
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("HOME", home).env("TMPDIR", home);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn shell(line: &str, home: &Path) -> Run {
    let bin = release_tests().parent().unwrap().to_owned();
    let mut command = Command::new("bash");
    command
        .args(["-c", line])
        .env_clear()
        .current_dir(end_to_end::root())
        .env("HOME", home)
        .env("TMPDIR", home);
    command.env("PATH", format!("{}:{}", bin.display(), std::env::var("PATH").unwrap()));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    finish(command)
}

#[test]
fn a_sandbox_is_started_in_one_line_and_stopped() {
    let home = tempfile::tempdir().unwrap();
    let run = shell(
        "eval \"$(oar-sandbox start)\" && echo user=$OAR_USER && release-tests oar -r 4.19.1 metadata && oar-sandbox stop && \
         release-tests oar -r 4.19.1 metadata",
        home.path(),
    );
    assert_eq!(run.code, Some(4), "what a sandbox was is no longer there: {run:?}");
    assert!(run.stdout.starts_with("user=robin\n"), "{run:?}");
    assert!(run.stdout.contains("4.19.1") && run.stderr.contains("serves in the background"), "{run:?}");
    assert!(run.stderr.contains("oar-sandbox: stopped"), "{run:?}");
    let left: Vec<_> =
        std::fs::read_dir(home.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(!left.iter().any(|name| name.to_string_lossy().ends_with(".log")), "{left:?}");
}

#[test]
fn a_sandbox_that_cannot_start_is_a_failure_of_the_line() {
    let home = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let line = format!("eval \"$(oar-sandbox start --port {port})\" && echo went-on");
    let run = shell(&line, home.path());
    assert!(run.code != Some(0) && !run.stdout.contains("went-on"), "{run:?}");
    assert!(run.stderr.contains("the sandbox did not start: cannot listen on 127.0.0.1"), "{run:?}");
    let wrong = finish(sandbox(
        &["start", "--fault", r#"{"service":"githubb","kind":{"type":"hang"}}"#],
        home.path(),
    ));
    assert!(wrong.code == Some(2) && wrong.stderr.contains("no service \"githubb\""), "{wrong:?}");
    let line = "eval \"$(oar-sandbox start --clock 0001-01-01T00:00:00Z)\" && echo went-on";
    let run = shell(line, home.path());
    assert!(
        !run.stdout.contains("went-on") && run.stderr.contains("between the years 1971 and 2999"),
        "{run:?}"
    );
}
