use serde_json::json;
use wiremock::matchers::{header, header_exists, method, path, query_param};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::*;
use crate::clock::Clock;
use crate::http::HttpSettings;
use crate::redact::Redactor;

fn client(server: &MockServer) -> JenkinsClient {
    let settings =
        HttpSettings { retry_delay: std::time::Duration::from_millis(1), ..HttpSettings::default() };
    let http = Http::new(settings, Clock::system(), Redactor::default()).unwrap();
    let base = format!("{}/ci", server.uri()).parse().unwrap();
    JenkinsClient::new(http, base, "user".into(), "token".into())
}

fn job() -> JobPath {
    "folder/Stage".parse().unwrap()
}

fn wanted() -> IndexMap<String, String> {
    [("VERSION".to_owned(), "4.19".to_owned())].into()
}

fn queued(server: &MockServer) -> ResponseTemplate {
    ResponseTemplate::new(201).insert_header("location", format!("{}/ci/queue/item/4411/", server.uri()))
}

async fn trigger(server: &MockServer) -> Result<u64, ServiceError> {
    client(server).trigger(&job(), &wanted(), &WritePermit::granted_by_user_interface()).await
}

#[tokio::test]
async fn a_build_is_queued_with_one_request() {
    let server = MockServer::start().await;
    Mock::given(method("POST"))
        .and(path("/ci/job/folder/job/Stage/buildWithParameters"))
        .and(query_param("VERSION", "4.19"))
        .and(header("authorization", "Basic dXNlcjp0b2tlbg=="))
        .respond_with(queued(&server))
        .mount(&server)
        .await;
    assert_eq!(trigger(&server).await.unwrap(), 4411);
    assert_eq!(server.received_requests().await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_crumb_is_fetched_when_it_is_wanted_with_its_session() {
    let server = MockServer::start().await;
    Mock::given(method("GET"))
        .and(path("/ci/crumbIssuer/api/json"))
        .respond_with(
            ResponseTemplate::new(200)
                .insert_header("set-cookie", "JSESSIONID=s1; Path=/; HttpOnly")
                .set_body_json(json!({"crumb": "0f3c", "crumbRequestField": "Jenkins-Crumb"})),
        )
        .mount(&server)
        .await;
    Mock::given(method("POST"))
        .and(header("jenkins-crumb", "0f3c"))
        .and(header("cookie", "JSESSIONID=s1"))
        .respond_with(queued(&server))
        .mount(&server)
        .await;
    Mock::given(method("POST"))
        .respond_with(
            ResponseTemplate::new(403)
                .set_body_string("<html><title>Error 403 No valid crumb was included in the request</title>"),
        )
        .with_priority(9)
        .mount(&server)
        .await;
    assert_eq!(trigger(&server).await.unwrap(), 4411);
}

#[tokio::test]
async fn a_trigger_is_never_repeated_blindly() {
    for (answer, kind) in [
        (ResponseTemplate::new(500), ServiceErrorKind::Unclear),
        (ResponseTemplate::new(503), ServiceErrorKind::Unclear),
        (ResponseTemplate::new(201), ServiceErrorKind::Unclear),
        (ResponseTemplate::new(200), ServiceErrorKind::Unclear),
        (ResponseTemplate::new(401), ServiceErrorKind::Unauthorized),
        (ResponseTemplate::new(403), ServiceErrorKind::Forbidden),
        (ResponseTemplate::new(404), ServiceErrorKind::NotFound),
        (ResponseTemplate::new(400), ServiceErrorKind::Rejected),
    ] {
        let server = MockServer::start().await;
        Mock::given(header_exists("authorization")).respond_with(answer).mount(&server).await;
        assert_eq!(trigger(&server).await.unwrap_err().kind, kind);
        assert_eq!(server.received_requests().await.unwrap().len(), 1);
    }
}

#[tokio::test]
async fn builds_and_queue_items_come_with_their_parameters() {
    let server = MockServer::start().await;
    let actions = json!([
        {},
        null,
        {"_class": "hudson.model.CauseAction"},
        {"_class": "hudson.model.ParametersAction", "parameters": [
            {"_class": "hudson.model.StringParameterValue", "name": "VERSION", "value": "4.19"},
            {"_class": "hudson.model.BooleanParameterValue", "name": "DRY", "value": false},
            {"_class": "hudson.model.PasswordParameterValue", "name": "SECRET"},
        ]},
    ]);
    Mock::given(path("/ci/job/folder/job/Stage/api/json"))
        .respond_with(ResponseTemplate::new(200).set_body_json(json!({"builds": [
            {"number": 2, "url": "u2", "queueId": 9, "building": true, "inProgress": true, "result": null,
             "timestamp": 1_782_986_400_000_i64, "actions": actions},
            {"number": 1, "url": "u1", "building": false, "inProgress": false, "result": "UNSTABLE", "actions": []},
        ]})))
        .mount(&server)
        .await;
    let task = |url: &str| json!({"name": "Stage", "url": url});
    Mock::given(path("/ci/queue/api/json"))
        .respond_with(ResponseTemplate::new(200).set_body_json(json!({"items": [
            {"id": 7, "why": "waiting", "task": task("http://x/ci/job/folder/job/Stage/"), "actions": actions},
            {"id": 8, "task": task("http://x/ci/job/other/job/folder/job/Stage/"), "actions": []},
            {"id": 9, "task": task("http://x/ci/job/Stage/"), "actions": []},
            {"id": 10, "actions": []},
        ]})))
        .mount(&server)
        .await;
    let client = client(&server);
    let builds = client.builds(&job()).await.unwrap();
    assert_eq!((builds[0].running, builds[0].queue_item, builds[0].result), (true, Some(9), None));
    assert_eq!(builds[0].parameters.len(), 2);
    assert_eq!(builds[0].parameters["DRY"], "false");
    assert_eq!((builds[1].running, builds[1].result), (false, Some(BuildResult::Unstable)));
    let items = client.queued(&job()).await.unwrap();
    assert_eq!(items.iter().map(|item| item.number).collect::<Vec<_>>(), [7]);
    assert_eq!(items[0].parameters["VERSION"], "4.19");
    assert_eq!(client.build(&job(), 5).await.unwrap(), None);
    assert_eq!(client.queue_item(5).await.unwrap(), None);
}

#[test]
fn paths_and_locations_are_parsed_strictly() {
    assert_eq!("/zstreams/Stage-Pipeline/".parse::<JobPath>().unwrap().leaf(), "Stage-Pipeline");
    for bad in ["", "a//b", "../x", "a/..", "a?b"] {
        assert!(bad.parse::<JobPath>().is_err(), "{bad}");
    }
    assert_eq!(model::queue_number("https://ci.example.test/x/queue/item/4411/"), Some(4411));
    assert_eq!(model::queue_number("https://ci.example.test/job/x/4411/"), None);
}
