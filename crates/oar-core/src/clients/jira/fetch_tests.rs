use std::collections::BTreeSet;

use serde_json::{Value, json};
use wiremock::matchers::{method, path, path_regex};
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

use super::tests::{client, sent};
use super::*;
use crate::clients::testing::ok;
use crate::error::{Classified, ErrorClass};

/// What a key leads to: an issue's number, and its present key.
type Place = (&'static str, &'static str);

/// A Jira with issues `OCPBUGS-<number>`, except those that `moved` maps to another issue (`None` hides one).
async fn jira(moved: &'static [(&'static str, Option<Place>)], myself: u16) -> MockServer {
    let server = MockServer::start().await;
    let place = move |key: &str| match moved.iter().find(|(asked, _)| *asked == key) {
        Some((_, elsewhere)) => elsewhere.map(|(id, key)| (id.to_owned(), key.to_owned())),
        None => key.strip_prefix("OCPBUGS-").map(|number| (number.to_owned(), key.to_owned())),
    };
    let issue =
        |(id, key): (String, String)| json!({"id": id, "key": key, "fields": {"status": {"name": "ON_QA"}}});
    let bulk = move |request: &Request| {
        let asked: Value = serde_json::from_slice(&request.body).unwrap();
        assert_eq!(asked["fields"], json!(["status"]));
        let keys = asked["issueIdsOrKeys"].as_array().unwrap();
        if keys.len() > 100 {
            return ResponseTemplate::new(400);
        }
        let mut places: Vec<_> = keys.iter().filter_map(|key| place(key.as_str().unwrap())).collect();
        places.sort_by_key(|(id, _)| id.parse::<u64>().unwrap());
        places.dedup();
        ok(json!({"issueErrors": [], "issues": places.into_iter().map(issue).collect::<Vec<_>>()}))
    };
    let one = move |request: &Request| {
        let key = request.url.path().rsplit('/').next().unwrap();
        place(key).map_or_else(|| ResponseTemplate::new(404), |place| ok(issue(place)))
    };
    let at =
        |verb: &str, address: &str| Mock::given(method(verb)).and(path(format!("/jira/rest/api/2{address}")));
    at("POST", "/issue/bulkfetch").respond_with(bulk).mount(&server).await;
    let own = ResponseTemplate::new(myself).set_body_json(json!({"accountId": "me"}));
    at("GET", "/myself").respond_with(own).mount(&server).await;
    Mock::given(method("GET"))
        .and(path_regex("/issue/[A-Z]+-[0-9]+$"))
        .respond_with(one)
        .mount(&server)
        .await;
    server
}

fn keys(numbers: impl IntoIterator<Item = u32>) -> BTreeSet<IssueKey> {
    numbers.into_iter().map(|number| key(&format!("OCPBUGS-{number}"))).collect()
}

fn key(text: &str) -> IssueKey {
    text.parse().unwrap()
}

#[tokio::test]
async fn many_issues_are_read_a_hundred_at_a_time() {
    let server = jira(&[], 200).await;
    let set = client(&server).issues(&keys(1..=250), &["status"]).await.unwrap();
    assert_eq!((set.found.len(), set.hidden.len()), (250, 0));
    assert_eq!(set.get(&key("OCPBUGS-250")).unwrap().status(), Some("ON_QA"));
    assert_eq!(sent(&server).await.len(), 3);
    let nothing = client(&server).issues(&BTreeSet::new(), &["status"]).await.unwrap();
    assert!(nothing.found.is_empty() && sent(&server).await.len() == 3);
}

#[tokio::test]
async fn a_moved_issue_is_known_by_the_key_it_was_asked_for_by() {
    let server = jira(&[("OCPBUGS-3", Some(("3", "CORENET-77")))], 200).await;
    let set = client(&server).issues(&keys([2, 3, 4]), &["status"]).await.unwrap();
    assert!(set.hidden.is_empty() && set.found.len() == 3, "{set:?}");
    let moved = set.get(&key("OCPBUGS-3")).unwrap();
    assert_eq!((moved.key.as_str(), moved.status()), ("OCPBUGS-3", Some("ON_QA")));
    assert_eq!(moved.other_keys, BTreeSet::from([key("CORENET-77")]));
    assert!(set.get(&key("OCPBUGS-2")).unwrap().other_keys.is_empty());
    assert_eq!(sent(&server).await.len(), 2);
}

#[tokio::test]
async fn an_issue_that_is_asked_for_by_two_keys_is_one() {
    let moved = &[("OCPBUGS-3", Some(("3", "CORENET-77"))), ("CORENET-77", Some(("3", "CORENET-77")))];
    let server = jira(moved, 200).await;
    let mut asked = keys([2, 3]);
    asked.insert(key("CORENET-77"));
    let set = client(&server).issues(&asked, &["status"]).await.unwrap();
    assert_eq!((set.found.len(), set.hidden.len()), (3, 0));
    let distinct: Vec<&str> = set.distinct().map(|issue| issue.key.as_str()).collect();
    assert_eq!(distinct, ["CORENET-77", "OCPBUGS-2"]);
    let bug = Bug::of(set.get(&key("OCPBUGS-3")).unwrap());
    assert!(
        bug.has_key(&key("CORENET-77")) && bug.has_key(&key("OCPBUGS-3")) && !bug.has_key(&key("OCPBUGS-2"))
    );
}

#[tokio::test]
async fn what_is_left_out_silently_is_asked_for_before_it_counts_as_hidden() {
    let server = jira(&[("OCPBUGS-7", None), ("OCPBUGS-70", None)], 200).await;
    let set = client(&server).issues(&keys(1..=100), &["status"]).await.unwrap();
    assert_eq!((set.found.len(), &set.hidden), (98, &keys([7, 70])));
    assert!(set.found.contains_key(&key("OCPBUGS-77")), "a key is no prefix of another");
    assert_eq!(sent(&server).await.len(), 4, "the list, the two, and the own account once");
}

#[tokio::test]
async fn nothing_is_hidden_for_credentials_that_are_not_known_to_be_good() {
    for (myself, class) in [(401, ErrorClass::Configuration), (500, ErrorClass::Unavailable)] {
        let server = jira(&[("OCPBUGS-7", None)], myself).await;
        let error = client(&server).issues(&keys([7, 8]), &["status"]).await.unwrap_err();
        assert_eq!(error.class(), class, "{error}");
    }
}

#[tokio::test]
async fn an_answer_that_is_no_list_or_an_outage_is_never_an_empty_list() {
    for (status, body) in
        [(200, "<html>sign in</html>"), (200, r#"{"issues": "none"}"#), (503, ""), (429, "")]
    {
        let server = MockServer::start().await;
        let answer = ResponseTemplate::new(status).set_body_string(body);
        Mock::given(method("POST")).respond_with(answer).mount(&server).await;
        let error = client(&server).issues(&keys([1]), &["status"]).await.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Unavailable, "{status} {body}");
    }
}
