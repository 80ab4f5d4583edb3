//! update-bug-list with the real program: the list, the recipients of reminders, and that nothing happens
//! twice.
#![expect(clippy::unwrap_used, reason = "tests say what they expect by failing")]

use end_to_end::{ERRATA, Fault, FaultKind, Harness, KONFLUX, Run};

const FORUM: &str = "#forum-qe-demo";

fn update(harness: &Harness, release: &str, options: &[&str]) -> Run {
    let arguments: Vec<&str> = ["update-bug-list"].iter().chain(options).copied().collect();
    harness.oar(release, &arguments)
}

fn messages(harness: &Harness) -> Vec<String> {
    let slack = harness.sandbox.world().slack.lock();
    slack.messages_in(FORUM).into_iter().map(|message| message.text).collect()
}

fn set_status(harness: &Harness, key: &str, status: &str) {
    let mut jira = harness.sandbox.world().jira.lock();
    status.clone_into(&mut jira.issue_mut(key).unwrap().status);
}

fn task(harness: &Harness, release: &str) -> String {
    let state = harness.statebox(release).unwrap();
    let start = state.find("- name: update-bug-list").unwrap();
    state[start..].to_owned()
}

#[test]
fn the_bugs_of_advisories_and_shipment_are_listed_together_and_their_contacts_told_once() {
    let harness = Harness::announced(KONFLUX);
    harness.sandbox.clear_requests();
    let run = update(&harness, KONFLUX, &[]).expect(0);
    let count = harness.sandbox.requests().len();
    assert!(count <= 18, "{count} requests:\n{}", harness.request_lines());
    assert!(run.stdout.contains("2 of 4 bugs are not verified"), "{run:?}");
    let listed = task(&harness, KONFLUX);
    for line in
        ["Closed: OCPBUGS-60021\n", "ON_QA: OCPBUGS-60010 OCPBUGS-60011\n", "Verified: OCPBUGS-60020\n"]
    {
        assert!(listed.contains(line), "{listed}");
    }
    assert!(!listed.contains('@'), "{listed}");
    let told = messages(&harness);
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("<@U0000QCON1>: ") && told[0].contains("OCPBUGS-60010"), "{told:?}");
    assert!(told[0].contains("No QA contact: ") && told[0].contains("(CVE tracker)"), "{told:?}");
    harness.sandbox.assert_no_unexpected();

    let before = harness.statebox(KONFLUX);
    harness.sandbox.clear_requests();
    update(&harness, KONFLUX, &[]).expect(0);
    assert!(harness.sandbox.writes().iter().all(|write| write.service == "jira"), "only searches");
    assert_eq!((harness.statebox(KONFLUX), messages(&harness).len()), (before, 1));
}

#[test]
fn hidden_bugs_are_unknown_and_never_done() {
    let harness = Harness::new();
    let run = update(&harness, ERRATA, &["--no-notify", "--output", "json"]).expect(0);
    let report = run.json();
    assert_eq!(report["status"], "In Progress");
    assert_eq!(report["data"]["bugs"]["OCPBUGS-61050"], "Unknown", "{report:#}");
    assert_eq!(report["data"]["unknown"], 2);
    assert!(report["data"]["bugs"].get("OCPBUGS-61030").is_none(), "a dropped advisory's bugs do not count");
    for key in ["OCPBUGS-61010", "OCPBUGS-61011", "OCPBUGS-61040", "OCPBUGS-61041"] {
        set_status(&harness, key, "Verified");
    }
    let report = update(&harness, ERRATA, &["--output", "json"]).expect(0).json();
    assert_eq!((&report["status"], &report["data"]["open"]), (&"In Progress".into(), &0.into()));
    assert!(messages(&harness).is_empty(), "nobody has anything to verify");
}

