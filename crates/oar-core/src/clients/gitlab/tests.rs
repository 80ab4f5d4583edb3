use std::time::Duration;

use serde_json::{Value, json};
use wiremock::matchers::{body_string, header, method, query_param};
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

use super::*;
use crate::clients::testing::{base, count, ok, permit};
use crate::clock::Clock;
use crate::http::HttpSettings;
use crate::redact::Redactor;

fn client(server: &MockServer, token: Option<&str>) -> GitlabClient {
    let settings = HttpSettings {
        attempts: 3,
        retry_delay: Duration::from_millis(1),
        longest_wait: Duration::from_secs(2),
        timeout: Duration::from_secs(5),
        ..HttpSettings::default()
    };
    let http = Http::new(settings, Clock::system(), Redactor::default()).unwrap();
    GitlabClient::new(http, base(server, "/gitlab/"), token.map(SecretString::from))
}

fn reference() -> MergeRequestRef {
    "https://gitlab.example.test/group/sub/shipments/-/merge_requests/612".parse().unwrap()
}

fn merge_request(state: &str) -> Value {
    json!({
        "id": 880_001, "iid": 612, "title": "Shipment for 4.19.1", "state": state, "draft": true,
        "labels": ["stage-release-success"], "source_branch": "prepare", "target_branch": "main", "sha": "5b1e",
        "web_url": "https://gitlab.example.test/group/sub/shipments/-/merge_requests/612",
        "author": {"id": 7, "username": "demo-bot", "name": "Demo"}
    })
}

/// Answers every request with `status` and `body`.
async fn answer(server: &MockServer, status: u16, body: Value) {
    Mock::given(wiremock::matchers::any())
        .respond_with(ResponseTemplate::new(status).set_body_json(body))
        .mount(server)
        .await;
}

async fn add_note(client: &GitlabClient) -> Result<Note, ServiceError> {
    client.add_note(&reference(), "QE & co\n", &permit()).await
}

#[tokio::test]
async fn a_merge_request_is_one_request_with_the_project_in_one_segment() {
    let server = MockServer::start().await;
    Mock::given(header("private-token", "glpat-of-tests"))
        .respond_with(ok(merge_request("opened")))
        .mount(&server)
        .await;
    let read = client(&server, Some("glpat-of-tests ")).merge_request(&reference()).await.unwrap();
    assert_eq!((read.iid, read.state, read.is_draft()), (612, MergeRequestState::Opened, true));
    assert_eq!(read.labels, ["stage-release-success"]);
    assert_eq!(read.author.unwrap().username, "demo-bot");
    let requests = server.received_requests().await.unwrap();
    assert_eq!(requests.len(), 1);
    assert_eq!(requests[0].url.path(), "/gitlab/api/v4/projects/group%2Fsub%2Fshipments/merge_requests/612");
}

#[tokio::test]
async fn a_merge_request_that_is_no_longer_open_is_no_error() {
    for (word, state) in [
        ("closed", MergeRequestState::Closed),
        ("merged", MergeRequestState::Merged),
        ("locked", MergeRequestState::Locked),
        ("thawed", MergeRequestState::Unknown),
    ] {
        let server = MockServer::start().await;
        answer(&server, 200, merge_request(word)).await;
        assert_eq!(client(&server, Some("t0ken")).merge_request(&reference()).await.unwrap().state, state);
    }
}

#[tokio::test]
async fn notes_are_read_page_by_page_newest_first() {
    let server = MockServer::start().await;
    Mock::given(query_param("per_page", "100"))
        .and(query_param("sort", "desc"))
        .and(query_param("order_by", "created_at"))
        .respond_with(|request: &Request| {
            let page = request.url.query_pairs().find(|(name, _)| name == "page").unwrap().1.into_owned();
            let (first, count) = if page == "1" { (0, 100) } else { (100, 5) };
            let notes: Vec<_> = (first..first + count)
                .map(|id| json!({"id": id, "body": format!("note {id}"), "system": id == 3, "author": null}))
                .collect();
            ok(notes)
        })
        .expect(2)
        .mount(&server)
        .await;
    let read = client(&server, Some("t0ken")).notes(&reference()).await.unwrap();
    assert_eq!(read.notes.len(), 105);
    assert!(read.complete);
    assert!(read.notes[3].system);
    assert_eq!(read.notes[104].body, "note 104");
}

