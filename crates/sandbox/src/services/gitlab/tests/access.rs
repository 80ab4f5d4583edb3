use serde_json::{Value, json};

use super::{REQUEST, get, send_as};
use crate::{
    credentials::GITLAB_TOKEN,
    scenario::gitlab::{ACCOUNT_TOKEN, EXPIRED_TOKEN, OUTSIDER_TOKEN, READ_ONLY_TOKEN},
    services::{
        gitlab::RateLimit,
        testing::{call, world},
    },
};

#[tokio::test]
async fn the_token_says_who_calls() {
    let world = world();
    let me = get(&world, "user").await.json();
    assert_eq!((&me["username"], &me["bot"]), (&json!("group_9_bot_ab12"), &json!(true)));
    assert_eq!(me["web_url"], "http://127.0.0.1:8765/gitlab/group_9_bot_ab12");
    let bearer = format!("Bearer {GITLAB_TOKEN}");
    let same = call(&world, "GET", "/gitlab/api/v4/user", &[("authorization", &*bearer)], "").await;
    assert_eq!(same.json(), me);
}

#[tokio::test]
async fn tokens_that_do_not_open() {
    let world = world();
    let wrong = send_as(&world, "glpat-wrong", "GET", "user", "").await;
    assert_eq!((wrong.status, wrong.json()), (401, json!({"message": "401 Unauthorized"})));
    let expired = send_as(&world, EXPIRED_TOKEN, "GET", "user", "").await;
    assert_eq!((expired.status, &expired.json()["error"]), (401, &json!("invalid_token")));
    let none = call(&world, "GET", "/gitlab/api/v4/user", &[], "").await;
    assert_eq!(none.status, 401);
    let private = call(&world, "GET", "/gitlab/api/v4/projects/5150", &[], "").await;
    assert_eq!((private.status, private.json()), (404, json!({"message": "404 Project Not Found"})));
    assert_eq!(call(&world, "GET", "/gitlab/api/v4/users?search=demo", &[], "").await.status, 403);
}

