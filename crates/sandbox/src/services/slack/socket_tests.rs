//! Socket Mode, files and the rest that a bot needs: what Slack answers, refusals first.

use serde_json::{Value, json};

use crate::{
    credentials::{SLACK_APP_TOKEN, SLACK_BOT_TOKEN, SLACK_BOT_TOKEN_NARROW},
    sandbox::Sandbox,
    testing::{ask, start, start_frozen},
};

async fn call(sandbox: &Sandbox, token: &str, method: &str, body: Value) -> Value {
    ask(sandbox, "POST", &format!("/slack/api/{method}")).bearer(token).json(&body).send().await.json()
}

async fn error(sandbox: &Sandbox, token: &str, method: &str, body: Value) -> String {
    let answer = call(sandbox, token, method, body).await;
    assert_eq!(answer["ok"], json!(false), "{answer}");
    answer["error"].as_str().unwrap().to_owned()
}

fn change(sandbox: &Sandbox, operation: &str, body: &Value) -> Result<Value, String> {
    let now = sandbox.clock().now();
    sandbox.world().with_service("slack", |slack| slack.change(operation, body, now)).unwrap()
}

/// The status with which the address of a socket answers an upgrade.
async fn upgrade(sandbox: &Sandbox, url: &str) -> u16 {
    let path = url.split_once("/slack/api").unwrap().1;
    ask(sandbox, "GET", &format!("/slack/api{path}"))
        .header("connection", "Upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-key", "AAAAAAAAAAAAAAAAAAAAAA==")
        .send()
        .await
        .status
}

#[tokio::test]
async fn an_address_is_for_one_use_and_a_short_time() {
    let sandbox = start_frozen();
    let open = || async {
        let answer = call(&sandbox, SLACK_APP_TOKEN, "apps.connections.open", json!({})).await;
        answer["url"].as_str().unwrap().to_owned()
    };
    let late = open().await;
    assert!(late.starts_with("ws://"), "{late}");
    sandbox.clock().advance(jiff::SignedDuration::from_secs(31));
    assert_eq!(upgrade(&sandbox, &late).await, 401);
    assert_eq!(upgrade(&sandbox, &late.replace("ticket=", "ticket=x")).await, 401);
    let refused = |token| error(&sandbox, token, "apps.connections.open", json!({}));
    assert_eq!(refused(SLACK_BOT_TOKEN).await, "not_allowed_token_type");
    assert_eq!(refused("xapp-other").await, "invalid_auth");
}

#[tokio::test]
async fn a_file_takes_three_steps() {
    let sandbox = start();
    let post = |method, body| call(&sandbox, SLACK_BOT_TOKEN, method, body);
    let refused = |method, body| error(&sandbox, SLACK_BOT_TOKEN, method, body);
    let place =
        call(&sandbox, SLACK_BOT_TOKEN, "chat.postMessage", json!({"channel": "qe-demo", "text": "x"})).await;
    let target = json!({"filename": "out.txt", "length": 5});
    let answer = post("files.getUploadURLExternal", target.clone()).await;
    let id = answer["file_id"].as_str().unwrap().to_owned();
    let complete = json!({"files": json!([{"id": id, "title": "output"}]).to_string(), "channel_id": place["channel"], "thread_ts": place["ts"], "initial_comment": "done"});
    assert_eq!(refused("files.completeUploadExternal", complete.clone()).await, "file_not_found");
    let path = format!("/slack/api/upload/{id}");
    assert_eq!(ask(&sandbox, "POST", &path).form("four").send().await.status, 400);
    assert_eq!(ask(&sandbox, "POST", &path).form("bytes").send().await.status, 200);
    assert_eq!(ask(&sandbox, "POST", &path).form("bytes").send().await.status, 400);
    assert_eq!(post("files.completeUploadExternal", complete).await["ok"], json!(true));
    {
        let slack = sandbox.world().slack.lock();
        let file = &slack.files[&id];
        assert_eq!(
            (file.content.as_deref(), file.thread_ts.as_deref()),
            (Some("bytes"), place["ts"].as_str())
        );
        let shown = slack.messages.last().unwrap();
        assert_eq!((shown.text.as_str(), &shown.thread_ts), ("done", &file.thread_ts));
    }
    let empty = json!({"filename": "out.txt", "length": 0});
    assert_eq!(refused("files.getUploadURLExternal", empty).await, "invalid_arguments");
    let narrow = error(&sandbox, SLACK_BOT_TOKEN_NARROW, "files.getUploadURLExternal", target.clone()).await;
    assert_eq!(narrow, "missing_scope");
    change(&sandbox, "limits", &json!({"refuses_files": "file_uploads_disabled"})).unwrap();
    assert_eq!(refused("files.getUploadURLExternal", target).await, "file_uploads_disabled");
}

