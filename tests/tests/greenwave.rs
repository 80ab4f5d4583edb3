//! check-greenwave-cvp-tests: what is good, one issue for what is not, and where the command does not apply.
#![expect(clippy::unwrap_used, reason = "tests say what they expect by failing")]

use end_to_end::{ERRATA, Fault, FaultKind, Harness, KONFLUX};
use sandbox::services::errata::ExternalTest;

const CHECK: &[&str] = &["check-greenwave-cvp-tests"];
const TITLE: &str = "[4.14.60] Greenwave CVP test failures in advisories";

fn announced() -> Harness {
    let harness = Harness::announced(ERRATA);
    harness.sandbox.clear_requests();
    harness
}

fn tests(harness: &Harness, advisory: u32, statuses: &[&str]) {
    let mut errata = harness.sandbox.world().errata.lock();
    errata.advisory_mut(advisory).unwrap().external_tests = statuses
        .iter()
        .zip(240_001..)
        .map(|(status, id)| ExternalTest {
            id,
            test_type: "greenwave_cvp".to_owned(),
            active: true,
            status: (*status).to_owned(),
            nvr: format!("ose-demo-{id}-container-v4.14.60-1"),
        })
        .collect();
}

/// The issues that Jira has under the title, by key.
fn issues(harness: &Harness) -> Vec<String> {
    let jira = harness.sandbox.world().jira.lock();
    jira.issues.values().filter(|issue| issue.summary == TITLE).map(|issue| issue.key.clone()).collect()
}

fn messages(harness: &Harness) -> Vec<String> {
    let slack = harness.sandbox.world().slack.lock();
    let about = slack.messages.iter().filter(|message| message.text.contains("Greenwave"));
    about.map(|message| message.text.clone()).collect()
}

#[test]
fn what_errata_tool_counts_as_good_passes() {
    let harness = announced();
    tests(&harness, 140_002, &["PASSED", "WAIVED", "INELIGIBLE", "INFO"]);
    tests(&harness, 140_005, &[]);
    let run = harness.oar(ERRATA, CHECK).expect(0);
    assert!(run.stderr.contains("task [Check Greenwave CVP Tests] status is changed to [Pass]"), "{run:?}");
    assert!(issues(&harness).is_empty() && messages(&harness).is_empty());
    let before = harness.statebox(ERRATA);
    harness.sandbox.clear_requests();
    harness.oar(ERRATA, CHECK).expect(0);
    assert!(harness.sandbox.writes().is_empty(), "{:#?}", harness.sandbox.writes());
    assert_eq!(harness.statebox(ERRATA), before);
    harness.sandbox.assert_no_unexpected();
}

#[test]
fn failures_make_one_issue_and_one_message_however_often_it_runs() {
    let harness = announced();
    tests(&harness, 140_002, &["PASSED", "FAILED", "NEEDS_INSPECTION"]);
    let run = harness.oar(ERRATA, CHECK).expect(1);
    let keys = issues(&harness);
    assert_eq!(keys.len(), 1);
    let key = keys[0].as_str();
    assert!(run.stderr.contains(&format!("2 Greenwave CVP tests are not good, see {key}")), "{run:?}");
    {
        let jira = harness.sandbox.world().jira.lock();
        let issue = jira.issue(key).unwrap();
        assert_eq!((issue.issue_type.as_str(), issue.priority.as_deref()), ("Bug", Some("Blocker")));
        let text = issue.description.as_deref().unwrap();
        let link = "[ose-demo-240002-container-v4.14.60-1|\
                    https://errata.devel.redhat.com/advisory/140002/test_run/240002] FAILED";
        assert!(text.contains(link) && text.contains("240003") && !text.contains("240001"), "{text}");
    }
    assert_eq!(messages(&harness).len(), 1);
    assert!(messages(&harness)[0].contains(key), "{:?}", messages(&harness));
    let state = harness.statebox(ERRATA).unwrap();
    assert!(state.contains("- name: check-greenwave-cvp-tests\n  status: Fail\n"), "{state}");
    assert!(state.contains(&format!("Greenwave CVP test failures are followed in {key}")), "{state}");

    harness.oar(ERRATA, CHECK).expect(1);
    assert_eq!((issues(&harness).len(), messages(&harness).len()), (1, 1));

    tests(&harness, 140_002, &["PASSED", "WAIVED"]);
    harness.oar(ERRATA, CHECK).expect(0);
    let status = harness.oar(ERRATA, &["status"]).expect(0).stdout;
    assert!(!status.contains(key), "the note about the issue is resolved:\n{status}");
    harness.sandbox.assert_no_unexpected();
}

