use std::time::Duration;

use serde_json::{Value, json};
use wiremock::matchers::{any, body_json, header, method, path, query_param};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::*;
use crate::clients::testing::{base, count, ok, permit};
use crate::clock::Clock;
use crate::error::{Classified as _, ErrorClass};
use crate::http::HttpSettings;
use crate::redact::Redactor;

fn client(server: &MockServer, token: Option<&str>) -> SlackClient {
    let settings = HttpSettings {
        attempts: 3,
        retry_delay: Duration::from_millis(1),
        longest_wait: Duration::from_secs(2),
        timeout: Duration::from_secs(5),
        ..HttpSettings::default()
    };
    let http = Http::new(settings, Clock::system(), Redactor::default()).unwrap();
    SlackClient::new(http, base(server, "/slack/api"), token.map(SecretString::from))
}

async fn post(client: &SlackClient) -> Result<Posted, ServiceError> {
    let post = Post {
        channel: "#demo".into(),
        text: "done".into(),
        blocks: Vec::new(),
        thread: None,
        broadcast: false,
        key: Some("4.19.1/x".into()),
    };
    client.post(&post, &permit()).await
}

async fn answer(server: &MockServer, status: u16, body: Value) {
    Mock::given(any()).respond_with(ResponseTemplate::new(status).set_body_json(body)).mount(server).await;
}

fn since() -> jiff::Timestamp {
    "2026-07-01T10:00:00Z".parse().unwrap()
}

fn wanted<'a>(channel: &'a str, thread: Option<&'a str>) -> Wanted<'a> {
    Wanted { channel, thread, key: "k", text: "done & told", since: since() }
}

fn message(ts: &str, key: &str) -> Value {
    json!({"ts": ts, "text": "x", "metadata": {"event_type": "oar_notification", "event_payload": {"key": key}}})
}

#[tokio::test]
async fn a_post_carries_its_key_and_gives_the_place() {
    let server = MockServer::start().await;
    Mock::given(method("POST"))
        .and(path("/slack/api/chat.postMessage"))
        .and(header("authorization", "Bearer xoxb-of-tests"))
        .and(header("content-type", "application/json; charset=utf-8"))
        .and(body_json(json!({
            "channel": "#demo", "text": "done", "unfurl_links": false,
            "metadata": {"event_type": "oar_notification", "event_payload": {"key": "4.19.1/x"}}
        })))
        .respond_with(
            ResponseTemplate::new(200)
                .set_body_json(json!({"ok": true, "channel": "C0AAA", "ts": "1803470000.000100"})),
        )
        .expect(1)
        .mount(&server)
        .await;
    let posted = post(&client(&server, Some("xoxb-of-tests\n"))).await.unwrap();
    assert_eq!(posted, Posted { channel: "C0AAA".into(), ts: "1803470000.000100".into() });
}

#[tokio::test]
async fn a_reply_names_its_thread() {
    let server = MockServer::start().await;
    Mock::given(body_json(
        json!({"channel": "C0AAA", "text": "more", "thread_ts": "1.2", "reply_broadcast": true, "unfurl_links": false, "blocks": [
            {"type": "header", "text": {"type": "plain_text", "text": "title", "emoji": false}}
        ]}),
    ))
    .respond_with(
        ok(json!({"ok": true, "channel": "C0AAA", "ts": "1.3"})),
    )
    .expect(1)
    .mount(&server)
    .await;
    let blocks = vec![super::Block::Header("title".into())];
    let post = Post {
        channel: "C0AAA".into(),
        text: "more".into(),
        blocks,
        thread: Some("1.2".into()),
        broadcast: true,
        key: None,
    };
    let permit = permit();
    client(&server, Some("t0ken")).post(&post, &permit).await.unwrap();
}

#[tokio::test]
async fn an_unclear_post_is_sent_once_and_said_to_be_unclear() {
    for (status, body) in [
        (500, json!({})),
        (502, json!("garbage")),
        (200, json!("garbage")),
        (200, json!({"ok": true})),
        (200, json!({"ok": false, "error": "fatal_error"})),
        (202, json!({"ok": true})),
    ] {
        let server = MockServer::start().await;
        answer(&server, status, body.clone()).await;
        let error = post(&client(&server, Some("t0ken"))).await.unwrap_err();
        assert_eq!(error.kind, ServiceErrorKind::Unclear, "{status} {body}: {error}");
        assert_eq!(count(&server).await, 1);
    }
}

