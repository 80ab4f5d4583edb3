mod reads;
mod writes;

use serde_json::json;
use wiremock::matchers::{body_string, header, method, path};
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

use super::*;
use crate::clients::testing::{Token, base, http, ok, permit};
use crate::error::Classified as _;

const ID: u64 = 169_293;

fn client(server: &MockServer) -> ErrataClient {
    ErrataClient::new(http(5), base(server, "/errata"), Arc::new(Token))
}

fn owner() -> EmailAddress {
    "new.owner@example.com".parse().unwrap()
}

fn shows_owner(owner: Option<&str>) -> ResponseTemplate {
    ok(json!({
        "product": {"id": 79, "short_name": "RHOSE"}, "release": {"id": 9, "name": "RHOSE-4.19"},
        "people": {"assigned_to": owner, "package_owner": "packager@example.com", "reporter": "r@example.com",
                   "qe_group": "OpenShift QE"}
    }))
}

fn erratum_answer() -> serde_json::Value {
    json!({
        "who": {"user": {"id": 1, "login_name": "bot@example.com"}},
        "errata": {"rhsa": {"id": ID, "status": "QE", "fulladvisory": "RHSA-2026:169293-02", "text_only": 0,
                            "synopsis": "Moderate: made-up update", "security_approved": false, "doc_complete": 1, "content_types": ["docker"],
                            "blocking_advisories": [169_290]}},
        "content": {"content": {"topic": "…", "cve": "CVE-2026-1000 CVE-2026-1001"}},
        "bugs": {"type": "bugs", "bugs": [{"bug": {"id": 2_300_001}}]},
        "jira_issues": {"idsfixed": [], "jira_issues": [{"jira_issue": {"key": "OCPBUGS-60001", "status": "ON_QA"}}]}
    })
}

/// The answer of E-2 for an advisory without bugs, issues and CVEs.
fn answer_with(kind: &str, record: &serde_json::Value) -> serde_json::Value {
    json!({
        "errata": {kind: record}, "content": {"content": {"cve": ""}}, "diffs": {},
        "bugs": {"type": "bugs", "idsfixed": [], "bugs": [], "to_fetch": []},
        "jira_issues": {"type": "jira_issues", "idsfixed": [], "jira_issues": [], "to_fetch": []},
    })
}

async fn mount(server: &MockServer, verb: &str, at: &str, answer: ResponseTemplate) {
    Mock::given(method(verb))
        .and(path(at))
        .and(header("authorization", "Negotiate dG9rZW4="))
        .and(header("accept", "application/json"))
        .respond_with(answer)
        .mount(server)
        .await;
}

async fn methods(server: &MockServer) -> Vec<String> {
    server
        .received_requests()
        .await
        .unwrap()
        .iter()
        .map(|request: &Request| request.method.to_string())
        .collect()
}

const VIEW: &str = "/errata/advisory/169293.json";
const API: &str = "/errata/api/v1/erratum/169293";

#[tokio::test]
async fn an_advisory_is_read_in_one_exchange_with_the_token_sent_at_once() {
    let server = MockServer::start().await;
    mount(&server, "GET", API, ok(erratum_answer())).await;
    let advisory = client(&server).erratum(AdvisoryId::new(ID)).await.unwrap();
    assert_eq!(
        advisory,
        Advisory {
            id: AdvisoryId::new(ID),
            kind: AdvisoryKind::Security,
            state: AdvisoryState::Qe,
            state_since: None,
            full_name: Some("RHSA-2026:169293-02".to_owned()),
            synopsis: "Moderate: made-up update".to_owned(),
            text_only: false,
            content_types: vec!["docker".to_owned()],
            text_ready: false,
            doc_complete: true,
            security_approval: SecurityApproval::Requested,
            blocking: vec![AdvisoryId::new(169_290)],
            jira_issues: vec!["OCPBUGS-60001".parse().unwrap()],
            bugs: vec![2_300_001],
            cves: vec!["CVE-2026-1000".to_owned(), "CVE-2026-1001".to_owned()],
        }
    );
    assert_eq!(methods(&server).await, ["GET"]);
}

#[tokio::test]
async fn an_answer_about_another_advisory_or_none_is_not_believed() {
    for (errata, expected) in [
        (json!({"rhba": {"id": 5, "status": "QE"}}), "got 5"),
        (json!({}), "found 0"),
        (json!({"rhba": {"id": ID, "status": "QE"}, "rhsa": {"id": ID, "status": "QE"}}), "found 2"),
        (json!({"rhba": {"id": ID}}), "status"),
    ] {
        let server = MockServer::start().await;
        let mut answer = erratum_answer();
        answer["errata"] = errata;
        mount(&server, "GET", API, ok(answer)).await;
        let error = client(&server).erratum(AdvisoryId::new(ID)).await.unwrap_err();
        assert_eq!(error.kind, ServiceErrorKind::Malformed);
        assert!(error.to_string().contains(expected), "{error}");
    }
}

#[tokio::test]
async fn people_may_be_absent_and_never_print() {
    for (shown, expected) in [
        (Some("qe@example.com"), Some("qe@example.com".parse().unwrap())),
        (None, None),
        (Some("Default QA"), None),
        (Some(""), None),
    ] {
        let server = MockServer::start().await;
        mount(&server, "GET", VIEW, shows_owner(shown)).await;
        let people = client(&server).people(AdvisoryId::new(ID)).await.unwrap();
        assert_eq!(people.qe_owner, expected);
        assert_eq!(people.package_owner, Some("packager@example.com".parse().unwrap()));
        assert!(!format!("{people:?}").contains('@'), "{people:?}");
    }
}

