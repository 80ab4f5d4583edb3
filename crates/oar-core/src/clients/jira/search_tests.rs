use serde_json::{Value, json};
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

use super::tests::client;
use super::*;
use crate::clients::testing::{ok, permit};

#[tokio::test]
async fn a_search_reads_every_page() {
    let server = MockServer::start().await;
    let answer = |request: &Request| {
        let query: Value = serde_json::from_slice(&request.body).unwrap();
        let page = |key: &str| json!([{"key": key, "fields": {}}]);
        match query["nextPageToken"].as_str() {
            None => ok(json!({"issues": page("ART-1"), "isLast": false, "nextPageToken": "two"})),
            Some("two") => ok(json!({"issues": page("ART-2"), "isLast": true})),
            Some(_) => ResponseTemplate::new(400),
        }
    };
    Mock::given(method("POST")).respond_with(answer).mount(&server).await;
    let found = client(&server).search("project = ART", &["summary"]).await.unwrap();
    let keys: Vec<&str> = found.iter().map(|issue| issue.key.as_str()).collect();
    assert_eq!(keys, ["ART-1", "ART-2"]);
}

#[tokio::test]
async fn a_key_that_is_none_is_named_as_what_is_wrong_with_the_answer() {
    let server = MockServer::start().await;
    let answer = ok(json!({"issues": [{"key": "ART-1 (moved)", "fields": {}}], "isLast": true}));
    Mock::given(method("POST")).respond_with(answer).mount(&server).await;
    let error = client(&server).search("project = ART", &["summary"]).await.unwrap_err().to_string();
    let words = "not the JSON that was expected: `ART-1 (moved)` is not a Jira issue key";
    assert!(error.contains(words) && !error.contains("Serialization"), "{error}");
}

#[tokio::test]
async fn a_search_whose_token_expired_begins_once_more() {
    for (refusals, expected) in [(1, Some(2)), (2, None)] {
        let server = MockServer::start().await;
        let refused = std::sync::atomic::AtomicUsize::new(0);
        let answer = move |request: &Request| {
            let query: Value = serde_json::from_slice(&request.body).unwrap();
            let page = |key: &str, next: Value| {
                ok(json!({"issues": [{"id": key, "key": key, "fields": {}}], "nextPageToken": next}))
            };
            assert_eq!(query["maxResults"], 7);
            match query["nextPageToken"].as_str() {
                None => page("ART-1", json!("two")),
                Some(_) if refused.fetch_add(1, std::sync::atomic::Ordering::SeqCst) < refusals => {
                    ResponseTemplate::new(400)
                }
                // An issue that moved to the next page meanwhile is there once.
                Some("two") => page("ART-1", json!("three")),
                Some(_) => page("ART-2", Value::Null),
            }
        };
        Mock::given(method("POST")).respond_with(answer).mount(&server).await;
        let found = client(&server).search_in_pages("project = ART", &["summary"], 7).await;
        assert_eq!(found.ok().map(|issues| issues.len()), expected, "{refusals} refusals");
    }
}

fn new_issue() -> NewIssue {
    NewIssue {
        project: "CVP".to_owned(),
        issue_type: "Bug".to_owned(),
        summary: "[4.14.60] made up".to_owned(),
        description: "text".to_owned(),
        priority: "Blocker".to_owned(),
    }
}

#[tokio::test]
async fn an_issue_is_created_with_one_request() {
    let server = MockServer::start().await;
    let expected = json!({"fields": {
        "project": {"key": "CVP"}, "issuetype": {"name": "Bug"}, "summary": "[4.14.60] made up",
        "description": "text", "priority": {"name": "Blocker"},
    }});
    Mock::given(method("POST"))
        .and(path("/jira/rest/api/2/issue"))
        .and(wiremock::matchers::body_json(expected))
        .respond_with(ResponseTemplate::new(201).set_body_json(json!({"id": "1", "key": "CVP-9"})))
        .expect(1)
        .mount(&server)
        .await;
    let created = client(&server).create_issue(&new_issue(), &permit()).await.unwrap();
    assert_eq!(created.as_str(), "CVP-9");
}

#[tokio::test]
async fn a_creation_without_an_answer_is_looked_up_and_never_sent_twice() {
    for (found, expected) in [(vec!["[4.14.60] made up"], Some("CVP-1")), (vec!["[4.14.6] made up"], None)] {
        let server = MockServer::start().await;
        let issues: Vec<Value> =
            found.iter().map(|title| json!({"key": "CVP-1", "fields": {"summary": title}})).collect();
        Mock::given(method("POST"))
            .and(path("/jira/rest/api/2/issue"))
            .respond_with(ResponseTemplate::new(502))
            .expect(1)
            .mount(&server)
            .await;
        Mock::given(method("POST"))
            .and(path("/jira/rest/api/2/search/jql"))
            .respond_with(ok(json!({"issues": issues})))
            .mount(&server)
            .await;
        let outcome = client(&server).create_issue(&new_issue(), &permit()).await;
        assert_eq!(outcome.ok().as_ref().map(IssueKey::as_str), expected);
    }
}
