use std::time::Duration;

use serde_json::json;
use wiremock::matchers::{body_json, header, method, path, query_param};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::*;
use crate::clients::testing::{base, count, http, ok, permit};
use crate::clock::Clock;
use crate::http::HttpSettings;
use crate::redact::Redactor;

const FILE: &str = "_releases/4.19/statebox/4.19.1.yaml";
const CONTENTS: &str = "/github/repos/example/states/contents/_releases/4.19/statebox/4.19.1.yaml";
const BRANCH: &str = "/github/repos/example/states/git/ref/heads/z-stream";

fn client(server: &MockServer, token: Option<&str>) -> GithubClient {
    let settings = HttpSettings {
        attempts: 2,
        retry_delay: Duration::from_millis(1),
        longest_wait: Duration::from_millis(10),
        timeout: Duration::from_secs(5),
        ..HttpSettings::default()
    };
    let http = Http::new(settings, Clock::system(), Redactor::default()).unwrap();
    GithubClient::new(http, base(server, "/github"), token.map(SecretString::from))
}

fn repository() -> Repository {
    "example/states".parse().unwrap()
}

async fn read(client: &GithubClient, etag: Option<&str>) -> Result<Contents, ServiceError> {
    client.contents(&repository(), FILE, "z-stream", etag).await
}

async fn write(client: &GithubClient, sha: Option<&str>) -> Result<String, ServiceError> {
    let permit = permit();
    client.put_contents(&repository(), FILE, "z-stream", "a: 1\n", sha, "change", &permit).await
}

#[tokio::test]
async fn a_read_is_one_authorised_request_below_the_base_path() {
    let server = MockServer::start().await;
    Mock::given(method("GET"))
        .and(path(CONTENTS))
        .and(query_param("ref", "z-stream"))
        .and(header("authorization", "Bearer token-of-tests"))
        .respond_with(ResponseTemplate::new(200).insert_header("etag", "W/\"e1\"").set_body_json(json!({
            "type": "file", "encoding": "base64", "content": "cmVsZWFz\nZTogNC4xOS4x\nCg==\n", "sha": "s1"
        })))
        .expect(1)
        .mount(&server)
        .await;
    let contents = read(&client(&server, Some("token-of-tests\n")), None).await.unwrap();
    assert_eq!(
        contents,
        Contents::Found(FileContent {
            text: "release: 4.19.1\n".into(),
            sha: "s1".into(),
            etag: Some("W/\"e1\"".into())
        })
    );
}

#[tokio::test]
async fn an_unchanged_file_is_told_by_its_entity_tag() {
    let server = MockServer::start().await;
    Mock::given(method("GET"))
        .and(path(CONTENTS))
        .and(header("if-none-match", "W/\"e1\""))
        .respond_with(ResponseTemplate::new(304))
        .expect(1)
        .mount(&server)
        .await;
    let contents = read(&client(&server, Some("t0ken")), Some("W/\"e1\"")).await.unwrap();
    assert_eq!(contents, Contents::Unchanged);
}

#[tokio::test]
async fn an_absent_file_on_a_visible_branch_is_absent() {
    let server = MockServer::start().await;
    Mock::given(path(CONTENTS))
        .respond_with(ResponseTemplate::new(404).set_body_json(json!({"message": "Not Found"})))
        .expect(1)
        .mount(&server)
        .await;
    Mock::given(path(BRANCH))
        .respond_with(ok(json!({"ref": "refs/heads/z-stream"})))
        .expect(1)
        .mount(&server)
        .await;
    assert_eq!(read(&client(&server, Some("t0ken")), None).await.unwrap(), Contents::Absent);
}

#[tokio::test]
async fn a_hidden_repository_is_not_an_absent_file() {
    let server = MockServer::start().await;
    Mock::given(method("GET"))
        .respond_with(ResponseTemplate::new(404).set_body_json(json!({"message": "Not Found"})))
        .expect(2)
        .mount(&server)
        .await;
    let error = read(&client(&server, Some("t0ken")), None).await.unwrap_err();
    assert_eq!(error.kind, ServiceErrorKind::NotFound);
    assert_eq!(
        error.to_string(),
        "GitHub: cannot see the branch (z-stream of example/states): not found (HTTP 404): Not Found"
    );
    assert!(error.hint.unwrap().contains("GITHUB_TOKEN"));
}

