//! `doctor` of `oar`, `oarctl` and `jobctl`: what is refused, expires, is not told or does not answer.
#![expect(clippy::unwrap_used, reason = "tests say what they expect by failing")]

use std::net::TcpListener;
use std::time::{Duration, Instant};

use end_to_end::{ERRATA, Fault, FaultKind, Harness, KONFLUX, Options, Run, elliott};
use sandbox::ClockStart;
use sandbox::credentials::{GITHUB_TOKEN, GITLAB_TOKEN};
use sandbox::scenario::gitlab::{
    ACCOUNT_TOKEN, BOT, EXPIRED_TOKEN, PROJECT, READ_ONLY_TOKEN, REPORTER_TOKEN,
};
use sandbox::services::github::identity::TokenKind;
use sandbox::services::gitlab::AccessLevel;
use serde_json::Value;

/// A sandbox with an elliott.
fn harness() -> Harness {
    elliott::install(Harness::new()).0
}

fn examined(harness: &Harness, program: &str, release: Option<&str>) -> Run {
    let release: Vec<&str> = release.map(|release| ["-r", release]).into_iter().flatten().collect();
    let arguments = [release, vec!["doctor", "--output", "json"]].concat();
    let run = harness.run(program, &arguments);
    // Signing in to Google, and the hub's XML-RPC, are the only requests that are no reads in name.
    let writes: Vec<String> = harness
        .sandbox
        .writes()
        .iter()
        .filter(|write| write.service != "google-oauth")
        .map(end_to_end::RecordedRequest::line)
        .collect();
    assert!(writes.is_empty(), "{writes:#?}");
    harness.sandbox.assert_no_unexpected();
    run
}

fn finding(run: &Run, check: &str) -> Value {
    let document = run.json();
    let findings = document["findings"].as_array().unwrap();
    let found: Vec<&Value> = findings.iter().filter(|one| one["check"] == check).collect();
    assert_eq!(found.len(), 1, "{check}: {document:#}");
    found[0].clone()
}

/// What `oar doctor` finds of `check` in the release with a shipment, and its exit code.
fn of_release(harness: &Harness, check: &str) -> (String, Option<i32>, Value) {
    let run = examined(harness, "oar", Some(KONFLUX));
    let found = finding(&run, check);
    (found["verdict"].as_str().unwrap().to_owned(), run.code, found)
}

/// A change of the configuration document.
type Change = fn(&mut Value);

#[test]
fn when_all_is_there_nothing_is_missing_and_nothing_is_written() {
    let harness = harness();
    for (program, release) in
        [("oar", Some(KONFLUX)), ("oar", Some(ERRATA)), ("oarctl", None), ("jobctl", None)]
    {
        let run = examined(&harness, program, release).expect(0);
        let document = run.json();
        assert_eq!(document["ready"], true, "{document:#}");
        for one in document["findings"].as_array().unwrap() {
            // Nobody tells whether the token of the sockets is good, and no directory is simulated; an Errata release has no
            // merge request.
            let check = one["check"].as_str().unwrap();
            let is_told = !["slack-app-token", "directory"].contains(&check)
                && (release, check) != (Some(ERRATA), "gitlab-approval");
            assert_eq!(one["verdict"], if is_told { "ok" } else { "unknown" }, "{one:#}");
            assert!(is_told || one["needed"] == false, "{one:#}");
            assert!(!one["text"].as_str().unwrap().contains('\n'));
        }
    }
    assert_eq!(harness.statebox(KONFLUX), None, "no file, no lease");
    let text = harness.oar(KONFLUX, &["doctor"]).expect(0).stdout;
    assert!(text.contains("ok       github-token") && text.contains("elliott"), "{text}");
}

