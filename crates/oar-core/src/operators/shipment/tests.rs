use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::SecretString;
use serde_json::{Value, json};
use wiremock::matchers::{method, path, query_param};
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

use super::*;
use crate::clients::testing::{base, count, http, ok, permit};
use crate::error::Classified as _;

const API: &str = "/api/v4/projects/group%2Fshipments/merge_requests/612";
const FIXED: &str = "shipment:\n  data:\n    releaseNotes:\n      issues:\n        fixed:\n          - id: KEY\n            source: redhat.atlassian.net\n";

fn client(server: &MockServer) -> GitlabClient {
    let token = SecretString::from("t0ken");
    GitlabClient::new(http(2), base(server, ""), Some(token))
}

fn reference() -> MergeRequestRef {
    MergeRequestRef { project: "group/shipments".to_owned(), iid: 612 }
}

fn merge_request(more: &Value) -> Value {
    let mut request = json!({
        "iid": 612, "title": "Shipment for 4.19.1", "state": "opened", "draft": false, "labels": [],
        "source_branch": "prepare", "target_branch": "main", "sha": "5b1e", "project_id": 5150,
        "source_project_id": 77, "changes_count": null,
        "web_url": "https://gitlab.example.test/group/shipments/-/merge_requests/612"
    });
    for (key, value) in more.as_object().unwrap() {
        request[key] = value.clone();
    }
    request
}

async fn get(server: &MockServer, at: &str, body: Value) {
    Mock::given(method("GET")).and(path(at)).respond_with(ok(body)).mount(server).await;
}

/// A server with the merge request, changed by `more`.
pub(super) async fn server(more: Value) -> MockServer {
    let server = MockServer::start().await;
    get(&server, API, merge_request(&more)).await;
    server
}

async fn file(server: &MockServer, name: &str, content: &str) {
    Mock::given(method("GET"))
        .and(path(format!("/api/v4/projects/77/repository/files/{name}")))
        .and(query_param("ref", "5b1e"))
        .respond_with(ok(json!({"content": STANDARD.encode(content), "encoding": "base64"})))
        .expect(1)
        .mount(server)
        .await;
}

pub(super) async fn shipment(server: &MockServer) -> Shipment {
    Shipment::load(&client(server), &reference()).await.unwrap()
}

#[tokio::test]
async fn files_are_read_once_at_the_head_from_the_source_project() {
    let server = server(json!({"changes_count": "105"})).await;
    // The first page has a hundred entries that do not count, the second the rest.
    Mock::given(method("GET"))
        .and(path(format!("{API}/diffs")))
        .respond_with(|request: &Request| {
            let second = request.url.query_pairs().any(|(name, value)| name == "page" && value == "2");
            let change = |name: String, deleted: bool| json!({"old_path": name, "new_path": name, "deleted_file": deleted});
            let page: Vec<Value> = if second {
                let kept = [("b.image.yaml", false), ("gone.yaml", true), ("d.metadata.yml", false), ("a.FBC.YAML", false), ("c.extras.yaml", false)];
                kept.into_iter().map(|(name, deleted)| change(format!("s/{name}"), deleted)).collect()
            } else {
                (0..100).map(|number| change(format!("text/{number}.md"), false)).collect()
            };
            ok(json!(page))
        })
        .expect(2)
        .mount(&server)
        .await;
    file(&server, "s%2Fb.image.yaml", &FIXED.replace("KEY", "OCPBUGS-2")).await;
    file(&server, "s%2Fa.FBC.YAML", "shipment:\n").await;
    file(&server, "s%2Fc.extras.yaml", &FIXED.replace("KEY", "OCPBUGS-1")).await;
    file(&server, "s%2Fd.metadata.yml", &FIXED.replace("KEY", "OCPBUGS-3")).await;
    let shipment = shipment(&server).await;
    let paths: Vec<&str> = shipment.files().await.unwrap().iter().map(ShipmentFile::path).collect();
    assert_eq!(paths, ["s/b.image.yaml", "s/d.metadata.yml", "s/a.FBC.YAML", "s/c.extras.yaml"]);
    for _ in 0..2 {
        let keys: Vec<String> = shipment.jira_keys().await.unwrap().iter().map(ToString::to_string).collect();
        assert_eq!(keys, ["OCPBUGS-1", "OCPBUGS-2", "OCPBUGS-3"]);
    }
    assert_eq!(count(&server).await, 7);
}

