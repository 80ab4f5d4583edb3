use base64::Engine as _;
use serde_json::json;

use super::{Crumbs, Visible};
use crate::{
    credentials,
    scenario::jenkins::{PASSWORD, STAGE_JOB},
    services::testing::{Answer, call, world},
    world::Shared,
};

const JOB: &str = "/jenkins/job/zstreams/job/Stage-Pipeline";

fn basic(secret: &str) -> String {
    let text = format!("{}:{secret}", credentials::JENKINS_USER);
    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(text))
}

async fn ask(world: &Shared, method: &str, path: &str) -> Answer {
    call(world, method, path, &[("authorization", &basic(credentials::JENKINS_TOKEN))], "").await
}

async fn start(world: &Shared) -> u64 {
    queued(world, 201).await
}

async fn queued(world: &Shared, status: u16) -> u64 {
    let answer =
        ask(world, "POST", &format!("{JOB}/buildWithParameters?VERSION=4.19&PULL_SPEC=x&BOGUS=1")).await;
    assert_eq!(answer.status, status, "{answer:?}");
    let location = answer.header("location").unwrap().to_owned();
    assert!(location.starts_with("http://127.0.0.1:8765/jenkins/queue/item/"), "{location}");
    location.trim_end_matches('/').rsplit('/').next().unwrap().parse().unwrap()
}

#[tokio::test]
async fn an_item_waits_becomes_a_build_and_is_forgotten() {
    let world = world();
    let item = start(&world).await;
    let path = format!("/jenkins/queue/item/{item}/api/json?depth=0");
    let waiting = ask(&world, "GET", &path).await.json();
    assert_eq!(waiting["_class"], "hudson.model.Queue$WaitingItem");
    assert_eq!(waiting["task"]["name"], "Stage-Pipeline");
    assert!(waiting["task"]["url"].as_str().unwrap().ends_with("/job/zstreams/job/Stage-Pipeline/"));
    world.clock.advance(jiff::SignedDuration::from_secs(6));
    let left = ask(&world, "GET", &path).await.json();
    let number = left["executable"]["number"].as_u64().unwrap();
    let build = ask(&world, "GET", &format!("{JOB}/{number}/api/json?depth=0")).await.json();
    assert_eq!((build["building"].clone(), build["result"].clone()), (json!(true), json!(null)));
    assert_eq!(build["queueId"], item);
    let parameters = build["actions"][2]["parameters"].as_array().unwrap();
    assert!(parameters.iter().all(|parameter| parameter["name"] != "BOGUS"), "{parameters:?}");
    world.clock.advance(jiff::SignedDuration::from_hours(3));
    assert_eq!(ask(&world, "GET", &path).await.status, 404);
    let build = ask(&world, "GET", &format!("{JOB}/{number}/api/json")).await.json();
    assert_eq!((build["building"].clone(), build["result"].clone()), (json!(false), json!("SUCCESS")));
}

#[tokio::test]
async fn equal_items_are_one_and_a_cancelled_one_says_so() {
    let world = world();
    world.jenkins.lock().busy = true;
    let item = start(&world).await;
    assert_eq!(queued(&world, 303).await, item);
    let path = format!("/jenkins/queue/item/{item}/api/json");
    world.clock.advance(jiff::SignedDuration::from_mins(9));
    assert_eq!(ask(&world, "GET", &path).await.json()["blocked"], true);
    assert_eq!(ask(&world, "POST", &format!("/jenkins/queue/cancelItem?id={item}")).await.status, 204);
    assert_eq!(ask(&world, "GET", "/jenkins/queue/api/json").await.json()["items"], json!([]));
}

#[tokio::test]
async fn crumbs_belong_to_a_session() {
    let world = world();
    world.jenkins.lock().crumbs = Crumbs::Always;
    let path = format!("{JOB}/buildWithParameters?VERSION=4.19");
    let refused = ask(&world, "POST", &path).await;
    assert_eq!(refused.status, 403);
    assert!(refused.text.contains("No valid crumb"), "{refused:?}");
    let answer = ask(&world, "GET", "/jenkins/crumbIssuer/api/json").await;
    let crumb = answer.json()["crumb"].as_str().unwrap().to_owned();
    let session = answer.header("set-cookie").unwrap().split(';').next().unwrap().to_owned();
    let token = basic(credentials::JENKINS_TOKEN);
    let mut headers = vec![("authorization", token.as_str()), ("jenkins-crumb", &crumb)];
    assert_eq!(call(&world, "POST", &path, &headers, "").await.status, 403, "without its session");
    headers.push(("cookie", &session));
    assert_eq!(call(&world, "POST", &path, &headers, "").await.status, 201);
    world.jenkins.lock().crumbs = Crumbs::ForPasswords;
    let password = basic(PASSWORD);
    assert_eq!(call(&world, "POST", &path, &[("authorization", &password)], "").await.status, 403);
    assert_eq!(ask(&world, "POST", &format!("{path}&PULL_SPEC=x")).await.status, 201);
}

