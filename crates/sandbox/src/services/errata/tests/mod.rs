//! The routes, with the scenario's data.

mod rules;

use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::json;

use super::{Advisory, AdvisoryState, FieldEdits, Negotiate, Role, spnego::tests::token};
use crate::{
    services::testing::{Answer, call, world},
    world::Shared,
};

static TOKENS: AtomicU32 = AtomicU32::new(0);

fn authorization() -> String {
    format!("Negotiate {}", token(&TOKENS.fetch_add(1, Ordering::SeqCst).to_be_bytes()))
}

async fn send(world: &Shared, method: &str, path: &str, body: &str) -> Answer {
    let kind =
        if body.starts_with(['{', '[']) { "application/json" } else { "application/x-www-form-urlencoded" };
    let headers = [("authorization", &*authorization()), ("content-type", kind)];
    call(world, method, &format!("/errata{path}"), &headers, body.to_owned()).await
}

fn prepare(world: &Shared, id: u32, change: impl FnOnce(&mut Advisory)) {
    change(world.errata.lock().advisory_mut(id).unwrap());
}

async fn get(world: &Shared, path: &str) -> Answer {
    send(world, "GET", path, "").await
}

#[tokio::test]
async fn a_call_without_a_token_is_challenged() {
    let world = world();
    for header in [None, Some("Basic dXNlcjpwYXNz"), Some("Negotiate AAAA"), Some("negotiate")] {
        let headers: Vec<_> = header.iter().map(|value| ("authorization", *value)).collect();
        let answer = call(&world, "PUT", "/errata/api/v1/erratum/150001", &headers, "x".repeat(5000)).await;
        assert_eq!(answer.status, 401, "{header:?}");
        assert_eq!(answer.header("www-authenticate"), Some("Negotiate"));
        assert!(answer.header("content-type").unwrap().starts_with("text/html"));
    }
}

#[tokio::test]
async fn a_token_is_accepted_once() {
    let world = world();
    let authorization = authorization();
    let headers = [("authorization", &*authorization)];
    let first = call(&world, "GET", "/errata/api/v1/erratum/150001", &headers, "").await;
    assert_eq!(first.status, 200);
    assert_eq!(first.header("www-authenticate"), Some("Negotiate oQcwBaADCgEA"));
    let replayed = call(&world, "GET", "/errata/api/v1/erratum/150001", &headers, "").await;
    assert_eq!((replayed.status, replayed.header("www-authenticate")), (401, Some("Negotiate")));
}

#[tokio::test]
async fn a_user_without_access_is_refused_everything() {
    let world = world();
    world.errata.lock().token_user = "visitor@example.com".to_owned();
    assert_eq!(get(&world, "/advisory/150001.json").await.status, 403);
    world.errata.lock().token_user = "nobody@example.com".to_owned();
    assert_eq!(send(&world, "PUT", "/api/v1/erratum/150001", "advisory[text_ready]=1").await.status, 403);
    assert!(world.errata.lock().advisory(150_001).unwrap().edited_fields().is_empty());
}

#[tokio::test]
async fn behind_a_web_server_the_caller_comes_in_a_header() {
    let world = world();
    world.errata.lock().negotiate = Negotiate::Off;
    let path = "/errata/api/v1/erratum/150001";
    assert_eq!(call(&world, "GET", path, &[], "").await.status, 401);
    let answer = call(&world, "GET", path, &[("x-remote-user", "bot@EXAMPLE.TEST")], "").await;
    assert_eq!((answer.status, answer.header("www-authenticate")), (200, None));
    assert_eq!(answer.json()["who"]["user"]["login_name"], "bot@example.com");
    let stranger = call(&world, "GET", path, &[("x-remote-user", "eve@EXAMPLE.TEST")], "").await;
    assert_eq!(stranger.status, 403);
}

