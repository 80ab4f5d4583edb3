use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{get, send, send_as, send_as_reader};
use crate::{
    credentials::JIRA_USERNAME,
    services::{
        jira::{Issue, State, Write},
        testing::world,
    },
    world::Shared,
};

fn issue(world: &Shared, key: &str) -> Issue {
    world.jira.lock().issue(key).unwrap().clone()
}

#[tokio::test]
async fn assigning_by_account_id() {
    let world = world();
    for version in ["2", "3", "latest"] {
        let path = format!("{version}/issue/ART-14193/assignee");
        let answer = send(&world, "PUT", &path, r#"{"accountId":"712020:demo-lead"}"#).await;
        assert_eq!((answer.status, answer.text.as_str()), (204, ""));
    }
    assert_eq!(world.jira.lock().assignee_email("ART-14193"), Some("demo-lead@example.com"));
    let subtask = issue(&world, "ART-14193");
    assert_eq!((subtask.assignments(), subtask.writes.len(), subtask.changelog.len()), (3, 3, 1));
    assert_eq!(subtask.changelog[0].items[0].to.1.as_deref(), Some("Demo Lead"));
    assert_eq!(send(&world, "PUT", "2/issue/ART-14193/assignee", r#"{"accountId":null}"#).await.status, 204);
    assert_eq!(issue(&world, "ART-14193").writes[3], Write::Assigned(None));
}

#[tokio::test]
async fn assignments_that_are_refused() {
    let world = world();
    for (body, message) in [
        (r#"{"name":"demo-lead"}"#, "accountId"),
        (r#"{"emailAddress":"demo-lead@example.com"}"#, "accountId"),
        (r#"{"accountId":"712020:nobody"}"#, "does not exist"),
        (r#"{"accountId":"712020:former-lead"}"#, "does not exist"),
        (r#"{"accountId":"712020:outsider"}"#, "cannot be assigned"),
        ("{", "parsing JSON"),
    ] {
        let answer = send(&world, "PUT", "2/issue/ART-14193/assignee", body).await;
        assert_eq!(answer.status, 400, "{body}");
        assert!(answer.text.contains(message), "{answer:?}");
    }
    let reader =
        send_as_reader(&world, "PUT", "2/issue/ART-14193/assignee", r#"{"accountId":"712020:demo-lead"}"#)
            .await;
    assert_eq!(reader.status, 403);
    assert!(issue(&world, "ART-14193").writes.is_empty());
    super::assert_no_issue(&send(&world, "PUT", "2/issue/ART-1/assignee", r#"{"accountId":null}"#).await);
}

async fn step_names(world: &Shared, key: &str) -> Vec<String> {
    let steps = get(world, &format!("2/issue/{key}/transitions")).await.json()["transitions"].clone();
    steps.as_array().unwrap().iter().map(|step| step["name"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn steps_depend_on_the_status() {
    let world = world();
    assert_eq!(step_names(&world, "ART-14193").await, ["In Progress", "Closed"]);
    let step = r#"{"transition":{"id":"31"},"fields":{}}"#;
    let answer = send(&world, "POST", "2/issue/ART-14193/transitions", step).await;
    assert_eq!((answer.status, answer.text.as_str()), (204, ""));
    assert_eq!(step_names(&world, "ART-14193").await, ["To Do", "In Progress"]);
    let again = send(&world, "POST", "2/issue/ART-14193/transitions", step).await;
    assert_eq!(again.status, 400, "closed already");
    let subtask = issue(&world, "ART-14193");
    assert_eq!((subtask.status.as_str(), subtask.transitions()), ("Closed", 1));
    assert_eq!(subtask.changelog[0].items[0].from.1.as_deref(), Some("To Do"));
    let number = r#"{"transition":{"id":21}}"#;
    assert_eq!(send(&world, "POST", "2/issue/ART-14193/transitions", number).await.status, 204);
    assert_eq!(step_names(&world, "OCPBUGS-60010").await, ["Accept", "Done"], "not named like the status");
}

#[tokio::test]
async fn steps_that_are_refused() {
    let world = world();
    for body in [r#"{"transition":{"name":"Closed"}}"#, r#"{"transition":{"id":"99"}}"#, "{}", "x"] {
        let answer = send(&world, "POST", "2/issue/ART-14193/transitions", body).await;
        assert_eq!(answer.status, 400, "{body}");
    }
    let none = send_as_reader(&world, "GET", "2/issue/ART-14193/transitions", "").await.json();
    assert_eq!(none["transitions"], json!([]));
    let step = r#"{"transition":{"id":"31"}}"#;
    assert_eq!(send_as_reader(&world, "POST", "2/issue/ART-14193/transitions", step).await.status, 400);
    assert!(issue(&world, "ART-14193").writes.is_empty());
}

#[tokio::test]
async fn comments_in_both_forms() {
    let world = world();
    let wiki = r#"{"body":"hello [~accountid:712020:demo-lead]"}"#;
    let made = send(&world, "POST", "2/issue/ART-14191/comment", wiki).await;
    assert_eq!(made.status, 201);
    let document = json!({"body": {"type": "doc", "version": 1, "content": [{"type": "paragraph", "content": [
        {"type": "mention", "attrs": {"id": "712020:second-lead"}}, {"type": "text", "text": " please"}
    ]}]}});
    let other = send(&world, "POST", "3/issue/ART-14191/comment", &document.to_string()).await.json();
    assert_eq!(other["body"]["content"][0]["content"][0]["type"], "mention");
    let stored = issue(&world, "ART-14191").comments;
    assert_eq!(stored[0].mentions(), ["712020:demo-lead"]);
    assert_eq!(stored[1].body, "[~accountid:712020:second-lead] please");
    let path = format!("2/issue/ART-14191/comment/{}", made.json()["id"].as_str().unwrap());
    let edited = send(&world, "PUT", &path, r#"{"body":"changed"}"#).await;
    assert_eq!((edited.status, &edited.json()["body"]), (200, &json!("changed")));
    assert_eq!(send_as_reader(&world, "PUT", &path, r#"{"body":"mine"}"#).await.status, 400);
    for body in [r#"{"body":""}"#, "{}", r#"{"body":{"type":"doc"}}"#] {
        assert_eq!(send(&world, "POST", "2/issue/ART-14191/comment", body).await.status, 400, "{body}");
    }
    assert_eq!(send(&world, "POST", "3/issue/ART-14191/comment", wiki).await.status, 400);
    assert_eq!(send_as_reader(&world, "POST", "2/issue/ART-14191/comment", wiki).await.status, 403);
    assert_eq!(issue(&world, "ART-14191").comments.len(), 2);
}

#[tokio::test]
async fn edits_set_add_and_remove() {
    let world = world();
    let body = json!({
        "fields": {"summary": "new", "customfield_10482": [{"accountId": "712020:demo-lead"}],
            "customfield_10847": {"value": "Approved"}},
        "update": {"labels": [{"add": "a"}, {"add": "b"}, {"remove": "a"}],
            "comment": [{"add": {"body": "why"}}]},
    });
    let answer = send(&world, "PUT", "2/issue/OCPBUGS-60010", &body.to_string()).await;
    assert_eq!((answer.status, answer.text.as_str()), (204, ""));
    let view = get(&world, "2/issue/OCPBUGS-60010").await.json();
    assert_eq!(view["fields"]["labels"], json!(["b"]));
    assert_eq!(view["fields"]["customfield_10482"][0]["emailAddress"], "demo-lead@example.com");
    assert_eq!(view["fields"]["customfield_10847"]["value"], "Approved");
    let bug = issue(&world, "OCPBUGS-60010");
    assert_eq!((bug.edits(), bug.comments.len(), bug.changelog.len()), (1, 1, 2));
    let more = json!({"update": {"customfield_10482": [{"add": {"accountId": "712020:second-lead"}}]}});
    assert_eq!(send(&world, "PUT", "2/issue/OCPBUGS-60010", &more.to_string()).await.status, 204);
    let people = issue(&world, "OCPBUGS-60010").custom["customfield_10482"].clone();
    assert_eq!(people.as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn an_edit_with_one_fault_changes_nothing() {
    let world = world();
    let before = issue(&world, "OCPBUGS-60010");
    for (field, value) in [
        ("status", json!({"name": "Closed"})),
        ("colour", json!("red")),
        ("customfield_10978", json!("x")),
        ("labels", json!(["two words"])),
        ("labels", json!("one")),
        ("priority", json!({"name": "Highest"})),
        ("summary", json!(" ")),
        ("description", json!({"type": "doc"})),
        ("customfield_10470", json!({"accountId": "712020:nobody"})),
        ("customfield_10847", json!({"value": "Perhaps"})),
        ("customfield_10855", json!("4.19.z")),
        ("customfield_10482", json!({"accountId": "712020:demo-lead"})),
    ] {
        let body = json!({"fields": {"reporter": null, field: value}});
        let answer = send(&world, "PUT", "2/issue/OCPBUGS-60010", &body.to_string()).await;
        assert_eq!(answer.status, 400, "{field}");
        assert!(answer.json()["errors"][field].is_string(), "{field}: {answer:?}");
    }
    let both = json!({"fields": {"labels": []}, "update": {"labels": [{"add": "x"}]}});
    assert_eq!(send(&world, "PUT", "2/issue/OCPBUGS-60010", &both.to_string()).await.status, 400);
    assert_eq!(send(&world, "PUT", "2/issue/OCPBUGS-60010", "{}").await.status, 400);
    let fine = json!({"fields": {"labels": []}}).to_string();
    assert_eq!(send_as_reader(&world, "PUT", "2/issue/OCPBUGS-60010", &fine).await.status, 403);
    let after = issue(&world, "OCPBUGS-60010");
    assert_eq!((after.writes.len(), after.reporter), (0, before.reporter));
}

#[tokio::test]
async fn creating_issues() {
    let world = world();
    let fields = |more: Value| {
        let mut fields = json!({
            "project": {"id": "10300"}, "summary": "[4.14.60] made up", "description": "text",
            "issuetype": {"name": "Bug"}, "priority": {"name": "Blocker"},
        });
        for (name, value) in more.as_object().unwrap() {
            fields[name] = value.clone();
        }
        json!({"fields": fields}).to_string()
    };
    let made = send(&world, "POST", "2/issue", &fields(json!({}))).await;
    assert_eq!((made.status, &made.json()["key"]), (201, &json!("CVP-1")));
    assert_eq!(issue(&world, "CVP-1").writes, [Write::Created]);
    let subtask = json!({
        "project": {"key": "ART"}, "issuetype": {"name": "Sub-task"}, "parent": {"key": "ART-14191"}
    });
    assert_eq!(send(&world, "POST", "2/issue", &fields(subtask)).await.json()["key"], "ART-14606");
    for (change, field) in [
        (json!({"project": {"key": "NONE"}}), "project"),
        (json!({"issuetype": {"name": "Epic"}}), "issuetype"),
        (json!({"summary": ""}), "summary"),
        (json!({"priority": {"name": "P1"}}), "priority"),
        (json!({"project": {"key": "ART"}, "issuetype": {"name": "Sub-task"}}), "parent"),
    ] {
        let answer = send(&world, "POST", "2/issue", &fields(change)).await;
        assert_eq!(answer.status, 400, "{field}");
        assert!(answer.json()["errors"][field].is_string(), "{answer:?}");
    }
    assert_eq!(send_as_reader(&world, "POST", "2/issue", &fields(json!({}))).await.status, 403);
}

#[test]
fn the_control_interface_prepares_cases() {
    use crate::world::Simulated as _;
    let world = world();
    let mut state = world.jira.lock();
    let now = world.clock.now();
    state.change("set-status", &json!({"issue": "ART-14193", "status": "Closed"}), now).unwrap();
    assert_eq!(state.snapshot()["issues"]["ART-14193"]["status"], "Closed");
    assert!(state.change("set-status", &json!({"issue": "ART-14193", "status": "Gone"}), now).is_err());
    state.change("hide", &json!({"issue": "ART-14193"}), now).unwrap();
    assert!(state.issue("ART-14193").unwrap().hidden);
    assert!(state.change("other", &json!({}), now).unwrap_err().contains("operations"));
}

#[test]
fn writes_to_one_issue_are_limited_for_a_moment_and_for_longer() {
    let (mut state, begin) = (State::default(), Instant::now());
    let after = |milliseconds: u64| begin + Duration::from_millis(milliseconds);
    for _ in 0..20 {
        assert_eq!(state.count_write("ART-1", begin), Ok(()));
    }
    assert_eq!(state.count_write("ART-1", after(500)), Err(Duration::from_millis(1500)));
    assert_eq!(state.count_write("ART-2", after(500)), Ok(()), "another issue");
    for second in [2, 4, 6, 8] {
        for _ in 0..20 {
            assert_eq!(state.count_write("ART-1", after(second * 1000)), Ok(()), "{second}");
        }
    }
    assert_eq!(state.count_write("ART-1", after(11_000)), Err(Duration::from_secs(19)));
    assert_eq!(state.count_write("ART-1", after(30_000)), Ok(()));
}

#[tokio::test]
async fn the_limit_of_an_issue_is_named_and_reads_go_on() {
    let world = world();
    let path = "2/issue/ART-14193/properties/told";
    // Who has no account uses up nobody's.
    for _ in 0..101 {
        assert_eq!(send_as(&world, (JIRA_USERNAME, "wrong"), "PUT", path, "1").await.status, 401);
    }
    // However slow the machine is: more than 100 within 30 seconds are too many, if 20 within two are not.
    let mut refused = None;
    for _ in 0..101 {
        let answer = send(&world, "PUT", path, "1").await;
        if answer.status == 429 {
            refused = Some(answer);
            break;
        }
        assert_eq!(answer.status / 100, 2, "{answer:?}");
    }
    let refused = refused.unwrap();
    assert_eq!(refused.header("ratelimit-reason"), Some("jira-per-issue-on-write"));
    let after: u32 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=30).contains(&after), "{refused:?}");
    assert_eq!(get(&world, path).await.status, 200);
    assert_ne!(send(&world, "HEAD", path, "").await.status, 429);
}
