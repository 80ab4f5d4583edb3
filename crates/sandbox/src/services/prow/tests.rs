use serde_json::json;

use super::JobState;
use crate::{
    credentials,
    scenario::prow::IMAGE_CONSISTENCY_JOB,
    services::testing::{Answer, call, world},
    world::Shared,
};

async fn start(world: &Shared, token: &str, path: &str, body: &serde_json::Value) -> Answer {
    let bearer = format!("Bearer {token}");
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    call(world, "POST", &format!("/gangway/v1/executions{path}"), &headers, body.to_string()).await
}

fn body() -> serde_json::Value {
    json!({"job_execution_type": "1", "pod_spec_options": {"envs": {"A": "1"}, "annotations": {"k": "v"}}})
}

#[tokio::test]
async fn a_job_walks_to_its_end_by_the_clock() {
    let world = world();
    let path = format!("/{IMAGE_CONSISTENCY_JOB}");
    let answer = start(&world, credentials::APITOKEN, &path, &body()).await;
    assert_eq!((answer.status, answer.json()["job_status"].clone()), (200, json!("TRIGGERED")), "{answer:?}");
    let id = answer.json()["id"].as_str().unwrap().to_owned();
    let mut seen = Vec::new();
    for seconds in [0, 5, 30, 3600] {
        world.clock.advance(jiff::SignedDuration::from_secs(seconds));
        let text = call(&world, "GET", &format!("/prow/prowjob?prowjob={id}"), &[], "").await.text;
        assert!(text.contains("startTime: \"2026-07-02T12:00:00Z\""), "{text}");
        assert!(text.contains("\"k\": \"v\"") && text.contains("value: \"1\""), "{text}");
        let state = text.lines().find_map(|line| line.strip_prefix("  state: ")).unwrap().to_owned();
        seen.push((state, text.contains("  url: ")));
    }
    let state = |name: &str, url| (name.to_owned(), url);
    assert_eq!(
        seen,
        [
            state("scheduling", false),
            state("triggered", false),
            state("pending", true),
            state("success", true)
        ]
    );
    world.clock.advance(jiff::SignedDuration::from_hours(30));
    let kept = call(&world, "GET", &format!("/prow/prowjob?prowjob={id}"), &[], "").await;
    assert_eq!(kept.status, 200, "the newest of its name is kept");
    start(&world, credentials::APITOKEN, &path, &body()).await;
    let gone = call(&world, "GET", &format!("/prow/prowjob?prowjob={id}"), &[], "").await;
    assert_eq!(gone.status, 404, "{gone:?}");
    assert_eq!(call(&world, "GET", "/prow/prowjob", &[], "").await.status, 400);
}

#[tokio::test]
async fn what_gangway_refuses() {
    let world = world();
    let path = format!("/{IMAGE_CONSISTENCY_JOB}");
    let good = credentials::APITOKEN;
    let empty = json!({"job_execution_type": "1", "pod_spec_options": {"envs": {"A": ""}}});
    for (token, path, body, status) in [
        ("wrong", path.as_str(), body(), 401),
        (credentials::APITOKEN_OTHER_TENANT, &path, body(), 403),
        (good, "/periodic-nobody-knows", body(), 500),
        (good, &path, empty, 400),
        (good, &path, json!({}), 400),
        (good, "", body(), 400),
    ] {
        let answer = start(&world, token, path, &body).await;
        assert_eq!(answer.status, status, "{answer:?}");
    }
    assert!(world.prow.lock().jobs.is_empty());
    let mut named = body();
    named["job_name"] = json!(IMAGE_CONSISTENCY_JOB);
    assert_eq!(start(&world, good, "", &named).await.status, 200);
}