#[tokio::test]
async fn the_views_show_one_record() {
    let world = world();
    let legacy = get(&world, "/advisory/140004.json").await.json();
    let modern = get(&world, "/api/v1/erratum/140004").await.json();
    let record = &modern["errata"]["rhsa"];
    assert_eq!(legacy["fulladvisory"], record["fulladvisory"]);
    assert_eq!(record["synopsis"], "Moderate: OpenShift Container Platform 4.14.60 operators update");
    assert_eq!(legacy["people"]["assigned_to"], "art-default@example.com");
    assert_eq!((&legacy["text_ready"], &record["text_ready"]), (&json!(false), &json!(0)));
    assert_eq!(record["security_approved"], false);
    assert_eq!(record["publish_date"], "2026-07-07T00:00:00Z");
    for member in ["topic", "description", "solution", "cve", "text_only_cpe"] {
        assert!(modern["content"]["content"].get(member).is_some(), "{member}");
    }
    let old_builds = get(&world, "/advisory/140004/builds.json").await.json();
    let new_builds = get(&world, "/api/v1/erratum/140004/builds").await.json();
    let (version, list) = old_builds.as_object().unwrap().iter().next().unwrap();
    let nvr = list[0].as_object().unwrap().keys().next().unwrap();
    assert_eq!(new_builds[version]["builds"][0][nvr]["nvr"], *nvr);
    let build = get(&world, &format!("/api/v1/build/{nvr}")).await.json();
    assert_eq!((&build["rpms_signed"], &build["all_errata"][0]["id"]), (&json!(false), &json!(140_004)));
    assert_eq!(get(&world, "/advisory/140001/tps_jobs.json").await.json()[0]["state"], "GOOD");
}

#[tokio::test]
async fn unknown_records_are_answered_in_json() {
    let world = world();
    for path in ["/advisory/1.json", "/api/v1/erratum/1", "/api/v1/erratum/x", "/api/v1/erratum/1/push"] {
        let answer = get(&world, path).await;
        assert_eq!(answer.status, 404, "{path}");
        assert!(answer.json()["error"].is_string());
    }
    assert_eq!(get(&world, "/api/v1/build/none-1-1").await.status, 404);
    assert_eq!(send(&world, "PUT", "/api/v1/erratum/1", "advisory[text_ready]=1").await.status, 404);
}

#[tokio::test]
async fn an_owner_change_touches_nothing_else() {
    let world = world();
    let before = get(&world, "/api/v1/erratum/150001").await.json();
    for body in [
        "advisory%5Bassigned_to_email%5D=demo-lead%40example.com",
        r#"{"advisory": {"assigned_to_email": "demo-lead@example.com"}}"#,
    ] {
        let answer = send(&world, "PUT", "/api/v1/erratum/150001", body).await;
        assert_eq!((answer.status, answer.text.as_str()), (204, ""));
    }
    let after = get(&world, "/api/v1/erratum/150001").await.json();
    assert_eq!(before["errata"], after["errata"]);
    let legacy = get(&world, "/advisory/150001.json").await.json();
    assert_eq!(legacy["people"]["assigned_to"], "demo-lead@example.com");
    let state = world.errata.lock();
    assert_eq!(state.owner(150_001), Some("demo-lead@example.com"));
    let advisory = state.advisory(150_001).unwrap();
    assert_eq!(advisory.edited_fields(), ["assigned_to_email"]);
    assert_eq!(advisory.edits["assigned_to_email"], FieldEdits { sent: 2, changed: 1 });
}

#[tokio::test]
async fn an_update_is_applied_whole_or_not_at_all() {
    let world = world();
    let refused = [
        ("advisory[assigned_to_email]=nobody@example.com&advisory[topic]=new", "assigned_to_email"),
        ("advisory[topic]=new&advisory[nothing]=1", "nothing"),
        ("advisory[topic]=", "topic"),
        ("advisory[text_only]=maybe", "text_only"),
        ("advisory[publish_date_override]=soon", "publish_date_override"),
        ("advisory[idsfixed]=OCPBUGS-1 what", "idsfixed"),
        ("advisory[security_impact]=Dire", "security_impact"),
        ("advisory[security_approved]=False", "security_approved"),
    ];
    for (body, field) in refused {
        let answer = send(&world, "PUT", "/api/v1/erratum/150001", body).await;
        assert_eq!(answer.status, 422, "{body}");
        assert!(answer.json()["errors"][field][0].is_string(), "{body}: {}", answer.text);
    }
    assert_eq!(send(&world, "PUT", "/api/v1/erratum/150001", "").await.status, 400);
    assert_eq!(send(&world, "PUT", "/api/v1/erratum/150001", "{broken").await.status, 400);
    let state = world.errata.lock();
    assert!(state.advisory(150_001).unwrap().edits.is_empty());
    assert!(state.advisory(150_001).unwrap().topic.starts_with("Made-up"));
}