#[tokio::test]
async fn scopes_limit_a_token() {
    let world = world();
    assert_eq!(send_as(&world, READ_ONLY_TOKEN, "GET", REQUEST, "").await.status, 200);
    let write =
        send_as(&world, READ_ONLY_TOKEN, "POST", &format!("{REQUEST}/notes"), r#"{"body":"x"}"#).await;
    assert_eq!((write.status, &write.json()["error"]), (403, &json!("insufficient_scope")));
    assert_eq!(send_as(&world, ACCOUNT_TOKEN, "GET", "user", "").await.status, 200);
    let read = send_as(&world, ACCOUNT_TOKEN, "GET", REQUEST, "").await;
    assert_eq!((read.status, &read.json()["error"]), (403, &json!("insufficient_scope")));
    assert!(world.gitlab.lock().note_bodies(5150, 612).is_empty());
}

#[tokio::test]
async fn a_stranger_does_not_see_the_project() {
    let world = world();
    for path in ["projects/5150", REQUEST, "projects/5150/labels", "projects/5150/pipelines/910002"] {
        let answer = send_as(&world, OUTSIDER_TOKEN, "GET", path, "").await;
        assert_eq!(
            (answer.status, &answer.json()["message"]),
            (404, &json!("404 Project Not Found")),
            "{path}"
        );
    }
}

#[tokio::test]
async fn the_rate_limit_is_announced_and_kept() {
    let world = world();
    world.gitlab.lock().rate_limit = RateLimit::per_minute(2);
    let first = get(&world, "user").await;
    assert_eq!(
        (first.header("ratelimit-limit"), first.header("ratelimit-remaining")),
        (Some("2"), Some("1"))
    );
    assert_eq!(first.header("ratelimit-reset"), Some("1782993660"));
    assert!(first.header("ratelimit-resettime").unwrap().ends_with("12:01:00 GMT"));
    assert_eq!(get(&world, "user").await.status, 200);
    let third = get(&world, "user").await;
    assert_eq!((third.status, third.header("retry-after")), (429, Some("60")));
    assert_eq!(third.text, "Retry later\n");
    world.clock.advance(jiff::SignedDuration::from_secs(60));
    assert_eq!(get(&world, "user").await.status, 200);
}

#[tokio::test]
async fn people_are_found_by_parts() {
    let world = world();
    let found = get(&world, "users?search=demo-lead%40example.com").await.json();
    let names: Vec<&Value> = found.as_array().unwrap().iter().map(|user| &user["username"]).collect();
    assert_eq!(names, ["xdemolead", "demolead"], "the stranger comes first");
    assert_eq!(found[1]["public_email"], "demo-lead@example.com");
    assert_eq!(get(&world, "users?search=nobody%40example.com").await.json(), json!([]));
    assert_eq!(get(&world, "users?username=DemoLead").await.json()[0]["id"], 7101);
    assert_eq!(get(&world, "users/7101").await.json()["username"], "demolead");
    assert_eq!(get(&world, "users/1").await.json(), json!({"message": "404 User Not Found"}));
    assert_eq!(get(&world, "users/me").await.status, 400);
    assert!(get(&world, "users?search=gone").await.json()[0]["state"] == "blocked");
    assert_eq!(get(&world, "users?search=gone&active=true").await.json(), json!([]));
}

#[tokio::test]
async fn other_routes_are_refused_loudly() {
    let world = world();
    assert_eq!(get(&world, "projects/5150/issues").await.status, 501);
    assert_eq!(super::send(&world, "DELETE", REQUEST, "").await.status, 501);
    assert_eq!(super::send(&world, "POST", "projects/5150/repository/branches", "{}").await.status, 501);
}

#[tokio::test]
async fn every_token_may_look_at_itself_and_one_of_another_kind_is_refused() {
    let world = world();
    for (token, scope) in [(GITLAB_TOKEN, "api"), (READ_ONLY_TOKEN, "read_api"), (ACCOUNT_TOKEN, "read_user")]
    {
        let own = send_as(&world, token, "GET", "personal_access_tokens/self", "").await;
        assert_eq!(own.status, 200);
        assert_eq!(own.json()["scopes"], json!([scope]));
        assert_eq!(own.json()["expires_at"], "2199-12-31");
    }
    let expired = send_as(&world, EXPIRED_TOKEN, "GET", "personal_access_tokens/self", "").await;
    assert_eq!(expired.status, 401);
    let change = |change: serde_json::Value| {
        let now = world.clock.now();
        crate::world::Simulated::change(&mut *world.gitlab.lock(), "token", &change, now).unwrap();
    };
    let now = world.clock.now();
    let day = |hours: i64| (now + jiff::SignedDuration::from_hours(hours)).strftime("%Y-%m-%d").to_string();
    for (day, status) in [(day(0), 401), (day(24), 200)] {
        change(json!({"token": GITLAB_TOKEN, "expires_at": day}));
        assert_eq!(get(&world, "personal_access_tokens/self").await.status, status, "{day}");
    }
    change(json!({"token": GITLAB_TOKEN, "oauth": false}));
    let own = get(&world, "personal_access_tokens/self").await;
    assert_eq!(own.json()["expires_at"], day(24), "what is not named stays");
    change(json!({"token": GITLAB_TOKEN, "oauth": true}));
    let other = get(&world, "personal_access_tokens/self").await;
    assert_eq!(other.status, 400);
}

#[tokio::test]
async fn a_project_shows_the_callers_role_and_its_rules_of_approval() {
    let world = world();
    let project = get(&world, "projects/5150").await.json();
    assert_eq!(project["permissions"]["project_access"]["access_level"], 30);
    let rules = get(&world, "projects/5150/approval_rules").await.json();
    assert_eq!((&rules[0]["name"], &rules[0]["rule_type"]), (&json!("QE"), &json!("regular")));
    assert_eq!(rules[0]["eligible_approvers"][0]["username"], "group_9_bot_ab12");
    world.gitlab.lock().project_mut(5150).unwrap().approval_rules = None;
    assert_eq!(get(&world, "projects/5150/approval_rules").await.status, 404);
}