#[test]
fn only_an_open_issue_of_exactly_this_release_counts() {
    let harness = announced();
    tests(&harness, 140_002, &["FAILED"]);
    harness.oar(ERRATA, CHECK).expect(1);
    let first = issues(&harness).pop().unwrap();
    {
        // A near title is another release's; a closed issue follows nothing any more.
        let mut jira = harness.sandbox.world().jira.lock();
        let mut near = jira.issue(&first).unwrap().clone();
        near.key = "CVP-900".to_owned();
        near.id += 10_000;
        near.summary = TITLE.replace("4.14.60", "4.14.6");
        jira.issues.insert(near.key.clone(), near);
        "Closed".clone_into(&mut jira.issue_mut(&first).unwrap().status);
    }
    harness.oar(ERRATA, CHECK).expect(1);
    assert_eq!(issues(&harness).len(), 2, "a new issue, because the first one is closed");
    harness.oar(ERRATA, CHECK).expect(1);
    assert_eq!(issues(&harness).len(), 2);
}

#[test]
fn tests_that_still_run_are_waited_for_without_an_issue() {
    let harness = announced();
    tests(&harness, 140_002, &["PASSED", "RUNNING", "PENDING"]);
    let run = harness.oar(ERRATA, CHECK).expect(0);
    assert!(
        run.stdout.contains("In Progress") && run.stdout.contains("2 tests have not finished"),
        "{run:?}"
    );
    assert!(issues(&harness).is_empty());
}

#[test]
fn a_konflux_release_is_told_what_to_do_instead() {
    let harness = Harness::announced(KONFLUX);
    let before = harness.statebox(KONFLUX);
    let run = harness.oar(KONFLUX, CHECK).expect(6);
    assert!(run.stderr.contains("Konflux") && run.stderr.contains("image-consistency-check"), "{run:?}");
    assert_eq!(harness.statebox(KONFLUX), before);
}

#[test]
fn a_dry_run_names_the_issue_and_creates_none() {
    let harness = announced();
    tests(&harness, 140_002, &["FAILED"]);
    let before = harness.statebox(ERRATA);
    let run = harness.oar(ERRATA, &["check-greenwave-cvp-tests", "--dry-run"]).expect(0);
    assert!(run.stdout.contains(&format!("create issue in CVP: {TITLE}")), "{run:?}");
    assert!(issues(&harness).is_empty() && messages(&harness).is_empty());
    assert_eq!(harness.statebox(ERRATA), before);
}

#[test]
fn the_command_keeps_to_its_budget() {
    let harness = announced();
    harness.oar(ERRATA, CHECK).expect(0);
    let count = harness.sandbox.requests().len();
    // Two of them look for a worksheet.
    assert!(count <= 16, "{count} requests:\n{}", harness.request_lines());
}

#[test]
fn an_answer_that_never_came_makes_no_second_issue() {
    for kind in [FaultKind::DropAfter, FaultKind::Status { code: 502, body: None, headers: Vec::new() }] {
        let harness = announced().env("OAR_HTTP_RETRY_DELAY", "1").env("OAR_HTTP_TIMEOUT", "0.5");
        tests(&harness, 140_002, &["FAILED"]);
        let fault = Fault::on("jira", kind.clone()).method("POST").path("/rest/api/2/issue");
        harness.sandbox.faults().add(fault);
        let first = harness.oar(ERRATA, CHECK);
        assert!(matches!(first.code, Some(1 | 4)), "{kind:?}: {first:?}");
        harness.sandbox.faults().clear();
        harness.oar(ERRATA, CHECK).expect(1);
        assert_eq!((issues(&harness).len(), messages(&harness).len()), (1, 1), "{kind:?}: {first:?}");
    }
}

#[test]
fn information_is_no_success_and_a_broken_test_system_is_not_good() {
    let harness = announced();
    for advisory in [140_001, 140_002, 140_004, 140_005] {
        tests(&harness, advisory, &["INFO", "INFO"]);
    }
    let run = harness.oar(ERRATA, CHECK).expect(0);
    assert!(run.all().contains("no advisory has Greenwave CVP tests that pass or fail"), "{run:?}");
    assert!(!run.all().contains("are good"), "{run:?}");
    let harness = announced();
    tests(&harness, 140_002, &["INFO", "ERROR"]);
    let run = harness.oar(ERRATA, CHECK).expect(1);
    assert!(run.all().contains("1 Greenwave CVP test is not good"), "{run:?}");
}

#[test]
fn an_advisory_that_cannot_be_read_is_unknown_unless_a_test_really_failed() {
    for (statuses, code, class) in
        [(&["PASSED"][..], 4, "infrastructure"), (&["PASSED", "FAILED"], 1, "product")]
    {
        for fault in [503, 404] {
            let harness = announced().env("OAR_HTTP_RETRY_DELAY", "1");
            tests(&harness, 140_002, statuses);
            let kind = FaultKind::Status { code: fault, body: None, headers: Vec::new() };
            harness.sandbox.faults().add(Fault::on("errata", kind).path("/api/v1/erratum/140001").forever());
            let run = harness.oar(ERRATA, &["check-greenwave-cvp-tests", "--output", "json"]).expect(code);
            let report = run.json();
            assert_eq!(report["reason"]["class"], class, "{fault}: {report:#}");
            assert_eq!(report["data"]["unknown"].as_array().unwrap().len(), 1, "{report:#}");
        }
    }
}