#[tokio::test]
async fn a_missing_token_is_named_with_its_purpose_and_nothing_is_sent() {
    let server = MockServer::start().await;
    for token in [None, Some(" \n")] {
        let error = read(&client(&server, token), None).await.unwrap_err();
        assert_eq!(error.kind, ServiceErrorKind::MissingCredential);
        assert!(error.to_string().contains("GITHUB_TOKEN"), "{error}");
        assert!(error.hint.unwrap().contains("release state"));
    }
    assert!(server.received_requests().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_token_that_fits_no_header_does_not_stand_in_the_error() {
    let server = MockServer::start().await;
    let error = read(&client(&server, Some("bad\ntoken")), None).await.unwrap_err();
    assert_eq!(error.kind, ServiceErrorKind::Unauthorized);
    assert!(!format!("{error} {error:?}").contains("bad"), "{error:?}");
}

#[tokio::test]
async fn a_write_is_one_request_and_gives_the_sha_of_the_answer() {
    let server = MockServer::start().await;
    Mock::given(method("PUT"))
        .and(path(CONTENTS))
        .and(header("content-type", "application/json"))
        .and(body_json(
            json!({"message": "change", "content": "YTogMQo=", "sha": "s1", "branch": "z-stream"}),
        ))
        .respond_with(
            ResponseTemplate::new(200)
                .set_body_json(json!({"content": {"sha": "s2"}, "commit": {"sha": "c"}})),
        )
        .expect(1)
        .mount(&server)
        .await;
    Mock::given(method("PUT"))
        .and(body_json(json!({"message": "change", "content": "YTogMQo=", "branch": "z-stream"})))
        .respond_with(ResponseTemplate::new(201).set_body_json(json!({"content": {"sha": "s3"}})))
        .expect(1)
        .mount(&server)
        .await;
    let client = client(&server, Some("t0ken"));
    assert_eq!(write(&client, Some("s1")).await.unwrap(), "s2");
    assert_eq!(write(&client, None).await.unwrap(), "s3");
}

#[tokio::test]
async fn every_refusal_of_a_write_has_its_meaning_and_is_sent_once() {
    let stale = json!({"message": "4.19.1.yaml does not match s1"});
    let twin = json!({"message": "Invalid request.\n\n\"sha\" wasn't supplied."});
    let invalid = json!({"message": "Validation Failed", "errors": [{"message": "path is malformed"}]});
    for (status, body, kind) in [
        (409, stale, ServiceErrorKind::Conflict),
        (422, twin, ServiceErrorKind::Conflict),
        (422, invalid, ServiceErrorKind::Rejected),
        (404, json!({"message": "Not Found"}), ServiceErrorKind::Forbidden),
        (403, json!({"message": "Resource not accessible"}), ServiceErrorKind::Forbidden),
        (401, json!({"message": "Bad credentials"}), ServiceErrorKind::Unauthorized),
        (500, json!({"message": "Server Error"}), ServiceErrorKind::Unclear),
        (502, json!("garbage"), ServiceErrorKind::Unclear),
        (200, json!("garbage"), ServiceErrorKind::Unclear),
        (204, json!({}), ServiceErrorKind::Unclear),
    ] {
        let server = MockServer::start().await;
        Mock::given(method("PUT"))
            .respond_with(ResponseTemplate::new(status).set_body_json(&body))
            .expect(1)
            .mount(&server)
            .await;
        let error = write(&client(&server, Some("t0ken")), Some("s1")).await.unwrap_err();
        assert_eq!(error.kind, kind, "{status} {body}: {error}");
        if status == 422 && kind == ServiceErrorKind::Rejected {
            assert!(error.to_string().ends_with("Validation Failed; path is malformed"), "{error}");
        }
    }
}

#[tokio::test]
async fn a_write_without_an_answer_in_time_is_unclear_and_sent_once() {
    let server = MockServer::start().await;
    Mock::given(method("PUT"))
        .respond_with(ResponseTemplate::new(200).set_delay(Duration::from_secs(30)))
        .expect(1)
        .mount(&server)
        .await;
    let settings = HttpSettings { timeout: Duration::from_millis(200), ..HttpSettings::default() };
    let http = Http::new(settings, Clock::system(), Redactor::default()).unwrap();
    let client = GithubClient::new(http, base(&server, ""), Some("t0ken".into()));
    assert_eq!(write(&client, Some("s1")).await.unwrap_err().kind, ServiceErrorKind::Unclear);
}

#[tokio::test]
async fn rate_limits_are_told_from_missing_rights() {
    let limits = [
        ResponseTemplate::new(403).insert_header("x-ratelimit-remaining", "0"),
        ResponseTemplate::new(403).insert_header("retry-after", "3600"),
        ResponseTemplate::new(403)
            .set_body_json(json!({"message": "You have exceeded a secondary rate limit."})),
        ResponseTemplate::new(429),
    ];
    for limit in limits {
        let server = MockServer::start().await;
        Mock::given(method("GET")).respond_with(limit).mount(&server).await;
        let error = read(&client(&server, Some("t0ken")), None).await.unwrap_err();
        assert_eq!(error.kind, ServiceErrorKind::RateLimited, "{error}");
    }
}

#[tokio::test]
async fn odd_contents_are_malformed_not_a_panic() {
    for body in [
        json!([{"name": "a folder"}]),
        json!({"sha": "s", "encoding": "none", "content": ""}),
        json!({"sha": "s", "encoding": "base64"}),
        json!({"sha": "s", "encoding": "base64", "content": "***"}),
        json!({"sha": "s", "encoding": "base64", "content": "/w=="}),
    ] {
        let server = MockServer::start().await;
        Mock::given(method("GET")).respond_with(ok(&body)).mount(&server).await;
        let error = read(&client(&server, Some("t0ken")), None).await.unwrap_err();
        assert_eq!(error.kind, ServiceErrorKind::Malformed, "{body}");
    }
}

#[tokio::test]
async fn no_connection_comes_back_as_our_own_error() {
    let base = Url::parse("http://127.0.0.1:1/github").unwrap();
    let client = GithubClient::new(http(1), base, Some("t0ken".into()));
    assert_eq!(write(&client, None).await.unwrap_err().kind, ServiceErrorKind::Unavailable);
}

#[tokio::test]
async fn a_secondary_limit_without_a_wait_is_waited_out_and_the_write_made_once() {
    let message = "You have exceeded a secondary rate limit and have been temporarily blocked from content creation. \
                   Please retry your request again later.";
    let older =
        "You have triggered an abuse detection mechanism. Please wait a few minutes before you try again.";
    for (limit, waited) in [
        (ResponseTemplate::new(403).set_body_json(json!({"message": message, "errors": null})), true),
        (ResponseTemplate::new(403).set_body_json(json!({"message": older})), true),
        (ResponseTemplate::new(429), true),
        (ResponseTemplate::new(403).set_body_json(json!({"message": "Resource not accessible"})), false),
    ] {
        let server = MockServer::start().await;
        Mock::given(method("PUT")).respond_with(limit).up_to_n_times(1).mount(&server).await;
        Mock::given(method("PUT")).respond_with(ok(json!({"content": {"sha": "s2"}}))).mount(&server).await;
        let (http, clock) = crate::http::tests::support::stack(HttpSettings::default());
        let outcome =
            write(&GithubClient::new(http, base(&server, "/github"), Some("t0ken".into())), Some("s1")).await;
        if waited {
            assert_eq!(outcome.unwrap(), "s2");
            assert_eq!(clock.waits(), [Duration::from_mins(1)]);
        } else {
            assert_eq!(outcome.unwrap_err().kind, ServiceErrorKind::Forbidden);
            assert!(clock.waits().is_empty());
        }
    }
}

#[tokio::test]
async fn a_file_of_more_than_a_megabyte_is_read_by_its_sha() {
    let text = "x".repeat(1_100_000);
    let sha = blob_id(text.as_bytes());
    let server = MockServer::start().await;
    Mock::given(path(CONTENTS))
        .respond_with(ResponseTemplate::new(200).insert_header("etag", "W/\"e1\"").set_body_json(
            json!({"type": "file", "encoding": "none", "content": "", "sha": sha, "size": text.len()}),
        ))
        .expect(1)
        .mount(&server)
        .await;
    let content = base64::engine::general_purpose::STANDARD.encode(&text);
    Mock::given(path(format!("/github/repos/example/states/git/blobs/{sha}")))
        .respond_with(
            ResponseTemplate::new(200)
                .set_body_json(json!({"sha": sha, "encoding": "base64", "content": content})),
        )
        .expect(1)
        .mount(&server)
        .await;
    let contents = read(&client(&server, Some("t0ken")), None).await.unwrap();
    assert_eq!(contents, Contents::Found(FileContent { text, sha, etag: Some("W/\"e1\"".into()) }));
}

/// Redirects requests for the old name to the number of a renamed repository.
async fn renamed(status: u16) -> MockServer {
    let server = MockServer::start().await;
    let target = format!("{}/github/repositories/7/contents/{FILE}?ref=z-stream", server.uri());
    Mock::given(path(CONTENTS))
        .respond_with(
            ResponseTemplate::new(status)
                .insert_header("location", target.as_str())
                .set_body_json(json!({"message": "Moved Permanently", "url": target})),
        )
        .mount(&server)
        .await;
    Mock::given(method("GET"))
        .and(path(format!("/github/repositories/7/contents/{FILE}")))
        .and(query_param("ref", "z-stream"))
        .and(header("authorization", "Bearer t0ken"))
        .respond_with(
            ResponseTemplate::new(200)
                .set_body_json(json!({"encoding": "base64", "content": "YTogMQo=", "sha": "s1"})),
        )
        .mount(&server)
        .await;
    Mock::given(method("GET"))
        .and(path("/github/repositories/7"))
        .respond_with(ok(json!({"full_name": "example/new-states"})))
        .mount(&server)
        .await;
    server
}

#[tokio::test]
async fn a_read_follows_a_renamed_repository_and_a_write_names_it() {
    for status in [301, 302, 307, 308] {
        let server = renamed(status).await;
        let client = client(&server, Some("t0ken"));
        assert!(matches!(read(&client, None).await.unwrap(), Contents::Found(_)), "{status}");
        let error = write(&client, Some("s1")).await.unwrap_err();
        assert_eq!(error.kind, ServiceErrorKind::Moved, "{status}");
        assert!(error.to_string().contains("the repository is example/new-states now"), "{error}");
        assert!(error.hint.unwrap().contains("Set OAR_STATE_REPO to example/new-states"));
        let writes = server.received_requests().await.unwrap();
        assert_eq!(writes.iter().filter(|request| request.method == "PUT").count(), 1, "{status}");
    }
}

#[tokio::test]
async fn a_redirection_elsewhere_or_in_a_circle_is_not_followed_for_ever() {
    let elsewhere = MockServer::start().await;
    let server = MockServer::start().await;
    Mock::given(path(CONTENTS))
        .respond_with(ResponseTemplate::new(301).insert_header("location", elsewhere.uri().as_str()))
        .up_to_n_times(1)
        .mount(&server)
        .await;
    let error = read(&client(&server, Some("t0ken")), None).await.unwrap_err();
    assert!(error.to_string().contains("another host"), "{error}");
    assert!(elsewhere.received_requests().await.unwrap().is_empty(), "no token leaves");
    let circle = format!("{}{CONTENTS}", server.uri());
    Mock::given(path(CONTENTS))
        .respond_with(ResponseTemplate::new(301).insert_header("location", circle.as_str()))
        .mount(&server)
        .await;
    assert!(read(&client(&server, Some("t0ken")), None).await.is_err());
    assert!(count(&server).await <= 5);
}
