//! What GitHub does to the state now and then: a repository gets another name, a StateBox grows beyond what the
//! contents interface shows.
#![expect(clippy::unwrap_used, reason = "tests say what they expect by failing")]

use end_to_end::{Harness, KONFLUX, LEAD};
use sandbox::services::github::STATE_REPOSITORY;

const NEW_NAME: &str = "openshift/release-tests-elsewhere";

fn rename(harness: &Harness) {
    harness.sandbox.world().github.lock().rename(STATE_REPOSITORY, NEW_NAME).unwrap();
}

#[test]
fn a_renamed_repository_is_read_and_a_write_names_its_new_name() {
    let harness = Harness::announced(KONFLUX);
    let before = harness.statebox(KONFLUX).unwrap();
    rename(&harness);
    let status = harness.oar(KONFLUX, &["status"]).expect(0);
    assert!(status.stdout.contains("take-ownership"), "{status:?}");
    let run = harness.oar(KONFLUX, &["take-ownership", "-e", LEAD]).expect(3);
    assert!(run.stderr.contains(&format!("the repository is {NEW_NAME} now")), "{run:?}");
    assert!(run.stderr.contains("OAR_STATE_REPO"), "{run:?}");
    let others: Vec<_> =
        harness.sandbox.writes().into_iter().filter(|request| request.service == "errata").collect();
    assert!(others.is_empty(), "nothing is done that cannot be recorded: {others:#?}");
    let renamed = harness.env("OAR_STATE_REPO", NEW_NAME);
    assert!(renamed.oar(KONFLUX, &["take-ownership", "-e", LEAD]).expect(0).stdout.contains("Pass"));
    let state = renamed.sandbox.world().github.lock();
    let path = format!("_releases/4.19/statebox/{KONFLUX}.yaml");
    assert_ne!(state.text(NEW_NAME, "z-stream", &path).unwrap(), before);
}

#[test]
fn a_statebox_of_more_than_a_megabyte_is_read_and_written() {
    let harness = Harness::announced(KONFLUX);
    let mut state = harness.statebox(KONFLUX).unwrap();
    let line = "x".repeat(1_000);
    state.push_str("notes:\n");
    for number in 0..1_100 {
        state.extend(["- ", &number.to_string(), " ", &line, "\n"]);
    }
    assert!(state.len() > 1_100_000);
    harness.put_statebox(KONFLUX, &state);
    assert!(harness.oar(KONFLUX, &["status"]).expect(0).stdout.contains("take-ownership"));
    harness.oar(KONFLUX, &["task", "set", "stage-testing", "fail", "--reason", "a test"]).expect(0);
    let after = harness.statebox(KONFLUX).unwrap();
    assert!(after.contains("a test") && after.contains(&format!("- 1099 {line}")), "nothing is lost");
    harness.sandbox.assert_no_unexpected();
}