#[tokio::test]
async fn a_rate_limit_is_waited_for_whatever_its_body() {
    let server = MockServer::start().await;
    Mock::given(method("POST"))
        .respond_with(ResponseTemplate::new(429).insert_header("retry-after", "0").set_body_string("slow"))
        .up_to_n_times(2)
        .mount(&server)
        .await;
    answer(&server, 200, json!({"ok": true, "channel": "C0AAA", "ts": "1.2"})).await;
    assert_eq!(post(&client(&server, Some("t0ken"))).await.unwrap().ts, "1.2");
}

#[tokio::test]
async fn every_refusal_has_its_meaning_and_advice() {
    for (code, kind, advice) in [
        ("channel_not_found", ServiceErrorKind::NotFound, Some("contacts.slack")),
        ("not_in_channel", ServiceErrorKind::Forbidden, Some("/invite")),
        ("is_archived", ServiceErrorKind::Rejected, Some("archived")),
        ("invalid_auth", ServiceErrorKind::Unauthorized, Some("SLACK_BOT_TOKEN")),
        ("missing_scope", ServiceErrorKind::Forbidden, Some("`chat:write`")),
        ("ratelimited", ServiceErrorKind::RateLimited, Some("again")),
        ("restricted_action", ServiceErrorKind::Forbidden, Some("managers")),
        ("restricted_action_read_only_channel", ServiceErrorKind::Forbidden, Some("managers")),
        ("restricted_action_thread_only_channel", ServiceErrorKind::Forbidden, Some("threads only")),
        ("restricted_action_thread_locked", ServiceErrorKind::Forbidden, Some("no replies")),
        ("cannot_reply_to_message", ServiceErrorKind::Forbidden, Some("no replies")),
        ("message_limit_exceeded", ServiceErrorKind::Forbidden, Some("administrators")),
        ("team_not_found", ServiceErrorKind::Rejected, Some("ids")),
        ("msg_too_long", ServiceErrorKind::Rejected, Some("Correct what Slack refuses")),
    ] {
        let server = MockServer::start().await;
        answer(&server, 200, json!({"ok": false, "error": code, "needed": "chat:write"})).await;
        let error = post(&client(&server, Some("t0ken"))).await.unwrap_err();
        assert_eq!(error.kind, kind, "{code}");
        assert!(error.to_string().contains("channel #demo") && error.to_string().contains(code), "{error}");
        let hint = crate::error::Classified::hint(&error);
        assert_eq!(hint.is_some(), advice.is_some(), "{code}: {hint:?}");
        if let (Some(hint), Some(advice)) = (hint, advice) {
            assert!(hint.contains(advice), "{code}: {hint}");
        }
    }
}

#[tokio::test]
async fn groups_are_found_by_handle_and_listed_once() {
    let server = MockServer::start().await;
    Mock::given(method("GET"))
        .and(path("/slack/api/usergroups.list"))
        .respond_with(ok(json!({"ok": true, "usergroups": [
            {"id": "S0AAA", "handle": "demo-leads-4-19", "is_usergroup": true, "date_delete": 0},
            {"id": "S0BBB", "handle": "demo-art"}
        ]})))
        .expect(1)
        .mount(&server)
        .await;
    let client = client(&server, Some("t0ken"));
    let (leads, art) =
        futures::join!(client.usergroup_id("demo-leads-4-19"), client.usergroup_id("@demo-art"));
    assert_eq!((leads.unwrap(), art.unwrap()), (GroupId("S0AAA".into()), GroupId("S0BBB".into())));
    let error = client.clone().usergroup_id("demo").await.unwrap_err();
    assert_eq!(error.kind, ServiceErrorKind::NotFound);
}

#[tokio::test]
async fn a_failed_list_of_groups_is_not_kept() {
    let server = MockServer::start().await;
    Mock::given(any())
        .respond_with(ok(json!({"ok": false, "error": "missing_scope"})))
        .up_to_n_times(1)
        .mount(&server)
        .await;
    answer(&server, 200, json!({"ok": true, "usergroups": [{"id": "S0AAA", "handle": "demo"}]})).await;
    let client = client(&server, Some("t0ken"));
    client.usergroup_id("demo").await.unwrap_err();
    client.usergroup_id("demo").await.unwrap();
}

#[tokio::test]
async fn people_are_found_by_their_plain_address() {
    let server = MockServer::start().await;
    Mock::given(path("/slack/api/users.lookupByEmail"))
        .and(query_param("email", "demo@example.com"))
        .respond_with(
            ResponseTemplate::new(200)
                .set_body_json(json!({"ok": true, "user": {"id": "U0AAA", "deleted": false}})),
        )
        .expect(1)
        .mount(&server)
        .await;
    let client = client(&server, Some("t0ken"));
    for address in ["demo+jira@example.com", "demo@example.com"] {
        let user = client.user_id_by_email(address).await.unwrap();
        assert_eq!(user, Some(UserId("U0AAA".into())), "and asked for once");
    }
}

