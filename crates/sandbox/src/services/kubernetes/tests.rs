use serde_json::{Value, json};

use crate::{
    credentials,
    services::testing::{Answer, call, world},
    world::Shared,
};

const PAYLOADS: &str = "/kube/apis/release.openshift.io/v1alpha1/namespaces/ocp/releasepayloads";
const LEASES: &str = "/kube/apis/coordination.k8s.io/v1/namespaces/release-tools/leases";
const LABEL: &str = "release.openshift.io/qe_state";

async fn ask(world: &Shared, token: &str, method: &str, path: &str, body: &Value) -> Answer {
    let bearer = format!("Bearer {token}");
    let kind = if method == "PATCH" { "application/merge-patch+json" } else { "application/json" };
    let body = if body.is_null() { String::new() } else { body.to_string() };
    call(world, method, path, &[("authorization", &bearer), ("content-type", kind)], body).await
}

fn patch(value: &str) -> Value {
    json!({"metadata": {"labels": {LABEL: value}}})
}

#[tokio::test]
async fn a_payload_is_labelled_once() {
    let world = world();
    let token = credentials::KUBE_TOKEN;
    let one = format!("{PAYLOADS}/4.20.5");
    let before = ask(&world, token, "GET", &one, &Value::Null).await.json();
    assert_eq!(
        (before["kind"].clone(), before["metadata"]["labels"].clone()),
        (json!("ReleasePayload"), Value::Null)
    );
    let after = ask(&world, token, "PATCH", &one, &patch("Accepted")).await;
    assert_eq!((after.status, after.json()["metadata"]["labels"][LABEL].clone()), (200, json!("Accepted")));
    let version = after.json()["metadata"]["resourceVersion"].clone();
    assert_ne!(version, before["metadata"]["resourceVersion"]);
    let again = ask(&world, token, "PATCH", &one, &patch("Accepted")).await.json();
    assert_eq!(again["metadata"]["resourceVersion"], version, "nothing changed");
    let mut stale = patch("Rejected");
    stale["metadata"]["resourceVersion"] = before["metadata"]["resourceVersion"].clone();
    let moved = ask(&world, token, "PATCH", &one, &stale).await;
    assert_eq!((moved.status, moved.json()["reason"].clone()), (409, json!("Conflict")));
    let selected =
        ask(&world, token, "GET", &format!("{PAYLOADS}?labelSelector={LABEL}%3DAccepted"), &Value::Null)
            .await
            .json();
    assert_eq!(selected["items"].as_array().unwrap().len(), 1);
    assert_eq!(selected["kind"], "ReleasePayloadList");
    world.release_controller.lock().remove("4-stable", "4.20.5");
    assert_eq!(ask(&world, token, "GET", &one, &Value::Null).await.status, 404, "recycled");
}

#[tokio::test]
async fn payloads_of_other_architectures_live_elsewhere() {
    let world = world();
    let path = "/kube/apis/release.openshift.io/v1alpha1/namespaces/ocp-arm64/releasepayloads/4.20.5";
    assert_eq!(ask(&world, credentials::KUBE_TOKEN, "GET", path, &Value::Null).await.status, 200);
    let list = ask(&world, credentials::KUBE_TOKEN, "GET", &format!("{PAYLOADS}?limit=3"), &Value::Null)
        .await
        .json();
    assert_eq!(
        (list["items"].as_array().unwrap().len(), list["metadata"]["continue"].clone()),
        (3, json!("3"))
    );
}

