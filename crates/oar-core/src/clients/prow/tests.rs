use wiremock::matchers::{method, path, query_param};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::*;
use crate::clients::testing::{base, http};

const ID: &str = "0b8e7c1a-1111-4222-8333-944455556666";
const JOB: &str = r#"
apiVersion: prow.k8s.io/v1
kind: ProwJob
metadata:
  annotations: {demo.example.test/intent: key-1}
  name: 0b8e7c1a-1111-4222-8333-944455556666
  namespace: ci
spec:
  job: periodic-demo
  pod_spec:
    containers:
    - env:
      - {name: PAYLOAD, value: "registry.example.test/release:4.19.1-x86_64"}
      - {name: SECRET, valueFrom: {secretKeyRef: {name: x, key: y}}}
  type: periodic
status:
  completionTime: "2026-01-02T05:06:07Z"
  startTime: "2026-01-02T03:04:05Z"
  state: success
  url: https://deck.example.test/view/gs/demo/logs/periodic-demo/2099
"#;

async fn ask(answer: ResponseTemplate) -> Result<Option<ProwJob>, ServiceError> {
    let server = MockServer::start().await;
    Mock::given(method("GET"))
        .and(path("/deck/prowjob"))
        .and(query_param("prowjob", ID))
        .respond_with(answer)
        .mount(&server)
        .await;
    ProwClient::new(http(1), base(&server, "/deck")).job(ID).await
}

#[tokio::test]
async fn a_job_is_read_with_its_environment_and_annotations() {
    let job = ask(ResponseTemplate::new(200).set_body_string(JOB)).await.unwrap().unwrap();
    assert_eq!((job.job.as_str(), job.state), ("periodic-demo", ProwState::Success));
    assert_eq!(job.envs.get("PAYLOAD").unwrap(), "registry.example.test/release:4.19.1-x86_64");
    assert_eq!(job.envs.len(), 1, "a secret has no value here");
    assert_eq!(job.annotations.get("demo.example.test/intent").unwrap(), "key-1");
    assert_eq!(job.started.unwrap().to_string(), "2026-01-02T03:04:05Z");
}

#[tokio::test]
async fn a_job_without_state_is_not_scheduled_yet() {
    let (head, _) = JOB.split_once("status:").unwrap();
    let job = ask(ResponseTemplate::new(200).set_body_string(head)).await.unwrap().unwrap();
    assert_eq!((job.state, job.url), (ProwState::Scheduling, None));
}

#[tokio::test]
async fn absence_damage_and_outage_are_told_apart() {
    let missing =
        |words: &str| ResponseTemplate::new(404).set_body_string(format!("ProwJob not found: {words}\n"));
    let absent = format!("prowjobs.prow.k8s.io \"{ID}\" not found");
    assert_eq!(ask(missing(&absent)).await.unwrap(), None);
    for (answer, kind) in [
        // The deck answers 404 to every failure.
        (ResponseTemplate::new(404), ServiceErrorKind::Unavailable),
        (
            missing("Get \"https://10.0.0.1:443/apis\": context deadline exceeded"),
            ServiceErrorKind::Unavailable,
        ),
        (
            missing("prowjobs.prow.k8s.io is forbidden: User cannot get resource"),
            ServiceErrorKind::Unavailable,
        ),
        (missing(&absent.replace("0b8e7c1a", "ffffffff")), ServiceErrorKind::Unavailable),
        (ResponseTemplate::new(503), ServiceErrorKind::Unavailable),
        (ResponseTemplate::new(200).set_body_string("<html>"), ServiceErrorKind::Malformed),
        (
            ResponseTemplate::new(200).set_body_string(JOB.replace("state: success", "state: odd")),
            ServiceErrorKind::Malformed,
        ),
        (
            ResponseTemplate::new(200).set_body_string(JOB.replace("0b8e7c1a", "ffffffff")),
            ServiceErrorKind::Malformed,
        ),
    ] {
        assert_eq!(ask(answer).await.unwrap_err().kind, kind);
    }
}

#[tokio::test]
async fn nothing_comes_in_all_spellings() {
    let text = format!(
        "metadata: {{name: {ID}, annotations: {{a: null}}}}\nspec: {{job: null, pod_spec: {{containers: [{{args: null, \
         env: null}}, {{env: [{{name: A, value: null}}]}}]}}}}\nstatus: {{state: \"\", url: \"\", startTime: null, \
         build_id: \"\"}}\n"
    );
    for text in [
        text,
        format!(
            "metadata: {{name: {ID}, annotations: null}}\nspec: {{pod_spec: {{containers: null}}}}\nstatus: null\n"
        ),
        format!("metadata: {{name: {ID}}}\nspec: {{pod_spec: null}}\nstatus: {{}}\n"),
    ] {
        let job = ask(ResponseTemplate::new(200).set_body_string(&text)).await.unwrap().unwrap();
        assert_eq!(
            (job.state, job.url, job.build, job.envs.len()),
            (ProwState::Scheduling, None, None, 0),
            "{text}"
        );
    }
}

#[test]
fn states_are_read_in_both_spellings() {
    assert_eq!(ProwState::parse("PENDING"), Some(ProwState::Pending));
    assert_eq!(ProwState::parse("pending"), Some(ProwState::Pending));
    assert_eq!(ProwState::parse("unspecified"), None);
    assert!(ProwState::Aborted.is_final() && !ProwState::Scheduling.is_final());
}
