//! Writes: what is sent, and what follows from a refusal or a missing answer.

use std::time::Duration;

use serde_json::Value;

use super::*;
use crate::http::HttpSettings;
use crate::http::tests::support::stack;

fn id() -> AdvisoryId {
    AdvisoryId::new(ID)
}

fn shows(state: &str, issues: &[&str], security: &Value) -> ResponseTemplate {
    let issues: Vec<Value> = issues.iter().map(|key| json!({"jira_issue": {"key": key}})).collect();
    let mut answer = answer_with("rhsa", &json!({"id": ID, "status": state, "security_approved": security}));
    answer["jira_issues"]["jira_issues"] = issues.into();
    ok(answer)
}

fn refused(reason: &str) -> ResponseTemplate {
    ResponseTemplate::new(422).set_body_json(json!({"errors": {"base": [reason]}}))
}

/// An answer that comes after the client gave up.
fn too_late(answer: ResponseTemplate) -> ResponseTemplate {
    answer.set_delay(Duration::from_secs(30))
}

fn hasty(server: &MockServer) -> ErrataClient {
    let settings = HttpSettings { timeout: Duration::from_millis(100), ..HttpSettings::default() };
    ErrataClient::new(stack(settings).0, base(server, "/errata"), Arc::new(Token))
}

async fn sent(server: &MockServer) -> Vec<String> {
    let requests = server.received_requests().await.unwrap();
    let line = |request: &Request| {
        let tail = request.url.path().rsplit('/').next().unwrap().to_owned();
        format!("{} {tail} {}", request.method, String::from_utf8_lossy(&request.body)).trim_end().to_owned()
    };
    requests.iter().map(line).collect()
}

const TO_REL_PREP: &str = "POST change_state new_state=REL_PREP";

#[tokio::test]
async fn a_state_is_changed_and_read_back() {
    let server = MockServer::start().await;
    mount(&server, "POST", &format!("{API}/change_state"), ResponseTemplate::new(201)).await;
    mount(&server, "GET", API, shows("REL_PREP", &[], &json!(null))).await;
    let effect = client(&server).change_state(id(), &AdvisoryState::RelPrep, &permit()).await.unwrap();
    assert_eq!(effect, Effect::Changed);
    assert_eq!(sent(&server).await, [TO_REL_PREP, "GET 169293"]);
}

#[tokio::test]
async fn an_answer_that_shows_the_new_state_of_this_advisory_is_believed_and_no_other_is() {
    let advisory = |id: u64, state: &str| answer_with("rhsa", &json!({"id": id, "status": state}));
    for (body, looks) in [
        (advisory(ID, "REL_PREP"), 0),
        (advisory(ID, "QE"), 1),
        (advisory(ID + 1, "REL_PREP"), 1),
        (json!({"status": "REL_PREP"}), 1),
        (json!({}), 1),
    ] {
        let server = MockServer::start().await;
        let answer = ResponseTemplate::new(201).set_body_json(&body);
        mount(&server, "POST", &format!("{API}/change_state"), answer).await;
        mount(&server, "GET", API, shows("REL_PREP", &[], &json!(null))).await;
        let effect = client(&server).change_state(id(), &AdvisoryState::RelPrep, &permit()).await.unwrap();
        assert_eq!(effect, Effect::Changed, "{body}");
        assert_eq!(sent(&server).await.len(), 1 + looks, "{body}");
    }
}

#[tokio::test]
async fn an_accepted_change_of_state_that_does_not_show_is_no_success() {
    let server = MockServer::start().await;
    mount(&server, "POST", &format!("{API}/change_state"), ResponseTemplate::new(201)).await;
    mount(&server, "GET", API, shows("QE", &[], &json!(null))).await;
    let error = client(&server).change_state(id(), &AdvisoryState::RelPrep, &permit()).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "Errata Tool: cannot change state (advisory 169293): accepted, but the advisory is QE, not REL_PREP"
    );
    assert_eq!(error.class(), ErrorClass::Failed);
}

#[tokio::test]
async fn a_refused_change_of_state_passes_the_reasons_on() {
    let server = MockServer::start().await;
    let reason = "Staging push jobs not complete";
    mount(&server, "POST", &format!("{API}/change_state"), refused(reason)).await;
    mount(&server, "GET", API, shows("QE", &[], &json!(null))).await;
    let error = client(&server).change_state(id(), &AdvisoryState::RelPrep, &permit()).await.unwrap_err();
    assert!(error.to_string().contains(reason), "{error}");
}