#[tokio::test]
async fn a_cut_list_of_changes_is_an_error() {
    for count in ["1000+", "3"] {
        let server = server(json!({"changes_count": count})).await;
        let change = json!([{"old_path": "a.md", "new_path": "a.md"}]);
        get(&server, &format!("{API}/diffs"), change).await;
        let error = shipment(&server).await.files().await.unwrap_err();
        assert!(error.to_string().contains(&format!("(1 of {count})")), "{error}");
        assert_eq!(error.class(), ErrorClass::Blocked);
    }
}

#[tokio::test]
async fn all_broken_files_are_named() {
    let server = server(json!({})).await;
    let change = |name: &str| json!({"old_path": name, "new_path": name});
    get(&server, &format!("{API}/diffs"), json!([change("a.yaml"), change("b.yaml")])).await;
    file(&server, "a.yaml", "shipment: [\n").await;
    file(&server, "b.yaml", "- 1\n").await;
    let error = shipment(&server).await.jira_keys().await.unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("a.yaml, line 2: not valid YAML") && text.contains("b.yaml, line 1: the document"),
        "{text}"
    );
    assert_eq!(error.class(), ErrorClass::Failed);
}

#[tokio::test]
async fn a_file_that_is_no_text_or_gone_is_an_error_about_it() {
    let server = server(json!({})).await;
    get(&server, &format!("{API}/diffs"), json!([{"old_path": "a.yaml", "new_path": "a.yaml"}])).await;
    let answer = json!({"content": STANDARD.encode([0xff, 0xfe]), "encoding": "base64"});
    get(&server, "/api/v4/projects/77/repository/files/a.yaml", answer).await;
    let error = shipment(&server).await.files().await.unwrap_err().to_string();
    assert!(error.contains("a.yaml at 5b1e") && error.contains("UTF-8"), "{error}");
    let server = self::server(json!({"source_project_id": null})).await;
    let error = shipment(&server).await.files().await.unwrap_err().to_string();
    assert!(error.contains("the project of its source branch is gone"), "{error}");
}

#[tokio::test]
async fn states_are_told_apart() {
    for (word, state, hint) in [
        ("merged", MergeRequestState::Merged, "nothing left to change"),
        ("closed", MergeRequestState::Closed, "given up"),
        ("locked", MergeRequestState::Locked, "in a minute"),
    ] {
        let server = server(json!({"state": word})).await;
        let shipment = shipment(&server).await;
        assert_eq!(shipment.state(), state);
        let refusal = shipment.require_open().unwrap_err();
        assert_eq!(
            refusal.to_string(),
            format!("the shipment merge request group/shipments!612 is {word}, not open")
        );
        assert!(refusal.hint().unwrap().contains(hint));
        assert_eq!(refusal.class(), ErrorClass::Blocked);
    }
    assert_eq!(shipment(&server(json!({})).await).await.require_open(), Ok(()));
}

/// How far the release got by the newest of two pipelines, with this merge request and these trigger jobs.
async fn released(
    environment: Environment,
    more: Value,
    pipeline: &str,
    bridges: &[(&str, &str)],
) -> ReleaseState {
    let server = server(more).await;
    let pipelines = json!([
        {"id": 9, "project_id": 5150, "status": "failed", "created_at": "2026-06-25T08:00:00.000Z"},
        {"id": 8, "project_id": 5150, "status": pipeline, "created_at": "2026-06-26T08:00:00.000Z"}
    ]);
    get(&server, &format!("{API}/pipelines"), pipelines).await;
    let bridges: Vec<Value> = bridges
        .iter()
        .zip(1..)
        .map(|((name, status), id)| {
            let stage = format!("{}-release-triggers", name.trim_end_matches("-job"));
            json!({"id": id, "name": name, "stage": stage, "status": status, "downstream_pipeline": null})
        })
        .collect();
    get(&server, "/api/v4/projects/5150/pipelines/8/bridges", json!(bridges)).await;
    let shipment = Shipment::load_whole(&client(&server), &reference()).await.unwrap();
    let state = shipment.release_state(environment).await.unwrap();
    assert!(count(&server).await <= 3);
    state
}

fn word(state: &ReleaseState) -> &'static str {
    match state {
        ReleaseState::Succeeded => "succeeded",
        ReleaseState::NotReady(_) => "not ready",
        ReleaseState::Failed(_) => "failed",
        ReleaseState::Unknown(_) => "unknown",
    }
}

