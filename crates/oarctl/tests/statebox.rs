//! `oarctl statebox`, as a user runs it.

#![expect(
    clippy::unwrap_used,
    reason = "a test says what it expects by failing; clippy does not see helpers as tests"
)]

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::PathBuf;
use std::process::Output;

use assert_cmd::Command;
use serde_json::Value;
use tempfile::TempDir;

const GOOD: &str = "\
schema_version: '1.0'
release: 4.19.1
created_at: '2026-01-02T03:04:05Z'
updated_at: '2026-01-02T03:04:05Z'
metadata:
  jira_ticket: ART-1
  advisory_ids:
    rpm: 100001
  release_date: 2026-Jan-07
  candidate_builds: {}
  shipment_mr: null
tasks:
- name: take-ownership
  status: Pass
  started_at: '2026-01-02T03:04:05Z'
  completed_at: '2026-01-02T03:04:06Z'
  result: |-
    first line
    second line
  noted: kept
issues: []
";

fn restyled() -> String {
    GOOD.replace("metadata:\n", "# a remark\nmetadata:\n").replace("ART-1", "\"ART-1\"")
}

fn with_bad_status() -> String {
    GOOD.replace("status: Pass", "status: Passed")
}

fn place(files: &[(&str, &str)]) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(directory.path().join(name), text).unwrap();
    }
    directory
}

fn command(directory: &TempDir, arguments: &[&str]) -> Command {
    let mut command = Command::cargo_bin("oarctl").unwrap();
    command.env_clear().current_dir(directory.path()).arg("statebox").args(arguments);
    command
}

