use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::{REQUEST, get, send, send_as};
use crate::{
    scenario::gitlab::{FORK, REPORTER_TOKEN},
    services::{gitlab::MergeRequestState, testing::world},
    world::{Shared, Simulated as _},
};

const TARGET: &str = "prepare-shipment-4.19.1-20260625080910";

async fn head(world: &Shared) -> String {
    get(world, REQUEST).await.json()["sha"].as_str().unwrap().to_owned()
}

async fn image(world: &Shared) -> String {
    let changes = get(world, &format!("{REQUEST}/diffs")).await.json();
    let paths = changes.as_array().unwrap().iter().map(|change| change["new_path"].as_str().unwrap());
    paths.rev().find(|path| path.contains(".image.")).unwrap().to_owned()
}

/// A commit on a new branch of the fork, on top of the shipment.
async fn commit(world: &Shared, branch: &str, content: &str) -> Value {
    let body = json!({
        "branch": branch, "commit_message": "Drop bugs", "start_project": 5150, "start_sha": head(world).await,
        "actions": [{"action": "update", "file_path": image(world).await, "content": content}],
    });
    let answer = send(world, "POST", "projects/5151/repository/commits", &body.to_string()).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    answer.json()
}

async fn request(world: &Shared, branch: &str) -> Value {
    let body = json!({
        "source_branch": branch, "target_branch": TARGET, "target_project_id": 5150, "title": "4.19.1 drop bugs",
        "squash": true, "remove_source_branch": true,
    });
    let answer = send(world, "POST", "projects/5151/merge_requests", &body.to_string()).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    answer.json()
}

#[tokio::test]
async fn a_commit_makes_a_branch_on_top_of_another_project() {
    let world = world();
    let (head, path) = (head(&world).await, image(&world).await);
    let form = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("branch", "drop-1")
        .append_pair("commit_message", "Drop bugs")
        .append_pair("start_project", "hybrid-platforms/art/ocp-shipment-data")
        .append_pair("start_branch", TARGET)
        .append_pair("actions[][action]", "update")
        .append_pair("actions[][file_path]", &path)
        .append_pair("actions[][content]", &STANDARD.encode("é: 1\r\n"))
        .append_pair("actions[][encoding]", "base64")
        .append_pair("actions[][action]", "create")
        .append_pair("actions[][file_path]", "new.txt")
        .append_pair("actions[][content]", "plain\n")
        .finish();
    let made = send(&world, "POST", "projects/5151/repository/commits", &form).await;
    assert_eq!((made.status, &made.json()["parent_ids"]), (201, &json!([head])));
    let branches = get(&world, "projects/5151/repository/branches?search=%5Edrop-").await.json();
    assert_eq!((&branches[0]["name"], &branches[0]["commit"]["id"]), (&json!("drop-1"), &made.json()["id"]));
    let encoded = path.replace('/', "%2F");
    let raw = get(&world, &format!("projects/5151/repository/files/{encoded}/raw?ref=drop-1")).await;
    assert_eq!(raw.text, "é: 1\r\n");
    let old = get(&world, &format!("projects/5151/repository/files/{encoded}/raw?ref={head}")).await;
    assert!(old.text.starts_with("shipment:"), "the commit before is there too");
    assert_eq!(get(&world, "projects/5151/repository/branches/none").await.status, 404);
}

#[tokio::test]
async fn commits_that_are_refused() {
    let world = world();
    let path = image(&world).await;
    commit(&world, "drop-1", "a: 1\n").await;
    let base = json!({"branch": "drop-1", "commit_message": "m", "actions": [{"action": "update", "file_path": path, "content": "b"}]});
    let with = |more: Value| {
        let mut body = base.clone();
        for (key, value) in more.as_object().unwrap() {
            body[key] = value.clone();
        }
        body.to_string()
    };
    for (body, status, words) in [
        (with(json!({"start_project": 5150, "start_branch": TARGET})), 400, "already exists"),
        (with(json!({"branch": "none"})), 400, "when you are on a branch"),
        (with(json!({"branch": "x", "start_branch": "none"})), 400, "Cannot find"),
        (with(json!({"branch": "x", "start_branch": "main", "start_sha": "1"})), 400, "mutually exclusive"),
        (with(json!({"actions": []})), 400, "actions is missing"),
        (
            with(json!({"actions": [{"action": "update", "file_path": "none", "content": "x"}]})),
            400,
            "doesn't exist",
        ),
        (
            with(json!({"actions": [{"action": "create", "file_path": path, "content": "x"}]})),
            400,
            "already exists",
        ),
        (with(json!({"actions": [{"action": "move", "file_path": path}]})), 501, ""),
        (with(json!({"branch": null})), 400, "branch is missing"),
    ] {
        let answer = send(&world, "POST", "projects/5151/repository/commits", &body).await;
        assert_eq!(answer.status, status, "{body}: {answer:?}");
        assert!(answer.text.contains(words), "{body}: {answer:?}");
    }
    let foreign = with(json!({"branch": "x", "start_project": 5151, "start_branch": "drop-1"}));
    assert_eq!(
        send(&world, "POST", "projects/5150/repository/commits", &foreign).await.status,
        403,
        "no fork of it"
    );
    let empty = with(json!({}));
    let reporter = send_as(&world, REPORTER_TOKEN, "POST", "projects/5150/repository/commits", &empty);
    assert_eq!(reporter.await.status, 403);
}