#[test]
fn each_credential_that_is_not_set_is_missing_with_a_next_step() {
    for (name, check) in [
        ("GITHUB_TOKEN", "github-token"),
        ("GITLAB_TOKEN", "gitlab-token"),
        ("JIRA_TOKEN", "jira-token"),
        ("SLACK_BOT_TOKEN", "slack-token"),
        ("JENKINS_TOKEN", "jenkins"),
        ("APITOKEN", "gangway-token"),
        ("OAR_JWK", "key"),
    ] {
        let (verdict, code, found) = of_release(&harness().env(name, ""), check);
        assert_eq!((verdict.as_str(), code), ("missing", Some(3)), "{name}: {found:#}");
        let words = format!("{} {}", found["text"], found["next"]);
        assert!(words.contains(name), "{name}: {found:#}");
    }
    for (name, check) in
        [("GCS_CRED_FILE", "artifacts"), ("OAR_KUBE_TOKEN", "cluster"), ("GITHUB_TOKEN", "github-token")]
    {
        let run = examined(&harness().env(name, ""), "jobctl", None).expect(3);
        assert_eq!(finding(&run, check)["verdict"], "missing", "{name}");
    }
    // A release with a worksheet needs the account; one without does not.
    let run = examined(&harness().env("GCP_SA_FILE", ""), "oar", Some(ERRATA)).expect(3);
    assert_eq!(finding(&run, "spreadsheet")["verdict"], "missing");
    examined(&harness().env("GCP_SA_FILE", ""), "oar", Some(KONFLUX)).expect(0);
}

#[test]
fn a_key_that_opens_nothing_is_named_and_everything_else_is_still_looked_at() {
    let wrong = "s3cret-of-another";
    for (key, words) in [
        (&wrong[..16], "does not open"),
        ("short-s3cret", "must be exactly 16 bytes long, it has 12"),
        ("", "OAR_JWK is not set"),
    ] {
        let harness = harness().env("OAR_JWK", key);
        for (program, release, code) in
            [("oar", Some(KONFLUX), 3), ("oar", None, 3), ("oarctl", None, 3), ("jobctl", None, 0)]
        {
            let run = examined(&harness, program, release);
            assert_eq!(run.code, Some(code), "{program}: {run:?}");
            let found = finding(&run, "key");
            let expected = if code == 3 { "missing" } else { "warning" };
            assert_eq!(found["verdict"], expected, "{found:#}");
            assert!(found["text"].as_str().unwrap().contains(words), "{key}: {found:#}");
            assert!(found["next"].is_string(), "{found:#}");
            assert_eq!(finding(&run, "document")["verdict"], "unknown");
            assert_eq!(finding(&run, "github-token")["verdict"], "ok", "{run:?}");
            assert!(key.is_empty() || !run.all().contains(key), "the key itself is never shown: {run:?}");
        }
    }
    // No other command works with it.
    let run = harness().env("OAR_JWK", &wrong[..16]).oar(KONFLUX, &["status"]).expect(3);
    assert!(run.stderr.contains("OAR_JWK is not the key it was encrypted with"), "{run:?}");
}

#[test]
fn a_release_without_a_shipment_needs_neither_gitlab_nor_gangway() {
    let harness = harness().env("GITLAB_TOKEN", "").env("APITOKEN", "");
    let run = examined(&harness, "oar", Some(ERRATA)).expect(0);
    for (check, verdict) in [
        ("gitlab-token", "warning"),
        ("gitlab-project", "unknown"),
        ("gitlab-approval", "unknown"),
        ("gangway-token", "warning"),
    ] {
        let found = finding(&run, check);
        assert_eq!((&found["verdict"], &found["needed"]), (&verdict.into(), &false.into()), "{found:#}");
    }
}

#[test]
fn what_only_agents_need_is_optional() {
    let narrow = sandbox::credentials::SLACK_BOT_TOKEN_NARROW;
    let harness = harness().env("OAR_RECORD_BRANCH", "absent").env("SLACK_BOT_TOKEN", narrow);
    let run = examined(&harness, "oarctl", None).expect(3);
    for check in ["record-branch", "slack-bot-scopes"] {
        let found = finding(&run, check);
        assert_eq!((&found["verdict"], &found["needed"]), (&"warning".into(), &false.into()), "{found:#}");
    }
    let found = finding(&run, "jira-bugs");
    assert_eq!((&found["verdict"], &found["needed"]), (&"ok".into(), &false.into()), "{found:#}");
}