#[tokio::test]
async fn a_refused_change_of_state_that_cannot_be_looked_up_is_no_verdict_and_keeps_the_reasons() {
    let server = MockServer::start().await;
    let reason = "Staging push jobs not complete";
    mount(&server, "POST", &format!("{API}/change_state"), refused(reason)).await;
    mount(&server, "GET", API, ResponseTemplate::new(503)).await;
    let error = client(&server).change_state(id(), &AdvisoryState::RelPrep, &permit()).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Unavailable);
    assert!(error.to_string().contains("read advisory") && error.to_string().contains(reason), "{error}");
}

#[tokio::test]
async fn a_change_of_state_that_somebody_else_made_first_is_no_failure() {
    let server = MockServer::start().await;
    mount(&server, "POST", &format!("{API}/change_state"), refused("Invalid transition")).await;
    mount(&server, "GET", API, shows("REL_PREP", &[], &json!(null))).await;
    let effect = client(&server).change_state(id(), &AdvisoryState::RelPrep, &permit()).await.unwrap();
    assert_eq!(effect, Effect::AlreadySo);
}

#[tokio::test]
async fn an_answer_that_stays_away_is_looked_up_and_not_asked_for_again() {
    for (shown, good) in [("REL_PREP", true), ("QE", false)] {
        let server = MockServer::start().await;
        mount(&server, "POST", &format!("{API}/change_state"), ResponseTemplate::new(502)).await;
        mount(&server, "GET", API, shows(shown, &[], &json!(null))).await;
        let outcome = client(&server).change_state(id(), &AdvisoryState::RelPrep, &permit()).await;
        assert_eq!(outcome.is_ok(), good, "{outcome:?}");
        assert_eq!(sent(&server).await, [TO_REL_PREP, "GET 169293"]);
    }
}

#[tokio::test]
async fn one_issue_is_removed_and_no_other_is_named() {
    let server = MockServer::start().await;
    mount(&server, "POST", &format!("{API}/remove_jira_issue"), ResponseTemplate::new(201)).await;
    let key = "OCPBUGS-12".parse().unwrap();
    let effect = client(&server).remove_jira_issue(id(), &key, &permit()).await.unwrap();
    assert_eq!(effect, Effect::Changed);
    assert_eq!(sent(&server).await, ["POST remove_jira_issue jira_issue=OCPBUGS-12"]);
}

#[tokio::test]
async fn an_issue_that_is_gone_already_is_no_failure_and_one_that_stays_is() {
    let key = "OCPBUGS-12".parse().unwrap();
    for (attached, expected) in [(&["OCPBUGS-123"][..], Some(Effect::AlreadySo)), (&["OCPBUGS-12"], None)] {
        let server = MockServer::start().await;
        mount(&server, "POST", &format!("{API}/remove_jira_issue"), refused("is not attached")).await;
        mount(&server, "GET", API, shows("QE", attached, &json!(null))).await;
        let outcome = client(&server).remove_jira_issue(id(), &key, &permit()).await;
        assert_eq!(outcome.ok(), expected);
    }
    let server = MockServer::start().await;
    mount(&server, "POST", &format!("{API}/add_jira_issue"), ResponseTemplate::new(500)).await;
    mount(&server, "GET", API, shows("QE", &["OCPBUGS-12"], &json!(null))).await;
    let effect = client(&server).add_jira_issue(id(), &key, &permit()).await.unwrap();
    assert_eq!(effect, Effect::Changed, "the answer was lost, the issue is there");
}

#[tokio::test]
async fn approvals_are_requested_with_one_field() {
    let server = MockServer::start().await;
    mount(&server, "PUT", API, ResponseTemplate::new(204)).await;
    let client = client(&server);
    client.request_docs_approval(id(), &permit()).await.unwrap();
    let effect = client.request_security_approval(id(), &permit()).await.unwrap();
    assert_eq!(effect, Effect::Changed);
    assert_eq!(
        sent(&server).await,
        ["PUT 169293 advisory%5Btext_ready%5D=1", "PUT 169293 advisory%5Bsecurity_approved%5D=False"]
    );
}

#[tokio::test]
async fn a_security_approval_that_was_requested_meanwhile_is_no_failure() {
    for (shown, expected) in
        [(json!(false), Some(Effect::AlreadySo)), (json!(true), Some(Effect::AlreadySo)), (json!(null), None)]
    {
        let server = MockServer::start().await;
        mount(&server, "PUT", API, refused("cannot be requested")).await;
        mount(&server, "GET", API, shows("QE", &[], &shown)).await;
        assert_eq!(client(&server).request_security_approval(id(), &permit()).await.ok(), expected);
    }
}

