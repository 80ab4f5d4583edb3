use serde_json::{Value, json};
use wiremock::matchers::{method, path, query_param};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::*;
use crate::clients::testing::{base, http, ok};
use crate::version::{Arch, YStream};

const STREAMS: &str = "/rc/api/v1/releasestream";

fn client(server: &MockServer) -> ReleaseControllerClient {
    ReleaseControllerClient::new(http(1), base(server, "/rc"))
}

fn tag(name: &str, phase: &str) -> Value {
    json!({"name": name, "phase": phase, "pullSpec": format!("registry.example.test/r:{name}"), "downloadURL": "https://x.test"})
}

async fn answer(server: &MockServer, stream: &str, prefix: &str, answer: ResponseTemplate) {
    Mock::given(method("GET"))
        .and(path(format!("{STREAMS}/{stream}/latest")))
        .and(query_param("prefix", prefix))
        .respond_with(answer)
        .mount(server)
        .await;
}

#[test]
fn streams_are_named_by_minor_major_and_architecture() {
    let minor = YStream::new(4, 20);
    assert_eq!(StreamName::nightly(minor, Arch::Amd64).as_str(), "4.20.0-0.nightly");
    assert_eq!(StreamName::nightly(minor, Arch::Arm64).as_str(), "4.20.0-0.nightly-arm64");
    assert_eq!(StreamName::stable(4, Arch::Amd64).as_str(), "4-stable");
    assert_eq!(StreamName::dev_preview(5, Arch::Multi).as_str(), "5-dev-preview-multi");
}

#[tokio::test]
async fn the_latest_build_comes_with_the_bytes_of_its_answer() {
    let server = MockServer::start().await;
    let body = format!("{:#}\n", tag("4.20.5", "Accepted"));
    answer(&server, "4-stable", "4.20.", ResponseTemplate::new(200).set_body_string(body.clone())).await;
    let latest = client(&server).latest_stable(YStream::new(4, 20), Arch::Amd64).await.unwrap().unwrap();
    assert_eq!((latest.tag.name.as_str(), latest.body, latest.stream.as_str()), ("4.20.5", body, "4-stable"));
}

#[tokio::test]
async fn a_minor_without_a_stable_build_has_its_own_preview_and_no_other() {
    let server = MockServer::start().await;
    let minor = YStream::new(4, 22);
    answer(&server, "4-stable", "4.22.", ResponseTemplate::new(404)).await;
    answer(&server, "4-dev-preview", "4.22.", ok(tag("4.22.0-ec.3", "Accepted"))).await;
    let latest = client(&server).latest_stable(minor, Arch::Amd64).await.unwrap().unwrap();
    assert_eq!((latest.tag.name.as_str(), latest.stream.as_str()), ("4.22.0-ec.3", "4-dev-preview"));
    let server = MockServer::start().await;
    Mock::given(method("GET")).respond_with(ResponseTemplate::new(404)).mount(&server).await;
    assert_eq!(client(&server).latest_stable(minor, Arch::Amd64).await.unwrap(), None);
    assert_eq!(client(&server).latest_nightly(minor, Arch::Amd64).await.unwrap(), None);
}

#[tokio::test]
async fn a_build_of_another_minor_or_phase_is_no_answer() {
    for wrong in
        [tag("4.2.7", "Accepted"), tag("4.21.0", "Accepted"), tag("4.20.1", "Rejected"), tag("x", "Accepted")]
    {
        let server = MockServer::start().await;
        answer(&server, "4-stable", "4.20.", ok(&wrong)).await;
        let error = client(&server).latest_stable(YStream::new(4, 20), Arch::Amd64).await.unwrap_err();
        assert_eq!(error.kind, ServiceErrorKind::Malformed, "{wrong}");
    }
    let server = MockServer::start().await;
    answer(&server, "4-stable", "4.20.", ResponseTemplate::new(503)).await;
    let error = client(&server).latest_stable(YStream::new(4, 20), Arch::Amd64).await.unwrap_err();
    assert_eq!(error.kind, ServiceErrorKind::Unavailable, "an outage is not an absent build");
}

#[tokio::test]
async fn tags_and_builds_are_found_by_exact_name() {
    let server = MockServer::start().await;
    let list = |stream: &str, tags: Vec<Value>| {
        Mock::given(method("GET"))
            .and(path(format!("{STREAMS}/{stream}/tags")))
            .respond_with(ok(json!({"name": stream, "tags": tags})))
    };
    list("4-stable", vec![tag("4.20.10", "Ready"), tag("4.20.1", "Accepted"), tag("4.20.0", "Verifying")])
        .mount(&server)
        .await;
    list("4-dev-preview", vec![tag("4.20.0-ec.1", "Accepted")]).mount(&server).await;
    let client = client(&server);
    let tags = client.tags(&StreamName::stable(4, Arch::Amd64)).await.unwrap().unwrap();
    assert_eq!(
        tags.iter().map(|tag| tag.phase.clone()).collect::<Vec<_>>(),
        [Phase::Ready, Phase::Accepted, Phase::Other("Verifying".to_owned())]
    );
    assert_eq!(tags[2].phase.text(), "Verifying", "a phase is passed on in its own words");
    for (name, found) in [("4.20.1", true), ("4.20.0-ec.1", true), ("4.20.11", false)] {
        let build = client.find_build(&name.parse().unwrap(), Arch::Amd64).await.unwrap();
        match build {
            BuildLookup::Found(tag) => assert!(found && tag.name == name, "{tag:?}"),
            other => assert!(!found && other == BuildLookup::Absent, "{other:?}"),
        }
    }
    assert_eq!(client.tags(&StreamName::stable(9, Arch::Amd64)).await.unwrap(), None);
}

