use serde_json::Value;
use wiremock::matchers::{header, method, path, query_param};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::*;
use crate::clients::testing::{base, http, ok, permit};
use crate::clock::Clock;
use crate::http::HttpSettings;
use crate::redact::Redactor;

fn client(server: &MockServer, form: TriggerForm) -> GangwayClient {
    GangwayClient::new(
        http(5),
        base(server, "/gangway"),
        "sha256~demo".into(),
        form,
        RateLimit { per_minute: 20, burst: 10 },
    )
}

fn trigger() -> Trigger {
    Trigger {
        job: "periodic-demo".into(),
        envs: [("PAYLOAD".to_owned(), "registry.example.test/r:4.19.1-x86_64".to_owned())].into(),
        annotations: [("demo.example.test/intent".to_owned(), "key-1".to_owned())].into(),
    }
}

pub(crate) fn started() -> ResponseTemplate {
    ok(json!({
        "id": "0b8e", "job_name": "periodic-demo", "job_type": "PERIODIC", "job_status": "TRIGGERED",
        "pod_spec_options": {"envs": {}, "labels": {}, "annotations": {}}, "gcs_path": "",
    }))
}

async fn start(
    form: TriggerForm,
    answers: Vec<ResponseTemplate>,
) -> (Result<Execution, ServiceError>, Vec<Value>) {
    let server = MockServer::start().await;
    let last = answers.len() - 1;
    for (index, answer) in answers.into_iter().enumerate() {
        let expected = match form {
            TriggerForm::JobInPath => "/gangway/v1/executions/periodic-demo",
            TriggerForm::JobInBody => "/gangway/v1/executions",
        };
        let mock = Mock::given(method("POST"))
            .and(path(expected))
            .and(header("authorization", "Bearer sha256~demo"))
            .respond_with(answer);
        let mock = if index == last { mock } else { mock.up_to_n_times(1) };
        mock.mount(&server).await;
    }
    let permit = permit();
    let outcome = client(&server, form).trigger(&trigger(), &permit).await;
    let requests = server.received_requests().await.unwrap();
    (outcome, requests.iter().map(|request| request.body_json().unwrap()).collect())
}

#[tokio::test]
async fn a_job_is_started_in_both_forms() {
    let (outcome, bodies) = start(TriggerForm::JobInPath, vec![started()]).await;
    let execution = outcome.unwrap();
    assert_eq!((execution.id.as_str(), execution.state), ("0b8e", Some(ProwState::Triggered)));
    assert_eq!(
        bodies,
        [json!({"job_execution_type": "1", "pod_spec_options": {
            "envs": {"PAYLOAD": "registry.example.test/r:4.19.1-x86_64"},
            "annotations": {"demo.example.test/intent": "key-1"}}})]
    );
    let (outcome, bodies) = start(TriggerForm::JobInBody, vec![started()]).await;
    assert!(outcome.is_ok());
    assert_eq!(bodies[0]["job_name"], "periodic-demo");
}

#[tokio::test]
async fn only_a_rate_limit_is_repeated() {
    let limited = ResponseTemplate::new(429).insert_header("retry-after", "0");
    let (outcome, bodies) = start(TriggerForm::JobInPath, vec![limited, started()]).await;
    assert_eq!((outcome.unwrap().id.as_str(), bodies.len()), ("0b8e", 2));
    for (answer, kind) in [
        (ResponseTemplate::new(500), ServiceErrorKind::Unclear),
        (ResponseTemplate::new(502), ServiceErrorKind::Unclear),
        (ResponseTemplate::new(401), ServiceErrorKind::Unauthorized),
        (ResponseTemplate::new(403), ServiceErrorKind::Forbidden),
        (ResponseTemplate::new(400), ServiceErrorKind::Rejected),
        (ResponseTemplate::new(200).set_body_string("<html>"), ServiceErrorKind::Unclear),
        (ok(json!({"id": ""})), ServiceErrorKind::Unclear),
    ] {
        let (outcome, bodies) = start(TriggerForm::JobInPath, vec![answer]).await;
        assert_eq!((outcome.unwrap_err().kind, bodies.len()), (kind, 1));
    }
}

#[tokio::test]
async fn executions_are_listed_by_the_cut_name_and_compared_by_the_whole_one() {
    let job = format!("periodic-{}-tail", "x".repeat(53));
    let server = MockServer::start().await;
    let row = |id: &str, job: &str| json!({"id": id, "job_name": job, "job_status": "SUCCESS"});
    Mock::given(method("GET"))
        .and(path("/gangway/v1/executions"))
        .and(query_param("job_name", format!("periodic-{}", "x".repeat(53))))
        .respond_with(ok(
            json!({"job_execution": [row("1", &job), row("2", &format!("{job}-2")), row("", &job)]}),
        ))
        .mount(&server)
        .await;
    let found = client(&server, TriggerForm::JobInPath).executions(&job).await.unwrap();
    assert_eq!(found.iter().map(|execution| execution.id.as_str()).collect::<Vec<_>>(), ["1"]);
    assert_eq!(label("short-name-"), "short-name-");
}

/// A clock whose sleeps are over at once, and which remembers them.
#[derive(Default)]
pub(crate) struct Hurry(pub(crate) std::sync::Mutex<Vec<std::time::Duration>>);

impl crate::clock::ClockSource for Hurry {
    fn now(&self) -> jiff::Timestamp {
        "2026-07-02T12:00:00Z".parse().unwrap()
    }

    fn sleep(&self, duration: std::time::Duration) -> futures::future::BoxFuture<'static, ()> {
        self.0.lock().unwrap().push(duration);
        Box::pin(std::future::ready(()))
    }

    fn random(&self) -> f64 {
        0.5
    }
}

#[tokio::test]
async fn requests_wait_for_their_turn() {
    let server = MockServer::start().await;
    let clock = std::sync::Arc::new(Hurry::default());
    let http = Http::new(HttpSettings::default(), Clock::new(clock.clone()), Redactor::default()).unwrap();
    let limit = RateLimit { per_minute: 6, burst: 1 };
    let gangway = GangwayClient::new(http, base(&server, ""), "t0ken".into(), TriggerForm::JobInPath, limit);
    Mock::given(method("GET")).respond_with(ok(json!({"job_execution": []}))).mount(&server).await;
    for _ in 0..4 {
        gangway.clone().executions("periodic-demo").await.unwrap();
    }
    let waits: Vec<u64> = clock.0.lock().unwrap().iter().map(std::time::Duration::as_secs).collect();
    assert_eq!(waits, [10, 20], "the clock stands, so each turn is ten seconds further");
}
