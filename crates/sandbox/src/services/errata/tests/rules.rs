//! Which changes the Errata Tool lets through.

use serde_json::{Value, json};

use super::{get, prepare, send};
use crate::services::{errata::ExternalTest, testing::world};

#[tokio::test]
async fn the_issue_list_is_replaced_and_guarded() {
    let world = world();
    let path = "/api/v1/erratum/140004";
    let taken = send(&world, "PUT", "/api/v1/erratum/140005", "advisory[idsfixed]=OCPBUGS-61010").await;
    assert_eq!(taken.status, 422, "the issue is on the rpm advisory");
    world.errata.lock().advisory_mut(140_004).unwrap().security_approved = Some(true);
    assert_eq!(send(&world, "PUT", path, "advisory[idsfixed]=OCPBUGS-9 bz:17").await.status, 204);
    let view = get(&world, path).await.json();
    assert_eq!(view["jira_issues"]["idsfixed"], json!(["OCPBUGS-9"]));
    assert_eq!(view["bugs"]["bugs"], json!([{"bug": {"id": 17}}]));
    assert_eq!(view["errata"]["rhsa"]["security_approved"], Value::Null, "the approval is lost");
    let add = |path: &'static str, key: &'static str| {
        let world = &world;
        async move { send(world, "POST", path, &format!("jira_issue={key}")).await.status }
    };
    world.errata.lock().advisory_mut(140_004).unwrap().security_approved = Some(true);
    assert_eq!(
        add("/api/v1/erratum/140004/add_jira_issue", "OCPBUGS-10").await,
        400,
        "Jira does not know it"
    );
    assert_eq!(add("/api/v1/erratum/140004/add_jira_issue", "OCPBUGS-60999").await, 400, "it is hidden");
    assert_eq!(add("/api/v1/erratum/140004/add_jira_issue", "OCPBUGS-61010").await, 201, "an RHSA shares");
    assert_eq!(add("/api/v1/erratum/140004/add_jira_issue", "OCPBUGS-61010").await, 422);
    assert_eq!(add("/api/v1/erratum/140005/add_jira_issue", "OCPBUGS-61010").await, 422);
    let advisory = world.errata.lock().advisory(140_004).unwrap().clone();
    assert_eq!((advisory.doc_complete, advisory.security_approved), (false, None));
    assert_eq!(add("/api/v1/erratum/140004/remove_jira_issue", "OCPBUGS-9").await, 201);
    assert_eq!(add("/api/v1/erratum/140004/remove_jira_issue", "OCPBUGS-9").await, 201, "it was known once");
    assert_eq!(add("/api/v1/erratum/140004/remove_jira_issue", "OCPBUGS-8").await, 400, "nothing knows it");
    assert_eq!(
        add("/api/v1/erratum/140004/remove_jira_issue", "OCPBUGS-61020").await,
        201,
        "known, not attached"
    );
    assert_eq!(world.errata.lock().advisory(140_004).unwrap().jira_issues, ["OCPBUGS-61010"]);
}

#[tokio::test]
async fn the_state_locks_the_issue_list_and_security_issues_are_product_securitys() {
    use crate::services::errata::AdvisoryState::{
        self, DroppedNoShip, NewFiles, PushReady, Qe, RelPrep, ShippedLive,
    };

    let world = world();
    let remove = |state: AdvisoryState, old_server: bool| {
        let world = &world;
        async move {
            world.errata.lock().locks_issues_in_qe = old_server;
            prepare(world, 140_002, |advisory| {
                advisory.state = state;
                advisory.jira_issues = vec!["OCPBUGS-61020".to_owned()];
            });
            send(world, "POST", "/api/v1/erratum/140002/remove_jira_issue", "jira_issue=OCPBUGS-61020").await
        }
    };
    for (state, old_server, status) in [
        (NewFiles, false, 201),
        (Qe, false, 201),
        (Qe, true, 422),
        (RelPrep, false, 422),
        (PushReady, false, 422),
        (ShippedLive, false, 422),
        (DroppedNoShip, true, 201),
    ] {
        let answer = remove(state, old_server).await;
        assert_eq!(answer.status, status, "{state:?}");
        assert_eq!(answer.json()["errors"]["errata"].is_array(), status == 422);
    }
    world.jira.lock().issue_mut("OCPBUGS-61020").unwrap().labels = vec!["SecurityTracking".to_owned()];
    assert_eq!(remove(Qe, false).await.status, 422, "only product security");
    world.jira.lock().issue_mut("OCPBUGS-61020").unwrap().labels.clear();
    world.errata.lock().users.iter_mut().for_each(|user| user.roles.clear());
    let answer = remove(Qe, false).await;
    assert_eq!(answer.status, 422, "the QE owner is no QA user");
    assert!(answer.json()["errors"]["assigned_to_email"].is_array());
}

