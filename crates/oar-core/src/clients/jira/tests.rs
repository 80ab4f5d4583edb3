use serde_json::json;
use wiremock::matchers::{body_json, header, header_exists, method, path, query_param};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::*;
use crate::clients::testing::{base, http, ok, permit};
use crate::error::{Classified, ErrorClass};
use crate::http::HttpSettings;
use crate::http::tests::support::stack;

/// `bot@example.com:planted-token` in base 64.
const BASIC: &str = "Basic Ym90QGV4YW1wbGUuY29tOnBsYW50ZWQtdG9rZW4=";
const HIDDEN: &str = "Issue does not exist or you do not have permission to see it.";

pub(super) fn client(server: &MockServer) -> JiraClient {
    client_with(server, http(5))
}

fn client_with(server: &MockServer, http: Http) -> JiraClient {
    JiraClient::new(
        http,
        base(server, "/jira"),
        &"bot@example.com".to_owned().into(),
        &"planted-token".to_owned().into(),
    )
    .unwrap()
}

pub(super) fn key() -> IssueKey {
    "ART-100".parse().unwrap()
}

async fn mount(server: &MockServer, verb: &str, at: &str, answer: ResponseTemplate) {
    Mock::given(method(verb))
        .and(path(format!("/jira/rest/api/2{at}")))
        .and(header("authorization", BASIC))
        .and(header("accept", "application/json"))
        .respond_with(answer)
        .mount(server)
        .await;
}

async fn mount_once(server: &MockServer, verb: &str, at: &str, answer: ResponseTemplate) {
    Mock::given(method(verb))
        .and(path(format!("/jira/rest/api/2{at}")))
        .respond_with(answer)
        .up_to_n_times(1)
        .mount(server)
        .await;
}

/// What was sent, as `GET /issue/ART-100`.
pub(super) async fn sent(server: &MockServer) -> Vec<String> {
    let requests = server.received_requests().await.unwrap();
    requests
        .iter()
        .map(|request| {
            let path = request.url.path();
            format!("{} {}", request.method, path.strip_prefix("/jira/rest/api/2").unwrap_or(path))
        })
        .collect()
}

fn in_status(status: &str) -> ResponseTemplate {
    ok(json!({"key": "ART-100", "fields": {"status": {"name": status}}}))
}

fn transitions() -> ResponseTemplate {
    ok(json!({"transitions": [
        {"id": "11", "name": "Start work", "to": {"name": "In Progress"}},
        {"id": "21", "name": "Closed", "to": {"name": "Archived"}},
        {"id": "31", "name": "Finish", "to": {"name": "Closed"}},
        {"id": "41", "name": "Review"}
    ]}))
}

#[tokio::test]
async fn an_issue_is_read_with_the_fields_asked_for_and_nulls_are_ordinary() {
    let server = MockServer::start().await;
    Mock::given(method("GET"))
        .and(path("/jira/rest/api/2/issue/ART-100"))
        .and(query_param("fields", "assignee,status,priority,labels"))
        .respond_with(ok(
            json!({"id": "1", "key": "ART-100", "self": "https://other.example.com/1", "fields": {
                "assignee": null, "priority": null, "status": {"name": "New"}, "labels": ["one", "two"]
            }}),
        ))
        .mount(&server)
        .await;
    let issue = client(&server).issue(&key(), &["assignee", "status", "priority", "labels"]).await.unwrap();
    assert!(issue.assignee().is_none() && issue.has("assignee"));
    assert_eq!(issue.priority(), None);
    assert_eq!(issue.status(), Some("New"));
    assert_eq!(issue.labels(), ["one", "two"]);
    assert!(!issue.has("summary"));
}

#[tokio::test]
async fn subtasks_come_from_the_parent_in_one_request() {
    let server = MockServer::start().await;
    mount(&server, "GET", "/issue/ART-100", ok(json!({"key": "ART-100", "fields": {"subtasks": [
        {"id": "2", "key": "ART-101", "fields": {"summary": "First", "status": {"name": "New"}, "priority": null}},
        {"id": "3", "key": "ART-102", "fields": {"summary": "Second", "status": null}}
    ]}}))).await;
    let subtasks = client(&server).subtasks(&key()).await.unwrap();
    let expected =
        [("ART-101", "First", Some("New")), ("ART-102", "Second", None)].map(|(key, summary, status)| {
            Subtask {
                key: key.parse().unwrap(),
                summary: summary.to_owned(),
                status: status.map(str::to_owned),
            }
        });
    assert_eq!(subtasks, expected);
    assert_eq!(sent(&server).await, ["GET /issue/ART-100"]);
}