#[tokio::test]
async fn external_tests_are_filtered_and_paged() {
    let world = world();
    let path = |page: u32| {
        format!(
            "/api/v1/external_tests/?filter%5Bactive%5D=true&filter%5Berrata_id%5D=140002\
             &filter%5Btest_type%5D=greenwave_cvp&page%5Bnumber%5D={page}"
        )
    };
    let first = get(&world, &path(1)).await.json();
    assert_eq!(first["data"].as_array().unwrap().len(), 1);
    assert_eq!(first["data"][0]["attributes"]["status"], "PASSED");
    assert_eq!(first["data"][0]["relationships"]["errata"]["id"], 140_002);
    assert_eq!(get(&world, &path(2)).await.json(), json!({"data": []}));
    let all = get(&world, "/api/v1/external_tests?page[size]=2&page[number]=2").await.json();
    assert_eq!(all["data"].as_array().unwrap().len(), 2);
    assert_eq!(get(&world, "/api/v1/external_tests?page[number]=0").await.status, 400);
}

#[tokio::test]
async fn security_alerts_are_for_rhsa_only() {
    let world = world();
    let quiet = send(&world, "POST", "/api/v1/erratum/140004/security_alerts/refresh", "").await.json();
    assert_eq!(quiet, json!({"alerts": {"blocking": false, "alerts": []}}));
    prepare(&world, 140_004, |advisory| {
        advisory.security_alerts_block = true;
        advisory.security_alerts = vec!["CVE-2026-1000 is not fixed".to_owned()];
    });
    let loud = get(&world, "/api/v1/erratum/140004/security_alerts").await.json();
    assert_eq!((&loud["alerts"]["blocking"], &loud["alerts"]["alerts"][0]["id"]), (&json!(true), &json!(1)));
    assert_eq!(send(&world, "POST", "/api/v1/erratum/140001/security_alerts/refresh", "").await.status, 422);
}

#[tokio::test]
async fn the_container_page_tells_the_grade() {
    let world = world();
    let page = get(&world, "/errata/container/140002").await;
    assert!(page.text.contains("Docker Container Content - A"), "{}", page.text);
    let without = get(&world, "/errata/container/140001").await;
    assert_eq!((without.status, without.header("location")), (303, Some("/errata/advisory/140001")));
}

#[tokio::test]
async fn what_is_not_simulated_is_refused_loudly() {
    let world = world();
    assert_eq!(get(&world, "/api/v1/erratum/150001/remove_build").await.status, 501);
    assert_eq!(send(&world, "DELETE", "/api/v1/erratum/150001", "").await.status, 501);
}

#[tokio::test]
async fn comments_are_kept_with_their_author() {
    let world = world();
    assert_eq!(send(&world, "POST", "/api/v1/erratum/150001/add_comment", "comment=hello").await.status, 201);
    assert_eq!(send(&world, "POST", "/api/v1/erratum/150001/add_comment", "").await.status, 400);
    let state = world.errata.lock();
    let comments = &state.advisory(150_001).unwrap().comments;
    assert_eq!(*comments, [("bot@example.com".to_owned(), "hello".to_owned())]);
}

#[test]
fn the_scenario_has_the_agreed_advisories() {
    let world = world();
    let state = world.errata.lock();
    let at = |id: u32| state.advisory(id).unwrap().state;
    assert_eq!(at(150_002), AdvisoryState::NewFiles);
    assert_eq!(at(140_003), AdvisoryState::DroppedNoShip);
    let others = [150_001, 150_003, 140_001, 140_002, 140_004, 140_005];
    assert!(others.iter().all(|id| at(*id) == AdvisoryState::Qe));
    assert!(state.user("demo-lead@example.com").unwrap().roles.contains(&Role::Qa));
}

#[test]
fn the_control_interface_prepares_cases() {
    use crate::world::Simulated as _;
    let world = world();
    let mut state = world.errata.lock();
    let now = world.clock.now();
    state.change("set-state", &json!({"advisory": 150_001, "state": "REL_PREP"}), now).unwrap();
    assert_eq!(state.snapshot()["advisories"]["150001"]["state"], "REL_PREP");
    state.change("negotiate", &json!({"mode": "off"}), now).unwrap();
    assert_eq!(state.negotiate, Negotiate::Off);
    assert!(state.change("set-state", &json!({"advisory": 1, "state": "QE"}), now).is_err());
    assert!(state.change("other", &json!({}), now).unwrap_err().contains("operations"));
}
