use serde_json::{Value, json};
use wiremock::matchers::{method, path, query_param, query_param_is_missing};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::*;
use crate::clients::prow::ProwState;
use crate::clients::testing::{base, count, http, ok};

const LIST: &str = "/gcs/storage/v1/b/demo/o";
const ROOT: &str = "logs/periodic-demo/7/artifacts/";
const REPORT: &str =
    "logs/periodic-demo/7/artifacts/aws/openshift-e2e-test-qe-report/artifacts/test-results.yaml";

fn client(server: &MockServer) -> GcsClient {
    GcsClient::anonymous(http(1), base(server, "/gcs"), "demo")
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
        .respond_with(ok(items(&[REPORT])))
        .mount(&server)
        .await;
    media(&server, REPORT, ResponseTemplate::new(200).set_body_string("suite: {total: 1}\n")).await;
    assert_eq!(client(&server).qe_report(&run()).await.unwrap().unwrap(), "suite: {total: 1}\n");
    assert_eq!(count(&server).await, 2);
}

#[tokio::test]
async fn no_report_takes_one_request() {
    let server = MockServer::start().await;
    let empty = ok(json!({"kind": "storage#objects"}));
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
        Mock::given(method("GET")).respond_with(missing()).with_priority(9).mount(&server).await;
        let text = client(&server).qe_report(&run()).await.unwrap();
        assert_eq!(text.as_deref(), Some("a: {}\n"));
    }
}

#[tokio::test]
async fn pages_are_followed_and_never_endless() {
    let server = MockServer::start().await;
    let mut page = items(&[]);
    page["nextPageToken"] = json!("more");
    let last = ok(items(&[REPORT]));
    Mock::given(path(LIST)).and(query_param("pageToken", "more")).respond_with(last).mount(&server).await;
    let first = ok(&page);
    Mock::given(path(LIST)).and(query_param_is_missing("pageToken")).respond_with(first).mount(&server).await;
    media(&server, REPORT, ResponseTemplate::new(200).set_body_string("a: {}\n")).await;
    assert!(client(&server).qe_report(&run()).await.unwrap().is_some());
    let server = MockServer::start().await;
    Mock::given(path(LIST)).respond_with(ok(&page)).mount(&server).await;
    let error = client(&server).qe_report(&run()).await.unwrap_err();
    assert_eq!(error.kind, ServiceErrorKind::Malformed);
    assert_eq!(count(&server).await, PAGES);
}

