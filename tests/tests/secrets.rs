//! What people write by hand is masked. (Planted tokens and addresses in every command: `matrix.rs`.)

use end_to_end::{Harness, KONFLUX, LEAD};

#[test]
fn what_people_write_by_hand_is_masked() {
    let harness = Harness::announced(KONFLUX);
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

#[test]
fn programs_that_say_everything_do_not_say_how_they_signed_in() {
    let harness = Harness::new();
    harness.sandbox.world().gcs.lock().clutter = 0;
    let environment = harness.sandbox.environment();
    let mut secrets: Vec<String> = environment
        .iter()
        .filter(|(name, _)| name.ends_with("TOKEN") || name == "OAR_JWK")
        .map(|(_, value)| value.clone())
        .collect();
    let key = environment.iter().find(|(name, _)| name == "GCS_CRED_FILE").unwrap();
    let key: serde_json::Value = serde_json::from_slice(&std::fs::read(&key.1).unwrap()).unwrap();
    secrets.push(key["private_key"].as_str().unwrap().lines().nth(1).unwrap().to_owned());
    // Every token of Google's is of this form.
    secrets.push("ya29.".to_owned());
    let job = sandbox::scenario::records::NIGHTLY_JOB;
    let mut said = vec![
        harness.run("job", ["--debug", "run", job, "--no-wait"]).expect(0).all(),
        harness.run("jobctl", ["--debug", "start-controller", "-r", "4.20"]).expect(0).all(),
    ];
    harness.sandbox.clock().advance(jiff::SignedDuration::from_hours(1));
    let aggregated = harness.run("jobctl", ["--debug", "start-aggregator"]).expect(0);
    assert!(aggregated.stdout.contains("test report read"), "{aggregated:?}");
    said.push(aggregated.all());
    for text in said {
        assert!(text.contains(" DEBUG: "), "{text}");
        for secret in &secrets {
            assert!(!text.contains(secret.as_str()), "{secret} stands in:\n{text}");
        }
    }
}
