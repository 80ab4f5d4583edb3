//! What people write by hand is masked. (Planted tokens and addresses in every command: `matrix.rs`.)

use end_to_end::{Harness, KONFLUX, LEAD};

#[test]
fn what_people_write_by_hand_is_masked() {
    let harness = Harness::new();
    harness.oar(KONFLUX, &["create-test-report"]).expect(0);
    let token = format!("ghp_{}", "a1B2".repeat(9));
    let text = format!("ask {LEAD}, token {token}");
    let said = harness.oar(KONFLUX, &["issue", "add", &text]).expect(0).all();
    assert!(!said.contains(LEAD) && !said.contains(&token), "{said}");
    harness.oar(KONFLUX, &["issue", "resolve", "ask", "--resolution", &text]).expect(0);
    harness.oar(KONFLUX, &["task", "set", "stage-testing", "Fail", "--reason", &text]).expect(0);
    let state = harness.statebox(KONFLUX).unwrap();
    assert!(!state.contains(LEAD) && !state.contains(&token), "{state}");
    assert!(state.contains("[EMAIL_REDACTED]"), "{state}");
    let messages: Vec<String> = harness
        .sandbox
        .requests()
        .into_iter()
        .filter(|request| request.service == "github" && request.method == "PUT")
        .map(|request| request.body_excerpt)
        .collect();
    assert!(messages.iter().all(|body| !body.contains(LEAD) && !body.contains(&token)), "{messages:#?}");
}