#[test]
fn each_credential_that_is_refused_or_lacks_a_right_is_missing() {
    for (name, value, check) in [
        ("GITHUB_TOKEN", "ghp_wrong", "github-token"),
        ("GITHUB_TOKEN", sandbox::credentials::GITHUB_TOKEN_READER, "state-repository"),
        ("GITLAB_TOKEN", "glpat-wrong", "gitlab-token"),
        ("GITLAB_TOKEN", EXPIRED_TOKEN, "gitlab-token"),
        ("GITLAB_TOKEN", READ_ONLY_TOKEN, "gitlab-token"),
        ("GITLAB_TOKEN", ACCOUNT_TOKEN, "gitlab-project"),
        ("GITLAB_TOKEN", REPORTER_TOKEN, "gitlab-project"),
        ("GITLAB_TOKEN", REPORTER_TOKEN, "gitlab-approval"),
        ("JIRA_TOKEN", "wrong", "jira-token"),
        ("SLACK_BOT_TOKEN", "xoxb-wrong", "slack-token"),
        ("SLACK_BOT_TOKEN", sandbox::credentials::SLACK_BOT_TOKEN_NARROW, "slack-token"),
        ("JENKINS_TOKEN", "wrong", "jenkins"),
        ("APITOKEN", "wrong", "gangway-token"),
        ("OAR_ELLIOTT", "/absent/elliott", "elliott"),
        ("KRB5CCNAME", "FILE:/absent/ticket", "kerberos-ticket"),
        ("OAR_STATE_BRANCH", "absent", "state-repository"),
    ] {
        let (verdict, code, found) = of_release(&harness().env(name, value), check);
        assert_eq!((verdict.as_str(), code), ("missing", Some(3)), "{name}={value}: {found:#}");
        assert!(found["next"].is_string(), "{name}: {found:#}");
    }
}

#[test]
fn the_rights_of_a_fine_grained_token_are_told_by_nobody_and_so_unknown() {
    let harness = harness();
    harness.sandbox.world().github.lock().tokens.get_mut(GITHUB_TOKEN).unwrap().token =
        TokenKind::FineGrained;
    let (verdict, code, found) = of_release(&harness, "state-repository");
    assert_eq!((verdict.as_str(), code), ("unknown", Some(0)), "{found:#}");
    let narrow = TokenKind::Classic(vec!["read:org".to_owned()]);
    harness.sandbox.world().github.lock().tokens.get_mut(GITHUB_TOKEN).unwrap().token = narrow;
    let (verdict, code, found) = of_release(&harness, "state-repository");
    assert_eq!((verdict.as_str(), code), ("missing", Some(3)), "{found:#}");
}

#[test]
fn what_expires_soon_is_a_warning_and_what_has_expired_is_missing() {
    let harness = harness();
    let now = harness.sandbox.clock().now().as_second();
    let expire = |at: i64, offset| {
        let mut github = harness.sandbox.world().github.lock();
        let identity = github.tokens.get_mut(GITHUB_TOKEN).unwrap();
        (identity.expires, identity.expiry_offset) = (Some(at), offset);
    };
    for (days, offset, expected, code) in [
        (30, None, "ok", 0),
        (30, Some("+0900"), "ok", 0),
        (3, Some("-0700"), "warning", 0),
        (-1, None, "missing", 3),
    ] {
        expire(now + days * 86_400, offset);
        let (verdict, ended, found) = of_release(&harness, "github-token");
        assert_eq!((verdict.as_str(), ended), (expected, Some(code)), "{found:#}");
        // GitHub refuses a token that has expired, without a time.
        assert_eq!(found["expires"].is_string(), days > 0, "{found:#}");
    }
    expire(now + 30 * 86_400, None);
    let soon = jiff::Timestamp::from_second(now + 2 * 86_400).unwrap().strftime("%Y-%m-%d").to_string();
    let gitlab_token = |change: &dyn Fn(&mut sandbox::services::gitlab::Token)| {
        let mut gitlab = harness.sandbox.world().gitlab.lock();
        change(gitlab.tokens.iter_mut().find(|token| token.value == GITLAB_TOKEN).unwrap());
    };
    gitlab_token(&|token| token.expires_at = Some(soon.clone()));
    assert_eq!(of_release(&harness, "gitlab-token").0, "warning");
    gitlab_token(&|token| token.oauth = true);
    let (verdict, code, _) = of_release(&harness, "gitlab-token");
    assert_eq!((verdict.as_str(), code), ("unknown", Some(0)), "GitLab tells nothing of such a token");
}