#[tokio::test]
async fn a_change_of_owner_sends_that_one_field_only_and_reads_back() {
    let server = MockServer::start().await;
    Mock::given(method("GET"))
        .and(path(VIEW))
        .respond_with(shows_owner(Some("old@example.com")))
        .up_to_n_times(1)
        .mount(&server)
        .await;
    mount(&server, "GET", VIEW, shows_owner(Some("New.Owner@example.com"))).await;
    Mock::given(method("PUT"))
        .and(path(API))
        .and(header("content-type", "application/x-www-form-urlencoded"))
        .and(body_string("advisory%5Bassigned_to_email%5D=new.owner%40example.com"))
        .respond_with(ResponseTemplate::new(204))
        .mount(&server)
        .await;
    let effect = client(&server).set_qe_owner(AdvisoryId::new(ID), &owner(), &permit()).await.unwrap();
    assert_eq!(effect, Effect::Changed);
    assert_eq!(methods(&server).await, ["GET", "PUT", "GET"]);
}

#[tokio::test]
async fn an_owner_who_is_so_already_costs_one_read() {
    let server = MockServer::start().await;
    mount(&server, "GET", VIEW, shows_owner(Some("NEW.owner@example.com"))).await;
    let effect = client(&server).set_qe_owner(AdvisoryId::new(ID), &owner(), &permit()).await.unwrap();
    assert_eq!(effect, Effect::AlreadySo);
    assert_eq!(methods(&server).await, ["GET"]);
}

#[tokio::test]
async fn an_accepted_change_that_does_not_show_is_an_error() {
    for shown in [Some("old@example.com"), None] {
        let server = MockServer::start().await;
        mount(&server, "GET", VIEW, shows_owner(shown)).await;
        mount(&server, "PUT", API, ResponseTemplate::new(204)).await;
        let error = client(&server).set_qe_owner(AdvisoryId::new(ID), &owner(), &permit()).await.unwrap_err();
        assert!(matches!(error, ErrataError::OwnerNotApplied(id) if id == AdvisoryId::new(ID)));
        assert_eq!(error.class(), ErrorClass::Failed);
        assert!(!error.to_string().contains('@'), "{error}");
        assert!(error.hint().unwrap().contains("https://errata.devel.redhat.com/advisory/169293"));
    }
}

#[tokio::test]
async fn a_put_with_a_passing_fault_is_sent_again() {
    let server = MockServer::start().await;
    Mock::given(method("PUT")).respond_with(ResponseTemplate::new(502)).up_to_n_times(1).mount(&server).await;
    mount(&server, "PUT", API, ResponseTemplate::new(204)).await;
    mount(&server, "GET", VIEW, shows_owner(Some("new.owner@example.com"))).await;
    client(&server).change_qe_owner(AdvisoryId::new(ID), &owner(), &permit()).await.unwrap();
    assert_eq!(methods(&server).await, ["PUT", "PUT", "GET"]);
}

#[tokio::test]
async fn refusals_are_flattened_to_words() {
    let page = "<!DOCTYPE html><html><head><title>Something broke</title></head><body>long</body></html>";
    for (status, body, expected) in [
        (
            422,
            json!({"errors": {"assigned_to_email": ["is unknown", "is inactive"], "base": ["locked"]}})
                .to_string(),
            "assigned_to_email: is unknown; assigned_to_email: is inactive; locked",
        ),
        (400, json!({"error": "bad things"}).to_string(), "bad things"),
        (422, json!({"errors": ["one", {"field": "two"}, null]}).to_string(), "one; field: two"),
        (500, json!({"error": "database"}).to_string(), "database"),
        (422, json!({"unexpected": 1}).to_string(), "{\"unexpected\":1}"),
        (502, page.to_owned(), "HTML page: Something broke"),
    ] {
        let server = MockServer::start().await;
        mount(&server, "PUT", API, ResponseTemplate::new(status).set_body_string(body)).await;
        let error =
            client(&server).change_qe_owner(AdvisoryId::new(ID), &owner(), &permit()).await.unwrap_err();
        let ErrataError::Service(error) = error else { panic!("{error}") };
        assert_eq!(error.detail, expected);
        assert_eq!(error.status, Some(status));
        assert_eq!(error.subject.as_deref(), Some("advisory 169293"));
    }
}

#[tokio::test]
async fn refused_access_says_what_to_do() {
    for (status, kind, advice) in [
        (401, ServiceErrorKind::Unauthorized, "kinit"),
        (403, ServiceErrorKind::Forbidden, "QA role"),
        (404, ServiceErrorKind::NotFound, "build data"),
    ] {
        let server = MockServer::start().await;
        mount(&server, "GET", API, ResponseTemplate::new(status).set_body_string("<html>no</html>")).await;
        let error = client(&server).erratum(AdvisoryId::new(ID)).await.unwrap_err();
        assert_eq!(error.kind, kind);
        assert!(error.hint().unwrap().contains(advice), "{error:?}");
        assert_eq!(methods(&server).await.len(), 1);
    }
}
