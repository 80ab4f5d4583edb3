use serde_json::{Value, json};

use super::{assert_no_issue, get};
use crate::{
    scenario::jira::{HIDDEN_ISSUE, QE_SUBTASKS},
    services::{
        jira::{ChangelogEntry, ChangelogItem, Comment},
        testing::world,
    },
};

#[tokio::test]
async fn an_issue_by_key_and_by_id() {
    let world = world();
    let by_key = get(&world, "2/issue/art-14191").await.json();
    let id = by_key["id"].as_str().unwrap();
    assert_eq!(by_key["self"], format!("http://127.0.0.1:8765/jira/rest/api/2/issue/{id}"));
    assert_eq!(get(&world, &format!("2/issue/{id}")).await.json(), by_key);
    assert_eq!(by_key["fields"]["status"]["name"], "In Progress");
    assert_eq!(by_key["fields"]["comment"]["total"], 0);
    assert!(by_key.get("changelog").is_none());
    let third = get(&world, "3/issue/ART-14191").await.json();
    assert_eq!(third["fields"]["description"]["type"], "doc");
    assert_eq!(by_key["fields"]["description"], "Made-up description.");
}

#[tokio::test]
async fn absent_and_hidden_issues_look_the_same() {
    let world = world();
    for path in ["ART-1", "999", "ART-1/transitions", "ART-1/comment", "ART-1/changelog", "ART-1/remotelink"]
    {
        assert_no_issue(&get(&world, &format!("2/issue/{path}")).await);
    }
    assert_no_issue(&get(&world, &format!("2/issue/{HIDDEN_ISSUE}")).await);
    let path = format!("2/issue/{HIDDEN_ISSUE}/comment");
    assert_no_issue(&super::send(&world, "POST", &path, r#"{"body":"x"}"#).await);
    assert!(world.jira.lock().issue(HIDDEN_ISSUE).unwrap().writes.is_empty());
}

#[tokio::test]
async fn a_parent_lists_its_subtasks_with_four_fields() {
    let world = world();
    for (key, first) in [("ART-14191", "ART-14192"), ("ART-14600", "ART-14601")] {
        let parent = get(&world, &format!("2/issue/{key}?fields=subtasks")).await.json();
        assert_eq!(parent["fields"].as_object().unwrap().len(), 1);
        let subtasks = parent["fields"]["subtasks"].as_array().unwrap();
        assert_eq!((subtasks.len(), &subtasks[0]["key"]), (5, &json!(first)));
        let members: Vec<&String> = subtasks[0]["fields"].as_object().unwrap().keys().collect();
        assert_eq!(members, ["summary", "status", "priority", "issuetype"]);
        let summary = |subtask: &Value| subtask["fields"]["summary"].as_str().unwrap().to_owned();
        let qe = subtasks.iter().map(summary).filter(|text| QE_SUBTASKS.contains(&text.as_str())).count();
        assert_eq!(qe, 3);
    }
    let subtask = get(&world, "2/issue/ART-14193").await.json();
    assert_eq!(subtask["fields"]["parent"]["key"], "ART-14191");
    assert_eq!(subtask["fields"]["issuetype"]["subtask"], true);
}

#[tokio::test]
async fn fields_can_be_chosen() {
    let world = world();
    let names =
        |view: &Value| -> Vec<String> { view["fields"].as_object().unwrap().keys().cloned().collect() };
    let some = get(&world, "2/issue/ART-14191?fields=summary,labels&fields=status").await.json();
    assert_eq!(names(&some).len(), 3);
    let all = get(&world, "2/issue/ART-14191?fields=*all").await.json();
    let without = get(&world, "2/issue/ART-14191?fields=*all,-comment").await.json();
    let minus = get(&world, "2/issue/ART-14191?fields=-comment").await.json();
    assert_eq!(names(&all).len(), names(&without).len() + 1);
    assert_eq!(names(&minus), names(&without));
}

#[tokio::test]
async fn people_in_fields() {
    let world = world();
    let bug = get(&world, "2/issue/OCPBUGS-60010").await.json();
    assert_eq!(bug["fields"]["customfield_10470"]["emailAddress"], "qcontact@example.com");
    assert_eq!(bug["fields"]["customfield_10482"], Value::Null);
    assert_eq!(bug["fields"]["assignee"], Value::Null);
    assert_eq!(bug["fields"]["reporter"]["active"], true);
    world.jira.lock().issue_mut("OCPBUGS-60011").unwrap().assignee = Some("712020:shy-lead".to_owned());
    let shy = get(&world, "2/issue/OCPBUGS-60011").await.json();
    assert_eq!(shy["fields"]["assignee"].get("emailAddress"), Some(&Value::Null));
    let without = get(&world, "2/issue/OCPBUGS-60020").await.json();
    assert_eq!(without["fields"]["priority"], Value::Null);
}

fn step(id: u64) -> ChangelogEntry {
    ChangelogEntry {
        id,
        author: "712020:bot".to_owned(),
        created: "2026-07-01T00:00:00.000+0000".to_owned(),
        items: vec![ChangelogItem {
            field: "labels".to_owned(),
            from: (None, None),
            to: (None, Some(id.to_string())),
        }],
    }
}

#[tokio::test]
async fn the_embedded_changelog_is_the_newest_part() {
    let world = world();
    world.jira.lock().issue_mut("OCPBUGS-60010").unwrap().changelog.extend((1..=50).map(step));
    let issue = get(&world, "2/issue/OCPBUGS-60010?expand=changelog").await.json();
    assert_eq!((&issue["changelog"]["total"], &issue["changelog"]["maxResults"]), (&json!(51), &json!(40)));
    assert_eq!(issue["changelog"]["histories"][0]["items"][0]["toString"], "50");
    let first = get(&world, "2/issue/OCPBUGS-60010/changelog?maxResults=30").await.json();
    assert_eq!(
        (&first["isLast"], &first["values"][0]["items"][0]["toString"]),
        (&json!(false), &json!("ON_QA"))
    );
    let rest = get(&world, "2/issue/OCPBUGS-60010/changelog?startAt=30&maxResults=30").await.json();
    assert_eq!((&rest["isLast"], rest["values"].as_array().unwrap().len()), (&json!(true), 21));
    assert_eq!(get(&world, "2/issue/OCPBUGS-60010/changelog?startAt=x").await.status, 400);
}

#[tokio::test]
async fn comments_come_in_pages() {
    let world = world();
    let comment = |id: u64| Comment {
        id,
        author: "712020:bot".to_owned(),
        body: format!("comment {id}"),
        created: String::new(),
        updated: String::new(),
    };
    world.jira.lock().issue_mut("ART-14191").unwrap().comments.extend((1..=130).map(comment));
    let issue = get(&world, "2/issue/ART-14191?fields=comment").await.json();
    let embedded = &issue["fields"]["comment"];
    assert_eq!((&embedded["total"], embedded["comments"].as_array().unwrap().len()), (&json!(130), 20));
    let page = get(&world, "2/issue/ART-14191/comment?startAt=100").await.json();
    assert_eq!((&page["total"], page["comments"].as_array().unwrap().len()), (&json!(130), 30));
    let newest = get(&world, "2/issue/ART-14191/comment?orderBy=-created&maxResults=1").await.json();
    assert_eq!(newest["comments"][0]["body"], "comment 130");
    assert_eq!(get(&world, "2/issue/ART-14191/comment/7").await.json()["body"], "comment 7");
    assert_eq!(get(&world, "2/issue/ART-14191/comment/777").await.status, 404);
}

#[tokio::test]
async fn projects_fields_and_links() {
    let world = world();
    let project = get(&world, "2/project/CVP").await.json();
    assert_eq!((&project["id"], &project["key"]), (&json!("10300"), &json!("CVP")));
    assert_eq!(get(&world, "2/project/NONE").await.status, 404);
    let fields = get(&world, "2/field").await.json();
    let contact = fields.as_array().unwrap().iter().find(|f| f["name"] == "QA Contact").unwrap().clone();
    assert_eq!((&contact["id"], &contact["schema"]["type"]), (&json!("customfield_10470"), &json!("user")));
    assert_eq!(contact["clauseNames"][0], "cf[10470]");
    world.jira.lock().issue_mut("ART-14191").unwrap().remote_links.push(super::super::RemoteLink {
        id: 5,
        url: "https://github.com/openshift/demo/pull/1".to_owned(),
        title: "demo".to_owned(),
    });
    let links = get(&world, "2/issue/ART-14191/remotelink").await.json();
    assert_eq!(links[0]["object"]["url"], "https://github.com/openshift/demo/pull/1");
}

#[tokio::test]
async fn other_routes_are_refused_loudly() {
    let world = world();
    assert_eq!(get(&world, "2/issue/ART-14191/watchers").await.status, 501);
    assert_eq!(super::send(&world, "DELETE", "2/issue/ART-14191", "").await.status, 501);
    assert_eq!(get(&world, "4/issue/ART-14191").await.status, 501);
}

#[tokio::test]
async fn issues_by_key_follow_moves_and_leave_out_what_is_hidden() {
    let world = world();
    world.jira.lock().move_issue("OCPBUGS-60010", "CORENET-77").unwrap();
    let body = |keys: &[&str]| json!({"issueIdsOrKeys": keys, "fields": ["status"]}).to_string();
    let bulk = |body: String| {
        let world = &world;
        async move { super::send(world, "POST", "2/issue/bulkfetch", &body).await }
    };
    let found =
        bulk(body(&["OCPBUGS-60020", "OCPBUGS-60010", "CORENET-77", HIDDEN_ISSUE, "ART-1"])).await.json();
    let keys: Vec<&Value> = found["issues"].as_array().unwrap().iter().map(|issue| &issue["key"]).collect();
    assert_eq!(keys, ["CORENET-77", "OCPBUGS-60020"]);
    assert_eq!(found["issueErrors"], json!([]));
    assert_eq!(get(&world, "2/issue/OCPBUGS-60010").await.json()["key"], "CORENET-77");
    let many: Vec<String> = (0..101).map(|number| format!("ART-{number}")).collect();
    assert_eq!(bulk(json!({"issueIdsOrKeys": many}).to_string()).await.status, 400);
    assert_eq!(bulk("{}".to_owned()).await.status, 400);
}
