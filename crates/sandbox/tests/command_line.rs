//! `oar-sandbox` as a user calls it.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::{
    fs,
    io::{BufRead, BufReader, Read},
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use tempfile::TempDir;

fn sandbox() -> Command {
    Command::new(env!("CARGO_BIN_EXE_oar-sandbox"))
}

/// A program that this process has written itself can be "busy": a child that another test has just forked still has the
/// file open for writing. So another process writes it.
fn copy_program(from: &Path, to: &Path) {
    assert!(Command::new("cp").args([from, to]).status().unwrap().success());
}

/// A copy of the sandbox in a directory of its own.
fn copied_alone() -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let copy = directory.path().join("oar-sandbox");
    copy_program(Path::new(env!("CARGO_BIN_EXE_oar-sandbox")), &copy);
    (directory, copy)
}

fn run(options: &[&str], script: &str) -> Output {
    sandbox().arg("run").args(options).args(["--", "sh", "-c", script]).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn run_gives_the_environment_and_the_exit_code_and_prints_nothing_else() {
    let output = run(&[], "echo \"$OAR_JWK $JIRA_USERNAME\"; exit 7");
    assert_eq!(output.status.code(), Some(7));
    assert_eq!(text(&output.stdout), "oar-demo-key-16b demo-lead@example.com\n");
    assert_eq!(text(&output.stderr), "");
}

#[test]
fn the_named_document_is_found_from_any_directory() {
    let output = sandbox()
        .args(["run", "--config", "some/document.json", "--", "sh", "-c", "cd / && echo \"$OAR_CONFIG\""])
        .output()
        .unwrap();
    let expected = std::env::current_dir().unwrap().join("some/document.json");
    assert_eq!(text(&output.stdout).trim_end(), expected.to_str().unwrap());
}

#[test]
fn run_reports_a_signal_as_shells_do() {
    assert_eq!(run(&[], "kill -TERM $$").status.code(), Some(128 + 15));
}

#[test]
fn run_says_which_command_does_not_exist() {
    let output = sandbox().args(["run", "--", "no-such-command-anywhere"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("cannot run no-such-command-anywhere"), "{}", text(&output.stderr));
    assert_eq!(sandbox().arg("run").output().unwrap().status.code(), Some(2));
}

#[test]
fn every_service_is_in_the_environment() {
    let output = run(&[], "env");
    let lines = text(&output.stdout);
    for name in
        ["GITHUB_API", "GITHUB_RAW", "ERRATA", "JIRA", "GITLAB", "SLACK", "RELEASE_CONTROLLER", "PROW"]
    {
        let prefix = format!("OAR_ENDPOINT_{name}=http://127.");
        assert!(lines.lines().any(|line| line.starts_with(&prefix)), "{name} in {lines}");
    }
    for name in ["GITHUB_TOKEN", "JIRA_TOKEN", "GITLAB_TOKEN", "SLACK_BOT_TOKEN", "KRB5CCNAME", "KRB5_CONFIG"]
    {
        assert!(lines.lines().any(|line| line.starts_with(&format!("{name}="))), "{name} in {lines}");
    }
}

#[test]
fn bad_fault_rules_and_directories_are_refused() {
    for rule in ["{\"kind\":{}}", "{\"method\":\"*\",\"kind\":{\"type\":\"hang\"}}"] {
        let output = sandbox().args(["run", "--fault", rule, "--", "true"]).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{rule}");
    }
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().to_str().unwrap();
    for option in ["--build-data", "--statebox"] {
        let output = sandbox().args(["run", option, path, "--", "true"]).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        assert!(text(&output.stderr).contains("holds no file named"), "{}", text(&output.stderr));
    }
}

#[test]
fn demo_names_the_programs_it_does_not_find() {
    let (_directory, copy) = copied_alone();
    let output = Command::new(&copy).arg("demo").output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let expected = "found neither release-tests nor all of oar, oarctl, jobctl, release-tests-mcp beside";
    assert!(text(&output.stderr).contains(expected), "{}", text(&output.stderr));
}

#[test]
fn demo_runs_every_step_and_fails_with_the_first_that_fails() {
    let (directory, copy) = copied_alone();
    let config = directory.path().join("config");
    fs::create_dir(&config).unwrap();
    fs::write(config.join("config_store.json"), "{}").unwrap();
    // Its first word is the program.
    let script = "#!/bin/sh\nshift\n\
                  test \"$1\" = config && { echo '{}' > \"$5\"; exit; }\n\
                  test \"$1\" = start-release-detector && echo \"4.19.1: created, 4.14.60: created\"\n\
                  echo \"$1 $2 $3: done\"\n\
                  test \"$1\" != drive\n";
    let written = directory.path().join("script");
    fs::write(&written, script).unwrap();
    fs::set_permissions(&written, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    copy_program(&written, &directory.path().join("release-tests"));
    let output = Command::new(&copy).arg("demo").output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let (shown, problem) = (text(&output.stdout), text(&output.stderr));
    let first = "$ oarctl start-release-detector -r 4.19\n4.19.1: created, 4.14.60: created\n\
                 start-release-detector -r 4.19: done\n";
    assert!(shown.contains(first), "{shown}\n{problem}");
    assert!(shown.ends_with("$ oarctl drive\ndrive  : done\n"), "{shown}\n{problem}");
    assert!(problem.contains("`oarctl drive` ended with"), "{problem}");
}

#[test]
fn serve_prints_the_environment_for_a_shell_and_ends_on_a_signal() {
    let mut child = sandbox().arg("serve").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut first = String::new();
    out.read_line(&mut first).unwrap();
    assert!(first.starts_with("export OAR_ENDPOINT_GITHUB_API='http://127."), "{first}");
    let kill = Command::new("kill").arg(child.id().to_string()).status().unwrap();
    assert!(kill.success());
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let mut problems = String::new();
    child.stderr.take().unwrap().read_to_string(&mut problems).unwrap();
    assert!(problems.contains("serving on http://127."), "{problems}");
}

#[test]
fn a_sandbox_without_a_configuration_document_says_so() {
    // A copy alone in a directory has no document beside it or above it.
    let (directory, copy) = copied_alone();
    let said = |options: &[&str]| {
        let mut start = Command::new(&copy);
        let started = start.arg("start").args(options).current_dir(directory.path()).output().unwrap();
        assert_eq!(started.status.code(), Some(0), "{started:?}");
        let lines = text(&started.stdout);
        let address = lines.lines().find_map(|line| line.strip_prefix("export OAR_SANDBOX='")).unwrap();
        let address = address.trim_end_matches('\'');
        let stopped = Command::new(&copy).arg("stop").env("OAR_SANDBOX", address).output().unwrap();
        assert_eq!(stopped.status.code(), Some(0), "{stopped:?}");
        assert_eq!(lines.contains("export OAR_CONFIG="), !options.is_empty(), "{lines}");
        text(&started.stderr)
    };
    let without = said(&[]);
    assert!(without.contains("OAR_CONFIG is not set") && without.contains("--config"), "{without}");
    let with = said(&["--config", "some/document.json"]);
    assert!(!with.contains("OAR_CONFIG"), "{with}");
}

#[test]
fn a_sandbox_that_has_ended_needs_no_stop_and_answers_nothing_else() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let call = |arguments: &[&str]| {
        let mut command = sandbox();
        command.args(arguments).env("OAR_SANDBOX", format!("http://{free}")).output().unwrap()
    };
    let stopped = call(&["stop"]);
    assert_eq!(stopped.status.code(), Some(0), "{stopped:?}");
    assert_eq!(
        text(&stopped.stderr),
        format!("oar-sandbox: no sandbox runs at http://{free}; nothing to stop\n")
    );
    let moved = call(&["advance", "30m"]);
    assert_eq!(moved.status.code(), Some(1), "{moved:?}");
    assert!(text(&moved.stderr).contains("no sandbox runs at"), "{moved:?}");
}

#[test]
fn a_duration_without_a_unit_is_refused_with_an_example() {
    let output = sandbox().args(["advance", "5"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let said = text(&output.stderr);
    assert!(said.contains("expected a number with a unit, such as 30m or 6h"), "{said}");
}

#[test]
fn a_taken_port_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let output = sandbox().args(["run", "--port", &port, "--", "true"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains(&format!("cannot listen on 127.0.0.1:{port}")));
}

/// The ticket caches are what MIT Kerberos reads, where its programs are installed.
#[test]
fn klist_reads_the_ticket_caches() {
    if Command::new("klist").arg("-V").output().is_err() {
        return;
    }
    let output = run(&[], "klist && klist -s");
    assert!(output.status.success(), "{}", text(&output.stderr));
    let list = text(&output.stdout);
    for expected in [
        "Default principal: rlead@SANDBOX.TEST",
        "krbtgt/SANDBOX.TEST@SANDBOX.TEST",
        "HTTP/127.0.0.1@SANDBOX.TEST",
        "HTTP/localhost@SANDBOX.TEST",
    ] {
        assert!(list.contains(expected), "{expected} in {list}");
    }
    assert_eq!(run(&["--tickets", "expired"], "klist -s").status.code(), Some(1));
    assert_eq!(run(&["--tickets", "none"], "klist -s").status.code(), Some(1));
}