#[tokio::test]
async fn absence_refusal_outage_and_size_are_told_apart() {
    let no_bucket = json!({"error": {"code": 404, "message": "The specified bucket does not exist."}});
    for (answer, kind) in [
        (ResponseTemplate::new(401), ServiceErrorKind::Unauthorized),
        (ResponseTemplate::new(403), ServiceErrorKind::Forbidden),
        (ResponseTemplate::new(503), ServiceErrorKind::Unavailable),
        (ResponseTemplate::new(404).set_body_json(no_bucket), ServiceErrorKind::NotFound),
        (ResponseTemplate::new(200).set_body_bytes(vec![b'x'; LARGEST + 1]), ServiceErrorKind::Malformed),
    ] {
        let server = MockServer::start().await;
        media(&server, "a", answer).await;
        assert_eq!(client(&server).read("a").await.unwrap_err().kind, kind);
    }
    for answer in [
        missing(),
        ResponseTemplate::new(404).set_body_json(json!({"error": {"code": 404, "message": "Not Found"}})),
    ] {
        let server = MockServer::start().await;
        media(&server, "a", answer).await;
        assert_eq!(client(&server).read("a").await.unwrap(), None);
    }
    // Answers of a proxy, not of the store.
    for body in
        ["<html>no such page</html>", "", "Not Found", "404 page not found\n", r#"{"error": "not found"}"#]
    {
        let server = MockServer::start().await;
        media(&server, "a", ResponseTemplate::new(404).set_body_string(body)).await;
        assert_eq!(
            client(&server).read("a").await.unwrap_err().kind,
            ServiceErrorKind::Unavailable,
            "{body}"
        );
    }
}

#[tokio::test]
async fn lists_come_in_all_spellings_of_nothing() {
    for page in
        [json!({}), json!({"items": null, "prefixes": null, "nextPageToken": null}), json!({"items": []})]
    {
        let server = MockServer::start().await;
        Mock::given(path(LIST)).respond_with(ok(page)).mount(&server).await;
        assert_eq!(client(&server).qe_report(&run()).await.unwrap(), None);
    }
}

/// What Prow leaves in the folder of run 7.
fn object(id: &str, build: &Value, state: &str, completed: Option<&str>) -> ResponseTemplate {
    ok(json!({
        "metadata": {"name": id, "annotations": null, "labels": null},
        "spec": {"job": "periodic-demo", "pod_spec": {"containers": [{"args": ["--x", "--target=aws"], "env": null}]}},
        "status": {
            "state": state, "build_id": build, "startTime": "2026-01-02T03:04:05Z", "completionTime": completed,
        },
    }))
}

async fn ended(objects: Vec<(&str, ResponseTemplate)>) -> Result<Option<EndedRun>, ServiceError> {
    let server = MockServer::start().await;
    for (name, answer) in objects {
        media(&server, &format!("logs/periodic-demo/7/{name}"), answer).await;
    }
    Mock::given(method("GET")).respond_with(missing()).mount(&server).await;
    client(&server).ended_run(&run(), "id-7").await
}

/// The answer to a download of a missing object.
fn missing() -> ResponseTemplate {
    ResponseTemplate::new(404).set_body_raw("No such object: demo/x", "text/html; charset=UTF-8")
}

#[tokio::test]
async fn only_a_final_object_of_the_run_in_its_own_folder_settles_its_end() {
    let time = "2026-01-02T05:06:07Z";
    let end = Some(time);
    let finished = || {
        let content = json!({"timestamp": 1_767_330_367, "passed": false, "result": "FAILURE"});
        ("finished.json", ok(content))
    };
    let prowjob = |answer: ResponseTemplate| ("prowjob.json", answer);
    // The pod reports a failure; Prow, which decides, reports that the run was killed.
    let objects = vec![finished(), prowjob(object("id-7", &json!("7"), "aborted", end))];
    let seen = ended(objects).await.unwrap().unwrap();
    assert_eq!((seen.state, seen.completed.to_string().as_str()), (ProwState::Aborted, time));
    assert_eq!(seen.started.unwrap().to_string(), "2026-01-02T03:04:05Z");
    // When the object has no time, the pod's counts.
    let objects = vec![finished(), prowjob(object("id-7", &json!("7"), "success", None))];
    assert_eq!(ended(objects).await.unwrap().unwrap().state, ProwState::Success);
    for (objects, why) in [
        (vec![], "nothing is there"),
        (vec![finished()], "a pod that was replaced left its end"),
        (vec![finished(), prowjob(object("id-7", &json!("7"), "pending", None))], "so it is as yet"),
        (
            vec![finished(), prowjob(object("id-7", &json!("8"), "failure", end))],
            "another folder is the run's",
        ),
        (vec![finished(), prowjob(object("id-7", &Value::Null, "failure", end))], "it tells no folder"),
        (vec![finished(), prowjob(object("id-8", &json!("7"), "failure", end))], "another run's"),
        (vec![prowjob(object("id-7", &json!("7"), "success", None))], "nothing tells when"),
    ] {
        assert_eq!(ended(objects).await.unwrap(), None, "{why}");
    }
    let error = ended(vec![prowjob(ResponseTemplate::new(403))]).await.unwrap_err();
    assert_eq!(error.kind, ServiceErrorKind::Forbidden);
}

#[tokio::test]
async fn without_the_right_to_list_the_report_is_asked_for_by_its_name_and_its_absence_is_not_known() {
    let refused = json!({"error": {"code": 403, "message": "demo does not have storage.objects.list access (or it may not exist)."}});
    let refused = || ResponseTemplate::new(403).set_body_json(&refused);
    for (report, found) in [(ResponseTemplate::new(200).set_body_string("a: {}\n"), true), (refused(), false)]
    {
        let server = MockServer::start().await;
        Mock::given(path(LIST)).respond_with(refused()).mount(&server).await;
        let job = object("id-7", &json!("7"), "success", None);
        media(&server, "logs/periodic-demo/7/prowjob.json", job).await;
        media(&server, REPORT, report).await;
        let report = client(&server).qe_report(&run()).await;
        if found {
            assert_eq!(report.unwrap().as_deref(), Some("a: {}\n"));
            continue;
        }
        let error = report.unwrap_err();
        assert_eq!(error.kind, ServiceErrorKind::Forbidden);
        assert!(error.hint.unwrap().contains("storage.objects.list"));
    }
}