#[tokio::test]
async fn a_subtask_without_title_is_an_error_that_names_it() {
    let server = MockServer::start().await;
    mount(
        &server,
        "GET",
        "/issue/ART-100",
        ok(json!({"key": "ART-100", "fields": {"subtasks": [
            {"key": "ART-101", "fields": {"summary": "First"}}, {"key": "ART-102", "fields": {}}
        ]}})),
    )
    .await;
    let error = client(&server).subtasks(&key()).await.unwrap_err();
    assert_eq!(error.kind, ServiceErrorKind::Malformed);
    assert!(error.detail.contains("subtask number 2"), "{error}");
}

#[tokio::test]
async fn a_ticket_without_any_field_is_no_ticket_without_subtasks() {
    for (body, expected) in [
        (json!({"key": "ART-100", "fields": {}}), Err(ServiceErrorKind::Malformed)),
        (json!({"key": "ART-100", "fields": {"status": {"name": "New"}}}), Ok(0)),
        (json!({"key": "ART-100", "fields": {"subtasks": null}}), Ok(0)),
    ] {
        let server = MockServer::start().await;
        mount(&server, "GET", "/issue/ART-100", ok(body.clone())).await;
        let found = client(&server).subtasks(&key()).await;
        assert_eq!(found.map(|subtasks| subtasks.len()).map_err(|error| error.kind), expected, "{body}");
    }
}

#[tokio::test]
async fn an_account_is_found_by_its_exact_address_and_a_stranger_never_taken() {
    let account = |id: &str, address: Value, active: bool| json!({"accountId": id, "emailAddress": address, "displayName": "J", "active": active});
    let wanted = "jdoe@example.com";
    let exact = account("right", json!("JDoe@Example.com"), true);
    let stranger = account("stranger", json!("jdoe2@example.com"), true);
    let hidden = json!({"accountId": "hidden", "displayName": "jdoe", "active": true});
    let inactive = account("inactive", json!(wanted), false);
    let of_kind = |kind: &str, of: &Value| {
        let mut account = of.clone();
        account["accountType"] = json!(kind);
        account["active"] = json!(null);
        account
    };
    let cases = [
        (json!([stranger, exact, hidden]), "right"),
        (json!([inactive, exact]), "right"),
        (json!([]), "it finds nobody"),
        (json!([stranger, hidden]), "it finds 1 hiding the address (one may be the person), 1 with another"),
        (json!([account("null", json!(null), true)]), "1 hiding the address"),
        (json!([account("empty", json!(""), true)]), "1 hiding the address"),
        (json!([of_kind("customer", &exact), exact]), "right"),
        (json!([of_kind("atlassian", &exact), of_kind("app", &exact)]), "right"),
        (json!([of_kind("customer", &exact)]), "1 with this address, but of a customer or an application"),
        (
            json!([of_kind("unknown", &exact), hidden]),
            "1 hiding the address (one may be the person), 1 with this",
        ),
        (json!([inactive]), "deactivated"),
        (json!([exact, account("twin", json!(wanted), true)]), "2 accounts"),
    ];
    for (answer, expected) in cases {
        let server = MockServer::start().await;
        Mock::given(method("GET"))
            .and(path("/jira/rest/api/2/user/search"))
            .and(query_param("query", wanted))
            .respond_with(ok(answer.clone()))
            .mount(&server)
            .await;
        match client(&server).account_by_email(&wanted.parse().unwrap()).await {
            Ok(account) => assert_eq!(account.id.as_str(), expected, "{answer}"),
            Err(error) => {
                assert!(error.to_string().contains(expected), "{answer}: {error}");
                assert_eq!(error.class(), ErrorClass::Failed);
                assert!(error.hint().is_some());
                assert!(!format!("{error} {error:?}").contains("jdoe"), "{error:?}");
            }
        }
    }
}