#[tokio::test]
async fn the_limit_is_shared_and_drains() {
    let world = world();
    let path = format!("/{IMAGE_CONSISTENCY_JOB}");
    let mut statuses = Vec::new();
    for _ in 0..12 {
        statuses.push(start(&world, credentials::APITOKEN, &path, &body()).await.status);
    }
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 11, "{statuses:?}");
    let limited = start(&world, credentials::APITOKEN, &path, &body()).await;
    assert_eq!((limited.status, limited.header("retry-after")), (429, Some("7")));
    world.clock.advance(jiff::SignedDuration::from_secs(7));
    assert_eq!(start(&world, credentials::APITOKEN, &path, &body()).await.status, 200);
}

#[tokio::test]
async fn executions_are_listed_by_label_and_state() {
    let world = world();
    world.prow.lock().script(IMAGE_CONSISTENCY_JOB, JobState::Failure, jiff::SignedDuration::from_secs(60));
    let path = format!("/{IMAGE_CONSISTENCY_JOB}");
    start(&world, credentials::APITOKEN, &path, &body()).await;
    world.clock.advance(jiff::SignedDuration::from_mins(2));
    start(&world, credentials::APITOKEN, &path, &body()).await;
    let bearer = format!("Bearer {}", credentials::APITOKEN);
    let label = super::gangway::label(IMAGE_CONSISTENCY_JOB);
    let list = async |query: &str| {
        let url = format!("/gangway/v1/executions?{query}");
        let answer = call(&world, "GET", &url, &[("authorization", &bearer)], "").await;
        answer.json()["job_execution"].as_array().map(Vec::len)
    };
    assert_eq!(list(&format!("job_name={label}")).await, Some(2));
    assert_eq!(list(&format!("job_name={label}&status=FAILURE")).await, Some(1));
    assert_eq!(list("job_name=periodic-other").await, Some(0));
}

#[tokio::test]
async fn a_job_is_seen_late_and_in_the_middle_of_its_end() {
    let world = world();
    let seconds = jiff::SignedDuration::from_secs;
    {
        let mut state = world.prow.lock();
        state.pace.visible_after = seconds(5);
        state.pace.change_takes = seconds(30);
        state.script(IMAGE_CONSISTENCY_JOB, JobState::Failure, seconds(100));
        state.script(IMAGE_CONSISTENCY_JOB, JobState::Error, seconds(100));
    }
    let path = format!("/{IMAGE_CONSISTENCY_JOB}");
    let id = |answer: &Answer| answer.json()["id"].as_str().unwrap().to_owned();
    let failing = id(&start(&world, credentials::APITOKEN, &path, &body()).await);
    let broken = id(&start(&world, credentials::APITOKEN, &path, &body()).await);
    let read = async |id: &str| call(&world, "GET", &format!("/prow/prowjob?prowjob={id}"), &[], "").await;
    assert_eq!(read(&failing).await.status, 404, "not visible yet");
    world.clock.advance(seconds(110));
    let text = read(&failing).await.text;
    assert!(text.contains("state: pending") && text.contains("completionTime:"), "{text}");
    world.clock.advance(seconds(30));
    let text = read(&failing).await.text;
    assert!(text.contains("state: failure") && text.contains("/view/gs/test-platform-results/"), "{text}");
    let text = read(&broken).await.text;
    assert!(text.contains("state: error") && !text.contains("url:"), "{text}");
}

#[tokio::test]
async fn the_limit_can_be_set() {
    use crate::world::Simulated as _;
    let world = world();
    let now = world.clock.now();
    world.prow.lock().change("limit", &json!({"per_minute": 6, "burst": 0}), now).unwrap();
    let path = format!("/{IMAGE_CONSISTENCY_JOB}");
    assert_eq!(start(&world, credentials::APITOKEN, &path, &body()).await.status, 200);
    assert_eq!(start(&world, credentials::APITOKEN, &path, &body()).await.status, 429);
    world.clock.advance(jiff::SignedDuration::from_secs(10));
    assert_eq!(start(&world, credentials::APITOKEN, &path, &body()).await.status, 200);
}
