use serde_json::json;

use crate::{
    services::testing::{Answer, call, world},
    world::Shared,
};

async fn get(world: &Shared, path: &str) -> Answer {
    call(world, "GET", &format!("/release-controller/api/v1/releasestream/{path}"), &[], "").await
}

#[tokio::test]
async fn a_release_with_its_digest() {
    let world = world();
    let answer = get(&world, "4-stable/release/4.19.1").await;
    let release = answer.json();
    assert_eq!(release["phase"], "Accepted");
    let digest = release["changeLogJson"]["to"]["digest"].as_str().unwrap();
    assert!(digest.starts_with("sha256:") && digest.len() == 71, "{digest}");
    assert!(answer.text.ends_with("}\n") && answer.text.starts_with("{\n  \"name\""));
    assert!(get(&world, "4-stable/release/4.19.1?format=short").await.json().get("changeLogJson").is_none());
    world.release_controller.lock().payload_mut("4-stable", "4.19.1").unwrap().has_changelog = false;
    assert!(get(&world, "4-stable/release/4.19.1").await.json().get("changeLogJson").is_none());
}

#[tokio::test]
async fn what_is_absent_is_404() {
    let world = world();
    for path in [
        "4-stable/release/4.19.99",
        "9-stable/release/4.19.1",
        "5-stable/release/4.19.1",
        "9-stable/latest",
        "4-stable/latest?prefix=4.99",
        "9-stable/tags",
    ] {
        assert_eq!(get(&world, path).await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn the_latest_is_the_highest_accepted_version() {
    let world = world();
    let name = |path: &'static str| {
        let world = &world;
        async move { get(world, path).await.json()["name"].clone() }
    };
    assert_eq!(name("4-stable/latest?prefix=4.14").await, "4.14.60");
    assert_eq!(name("4-stable/latest?prefix=4.2").await, "4.21.2", "a plain prefix of the text");
    assert_eq!(name("5-stable/latest").await, "5.0.0-ec.3", "a pending one does not count");
    world.release_controller.lock().payload_mut("4-stable", "4.19.1").unwrap().phase = super::Phase::Rejected;
    assert_eq!(name("4-stable/latest?prefix=4.19").await, "4.19.0");
    let spec = get(&world, "4-stable/latest?prefix=4.14&format=pullSpec").await;
    assert_eq!(spec.text, "quay.io/openshift-release-dev/ocp-release:4.14.60-x86_64");
    assert_eq!(get(&world, "4-stable/latest?format=xml").await.status, 400);
    assert_eq!(name("4-stable/latest?prefix=4.14&rel=1").await, "4.14.59");
    assert_eq!(name("4-stable/latest?in=%3E%3D4.14.0%20%3C4.15.0").await, "4.14.60");
    assert_eq!(get(&world, "4-stable/latest?in=4.x").await.status, 400);
    assert_eq!(get(&world, "4-stable/latest?rel=99").await.status, 404);
    assert_eq!(get(&world, "4-stable/latest?since=1").await.status, 501);
}

#[tokio::test]
async fn tags_are_filtered_by_phase_only() {
    let world = world();
    let all = get(&world, "5-stable/tags?prefix=4").await.json();
    let accepted = get(&world, "5-stable/tags?phase=Accepted").await.json();
    assert_eq!(all["name"], "5-stable");
    assert_eq!(all["tags"].as_array().unwrap().len(), accepted["tags"].as_array().unwrap().len() + 1);
    assert_eq!(all["tags"][0]["phase"], "Pending");
}

#[test]
fn versions_are_ordered_by_number() {
    use super::model::version_key;
    let mut names = ["4.19.10", "4.19.9", "4.19.9-rc.10", "4.19.9-rc.2", "4.19.9-ec.3", "5.0.0"];
    names.sort_by_key(|name| version_key(name));
    assert_eq!(names, ["4.19.9-ec.3", "4.19.9-rc.2", "4.19.9-rc.10", "4.19.9", "4.19.10", "5.0.0"]);
}

#[test]
fn the_control_interface_changes_a_phase() {
    use crate::world::Simulated as _;
    let world = world();
    let mut state = world.release_controller.lock();
    let body = json!({"stream": "4-stable", "name": "4.19.1", "phase": "Pending"});
    state.change("set-phase", &body, world.clock.now()).unwrap();
    assert_eq!(state.snapshot()["streams"]["4-stable"]["4.19.1"], "Pending");
    assert!(state.change("other", &json!({}), world.clock.now()).is_err());
}

#[tokio::test]
async fn every_architecture_has_its_own_streams() {
    let world = world();
    let ask = async |path: &str| call(&world, "GET", &format!("/release-controller/{path}"), &[], "").await;
    let arm = ask("arm64/api/v1/releasestream/4-stable-arm64/latest?prefix=4.20.").await.json();
    assert_eq!(arm["pullSpec"], "quay.io/openshift-release-dev/ocp-release:4.20.5-aarch64");
    for wrong in ["4-stable-arm64", "4.20.0-0.nightly-arm64"] {
        assert_eq!(ask(&format!("amd64/api/v1/releasestream/{wrong}/tags")).await.status, 404, "{wrong}");
    }
    let nightly = ask("amd64/api/v1/releasestream/4.20.0-0.nightly/latest").await.json();
    let name = nightly["name"].as_str().unwrap();
    assert_eq!(nightly["pullSpec"], format!("registry.ci.openshift.org/ocp/release:{name}"));
    let multi = ask("multi/api/v1/releasestream/4.20.0-0.nightly-multi/latest").await.json();
    assert!(multi["pullSpec"].as_str().unwrap().contains("ocp-release-nightly@sha256:"), "{multi}");
    let all = ask("arm64/api/v1/releasestreams/accepted").await.json();
    assert!(all.as_object().unwrap().keys().all(|stream| stream.ends_with("-arm64")), "{all}");
}

#[tokio::test]
async fn the_knobs_of_the_streams() {
    use crate::world::Simulated as _;
    let world = world();
    let now = world.clock.now();
    let change = |operation: &str, body: serde_json::Value| {
        world.release_controller.lock().change(operation, &body, now).unwrap()
    };
    let latest = async || get(&world, "4-stable/latest?prefix=4.20.").await.json()["name"].clone();
    let before = latest().await;
    let left = change("step-back", json!({"stream": "4-stable", "prefix": "4.20."}));
    assert_eq!(left["left_accepted"], before);
    assert_ne!(latest().await, before);
    change("set-phase", json!({"stream": "4-stable", "name": before, "phase": "Accepted"}));
    assert_eq!(latest().await, before);

    change("changelog", json!({"busy": true}));
    let busy = get(&world, "4-stable/release/4.19.1").await;
    assert_eq!((busy.status, busy.header("retry-after")), (429, Some("60")));
    assert_eq!(get(&world, "4-stable/release/4.19.1?format=short").await.status, 200);
    change("fail-lookups", json!({"on": true}));
    assert_eq!(get(&world, "4-stable/release/4.19.1?format=short").await.status, 404);
    assert_eq!(get(&world, "4-stable/tags").await.status, 200);

    change("add", json!({"stream": "4-stable", "name": "4.20.9", "phase": "Accepted"}));
    assert_eq!(latest().await, "4.20.9");
    change("remove", json!({"stream": "4-stable", "name": "4.20.9"}));
    assert_eq!(latest().await, before);
    change("remove", json!({"stream": "4-stable"}));
    assert_eq!(get(&world, "4-stable/tags").await.status, 404);
}

#[tokio::test]
async fn approvals_are_the_labels_of_the_payload_objects() {
    let world = world();
    let path = "/release-controller/amd64/api/v1/releasestreams/approvals?team=QE&prefix=4.20";
    assert_eq!(call(&world, "GET", path, &[], "").await.json(), json!([]));
    let name = "4.20.5";
    let label = ("release.openshift.io/qe_state", "Accepted");
    world.kubernetes.lock().label("ocp", name, label.0, label.1).unwrap();
    let answer = call(&world, "GET", path, &[], "").await;
    assert_eq!(answer.json()[0]["name"], name);
    assert!(answer.text.starts_with("[\n {\n"), "{}", answer.text);
    let other = path.replace("QE", "TRT");
    assert_eq!(call(&world, "GET", &other, &[], "").await.json(), json!([]));
}