#[tokio::test]
async fn endless_notes_are_cut_and_said_to_be_incomplete() {
    let server = MockServer::start().await;
    let page: Vec<_> = (0..100).map(|id| json!({"id": id, "body": "x"})).collect();
    answer(&server, 200, json!(page)).await;
    let read = client(&server, Some("t0ken")).notes(&reference()).await.unwrap();
    assert!(!read.complete);
    assert_eq!((read.notes.len(), count(&server).await), (1000, 10));
}

#[tokio::test]
async fn a_note_is_added_and_edited() {
    let server = MockServer::start().await;
    Mock::given(method("POST"))
        .and(body_string("body=QE+%26+co%0A"))
        .respond_with(ResponseTemplate::new(201).set_body_json(json!({"id": 9, "body": "QE & co"})))
        .expect(1)
        .mount(&server)
        .await;
    Mock::given(method("PUT"))
        .and(body_string("body=new"))
        .respond_with(ok(json!({"id": 9, "body": "new"})))
        .expect(1)
        .mount(&server)
        .await;
    let client = client(&server, Some("t0ken"));
    assert_eq!(add_note(&client).await.unwrap().id, 9);
    let permit = permit();
    assert_eq!(client.edit_note(&reference(), 9, "new", &permit).await.unwrap().body, "new");
    let requests = server.received_requests().await.unwrap();
    assert!(requests[0].url.path().ends_with("/merge_requests/612/notes"));
    assert!(requests[1].url.path().ends_with("/merge_requests/612/notes/9"));
}

#[tokio::test]
async fn an_unclear_note_is_sent_once_and_said_to_be_unclear() {
    for (status, body) in
        [(500, json!({})), (502, json!("garbage")), (201, json!("garbage")), (201, json!([]))]
    {
        let server = MockServer::start().await;
        answer(&server, status, body).await;
        let error = add_note(&client(&server, Some("t0ken"))).await.unwrap_err();
        assert_eq!(error.kind, ServiceErrorKind::Unclear, "{status}: {error}");
        assert_eq!(count(&server).await, 1);
    }
}

#[tokio::test]
async fn an_edit_is_repeated_because_it_cannot_do_anything_twice() {
    let server = MockServer::start().await;
    answer(&server, 502, json!({})).await;
    let client = client(&server, Some("t0ken"));
    let permit = permit();
    let error = client.edit_note(&reference(), 9, "new", &permit).await.unwrap_err();
    assert_eq!((error.kind, count(&server).await), (ServiceErrorKind::Unavailable, 3));
}

#[tokio::test]
async fn a_rate_limit_is_waited_for() {
    let server = MockServer::start().await;
    Mock::given(method("POST"))
        .respond_with(ResponseTemplate::new(429).insert_header("retry-after", "0"))
        .up_to_n_times(1)
        .mount(&server)
        .await;
    answer(&server, 201, json!({"id": 9})).await;
    assert_eq!(add_note(&client(&server, Some("t0ken"))).await.unwrap().id, 9);
}

#[tokio::test]
async fn the_words_of_a_refusal_are_kept() {
    for (status, body, kind, words) in [
        (
            404,
            json!({"message": "404 Project Not Found"}),
            ServiceErrorKind::NotFound,
            "404 Project Not Found",
        ),
        (400, json!({"message": {"body": ["is too long"]}}), ServiceErrorKind::Rejected, "body: is too long"),
        (403, json!({"error": "insufficient_scope"}), ServiceErrorKind::Forbidden, "insufficient_scope"),
        (401, json!({"message": "401 Unauthorized"}), ServiceErrorKind::Unauthorized, "401 Unauthorized"),
        (
            400,
            json!({"error": "invalid", "error_description": "no"}),
            ServiceErrorKind::Rejected,
            "invalid: no",
        ),
        (422, json!(null), ServiceErrorKind::Rejected, "no explanation"),
    ] {
        let server = MockServer::start().await;
        answer(&server, status, body).await;
        let error = add_note(&client(&server, Some("t0ken"))).await.unwrap_err();
        assert_eq!(error.kind, kind);
        assert!(error.to_string().ends_with(&format!("(HTTP {status}): {words}")), "{error}");
    }
}

#[tokio::test]
async fn another_merge_request_than_asked_for_is_malformed() {
    let server = MockServer::start().await;
    let mut body = merge_request("opened");
    body["iid"] = json!(613);
    answer(&server, 200, body).await;
    let error = client(&server, Some("t0ken")).merge_request(&reference()).await.unwrap_err();
    assert_eq!(error.kind, ServiceErrorKind::Malformed, "{error}");
    assert!(error.detail.contains("!613"), "{error}");
}

