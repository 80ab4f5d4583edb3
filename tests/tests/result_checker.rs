//! `oarctl check-test-results`: each rejected build is told once, and only what was really told counts as told.
#![expect(clippy::unwrap_used, reason = "tests say what they expect by failing")]

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use end_to_end::{Fault, FaultKind, Harness, Run, wait};

const REPOSITORY: &str = "openshift/release-tests";
const REJECTED: &str = r#"{"accepted": false, "aggregated": true, "result": []}"#;
const ACCEPTED: &str = r#"{"accepted": true, "aggregated": true, "result": []}"#;

fn nightly(day: u32) -> String {
    let yesterday = jiff::Timestamp::now() - jiff::SignedDuration::from_hours(24);
    format!("ocp-test-result-4.20.0-0.nightly-{}-{day:06}-amd64.json", yesterday.strftime("%Y-%m-%d"))
}

fn put(harness: &Harness, name: &str, text: &str) {
    put_at(harness, &format!("_releases/{name}"), text);
}

fn put_at(harness: &Harness, path: &str, text: &str) {
    let now = harness.sandbox.clock().now();
    let mut github = harness.sandbox.world().github.lock();
    github.put(REPOSITORY, "record", path, text.to_owned(), "another result", now).unwrap();
}

fn check(harness: &Harness, more: &[&str]) -> Run {
    let command = ["check-test-results", "--repo-name", REPOSITORY, "--slack-channel", "#qe-demo"];
    harness.run("oarctl", command.iter().chain(more))
}

fn told(harness: &Harness) -> Vec<String> {
    harness.sandbox.world().slack.lock().messages.iter().map(|message| message.text.clone()).collect()
}

fn file(harness: &Harness) -> Option<String> {
    std::fs::read_to_string(harness.home().join("notified_files.txt")).ok()
}

/// A sandbox without a rejected build.
fn fresh() -> Harness {
    let harness = Harness::new();
    put(&harness, "ocp-test-result-4.19.0-0.nightly-2026-06-29-100000-amd64.json", ACCEPTED);
    harness
}

/// One with seven rejected builds, and nothing was told.
fn seven() -> Harness {
    let harness = fresh();
    for number in 1..=7 {
        put(&harness, &nightly(number), REJECTED);
    }
    harness
}

fn start(harness: &Harness, more: &[&str]) -> Child {
    let command = ["check-test-results", "--repo-name", REPOSITORY];
    let mut command = harness.command("oarctl", command.iter().chain(more));
    command.spawn().unwrap()
}