#[tokio::test]
async fn assigning_looks_first_and_sends_the_account_id() {
    let me = AccountId::new("712020:aaaa");
    for (assignee, expected, requests) in [
        (json!({"accountId": "712020:aaaa"}), Effect::AlreadySo, 1),
        (json!({"accountId": "712020:bbbb"}), Effect::Changed, 2),
        (json!(null), Effect::Changed, 2),
    ] {
        let server = MockServer::start().await;
        mount(
            &server,
            "GET",
            "/issue/ART-100",
            ok(json!({"key": "ART-100", "fields": {"assignee": assignee}})),
        )
        .await;
        Mock::given(method("PUT"))
            .and(path("/jira/rest/api/2/issue/ART-100/assignee"))
            .and(header("content-type", "application/json"))
            .and(body_json(json!({"accountId": "712020:aaaa"})))
            .respond_with(ResponseTemplate::new(204))
            .mount(&server)
            .await;
        assert_eq!(client(&server).assign(&key(), &me, &permit()).await.unwrap(), expected);
        assert_eq!(sent(&server).await.len(), requests);
    }
}

#[tokio::test]
async fn an_issue_in_the_wanted_status_is_left_alone() {
    let server = MockServer::start().await;
    mount(&server, "GET", "/issue/ART-100", in_status("in progress")).await;
    let effect = client(&server).transition_to(&key(), "In Progress", &permit()).await.unwrap();
    assert_eq!(effect, Effect::AlreadySo);
    assert_eq!(sent(&server).await, ["GET /issue/ART-100"]);
}

#[tokio::test]
async fn a_transition_is_picked_by_the_status_it_leads_to_and_then_by_name() {
    for (wanted, id) in [("In Progress", "11"), ("CLOSED", "31"), ("review", "41"), ("start work", "11")] {
        let server = MockServer::start().await;
        mount(&server, "GET", "/issue/ART-100", in_status("New")).await;
        mount(&server, "GET", "/issue/ART-100/transitions", transitions()).await;
        Mock::given(method("POST"))
            .and(path("/jira/rest/api/2/issue/ART-100/transitions"))
            .and(body_json(json!({"transition": {"id": id}})))
            .and(header_exists("authorization"))
            .respond_with(ResponseTemplate::new(204))
            .expect(1)
            .mount(&server)
            .await;
        let effect = client(&server).transition_to(&key(), wanted, &permit()).await.unwrap();
        assert_eq!(effect, Effect::Changed, "{wanted}");
    }
}

#[tokio::test]
async fn a_status_that_is_not_offered_is_an_error_with_the_offer() {
    for (offer, listed) in [
        (
            transitions(),
            "not offered; offered are: Start work (to In Progress), Closed (to Archived), Finish (to Closed), Review",
        ),
        (ok(json!({"transitions": []})), "Jira offers this account no change of status at all"),
        (ok(json!({"transitions": null})), "Jira offers this account no change of status at all"),
    ] {
        let server = MockServer::start().await;
        mount(&server, "GET", "/issue/ART-100", in_status("New")).await;
        mount(&server, "GET", "/issue/ART-100/transitions", offer).await;
        let error = client(&server).transition_to(&key(), "Verified", &permit()).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("Jira: cannot move ART-100 from `New` to `Verified`: {listed}")
        );
        assert_eq!(error.class(), ErrorClass::Blocked);
        let rights = error.hint().unwrap().contains("Transition issues");
        assert_eq!(rights, listed.contains("at all"), "an empty list may mean missing rights");
    }
}

#[tokio::test]
async fn an_unclear_transition_is_looked_up_and_never_sent_twice() {
    for (post_status, status_after, expected) in [
        (502, "In Progress", Some(Effect::Changed)),
        (502, "New", None),
        (400, "In Progress", Some(Effect::AlreadySo)),
        (409, "In Progress", Some(Effect::AlreadySo)),
        (400, "New", None),
    ] {
        let server = MockServer::start().await;
        mount_once(&server, "GET", "/issue/ART-100", in_status("New")).await;
        mount(&server, "GET", "/issue/ART-100", in_status(status_after)).await;
        mount(&server, "GET", "/issue/ART-100/transitions", transitions()).await;
        mount(&server, "POST", "/issue/ART-100/transitions", ResponseTemplate::new(post_status)).await;
        let outcome = client(&server).transition_to(&key(), "In Progress", &permit()).await;
        assert_eq!(outcome.ok(), expected, "{post_status} {status_after}");
        let posts = sent(&server).await.iter().filter(|line| line.starts_with("POST")).count();
        assert_eq!(posts, 1);
    }
}

#[tokio::test]
async fn a_refused_transition_that_cannot_be_looked_up_is_no_verdict_and_keeps_the_reason() {
    let server = MockServer::start().await;
    mount_once(&server, "GET", "/issue/ART-100", in_status("New")).await;
    mount(&server, "GET", "/issue/ART-100", ResponseTemplate::new(503)).await;
    mount(&server, "GET", "/issue/ART-100/transitions", transitions()).await;
    let refusal =
        ResponseTemplate::new(400).set_body_json(json!({"errorMessages": ["Resolution is required."]}));
    mount(&server, "POST", "/issue/ART-100/transitions", refusal).await;
    let error = client(&server).transition_to(&key(), "In Progress", &permit()).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Unavailable);
    assert!(error.to_string().contains("Resolution is required."), "{error}");
}