#[tokio::test]
async fn a_channels_name_is_asked_for_once() {
    let server = MockServer::start().await;
    Mock::given(path("/slack/api/conversations.info"))
        .and(query_param("channel", "C0AAA"))
        .respond_with(
            ResponseTemplate::new(200)
                .set_body_json(json!({"ok": true, "channel": {"id": "C0AAA", "name": "demo"}})),
        )
        .expect(1)
        .mount(&server)
        .await;
    let client = client(&server, Some("t0ken"));
    assert_eq!(client.channel_name("C0AAA").await.unwrap(), "demo");
    assert_eq!(client.channel_name("C0AAA").await.unwrap(), "demo");
}

#[tokio::test]
async fn nobody_is_not_an_error_but_a_refusal_is() {
    for (body, found) in [
        (json!({"ok": false, "error": "users_not_found"}), Ok(None)),
        (json!({"ok": true, "user": {"id": "U0AAA", "deleted": true}}), Ok(None)),
        (json!({"ok": false, "error": "missing_scope"}), Err(ServiceErrorKind::Forbidden)),
    ] {
        let server = MockServer::start().await;
        answer(&server, 200, body).await;
        let user = client(&server, Some("t0ken")).user_id_by_email("demo@example.com").await;
        if let Err(error) = &user {
            assert!(!format!("{error:?}").contains("demo@"), "{error:?}");
        }
        assert_eq!(user.map_err(|error| error.kind), found);
    }
}

#[tokio::test]
async fn a_message_is_found_by_its_key_on_a_later_page() {
    let server = MockServer::start().await;
    Mock::given(path("/slack/api/users.conversations"))
        .and(query_param("types", "public_channel"))
        .and(query_param("limit", "999"))
        .respond_with(ok(json!({"ok": true, "channels": [
            {"id": "C0BBB", "name": "demo-more"}, {"id": "C0AAA", "name": "demo"}
        ], "response_metadata": {"next_cursor": "never read"}})))
        .expect(1)
        .mount(&server)
        .await;
    Mock::given(path("/slack/api/conversations.history"))
        .and(query_param("cursor", "page2"))
        .respond_with(ok(json!({"ok": true, "messages": [message("2.2", "k")]})))
        .expect(1)
        .mount(&server)
        .await;
    let foreign =
        json!({"ts": "9.9", "metadata": {"event_type": "other", "event_payload": {"key": "k", "n": 1}}});
    Mock::given(path("/slack/api/conversations.history"))
        .and(query_param("channel", "C0AAA"))
        .and(query_param("include_all_metadata", "true"))
        .and(query_param("oldest", "1782900000.000000"))
        .respond_with(ok(json!({
            "ok": true, "messages": [foreign, message("9.1", "other"), {"ts": "9.0"}],
            "response_metadata": {"next_cursor": "page2"}
        })))
        .expect(1)
        .mount(&server)
        .await;
    let slack = client(&server, Some("t0ken"));
    let lookup = slack.find(wanted("#demo", None)).await;
    assert_eq!(lookup, Lookup::Found(Posted { channel: "C0AAA".into(), ts: "2.2".into() }));
    // The channels are listed once for all of them.
    assert!(slack.channel_id("#demo-more").await.is_ok_and(|id| id == "C0BBB"));
}

#[tokio::test]
async fn a_message_is_looked_for_in_its_thread() {
    let server = MockServer::start().await;
    Mock::given(path("/slack/api/conversations.replies"))
        .and(query_param("ts", "1.1"))
        .respond_with(ok(json!({"ok": true, "messages": [{"ts": "1.1"}]})))
        .expect(1)
        .mount(&server)
        .await;
    // And in the channel, where Slack puts a reply whose thread has lost its first message.
    answer(&server, 200, json!({"ok": true, "messages": null, "response_metadata": null})).await;
    let lookup = client(&server, Some("t0ken")).find(wanted("C0AAA1234", Some("1.1"))).await;
    assert_eq!(lookup, Lookup::NotFound);
    let looked: Vec<String> = server
        .received_requests()
        .await
        .unwrap()
        .iter()
        .map(|request| request.url.path().to_owned())
        .collect();
    assert_eq!(looked, ["/slack/api/conversations.replies", "/slack/api/conversations.history"]);
}

