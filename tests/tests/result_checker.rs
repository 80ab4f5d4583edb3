//! `oarctl check-test-results`: each rejected build is told once, and only what was really told counts as told.
#![expect(clippy::unwrap_used, reason = "tests say what they expect by failing")]

use end_to_end::{Fault, FaultKind, Harness, Run};

const REPOSITORY: &str = "openshift/release-tests";
const REJECTED: &str = r#"{"accepted": false, "aggregated": true, "result": []}"#;
const ACCEPTED: &str = r#"{"accepted": true, "aggregated": true, "result": []}"#;

fn nightly(day: u32) -> String {
    let yesterday = jiff::Timestamp::now() - jiff::SignedDuration::from_hours(24);
    format!("ocp-test-result-4.20.0-0.nightly-{}-{day:06}-amd64.json", yesterday.strftime("%Y-%m-%d"))
}

fn put(harness: &Harness, name: &str, text: &str) {
    let now = harness.sandbox.clock().now();
    let path = format!("_releases/{name}");
    let mut github = harness.sandbox.world().github.lock();
    github.put(REPOSITORY, "record", &path, text.to_owned(), "another result", now).unwrap();
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

/// A sandbox whose file with what was told is there, and empty.
fn known() -> Harness {
    let harness = Harness::new();
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
    let harness = Harness::new();
    for number in 1..=7 {
        put(&harness, &nightly(number), REJECTED);
    }
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
    assert!(run.stderr.contains("line 2") && run.stderr.contains(&nightly(2)), "{run:?}");
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
    put(&harness, &nightly(2), ACCEPTED);
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
    let harness = Harness::new();
    put(&harness, &nightly(1), REJECTED);
    harness.sandbox.clear_requests();
    let run = check(&harness, &["--dry-run"]).expect(0);
    assert!(run.stdout.contains("rejected; would be told"), "{run:?}");
    assert!(harness.sandbox.writes().is_empty() && file(&harness).is_none());
    assert!(!harness.home().join(".local/state/release-tests").exists(), "no lock, no record");
}

#[test]
fn what_cannot_be_written_is_said() {
    let harness = Harness::new();
    put(&harness, &nightly(1), REJECTED);
    let run = check(&harness, &["--notified-file-path", "no/such/folder/file"]).expect(3);
    assert!(run.stderr.contains("cannot write the notified builds"), "{run:?}");
    check(&harness, &["--notified-file-path", "no/such/folder/file"]).expect(3);
    assert_eq!(told(&harness).len(), 1, "the channel knows");
}