#[test]
fn an_approval_that_would_not_count_is_found() {
    let harness = harness();
    let rule = |eligible: Vec<u64>| {
        let mut gitlab = harness.sandbox.world().gitlab.lock();
        let rule = sandbox::services::gitlab::ApprovalRule { name: "QE".to_owned(), required: 1, eligible };
        gitlab.merge_request_mut(PROJECT, 612).unwrap().approval_rules = vec![rule.clone()];
        gitlab.project_mut(PROJECT).unwrap().approval_rules = Some(vec![rule]);
    };
    rule(vec![BOT]);
    assert_eq!(of_release(&harness, "gitlab-approval").0, "ok");
    rule(vec![7101]);
    let (verdict, code, _) = of_release(&harness, "gitlab-approval");
    assert_eq!((verdict.as_str(), code), ("missing", Some(3)));
    let run = examined(&harness, "oarctl", None).expect(0);
    assert_eq!(
        finding(&run, "gitlab-approval")["verdict"],
        "warning",
        "ART replaces the rules of the project"
    );
    harness
        .sandbox
        .world()
        .gitlab
        .lock()
        .project_mut(PROJECT)
        .unwrap()
        .members
        .insert(BOT, AccessLevel::Reporter);
    assert_eq!(of_release(&harness, "gitlab-project").0, "missing");
}

#[test]
fn a_service_that_does_not_answer_is_unknown_and_never_ok() {
    for (service, checks) in [
        ("github", &["state-repository"][..]),
        ("gitlab", &["gitlab-token", "gitlab-project", "gitlab-approval"]),
        ("jira", &["jira-token", "jira-projects"]),
        ("slack", &["slack-token", "slack-channels", "slack-groups"]),
        ("jenkins", &["jenkins"]),
        ("gangway", &["gangway-token"]),
        ("registry", &["registry"]),
        ("mirror", &["hosts"]),
        ("access", &["hosts"]),
        ("github-raw", &["build-data"]),
    ] {
        let harness = harness();
        let down = FaultKind::Status { code: 503, body: None, headers: Vec::new() };
        harness.sandbox.faults().add(Fault::on(service, down).forever());
        let run = examined(&harness, "oar", Some(KONFLUX)).expect(4);
        assert_eq!(run.json()["ready"], Value::Null);
        for check in checks {
            assert_eq!(finding(&run, check)["verdict"], "unknown", "{service}: {check}");
        }
        assert!(run.stderr.contains("error: "), "{run:#?}");
    }
}

#[test]
fn a_service_that_hangs_ends_with_the_check() {
    let harness = harness().env("OAR_HTTP_TIMEOUT", "0.5");
    harness.sandbox.faults().add(Fault::on("jira", FaultKind::Hang).forever());
    let run = examined(&harness, "oar", Some(KONFLUX)).expect(4);
    assert_eq!(finding(&run, "jira-token")["verdict"], "unknown");
    assert_eq!(finding(&run, "gitlab-token")["verdict"], "ok", "the others are looked at beside it");
}