#[tokio::test]
async fn a_reply_beside_its_thread_is_found_in_the_channel() {
    let server = MockServer::start().await;
    Mock::given(path("/slack/api/conversations.replies"))
        .respond_with(ok(json!({"ok": false, "error": "thread_not_found"})))
        .mount(&server)
        .await;
    answer(&server, 200, json!({"ok": true, "messages": [message("2.2", "k")]})).await;
    let lookup = client(&server, Some("t0ken")).find(wanted("C0AAA1234", Some("1.1"))).await;
    assert_eq!(lookup, Lookup::Found(Posted { channel: "C0AAA1234".into(), ts: "2.2".into() }));
}

#[tokio::test]
async fn a_private_channel_is_found_although_the_public_ones_are_not_shown() {
    let server = MockServer::start().await;
    Mock::given(query_param("types", "public_channel"))
        .respond_with(ok(json!({"ok": false, "error": "missing_scope"})))
        .expect(1)
        .mount(&server)
        .await;
    Mock::given(query_param("types", "private_channel"))
        .respond_with(
            ResponseTemplate::new(200)
                .set_body_json(json!({"ok": true, "channels": [{"id": "G0AAA", "name": "demo"}]})),
        )
        .expect(1)
        .mount(&server)
        .await;
    answer(&server, 200, json!({"ok": true, "messages": [message("2.2", "k")]})).await;
    let client = client(&server, Some("t0ken"));
    for _ in 0..2 {
        let lookup = client.find(wanted("#demo", None)).await;
        assert_eq!(lookup, Lookup::Found(Posted { channel: "G0AAA".into(), ts: "2.2".into() }));
    }
}

#[tokio::test]
async fn a_message_that_slack_took_without_metadata_is_found_by_its_words() {
    let bare = json!({"ts": "2.2", "bot_id": "B0AAA", "text": " done  &amp; told ".replace("&amp;", "&")});
    for (message, found) in [
        (bare.clone(), true),
        (json!({"ts": "2.2", "bot_id": null, "text": "done & told"}), false),
        (json!({"ts": "2.2", "bot_id": "B0AAA", "text": "done"}), false),
        (
            json!({"ts": "2.2", "bot_id": "B0AAA", "text": "done & told",
                "metadata": {"event_type": "oar_notification", "event_payload": {"key": "other"}}}),
            false,
        ),
    ] {
        let server = MockServer::start().await;
        answer(&server, 200, json!({"ok": true, "messages": [message]})).await;
        let lookup = client(&server, Some("t0ken")).find(wanted("C0AAA1234", None)).await;
        assert_eq!(matches!(lookup, Lookup::Found(_)), found, "{message}");
    }
}

#[tokio::test]
async fn a_message_is_sent_without_the_metadata_that_slack_refuses() {
    for code in super::METADATA_REFUSALS {
        let server = MockServer::start().await;
        Mock::given(body_json(json!({"channel": "#demo", "text": "done", "unfurl_links": false})))
            .respond_with(
                ResponseTemplate::new(200)
                    .set_body_json(json!({"ok": true, "channel": "C0AAA", "ts": "1.2"})),
            )
            .expect(1)
            .mount(&server)
            .await;
        answer(&server, 200, json!({"ok": false, "error": code})).await;
        assert_eq!(post(&client(&server, Some("t0ken"))).await.unwrap().ts, "1.2", "{code}");
        assert_eq!(count(&server).await, 2);
    }
}