fn job(id: u64, status: &str) -> Value {
    json!({"id": id, "status": status, "target": {"id": 10, "name": "cdn_stage"}})
}

const PUSH: &str = "/errata/api/v1/erratum/169293/push";

#[tokio::test]
async fn a_push_is_asked_for_with_an_empty_body_and_tells_its_jobs() {
    let server = MockServer::start().await;
    mount(&server, "POST", PUSH, ResponseTemplate::new(201).set_body_json(json!([job(7, "READY")]))).await;
    let pushed = client(&server).push_stage(id(), &StagePush::default(), &permit()).await.unwrap();
    assert_eq!((pushed.push.verdict(), pushed.started.len()), (Verdict::Running, 1));
    let request = &server.received_requests().await.unwrap()[0];
    assert_eq!((request.url.query(), request.body.len()), (Some("defaults=stage"), 0));
    assert_eq!(request.headers.get("content-length").unwrap(), "0");
}

#[tokio::test]
async fn a_push_that_finds_nothing_to_do_started_nothing() {
    let server = MockServer::start().await;
    mount(&server, "POST", PUSH, ok(json!([]))).await;
    mount(&server, "GET", PUSH, ok(json!([]))).await;
    let pushed = client(&server).push_stage(id(), &StagePush::default(), &permit()).await.unwrap();
    assert_eq!((pushed.push.verdict(), pushed.started.len()), (Verdict::NeverPushed, 0));
}

#[tokio::test]
async fn a_push_that_errata_tool_finds_done_is_done_whatever_its_time() {
    let server = MockServer::start().await;
    let mut done = job(7, "COMPLETE");
    done["pub_task"] = json!({"id": 66_001});
    mount(&server, "POST", PUSH, ok(json!([]))).await;
    mount(&server, "GET", PUSH, ok(json!([done]))).await;
    let known = StagePush::of(&client(&server).push_jobs(id()).await.unwrap(), None);
    assert_eq!(known.verdict(), Verdict::Unproven);
    let pushed = client(&server).push_stage(id(), &known, &permit()).await.unwrap();
    assert_eq!((pushed.push.verdict(), pushed.started.len()), (Verdict::Complete, 0));
}

#[tokio::test]
async fn a_refused_push_names_the_target_and_the_reason() {
    let server = MockServer::start().await;
    let body = json!({"errors": {"cdn_stage": ["Has dependencies which are not yet pushed to cdn_stage"]}});
    mount(&server, "POST", PUSH, ResponseTemplate::new(400).set_body_json(body)).await;
    let error = client(&server).push_stage(id(), &StagePush::default(), &permit()).await.unwrap_err();
    assert_eq!(error.detail, "cdn_stage: Has dependencies which are not yet pushed to cdn_stage");
    assert_eq!(methods(&server).await, ["POST"]);
}

fn failed() -> StagePush {
    let job = PushJob {
        id: 7,
        target: "cdn_stage".to_owned(),
        status: PushStatus::Failed,
        has_pub_task: true,
        nochannel: false,
        changed: None,
    };
    StagePush::of(&[job], None)
}

#[tokio::test]
async fn a_push_without_an_answer_is_found_among_the_jobs() {
    let server = MockServer::start().await;
    let known = failed();
    mount(&server, "POST", PUSH, too_late(ResponseTemplate::new(201))).await;
    let jobs = json!([job(7, "FAILED"), job(8, "READY")]);
    mount(&server, "GET", PUSH, ok(jobs)).await;
    let pushed = hasty(&server).push_stage(id(), &known, &permit()).await.unwrap();
    assert_eq!(pushed.started.iter().map(|job| job.id).collect::<Vec<_>>(), [8]);
    assert_eq!(pushed.push.verdict(), Verdict::Running);
    assert_eq!(methods(&server).await, ["POST", "GET"]);
}

#[tokio::test]
async fn a_push_that_certainly_did_not_start_is_asked_for_once_more_only() {
    let server = MockServer::start().await;
    mount(&server, "POST", PUSH, ResponseTemplate::new(502)).await;
    mount(&server, "GET", PUSH, ok(json!([job(7, "FAILED")]))).await;
    let known = failed();
    let error = client(&server).push_stage(id(), &known, &permit()).await.unwrap_err();
    assert_eq!(error.kind, ServiceErrorKind::Unclear);
    assert_eq!(methods(&server).await, ["POST", "GET", "POST", "GET"]);
}
