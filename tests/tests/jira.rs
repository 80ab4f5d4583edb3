//! The Jira client against the sandbox's Jira Cloud: what the programs use, its refusals and lost answers.

#![expect(clippy::unwrap_used, reason = "tests say what they expect by failing")]

use oar_core::clients::Effect;
use oar_core::clients::jira::{IssueKey, JiraClient, JiraError};
use oar_core::clock::Clock;
use oar_core::error::{ServiceError, ServiceErrorKind};
use oar_core::http::{Http, HttpSettings};
use oar_core::permit::WritePermit;
use oar_core::redact::Redactor;
use sandbox::services::jira::BadToken;
use sandbox::{Fault, FaultKind, Options, Sandbox, credentials, scenario};

fn client(sandbox: &Sandbox, username: &str, token: &str) -> JiraClient {
    let http = Http::new(HttpSettings::default(), Clock::system(), Redactor::default()).unwrap();
    let base = format!("{}/jira", sandbox.base_url()).parse().unwrap();
    JiraClient::new(http, base, &username.to_owned().into(), &token.to_owned().into()).unwrap()
}

fn start() -> (Sandbox, JiraClient, WritePermit) {
    let sandbox = Sandbox::start(&Options::default()).unwrap();
    let client = client(&sandbox, credentials::JIRA_USERNAME, credentials::JIRA_TOKEN);
    (sandbox, client, WritePermit::granted_by_user_interface())
}

fn key(text: &str) -> IssueKey {
    text.parse().unwrap()
}

#[tokio::test]
async fn the_subtasks_of_a_release_ticket_change_hands_once() {
    let (sandbox, jira, permit) = start();
    let subtasks = jira.subtasks(&key(scenario::KONFLUX_TICKET)).await.unwrap();
    assert_eq!(subtasks.len(), 5);
    assert!(subtasks.iter().all(|subtask| subtask.status.as_deref() == Some("To Do")));
    let account = jira.account_by_email(&"Demo-Lead@example.com".parse().unwrap()).await.unwrap();
    let task = subtasks.iter().find(|subtask| subtask.summary.starts_with("[Wed-Fri]")).unwrap();
    for expected in [Effect::Changed, Effect::AlreadySo] {
        assert_eq!(jira.assign(&task.key, &account.id, &permit).await.unwrap(), expected);
        assert_eq!(jira.transition_to(&task.key, "In Progress", &permit).await.unwrap(), expected);
    }
    let issue = jira.issue(&task.key, &["assignee", "status"]).await.unwrap();
    assert_eq!(issue.assignee().unwrap().id, account.id);
    assert_eq!(issue.status(), Some("In Progress"));
    assert!(!issue.has("summary"), "only what was asked for");
    assert_eq!(sandbox.writes().len(), 2);
    sandbox.assert_no_unexpected();
}

#[tokio::test]
async fn nobody_else_is_taken_for_a_hidden_or_former_user() {
    let (_sandbox, jira, _) = start();
    let find = async |address: &str| jira.account_by_email(&address.parse().unwrap()).await;
    for address in ["shy-lead@example.com", "former-lead@example.com", "lead@example.com", "demo@example.com"]
    {
        let error = find(address).await.unwrap_err();
        assert!(matches!(error, JiraError::AccountNotVisible { .. }), "{address}: {error}");
    }
    let elsewhere = find("demo-lead@other.example.com").await.unwrap();
    assert_ne!(elsewhere.id, find("demo-lead@example.com").await.unwrap().id);
}

#[tokio::test]
async fn a_status_is_reached_also_where_the_step_has_another_name() {
    let (_sandbox, jira, permit) = start();
    let bug = key("OCPBUGS-60010");
    assert_eq!(jira.transition_to(&bug, "verified", &permit).await.unwrap(), Effect::Changed);
    assert_eq!(jira.issue(&bug, &["status"]).await.unwrap().status(), Some("Verified"));
    let error = jira.transition_to(&bug, "POST", &permit).await.unwrap_err();
    assert!(error.to_string().contains("Send to QA (to ON_QA)"), "{error}");
}

#[tokio::test]
async fn what_a_lost_answer_hides_is_found_out_and_done_once() {
    let (sandbox, jira, permit) = start();
    let task = key("ART-14193");
    sandbox.faults().add(Fault::on("jira", FaultKind::DropAfter).method("POST"));
    assert_eq!(jira.transition_to(&task, "In Progress", &permit).await.unwrap(), Effect::Changed);
    assert_eq!(sandbox.writes().len(), 1);

    sandbox.clear_requests();
    sandbox.faults().add(Fault::on("jira", FaultKind::DropBefore).method("POST"));
    let error = jira.transition_to(&task, "Closed", &permit).await.unwrap_err();
    let JiraError::Service(error) = error else { panic!("{error}") };
    assert_eq!(error.kind, ServiceErrorKind::Unclear);
    assert_eq!(sandbox.writes().len(), 1);

    sandbox.clear_requests();
    sandbox.faults().add(Fault::on("jira", FaultKind::DropAfter).method("POST"));
    let error = jira.add_comment(&task, "hello", &permit).await.unwrap_err();
    assert_eq!(error.kind, ServiceErrorKind::Unclear);
    assert_eq!(sandbox.world().jira.lock().issue(task.as_str()).unwrap().comments.len(), 1);
}

#[tokio::test]
async fn a_hidden_issue_a_missing_right_and_a_bad_token_are_told_apart() {
    let (sandbox, jira, permit) = start();
    let kind = |outcome: Result<_, ServiceError>| outcome.map(|_| ()).unwrap_err().kind;
    let fields = ["status"];
    let hidden = jira.issue(&key(scenario::jira::HIDDEN_ISSUE), &fields).await;
    assert_eq!(kind(hidden), ServiceErrorKind::NotFound);
    let absent = jira.issue(&key("ART-1"), &fields).await;
    assert_eq!(kind(absent), ServiceErrorKind::NotFound);

    let (name, token) = scenario::jira::READER;
    let reader = client(&sandbox, name, token);
    let refused = reader.add_comment(&key("ART-14193"), "hello", &permit).await.unwrap_err();
    assert!(matches!(refused.kind, ServiceErrorKind::Forbidden | ServiceErrorKind::NotFound), "{refused}");

    for mode in [BadToken::Refused, BadToken::Anonymous] {
        sandbox.world().jira.lock().bad_token = mode;
        let stranger = client(&sandbox, credentials::JIRA_USERNAME, "wrong-token");
        let error = stranger.issue(&key("ART-14193"), &fields).await;
        assert_eq!(kind(error), ServiceErrorKind::Unauthorized, "{mode:?}");
    }
}