#[tokio::test]
async fn garbage_instead_of_a_merge_request_is_malformed() {
    for body in [json!("garbage"), json!({"iid": 612}), json!([])] {
        let server = MockServer::start().await;
        answer(&server, 200, body).await;
        let error = client(&server, Some("t0ken")).merge_request(&reference()).await.unwrap_err();
        assert_eq!(error.kind, ServiceErrorKind::Malformed, "{error}");
    }
    let server = MockServer::start().await;
    Mock::given(method("GET"))
        .respond_with(ResponseTemplate::new(200).set_body_string("<html>"))
        .mount(&server)
        .await;
    let error = client(&server, Some("t0ken")).merge_request(&reference()).await.unwrap_err();
    assert_eq!(error.kind, ServiceErrorKind::Malformed, "{error}");
}

#[tokio::test]
async fn the_account_with_exactly_this_address_is_found() {
    let server = MockServer::start().await;
    Mock::given(query_param("search", "demo+jira@example.com"))
        .respond_with(ok(json!([
            {"id": 1, "username": "demo-other", "state": "active", "public_email": "not-demo+jira@example.com"},
            {"id": 2, "username": "demo", "state": "active", "public_email": "Demo+Jira@Example.com"},
            {"id": 3, "username": "demo-hidden", "state": "active"}
        ])))
        .expect(1)
        .mount(&server)
        .await;
    let user = client(&server, Some("t0ken")).user_by_email("demo+jira@example.com").await.unwrap();
    assert_eq!(user, User { id: 2, username: "demo".into() });
}

#[tokio::test]
async fn a_single_hit_without_an_address_is_taken() {
    let server = MockServer::start().await;
    answer(&server, 200, json!([{"id": 2, "username": "demo", "state": "active", "public_email": ""}])).await;
    let user = client(&server, Some("t0ken")).user_by_email("demo@example.com").await.unwrap();
    assert_eq!(user.username, "demo");
}

#[tokio::test]
async fn no_account_is_guessed_and_no_address_stands_in_the_error() {
    let hidden = json!([{"id": 1, "username": "a"}, {"id": 2, "username": "b"}]);
    let foreign = json!([{"id": 1, "username": "a", "public_email": "other@example.com"}]);
    let twins = json!([
        {"id": 1, "username": "a", "email": "demo@example.com"},
        {"id": 2, "username": "b", "public_email": "demo@example.com"}
    ]);
    let blocked = json!([{"id": 1, "username": "a", "state": "blocked", "email": "demo@example.com"}]);
    for (hits, kind, words) in [
        (json!([]), ServiceErrorKind::NotFound, "no account"),
        (hidden, ServiceErrorKind::NotFound, "no account"),
        (foreign, ServiceErrorKind::NotFound, "no account"),
        (twins, ServiceErrorKind::Rejected, "2 accounts"),
        (blocked, ServiceErrorKind::Rejected, "account a is not active"),
    ] {
        let server = MockServer::start().await;
        answer(&server, 200, hits).await;
        let error = client(&server, Some("t0ken")).user_by_email("demo@example.com").await.unwrap_err();
        assert_eq!(error.kind, kind, "{error}");
        assert!(error.to_string().contains(words), "{error}");
        assert!(!format!("{error:?}").contains('@'), "{error:?}");
    }
}

#[tokio::test]
async fn a_missing_token_is_named_with_its_purpose_and_nothing_is_sent() {
    let server = MockServer::start().await;
    let error = client(&server, None).current_user().await.unwrap_err();
    assert_eq!(error.kind, ServiceErrorKind::MissingCredential);
    assert!(error.to_string().contains("GITLAB_TOKEN"), "{error}");
    assert!(error.hint.unwrap().contains("merge request"));
    assert_eq!(count(&server).await, 0);
}

#[tokio::test]
async fn the_owner_of_the_token_is_read() {
    let server = MockServer::start().await;
    answer(&server, 200, json!({"id": 7001, "username": "group_9_bot_ab12", "bot": true})).await;
    let user = client(&server, Some("t0ken")).current_user().await.unwrap();
    assert_eq!(user.username, "group_9_bot_ab12");
}

