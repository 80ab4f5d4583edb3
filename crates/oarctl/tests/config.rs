//! `oarctl config`, as a user runs it.

#![expect(
    clippy::unwrap_used,
    reason = "a test says what it expects by failing; clippy does not see helpers as tests"
)]

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Output;

use assert_cmd::Command;
use serde_json::Value;
use tempfile::TempDir;

const KEY: &str = "oar-demo-key-16b";
const PLAIN: &str = include_str!("../../../config/config_store.example.json");

/// A directory with the example as `config/config_store.json`; commands run in it without any other
/// environment.
struct Place {
    directory: TempDir,
}

impl Place {
    fn new() -> Self {
        let place = Self { directory: tempfile::tempdir().unwrap() };
        std::fs::create_dir(place.path("config")).unwrap();
        std::fs::create_dir(place.path("private")).unwrap();
        std::fs::write(place.path("plain.json"), PLAIN).unwrap();
        place.run(&["config", "encrypt", "plain.json", "-o", "config/config_store.json"]);
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn document(&self) -> PathBuf {
        self.path("config/config_store.json")
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::cargo_bin("oarctl").unwrap();
        command
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("OAR_JWK", KEY)
            .env("XDG_RUNTIME_DIR", self.path("private"))
            .current_dir(self.directory.path())
            .args(arguments);
        command
    }

    /// Standard output of a command that must succeed.
    fn run(&self, arguments: &[&str]) -> String {
        let output = self.command(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", stderr(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Standard error of a command that must end with `code` and print nothing.
    fn refused(&self, arguments: &[&str], code: i32) -> String {
        let output = self.command(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", stderr(&output));
        assert_eq!(String::from_utf8_lossy(&output.stdout), "", "{arguments:?}");
        stderr(&output)
    }

    /// An executable script that edits the file it is given.
    fn editor(&self, script: &str) -> PathBuf {
        let path = self.path("editor.sh");
        std::fs::write(&path, format!("#!/bin/sh\nset -e\n{script}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    fn edit(&self, script: &str) -> Output {
        let editor = self.editor(script);
        self.command(&["config", "edit"]).env("EDITOR", editor).output().unwrap()
    }

    /// `config edit` with the given disposition of SIGHUP, which would otherwise be inherited: `nohup`
    /// ignores it.
    fn edit_with(&self, disposition: &str, script: &str) -> Output {
        let editor = self.editor(script);
        let edit = self.command(&["config", "edit"]);
        let mut command = std::process::Command::new("env");
        command.arg(disposition).arg(edit.get_program()).args(edit.get_args()).env_clear();
        command.envs(edit.get_envs().filter_map(|(name, value)| Some((name, value?))));
        command.env("EDITOR", editor).current_dir(self.directory.path()).output().unwrap()
    }

    fn nothing_private_is_left(&self) {
        assert_eq!(std::fs::read_dir(self.path("private")).unwrap().count(), 0);
    }
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().mode() & 0o777
}

#[test]
fn encrypt_and_decrypt_are_inverse_to_the_byte() {
    let place = Place::new();
    let encrypted = std::fs::read_to_string(place.document()).unwrap();
    assert_eq!(encrypted.trim(), encrypted, "no line break at the end");
    assert_eq!(place.run(&["config", "decrypt", "config/config_store.json"]), PLAIN);
    let printed = place.run(&["config", "encrypt", "plain.json"]);
    assert_eq!(printed.trim(), printed, "standard output holds no line break either");
    std::fs::write(place.path("again.json"), format!("\n{printed}\n")).unwrap();
    assert_eq!(place.run(&["config", "decrypt", "again.json"]), PLAIN);
    let from_stdin = place.command(&["config", "decrypt", "-"]).write_stdin(printed).output().unwrap();
    assert_eq!(String::from_utf8(from_stdin.stdout).unwrap(), PLAIN);
}

#[test]
fn a_decrypted_file_is_private() {
    let place = Place::new();
    std::fs::write(place.path("out.json"), "older").unwrap();
    std::fs::set_permissions(place.path("out.json"), std::fs::Permissions::from_mode(0o644)).unwrap();
    place.run(&["config", "decrypt", "config/config_store.json", "-o", "out.json"]);
    assert_eq!(std::fs::read_to_string(place.path("out.json")).unwrap(), PLAIN);
    assert_eq!(mode(&place.path("out.json")), 0o600);
    assert_eq!(mode(&place.document()), 0o644);
}

#[test]
fn view_covers_addresses_unless_asked_and_get_prints_one_value() {
    let place = Place::new();
    let view = place.run(&["config", "view"]);
    assert!(view.contains("contacts.slack.qe-release.4.19") && view.contains("demo-leads-4-19"), "{view}");
    assert!(!view.contains("@example.com") && view.contains("[EMAIL_REDACTED]"), "{view}");
    assert!(place.run(&["config", "view", "--show-addresses"]).contains("lead@example.com"));
    let json: Value = serde_json::from_str(&place.run(&["config", "view", "--output", "json"])).unwrap();
    assert_eq!(json["owners"]["default"], "[EMAIL_REDACTED]");
    assert_eq!(json["contacts"]["slack"]["art"]["id"], "art-team-demo");

    assert_eq!(place.run(&["config", "get", "contacts.slack.qe-release.4.19"]), "demo-leads-4-19\n");
    assert_eq!(place.run(&["config", "get", "owners.4.19"]), "demo-lead@example.com\n");
    assert_eq!(
        place.run(&["config", "get", "owners.4.19", "--output", "json"]),
        "\"demo-lead@example.com\"\n"
    );
    let section: Value = serde_json::from_str(&place.run(&["config", "get", "contacts.slack.art"])).unwrap();
    assert_eq!(section["channel"], "#forum-ocp-release-demo");
    assert!(place.refused(&["config", "get", "owners.4.1"], 3).contains("has no `owners.4.1`"));
}

#[test]
fn a_secret_in_the_document_is_never_shown() {
    let place = Place::new();
    std::fs::write(
        place.path("x.json"),
        r#"{"owners": {"default": "a@example.com"}, "jira_token": "planted-1"}"#,
    )
    .unwrap();
    let encrypted =
        place.command(&["config", "encrypt", "x.json", "-o", "config/config_store.json"]).output().unwrap();
    let warnings = stderr(&encrypted);
    assert!(
        warnings.contains("contacts.slack.art.channel") && !warnings.contains("a@example.com"),
        "{warnings}"
    );
    for arguments in [&["config", "view"][..], &["config", "view", "--show-addresses", "--output", "json"]] {
        assert!(!place.run(arguments).contains("planted"));
    }
}

#[test]
fn keys_and_files_that_do_not_work_are_explained() {
    let place = Place::new();
    let with_key = |key: &str| place.command(&["config", "view"]).env("OAR_JWK", key).output().unwrap();
    for (key, words) in [
        ("", "OAR_JWK is not set"),
        ("short", "must be exactly 16 bytes long, it has 5"),
        ("another-key-16by", "OAR_JWK is not the key it was encrypted with, or the file was changed"),
    ] {
        let output = with_key(key);
        assert_eq!(output.status.code(), Some(3));
        assert!(stderr(&output).contains(words) && stderr(&output).contains("next:"), "{}", stderr(&output));
    }
    assert!(place.refused(&["config", "decrypt", "plain.json"], 3).contains("plain JSON document"));
    assert!(place.refused(&["config", "decrypt", "gone.json"], 3).contains("gone.json"));
    assert!(place.refused(&["config", "encrypt", "config/config_store.json"], 3).contains("encrypted"));
    let elsewhere = place.command(&["config", "view"]).env("OAR_CONFIG", "/made/up.json").output().unwrap();
    assert_eq!(elsewhere.status.code(), Some(3));
    std::fs::remove_file(place.document()).unwrap();
    assert!(place.refused(&["config", "view"], 3).contains("no configuration document"));
}

#[test]
fn check_names_every_problem_and_says_by_its_code_whether_a_command_would_fail() {
    let place = Place::new();
    assert!(place.run(&["config", "check"]).contains("config/config_store.json: no problem found"));
    assert!(place.run(&["config", "check", "plain.json"]).contains("no problem found"));

    let mut document: Value = serde_json::from_str(PLAIN).unwrap();
    document["extra"] = Value::from("kept");
    std::fs::write(place.path("warned.json"), document.to_string()).unwrap();
    assert!(place.run(&["config", "check", "warned.json"]).contains("0 errors and 1 warning"));

    document["owners"]["default"] = Value::from("planted value");
    document["jira_server"] = Value::from("jira");
    std::fs::write(place.path("bad.json"), document.to_string()).unwrap();
    let output = place.command(&["config", "check", "bad.json"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        text.contains("error: owners.default: is not an e-mail address") && !text.contains("planted"),
        "{text}"
    );
    assert!(text.contains("2 errors and 1 warning"), "{text}");

    let output = place.command(&["config", "check", "bad.json", "--output", "json"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&json["errors"], &json["warnings"]), (&Value::from(2), &Value::from(1)));
    assert_eq!(json["problems"][0]["path"], "owners.default");
    assert_eq!(json["problems"][0]["severity"], "error");
}

#[test]
fn keygen_prints_a_key_that_works() {
    let place = Place::new();
    let output = place.command(&["config", "keygen"]).output().unwrap();
    let key = String::from_utf8(output.stdout.clone()).unwrap();
    assert_eq!(key.len(), 17, "sixteen characters and a line break");
    assert!(stderr(&output).contains("OAR_JWK"));
    let encrypted =
        place.command(&["config", "encrypt", "plain.json"]).env("OAR_JWK", key.trim()).output().unwrap();
    assert!(encrypted.status.success());
    assert_ne!(place.run(&["config", "keygen"]), key);
}

#[test]
fn edit_replaces_the_document_and_wipes_the_copy() {
    let place = Place::new();
    std::fs::set_permissions(place.document(), std::fs::Permissions::from_mode(0o640)).unwrap();
    let output = place.edit(
        r#"stat -c '%a %A' "$1" "$(dirname "$1")" > seen
dirname "$1" >> seen
env >> seen
cp "$1" "$1~"
sed -i 's/demo-lead@example.com/other-lead@example.com/' "$1""#,
    );
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(place.run(&["config", "get", "owners.4.19"]), "other-lead@example.com\n");
    assert_eq!(mode(&place.document()), 0o640);
    let seen = std::fs::read_to_string(place.path("seen")).unwrap();
    assert!(seen.starts_with("600 ") && seen.contains("\n700 "), "{seen}");
    assert!(
        seen.contains(place.path("private").to_str().unwrap()),
        "the copy lies in XDG_RUNTIME_DIR: {seen}"
    );
    assert!(!seen.contains(KEY), "the editor does not get the key");
    place.nothing_private_is_left();
}

#[test]
fn edit_without_a_change_writes_nothing() {
    let place = Place::new();
    let before = std::fs::read(place.document()).unwrap();
    let output = place.edit("true");
    assert!(output.status.success());
    assert!(stderr(&output).contains("No change"));
    assert_eq!(std::fs::read(place.document()).unwrap(), before);
    place.nothing_private_is_left();
}

#[test]
fn a_document_that_does_not_exist_begins_as_the_example() {
    let place = Place::new();
    let new = place.path("new.json");
    let edit = |script: &str| {
        let editor = place.editor(script);
        place.command(&["config", "edit"]).env("OAR_CONFIG", &new).env("EDITOR", editor).output().unwrap()
    };
    let unchanged = edit("cp \"$1\" seen");
    assert!(unchanged.status.success() && stderr(&unchanged).contains("new.json does not exist"));
    assert_eq!(std::fs::read_to_string(place.path("seen")).unwrap(), PLAIN);
    assert!(!new.exists());
    let refused = edit("sed -i 's/owners/ownrs/' \"$1\"");
    assert_eq!(refused.status.code(), Some(3), "{}", stderr(&refused));
    assert!(stderr(&refused).contains("What you typed is kept in") && !new.exists());
    let made_meanwhile = edit("sed -i 's/demo-lead@/other-lead@/' \"$1\"; echo theirs > new.json");
    assert_eq!(made_meanwhile.status.code(), Some(5), "{}", stderr(&made_meanwhile));
    assert_eq!(std::fs::read_to_string(&new).unwrap(), "theirs\n");
    std::fs::remove_file(&new).unwrap();
    let output = edit("sed -i 's/demo-lead@/other-lead@/' \"$1\"");
    assert!(output.status.success(), "{}", stderr(&output));
    let read = place.command(&["config", "get", "owners.4.19"]).env("OAR_CONFIG", &new).output().unwrap();
    assert!(read.status.success());
    assert!(String::from_utf8(read.stdout).unwrap().starts_with("other-lead@"));
    place.nothing_private_is_left();
}

#[test]
fn a_dry_run_writes_nothing() {
    let place = Place::new();
    let before = std::fs::read(place.document()).unwrap();
    let editor = place.editor("sed -i 's/demo-lead@/other-lead@/' \"$1\"");
    let edit = place.command(&["config", "edit", "--dry-run"]).env("EDITOR", editor).output().unwrap();
    assert!(edit.status.success() && stderr(&edit).contains("Would write"), "{}", stderr(&edit));
    place.nothing_private_is_left();
    place.run(&["config", "encrypt", "plain.json", "-o", "config/config_store.json", "--dry-run"]);
    place.run(&["config", "decrypt", "config/config_store.json", "-o", "new.json", "--dry-run"]);
    assert_eq!(std::fs::read(place.document()).unwrap(), before);
    assert!(!place.path("new.json").exists());
}

#[test]
fn edit_refuses_errors_failing_editors_and_lost_races_and_writes_nothing() {
    let place = Place::new();
    let before = std::fs::read(place.document()).unwrap();
    for (script, code, words) in [
        ("echo '{' > \"$1\"", 3, "not a JSON object"),
        ("sed -i 's/lead@example.com/nobody/' \"$1\"", 3, "owners.default"),
        ("echo '{}' > \"$1\"; exit 7", 1, "the editor failed"),
        ("rm \"$1\"", 3, "cannot read"),
    ] {
        let output = place.edit(script);
        assert_eq!(output.status.code(), Some(code), "{script}: {}", stderr(&output));
        assert!(stderr(&output).contains(words), "{script}: {}", stderr(&output));
        assert_eq!(std::fs::read(place.document()).unwrap(), before, "{script}");
        place.nothing_private_is_left();
    }
    let output =
        place.edit("sed -i 's/demo-lead@/other-lead@/' \"$1\"; echo changed > config/config_store.json");
    assert_eq!(output.status.code(), Some(5), "{}", stderr(&output));
    assert_eq!(std::fs::read_to_string(place.document()).unwrap(), "changed\n");
    let missing = place.command(&["config", "edit"]).env("EDITOR", "/no/such/editor").output().unwrap();
    assert_eq!(missing.status.code(), Some(3));
    place.nothing_private_is_left();
}

#[test]
fn a_terminated_edit_ends_the_editor_and_wipes_the_copy() {
    let place = Place::new();
    let before = std::fs::read(place.document()).unwrap();
    // The editor terminates its caller, as a supervisor would, and then does not end.
    let output = place.edit("echo planted > \"$1\"; kill -TERM $PPID; exec sleep 60");
    assert_eq!(output.status.code(), Some(143), "{}", stderr(&output));
    assert_eq!(std::fs::read(place.document()).unwrap(), before);
    place.nothing_private_is_left();

    let output = place.edit_with("--default-signal=HUP", "kill -HUP $PPID; exec sleep 60");
    assert_eq!(output.status.code(), Some(129), "{}", stderr(&output));
    assert_eq!(std::fs::read(place.document()).unwrap(), before);
    place.nothing_private_is_left();
}

#[test]
fn an_edit_that_was_started_with_sighup_ignored_outlives_the_terminal() {
    let place = Place::new();
    let script = "kill -HUP $PPID; sleep 0.2; sed -i 's/demo-lead@/other-lead@/' \"$1\"";
    let output = place.edit_with("--ignore-signal=HUP", script);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(place.run(&["config", "get", "owners.4.19"]), "other-lead@example.com\n");
    place.nothing_private_is_left();
}

#[test]
fn every_command_answers_with_one_json_document() {
    let place = Place::new();
    let json = |arguments: &[&str], script: &str, code: i32| -> Value {
        let mut command = place.command(&[arguments, &["--output", "json"]].concat());
        let output = command.env("EDITOR", place.editor(script)).env("HOME", place.path("home")).output();
        let output = output.unwrap();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", stderr(&output));
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let change = "sed -i 's/demo-lead@/other-lead@/' \"$1\"";
    let edit = ["config", "edit"];
    let document = "config/config_store.json";
    let untouched = json(&edit, "true", 0);
    assert_eq!(untouched["result"], "unchanged");
    assert!(untouched["file"].as_str().unwrap().ends_with(document), "{untouched}");
    assert_eq!(untouched["problems"], serde_json::json!([]));
    assert_eq!(json(&["config", "edit", "--dry-run"], change, 0)["result"], "would_write");
    assert_eq!(json(&edit, change, 0)["result"], "written");
    let refused = json(&edit, "sed -i 's/other-lead@example.com/nobody/' \"$1\"", 3);
    assert_eq!(refused["exit_code"], 3);
    assert!(refused["error"]["message"].as_str().unwrap().contains("nothing was written"), "{refused}");
    let stopped = json(&edit, "echo typed > \"$1\"; kill -TERM $PPID; exec sleep 60", 143);
    assert_eq!(stopped["result"], "stopped");
    assert_eq!(std::fs::read_to_string(stopped["kept"].as_str().unwrap()).unwrap(), "typed\n");
    assert_eq!(json(&edit, "exit 7", 1)["exit_code"], 1);

    assert!(json(&["config", "encrypt", "plain.json"], "", 0)["encrypted"].is_string());
    assert_eq!(json(&["config", "encrypt", "plain.json", "-o", document], "", 0)["written"], true);
    assert!(json(&["config", "decrypt", document], "", 0)["owners"].is_object());
    assert_eq!(
        json(&["config", "decrypt", document, "-o", "new.json", "--dry-run"], "", 0)["written"],
        false
    );
    assert!(json(&["config", "keygen"], "", 0)["key"].is_string());
    assert_eq!(json(&["config", "check"], "", 0)["errors"], 0);
    assert!(json(&["config", "view"], "", 0)["owners"].is_object());
    assert_eq!(json(&["config", "get", "owners.4.19"], "", 0), "demo-lead@example.com");
    place.nothing_private_is_left();
}

#[test]
fn control_c_belongs_to_the_editor() {
    let place = Place::new();
    let output = place.edit("kill -INT $PPID; sleep 0.2; sed -i 's/demo-lead@/other-lead@/' \"$1\"");
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(place.run(&["config", "get", "owners.4.19"]), "other-lead@example.com\n");
    place.nothing_private_is_left();
}

#[test]
fn a_document_on_one_line_is_laid_out_for_editing() {
    let place = Place::new();
    let document: Value = serde_json::from_str(PLAIN).unwrap();
    std::fs::write(place.path("line.json"), document.to_string()).unwrap();
    place.run(&["config", "encrypt", "line.json", "-o", "config/config_store.json"]);
    let output = place.edit("wc -l < \"$1\" > count");
    assert!(output.status.success() && stderr(&output).contains("No change"), "{}", stderr(&output));
    let lines: usize = std::fs::read_to_string(place.path("count")).unwrap().trim().parse().unwrap();
    assert!(lines > 20);
}

#[test]
fn wrong_calls_are_usage_errors() {
    let place = Place::new();
    for arguments in
        [&["config"][..], &["config", "frob"], &["config", "get"], &["config", "view", "--output", "xml"]]
    {
        assert_eq!(place.command(arguments).output().unwrap().status.code(), Some(2), "{arguments:?}");
    }
    assert!(place.run(&["config", "edit", "--help"]).contains("EDITOR"));
    assert!(place.run(&["--version"]).starts_with("oarctl v"));
}

/// The file in which a refused edit was kept, as the program names it.
fn kept(output: &Output) -> PathBuf {
    let text = stderr(output);
    let place = text.split_once("is kept in ").and_then(|(_, rest)| rest.split_once(", which"));
    assert!(place.is_some(), "no place is named: {text}");
    PathBuf::from(place.unwrap().0)
}

#[test]
fn what_was_typed_is_kept_when_it_cannot_be_written() {
    let place = Place::new();
    let before = std::fs::read(place.document()).unwrap();
    let home = place.path("home");
    for (script, code) in [
        ("sed -i 's/owners/ownrs/; s/#team-qe-release-demo/#an-hour-of-work/' \"$1\"", 3),
        ("echo '{ an-hour-of-work' > \"$1\"", 3),
        ("echo an-hour-of-work > \"$1\"; exit 7", 1),
        ("sed -i 's/demo-lead@/an-hour-of-work@/' \"$1\"; echo changed > config/config_store.json", 5),
        ("echo an-hour-of-work > \"$1\"; kill -TERM $PPID; exec sleep 60", 143),
    ] {
        std::fs::write(place.document(), &before).unwrap();
        let editor = place.editor(script);
        let output =
            place.command(&["config", "edit"]).env("EDITOR", editor).env("HOME", &home).output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{script}: {}", stderr(&output));
        let file = kept(&output);
        assert!(file.starts_with(home.join(".local/state/release-tests")), "{}", file.display());
        assert!(std::fs::read_to_string(&file).unwrap().contains("an-hour-of-work"), "{script}");
        assert_eq!((mode(&file), mode(file.parent().unwrap())), (0o600, 0o700));
        std::fs::remove_file(&file).unwrap();
        place.nothing_private_is_left();
    }
    std::fs::write(place.document(), &before).unwrap();
    let unchanged = place.edit("exit 7");
    assert!(!stderr(&unchanged).contains("is kept in"), "nothing was typed: {}", stderr(&unchanged));
}

#[test]
fn at_a_terminal_the_editor_opens_again_with_the_errors_as_comments() {
    let place = Place::new();
    let editor = place.editor(
        "cp \"$1\" \"seen.$(ls seen.* 2>/dev/null | wc -l)\"\n\
         if grep -q '^# error: owners.default' \"$1\"\n\
         then sed -i 's/nobody/second-try@example.com/' \"$1\"\n\
         else sed -i 's/\"lead@example.com\"/\"nobody\"/' \"$1\"; fi",
    );
    let inner = place.command(&["config", "edit"]);
    let program = inner.get_program().to_str().unwrap().to_owned();
    let mut command = std::process::Command::new("script");
    command
        .args(["--quiet", "--return", "--command", &format!("'{program}' config edit"), "/dev/null"])
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("OAR_JWK", KEY)
        .env("XDG_RUNTIME_DIR", place.path("private"))
        .env("EDITOR", &editor)
        .current_dir(place.directory.path())
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped());
    let mut child = command.spawn().unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), b"y\n").unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    let second = std::fs::read_to_string(place.path("seen.1")).unwrap();
    assert!(second.starts_with("# Nothing was written yet") && second.contains("\"nobody\""), "{second}");
    assert_eq!(place.run(&["config", "get", "owners.default"]), "second-try@example.com\n");
    let plain = place.run(&["config", "decrypt", "config/config_store.json"]);
    assert!(plain.starts_with('{'), "the comments are left out: {plain}");
    place.nothing_private_is_left();
}

#[test]
fn a_document_is_never_encrypted_twice() {
    let place = Place::new();
    let error = place.refused(&["config", "encrypt", "config/config_store.json"], 3);
    assert!(error.contains("is encrypted already"), "{error}");
    let json = r#"{"protected": "eyJhbGciOiJkaXIifQ", "iv": "AAAA", "ciphertext": "AAAA", "tag": "AAAA"}"#;
    std::fs::write(place.path("other.json"), json).unwrap();
    let error = place.refused(&["config", "encrypt", "other.json"], 3);
    assert!(error.contains("is encrypted already"), "{error}");
}

#[test]
fn check_finds_what_a_command_would_refuse_later() {
    let place = Place::new();
    let mut document: Value = serde_json::from_str(PLAIN).unwrap();
    document["release_keys"] = serde_json::json!({"gone": "keys/no-such-file.asc", "none": "plain.json"});
    std::fs::write(place.path("keys.json"), document.to_string()).unwrap();
    let output = place.command(&["config", "check", "keys.json"]).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("release_keys.gone: names a file, but: cannot read"), "{text}");
    assert!(text.contains("release_keys.none: names a file that is not an OpenPGP public key"), "{text}");
    let output = place
        .command(&["config", "check"])
        .env("OAR_WAIT_INTERVAL", "soon")
        .env("OAR_ENDPOINT_GITLABB", "http://127.0.0.1:1")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("OAR_WAIT_INTERVAL: ") && text.contains("`OAR_ENDPOINT_GITLAB`?"), "{text}");
}
