//! Histories, comments, and changes of single values.

use serde_json::{Value, json};
use wiremock::matchers::{method, path, query_param};
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

use super::tests::client;
use super::*;
use crate::clients::testing::ok;

const ISSUE: &str = "/jira/rest/api/2/issue/OCPBUGS-1";

fn key() -> IssueKey {
    "OCPBUGS-1".parse().unwrap()
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn id(text: &str) -> IssueId {
    serde_json::from_value(json!(text)).unwrap()
}

fn permit() -> WritePermit {
    WritePermit::granted_by_user_interface()
}

async fn bodies(server: &MockServer) -> Vec<Value> {
    let requests = server.received_requests().await.unwrap();
    requests.iter().filter_map(|request| serde_json::from_slice(&request.body).ok()).collect()
}

#[test]
fn times_come_in_two_forms() {
    let time = at("2026-07-01T00:00:00.5Z");
    for value in [
        json!("2026-07-01T00:00:00.500+0000"),
        json!("2026-07-01T02:00:00.500+0200"),
        json!("2026-07-01T00:00:00.500Z"),
        json!(1_782_864_000_500_i64),
    ] {
        assert_eq!(moment(&value), Some(time), "{value}");
    }
    for value in [json!("soon"), json!(null), json!(""), json!(i64::MAX), json!(1.5)] {
        assert_eq!(moment(&value), None, "{value}");
    }
}

fn status(created: &Value, to: &Value) -> Value {
    json!({"id": "1", "created": created, "items": [
        {"field": "labels", "fieldId": "labels", "toString": "x"},
        {"field": "status", "fieldId": "status", "fromString": "POST", "toString": to},
    ]})
}

#[tokio::test]
async fn histories_are_read_in_pages_across_issues() {
    let server = MockServer::start().await;
    let answer = |request: &Request| {
        let asked: Value = serde_json::from_slice(&request.body).unwrap();
        match asked.get("nextPageToken").and_then(Value::as_str) {
            None => ok(json!({"nextPageToken": "p2", "issueChangeLogs": [
                {"issueId": "11", "changeHistories": [status(&json!(2_000), &json!("ON_QA"))]},
                {"issueId": "12", "changeHistories": null},
            ]})),
            Some(_) => ok(json!({"nextPageToken": null, "issueChangeLogs": [
                {"issueId": "11", "changeHistories": [status(&json!("1970-01-01T00:00:01.000+0000"), &json!(null))]},
            ]})),
        }
    };
    Mock::given(method("POST"))
        .and(path("/jira/rest/api/2/changelog/bulkfetch"))
        .respond_with(answer)
        .mount(&server)
        .await;
    let changes = client(&server).status_changes(&[id("11"), id("12"), id("13")]).await.unwrap();
    let change = |seconds: i64, to: &str| StatusChange {
        at: Timestamp::from_second(seconds).unwrap(),
        to: to.to_owned(),
    };
    assert_eq!(changes[&id("11")], [change(1, ""), change(2, "ON_QA")], "oldest first");
    assert!(changes[&id("12")].is_empty() && !changes.contains_key(&id("13")));
    let asked = bodies(&server).await;
    assert_eq!(asked[0]["issueIdsOrKeys"], json!(["11", "12", "13"]));
    assert_eq!(asked[0]["fieldIds"], json!(["status"]));
    assert_eq!(asked[1]["nextPageToken"], "p2");
}

#[tokio::test]
async fn a_history_that_cannot_be_read_is_no_empty_one() {
    for answer in [
        json!({"issueChangeLogs": [{"issueId": "1", "changeHistories": [{"id": "1", "items": []}]}]}),
        json!({"issueChangeLogs": [{"issueId": "1", "changeHistories": [status(&json!("soon"), &json!("ON_QA"))]}]}),
        json!({"nextPageToken": "again", "issueChangeLogs": []}),
        json!([]),
    ] {
        let server = MockServer::start().await;
        Mock::given(method("POST")).respond_with(ok(answer.clone())).mount(&server).await;
        let error = client(&server).status_changes(&[id("1")]).await.unwrap_err();
        assert_eq!(error.kind, ServiceErrorKind::Malformed, "{answer}: {error}");
    }
}

#[tokio::test]
async fn a_thousand_issues_are_asked_for_at_once() {
    let server = MockServer::start().await;
    Mock::given(method("POST")).respond_with(ok(json!({"issueChangeLogs": []}))).mount(&server).await;
    let ids: Vec<IssueId> = (0..1001).map(|number| id(&number.to_string())).collect();
    client(&server).status_changes(&ids).await.unwrap();
    let counts: Vec<usize> =
        bodies(&server).await.iter().map(|body| body["issueIdsOrKeys"].as_array().unwrap().len()).collect();
    assert_eq!(counts, [1000, 1]);
}

/// A Jira with `count` comments, one per minute, that returns at most `cap` of them per page, and their
/// number if `total` is set.
async fn commented(count: i64, cap: usize, total: bool) -> MockServer {
    let server = MockServer::start().await;
    let answer = move |request: &Request| {
        let number = |name: &str| {
            request.url.query_pairs().find(|(key, _)| key == name).unwrap().1.parse::<usize>().unwrap()
        };
        let comments: Vec<Value> = (0..count)
            .rev()
            .map(|minute| {
                let created = Timestamp::from_second(minute * 60).unwrap().to_string();
                json!({"id": minute.to_string(), "created": created, "body": "text"})
            })
            .skip(number("startAt"))
            .take(number("maxResults").min(cap))
            .collect();
        let mut answer = json!({"startAt": number("startAt"), "maxResults": cap, "comments": comments});
        if total {
            answer["total"] = json!(count);
        }
        ok(answer)
    };
    Mock::given(method("GET"))
        .and(path(format!("{ISSUE}/comment")))
        .and(query_param("orderBy", "-created"))
        .respond_with(answer)
        .mount(&server)
        .await;
    server
}

#[tokio::test]
async fn comments_are_read_until_one_is_older() {
    let server = commented(250, 100, true).await;
    let since = Timestamp::from_second(200 * 60).unwrap();
    let comments = client(&server).comments_since(&key(), Some(since)).await.unwrap();
    assert_eq!((comments.len(), comments[0].id.as_str()), (50, "249"));
    assert_eq!(comments.last().unwrap().at, since, "the moment itself counts");
    assert_eq!(server.received_requests().await.unwrap().len(), 1);
}

#[tokio::test]
async fn all_comments_come_whatever_the_site_s_own_limit() {
    for (count, cap, total, requests) in
        [(250, 100, true, 3), (50, 20, true, 3), (100, 100, false, 2), (0, 100, true, 1)]
    {
        let server = commented(count, cap, total).await;
        let comments = client(&server).comments_since(&key(), None).await.unwrap();
        assert_eq!(i64::try_from(comments.len()).unwrap(), count);
        assert_eq!(server.received_requests().await.unwrap().len(), requests, "{count} {cap}");
    }
}

#[tokio::test]
async fn a_label_is_added_and_removed_by_itself() {
    let server = MockServer::start().await;
    Mock::given(method("PUT")).and(path(ISSUE)).respond_with(ResponseTemplate::new(204)).mount(&server).await;
    let jira = client(&server);
    jira.change_label(&key(), "a", LabelChange::Add, &permit()).await.unwrap();
    jira.change_label(&key(), "b", LabelChange::Remove, &permit()).await.unwrap();
    let expected =
        [json!({"update": {"labels": [{"add": "a"}]}}), json!({"update": {"labels": [{"remove": "b"}]}})];
    assert_eq!(bodies(&server).await, expected);
}

#[tokio::test]
async fn people_are_added_once_and_nobody_is_lost() {
    let account = AccountId::new;
    let person = |id: &str| json!({"accountId": id, "displayName": id, "active": true});
    for (before, expected) in [
        (json!(null), Some(json!([{"accountId": "b"}]))),
        (json!([person("a")]), Some(json!([{"accountId": "a"}, {"accountId": "b"}]))),
        (json!([person("b"), person("a")]), None),
    ] {
        let server = MockServer::start().await;
        let issue = json!({"id": "1", "key": "OCPBUGS-1", "fields": {"customfield_10482": before}});
        Mock::given(method("GET")).and(path(ISSUE)).respond_with(ok(issue)).mount(&server).await;
        Mock::given(method("PUT"))
            .and(path(ISSUE))
            .respond_with(ResponseTemplate::new(204))
            .mount(&server)
            .await;
        let effect = client(&server)
            .add_people(&key(), "customfield_10482", &[account("b")], &permit())
            .await
            .unwrap();
        let sent: Vec<Value> = bodies(&server).await;
        match expected {
            Some(list) => {
                assert_eq!(sent, [json!({"fields": {"customfield_10482": list}})]);
                assert_eq!(effect, Effect::Changed);
            }
            None => assert!(sent.is_empty() && effect == Effect::AlreadySo),
        }
    }
    let server = MockServer::start().await;
    let issue = json!({"id": "1", "key": "OCPBUGS-1", "fields": {"customfield_10482": [{"name": "old"}]}});
    Mock::given(method("GET")).and(path(ISSUE)).respond_with(ok(issue)).mount(&server).await;
    let error = client(&server).add_people(&key(), "customfield_10482", &[account("b")], &permit()).await;
    assert!(error.unwrap_err().to_string().contains("would remove them"));
    assert_eq!(server.received_requests().await.unwrap().len(), 1, "nothing is written");
}

#[tokio::test]
async fn only_the_fields_that_were_asked_for_are_answered() {
    let server = MockServer::start().await;
    let entry = json!({"created": 5_000, "items": [
        {"field": "Need Info From", "fieldId": "customfield_1", "toString": "Q"},
        {"field": "Another", "fieldId": "customfield_2", "toString": "x"},
        {"field": "status", "toString": "ON_QA"},
    ]});
    let answer = json!({"issueChangeLogs": [{"issueId": "1", "changeHistories": [entry]}]});
    Mock::given(method("POST")).respond_with(ok(answer)).mount(&server).await;
    let changes = client(&server).field_changes(&[id("1")], &["status", "customfield_1"]).await.unwrap();
    let found: Vec<(&str, &str)> =
        changes[&id("1")].iter().map(|change| (change.field.as_str(), change.to.as_str())).collect();
    assert_eq!(found, [("customfield_1", "Q"), ("status", "ON_QA")]);
    assert_eq!(bodies(&server).await[0]["fieldIds"], json!(["status", "customfield_1"]));
}

#[test]
fn comments_with_an_issue_count_only_when_they_are_certainly_all() {
    let issue = |count: usize, total: Value| -> Issue {
        let comment = json!({"id": "1", "created": "2026-07-01T00:00:00.000+0000", "body": "x"});
        let comments = vec![comment; count];
        let fields = json!({"comment": {"comments": comments, "total": total}});
        serde_json::from_value(json!({"id": "1", "key": "OCPBUGS-1", "fields": fields})).unwrap()
    };
    for (count, total, all) in [
        (0, json!(0), true),
        (3, json!(3), true),
        (3, json!(4), false),
        (3, Value::Null, false),
        (20, json!(20), false),
        (100, json!(100), false),
        (21, json!(21), true),
    ] {
        let found = issue(count, total.clone()).all_comments();
        assert_eq!(found.map(|comments| comments.len()), all.then_some(count), "{count} of {total}");
    }
    let bare: Issue = serde_json::from_value(json!({"id": "1", "key": "OCPBUGS-1", "fields": {}})).unwrap();
    assert!(bare.all_comments().is_none());
}

#[tokio::test]
async fn whoever_creates_a_property_learns_it_and_an_unclear_answer_is_not_sent_again() {
    for (status, expected) in [(201, Some(true)), (200, Some(false)), (204, None)] {
        let server = MockServer::start().await;
        Mock::given(method("PUT"))
            .and(path(format!("{ISSUE}/properties/a.b.0")))
            .respond_with(ResponseTemplate::new(status))
            .expect(1)
            .mount(&server)
            .await;
        let set = client(&server).set_property(&key(), "a.b.0", &json!({"at": "now"}), None, &permit()).await;
        assert_eq!(set.ok(), expected, "{status}");
    }
}

#[tokio::test]
async fn an_issue_comes_with_its_properties() {
    let server = MockServer::start().await;
    let issue = json!({"id": "1", "key": "OCPBUGS-1", "fields": {}, "properties": {"a": {"x": 1}}});
    Mock::given(method("GET"))
        .and(path(ISSUE))
        .and(query_param("properties", "*all"))
        .respond_with(ok(issue))
        .mount(&server)
        .await;
    let issue = client(&server).issue_with_properties(&key(), &["status"]).await.unwrap();
    assert_eq!(issue.property("a"), Some(&json!({"x": 1})));
    assert_eq!(issue.property("b"), None);
}

#[tokio::test]
async fn links_without_an_address_are_left_out() {
    let server = MockServer::start().await;
    let links = json!([{"id": 1, "object": {"url": "https://example.com/1"}}, {"object": {"url": null}}, {"object": null}, {}]);
    Mock::given(method("GET"))
        .and(path(format!("{ISSUE}/remotelink")))
        .respond_with(ok(links))
        .mount(&server)
        .await;
    assert_eq!(client(&server).remote_links(&key()).await.unwrap(), ["https://example.com/1"]);
}