#[tokio::test]
async fn a_stream_that_is_missing_or_empty_does_not_prove_that_a_build_is_gone() {
    let empty = |stream: &str, tags: Value| ok(json!({"name": stream, "tags": tags}));
    let others =
        |stream: &str| empty(stream, json!([tag("4.20.1", "Accepted"), {"name": "4.20.9", "phase": null}]));
    for (build, stream, answer, unknown) in [
        ("4.20.27", "4-stable", ResponseTemplate::new(404), true),
        ("4.20.27", "4-stable", empty("4-stable", Value::Null), true),
        ("4.20.27", "4-stable", empty("4-stable", json!([])), true),
        ("4.20.27", "4-stable", others("4-stable"), false),
        ("5.0.0-ec.3", "5-dev-preview", ResponseTemplate::new(404), true),
        ("5.0.0-ec.3", "5-dev-preview", others("5-dev-preview"), false),
        (
            "4.20.0-0.nightly-2026-07-01-161907",
            "4.20.0-0.nightly",
            empty("4.20.0-0.nightly", Value::Null),
            true,
        ),
        ("4.20.0-0.nightly-2026-07-01-161907", "4.20.0-0.nightly", others("4.20.0-0.nightly"), false),
    ] {
        let server = MockServer::start().await;
        Mock::given(path(format!("{STREAMS}/{stream}/tags"))).respond_with(answer).mount(&server).await;
        let found = client(&server).find_build(&build.parse().unwrap(), Arch::Amd64).await.unwrap();
        let expected = if unknown { "Unknown" } else { "Absent" };
        assert!(format!("{found:?}").starts_with(expected), "{build}: {found:?}");
    }
}

#[tokio::test]
async fn phases_and_fields_come_in_all_spellings_of_nothing() {
    let server = MockServer::start().await;
    let tags = json!([
        {"name": "4.20.3", "phase": "Unknown", "pullSpec": null, "downloadURL": null},
        {"name": "4.20.2", "phase": null},
        {"name": "4.20.1", "phase": ""},
        {"name": "4.20.0"},
    ]);
    Mock::given(path(format!("{STREAMS}/4-stable/tags")))
        .respond_with(ok(json!({"name": "4-stable", "tags": tags})))
        .mount(&server)
        .await;
    let tags = client(&server).tags(&StreamName::stable(4, Arch::Amd64)).await.unwrap().unwrap();
    assert!(tags.iter().all(|tag| tag.phase == Phase::Unknown && tag.pull_spec.is_empty()), "{tags:?}");
    assert_eq!(tags.len(), 4);
}

#[tokio::test]
async fn a_stable_release_is_told_with_its_phase_and_when_its_image_was_made() {
    let created = |text: Value| json!({"from": {}, "to": {"name": "4.19.1", "created": text, "digest": ""}});
    for (answer, phase, made) in [
        (
            json!({"phase": "Accepted", "changeLogJson": created("2026-06-25T00:00:00Z".into())}),
            "Accepted",
            Some(1_782_345_600),
        ),
        (json!({"phase": "Ready", "changeLogJson": created("0001-01-01T00:00:00Z".into())}), "Ready", None),
        (json!({"phase": null, "changeLogJson": {"to": null}}), "Unknown", None),
        (json!({"changeLogJson": null}), "Unknown", None),
    ] {
        let server = MockServer::start().await;
        let mut body = answer.clone();
        body["name"] = "4.19.1".into();
        Mock::given(path(format!("{STREAMS}/4-stable/release/4.19.1")))
            .respond_with(ok(body))
            .mount(&server)
            .await;
        let found = client(&server).stable_release(&"4.19.1".parse().unwrap()).await.unwrap();
        let found = (found.phase.text(), found.created.map(jiff::Timestamp::as_second));
        assert_eq!(found, (phase, made), "{answer}");
    }
    let server = MockServer::start().await;
    let body = json!({"name": "4.19.1", "changeLogJson": created("yesterday".into())});
    Mock::given(method("GET")).respond_with(ok(body)).mount(&server).await;
    let error = client(&server).stable_release(&"4.19.1".parse().unwrap()).await.unwrap_err();
    assert!(error.to_string().contains("`yesterday` is no time"), "{error}");
}
