use serde_json::{Value, json};

use super::{get, send_as};
use crate::{
    credentials::JIRA_USERNAME,
    services::{
        jira::{BadToken, RateLimit},
        testing::{call, world},
    },
    world::Shared,
};

async fn emails(world: &Shared, query: &str) -> Vec<Value> {
    let answer = get(world, &format!("2/user/search?{query}")).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json().as_array().unwrap().iter().map(|user| user["emailAddress"].clone()).collect()
}

#[tokio::test]
async fn the_server_tells_what_it_is_to_everybody() {
    let world = world();
    let info = call(&world, "GET", "/jira/rest/api/2/serverInfo", &[], "").await;
    assert_eq!((info.status, &info.json()["deploymentType"]), (200, &json!("Cloud")));
    assert_eq!(info.json()["baseUrl"], "http://127.0.0.1:8765/jira");
}

#[tokio::test]
async fn a_wrong_token_is_refused() {
    let world = world();
    for path in ["2/issue/ART-14191", "2/myself", "2/user/search?query=demo"] {
        let answer = send_as(&world, (JIRA_USERNAME, "wrong"), "GET", path, "").await;
        assert_eq!(answer.status, 401, "{path}");
        assert_eq!(answer.header("x-seraph-loginreason"), Some("AUTHENTICATED_FAILED"));
    }
    let bearer = [("authorization", "Bearer abc")];
    assert_eq!(call(&world, "GET", "/jira/rest/api/2/myself", &bearer, "").await.status, 401);
    let info = send_as(&world, (JIRA_USERNAME, "wrong"), "GET", "2/serverInfo", "").await;
    assert_eq!(info.status, 200);
}

#[tokio::test]
async fn a_wrong_token_may_also_hide_issues() {
    let world = world();
    world.jira.lock().bad_token = BadToken::Anonymous;
    let wrong = (JIRA_USERNAME, "wrong");
    let issue = send_as(&world, wrong, "GET", "2/issue/ART-14191", "").await;
    super::assert_no_issue(&issue);
    assert_eq!(issue.header("x-seraph-loginreason"), Some("AUTHENTICATED_FAILED"));
    assert_eq!(send_as(&world, wrong, "GET", "2/project/ART", "").await.status, 404);
    assert_eq!(send_as(&world, wrong, "GET", "2/myself", "").await.status, 401);
    let search = send_as(&world, wrong, "GET", "2/search/jql?jql=project=ART", "").await;
    assert_eq!(search.json(), json!({"issues": [], "isLast": true}));
    super::assert_no_issue(&call(&world, "GET", "/jira/rest/api/3/issue/ART-14191", &[], "").await);
}

#[tokio::test]
async fn one_local_part_finds_two_people() {
    let world = world();
    let both = emails(&world, "query=demo-lead&maxResults=20").await;
    assert_eq!(both, [json!("demo-lead@other.example.com"), json!("demo-lead@example.com")]);
    assert_eq!(emails(&world, "query=demo-lead%40example.com").await, [json!("demo-lead@example.com")]);
    assert_eq!(emails(&world, "query=Demo%20Lead%20E").await, [json!("demo-lead@other.example.com")]);
    assert_eq!(emails(&world, "query=emo-lead").await, [] as [Value; 0], "prefixes only");
    assert_eq!(emails(&world, "query=lead&maxResults=1").await.len(), 1);
    assert_eq!(emails(&world, "query=demo-lead&startAt=1").await, [json!("demo-lead@example.com")]);
}

#[tokio::test]
async fn hidden_addresses_and_inactive_accounts() {
    let world = world();
    let shy = get(&world, "2/user/search?query=shy-lead%40example.com").await.json();
    assert_eq!(shy[0]["displayName"], "Shy Lead");
    assert!(shy[0].get("emailAddress").is_none());
    assert_eq!(emails(&world, "query=shy-lead").await.len(), 0, "a part of a hidden address finds nobody");
    assert_eq!(emails(&world, "query=Shy").await, [Value::Null]);
    assert_eq!(emails(&world, "query=former-lead").await.len(), 0);
    let with_inactive = emails(&world, "query=former-lead&includeActive=True&includeInactive=True").await;
    assert_eq!(with_inactive.len(), 1);
}

#[tokio::test]
async fn searches_that_cloud_refuses() {
    let world = world();
    assert_eq!(get(&world, "2/user/search").await.status, 400);
    assert_eq!(get(&world, "2/user/search?username=demo-lead").await.status, 400);
    assert_eq!(get(&world, "2/user/search?query=a&maxResults=many").await.status, 400);
    assert_eq!(get(&world, "2/user?username=demo-lead").await.status, 400);
    assert_eq!(get(&world, "2/user?accountId=712020:nobody").await.status, 404);
    let me = get(&world, "2/myself").await.json();
    let known = get(&world, &format!("3/user?accountId={}", me["accountId"].as_str().unwrap())).await.json();
    assert_eq!((&me["emailAddress"], &known["emailAddress"]), (&json!(JIRA_USERNAME), &json!(JIRA_USERNAME)));
}

#[tokio::test]
async fn a_burst_limit_says_when_to_come_back() {
    let world = world();
    world.jira.lock().rate_limit = Some(RateLimit { allow: 1, refuse: 2, retry_after: 7 });
    let mut seen = Vec::new();
    for _ in 0..4 {
        let answer = get(&world, "2/myself").await;
        seen.push((answer.status, answer.header("retry-after").map(str::to_owned)));
    }
    let wait = || Some("7".to_owned());
    assert_eq!(seen, [(200, None), (429, wait()), (429, wait()), (200, None)]);
}

#[tokio::test]
async fn permissions_must_be_named_and_are_those_of_the_login() {
    let world = world();
    let path = "2/mypermissions?projectKey=ART&permissions=BROWSE_PROJECTS,EDIT_ISSUES";
    let answer = get(&world, path).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.json()["permissions"]["EDIT_ISSUES"]["havePermission"], true);
    for (path, status) in [
        ("2/mypermissions?projectKey=ART", 400),
        ("2/mypermissions?projectKey=ART&permissions=NO_SUCH", 400),
        ("2/mypermissions?projectKey=ABSENT&permissions=EDIT_ISSUES", 404),
    ] {
        assert_eq!(get(&world, path).await.status, status, "{path}");
    }
}
