use serde_json::json;
use wiremock::matchers::{header, header_exists, method, path, query_param};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::*;
use crate::clients::testing::{base, count, http, ok, permit};
use crate::error::{Classified, ErrorClass};

fn client(server: &MockServer) -> JenkinsClient {
    JenkinsClient::new(http(5), base(server, "/ci"), "user".into(), "token".into())
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

async fn trigger(server: &MockServer) -> Result<Queued, ServiceError> {
    client(server).trigger(&job(), &wanted(), &permit()).await
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
    assert_eq!(trigger(&server).await.unwrap(), Queued { number: 4411, waited_before: false });
    assert_eq!(count(&server).await, 1);
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
    assert_eq!(trigger(&server).await.unwrap().number, 4411);
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
        (ResponseTemplate::new(404), ServiceErrorKind::Forbidden),
        (ResponseTemplate::new(400), ServiceErrorKind::Rejected),
        (ResponseTemplate::new(409), ServiceErrorKind::Rejected),
        (
            ResponseTemplate::new(503).set_body_string("Please wait while Jenkins is getting ready to work"),
            ServiceErrorKind::Unavailable,
        ),
    ] {
        let server = MockServer::start().await;
        Mock::given(header_exists("authorization")).respond_with(answer).mount(&server).await;
        let error = trigger(&server).await.unwrap_err();
        assert_eq!(error.kind, kind, "{error}");
        assert!(Classified::hint(&error).is_some(), "{error}");
        assert_eq!(count(&server).await, 1);
    }
}

#[tokio::test]
async fn a_redirection_says_what_became_of_the_build() {
    for (status, location, expected) in [
        // An equal item is waiting; the address may name another host.
        (
            303,
            "http://inside.example.test/queue/item/4411/",
            Ok(Queued { number: 4411, waited_before: true }),
        ),
        (302, "https://ci.example.test/ci/queue/item/7", Ok(Queued { number: 7, waited_before: true })),
        // A plug-in vetoed it.
        (302, "https://ci.example.test/ci/job/folder/job/Stage/", Err(ServiceErrorKind::Rejected)),
        (302, "https://sso.example.test/login?from=x", Err(ServiceErrorKind::Unauthorized)),
        (303, "/securityRealm/commenceLogin", Err(ServiceErrorKind::Unauthorized)),
    ] {
        let server = MockServer::start().await;
        let answer = ResponseTemplate::new(status).insert_header("location", location);
        Mock::given(method("POST")).respond_with(answer).mount(&server).await;
        let got = trigger(&server).await.map_err(|error| error.kind);
        assert_eq!(got, expected, "{status} {location}");
        assert_eq!(count(&server).await, 1, "an address is never followed");
    }
}

async fn answer(path_: &str, body: serde_json::Value) -> MockServer {
    let server = MockServer::start().await;
    Mock::given(path(path_)).respond_with(ok(body)).mount(&server).await;
    server
}

const JOB: &str = "/ci/job/folder/job/Stage/api/json";
const QUEUE: &str = "/ci/queue/api/json";

#[tokio::test]
async fn every_spelling_of_nothing_is_read() {
    let build = json!({
        "number": 3, "url": null, "queueId": -1, "building": null, "inProgress": null, "result": null,
        "timestamp": 0, "actions": null,
    });
    let class = "org.jenkinsci.plugins.workflow.job.WorkflowJob";
    for body in [
        json!({"builds": [build.clone(), null, {"number": 2, "actions": [{}, null, {"parameters": null}]}]}),
        json!({"_class": class, "builds": [build.clone(), {"number": 2, "queueId": 0, "result": ""}]}),
    ] {
        let server = answer(JOB, body.clone()).await;
        let view = client(&server).job(&job()).await.unwrap();
        let builds = view.builds;
        assert_eq!(builds.len(), 2, "{body}");
        for build in &builds {
            assert_eq!((build.queue_item, build.started, build.running), (None, None, true), "{body}");
            assert!(build.parameters.is_empty() && build.url.is_empty(), "{body}");
        }
        assert_eq!(view.defined, None);
    }
    for body in [json!({"builds": []}), json!({"_class": class, "builds": null}), json!({"_class": class})] {
        assert_eq!(client(&answer(JOB, body).await).job(&job()).await.unwrap().builds, []);
    }
    for body in [json!({"items": []}), json!({"_class": "hudson.model.Queue", "items": null})] {
        assert_eq!(client(&answer(QUEUE, body).await).queued(&job()).await.unwrap(), []);
    }
    // Items of other jobs may have any form.
    let foreign = json!([{}, null, {"id": null, "task": null}, {"id": -4, "task": {}}, {"id": 5, "task": {"url": null}}]);
    let server = answer(QUEUE, json!({"items": foreign})).await;
    assert_eq!(client(&server).queued(&job()).await.unwrap(), []);
    let task = json!({"url": "http://x/ci/job/folder/job/Stage/"});
    for executable in [json!(null), json!({}), json!({"_class": "x", "number": null})] {
        let item = json!({"id": 7, "why": null, "cancelled": null, "inQueueSince": null, "task": task,
            "executable": executable, "actions": null});
        let server = answer("/ci/queue/item/7/api/json", item).await;
        let read = client(&server).queue_item(7).await.unwrap().unwrap();
        assert_eq!((read.build, read.cancelled, read.why), (None, false, None));
    }
}

