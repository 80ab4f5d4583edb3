use serde_json::{Value, json};
use wiremock::matchers::{method, path, query_param, query_param_is_missing};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::*;
use crate::clients::prow::ProwState;
use crate::clock::Clock;
use crate::http::HttpSettings;
use crate::redact::Redactor;

const LIST: &str = "/gcs/storage/v1/b/demo/o";
const ROOT: &str = "logs/periodic-demo/7/artifacts/";
const REPORT: &str =
    "logs/periodic-demo/7/artifacts/aws/openshift-e2e-test-qe-report/artifacts/test-results.yaml";

fn client(server: &MockServer) -> GcsClient {
    let settings = HttpSettings { attempts: 1, ..HttpSettings::default() };
    let http = Http::new(settings, Clock::system(), Redactor::default()).unwrap();
    GcsClient::anonymous(http, format!("{}/gcs", server.uri()).parse().unwrap(), "demo")
}

fn run() -> RunLocation {
    RunLocation::of_page("https://deck.example.test/view/gs/demo/logs/periodic-demo/7").unwrap()
}

fn items(names: &[&str]) -> Value {
    json!({"kind": "storage#objects", "items": names.iter().map(|name| json!({"name": name})).collect::<Vec<_>>()})
}

async fn media(server: &MockServer, name: &str, answer: ResponseTemplate) {
    Mock::given(method("GET"))
        .and(path(format!("/gcs/download/storage/v1/b/demo/o/{}", name.replace('/', "%2F"))))
        .and(query_param("alt", "media"))
        .respond_with(answer)
        .mount(server)
        .await;
}

#[tokio::test]
async fn a_report_takes_two_requests() {
    let server = MockServer::start().await;
    Mock::given(method("GET"))
        .and(path(LIST))
        .and(query_param("prefix", ROOT))
        .and(query_param(
            "matchGlob",
            format!("{ROOT}*/openshift-e2e-test-qe-report/artifacts/test-results.yaml"),
        ))
        .respond_with(ResponseTemplate::new(200).set_body_json(items(&[REPORT])))
        .mount(&server)
        .await;
    media(&server, REPORT, ResponseTemplate::new(200).set_body_string("suite: {total: 1}\n")).await;
    assert_eq!(client(&server).qe_report(&run()).await.unwrap().unwrap(), "suite: {total: 1}\n");
    assert_eq!(server.received_requests().await.unwrap().len(), 2);
}

#[tokio::test]
async fn no_report_takes_one_request() {
    let server = MockServer::start().await;
    let empty = ResponseTemplate::new(200).set_body_json(json!({"kind": "storage#objects"}));
    Mock::given(path(LIST)).respond_with(empty).expect(1).mount(&server).await;
    assert_eq!(client(&server).qe_report(&run()).await.unwrap(), None);
}

#[tokio::test]
async fn a_store_without_patterns_is_asked_for_folders() {
    for answer in [
        ResponseTemplate::new(200)
            .set_body_json(items(&["logs/periodic-demo/7/artifacts/aws/build-log.txt", REPORT])),
        ResponseTemplate::new(400)
            .set_body_json(json!({"error": {"code": 400, "message": "unknown parameter"}})),
    ] {
        let server = MockServer::start().await;
        Mock::given(path(LIST))
            .and(query_param("delimiter", "/"))
            .respond_with(
                ResponseTemplate::new(200)
                    .set_body_json(json!({"prefixes": [format!("{ROOT}ignored/"), format!("{ROOT}aws/")]})),
            )
            .mount(&server)
            .await;
        Mock::given(path(LIST))
            .and(query_param_is_missing("delimiter"))
            .respond_with(answer)
            .mount(&server)
            .await;
        media(&server, REPORT, ResponseTemplate::new(200).set_body_string("a: {}\n")).await;
        let text = client(&server).qe_report(&run()).await.unwrap();
        assert_eq!(text.as_deref(), Some("a: {}\n"));
    }
}

#[tokio::test]
async fn pages_are_followed_and_never_endless() {
    let server = MockServer::start().await;
    let mut page = items(&[]);
    page["nextPageToken"] = json!("more");
    let last = ResponseTemplate::new(200).set_body_json(items(&[REPORT]));
    Mock::given(path(LIST)).and(query_param("pageToken", "more")).respond_with(last).mount(&server).await;
    let first = ResponseTemplate::new(200).set_body_json(&page);
    Mock::given(path(LIST)).and(query_param_is_missing("pageToken")).respond_with(first).mount(&server).await;
    media(&server, REPORT, ResponseTemplate::new(200).set_body_string("a: {}\n")).await;
    assert!(client(&server).qe_report(&run()).await.unwrap().is_some());
    let server = MockServer::start().await;
    Mock::given(path(LIST))
        .respond_with(ResponseTemplate::new(200).set_body_json(&page))
        .mount(&server)
        .await;
    let error = client(&server).qe_report(&run()).await.unwrap_err();
    assert_eq!(error.kind, ServiceErrorKind::Malformed);
    assert_eq!(server.received_requests().await.unwrap().len(), PAGES);
}

#[tokio::test]
async fn absence_refusal_outage_and_size_are_told_apart() {
    let missing = json!({"error": {"code": 404, "message": "The specified bucket does not exist."}});
    for (answer, kind) in [
        (ResponseTemplate::new(401), ServiceErrorKind::Unauthorized),
        (ResponseTemplate::new(403), ServiceErrorKind::Forbidden),
        (ResponseTemplate::new(503), ServiceErrorKind::Unavailable),
        (ResponseTemplate::new(404).set_body_json(missing), ServiceErrorKind::NotFound),
        (ResponseTemplate::new(200).set_body_bytes(vec![b'x'; LARGEST + 1]), ServiceErrorKind::Malformed),
    ] {
        let server = MockServer::start().await;
        media(&server, "a", answer).await;
        assert_eq!(client(&server).read("a").await.unwrap_err().kind, kind);
    }
    let server = MockServer::start().await;
    assert_eq!(client(&server).read("a").await.unwrap(), None);
}

#[tokio::test]
async fn the_end_of_a_run_is_in_its_artifacts() {
    let server = MockServer::start().await;
    assert_eq!(client(&server).ended_run(&run()).await.unwrap(), None);
    let finished = json!({"timestamp": 1_767_330_367, "passed": false, "result": "ABORTED"});
    media(&server, "logs/periodic-demo/7/finished.json", ResponseTemplate::new(200).set_body_json(finished))
        .await;
    let ended = client(&server).ended_run(&run()).await.unwrap().unwrap();
    assert_eq!((ended.state, ended.id), (ProwState::Aborted, None));
    assert_eq!(ended.completed.to_string(), "2026-01-02T05:06:07Z");
    let object = json!({
        "metadata": {"name": "id-7"}, "spec": {"job": "periodic-demo"},
        "status": {"state": "pending", "startTime": "2026-01-02T03:04:05Z"},
    });
    media(&server, "logs/periodic-demo/7/prowjob.json", ResponseTemplate::new(200).set_body_json(object))
        .await;
    let ended = client(&server).ended_run(&run()).await.unwrap().unwrap();
    assert_eq!(
        (ended.id.as_deref(), ended.started.unwrap().to_string().as_str()),
        (Some("id-7"), "2026-01-02T03:04:05Z")
    );
}