#[tokio::test]
async fn a_transition_that_met_another_change_is_tried_again() {
    for (conflicts, expected) in [(2, Some(Effect::Changed)), (9, None)] {
        let server = MockServer::start().await;
        mount(&server, "GET", "/issue/ART-100", in_status("New")).await;
        mount(&server, "GET", "/issue/ART-100/transitions", transitions()).await;
        Mock::given(method("POST"))
            .respond_with(ResponseTemplate::new(409))
            .up_to_n_times(conflicts)
            .mount(&server)
            .await;
        Mock::given(method("POST")).respond_with(ResponseTemplate::new(204)).mount(&server).await;
        let outcome = client(&server).transition_to(&key(), "In Progress", &permit()).await;
        assert_eq!(outcome.ok(), expected);
        let posts = sent(&server).await.iter().filter(|line| line.starts_with("POST")).count();
        assert_eq!(posts, 3);
    }
}

#[tokio::test]
async fn a_transition_that_is_not_offered_any_more_is_picked_anew() {
    let server = MockServer::start().await;
    mount(&server, "GET", "/issue/ART-100", in_status("Review")).await;
    mount(&server, "GET", "/issue/ART-100/transitions", transitions()).await;
    Mock::given(method("POST"))
        .and(body_json(json!({"transition": {"id": "99"}})))
        .respond_with(ResponseTemplate::new(400))
        .expect(1)
        .mount(&server)
        .await;
    Mock::given(method("POST"))
        .and(body_json(json!({"transition": {"id": "31"}})))
        .respond_with(ResponseTemplate::new(204))
        .expect(1)
        .mount(&server)
        .await;
    let old = json!({"id": "99", "name": "Close", "to": {"name": "Closed"}});
    let old = vec![serde_json::from_value(old).unwrap()];
    let effect =
        client(&server).transition_offered(&key(), Some("New"), "Closed", old, &permit()).await.unwrap();
    assert_eq!(effect, Effect::Changed);
}

#[tokio::test]
async fn a_refused_transition_is_not_looked_up() {
    let server = MockServer::start().await;
    mount(&server, "GET", "/issue/ART-100", in_status("New")).await;
    mount(&server, "GET", "/issue/ART-100/transitions", transitions()).await;
    mount(&server, "POST", "/issue/ART-100/transitions", ResponseTemplate::new(403)).await;
    let error = client(&server).transition_to(&key(), "In Progress", &permit()).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Configuration);
    assert_eq!(sent(&server).await.len(), 3);
}

#[tokio::test]
async fn a_comment_is_sent_once() {
    let server = MockServer::start().await;
    Mock::given(method("POST"))
        .and(path("/jira/rest/api/2/issue/ART-100/comment"))
        .and(body_json(json!({"body": "line one\nline two"})))
        .respond_with(
            ResponseTemplate::new(201).set_body_json(json!({"id": "77", "body": "line one\nline two"})),
        )
        .mount(&server)
        .await;
    let id = client(&server).add_comment(&key(), "line one\nline two", &permit()).await.unwrap();
    assert_eq!(id, "77");

    let server = MockServer::start().await;
    mount(&server, "POST", "/issue/ART-100/comment", ResponseTemplate::new(504)).await;
    let error = client(&server).add_comment(&key(), "text", &permit()).await.unwrap_err();
    assert_eq!(error.kind, ServiceErrorKind::Unclear);
    assert_eq!(sent(&server).await, ["POST /issue/ART-100/comment"]);
}

fn not_found() -> ResponseTemplate {
    ResponseTemplate::new(404).set_body_json(json!({"errorMessages": [HIDDEN], "errors": {}}))
}