#[tokio::test]
async fn an_answer_that_is_none_of_jenkins_says_nothing() {
    for body in [json!({}), json!({"error": "maintenance"}), json!({"builds": "none"}), json!([])] {
        let server = answer(JOB, body.clone()).await;
        let error = client(&server).job(&job()).await.unwrap_err();
        assert_eq!(error.kind, ServiceErrorKind::Malformed, "{body}");
        let server = answer(QUEUE, body.clone()).await;
        let error = client(&server).queued(&job()).await.unwrap_err();
        assert_eq!(error.kind, ServiceErrorKind::Malformed, "{body}");
    }
    // A refused read is never final, and a 404 proves nothing.
    for (status, class) in [
        (302, ErrorClass::Configuration),
        (400, ErrorClass::Unavailable),
        (401, ErrorClass::Configuration),
        (403, ErrorClass::Configuration),
        (404, ErrorClass::Configuration),
        (410, ErrorClass::Configuration),
        (422, ErrorClass::Unavailable),
        (500, ErrorClass::Unavailable),
    ] {
        let server = MockServer::start().await;
        let answer = ResponseTemplate::new(status).insert_header("location", "https://sso.example.test/");
        Mock::given(method("GET")).respond_with(answer).mount(&server).await;
        let error = client(&server).job(&job()).await.unwrap_err();
        assert_eq!(error.class(), class, "{status}: {error}");
        assert!(Classified::hint(&error).is_some(), "{status}: {error}");
    }
}

#[tokio::test]
async fn what_a_job_would_drop_or_refuse_is_known_before() {
    let property = json!([{}, {"parameterDefinitions": [
        {"name": "VERSION", "choices": ["4.18", "4.19"]}, {"name": "PULL_SPEC"}, {"name": null},
    ]}]);
    let server = answer(JOB, json!({"builds": [], "property": property})).await;
    let view = client(&server).job(&job()).await.unwrap();
    let wanted = |version: &str, name: &str| -> IndexMap<String, String> {
        [("VERSION".to_owned(), version.to_owned()), (name.to_owned(), "x".to_owned())].into()
    };
    assert_eq!(view.refuses(&wanted("4.19", "PULL_SPEC")), Vec::<String>::new());
    assert_eq!(view.refuses(&wanted("4.19", "METADATA_AD")), ["it does not define METADATA_AD"]);
    assert_eq!(view.refuses(&wanted("4.20", "PULL_SPEC")), ["its VERSION does not list `4.20`"]);
    let server = answer(JOB, json!({"builds": [], "property": [{}]})).await;
    let view = client(&server).job(&job()).await.unwrap();
    assert_eq!((view.defined.clone(), view.refuses(&wanted("4.20", "X")).len()), (None, 0), "not known");
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
            {"_class": "com.example.RunParameterValue", "name": "RUN", "jobName": "x", "number": "7"},
            {"_class": "com.example.ListValue", "name": "LIST", "value": ["a", 1]},
            {"_class": "hudson.model.StringParameterValue", "name": "NULL", "value": null},
            {"_class": "com.example.NumberValue", "name": "NUMBER", "value": 7},
            {"_class": "com.example.Nameless", "value": {}},
            null,
        ]},
    ]);
    Mock::given(path("/ci/job/folder/job/Stage/api/json"))
        .respond_with(ok(json!({"builds": [
            {"number": 2, "url": "u2", "queueId": 9, "building": true, "inProgress": true, "result": null,
             "timestamp": 1_782_986_400_000_i64, "actions": actions},
            {"number": 1, "url": "u1", "building": false, "inProgress": false, "result": "UNSTABLE", "actions": []},
        ]})))
        .mount(&server)
        .await;
    let task = |url: &str| json!({"name": "Stage", "url": url});
    Mock::given(path("/ci/queue/api/json"))
        .respond_with(ok(json!({"items": [
            {"id": 7, "why": "waiting", "task": task("http://x/ci/job/folder/job/Stage/"), "actions": actions},
            {"id": 8, "task": task("http://x/ci/job/other/job/folder/job/Stage/"), "actions": []},
            {"id": 9, "task": task("http://x/ci/job/Stage/"), "actions": []},
            {"id": 10, "actions": []},
        ]})))
        .mount(&server)
        .await;
    let client = client(&server);
    let builds = client.job(&job()).await.unwrap().builds;
    assert_eq!((builds[0].running, builds[0].queue_item, builds[0].result), (true, Some(9), None));
    let read: Vec<String> =
        builds[0].parameters.iter().map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!(read, ["VERSION=4.19", "DRY=false", "LIST=[\"a\",1]", "NUMBER=7"]);
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
    assert_eq!(model::queue_number("/queue/item/4411?x=1"), Some(4411));
    assert_eq!(model::queue_number("https://ci.example.test/job/x/4411/"), None);
    assert_eq!(model::queue_number("https://ci.example.test/queue/item/none/"), None);
}