#[tokio::test]
async fn the_trigger_job_decides_and_not_a_label_that_may_be_stale() {
    let labelled = json!({"labels": ["stage-release-success"]});
    for (more, pipeline, bridges, expected) in [
        (json!({}), "manual", &[("stage-job", "success"), ("prod-job", "manual")][..], "succeeded"),
        (labelled.clone(), "running", &[("stage-job", "running")], "not ready"),
        (labelled.clone(), "running", &[("stage-job", "pending")], "not ready"),
        (labelled.clone(), "failed", &[("stage-job", "failed")], "failed"),
        (labelled.clone(), "manual", &[("stage-job", "manual")], "not ready"),
        (labelled.clone(), "canceled", &[("stage-job", "canceling")], "not ready"),
        (labelled.clone(), "manual", &[("stage-job", "brand-new")], "unknown"),
        // A retried trigger job: the newest one counts.
        (json!({}), "manual", &[("stage-job", "failed"), ("stage-job", "success")], "succeeded"),
        // Without the trigger job the label counts, but not while the pipeline may still get it.
        (labelled.clone(), "running", &[], "not ready"),
        (labelled.clone(), "success", &[], "succeeded"),
        (labelled, "brand-new", &[], "unknown"),
        (json!({}), "success", &[], "not ready"),
        // A draft is unfinished, whatever its pipeline did.
        (json!({"draft": true}), "manual", &[("stage-job", "success")], "not ready"),
        (json!({"title": "Draft: x", "labels": ["stage-release-success"]}), "success", &[], "not ready"),
    ] {
        let context = format!("{more} {pipeline} {bridges:?}");
        let state = released(Environment::Stage, more, pipeline, bridges).await;
        assert_eq!(word(&state), expected, "{context}: {state:?}");
    }
}

#[tokio::test]
async fn every_label_of_production_means_that_it_was_attempted() {
    let labels = |label: &str| json!({"labels": [label]});
    for (more, bridges, expected) in [
        (json!({}), &[("prod-job", "manual")][..], "not ready"),
        (json!({}), &[("prod-job", "success")], "succeeded"),
        (json!({}), &[("prod-job", "failed")], "failed"),
        (labels("prod-release-success"), &[("prod-job", "success")], "succeeded"),
        (labels("prod-release-success"), &[], "succeeded"),
        (labels("prod-release-success"), &[("prod-job", "failed")], "failed"),
        // The trigger job decides; a label beside one that was not touched is a contradiction.
        (labels("prod-release-success"), &[("prod-job", "manual")], "unknown"),
        (labels("Prod-Release-Failed"), &[("prod-job", "manual")], "unknown"),
        (labels("prod-release-started"), &[], "unknown"),
        (labels("prod-release-started"), &[("prod-job", "running")], "not ready"),
    ] {
        let context = format!("{more} {bridges:?}");
        let state = released(Environment::Prod, more, "manual", bridges).await;
        assert_eq!(word(&state), expected, "{context}: {state:?}");
    }
}

#[tokio::test]
async fn without_a_pipeline_nothing_is_released_and_one_that_hides_is_unknown() {
    let server = server(json!({"labels": ["stage-release-success"]})).await;
    get(&server, &format!("{API}/pipelines"), json!([])).await;
    let state = shipment(&server).await.release_state(Environment::Stage).await.unwrap();
    assert_eq!(state, ReleaseState::NotReady("the merge request has no pipeline yet".into()));

    let server = self::server(json!({})).await;
    let pipelines = json!([{"id": 8, "project_id": 5150, "status": "success", "created_at": null}]);
    get(&server, &format!("{API}/pipelines"), pipelines).await;
    let state = shipment(&server).await.release_state(Environment::Stage).await.unwrap();
    assert_eq!(word(&state), "unknown", "404 is no verdict: {state:?}");
}

#[tokio::test]
async fn a_draft_is_open_and_not_ready() {
    for more in [json!({"draft": true}), json!({"draft": false, "title": "Draft: Shipment for 4.19.1"})] {
        let server = server(more).await;
        let shipment = shipment(&server).await;
        assert_eq!(shipment.require_open(), Ok(()));
        let refusal = shipment.require_ready().unwrap_err();
        assert_eq!(refusal.to_string(), "the shipment merge request group/shipments!612 is a draft");
        assert_eq!(refusal.class(), ErrorClass::Blocked);
    }
    assert_eq!(shipment(&server(json!({})).await).await.require_ready(), Ok(()));
}

#[tokio::test]
async fn a_merge_request_without_shipment_files_ships_nothing_that_could_be_judged() {
    let server = server(json!({})).await;
    let change = |name: &str| json!({"old_path": name, "new_path": name, "deleted_file": null});
    get(&server, &format!("{API}/diffs"), json!([change("README.md"), change(".gitlab-ci.yml")])).await;
    let error = shipment(&server).await.jira_keys().await.unwrap_err();
    assert!(error.to_string().contains("it brings no shipment file"), "{error}");
    assert_eq!(error.class(), ErrorClass::Blocked);
}

