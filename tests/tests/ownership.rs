//! take-ownership: whom Jira knows, tickets without subtasks, and what is said of what failed.

use end_to_end::{ERRATA, Fault, FaultKind, Harness, KONFLUX, Run};

fn announced(release: &str) -> Harness {
    let harness = Harness::new().env("OAR_HTTP_RETRY_DELAY", "1");
    harness.oar(release, &["create-test-report"]).expect(0);
    harness.sandbox.clear_requests();
    harness
}

fn take(harness: &Harness, release: &str, owner: &str) -> Run {
    harness.oar(release, &["take-ownership", "-e", owner, "--output", "json"])
}

#[test]
fn a_portal_account_with_the_same_address_is_nobody_to_assign_to() {
    let harness = announced(ERRATA);
    take(&harness, ERRATA, "second-lead@example.com").expect(0);
    let jira = harness.sandbox.world().jira.lock();
    assert_eq!(jira.issue("ART-14602").unwrap().assignee.as_deref(), Some("712020:second-lead"));
}

#[test]
fn a_hidden_address_is_not_another_person_and_an_empty_search_may_be_a_missing_right() {
    let harness = announced(ERRATA);
    let hidden = take(&harness, ERRATA, "shy-lead@example.com").expect(1).json();
    let reason = hidden["reason"]["text"].as_str().unwrap();
    assert!(reason.contains("1 hiding the address (one may be the person)"), "{hidden:#}");
    assert!(!reason.contains("another address"), "{hidden:#}");
    for login in &mut harness.sandbox.world().jira.lock().logins {
        login.rights.remove(&sandbox::services::jira::Right::BrowseUsers);
    }
    let nobody = take(&harness, ERRATA, "demo-lead@example.com").expect(1).json();
    assert!(nobody["hint"].as_str().unwrap().contains("Browse users and groups"), "{nobody:#}");
}

#[test]
fn a_ticket_without_subtasks_is_normal_and_asks_nothing_of_jira_s_accounts() {
    for release in [KONFLUX, ERRATA] {
        let harness = announced(release);
        harness.sandbox.world().jira.lock().issues.retain(|_, issue| issue.parent.is_none());
        // Nobody in Jira has this address.
        let owner = if release == ERRATA { "visitor@example.com" } else { "demo-lead@example.com" };
        let report = take(&harness, release, owner).expect(0).json();
        assert_eq!(report["status"], "Pass", "{report:#}");
        assert_eq!(report["data"]["subtasks"], serde_json::json!([]));
        let notes = report["plan"]["notes"].to_string();
        assert!(notes.contains("has no subtask of QE, as is usual"), "{report:#}");
    }
}

#[test]
fn every_item_that_failed_keeps_its_next_step_and_a_refusal_decides_over_an_outage() {
    let status = |code| FaultKind::Status { code, body: None, headers: Vec::new() };
    for (refused, code) in [(false, 4), (true, 1)] {
        let harness = announced(ERRATA);
        let faults = harness.sandbox.faults();
        faults.add(Fault::on("errata", status(503)).method("PUT").path("/api/v1/erratum/140001").forever());
        if refused {
            let no_right = "/rest/api/2/issue/ART-14602/assignee";
            faults.add(Fault::on("jira", status(400)).method("PUT").path(no_right).forever());
        }
        let report = take(&harness, ERRATA, "demo-lead@example.com").expect(code).json();
        let failures = report["data"]["failures"].as_array().unwrap();
        assert_eq!(failures.len(), 1 + usize::from(refused), "{report:#}");
        assert!(failures[0]["hint"].as_str().is_some_and(|hint| !hint.is_empty()), "{report:#}");
        assert!(report["hint"].as_str().unwrap().contains("Run the same command again"), "{report:#}");
        let owner = harness.sandbox.world().errata.lock().owner(140_002).unwrap().to_owned();
        assert_eq!(owner, "demo-lead@example.com", "the others go on");
        harness.sandbox.faults().clear();
        take(&harness, ERRATA, "demo-lead@example.com").expect(0);
    }
}