#[tokio::test]
async fn what_jenkins_refuses() {
    let world = world();
    let nobody = call(&world, "GET", "/jenkins/api/json", &[], "").await;
    assert_eq!((nobody.status, nobody.header("www-authenticate")), (403, None));
    let wrong = basic("wrong");
    assert_eq!(call(&world, "GET", "/jenkins/api/json", &[("authorization", &wrong)], "").await.status, 401);
    assert_eq!(ask(&world, "POST", "/jenkins/job/none/buildWithParameters?A=1").await.status, 404);
    assert_eq!(
        ask(&world, "POST", "/jenkins/job/zstreams/job/plain/buildWithParameters?A=1").await.status,
        400
    );
    assert_eq!(ask(&world, "GET", &format!("{JOB}/99999/api/json")).await.status, 404);
    assert_eq!(ask(&world, "GET", "/jenkins/queue/item/1/api/json").await.status, 404);
    assert_eq!(ask(&world, "GET", &format!("{JOB}/api/json?pretty=true")).await.status, 501);
    world.jenkins.lock().accounts[0].may_build = false;
    assert_eq!(ask(&world, "POST", &format!("{JOB}/buildWithParameters?VERSION=1")).await.status, 403);
    world.jenkins.lock().anonymous_read = true;
    assert_eq!(call(&world, "GET", "/jenkins/api/json", &[], "").await.status, 200);
}

#[tokio::test]
async fn what_the_queue_and_the_job_refuse() {
    let world = world();
    let post = format!("{JOB}/buildWithParameters?VERSION=4.19");
    world.jenkins.lock().vetoes = true;
    let vetoed = ask(&world, "POST", &post).await;
    assert_eq!(vetoed.status, 302);
    assert!(vetoed.header("location").unwrap().ends_with("/job/zstreams/job/Stage-Pipeline/"), "{vetoed:?}");
    world.jenkins.lock().vetoes = false;
    assert_eq!(ask(&world, "POST", &format!("{post}&VERSION=4.18")).await.status, 500, "given twice");
    {
        let mut state = world.jenkins.lock();
        let job = state.job_mut(STAGE_JOB).unwrap();
        job.choices.insert("VERSION".to_owned(), vec!["4.18".to_owned()]);
    }
    assert_eq!(ask(&world, "POST", &post).await.status, 500, "not listed");
    world.jenkins.lock().job_mut(STAGE_JOB).unwrap().choices.clear();
    for (visible, status) in [(Visible::Name, 403), (Visible::Nothing, 404)] {
        let item = {
            let mut state = world.jenkins.lock();
            let item = state.enqueue(STAGE_JOB, Vec::new(), world.clock.now());
            state.job_mut(STAGE_JOB).unwrap().visible = visible;
            item
        };
        assert_eq!(ask(&world, "POST", &post).await.status, status);
        assert_eq!(ask(&world, "GET", &format!("{JOB}/api/json")).await.status, status);
        assert_eq!(ask(&world, "GET", &format!("/jenkins/queue/item/{item}/api/json")).await.status, 404);
        let queue = ask(&world, "GET", "/jenkins/queue/api/json").await.json();
        let named =
            if visible == Visible::Name { json!([{"task": {"name": "Stage-Pipeline"}}]) } else { json!([]) };
        assert_eq!((&queue["items"], &queue["discoverableItems"]), (&json!([]), &named));
    }
    world.jenkins.lock().job_mut(STAGE_JOB).unwrap().visible = Visible::Whole;
    world.jenkins.lock().job_mut(STAGE_JOB).unwrap().disabled = true;
    assert_eq!(ask(&world, "POST", &post).await.status, 409);
    world.jenkins.lock().starting = true;
    let starting = ask(&world, "GET", "/jenkins/api/json").await;
    assert_eq!((starting.status, starting.header("retry-after")), (503, None));
}

#[tokio::test]
async fn a_build_has_no_result_before_its_script_begins_and_may_have_one_before_it_ends() {
    let world = world();
    let item = start(&world).await;
    world.clock.advance(jiff::SignedDuration::from_secs(5));
    let left = ask(&world, "GET", &format!("/jenkins/queue/item/{item}/api/json")).await.json();
    assert_eq!((&left["executable"], &left["cancelled"]), (&json!(null), &json!(false)));
    let path = format!("{JOB}/1702/api/json");
    let shown = |build: serde_json::Value| {
        (build["building"].clone(), build["inProgress"].clone(), build["result"].clone())
    };
    let starting = ask(&world, "GET", &path).await.json();
    assert_eq!(shown(starting), (json!(true), json!(false), json!(null)));
    world.clock.advance(jiff::SignedDuration::from_secs(1));
    world.jenkins.lock().job_mut(STAGE_JOB).unwrap().builds.last_mut().unwrap().early =
        Some("UNSTABLE".to_owned());
    let running = ask(&world, "GET", &path).await.json();
    assert_eq!(shown(running), (json!(true), json!(true), json!("UNSTABLE")));
    let oldest = ask(&world, "GET", &format!("{JOB}/1699/api/json")).await.json();
    assert_eq!(oldest["queueId"], -1, "its item is not known");
}

#[tokio::test]
async fn a_tree_selects_fields_and_ranges() {
    let world = world();
    let tree = "builds[number,actions[parameters[name,value]]]{0,2}";
    let answer = ask(&world, "GET", &format!("{JOB}/api/json?tree={tree}")).await.json();
    let builds = answer["builds"].as_array().unwrap();
    assert_eq!(builds.len(), 2, "{answer}");
    assert!(builds[0]["number"].as_u64() > builds[1]["number"].as_u64(), "newest first");
    assert!(builds[0].get("url").is_none() && answer.get("name").is_none(), "{answer}");
    assert_eq!(ask(&world, "GET", &format!("{JOB}/api/json?tree=builds[")).await.status, 400);
    assert!(world.jenkins.lock().jobs.iter().any(|job| job.path == STAGE_JOB));
}
