use serde_json::json;

use super::{get, send};
use crate::{
    services::testing::{Answer, world},
    world::Shared,
};

async fn search(world: &Shared, jql: &str, more: &str) -> Answer {
    let jql = percent_encoding::utf8_percent_encode(jql, percent_encoding::NON_ALPHANUMERIC);
    get(world, &format!("3/search/jql?jql={jql}{more}")).await
}

async fn keys(world: &Shared, jql: &str) -> Vec<String> {
    let answer = search(world, jql, "&fields=key").await;
    assert_eq!(answer.status, 200, "{jql}: {answer:?}");
    let issues = answer.json()["issues"].clone();
    issues.as_array().unwrap().iter().map(|issue| issue["key"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn queries_find_what_they_say() {
    let world = world();
    let subtasks = keys(&world, "parent = ART-14191 ORDER BY key ASC").await;
    assert_eq!(subtasks, ["ART-14192", "ART-14193", "ART-14194", "ART-14195", "ART-14196"]);
    assert_eq!(keys(&world, "parent = ART-14191 ORDER BY key DESC").await[0], "ART-14196");
    assert_eq!(keys(&world, "key in (ART-14191, \"OCPBUGS-60010\")").await.len(), 2);
    assert_eq!(keys(&world, "parent=ART-14600 AND status != Closed and summary ~ 'rel_prep'").await.len(), 1);
    let notificator = "project = OCPBUGS AND issuetype in (Bug, Vulnerability) AND status = ON_QA AND \
                       'Target Version' in (4.18.z, 4.19.z) AND status changed to ON_QA after 2026-06-01";
    assert_eq!(keys(&world, notificator).await, ["OCPBUGS-60011", "OCPBUGS-60010"]);
    let late = "project = OCPBUGS AND status changed to ON_QA after 2026-07-15";
    assert_eq!(keys(&world, late).await, [] as [&str; 0]);
    assert_eq!(keys(&world, "project = ART AND assignee is not EMPTY").await, [] as [&str; 0]);
    assert_eq!(keys(&world, "project = ART AND parent is EMPTY").await.len(), 2);
    assert_eq!(keys(&world, "project not in (ART, CVP) AND labels = TestBlocker").await.len(), 2);
}

#[tokio::test]
async fn hidden_issues_are_never_found() {
    let world = world();
    assert!(!keys(&world, "project = OCPBUGS").await.contains(&"OCPBUGS-60999".to_owned()));
    assert_eq!(search(&world, "key = OCPBUGS-60999", "").await.status, 400);
}

#[tokio::test]
async fn one_hidden_or_absent_key_refuses_the_whole_query_and_every_such_key_is_named() {
    let world = world();
    let answer = search(&world, "key in (OCPBUGS-60010, ART-1, OCPBUGS-60999)", "&fields=key").await;
    assert_eq!(answer.status, 400);
    let expected = ["ART-1", "OCPBUGS-60999"]
        .map(|key| format!("An issue with key '{key}' does not exist for field 'key'."));
    assert_eq!(answer.json()["errorMessages"], json!(expected));
}

#[tokio::test]
async fn bad_queries_are_refused_with_a_reason() {
    let world = world();
    for (jql, reason) in [
        ("", "Unbounded"),
        ("project", "Expecting operator"),
        ("project = ART OR project = CVP", "Expecting either"),
        ("colour = red", "does not exist"),
        ("project = NONE", "The value 'NONE' does not exist"),
        ("status = Sleeping", "The value 'Sleeping'"),
        ("key = ART-1", "An issue with key 'ART-1'"),
        ("summary ~ 'open", "has not been completed"),
        ("key in ART-1", "Expecting '('"),
        ("project = ART ORDER BY colour", "ordering"),
        ("status changed to ON_QA after yesterday", "Date value"),
        ("project = (", "Expecting a value"),
    ] {
        let answer = search(&world, jql, "").await;
        assert_eq!(answer.status, 400, "{jql}");
        assert!(answer.json()["errorMessages"][0].as_str().unwrap().contains(reason), "{jql}: {answer:?}");
    }
}

#[tokio::test]
async fn pages_are_chained_by_a_token() {
    let world = world();
    let jql = "project = ART";
    let mut token = String::new();
    let mut sizes = Vec::new();
    loop {
        let answer = search(&world, jql, &format!("&maxResults=5&fields=summary{token}")).await.json();
        sizes.push(answer["issues"].as_array().unwrap().len());
        assert!(answer.get("total").is_none());
        let Some(next) = answer["nextPageToken"].as_str() else {
            assert_eq!(answer["isLast"], true);
            break;
        };
        assert_eq!(answer["isLast"], false);
        token = format!("&nextPageToken={next}");
    }
    assert_eq!(sizes, [5, 5, 2]);
    let foreign = search(&world, "project = CVP", &token).await;
    assert_eq!(foreign.status, 400, "a token belongs to its query");
    assert_eq!(search(&world, jql, "&nextPageToken=!!").await.status, 400);
    assert_eq!(search(&world, jql, "&maxResults=0").await.status, 400);
}

#[tokio::test]
async fn only_ids_come_unless_fields_are_named() {
    let world = world();
    let bare = search(&world, "key = ART-14191", "").await.json();
    assert_eq!(bare["issues"][0], json!({"id": "18014191"}));
    let body = json!({"jql": "key = ART-14191", "fields": ["*all"], "expand": "changelog", "maxResults": 10});
    let full = send(&world, "POST", "2/search/jql", &body.to_string()).await.json();
    assert_eq!(full["issues"][0]["fields"]["subtasks"].as_array().unwrap().len(), 5);
    assert!(full["issues"][0]["changelog"]["histories"].is_array());
    assert_eq!(send(&world, "POST", "2/search/jql", "{").await.status, 400);
}

#[tokio::test]
async fn the_old_search_is_gone() {
    let world = world();
    assert_eq!(get(&world, "2/search?jql=project=ART").await.status, 410);
    assert_eq!(send(&world, "POST", "3/search", "{}").await.status, 410);
}
