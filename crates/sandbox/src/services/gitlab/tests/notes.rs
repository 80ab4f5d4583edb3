use serde_json::json;

use super::{REQUEST, get, send, send_as};
use crate::{
    scenario::gitlab::{BOT, REPORTER_TOKEN},
    services::testing::world,
};

fn path() -> String {
    format!("{REQUEST}/notes")
}

#[tokio::test]
async fn a_note_is_added_read_and_changed() {
    let world = world();
    let made = send(&world, "POST", &path(), r#"{"body":"QE Release Lead: @demolead"}"#).await;
    assert_eq!((made.status, &made.json()["author"]["id"]), (201, &json!(BOT)));
    let one = format!("{}/{}", path(), made.json()["id"]);
    assert_eq!(get(&world, &one).await.json(), made.json());
    assert_eq!(send(&world, "PUT", &one, r#"{"body":"changed"}"#).await.json()["body"], "changed");
    assert_eq!(send(&world, "POST", &path(), "body=as+a+form").await.status, 201);
    let state = world.gitlab.lock();
    assert_eq!(state.note_bodies(5150, 612), ["changed", "as a form"]);
    let request = state.merge_request(5150, 612).unwrap();
    assert_eq!((request.notes_added, request.notes_edited, request.updates), (2, 1, 0));
}

#[tokio::test]
async fn notes_that_are_refused() {
    let world = world();
    for (body, text) in [
        ("{}", "body is missing"),
        (r#"{"body":null}"#, "body is missing"),
        (r#"{"body":"  "}"#, "can't be blank"),
        ("{broken", "invalid JSON"),
    ] {
        let answer = send(&world, "POST", &path(), body).await;
        assert_eq!(answer.status, 400, "{body}");
        assert!(answer.text.contains(text), "{answer:?}");
    }
    let long = |length: usize| json!({"body": "é".repeat(length)}).to_string();
    assert_eq!(
        send(&world, "POST", &path(), &long(1_000_001)).await.json()["message"]["body"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    assert_eq!(send(&world, "POST", &path(), &long(1_000_000)).await.status, 201);
    assert_eq!(send(&world, "POST", &path(), r#"{"body":"/approve"}"#).await.status, 501);
    assert_eq!(
        send(&world, "POST", "projects/5150/merge_requests/1/notes", r#"{"body":"x"}"#).await.status,
        404
    );
    assert_eq!(get(&world, &format!("{}/1", path())).await.json(), json!({"message": "404 Note Not Found"}));
    assert_eq!(world.gitlab.lock().merge_request(5150, 612).unwrap().notes_added, 1);
}

#[tokio::test]
async fn only_the_author_changes_a_note() {
    let world = world();
    let made = send(&world, "POST", &path(), r#"{"body":"mine"}"#).await.json();
    let one = format!("{}/{}", path(), made["id"]);
    assert_eq!(send_as(&world, REPORTER_TOKEN, "PUT", &one, r#"{"body":"theirs"}"#).await.status, 403);
    assert_eq!(send_as(&world, REPORTER_TOKEN, "POST", &path(), r#"{"body":"own"}"#).await.status, 201);
    assert_eq!(send(&world, "PUT", &one, "{}").await.status, 400);
    assert_eq!(world.gitlab.lock().note_bodies(5150, 612), ["mine", "own"]);
}

#[tokio::test]
async fn notes_come_in_pages_with_links() {
    let world = world();
    for number in 0..45 {
        let body = json!({"body": format!("note {number}")}).to_string();
        assert_eq!(send(&world, "POST", &path(), &body).await.status, 201);
    }
    let first = get(&world, &path()).await;
    let rows = first.json();
    assert_eq!((rows.as_array().unwrap().len(), &rows[0]["body"]), (20, &json!("note 44")));
    for (name, value) in [
        ("x-page", "1"),
        ("x-per-page", "20"),
        ("x-total", "45"),
        ("x-total-pages", "3"),
        ("x-next-page", "2"),
    ] {
        assert_eq!(first.header(name), Some(value), "{name}");
    }
    let link = first.header("link").unwrap();
    let next = "<http://127.0.0.1:8765/gitlab/api/v4/projects/5150/merge_requests/612/notes?page=2&per_page=20>; \
                rel=\"next\"";
    assert!(link.contains(next), "{link}");
    assert!(!link.contains("rel=\"prev\"") && link.contains("rel=\"last\""));
    let last = get(&world, &format!("{}?sort=asc&order_by=created_at&page=3&per_page=20", path())).await;
    assert_eq!(last.json().as_array().unwrap().len(), 5);
    assert_eq!(last.json()[4]["body"], "note 44");
    assert_eq!(last.header("x-next-page"), Some(""));
    let link = last.header("link").unwrap();
    assert!(!link.contains("rel=\"next\"") && link.contains("sort=asc&order_by=created_at&page=2"), "{link}");
    assert_eq!(get(&world, &format!("{}?per_page=500", path())).await.header("x-per-page"), Some("100"));
    assert_eq!(get(&world, &format!("{}?page=9", path())).await.json(), json!([]));
    for bad in ["page=0", "per_page=-1", "page=x", "sort=up", "order_by=size"] {
        assert_eq!(get(&world, &format!("{}?{bad}", path())).await.status, 400, "{bad}");
    }
}

#[test]
fn mentions_reach_existing_people() {
    let world = world();
    let state = world.gitlab.lock();
    assert_eq!(
        state.mentioned("Hello @demolead, and @DemoLead. Also @secondlead!"),
        ["demolead", "secondlead"]
    );
    assert_eq!(state.mentioned("mail demo-lead@example.com or me@demolead"), [] as [&str; 0]);
    assert_eq!(state.mentioned("`@demolead` and ```\n@demolead\n```"), [] as [&str; 0]);
    assert_eq!(state.mentioned("@gone is blocked, @nobody unknown"), [] as [&str; 0]);
}