#[test]
fn when_every_bug_is_verified_closed_or_dropped_the_task_passes() {
    let harness = Harness::new();
    update(&harness, KONFLUX, &[]).expect(0);
    set_status(&harness, "OCPBUGS-60010", "Verified");
    set_status(&harness, "OCPBUGS-60011", "Closed");
    harness.sandbox.world().errata.lock().advisory_mut(150_002).unwrap().jira_issues.clear();
    let run = update(&harness, KONFLUX, &[]).expect(0);
    assert!(run.stdout.contains("Pass"), "{run:?}");
    let listed = task(&harness, KONFLUX);
    assert!(
        listed.contains("status: Pass\n") && listed.contains("Dropped: OCPBUGS-60020 OCPBUGS-60021\n"),
        "{listed}"
    );
    let again = update(&harness, KONFLUX, &[]).expect(0);
    assert!(again.stdout.contains("nothing to do"), "{again:?}");
    assert_eq!(messages(&harness).len(), 1);
}

#[test]
fn who_is_told_follows_the_options() {
    let harness = Harness::new();
    update(&harness, KONFLUX, &["--confirm-droppable"]).expect(0);
    update(&harness, KONFLUX, &["--confirm-droppable"]).expect(0);
    let told = messages(&harness);
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("OCPBUGS-60011") && !told[0].contains("OCPBUGS-60010"), "{told:?}");
    // Nothing listens where the sandbox says that the directory is: the message goes out all the same.
    let run = update(&harness, KONFLUX, &["--notify-managers"]).expect(0);
    let told = messages(&harness);
    assert_eq!(told.len(), 2, "{run:?}");
    assert!(told[1].contains("No manager known: "), "{told:?}");
    for wrong in [
        &["--no-notify", "--confirm-droppable"][..],
        &["--no-notify", "--notify-managers"],
        &["--confirm-droppable", "--notify-managers"],
    ] {
        update(&harness, KONFLUX, wrong).expect(2);
    }
}

#[test]
fn a_dry_run_shows_the_changes_and_writes_nothing() {
    for release in [KONFLUX, ERRATA] {
        let harness = Harness::new();
        let run = update(&harness, release, &["--dry-run"]).expect(0);
        assert!(run.stdout.contains("ask the QA contacts to verify"), "{run:?}");
        assert!(run.stdout.contains("update the list of bugs"), "{run:?}");
        assert_eq!((harness.statebox(release), messages(&harness).len()), (None, 0));
    }
}

#[test]
fn a_bug_that_was_moved_is_one_bug_by_the_key_that_the_release_names() {
    let harness = Harness::announced(KONFLUX);
    harness.sandbox.world().jira.lock().move_issue("OCPBUGS-60010", "CORENET-77").unwrap();
    let listed = || {
        let report = update(&harness, KONFLUX, &["--no-notify", "--output", "json"]).expect(0).json();
        assert_eq!(report["data"]["unknown"], 0, "{report:#}");
        let bugs = report["data"]["bugs"].as_object().unwrap().clone();
        assert_eq!(bugs.len(), 4, "{report:#}");
        (bugs, report["data"]["other_keys"].clone())
    };
    let (bugs, other_keys) = listed();
    assert_eq!(bugs["OCPBUGS-60010"], "ON_QA");
    assert_eq!(other_keys, serde_json::json!({"OCPBUGS-60010": ["CORENET-77"]}));
    // ART names it by its new key in an advisory, and by its old one in the shipment still.
    for advisory in harness.sandbox.world().errata.lock().advisories.values_mut() {
        for key in advisory.jira_issues.iter_mut().filter(|key| *key == "OCPBUGS-60010") {
            "CORENET-77".clone_into(key);
        }
    }
    let (bugs, _) = listed();
    assert_eq!(bugs["CORENET-77"], "ON_QA");
    assert!(!bugs.contains_key("OCPBUGS-60010"), "it has not left the release: {bugs:?}");
    harness.sandbox.assert_no_unexpected();
}

#[test]
fn an_advisory_that_cannot_be_read_is_unknown_and_no_failure() {
    for code in [404, 422, 503] {
        let harness = Harness::new().env("OAR_HTTP_RETRY_DELAY", "1");
        harness.oar(ERRATA, &["create-test-report"]).expect(0);
        let kind = FaultKind::Status { code, body: None, headers: Vec::new() };
        harness.sandbox.faults().add(Fault::on("errata", kind).path("/api/v1/erratum/140001").forever());
        let run = update(&harness, ERRATA, &["--no-notify", "--output", "json"]).expect(4);
        assert_eq!(run.json()["reason"]["class"], "infrastructure", "{run:?}");
    }
}
