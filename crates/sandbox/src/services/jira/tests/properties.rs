use jiff::SignedDuration;
use serde_json::json;

use super::{assert_no_issue, get, send, send_as_reader};
use crate::scenario::notificator::{comment, moved};
use crate::services::testing::world;

const BUG: &str = "2/issue/OCPBUGS-60010";

#[tokio::test]
async fn the_first_who_sets_a_property_is_told_so() {
    let world = world();
    let path = format!("{BUG}/properties/a.b.0");
    assert_eq!(send(&world, "PUT", &path, r#"{"at": 1}"#).await.status, 201);
    assert_eq!(send(&world, "PUT", &path, r#"{"at": 2}"#).await.status, 200);
    assert_eq!(get(&world, &path).await.json(), json!({"key": "a.b.0", "value": {"at": 2}}));
    let keys = get(&world, &format!("{BUG}/properties")).await.json();
    assert_eq!(keys["keys"][0]["key"], "a.b.0");
    let issue = get(&world, &format!("{BUG}?fields=status&properties=*all")).await.json();
    assert_eq!(issue["properties"], json!({"a.b.0": {"at": 2}}));
    assert!(get(&world, &format!("{BUG}?fields=status")).await.json().get("properties").is_none());
    assert_eq!(send(&world, "DELETE", &path, "").await.status, 204);
    assert_eq!(send(&world, "DELETE", &path, "").await.status, 404);
    assert_eq!(send(&world, "PUT", &path, "{}").await.status, 201);
}

#[tokio::test]
async fn properties_that_are_refused() {
    let world = world();
    let path = format!("{BUG}/properties/a");
    assert_eq!(send(&world, "PUT", &path, "").await.status, 400);
    assert_eq!(send(&world, "PUT", &path, "no JSON").await.status, 400);
    assert_eq!(send(&world, "PUT", &path, &format!("\"{}\"", "x".repeat(40_000))).await.status, 400);
    assert_eq!(send(&world, "PUT", &format!("{BUG}/properties/{}", "x".repeat(256)), "1").await.status, 400);
    assert_eq!(get(&world, &path).await.status, 404);
    assert_eq!(send_as_reader(&world, "PUT", &path, "1").await.status, 403);
    assert_no_issue(&send(&world, "PUT", "2/issue/OCPBUGS-60999/properties/a", "1").await);
}

#[tokio::test]
async fn histories_of_many_issues_come_in_pages_with_the_wanted_fields() {
    let world = world();
    {
        let mut jira = world.jira.lock();
        let now = world.clock.now();
        let bug = jira.issue_mut("OCPBUGS-60010").unwrap();
        let mut other = moved(2, "x", now);
        "Need Info From".clone_into(&mut other.items[0].field);
        bug.changelog.extend([other, moved(3, "Verified", now)]);
    }
    let ask = |more: &str| {
        format!(r#"{{"issueIdsOrKeys": ["OCPBUGS-60010", "18260011", "OCPBUGS-60999", "OCPBUGS-1"]{more}}}"#)
    };
    let path = "2/changelog/bulkfetch";
    let all = send(&world, "POST", path, &ask("")).await.json();
    let logs = all["issueChangeLogs"].as_array().unwrap();
    assert_eq!(logs.len(), 2, "hidden and absent issues are left out: {all}");
    assert_eq!(logs[0]["changeHistories"].as_array().unwrap().len(), 3);
    assert!(logs[0]["changeHistories"][0]["created"].is_i64(), "milliseconds");
    let status =
        send(&world, "POST", path, &ask(r#", "fieldIds": ["status"], "maxResults": 1"#)).await.json();
    assert_eq!(status["issueChangeLogs"][0]["changeHistories"].as_array().unwrap().len(), 1);
    let token = status["nextPageToken"].as_str().unwrap().to_owned();
    let more = format!(r#", "fieldIds": ["status"], "maxResults": 9, "nextPageToken": "{token}""#);
    let rest = send(&world, "POST", path, &ask(&more)).await.json();
    assert_eq!(rest["issueChangeLogs"][0]["changeHistories"][0]["items"][0]["toString"], "Verified");
    assert!(rest.get("nextPageToken").is_none());
    let people = send(&world, "POST", path, &ask(r#", "fieldIds": ["customfield_10482"]"#)).await.json();
    assert_eq!(
        people["issueChangeLogs"][0]["changeHistories"][0]["items"][0]["fieldId"],
        "customfield_10482"
    );
    let fields: Vec<String> = (0..11).map(|number| format!("\"f{number}\"")).collect();
    let eleven = format!(r#", "fieldIds": [{}]"#, fields.join(","));
    for more in [eleven.as_str(), r#", "maxResults": 0"#, r#", "nextPageToken": "x""#] {
        assert_eq!(send(&world, "POST", path, &ask(more)).await.status, 400, "{more}");
    }
    assert_eq!(send(&world, "POST", path, r#"{"issueIdsOrKeys": []}"#).await.status, 400);
}

#[tokio::test]
async fn an_issue_shows_its_newest_comments_only() {
    let world = world();
    {
        let mut jira = world.jira.lock();
        let now = world.clock.now();
        let comments = (1..=30).map(|id| comment(id, &format!("comment {id}"), now));
        jira.issue_mut("OCPBUGS-60010").unwrap().comments.extend(comments);
    }
    let shown = get(&world, &format!("{BUG}?fields=comment")).await.json();
    let page = &shown["fields"]["comment"];
    assert_eq!((&page["total"], &page["comments"][0]["body"]), (&json!(30), &json!("comment 11")));
    world.jira.lock().hides_totals = true;
    let shown = get(&world, &format!("{BUG}?fields=comment")).await.json();
    assert!(shown["fields"]["comment"].get("total").is_none());
}

#[tokio::test]
async fn a_search_lags_behind_and_its_tokens_expire() {
    let world = world();
    world.jira.lock().search_lag = Some(SignedDuration::from_secs(60));
    let edit = r#"{"update": {"labels": [{"add": "new"}]}}"#;
    assert_eq!(send(&world, "PUT", BUG, edit).await.status, 204);
    let search = r#"{"jql": "key = OCPBUGS-60010", "fields": ["labels"]}"#;
    let labels = async || {
        let found = send(&world, "POST", "2/search/jql", search).await.json();
        found["issues"][0]["fields"]["labels"].as_array().unwrap().len()
    };
    assert_eq!(labels().await, 0);
    assert_eq!(
        get(&world, BUG).await.json()["fields"]["labels"],
        json!(["new"]),
        "the issue itself is current"
    );
    world.clock.advance(SignedDuration::from_secs(61));
    assert_eq!(labels().await, 1);

    let page = |token: &str| {
        format!(r#"{{"jql": "project = OCPBUGS", "fields": ["status"], "maxResults": 2{token}}}"#)
    };
    let first = send(&world, "POST", "2/search/jql", &page("")).await.json();
    let next = format!(r#", "nextPageToken": {}"#, first["nextPageToken"]);
    world.jira.lock().expire_tokens = 1;
    assert_eq!(send(&world, "POST", "2/search/jql", &page(&next)).await.status, 400);
    assert_eq!(send(&world, "POST", "2/search/jql", &page(&next)).await.status, 200);
}

#[tokio::test]
async fn a_target_version_that_no_project_has_is_refused() {
    let world = world();
    let search =
        |version: &str| format!(r#"{{"jql": "'Target Version' in ({version})", "fields": ["status"]}}"#);
    assert_eq!(send(&world, "POST", "2/search/jql", &search("4.19.z")).await.status, 200);
    let refused = send(&world, "POST", "2/search/jql", &search("4.11.z")).await;
    assert!(refused.status == 400 && refused.text.contains("'4.11.z' does not exist"), "{refused:?}");
    let versions = get(&world, "2/project/OCPBUGS/versions").await.json();
    assert_eq!(versions[0]["name"], "4.12.z");
}
