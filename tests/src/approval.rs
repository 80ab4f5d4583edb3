//! A release that is ready to be approved, and looks at what became of it.
#![expect(clippy::unwrap_used, reason = "tests say what they expect by failing")]

use crate::{Harness, KONFLUX};
use sandbox::scenario::registry::KONFLUX_METADATA;
use sandbox::services::errata::AdvisoryState;

/// The tasks that must be Pass before the approval.
pub const PREDECESSORS: [&str; 8] = [
    "take-ownership",
    "push-to-cdn-staging",
    "image-consistency-check",
    "analyze-candidate-build",
    "analyze-promoted-build",
    "check-cve-tracker-bug",
    "stage-testing",
    "image-signed-check",
];

/// Publishes the page that the Konflux release waits for.
pub fn publish(harness: &Harness) {
    let world = harness.sandbox.world();
    let now = world.clock.now();
    world.access.lock().published.insert(KONFLUX_METADATA.to_owned(), now);
}

/// A sandbox in which `release` is ready to be approved.
pub fn ready(release: &str) -> Harness {
    let harness = Harness::new();
    make_ready(&harness, release);
    harness
}

/// Brings `release` to where it can be approved.
pub fn make_ready(harness: &Harness, release: &str) {
    harness.oar(release, &["create-test-report"]).expect(0);
    for task in PREDECESSORS {
        harness.pass(release, task);
    }
    let world = harness.sandbox.world();
    for advisory in world.errata.lock().advisories.values_mut() {
        if advisory.state == AdvisoryState::NewFiles {
            advisory.state = AdvisoryState::Qe;
        }
        advisory.stage_targets.clear();
        if advisory.id == 140_005 {
            // Its issues are not part of the scenario's Jira.
            advisory.jira_issues.clear();
        }
    }
    for issue in world.jira.lock().issues.values_mut() {
        if issue.key.starts_with("OCPBUGS-") {
            "Verified".clone_into(&mut issue.status);
        }
    }
    harness.sandbox.clear_requests();
}

/// The state of an advisory.
///
/// # Panics
/// When there is none of this number.
pub fn state_of(harness: &Harness, id: u32) -> AdvisoryState {
    harness.sandbox.world().errata.lock().advisory(id).unwrap().state
}

/// How often an advisory's state was changed.
///
/// # Panics
/// When there is none of this number.
pub fn moves_of(harness: &Harness, id: u32) -> usize {
    harness.sandbox.world().errata.lock().advisory(id).unwrap().state_changes.len()
}

/// Who approved the shipment merge request.
pub fn approved_by(harness: &Harness) -> Vec<u64> {
    let world = harness.sandbox.world();
    let gitlab = world.gitlab.lock();
    gitlab
        .merge_requests
        .iter()
        .filter(|request| request.iid == 612)
        .flat_map(|request| request.approved_by.clone())
        .collect()
}

/// Whether every QE subtask of the release's ticket is closed.
///
/// # Panics
/// When the ticket has not three of them.
pub fn is_closed(harness: &Harness, release: &str) -> bool {
    let ticket = if release == KONFLUX { "ART-14191" } else { "ART-14600" };
    let world = harness.sandbox.world();
    let jira = world.jira.lock();
    let qe: Vec<_> =
        jira.subtasks(ticket).into_iter().filter(|issue| issue.summary.contains("] QE ")).collect();
    assert_eq!(qe.len(), 3);
    qe.iter().all(|issue| issue.status == "Closed")
}

/// The requests that changed something; searches and XML-RPC reads are POSTs too.
pub fn acts(harness: &Harness) -> Vec<String> {
    harness
        .sandbox
        .writes()
        .iter()
        .filter(|request| !request.path.ends_with("/issue/bulkfetch") && request.service != "brewhub")
        .map(sandbox::RecordedRequest::line)
        .collect()
}