/// A host that takes connections and never answers, and its address.
fn silent_host() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    (listener, address)
}

#[test]
fn a_silent_host_hides_no_other_and_is_named_in_time() {
    // The time limit of requests is the usual one.
    let harness = harness().env("OAR_HTTP_TIMEOUT", "30");
    let (_listener, address) = silent_host();
    let harness = harness.env("OAR_ENDPOINT_MIRROR", &format!("http://{address}/"));
    let started = Instant::now();
    let run = examined(&harness, "oar", Some(KONFLUX)).expect(4);
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
    let found = finding(&run, "hosts");
    assert_eq!(found["verdict"], "unknown", "{found:#}");
    let text = found["text"].as_str().unwrap();
    assert!(text.contains("127.0.0.1") && text.contains("no answer within 5 s"), "{text}");
    assert_eq!(finding(&run, "clock")["verdict"], "ok", "the other hosts tell the time");
}

#[test]
fn a_silent_directory_is_unknown_and_decides_nothing() {
    let (_listener, address) = silent_host();
    let harness = harness().env("OAR_HTTP_TIMEOUT", "30");
    let harness = harness.env("OAR_ENDPOINT_LDAP", &format!("ldaps://{address}"));
    let started = Instant::now();
    let run = examined(&harness, "oarctl", None).expect(0);
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
    let found = finding(&run, "directory");
    assert_eq!((&found["verdict"], &found["needed"]), (&"unknown".into(), &false.into()), "{found:#}");
    assert_eq!(run.json()["ready"], true);
}

#[test]
fn oar_without_a_release_says_what_was_not_looked_at() {
    let harness = harness();
    let run = examined(&harness, "oar", None).expect(0);
    let found = finding(&run, "build-data");
    assert_eq!((&found["verdict"], run.json()["ready"].as_bool()), (&"unknown".into(), Some(true)));
    assert!(found["text"].as_str().unwrap().starts_with("not looked at without a release"), "{found:#}");
    assert_eq!(finding(&run, "gitlab-token")["verdict"], "ok");
    // A release of the environment is one.
    let harness = harness.env("OAR_RELEASE", KONFLUX);
    assert_eq!(finding(&examined(&harness, "oar", None).expect(0), "build-data")["verdict"], "ok");
}

#[test]
fn a_clock_that_is_wrong_is_found() {
    let at = |minutes: i64| {
        let then = jiff::Timestamp::now() - jiff::SignedDuration::from_mins(minutes);
        let options = Options { clock: ClockStart::Frozen(then), ..Options::default() };
        elliott::install(Harness::with(options)).0
    };
    let (verdict, _, found) = of_release(&at(10), "clock");
    assert_eq!(verdict, "missing", "{found:#}");
    assert!(found["text"].as_str().unwrap().contains("ahead of"), "{found:#}");
    assert_eq!(of_release(&at(2), "clock").0, "warning");
}

#[test]
fn what_the_document_names_must_exist() {
    let changed = |change: fn(&mut Value)| elliott::install(Harness::new().with_document(change)).0;
    let cases: [(Change, &str); 6] = [
        (|document| document["drive"] = serde_json::json!({"stage-testin": "auto"}), "document"),
        (|document| document["contacts"]["slack"]["art"]["channel"] = "#absent".into(), "slack-channels"),
        (|document| document["contacts"]["slack"]["art"]["id"] = "absent-group".into(), "slack-groups"),
        (|document| document["shipment"]["project"] = "group/absent".into(), "gitlab-project"),
        (|document| document["jobs"] = serde_json::json!({"stage-testing": "zstreams/absent"}), "jenkins"),
        (|document| document["owners"]["default"] = "nobody".into(), "document"),
    ];
    for (change, check) in cases {
        let (verdict, code, found) = of_release(&changed(change), check);
        assert_eq!((verdict.as_str(), code), ("missing", Some(3)), "{found:#}");
    }
}
