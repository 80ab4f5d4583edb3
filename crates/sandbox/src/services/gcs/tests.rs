use std::collections::BTreeMap;

use serde_json::json;

use super::Report;
use crate::{
    credentials,
    scenario::records::{NIGHTLY_JOB, UPGRADE_JOB},
    services::{
        prow::{JobState, QE_BUCKET},
        testing::{Answer, call, world},
    },
    world::Shared,
};

const LIST: &str = "/gcs/storage/v1/b/qe-private-deck/o";

async fn get(world: &Shared, path: &str) -> Answer {
    let bearer = format!("Bearer {}", credentials::GCS_TOKEN);
    call(world, "GET", path, &[("authorization", &bearer)], "").await
}

/// A finished run of `job`: the folder of its artifacts.
fn finished(world: &Shared, job: &str, outcome: JobState) -> String {
    let duration = jiff::SignedDuration::from_hours(3);
    let mut state = world.prow.lock();
    state.script(job, outcome, duration);
    let now = world.clock.now();
    let run = state.start(job, BTreeMap::new(), BTreeMap::new(), BTreeMap::new(), now);
    world.clock.advance(duration);
    format!("logs/{job}/{}", run.build)
}

#[tokio::test]
async fn the_report_is_found_with_one_request() {
    let world = world();
    let run = finished(&world, NIGHTLY_JOB, JobState::Failure);
    let glob = format!("{run}/artifacts/*/openshift-e2e-test-qe-report/artifacts/test-results.yaml");
    let found = get(&world, &format!("{LIST}?projection=noAcl&prefix={run}/&matchGlob={glob}")).await.json();
    assert_eq!(found["items"].as_array().unwrap().len(), 1, "{found}");
    let name = found["items"][0]["name"].as_str().unwrap().replace('/', "%2F");
    let media = format!("/gcs/download/storage/v1/b/{QE_BUCKET}/o/{name}?alt=media");
    let answer = get(&world, &media).await;
    assert!(answer.text.contains("failures: 1") && answer.header("x-goog-hash").is_some(), "{answer:?}");
    let upgrade = finished(&world, UPGRADE_JOB, JobState::Success);
    let none = get(&world, &format!("{LIST}?prefix={upgrade}/&matchGlob={glob}")).await.json();
    assert!(none.get("items").is_none(), "{none}");
    let end = get(&world, &format!("{LIST}/{}", format!("{run}/finished.json").replace('/', "%2F"))).await;
    assert_eq!(end.json()["contentType"], "application/json");
}

#[tokio::test]
async fn a_tree_has_pages_and_folders() {
    let world = world();
    let run = finished(&world, NIGHTLY_JOB, JobState::Success);
    let first = get(&world, &format!("{LIST}?prefix={run}/")).await.json();
    assert_eq!(first["items"].as_array().unwrap().len(), 1_000);
    let token = first["nextPageToken"].as_str().unwrap();
    let second = get(&world, &format!("{LIST}?prefix={run}/&pageToken={token}")).await.json();
    assert_eq!(second["items"].as_array().unwrap().len(), 105);
    assert!(second.get("nextPageToken").is_none());
    let folders = get(&world, &format!("{LIST}?prefix={run}/&delimiter=/")).await.json();
    assert_eq!(folders["prefixes"], json!([format!("{run}/artifacts/")]));
    assert_eq!(folders["items"].as_array().unwrap().len(), 4);
    let one = get(&world, &format!("{LIST}?prefix={run}/&delimiter=/&maxResults=2")).await.json();
    assert_eq!(one["prefixes"].as_array().unwrap().len() + one["items"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn reports_can_be_chosen() {
    let world = world();
    let run = finished(&world, NIGHTLY_JOB, JobState::Success);
    let glob = format!("{run}/artifacts/*/openshift-e2e-test-qe-report/artifacts/test-results.yaml");
    for (report, found) in [(Report::Absent, false), (Report::Repeated, true)] {
        world.gcs.lock().reports.insert(NIGHTLY_JOB.to_owned(), report);
        let answer = get(&world, &format!("{LIST}?matchGlob={glob}&prefix={run}/")).await.json();
        assert_eq!(answer.get("items").is_some(), found);
    }
}

#[tokio::test]
async fn refusals() {
    let world = world();
    for (header, status) in [
        (None, 401),
        (Some("Bearer wrong".to_owned()), 401),
        (Some(format!("Bearer {}", credentials::GCS_TOKEN_STRANGER)), 403),
    ] {
        let headers: Vec<(&str, &str)> =
            header.iter().map(|value| ("authorization", value.as_str())).collect();
        let answer = call(&world, "GET", LIST, &headers, "").await;
        assert_eq!((answer.status, answer.json()["error"]["code"].clone()), (status, json!(status)));
    }
    for (path, status) in [
        (format!("{LIST}/none"), 404),
        ("/gcs/storage/v1/b/none/o".to_owned(), 404),
        (format!("{LIST}?matchGlob=%7Ba"), 400),
        (format!("{LIST}?pageToken=!"), 400),
        (format!("{LIST}?versions=true"), 501),
    ] {
        assert_eq!(get(&world, &path).await.status, status, "{path}");
    }
}