#[tokio::test]
async fn a_hidden_issue_is_told_from_a_bad_token_by_asking_once_for_the_own_account() {
    let server = MockServer::start().await;
    mount(&server, "GET", "/issue/ART-100", not_found()).await;
    mount(&server, "GET", "/myself", ok(json!({"accountId": "me", "active": true}))).await;
    let client_with_good_token = client(&server);
    for _ in 0..3 {
        let error = client_with_good_token.issue(&key(), &["status"]).await.unwrap_err();
        assert_eq!(error.kind, ServiceErrorKind::NotFound);
        assert_eq!(error.detail, HIDDEN);
        assert!(error.hint().unwrap().contains("may not see it"));
    }
    let asked = sent(&server).await.iter().filter(|line| *line == "GET /myself").count();
    assert_eq!(asked, 1);

    let server = MockServer::start().await;
    mount(&server, "GET", "/issue/ART-100", not_found()).await;
    mount(&server, "GET", "/myself", ResponseTemplate::new(401)).await;
    let error = client(&server).issue(&key(), &["status"]).await.unwrap_err();
    assert_eq!(error.kind, ServiceErrorKind::Unauthorized);
    assert_eq!(error.class(), ErrorClass::Configuration);
    assert!(error.hint().unwrap().contains("JIRA_TOKEN"));

    let server = MockServer::start().await;
    mount(&server, "GET", "/issue/ART-100", not_found()).await;
    mount(&server, "GET", "/myself", ResponseTemplate::new(500)).await;
    let error = client(&server).issue(&key(), &["status"]).await.unwrap_err();
    assert_eq!((error.kind, error.detail.as_str()), (ServiceErrorKind::NotFound, HIDDEN));
}

#[tokio::test]
async fn refusals_use_jiras_words_and_give_advice() {
    let cases = [
        (
            400,
            json!({"errorMessages": ["no"], "errors": {"assignee": "is unknown"}}).to_string(),
            "no; assignee: is unknown",
            "",
        ),
        (400, json!({"message": "one", "errorMessage": "two"}).to_string(), "one; two", ""),
        (
            401,
            "Client must be authenticated to access this resource.".to_owned(),
            "Client must be authenticated",
            "JIRA_TOKEN",
        ),
        (403, json!({"errorMessages": []}).to_string(), "CAPTCHA_CHALLENGE", "lacks the right"),
        (410, "<html><title>Gone</title></html>".to_owned(), "HTML page: Gone", ""),
    ];
    for (status, body, words, advice) in cases {
        let server = MockServer::start().await;
        let mut answer = ResponseTemplate::new(status).set_body_string(body);
        if status == 403 {
            answer = answer.insert_header("x-authentication-denied-reason", "CAPTCHA_CHALLENGE");
        }
        mount(&server, "GET", "/issue/ART-100", answer).await;
        let error = client(&server).issue(&key(), &["status"]).await.unwrap_err();
        assert!(error.detail.starts_with(words), "{error}");
        assert!(error.hint().unwrap_or_default().contains(advice), "{error:?}");
    }
}

#[tokio::test]
async fn an_answer_that_is_not_jiras_is_malformed() {
    for body in ["<html>sign in</html>", "[]", "{\"key\": \"not a key\", \"fields\": {}}", ""] {
        let server = MockServer::start().await;
        mount(&server, "GET", "/issue/ART-100", ResponseTemplate::new(200).set_body_string(body)).await;
        let error = client(&server).issue(&key(), &["status"]).await.unwrap_err();
        assert_eq!(error.kind, ServiceErrorKind::Malformed, "{body}");
    }
}

#[tokio::test]
async fn credentials_do_not_show_in_the_client_or_its_errors() {
    let server = MockServer::start().await;
    mount(&server, "GET", "/issue/ART-100", ResponseTemplate::new(401)).await;
    let client = client(&server);
    let error = client.issue(&key(), &["status"]).await.unwrap_err();
    let shown = format!("{error:?} {:?} {:?}", client.core, client.authorization);
    assert!(!shown.contains("planted") && !shown.contains("Ym90"), "{shown}");
}

#[tokio::test]
async fn writes_to_one_issue_are_spread_whichever_client_makes_them() {
    let server = MockServer::start().await;
    for issue in ["ART-100", "ART-101"] {
        mount(&server, "PUT", &format!("/issue/{issue}/properties/told"), ResponseTemplate::new(200)).await;
    }
    // Its time stands still.
    let (http, clock) = stack(HttpSettings::default());
    let writes = Arc::<WriteSpacing>::default();
    let other: IssueKey = "ART-101".parse().unwrap();
    for issue in [&key(), &other, &key(), &other, &key()] {
        let client = client_with(&server, http.clone()).spaced_by(writes.clone());
        assert!(!client.set_property(issue, "told", &json!(1), None, &permit()).await.unwrap());
    }
    assert_eq!(clock.waits(), [1, 1, 2].map(|turns| turns * spacing::SPACING));
}