fn approvals(users: &[u64]) -> Value {
    let by: Vec<Value> =
        users.iter().map(|id| json!({"user": {"id": id, "username": format!("u{id}")}})).collect();
    json!({"approved_by": by, "approvals_left": 0})
}

#[tokio::test]
async fn approving_names_the_commit_that_was_loaded() {
    let server = server(json!({})).await;
    get(&server, "/api/v4/user", json!({"id": 7, "username": "bot"})).await;
    get(&server, &format!("{API}/approvals"), approvals(&[8])).await;
    Mock::given(method("POST"))
        .and(path(format!("{API}/approve")))
        .and(wiremock::matchers::body_string("sha=5b1e"))
        .respond_with(ResponseTemplate::new(201).set_body_json(approvals(&[7, 8])))
        .expect(1)
        .mount(&server)
        .await;
    assert_eq!(shipment(&server).await.approve(&permit()).await.unwrap(), Effect::Changed);
}

#[tokio::test]
async fn an_unclear_approval_is_looked_up() {
    let server = server(json!({})).await;
    get(&server, "/api/v4/user", json!({"id": 7, "username": "bot"})).await;
    get(&server, &format!("{API}/approvals"), approvals(&[7])).await;
    Mock::given(method("POST")).respond_with(ResponseTemplate::new(502)).expect(1).mount(&server).await;
    assert_eq!(shipment(&server).await.approve(&permit()).await.unwrap(), Effect::Changed);
}

#[tokio::test]
async fn whoever_has_approved_already_is_refused_and_that_is_no_failure() {
    let server = server(json!({})).await;
    get(&server, "/api/v4/user", json!({"id": 7, "username": "bot"})).await;
    get(&server, &format!("{API}/approvals"), approvals(&[7])).await;
    let refusal = ResponseTemplate::new(401).set_body_json(json!({"message": "401 Unauthorized"}));
    Mock::given(method("POST")).respond_with(refusal).expect(1).mount(&server).await;
    assert_eq!(shipment(&server).await.approve(&permit()).await.unwrap(), Effect::AlreadySo);
}

#[tokio::test]
async fn a_refused_approval_keeps_its_reason() {
    for (status, body, class, words) in [
        (401, json!({"message": "401 Unauthorized"}), ErrorClass::Configuration, "approval rules"),
        (409, json!({"message": "SHA does not match HEAD"}), ErrorClass::Conflict, "pushed"),
    ] {
        let server = server(json!({})).await;
        get(&server, "/api/v4/user", json!({"id": 7, "username": "bot"})).await;
        get(&server, &format!("{API}/approvals"), approvals(&[])).await;
        Mock::given(method("POST"))
            .respond_with(ResponseTemplate::new(status).set_body_json(body))
            .expect(1)
            .mount(&server)
            .await;
        let error = shipment(&server).await.approve(&permit()).await.unwrap_err();
        assert_eq!(error.class(), class, "{error}");
        assert!(error.hint().unwrap().contains(words), "{error}");
    }
}

async fn commented(notes: Value, expected: (u64, u64)) -> Effect {
    let server = server(json!({})).await;
    get(&server, "/api/v4/user", json!({"id": 7, "username": "bot"})).await;
    get(&server, &format!("{API}/notes"), notes).await;
    for (verb, count) in [("POST", expected.0), ("PUT", expected.1)] {
        Mock::given(method(verb))
            .respond_with(ok(json!({"id": 1, "body": "x"})))
            .expect(count)
            .mount(&server)
            .await;
    }
    shipment(&server).await.keep_comment("image health", "all good", &permit()).await.unwrap()
}

#[tokio::test]
async fn a_comment_is_added_once_and_then_changed_in_place() {
    let note = |author: u64, body: &str| json!([{"id": 3, "body": body, "system": false, "author": {"id": author, "username": "x"}}]);
    let marked = "<!-- release-tests: image health -->\n";
    assert_eq!(commented(json!([]), (1, 0)).await, Effect::Changed);
    assert_eq!(commented(note(7, &format!("{marked}all good\n")), (0, 0)).await, Effect::AlreadySo);
    assert_eq!(commented(note(7, &format!("{marked}bad")), (0, 1)).await, Effect::Changed);
    assert_eq!(commented(note(8, &format!("{marked}bad")), (1, 0)).await, Effect::Changed, "somebody else's");
    assert_eq!(commented(note(7, "all good"), (1, 0)).await, Effect::Changed, "without the mark");
}
