use std::collections::BTreeSet;

use serde_json::{Value, json};
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

use super::tests::{client, ok, permit, sent};
use super::*;

/// A Jira that shows every key but the hidden ones, and says so as `refuse` words it.
async fn jira(hidden: &'static [&'static str], refuse: fn(&[&str]) -> Vec<String>) -> MockServer {
    let server = MockServer::start().await;
    let answer = move |request: &Request| {
        let query: Value = serde_json::from_slice(&request.body).unwrap();
        let jql = query["jql"].as_str().unwrap();
        let list = jql.strip_prefix("key in (").and_then(|rest| rest.strip_suffix(')')).unwrap();
        let asked: Vec<&str> = list.split(", ").collect();
        assert!(asked.len() <= 100 && query["fields"] == json!(["status"]));
        let refused: Vec<&str> = asked.iter().copied().filter(|key| hidden.contains(key)).collect();
        if refused.is_empty() {
            let issues: Vec<Value> = asked
                .iter()
                .map(|key| json!({"key": key, "fields": {"status": {"name": "ON_QA"}}}))
                .collect();
            ok(json!({"issues": issues, "isLast": true}))
        } else {
            ResponseTemplate::new(400).set_body_json(json!({"errorMessages": refuse(&refused), "errors": {}}))
        }
    };
    Mock::given(method("POST"))
        .and(path("/jira/rest/api/2/search/jql"))
        .respond_with(answer)
        .mount(&server)
        .await;
    server
}

fn keys(numbers: impl IntoIterator<Item = u32>) -> BTreeSet<IssueKey> {
    numbers.into_iter().map(|number| format!("OCPBUGS-{number}").parse().unwrap()).collect()
}

fn all_named(refused: &[&str]) -> Vec<String> {
    refused.iter().map(|key| format!("An issue with key '{key}' does not exist for field 'key'.")).collect()
}

#[tokio::test]
async fn many_issues_are_read_a_hundred_at_a_time() {
    let server = jira(&[], all_named).await;
    let set = client(&server).issues(&keys(1..=250), &["status"]).await.unwrap();
    assert_eq!((set.found.len(), set.hidden.len()), (250, 0));
    assert_eq!(set.get(&"OCPBUGS-250".parse().unwrap()).unwrap().status(), Some("ON_QA"));
    assert_eq!(sent(&server).await.len(), 3);
    let nothing = client(&server).issues(&BTreeSet::new(), &["status"]).await.unwrap();
    assert!(nothing.found.is_empty() && sent(&server).await.len() == 3);
}

#[tokio::test]
async fn keys_that_jira_refuses_are_left_out_and_the_rest_is_read() {
    let hidden = &["OCPBUGS-7", "OCPBUGS-70", "OCPBUGS-71", "OCPBUGS-72", "OCPBUGS-73", "OCPBUGS-99"];
    let server = jira(hidden, all_named).await;
    let set = client(&server).issues(&keys(1..=100), &["status"]).await.unwrap();
    assert_eq!((set.found.len(), set.hidden.len()), (94, 6));
    assert!(set.hidden.contains(&"OCPBUGS-7".parse().unwrap()));
    assert!(set.found.contains_key(&"OCPBUGS-77".parse().unwrap()), "a key is no prefix of another");
    assert_eq!(sent(&server).await.len(), 2, "however many are hidden");
}

#[tokio::test]
async fn a_refusal_that_names_no_key_is_halved_down_to_it() {
    let vague = |_: &[&str]| vec!["Issue does not exist or you do not have permission to see it.".to_owned()];
    let server = jira(&["OCPBUGS-3", "OCPBUGS-12"], vague).await;
    let set = client(&server).issues(&keys(1..=16), &["status"]).await.unwrap();
    assert_eq!(set.hidden, keys([3, 12]));
    assert_eq!(set.found.len(), 14);
    assert!(sent(&server).await.len() <= 17);
    let all_hidden = jira(&["OCPBUGS-1"], all_named).await;
    let set = client(&all_hidden).issues(&keys([1]), &["status"]).await.unwrap();
    assert_eq!(set.hidden, keys([1]));
}

#[tokio::test]
async fn a_refusal_for_another_reason_is_an_error() {
    let other = |_: &[&str]| vec!["Error in the JQL Query: the sky is falling.".to_owned()];
    let server = jira(&["OCPBUGS-3"], other).await;
    let error = client(&server).issues(&keys(1..=4), &["status"]).await.unwrap_err();
    assert!(error.to_string().contains("the sky is falling"), "{error}");
    assert_eq!(sent(&server).await.len(), 1);
}

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