#[tokio::test]
async fn a_merge_request_is_checked_and_merged_squashed() {
    let world = world();
    let before = head(&world).await;
    commit(&world, "drop-1", "a: 1\n").await;
    let made = request(&world, "drop-1").await;
    assert_eq!((&made["source_project_id"], &made["iid"]), (&json!(FORK), &json!(614)));
    let path = "projects/5150/merge_requests/614";
    let early = send(&world, "PUT", &format!("{path}/merge"), "{}").await;
    assert_eq!((early.status, early.json()), (405, json!({"message": "405 Method Not Allowed"})));
    assert_eq!(get(&world, path).await.json()["detailed_merge_status"], "checking");
    assert_eq!(get(&world, path).await.json()["detailed_merge_status"], "mergeable");
    let wrong = send(&world, "PUT", &format!("{path}/merge"), r#"{"sha":"0000"}"#).await;
    assert_eq!(wrong.status, 409);
    let alone =
        send(&world, "PUT", &format!("{path}/merge"), r#"{"merge_when_pipeline_succeeds":true}"#).await;
    assert_eq!(alone.status, 405, "there is no pipeline");
    let merged =
        send(&world, "PUT", &format!("{path}/merge"), &json!({"sha": made["sha"]}).to_string()).await;
    assert_eq!((merged.status, &merged.json()["state"]), (200, &json!("merged")));
    assert_eq!(send(&world, "PUT", &format!("{path}/merge"), "{}").await.status, 405);
    let state = world.gitlab.lock();
    let target = &state.projects[0].branches[TARGET];
    assert_eq!(target.head().unwrap().parents, [before]);
    assert!(target.files.values().any(|content| content == "a: 1\n"));
    assert!(!state.projects[1].branches.contains_key("drop-1"), "the source branch is removed");
}

#[tokio::test]
async fn a_running_pipeline_is_waited_for() {
    let world = world();
    let body = json!({"checking_reads": 0, "pipeline": "running"});
    world.gitlab.lock().change("new-requests", &body, world.clock.now()).unwrap();
    commit(&world, "drop-1", "a: 1\n").await;
    let made = request(&world, "drop-1").await;
    let path = "projects/5150/merge_requests/614";
    let open = get(&world, path).await.json();
    assert_eq!(
        (&open["detailed_merge_status"], &open["head_pipeline"]["status"]),
        (&json!("ci_still_running"), &json!("running"))
    );
    assert_eq!(send(&world, "PUT", &format!("{path}/merge"), "{}").await.status, 405);
    let body = json!({"merge_when_pipeline_succeeds": true, "sha": made["sha"]}).to_string();
    let waiting = send(&world, "PUT", &format!("{path}/merge"), &body).await.json();
    assert_eq!(
        (&waiting["state"], &waiting["merge_when_pipeline_succeeds"]),
        (&json!("opened"), &json!(true))
    );
    let body = json!({"pipeline": open["head_pipeline"]["id"], "status": "success"});
    world.gitlab.lock().change("pipeline", &body, world.clock.now()).unwrap();
    assert_eq!(get(&world, path).await.json()["state"], "merged");
}

#[tokio::test]
async fn merge_requests_that_are_refused() {
    let world = world();
    commit(&world, "drop-1", "a: 1\n").await;
    request(&world, "drop-1").await;
    for (source, target, title, status, words) in [
        ("drop-1", TARGET, "again", 409, "!614"),
        ("none", TARGET, "t", 400, "Source branch"),
        ("drop-1", "none", "t", 400, "Target branch"),
        ("drop-1", TARGET, "", 400, "title is missing"),
    ] {
        let body = json!({"source_branch": source, "target_branch": target, "target_project_id": 5150, "title": title});
        let answer = send(&world, "POST", "projects/5151/merge_requests", &body.to_string()).await;
        assert_eq!(answer.status, status, "{answer:?}");
        assert!(answer.text.contains(words), "{answer:?}");
    }
    // Somebody changes the same file otherwise.
    let push = json!({"project": 5150, "branch": TARGET, "path": image(&world).await, "content": "b: 2\n"});
    world.gitlab.lock().change("push", &push, world.clock.now()).unwrap();
    get(&world, "projects/5150/merge_requests/614").await;
    let answer = get(&world, "projects/5150/merge_requests/614").await.json();
    assert_eq!(
        (&answer["detailed_merge_status"], &answer["has_conflicts"]),
        (&json!("conflict"), &json!(true))
    );
    assert_eq!(send(&world, "PUT", "projects/5150/merge_requests/614/merge", "{}").await.status, 422);
    world.gitlab.lock().merge_request_mut(5150, 614).unwrap().state = MergeRequestState::Closed;
    assert_eq!(send(&world, "PUT", "projects/5150/merge_requests/614/merge", "{}").await.status, 405);
}

#[tokio::test]
async fn a_push_moves_the_head_and_scripts_change_jobs() {
    let world = world();
    let before = head(&world).await;
    let now = world.clock.now();
    let push = json!({"project": 5150, "branch": TARGET, "path": "x.yaml", "content": "a: 1\n"});
    world.gitlab.lock().change("push", &push, now).unwrap();
    assert_ne!(head(&world).await, before);
    let job = json!({"pipeline": 910_002, "name": "stage-job", "status": "running"});
    world.gitlab.lock().change("job", &job, now).unwrap();
    let bridges = get(&world, "projects/5150/pipelines/910002/bridges").await.json();
    assert!(bridges.as_array().unwrap().iter().any(|job| job["status"] == "running"));
    for (operation, body) in [
        ("push", json!({"project": 1})),
        ("job", json!({"pipeline": 1, "name": "x", "status": "y"})),
        ("label", json!({})),
    ] {
        assert!(world.gitlab.lock().change(operation, &body, now).is_err());
    }
}