#[tokio::test]
async fn messages_are_edited_and_lose_their_buttons() {
    let sandbox = start();
    let button = json!({"type": "button", "action_id": "approve", "value": "1", "text": {"type": "plain_text", "text": "Approve"}});
    let blocks = json!([{"type": "actions", "block_id": "b", "elements": [button]}]);
    let message = json!({"channel": "qe-demo", "text": "plan", "blocks": blocks});
    let posted = call(&sandbox, SLACK_BOT_TOKEN, "chat.postMessage", message).await;
    let place = json!({"channel": posted["channel"], "ts": posted["ts"], "user": "U0000LEAD1", "action_id": "approve"});
    let nobody = change(&sandbox, "click", &place).unwrap();
    assert_eq!(nobody, json!({"delivered": false}), "there is no socket");
    let update = |text: String| json!({"channel": posted["channel"], "ts": posted["ts"], "text": text});
    let refused = |body| error(&sandbox, SLACK_BOT_TOKEN, "chat.update", body);
    assert_eq!(refused(update("x".repeat(4001))).await, "msg_too_long");
    assert_eq!(
        refused(json!({"channel": posted["channel"], "ts": "1.0", "text": "x"})).await,
        "message_not_found"
    );
    let answer = call(&sandbox, SLACK_BOT_TOKEN, "chat.update", update("approved".into())).await;
    assert_eq!(answer["ok"], json!(true));
    assert!(change(&sandbox, "click", &place).unwrap_err().contains("no such button"));
    let other = change(&sandbox, "message", &json!({"channel": "qe-demo", "text": "mine"})).unwrap();
    let theirs = json!({"channel": other["channel"], "ts": other["ts"], "text": "x"});
    assert_eq!(refused(theirs).await, "cant_update_message");
    let react = json!({"channel": other["channel"], "timestamp": other["ts"], "name": "eyes"});
    assert_eq!(call(&sandbox, SLACK_BOT_TOKEN, "reactions.add", react.clone()).await["ok"], json!(true));
    assert_eq!(error(&sandbox, SLACK_BOT_TOKEN, "reactions.add", react.clone()).await, "already_reacted");
    assert_eq!(call(&sandbox, SLACK_BOT_TOKEN, "reactions.remove", react.clone()).await["ok"], json!(true));
    assert_eq!(error(&sandbox, SLACK_BOT_TOKEN, "reactions.remove", react).await, "no_reaction");
}

#[tokio::test]
async fn the_members_of_a_group_are_told_by_its_id() {
    let sandbox = start();
    let group =
        change(&sandbox, "group", &json!({"handle": "qe-demo-group", "users": ["U0000LEAD1"]})).unwrap();
    let members =
        |id: Value| call(&sandbox, SLACK_BOT_TOKEN, "usergroups.users.list", json!({"usergroup": id}));
    assert_eq!(members(group["id"].clone()).await["users"], json!(["U0000LEAD1"]));
    assert_eq!(members(json!("S0NONE")).await["error"], json!("no_such_subteam"));
}

#[test]
fn events_are_delivered_until_they_are_acknowledged() {
    use super::sockets::{Order, Sockets};
    let at = |second: i64| jiff::Timestamp::from_second(second).unwrap();
    let mut sockets = Sockets::default();
    assert_eq!(sockets.event(Some(json!({})), at(0)), None, "nobody ever listened");
    let open = |sockets: &mut Sockets| {
        let (sender, orders) = tokio::sync::mpsc::unbounded_channel();
        (sockets.opened(sender).unwrap().0, orders)
    };
    let ((first, mut of_first), (second, mut of_second)) = (open(&mut sockets), open(&mut sockets));
    let mut received = |which: u64| {
        let orders = if which == first { &mut of_first } else { &mut of_second };
        match orders.try_recv() {
            Ok(Order::Send(text)) => Some(serde_json::from_str::<Value>(&text).unwrap()),
            _ => None,
        }
    };
    sockets.event(Some(json!({"type": "message"})), at(0)).unwrap();
    let socket = sockets.deliveries[0].socket;
    let other = if socket == first { second } else { first };
    let envelope = received(socket).unwrap();
    let acknowledgement = json!({"envelope_id": envelope["envelope_id"]}).to_string();
    sockets.acknowledge(other, &acknowledgement);
    sockets.acknowledge(socket, "not JSON");
    assert_eq!(sockets.unacknowledged(), 1, "only its own socket acknowledges an envelope");
    sockets.deliver_due(at(2));
    assert_eq!(sockets.deliveries.len(), 1);
    sockets.deliver_due(at(3));
    let again = received(other).unwrap();
    assert_eq!((again["retry_attempt"].clone(), again["retry_reason"].clone()), (json!(1), json!("timeout")));
    assert_eq!(again["payload"], envelope["payload"], "the same event, on another socket");
    assert_ne!(again["envelope_id"], envelope["envelope_id"]);
    for (seconds, deliveries) in [(65, 2), (66, 3), (368, 3), (369, 4), (591, 4), (592, 5)] {
        sockets.deliver_due(at(seconds));
        assert_eq!((sockets.deliveries.len(), sockets.unacknowledged()), (deliveries, 1), "{seconds}");
    }
    sockets.deliver_due(at(600));
    assert_eq!((sockets.unacknowledged(), sockets.given_up.len()), (0, 1));
    sockets.event(Some(json!({"type": "message"})), at(2000)).unwrap();
    let last = sockets.deliveries.last().unwrap().clone();
    sockets.acknowledge(last.socket, &json!({"envelope_id": last.envelope_id}).to_string());
    assert_eq!(sockets.unacknowledged(), 0);
    sockets.event(None, at(2000)).unwrap();
    assert_eq!(sockets.unacknowledged(), 1, "app_rate_limited wants an acknowledgement as well");
}

#[test]
fn an_app_has_ten_sockets() {
    use super::sockets::{MOST_SOCKETS, Sockets};
    let mut sockets = Sockets::default();
    let open = |sockets: &mut Sockets| sockets.opened(tokio::sync::mpsc::unbounded_channel().0);
    let numbers: Vec<u64> = (0..MOST_SOCKETS).map(|_| open(&mut sockets).unwrap().0).collect();
    assert_eq!(open(&mut sockets).unwrap_err()["reason"], json!("too_many_websockets"));
    sockets.closed(numbers[0]);
    assert_eq!(open(&mut sockets).unwrap().1["num_connections"], json!(MOST_SOCKETS));
    sockets.enabled = false;
    sockets.closed(numbers[1]);
    assert_eq!(open(&mut sockets).unwrap_err()["reason"], json!("link_disabled"));
}