fn until(harness: &Harness, what: &str, condition: impl Fn() -> bool) {
    let started = Instant::now();
    while !condition() {
        assert!(started.elapsed() < Duration::from_mins(1), "{what}: {}", harness.request_lines());
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A sandbox whose file with what was told is there, and empty.
fn known() -> Harness {
    let harness = fresh();
    std::fs::write(harness.home().join("notified_files.txt"), "").unwrap();
    harness
}

fn slack_is_out() -> Fault {
    Fault::on("slack", FaultKind::Status { code: 500, body: None, headers: Vec::new() })
        .path("*/chat.postMessage")
        .forever()
}

#[test]
fn a_rejected_build_is_told_once_and_its_acceptance_later() {
    let harness = known();
    let name = nightly(1);
    put(&harness, &name, REJECTED);
    let run = check(&harness, &[]).expect(0);
    assert!(run.stdout.contains(&format!("{name}: rejected; told\n")), "{run:?}");
    assert!(file(&harness).unwrap().starts_with(&format!("4.20,{name},")), "{:?}", file(&harness));
    check(&harness, &[]).expect(0);
    let first = told(&harness);
    assert_eq!(first.len(), 1);
    assert!(
        first[0].starts_with("Rejected build detected in test result file: <") && first[0].contains(&name)
    );
    put(&harness, &name, ACCEPTED);
    for _ in 0..2 {
        check(&harness, &[]).expect(0);
        assert_eq!(told(&harness).len(), 2);
    }
    assert!(told(&harness)[1].contains("accepted now"));
    put(&harness, &name, REJECTED);
    check(&harness, &[]).expect(0);
    assert_eq!(told(&harness).len(), 2, "each is told once");
    harness.sandbox.assert_no_unexpected();
}

#[test]
fn what_slack_did_not_take_is_told_by_the_next_run() {
    let harness = known();
    put(&harness, &nightly(1), REJECTED);
    harness.sandbox.faults().add(slack_is_out());
    check(&harness, &[]).expect(4);
    assert_eq!((told(&harness).len(), file(&harness).unwrap().as_str()), (0, ""));
    harness.sandbox.faults().clear();
    check(&harness, &[]).expect(0);
    assert_eq!(told(&harness).len(), 1);
}

#[test]
fn a_message_whose_record_was_lost_is_not_sent_again() {
    let harness = known();
    put(&harness, &nightly(1), REJECTED);
    check(&harness, &[]).expect(0);
    std::fs::write(harness.home().join("notified_files.txt"), "").unwrap();
    let run = check(&harness, &[]).expect(0);
    assert!(run.stdout.contains("rejected; told before"), "{run:?}");
    assert_eq!(told(&harness).len(), 1);
}

#[test]
fn a_first_run_tells_of_the_newest_and_floods_nobody_later() {
    let harness = seven();
    check(&harness, &["--limit", "2"]).expect(0);
    let first = told(&harness);
    assert_eq!(first.len(), 2);
    assert!(first[0].contains(&nightly(7)) && first[1].contains(&nightly(6)), "{first:?}");
    check(&harness, &["--limit", "2"]).expect(0);
    assert_eq!(told(&harness).len(), 2);
    put(&harness, &nightly(8), REJECTED);
    put(&harness, &nightly(9), REJECTED);
    put(&harness, &nightly(10), REJECTED);
    check(&harness, &["--limit", "2"]).expect(0);
    assert_eq!(told(&harness).len(), 5, "the limit is the first run's");
}

#[test]
fn stable_builds_and_decisions_by_hand_are_told_as_asked() {
    let harness = known();
    put(&harness, "ocp-test-result-4.20.6-amd64.json", REJECTED);
    put(&harness, &nightly(1), r#"{"accepted": false, "manual_promotion": true}"#);
    check(&harness, &[]).expect(0);
    assert_eq!(told(&harness), Vec::<String>::new());
    check(&harness, &["--include-stable"]).expect(0);
    assert_eq!(told(&harness).len(), 1);
}

#[test]
fn one_bad_file_or_line_does_not_stop_the_others() {
    let harness = known();
    let gone = "4.19,ocp-test-result-4.19.0-0.nightly-2024-01-01-000000-amd64.json,1700000000.5\n";
    std::fs::write(harness.home().join("notified_files.txt"), format!("{gone}nonsense\n")).unwrap();
    put(&harness, &nightly(2), "no JSON");
    put(&harness, &nightly(1), REJECTED);
    let run = check(&harness, &[]).expect(4);
    assert!(run.stderr.contains("dropped: 1 (2)") && run.stderr.contains(&nightly(2)), "{run:?}");
    assert_eq!(told(&harness).len(), 1);
    let file = file(&harness).unwrap();
    assert!(file.lines().count() == 1 && file.contains(&nightly(1)), "what is gone is forgotten: {file}");
}

#[test]
fn only_what_changed_is_read_and_failures_are_no_success() {
    let harness = known();
    put(&harness, &nightly(1), ACCEPTED);
    check(&harness, &[]).expect(0);
    harness.sandbox.clear_requests();
    // Not the same bytes: those would be in the cache.
    put(&harness, &nightly(2), r#"{"accepted": true, "aggregated": true, "result": ["another"]}"#);
    check(&harness, &[]).expect(0);
    let paths: Vec<String> = harness.sandbox.requests().into_iter().map(|request| request.path).collect();
    assert_eq!(paths.len(), 2, "{paths:?}");
    assert!(paths[0].contains("/git/trees/") && paths[1].contains("/git/blobs/"), "{paths:?}");
    let fault = FaultKind::Status { code: 500, body: None, headers: Vec::new() };
    harness.sandbox.faults().add(Fault::on("github", fault).forever());
    check(&harness, &[]).expect(4);
}

#[test]
fn a_dry_run_writes_nothing_anywhere() {
    let harness = fresh();
    put(&harness, &nightly(1), REJECTED);
    harness.sandbox.clear_requests();
    let run = check(&harness, &["--dry-run"]).expect(0);
    assert!(run.stdout.contains("rejected; would be told"), "{run:?}");
    assert!(harness.sandbox.writes().is_empty() && file(&harness).is_none());
    assert!(!harness.home().join(".local/state/release-tests").exists(), "no lock, no record");
}

#[test]
fn where_nothing_can_be_remembered_nothing_is_told() {
    let harness = fresh();
    put(&harness, &nightly(1), REJECTED);
    let run = check(&harness, &["--notified-file-path", "no/such/folder/file"]).expect(3);
    assert!(run.stderr.contains("cannot write the notified builds"), "{run:?}");
    assert_eq!(told(&harness), Vec::<String>::new());
}

#[test]
fn a_first_run_that_cannot_read_everything_does_nothing() {
    let harness = seven();
    for path in ["/graphql", "/repos/*/git/blobs/*"] {
        let fault = FaultKind::Status { code: 500, body: None, headers: Vec::new() };
        harness.sandbox.faults().add(Fault::on("github", fault).path(path).forever());
    }
    let run = check(&harness, &["--limit", "2"]).expect(4);
    assert!(run.stderr.contains("a first run needs every file"), "{run:?}");
    assert_eq!((told(&harness).len(), file(&harness)), (0, None));
    harness.sandbox.faults().clear();
    check(&harness, &["--limit", "2"]).expect(0);
    assert_eq!(told(&harness).len(), 2);
}

#[test]
fn after_a_first_run_that_was_killed_nobody_is_flooded() {
    let harness = seven();
    harness
        .sandbox
        .faults()
        .add(Fault::on("slack", FaultKind::HangAfter).path("*/chat.postMessage").forever());
    let mut first = start(&harness, &["--slack-channel", "#qe-demo", "--limit", "2"]);
    until(&harness, "a message", || !told(&harness).is_empty());
    first.kill().unwrap();
    first.wait().unwrap();
    harness.sandbox.faults().clear();
    for _ in 0..2 {
        check(&harness, &["--limit", "2"]).expect(0);
        assert_eq!(told(&harness).len(), 2);
    }
}

#[test]
fn an_acceptance_is_told_only_where_the_rejection_was() {
    let harness = fresh();
    put(&harness, &nightly(1), REJECTED);
    let run = check(&harness, &["--limit", "0"]).expect(0);
    assert!(run.stdout.contains("rejected; not told, and counts as told"), "{run:?}");
    put(&harness, &nightly(1), ACCEPTED);
    let run = check(&harness, &[]).expect(0);
    assert!(run.stdout.contains("accepted; not told: its rejection was not told here"), "{run:?}");
    assert!(file(&harness).unwrap().contains(&format!("{}#accepted,", nightly(1))));
    let run = check(&harness, &[]).expect(0);
    assert!(!run.stdout.contains("accepted;"), "{run:?}");
    assert_eq!(told(&harness), Vec::<String>::new());
}

#[test]
fn stable_builds_that_are_looked_at_later_flood_nobody() {
    let harness = fresh();
    std::fs::write(harness.home().join("notified_files.txt"), format!("4.20,{},1\n", nightly(1))).unwrap();
    for number in 11..19 {
        put(&harness, &format!("ocp-test-result-4.20.{number}-amd64.json"), REJECTED);
    }
    for _ in 0..2 {
        check(&harness, &["--include-stable", "--limit", "2"]).expect(0);
        assert_eq!((told(&harness).len(), file(&harness).unwrap().lines().count()), (2, 9));
    }
    put(&harness, "ocp-test-result-4.20.9-amd64.json", REJECTED);
    check(&harness, &["--include-stable", "--limit", "0"]).expect(0);
    assert_eq!(told(&harness).len(), 3, "the limit is for the first time");
}

#[test]
fn another_file_is_not_replaced_and_lines_of_another_folder_stay() {
    let harness = fresh();
    put(&harness, &nightly(1), REJECTED);
    let path = harness.home().join("notified_files.txt");
    std::fs::write(&path, "hello\nworld\n").unwrap();
    let run = check(&harness, &[]).expect(3);
    assert!(run.stderr.contains("it is another file"), "{run:?}");
    assert_eq!((file(&harness).unwrap().as_str(), told(&harness).len()), ("hello\nworld\n", 0));
    let elsewhere = format!("4.20,{},1700000000.5\n", nightly(9));
    std::fs::write(&path, &elsewhere).unwrap();
    check(&harness, &[]).expect(0);
    let text = file(&harness).unwrap();
    assert!(text.starts_with(&elsewhere) && text.lines().count() == 2, "{text}");
}

#[test]
fn many_malformed_lines_are_one_warning() {
    let harness = fresh();
    let text = format!("4.20,{},1\n{}", nightly(1), "nonsense\n".repeat(1000));
    std::fs::write(harness.home().join("notified_files.txt"), text).unwrap();
    let run = check(&harness, &[]).expect(0);
    assert_eq!(run.stderr.matches("malformed").count(), 1, "{run:?}");
    assert!(run.stderr.contains("dropped: 1000 (2, 3, 4, 5, 6, …)"), "{run:?}");
}

#[test]
fn two_checkers_with_different_work_do_not_exclude_each_other() {
    let harness = fresh();
    put(&harness, &nightly(1), REJECTED);
    let first = ["--slack-channel", "#qe-demo", "--notified-file-path", "one.txt", "--interval", "3600"];
    let mut first = start(&harness, &first);
    until(&harness, "the first one's message", || told(&harness).len() == 1);
    let other = ["--slack-channel", "#forum-qe-demo", "--notified-file-path", "other.txt"];
    wait(start(&harness, &other)).expect(0);
    assert_eq!(told(&harness).len(), 2);
    first.kill().unwrap();
    first.wait().unwrap();
}

#[test]
fn two_checkers_that_share_a_file_both_remember() {
    let harness = known();
    put(&harness, &nightly(1), REJECTED);
    put_at(&harness, &format!("other/{}", nightly(2)), REJECTED);
    harness.sandbox.set_latency(Duration::from_millis(30));
    let both = [["--path", "_releases"], ["--path", "other"]];
    let both = both.map(|path| start(&harness, &[&["--slack-channel", "#qe-demo"][..], &path].concat()));
    for child in both {
        wait(child).expect(0);
    }
    let text = file(&harness).unwrap();
    assert!(text.contains(&nightly(1)) && text.contains(&nightly(2)), "{text}");
    assert_eq!(told(&harness).len(), 2);
}

#[test]
fn a_file_that_is_none_is_refused_and_a_link_and_its_rights_stay() {
    let harness = fresh();
    put(&harness, &nightly(1), REJECTED);
    let made = Command::new("mkfifo").arg(harness.home().join("fifo")).status().unwrap();
    assert!(made.success());
    let run = check(&harness, &["--notified-file-path", "fifo"]).expect(3);
    assert!(run.stderr.contains("it is not a regular file"), "{run:?}");
    let target = harness.home().join("shared.txt");
    std::fs::write(&target, "").unwrap();
    std::fs::set_permissions(&target, std::fs::Permissions::from_mode(0o664)).unwrap();
    let link = harness.home().join("link.txt");
    std::os::unix::fs::symlink("shared.txt", &link).unwrap();
    check(&harness, &["--notified-file-path", "link.txt"]).expect(0);
    assert_eq!(std::fs::read_link(&link).unwrap(), Path::new("shared.txt"));
    assert!(std::fs::read_to_string(&target).unwrap().contains(&nightly(1)));
    assert_eq!(std::fs::metadata(&target).unwrap().permissions().mode() & 0o777, 0o664);
}

#[test]
fn without_its_credentials_nothing_is_asked() {
    for variable in ["SLACK_BOT_TOKEN", "GITHUB_TOKEN"] {
        let harness = fresh().env(variable, "");
        harness.sandbox.clear_requests();
        let run = check(&harness, &[]).expect(3);
        assert!(run.stderr.contains(variable), "{run:?}");
        assert!(harness.sandbox.requests().is_empty(), "{}", harness.request_lines());
    }
    check(&fresh().env("SLACK_BOT_TOKEN", ""), &["--dry-run"]).expect(0);
}