#[tokio::test]
async fn approvals_can_be_requested() {
    let world = world();
    world.errata.lock().advisory_mut(140_004).unwrap().security_approved = None;
    let path = "/api/v1/erratum/140004";
    assert_eq!(send(&world, "PUT", path, "advisory[security_approved]=False").await.status, 204);
    assert_eq!(send(&world, "PUT", path, "advisory[security_approved]=True").await.status, 422);
    assert_eq!(send(&world, "PUT", path, "advisory[text_ready]=1").await.status, 204);
    let state = world.errata.lock();
    let advisory = state.advisory(140_004).unwrap();
    assert_eq!((advisory.security_approved, advisory.text_ready), (Some(false), true));
}

#[tokio::test]
async fn states_change_by_the_table_and_its_guards() {
    let world = world();
    let to = |id: u32, state: &'static str| {
        let world = &world;
        async move {
            send(world, "POST", &format!("/api/v1/erratum/{id}/change_state"), &format!("new_state={state}"))
                .await
        }
    };
    for (state, reason) in [("QE", "Invalid"), ("SHIPPED_LIVE", "Invalid"), ("TESTED", "not included")] {
        let answer = to(150_001, state).await;
        assert_eq!(answer.status, 422);
        assert!(answer.json()["errors"]["base"][0].as_str().unwrap().contains(reason), "{}", answer.text);
    }
    assert_eq!(to(150_001, "DROPPED_NO_SHIP").await.status, 422, "only programme managers drop");
    let unstaged = to(150_001, "REL_PREP").await;
    assert_eq!(unstaged.json()["errors"]["base"][0], "Staging push jobs not complete");
    assert_eq!(send(&world, "POST", "/api/v1/erratum/150001/push?defaults=stage", "").await.status, 201);
    assert_eq!(to(150_001, "REL_PREP").await.status, 422, "still running");
    world.errata.lock().finish_pushes("COMPLETE");
    let done = to(150_001, "REL_PREP").await;
    assert_eq!((done.status, &done.json()["errata"]["rhba"]["status"]), (201, &json!("REL_PREP")));
    assert_eq!(to(150_001, "NEW_FILES").await.status, 201);
    assert_eq!(to(150_001, "QE").await.status, 201);
    assert_eq!(to(150_001, "REL_PREP").await.status, 422, "a respin needs a new push");
    let empty = send(&world, "POST", "/api/v1/erratum/150001/change_state", "").await;
    assert_eq!(empty.status, 400);
    prepare(&world, 150_001, |advisory| {
        assert_eq!((advisory.state_changes.len(), advisory.respin_count), (3, 2));
        advisory.external_tests = vec![ExternalTest {
            id: 1,
            test_type: "greenwave_cvp".to_owned(),
            active: true,
            status: "FAILED".to_owned(),
            nvr: "x".to_owned(),
        }];
    });
    let blocked = to(150_001, "REL_PREP").await.json();
    assert_eq!(blocked["errors"]["base"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn pushes_follow_the_rules() {
    let world = world();
    let push = |id: u32, query: &'static str, body: &'static str| {
        let world = &world;
        async move { send(world, "POST", &format!("/api/v1/erratum/{id}/push{query}"), body).await }
    };
    assert_eq!(get(&world, "/api/v1/erratum/140004/push").await.json(), json!([]));
    let waits = push(140_004, "?defaults=stage", "").await;
    assert_eq!(waits.status, 400);
    assert!(waits.json()["errors"]["cdn_docker_stage"][0].as_str().unwrap().contains("dependencies"));
    assert_eq!(push(140_002, "?defaults=stage", "").await.json()[0]["status"], "READY");
    let again = push(140_002, "?defaults=stage", "").await;
    assert_eq!((again.status, again.json()), (200, json!([])));
    world.errata.lock().finish_pushes("COMPLETE");
    assert_eq!(push(140_004, "", r#"[{"target":"cdn_docker_stage"}]"#).await.status, 201);
    assert_eq!(push(140_004, "", r#"[{"target":"cdn_docker_stage"}]"#).await.status, 400, "in progress");
    assert_eq!(push(140_004, "", r#"[{"target":"moon"}]"#).await.status, 400);
    assert_eq!(push(140_004, "?defaults=live", "").await.status, 400, "not PUSH_READY");
    assert_eq!(push(140_004, "?defaults=all", "").await.status, 400);
    assert_eq!(push(140_004, "", "").await.status, 400);
    world.errata.lock().advisory_mut(140_001).unwrap().builds[0].rpms_signed = false;
    assert_eq!(push(140_001, "?defaults=stage", "").await.status, 400, "unsigned");
    assert_eq!(push(140_003, "?defaults=stage", "").await.status, 400, "dropped");
    let jobs = get(&world, "/api/v1/erratum/140004/push").await.json();
    assert_eq!(
        jobs[0]["url"],
        format!("http://127.0.0.1:8765/errata/api/v1/erratum/140004/push/{}", jobs[0]["id"])
    );
}

#[tokio::test]
async fn pushes_go_on_with_the_clock_and_as_scripted() {
    use jiff::SignedDuration;

    use crate::services::errata::PushScript;

    let world = world();
    prepare(&world, 140_005, |advisory| {
        advisory.push_scripts = [
            PushScript::EndsAs("POST_PUSH_FAILED".to_owned()),
            PushScript::StopsAt("WAITING_ON_PUB".to_owned()),
        ]
        .into();
    });
    let status = |id: u32| {
        let world = &world;
        async move {
            let jobs = get(world, &format!("/api/v1/erratum/{id}/push")).await.json();
            jobs.as_array().unwrap().last().unwrap()["status"].as_str().unwrap().to_owned()
        }
    };
    let push = |id: u32| {
        let world = &world;
        async move { send(world, "POST", &format!("/api/v1/erratum/{id}/push?defaults=stage"), "").await.status }
    };
    assert_eq!((push(140_001).await, push(140_005).await), (201, 201));
    for (seconds, normal, scripted) in [
        (0, "READY", "READY"),
        (60, "WAITING_ON_PUB", "WAITING_ON_PUB"),
        (120, "POST_PUSH_PROCESSING", "POST_PUSH_PROCESSING"),
        (120, "COMPLETE", "POST_PUSH_FAILED"),
    ] {
        world.clock.advance(SignedDuration::from_secs(seconds));
        assert_eq!((status(140_001).await.as_str(), status(140_005).await.as_str()), (normal, scripted));
    }
    // An optional task after the push failed: the push itself is there.
    assert_eq!((push(140_001).await, push(140_005).await), (200, 200), "neither is redone");
    world.clock.advance(SignedDuration::from_hours(5));
    assert_eq!(status(140_005).await, "POST_PUSH_FAILED");
    assert_eq!(get(&world, "/api/v1/erratum/140001").await.json()["errata"]["rhba"]["rhnqa"], 1);
}

#[tokio::test]
async fn a_refresh_may_find_that_alerts_block() {
    use crate::world::Simulated as _;

    let world = world();
    let now = world.clock.now();
    let body = json!({"advisory": 140_004, "blocking": true, "from": "refresh"});
    world.errata.lock().change("set-alerts", &body, now).unwrap();
    let path = "/api/v1/erratum/140004/security_alerts";
    assert_eq!(get(&world, path).await.json()["alerts"]["blocking"], false);
    let refreshed = send(&world, "POST", "/api/v1/erratum/140004/security_alerts/refresh", "").await;
    assert_eq!(refreshed.json()["alerts"]["blocking"], true);
    assert_eq!(get(&world, path).await.json()["alerts"]["blocking"], true);
}
