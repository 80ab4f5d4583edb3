//! What Slack answers, refusals first.

use serde_json::{Value, json};

use crate::{
    credentials::{SLACK_BOT_TOKEN, SLACK_BOT_TOKEN_NARROW},
    sandbox::Sandbox,
    testing::{ask, start, start_frozen},
};

const CHANNEL: &str = "#team-qe-release-demo";

async fn call(sandbox: &Sandbox, token: &str, method: &str, body: Value) -> Value {
    let answer = ask(sandbox, "POST", &format!("/slack/api/{method}")).bearer(token).json(&body).send().await;
    assert_eq!(answer.status, 200, "logical errors are no HTTP errors");
    answer.json()
}

async fn error(sandbox: &Sandbox, token: &str, method: &str, body: Value) -> String {
    let answer = call(sandbox, token, method, body).await;
    assert_eq!(answer["ok"], json!(false), "{answer}");
    answer["error"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn messages_are_posted_threaded_and_listed() {
    let sandbox = start();
    let post = |body| call(&sandbox, SLACK_BOT_TOKEN, "chat.postMessage", body);
    let metadata = json!({"event_type": "announced", "event_payload": {"release": "4.19.1"}});
    let first = post(json!({"channel": CHANNEL, "text": "<!subteam^S1> hello", "metadata": metadata})).await;
    assert_eq!(first["ok"], json!(true));
    let id = first["channel"].clone();
    let reply = post(json!({"channel": id, "text": "more", "thread_ts": first["ts"]})).await;
    let second = post(json!({"channel": "team-qe-release-demo", "text": "again"})).await;
    let ts = |answer: &Value| answer["ts"].as_str().unwrap().to_owned();
    assert!(ts(&first) < ts(&reply) && ts(&reply) < ts(&second));

    let history = |body| call(&sandbox, SLACK_BOT_TOKEN, "conversations.history", body);
    let listed = history(json!({"channel": id})).await;
    let texts: Vec<&str> = listed["messages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|message| message["text"].as_str().unwrap())
        .collect();
    assert_eq!(texts, ["again", "<!subteam^S1> hello"]);
    let kind = json!({"event_type": "announced"});
    assert_eq!(listed["messages"][1]["metadata"], kind, "without its payload, which is asked for");
    let full = history(json!({"channel": id, "include_all_metadata": true, "limit": 1})).await;
    assert_eq!((full["has_more"].clone(), full["messages"].as_array().unwrap().len()), (json!(true), 1));
    let rest = history(json!({
        "channel": id, "include_all_metadata": true, "limit": 1,
        "cursor": full["response_metadata"]["next_cursor"],
    }))
    .await;
    assert_eq!(rest["messages"][0]["metadata"], metadata);
    let newer = history(json!({"channel": id, "oldest": first["ts"]})).await;
    assert_eq!(newer["messages"].as_array().unwrap().len(), 1);
    let thread =
        call(&sandbox, SLACK_BOT_TOKEN, "conversations.replies", json!({"channel": id, "ts": first["ts"]}))
            .await;
    assert_eq!(thread["messages"].as_array().unwrap().len(), 2);

    let stored = sandbox.world().slack.lock().messages_in(CHANNEL);
    assert_eq!((stored.len(), stored[0].parsed.groups.clone()), (3, vec!["S1".to_owned()]));
    sandbox.assert_no_unexpected();
}

#[tokio::test]
async fn refused_messages_are_not_stored() {
    let sandbox = start();
    let in_channel = |more: Value| {
        let mut body = json!({"channel": CHANNEL, "text": "x"});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    for (token, body, expected) in [
        ("nobody", in_channel(json!({})), "invalid_auth"),
        (SLACK_BOT_TOKEN, in_channel(json!({"channel": "#nowhere"})), "channel_not_found"),
        (SLACK_BOT_TOKEN, json!({"text": "x"}), "channel_not_found"),
        (SLACK_BOT_TOKEN, in_channel(json!({"channel": "#closed-demo"})), "is_archived"),
        (SLACK_BOT_TOKEN, in_channel(json!({"channel": "#uninvited-demo"})), "not_in_channel"),
        (SLACK_BOT_TOKEN, in_channel(json!({"text": ""})), "no_text"),
        (SLACK_BOT_TOKEN, in_channel(json!({"thread_ts": "1.000000"})), "thread_not_found"),
        (SLACK_BOT_TOKEN, in_channel(json!({"metadata": {"event_type": "x"}})), "invalid_metadata_format"),
        (SLACK_BOT_TOKEN, json!([]), "json_not_object"),
    ] {
        assert_eq!(error(&sandbox, token, "chat.postMessage", body).await, expected);
    }
    let bare = ask(&sandbox, "POST", "/slack/api/chat.postMessage").json(&in_channel(json!({}))).send().await;
    assert_eq!(bare.json()["error"], json!("not_authed"));
    assert!(sandbox.world().slack.lock().messages.is_empty());
}

#[tokio::test]
async fn scopes() {
    let sandbox = start();
    let id = sandbox.world().slack.lock().channel(CHANNEL).unwrap().id.clone();
    for (method, body, needed) in [
        ("conversations.history", json!({"channel": id}), "channels:history"),
        ("users.lookupByEmail", json!({"email": "demo-lead@example.com"}), "users:read.email"),
        ("usergroups.list", json!({}), "usergroups:read"),
    ] {
        let answer = call(&sandbox, SLACK_BOT_TOKEN_NARROW, method, body.clone()).await;
        assert_eq!(
            (answer["error"].clone(), answer["needed"].clone()),
            (json!("missing_scope"), json!(needed))
        );
        assert_eq!(call(&sandbox, SLACK_BOT_TOKEN, method, body).await["ok"], json!(true), "{method}");
    }
    assert_eq!(
        error(&sandbox, SLACK_BOT_TOKEN, "conversations.history", json!({"channel": CHANNEL})).await,
        "channel_not_found"
    );
}

#[tokio::test]
async fn users_and_groups() {
    let sandbox = start();
    let find = async |email: &str| {
        let form = format!("email={}", email.replace('@', "%40"));
        ask(&sandbox, "POST", "/slack/api/users.lookupByEmail")
            .bearer(SLACK_BOT_TOKEN)
            .form(&form)
            .send()
            .await
            .json()
    };
    let found = find("demo-lead@example.com").await;
    assert_eq!(found["user"]["id"], json!("U0000LEAD1"));
    assert_eq!(find("nobody@example.com").await["error"], json!("users_not_found"));
    assert_eq!(find("gone@example.com").await["error"], json!("users_not_found"));
    let info = call(&sandbox, SLACK_BOT_TOKEN, "users.info", json!({"user": "U0000LEAD1"})).await;
    assert_eq!(info["user"]["name"], json!("rlead"));
    assert_eq!(error(&sandbox, SLACK_BOT_TOKEN, "users.info", json!({"user": "U1"})).await, "user_not_found");

    // The reference sends an empty body under a JSON content type.
    let answer = ask(&sandbox, "POST", "/slack/api/usergroups.list").bearer(SLACK_BOT_TOKEN);
    let groups = answer.header("content-type", "application/json").send().await.json();
    let handles: Vec<&str> = groups["usergroups"]
        .as_array()
        .unwrap()
        .iter()
        .map(|group| group["handle"].as_str().unwrap())
        .collect();
    assert!(handles.contains(&"demo-leads-4-19") && !handles.contains(&"old-leads-demo"), "{handles:?}");
    let all = call(&sandbox, SLACK_BOT_TOKEN, "usergroups.list", json!({"include_disabled": true})).await;
    assert_eq!(all["usergroups"].as_array().unwrap().len(), handles.len() + 1);
    let channels = call(&sandbox, SLACK_BOT_TOKEN, "conversations.list", json!({"limit": 2})).await;
    assert_eq!(
        (
            channels["channels"].as_array().unwrap().len(),
            channels["response_metadata"]["next_cursor"].clone()
        ),
        (2, json!("2"))
    );
    assert_eq!(call(&sandbox, SLACK_BOT_TOKEN, "auth.test", json!({})).await["team"], json!("Sandbox"));
}

#[tokio::test]
async fn long_messages_are_cut() {
    let sandbox = start();
    let body = json!({"channel": CHANNEL, "text": "x".repeat(40_001)});
    let answer = call(&sandbox, SLACK_BOT_TOKEN, "chat.postMessage", body).await;
    assert_eq!(answer["response_metadata"]["warnings"], json!(["message_truncated"]));
    assert_eq!(sandbox.world().slack.lock().messages[0].text.len(), 40_000);
}

#[tokio::test]
async fn one_message_per_second_and_channel() {
    let sandbox = start_frozen();
    sandbox.world().slack.lock().one_message_per_second = true;
    let post = |channel: &str| {
        let body = json!({"channel": channel, "text": "x"});
        ask(&sandbox, "POST", "/slack/api/chat.postMessage").bearer(SLACK_BOT_TOKEN).json(&body).send()
    };
    assert_eq!(post(CHANNEL).await.status, 200);
    assert_eq!(post("#forum-ocp-release-demo").await.status, 200);
    let refused = post(CHANNEL).await;
    assert_eq!((refused.status, refused.header("retry-after")), (429, Some("1")));
    sandbox.clock().advance(jiff::SignedDuration::from_secs(1));
    assert_eq!(post(CHANNEL).await.status, 200);
}

#[tokio::test]
async fn blocks_are_shown_and_their_words_are_parsed() {
    let sandbox = start();
    let body = json!({"channel": CHANNEL, "text": "for the notification", "blocks": [
        {"type": "header", "text": {"type": "plain_text", "text": "4.19.1", "emoji": false}},
        {"type": "divider"},
        {"type": "section", "text": {"type": "mrkdwn", "text": "<!subteam^S1> look at <https://a.test|a>"},
         "fields": [{"type": "mrkdwn", "text": "<@U1>"}]},
        {"type": "context", "elements": [{"type": "mrkdwn", "text": "small"}]}
    ]});
    let answer = call(&sandbox, SLACK_BOT_TOKEN, "chat.postMessage", body.clone()).await;
    assert_eq!((answer["ok"].clone(), &answer["message"]["blocks"]), (json!(true), &body["blocks"]));
    let stored = sandbox.world().slack.lock().messages_in(CHANNEL);
    assert_eq!(stored[0].text, "for the notification");
    assert_eq!(stored[0].parsed.groups, ["S1"]);
    assert_eq!(stored[0].parsed.users, ["U1"]);
    assert_eq!(stored[0].parsed.links.len(), 1);
}

#[tokio::test]
async fn blocks_that_slack_refuses_are_refused() {
    let sandbox = start();
    let header = |text: &str| json!({"type": "header", "text": {"type": "plain_text", "text": text}});
    let section = |text: &str| json!({"type": "section", "text": {"type": "mrkdwn", "text": text}});
    let element = json!({"type": "mrkdwn", "text": "x"});
    for (blocks, expected) in [
        (json!("[{"), "invalid_blocks_format"),
        (json!([header(&"x".repeat(151))]), "invalid_blocks"),
        (json!([header("")]), "invalid_blocks"),
        (json!([{"type": "header", "text": {"type": "mrkdwn", "text": "x"}}]), "invalid_blocks"),
        (json!([section(&"x".repeat(3_001))]), "invalid_blocks"),
        (json!([{"type": "section"}]), "invalid_blocks"),
        (json!([{"type": "context", "elements": []}]), "invalid_blocks"),
        (json!([{"type": "context", "elements": vec![element; 11]}]), "invalid_blocks"),
        (json!([{"type": "paragraph"}]), "invalid_blocks"),
        (json!(vec![section("x"); 51]), "invalid_blocks"),
        (json!(vec![section(&"x".repeat(3_000)); 5]), "msg_blocks_too_long"),
        (json!([{"type": "image"}]), "sandbox_simulates_header_section_context_actions_and_divider"),
    ] {
        let body = json!({"channel": CHANNEL, "text": "x", "blocks": blocks});
        assert_eq!(error(&sandbox, SLACK_BOT_TOKEN, "chat.postMessage", body).await, expected);
    }
    assert!(sandbox.world().slack.lock().messages.is_empty());
    let body = json!({"channel": CHANNEL, "text": "x", "blocks": vec![section(&"x".repeat(3_000)); 4]});
    assert_eq!(call(&sandbox, SLACK_BOT_TOKEN, "chat.postMessage", body).await["ok"], json!(true));
}
