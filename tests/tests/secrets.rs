//! Planted tokens and addresses reach no output, no state file, no message and no note.

use end_to_end::{ERRATA, Fault, FaultKind, Harness, KONFLUX, LEAD, SECOND_LEAD};

fn planted(harness: &Harness) -> Vec<String> {
    let secret = |name: &str| name.ends_with("TOKEN") || name == "OAR_JWK" || name == "JIRA_USERNAME";
    let mut values: Vec<String> = harness
        .sandbox
        .environment()
        .into_iter()
        .filter(|(name, _)| secret(name))
        .map(|(_, value)| value)
        .collect();
    assert!(values.len() >= 6, "{}", values.len());
    values.extend([LEAD.to_owned(), SECOND_LEAD.to_owned(), "bot@example.com".to_owned()]);
    values
}

fn assert_clean(harness: &Harness, texts: &[String]) {
    for value in planted(harness) {
        for text in texts {
            assert!(!text.contains(&value), "a secret or an address stands in:\n{text}");
        }
    }
}

fn left_behind(harness: &Harness, release: &str) -> Vec<String> {
    let mut texts: Vec<String> = harness.statebox(release).into_iter().collect();
    texts.extend(harness.sandbox.world().slack.lock().messages.iter().map(|message| message.text.clone()));
    for request in harness.sandbox.requests() {
        texts.push(format!("{}?{}", request.path, request.query).replace("demo-lead%40example.com", ""));
        if request.path.ends_with("/notes") || request.path.ends_with("/comment") {
            texts.push(request.body_excerpt);
        }
    }
    texts
}

#[test]
fn nothing_secret_is_written_by_good_runs() {
    for release in [KONFLUX, ERRATA] {
        let harness = Harness::new();
        let mut texts = Vec::new();
        for arguments in [
            &["-v", "create-test-report"][..],
            &["-v", "take-ownership", "-e", LEAD, "--dry-run"],
            &["-v", "take-ownership", "-e", LEAD],
            &["-v", "--output", "json", "take-ownership", "-e", SECOND_LEAD],
            &["-v", "status"],
            &["-v", "history"],
        ] {
            texts.push(harness.oar(release, arguments).expect(0).all());
        }
        texts.extend(left_behind(&harness, release));
        assert_clean(&harness, &texts);
    }
}

#[test]
fn nothing_secret_is_written_when_services_throw_it_back() {
    let harness = Harness::new();
    let echoed = planted(&harness).join(" | ");
    let body = serde_json::json!({ "message": echoed, "error": echoed, "errorMessages": [echoed], "errors": echoed });
    let mut texts = Vec::new();
    for service in ["github", "errata", "jira", "gitlab", "slack"] {
        for code in [400, 401, 403, 404, 422, 500] {
            let kind = FaultKind::Status { code, body: Some(body.to_string()), headers: Vec::new() };
            harness.sandbox.faults().add(Fault::on(service, kind).forever());
            for arguments in
                [&["-v", "take-ownership", "-e", LEAD][..], &["-v", "status", "--output", "json"]]
            {
                texts.push(harness.oar(KONFLUX, arguments).all());
            }
            harness.sandbox.faults().clear();
        }
    }
    texts.extend(left_behind(&harness, KONFLUX));
    assert_clean(&harness, &texts);
}

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
