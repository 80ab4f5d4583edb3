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
    assert_eq!(name("4-stable/latest?prefix=4.2").await, "4.20.1", "a plain prefix of the text");
    assert_eq!(name("5-stable/latest").await, "5.0.0-ec.3", "a pending one does not count");
    world.release_controller.lock().payload_mut("4-stable", "4.19.1").unwrap().phase = super::Phase::Rejected;
    assert_eq!(name("4-stable/latest?prefix=4.19").await, "4.19.0");
    let spec = get(&world, "4-stable/latest?prefix=4.14&format=pullSpec").await;
    assert_eq!(spec.text, "quay.io/openshift-release-dev/ocp-release:4.14.60-x86_64");
    assert_eq!(get(&world, "4-stable/latest?format=xml").await.status, 400);
    assert_eq!(get(&world, "4-stable/latest?rel=1").await.status, 501);
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