#[tokio::test]
async fn a_merge_request_is_found_by_its_exact_title_only() {
    let server = MockServer::start().await;
    let titled = |iid: u64, title: &str| {
        let mut request = merge_request("opened");
        (request["iid"], request["title"]) = (json!(iid), json!(title));
        request
    };
    Mock::given(query_param("search", "4.19.1 drop bugs"))
        .and(query_param("state", "opened"))
        .and(query_param("target_branch", "prepare"))
        .respond_with(ok(json!([
            titled(1, "4.19.1 drop bugs again"),
            titled(2, "4.19.1 drop bugs"),
            titled(3, "4.19.1 Drop Bugs"),
            titled(4, "4.19.1 drop bugs")
        ])))
        .expect(1)
        .mount(&server)
        .await;
    let client = client(&server, Some("t0ken"));
    let found =
        client.open_merge_requests_titled("group/shipments", "4.19.1 drop bugs", "prepare").await.unwrap();
    assert_eq!(found.iter().map(|request| request.iid).collect::<Vec<_>>(), [4, 2]);
}

#[tokio::test]
async fn a_commit_names_its_base_and_carries_every_byte() {
    let server = MockServer::start().await;
    Mock::given(method("POST"))
        .respond_with(ResponseTemplate::new(201).set_body_json(json!({"id": "c1", "parent_ids": ["5b1e"]})))
        .expect(1)
        .mount(&server)
        .await;
    let commit = NewCommit {
        project: 7,
        branch: "drop-1",
        base: CommitBase::NewBranch { project: 5150, sha: "5b1e" },
        message: "Drop bugs",
        files: &[("s/a.yaml".to_owned(), "é: 1\r\n".to_owned())],
    };
    let permit = permit();
    let made = client(&server, Some("t0ken")).commit(&commit, &permit).await.unwrap();
    assert_eq!((made.id.as_str(), made.parent_ids), ("c1", vec!["5b1e".to_owned()]));
    let requests = server.received_requests().await.unwrap();
    let body: Vec<(String, String)> = url::form_urlencoded::parse(&requests[0].body).into_owned().collect();
    let field = |name: &str| body.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    assert_eq!((field("start_project"), field("start_sha")), (Some("5150"), Some("5b1e")));
    assert_eq!(field("actions[][content]"), Some("w6k6IDENCg=="));
    assert_eq!(field("actions[][encoding]"), Some("base64"));
}

#[tokio::test]
async fn an_address_that_is_too_long_is_an_error_and_no_panic() {
    let server = MockServer::start().await;
    answer(&server, 200, json!([])).await;
    let client = client(&server, Some("glpat-of-tests"));
    let long = "a".repeat(70_000);
    let reference = MergeRequestRef { project: format!("{long}/b"), iid: 612 };
    let errors = [
        client.merge_request(&reference).await.unwrap_err(),
        client.pipelines(&reference).await.unwrap_err(),
        client.file(1, &long, "5b1e").await.unwrap_err(),
        client.file(1, "a.yaml", &long).await.unwrap_err(),
        client.user_by_email(&format!("{long}@example.com")).await.unwrap_err(),
    ];
    for error in errors {
        assert_eq!(error.kind, ServiceErrorKind::Rejected);
        assert!(error.to_string().contains("more than the 8192"), "{}", error.detail);
    }
    assert_eq!(count(&server).await, 0);
}

#[tokio::test]
async fn a_merge_by_itself_is_asked_for_under_both_names_and_at_a_commit() {
    for (when, form) in [
        (MergeWhen::Now, "squash=true&should_remove_source_branch=true&sha=5b1e"),
        (
            MergeWhen::PipelineSucceeds,
            "squash=true&should_remove_source_branch=true&sha=5b1e&auto_merge=true&merge_when_pipeline_succeeds=true",
        ),
    ] {
        let server = MockServer::start().await;
        Mock::given(method("PUT"))
            .and(wiremock::matchers::path(
                "/gitlab/api/v4/projects/group%2Fsub%2Fshipments/merge_requests/612/merge",
            ))
            .and(body_string(form))
            .respond_with(ok(merge_request("merged")))
            .expect(1)
            .mount(&server)
            .await;
        let permit = permit();
        client(&server, Some("t")).merge(&reference(), "5b1e", when, &permit).await.unwrap();
    }
    // Without a pipeline GitLab refuses it.
    let server = MockServer::start().await;
    answer(&server, 405, json!({"message": "405 Method Not Allowed"})).await;
    let permit = permit();
    let refused =
        client(&server, Some("t")).merge(&reference(), "5b1e", MergeWhen::PipelineSucceeds, &permit).await;
    assert_eq!(refused.unwrap_err().kind, ServiceErrorKind::Rejected);
}