#[tokio::test]
async fn refusals_are_status_objects() {
    let world = world();
    let one = format!("{PAYLOADS}/4.20.5");
    for (token, method, path, body, code, reason) in [
        ("wrong", "GET", one.as_str(), Value::Null, 401, "Unauthorized"),
        (credentials::KUBE_TOKEN_READER, "PATCH", &one, patch("Accepted"), 403, "Forbidden"),
        (credentials::KUBE_TOKEN, "GET", &format!("{PAYLOADS}/none"), Value::Null, 404, "NotFound"),
        (credentials::KUBE_TOKEN, "PATCH", &one, patch("no way"), 422, "Invalid"),
        (credentials::KUBE_TOKEN, "PATCH", &format!("{PAYLOADS}/none"), patch("Accepted"), 404, "NotFound"),
    ] {
        let answer = ask(&world, token, method, path, &body).await;
        let status = answer.json();
        assert_eq!((answer.status, status["kind"].clone()), (code, json!("Status")), "{answer:?}");
        assert_eq!((status["reason"].clone(), status["code"].clone()), (json!(reason), json!(code)));
    }
    let anonymous = call(&world, "GET", &one, &[], "").await;
    assert_eq!(anonymous.status, 403);
    assert!(anonymous.text.contains("system:anonymous"), "{anonymous:?}");
    let bearer = format!("Bearer {}", credentials::KUBE_TOKEN);
    let plain = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    assert_eq!(call(&world, "PATCH", &one, &plain, patch("Accepted").to_string()).await.status, 415);
}

fn lease(holder: &str, version: Option<&Value>) -> Value {
    let mut metadata = json!({"name": "controller"});
    if let Some(version) = version {
        metadata["resourceVersion"] = version.clone();
    }
    json!({
        "apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata,
        "spec": {"holderIdentity": holder, "leaseDurationSeconds": 60, "renewTime": "2026-07-02T12:00:00.000000Z"},
    })
}

#[tokio::test]
async fn what_a_lease_does_not_say_is_left_out_of_the_answer() {
    let world = world();
    let token = credentials::KUBE_TOKEN;
    let one = format!("{LEASES}/controller");
    let mut given_up = lease("", None);
    given_up["spec"] =
        json!({"holderIdentity": "", "leaseDurationSeconds": 60, "renewTime": null, "acquireTime": null});
    let made = ask(&world, token, "POST", LEASES, &given_up).await;
    assert_eq!(made.status, 201, "{made:?}");
    assert_eq!(made.json()["spec"], json!({"holderIdentity": "", "leaseDurationSeconds": 60}));
    let mut bare = lease("", Some(&made.json()["metadata"]["resourceVersion"]));
    bare.as_object_mut().unwrap().remove("spec");
    assert_eq!(ask(&world, token, "PUT", &one, &bare).await.json()["spec"], json!({}));
}

#[tokio::test]
async fn a_lease_is_taken_by_one_of_two() {
    let world = world();
    let token = credentials::KUBE_TOKEN;
    let one = format!("{LEASES}/controller");
    assert_eq!(ask(&world, token, "GET", &one, &Value::Null).await.status, 404);
    let made = ask(&world, token, "POST", LEASES, &lease("first", None)).await;
    assert_eq!(made.status, 201, "{made:?}");
    let twice = ask(&world, token, "POST", LEASES, &lease("second", None)).await;
    assert_eq!((twice.status, twice.json()["reason"].clone()), (409, json!("AlreadyExists")));
    let version = made.json()["metadata"]["resourceVersion"].clone();
    assert_eq!(ask(&world, token, "PUT", &one, &lease("second", Some(&version))).await.status, 200);
    let late = ask(&world, token, "PUT", &one, &lease("first", Some(&version))).await;
    assert_eq!((late.status, late.json()["reason"].clone()), (409, json!("Conflict")));
    assert_eq!(ask(&world, token, "PUT", &one, &lease("first", None)).await.status, 422);
    let mut odd = lease("x", Some(&version));
    odd["spec"]["renewTime"] = json!("2026-07-02T12:00:00Z");
    odd["metadata"]["name"] = json!("other");
    assert_eq!(ask(&world, token, "POST", LEASES, &odd).await.status, 400, "not in microseconds");
    assert_eq!(ask(&world, token, "DELETE", &one, &Value::Null).await.status, 200);
}