#[tokio::test]
async fn what_slack_does_not_show_is_not_taken_for_absent() {
    let endless = json!({"ok": true, "messages": [], "response_metadata": {"next_cursor": "more"}});
    for (channel, body, words) in [
        ("C0AAA1234", json!({"ok": false, "error": "missing_scope"}), "missing_scope"),
        ("#demo", json!({"ok": false, "error": "missing_scope"}), "missing_scope"),
        ("#demo", json!({"ok": true, "channels": []}), "not among"),
        ("#demo", json!({"ok": true, "channels": null, "response_metadata": null}), "/invite"),
        ("C0AAA1234", json!({"ok": false, "error": "not_in_channel"}), "not_in_channel"),
        ("C0AAA1234", endless, "more than 2000 messages"),
    ] {
        let server = MockServer::start().await;
        answer(&server, 200, body).await;
        match client(&server, Some("t0ken")).find(wanted(channel, None)).await {
            Lookup::Undetermined(reason) => assert!(reason.words().contains(words), "{reason:?}"),
            other => panic!("{channel}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn a_channel_that_the_bot_is_not_in_is_a_matter_of_configuration_before_one_of_scopes() {
    let server = MockServer::start().await;
    Mock::given(query_param("types", "private_channel"))
        .respond_with(ok(json!({"ok": false, "error": "missing_scope", "needed": "groups:read"})))
        .mount(&server)
        .await;
    Mock::given(query_param("types", "public_channel"))
        .respond_with(ok(json!({"ok": true, "channels": []})))
        .mount(&server)
        .await;
    let Lookup::Undetermined(reason) = client(&server, Some("t0ken")).find(wanted("#typo", None)).await
    else {
        panic!("it was found out")
    };
    assert_eq!(reason.class(), ErrorClass::Configuration);
    assert!(reason.to_string().contains("channel #typo is not among"), "{reason}");
    let hint = reason.hint().unwrap();
    assert!(hint.starts_with("Check the channel's name") && hint.contains("/invite"), "{hint}");
    assert!(hint.contains("If it is a private channel") && hint.contains("groups:read"), "{hint}");
}

#[tokio::test]
async fn a_missing_token_is_named_with_its_purpose_and_nothing_is_sent() {
    let server = MockServer::start().await;
    let error = post(&client(&server, Some(""))).await.unwrap_err();
    assert_eq!(error.kind, ServiceErrorKind::MissingCredential);
    assert!(error.to_string().contains("SLACK_BOT_TOKEN"), "{error}");
    assert!(error.hint.unwrap().contains("channels"));
    assert_eq!(count(&server).await, 0);
}

/// Everything is written one second apart; `older` more pages follow the first one.
async fn channel_of_pages(server: &MockServer, older: usize) {
    let page = |number: usize, has_more: bool| {
        let ts = since().as_second() + 100 - i64::try_from(number).unwrap();
        let mut message = json!({"ts": format!("{ts}.000100"), "text": "oar status", "user": "U1"});
        if number == 0 {
            message["latest_reply"] = json!(format!("{}.000200", ts + 1));
        }
        let cursor = if has_more { (number + 1).to_string() } else { String::new() };
        json!({"ok": true, "messages": [message], "response_metadata": {"next_cursor": cursor}})
    };
    for number in (0..=older).rev() {
        let mock = Mock::given(path("/slack/api/conversations.history"));
        let mock = if number == 0 { mock } else { mock.and(query_param("cursor", number.to_string())) };
        let answer = ResponseTemplate::new(200).set_body_json(page(number, number < older));
        mock.respond_with(answer).with_priority(if number == 0 { 5 } else { 1 }).mount(server).await;
    }
    let ts = |by: i64| format!("{}.000100", since().as_second() + 100 + by);
    let answers = json!({"ok": true, "messages": [
        {"ts": ts(0), "thread_ts": ts(0), "text": "oar status"},
        {"ts": ts(1), "thread_ts": ts(0), "text": "oar -r 4.19.1 status"},
    ]});
    Mock::given(path("/slack/api/conversations.replies"))
        .respond_with(ResponseTemplate::new(200).set_body_json(answers))
        .mount(server)
        .await;
}

#[tokio::test]
async fn recent_messages_come_page_by_page_and_it_is_said_when_there_are_more() {
    for (older, expected) in [(2, Coverage::Complete), (4, Coverage::Complete), (5, Coverage::Newest)] {
        let server = MockServer::start().await;
        channel_of_pages(&server, older).await;
        let slack = client(&server, Some("x"));
        let recent = Recent { channel: "C0AAA", since: since(), threads_since: since(), own: None };
        let mut pages: Vec<Vec<i64>> = Vec::new();
        let coverage = slack
            .read_recent(recent, |page| {
                assert!(page.iter().all(|message| message["channel"] == "C0AAA"), "{page:?}");
                let ts =
                    page.iter().map(|message| message["ts"].as_str().unwrap()[..10].parse::<i64>().unwrap());
                pages.push(ts.map(|ts| ts - since().as_second()).collect());
            })
            .await;
        assert_eq!(coverage.unwrap(), expected, "{older}");
        assert_eq!(
            pages[..2],
            [vec![100, 101], vec![99]],
            "a thread belongs to the page of its first message"
        );
        assert_eq!(pages.len(), (older + 1).min(5));
    }
}

#[tokio::test]
async fn threads_that_began_before_the_last_page_may_have_been_answered() {
    let server = MockServer::start().await;
    channel_of_pages(&server, 9).await;
    let newest = since().checked_add(jiff::SignedDuration::from_secs(98)).unwrap();
    let recent = Recent { channel: "C0AAA", since: newest, threads_since: since(), own: None };
    let mut count = 0;
    let coverage = client(&server, Some("x")).read_recent(recent, |page| count += page.len()).await;
    assert_eq!((coverage.unwrap(), count), (Coverage::Newest, 4));
}
