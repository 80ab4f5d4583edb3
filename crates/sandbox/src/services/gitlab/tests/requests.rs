use serde_json::{Value, json};

use super::{REQUEST, get, send, send_as};
use crate::{
    scenario::gitlab::REPORTER_TOKEN,
    services::{gitlab::MergeRequestState, testing::world},
    world::Shared,
};

#[tokio::test]
async fn the_shipment_by_both_names_of_its_project() {
    let world = world();
    let by_id = get(&world, REQUEST).await.json();
    let path = "projects/hybrid-platforms%2Fart%2Focp-shipment-data/merge_requests/612";
    assert_eq!(get(&world, path).await.json(), by_id);
    assert_eq!((&by_id["state"], &by_id["labels"]), (&json!("opened"), &json!(["stage-release-success"])));
    assert_eq!(
        by_id["web_url"],
        "http://127.0.0.1:8765/gitlab/hybrid-platforms/art/ocp-shipment-data/-/merge_requests/612"
    );
    assert_eq!(by_id["detailed_merge_status"], "not_approved");
    assert_eq!(by_id["diff_refs"]["head_sha"], by_id["sha"]);
    let absent = get(&world, "projects/5150/merge_requests/1").await;
    assert_eq!((absent.status, absent.json()), (404, json!({"message": "404 Not found"})));
    assert_eq!(get(&world, "projects/5150/merge_requests/x").await.status, 400);
}

async fn iids(world: &Shared, query: &str) -> Vec<Value> {
    let answer = get(world, &format!("projects/5150/merge_requests{query}")).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json().as_array().unwrap().iter().map(|request| request["iid"].clone()).collect()
}

#[tokio::test]
async fn lists_are_filtered() {
    let world = world();
    assert_eq!(iids(&world, "").await, [613, 612, 611]);
    assert_eq!(iids(&world, "?state=opened&sort=asc").await, [612, 613]);
    assert_eq!(iids(&world, "?search=SHIPMENT+for+4.19.1&state=opened").await, [612]);
    assert_eq!(iids(&world, "?search=created+by+job").await.len(), 3, "the description counts");
    assert_eq!(iids(&world, "?search=created+by+job&in=title").await.len(), 0);
    assert_eq!(iids(&world, "?labels=prod-release-success").await, [611]);
    assert_eq!(iids(&world, "?iids[]=612&iids[]=611&order_by=title").await.len(), 2);
    assert_eq!(iids(&world, "?source_branch=later").await, [613]);
    for bad in ["state=open", "order_by=size", "sort=up"] {
        assert_eq!(get(&world, &format!("projects/5150/merge_requests?{bad}")).await.status, 400, "{bad}");
    }
    let own = get(&world, "merge_requests?search=Shipment").await.json();
    assert_eq!(own, json!([]), "without scope only one's own");
    assert_eq!(get(&world, "merge_requests?scope=all&state=merged").await.json()[0]["iid"], 611);
    assert_eq!(get(&world, "merge_requests?scope=some").await.status, 400);
}

#[tokio::test]
async fn an_update_changes_what_it_names() {
    let world = world();
    let body = r#"{"add_labels":"prod-release-success","remove_labels":["stage-release-success"]}"#;
    assert_eq!(send(&world, "PUT", REQUEST, body).await.json()["labels"], json!(["prod-release-success"]));
    assert_eq!(send(&world, "PUT", REQUEST, r#"{"title":"Draft: new"}"#).await.json()["draft"], true);
    assert_eq!(send(&world, "PUT", REQUEST, "state_event=close").await.json()["state"], "closed");
    assert_eq!(send(&world, "PUT", REQUEST, "state_event=reopen&labels=").await.json()["labels"], json!([]));
    let long = json!({"title": "x".repeat(256)}).to_string();
    for body in ["{}", r#"{"title":" "}"#, &long, "state_event=merge", r#"{"milestone":1}"#] {
        assert_eq!(send(&world, "PUT", REQUEST, body).await.status, 400, "{body}");
    }
    assert_eq!(send_as(&world, REPORTER_TOKEN, "PUT", REQUEST, "title=x").await.status, 403);
    let state = world.gitlab.lock();
    let request = state.merge_request(5150, 612).unwrap();
    assert_eq!((request.updates, request.title.as_str()), (4, "Draft: new"));
}

#[tokio::test]
async fn approving_once_with_the_right_commit() {
    let world = world();
    let approve = format!("{REQUEST}/approve");
    let before = get(&world, &format!("{REQUEST}/approvals")).await.json();
    assert_eq!((&before["approvals_left"], &before["user_can_approve"]), (&json!(1), &json!(true)));
    let moved = send(&world, "POST", &approve, r#"{"sha":"0000"}"#).await;
    assert_eq!(moved.status, 409);
    assert!(moved.json()["message"].as_str().unwrap().starts_with("SHA does not match HEAD"));
    let head = get(&world, REQUEST).await.json()["sha"].as_str().unwrap().to_owned();
    let done = send(&world, "POST", &approve, &json!({"sha": head}).to_string()).await;
    assert_eq!((done.status, &done.json()["approvals_left"]), (201, &json!(0)));
    assert_eq!(done.json()["approved_by"][0]["user"]["username"], "group_9_bot_ab12");
    let again = send(&world, "POST", &approve, "").await;
    assert_eq!((again.status, again.json()), (401, json!({"message": "401 Unauthorized"})));
    assert_eq!(get(&world, REQUEST).await.json()["detailed_merge_status"], "mergeable");
    assert_eq!(world.gitlab.lock().merge_request(5150, 612).unwrap().approved_by, [7001]);
    assert_eq!(send(&world, "POST", &format!("{REQUEST}/unapprove"), "").await.status, 201);
    assert_eq!(send(&world, "POST", &format!("{REQUEST}/unapprove"), "").await.status, 404);
}

#[tokio::test]
async fn who_may_not_approve() {
    let world = world();
    let approve = format!("{REQUEST}/approve");
    assert_eq!(send_as(&world, REPORTER_TOKEN, "POST", &approve, "").await.status, 401, "not eligible");
    world.gitlab.lock().merge_request_mut(5150, 612).unwrap().author = 7001;
    assert_eq!(send(&world, "POST", &approve, "").await.status, 401, "the author");
    let merge = |world: &Shared| {
        let mut state = world.gitlab.lock();
        let request = state.merge_request_mut(5150, 612).unwrap();
        (request.author, request.state) = (7002, MergeRequestState::Merged);
    };
    merge(&world);
    assert_eq!(send(&world, "POST", &approve, "").await.status, 401, "merged");
    assert_eq!(send(&world, "POST", "projects/5150/merge_requests/1/approve", "").await.status, 404);
}

#[test]
fn the_control_interface_prepares_cases() {
    use crate::world::Simulated as _;
    let world = world();
    let mut state = world.gitlab.lock();
    let body = json!({"project": 5150, "iid": 612, "state": "closed"});
    state.change("set-state", &body, world.clock.now()).unwrap();
    assert_eq!(state.snapshot()["merge_requests"]["5150!612"]["state"], "closed");
    assert!(state.change("set-state", &json!({"state": "gone"}), world.clock.now()).is_err());
    assert!(state.change("other", &json!({}), world.clock.now()).unwrap_err().contains("operations"));
}