fn run(directory: &TempDir, arguments: &[&str]) -> Output {
    command(directory, arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn read(directory: &TempDir, name: &str) -> String {
    std::fs::read_to_string(directory.path().join(name)).unwrap()
}

#[test]
fn a_file_of_the_tools_passes_unchanged() {
    let directory = place(&[("good.yaml", GOOD)]);
    for arguments in [&["fmt", "--check", "good.yaml"][..], &["fmt", "good.yaml"], &["validate", "good.yaml"]]
    {
        let output = run(&directory, arguments);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", text(&output.stderr));
    }
    assert_eq!(read(&directory, "good.yaml"), GOOD);
}

#[test]
fn fmt_check_names_what_would_change_and_writes_nothing() {
    let directory = place(&[("good.yaml", GOOD), ("other.yaml", &restyled())]);
    let output = run(&directory, &["fmt", "--check", "good.yaml", "other.yaml"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(text(&output.stdout), "other.yaml: would change\n");
    assert!(
        text(&output.stderr).contains("other.yaml:5:1: warning: this comment cannot be kept"),
        "{}",
        text(&output.stderr)
    );
    let dry = run(&directory, &["fmt", "--dry-run", "other.yaml"]);
    assert_eq!((dry.status.code(), text(&dry.stdout).as_str()), (Some(0), "other.yaml: would change\n"));
    assert_eq!(read(&directory, "other.yaml"), restyled());
}

#[test]
fn fmt_writes_the_tools_form_and_keeps_the_mode() {
    let directory = place(&[("other.yaml", &restyled())]);
    let path: PathBuf = directory.path().join("other.yaml");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    let output = run(&directory, &["fmt", "other.yaml"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert_eq!(text(&output.stdout), "other.yaml: changed\n");
    assert_eq!(read(&directory, "other.yaml"), GOOD);
    assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
    let piped = command(&directory, &["fmt", "-"]).write_stdin(restyled()).output().unwrap();
    assert_eq!((piped.status.code(), text(&piped.stdout).as_str()), (Some(0), GOOD));
}

#[test]
fn a_bad_file_is_told_with_line_and_field_and_spoils_no_other() {
    let directory = place(&[("bad.yaml", &with_bad_status()), ("other.yaml", &restyled())]);
    let output = run(&directory, &["validate", "bad.yaml", "other.yaml"]);
    assert_eq!(output.status.code(), Some(1));
    let lines = text(&output.stdout);
    assert!(lines.starts_with("bad.yaml:14:") && lines.contains("tasks[0].status"), "{lines}");
    assert!(lines.ends_with("2 files, 1 with errors\n"), "{lines}");

    let output = run(&directory, &["fmt", "bad.yaml", "other.yaml"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("bad.yaml:14:"));
    assert_eq!(read(&directory, "bad.yaml"), with_bad_status());
    assert_eq!(read(&directory, "other.yaml"), GOOD);
}

#[test]
fn yaml_that_cannot_be_read_names_its_line() {
    let directory = place(&[("broken.yaml", "release: 4.19.1\ntasks: [\n")]);
    let output = run(&directory, &["validate", "broken.yaml"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stdout).starts_with("broken.yaml:"), "{}", text(&output.stdout));
}

#[test]
fn bytes_that_are_no_text_are_a_finding_with_its_place() {
    let directory = place(&[]);
    let path = directory.path().join("latin1.yaml");
    std::fs::write(&path, b"release: 4.19.1\nnote: caf\xe9\n").unwrap();
    for arguments in [&["validate", "latin1.yaml"][..], &["fmt", "latin1.yaml"]] {
        let output = run(&directory, arguments);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        let said = text(&output.stdout) + &text(&output.stderr);
        assert!(said.contains("latin1.yaml:2:10: the file is not UTF-8 text"), "{said}");
    }
}

#[test]
fn a_file_that_another_program_cannot_use_is_not_valid() {
    for section in ["metadata", "tasks", "issues"] {
        let start = GOOD.find(&format!("{section}:")).unwrap();
        let length = GOOD[start..]
            .match_indices('\n')
            .map(|(end, _)| end + 1)
            .find(|end| !GOOD[start + end..].starts_with([' ', '-']));
        let without = format!("{}{}", &GOOD[..start], &GOOD[start + length.unwrap()..]);
        let directory = place(&[("part.yaml", &without)]);
        let output = run(&directory, &["validate", "part.yaml"]);
        assert_eq!(output.status.code(), Some(1), "{section}");
        let expected = format!("part.yaml:1:1: {section}: the key is missing");
        assert!(text(&output.stdout).contains(&expected), "{}", text(&output.stdout));
        let output = run(&directory, &["fmt", "--check", "part.yaml"]);
        assert_eq!(output.status.code(), Some(1), "{section}: a file that was cut off is no StateBox");
    }
}

#[test]
fn json_reports_hold_every_file() {
    let directory = place(&[("bad.yaml", &with_bad_status()), ("other.yaml", &restyled())]);
    let output = run(&directory, &["validate", "--output", "json", "bad.yaml", "gone.yaml"]);
    assert_eq!(output.status.code(), Some(2));
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["files"][0]["valid"], false);
    assert_eq!(json["files"][0]["problems"][0]["line"], 14);
    assert_eq!(json["files"][0]["problems"][0]["field"], "tasks[0].status");
    assert_eq!(json["files"][0]["problems"][0]["severity"], "error");
    assert!(json["files"][1]["unreadable"].is_string());

    let output = run(&directory, &["fmt", "--check", "--output", "json", "other.yaml"]);
    assert_eq!(output.status.code(), Some(1));
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (&json["files"][0]["changed"], &json["files"][0]["written"]),
        (&Value::from(true), &Value::from(false))
    );
    assert_eq!(json["files"][0]["lost_comments"][0], 5);

    let format = |arguments: &[&str]| {
        let output = command(&directory, arguments).write_stdin(restyled()).output().unwrap();
        assert_eq!(output.status.code(), Some(0));
        output.stdout
    };
    let json: Value = serde_json::from_slice(&format(&["fmt", "--output", "json", "-"])).unwrap();
    assert_eq!(
        json["files"][0]["text"],
        text(&format(&["fmt", "-"])),
        "the new text of standard input is in the report"
    );
}

#[test]
fn a_wrong_call_is_one_json_document_when_json_is_asked_for() {
    let directory = place(&[]);
    for (arguments, words) in [
        (&["fmt", "--output", "json"][..], "<FILE>"),
        (&["fmt", "--output=json", "--no-such"], "--no-such"),
        (&["no-such", "--output", "json"], "no-such"),
    ] {
        let output = run(&directory, arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        let json: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(json["exit_code"], 2);
        assert!(json["error"]["message"].as_str().unwrap().contains(words), "{json}");
        assert!(text(&output.stderr).contains("Usage"), "{}", text(&output.stderr));
    }
    let output = run(&directory, &["fmt"]);
    assert!(output.stdout.is_empty());
}

#[test]
fn a_result_that_cannot_be_written_is_no_success() {
    let directory = place(&[("good.yaml", GOOD)]);
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let mut program = std::process::Command::new(assert_cmd::cargo::cargo_bin("oarctl"));
    let arguments = ["statebox", "validate", "good.yaml"];
    let output = program.current_dir(directory.path()).args(arguments).stdout(full).output().unwrap();
    assert_eq!(output.status.code(), Some(4));
    assert!(text(&output.stderr).contains("could not be written"), "{}", text(&output.stderr));
}

#[test]
fn files_that_are_not_there_are_wrong_calls_and_the_others_are_done() {
    let directory = place(&[("other.yaml", &restyled())]);
    let output = run(&directory, &["fmt", "gone.yaml", "other.yaml"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("cannot read gone.yaml"));
    assert_eq!(read(&directory, "other.yaml"), GOOD);
    assert_eq!(run(&directory, &["fmt"]).status.code(), Some(2));
}
