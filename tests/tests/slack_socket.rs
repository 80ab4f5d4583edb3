//! The Socket Mode client against the sandbox's Slack: nothing lost, whatever happens to the sockets.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests say what they expect by failing")]

use std::sync::Arc;
use std::time::Duration;

use end_to_end::slack_bot::{BOT, CHANNEL, LEAD, fast_clock, until};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};
use oar_core::agents::bot::{Addressee, Handled, Heard, IncomingMessage, listen};
use oar_core::clients::slack::UserId;
use oar_core::clients::slack::socket::{Envelope, EnvelopeKind, SlackSockets, SocketSettings};
use oar_core::clock::{Clock, ClockSource};
use oar_core::error::{ServiceError, ServiceErrorKind};
use oar_core::http::{Http, HttpSettings};
use oar_core::redact::Redactor;
use sandbox::services::slack::sockets::Sockets;
use sandbox::{Options, Sandbox, credentials};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// So many times as fast as the real time pauses and limits pass.
const SPEED: u32 = 8;

/// A program that listens.
struct Listener {
    envelopes: mpsc::UnboundedReceiver<Envelope>,
    task: JoinHandle<ServiceError>,
}

/// A clock on which no pause ends.
struct Endless;

impl ClockSource for Endless {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn sleep(&self, _duration: Duration) -> BoxFuture<'static, ()> {
        futures::future::pending().boxed()
    }

    fn random(&self) -> f64 {
        0.5
    }
}

fn sockets(sandbox: &Sandbox, token: &str) -> SlackSockets {
    sockets_with(sandbox, token, fast_clock(SPEED))
}

fn sockets_with(sandbox: &Sandbox, token: &str, clock: Clock) -> SlackSockets {
    let http = Http::new(HttpSettings::default(), clock, Redactor::default()).unwrap();
    let base = format!("{}/slack/api", sandbox.base_url()).parse().unwrap();
    SlackSockets::new(http, base, token.to_owned().into(), SocketSettings::default())
}

impl Listener {
    fn start(sandbox: &Sandbox) -> Self {
        let mut sockets = sockets(sandbox, credentials::SLACK_APP_TOKEN);
        let (sender, envelopes) = mpsc::unbounded_channel();
        let task = tokio::spawn(async move {
            loop {
                match sockets.next().await {
                    Ok(envelope) => drop(sender.send(envelope)),
                    Err(error) => return error,
                }
            }
        });
        Self { envelopes, task }
    }

    /// A listener with a ready socket.
    async fn connected(sandbox: &Sandbox) -> Self {
        let listener = Self::start(sandbox);
        until("a socket is open", || open(sandbox) == 1).await;
        listener
    }

    async fn next(&mut self) -> Envelope {
        match tokio::time::timeout(Duration::from_mins(1), self.envelopes.recv()).await {
            Ok(Some(envelope)) => envelope,
            other => panic!("no envelope came: {other:?}"),
        }
    }

    /// The next message, however often its event is delivered.
    async fn message(&mut self) -> (Value, Envelope) {
        let envelope = self.next().await;
        assert_eq!(envelope.kind, EnvelopeKind::Event);
        (serde_json::from_str(envelope.content.as_deref().unwrap()).unwrap(), envelope)
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn read<T>(sandbox: &Sandbox, what: impl FnOnce(&Sockets) -> T) -> T {
    what(&sandbox.world().slack.lock().sockets)
}

fn open(sandbox: &Sandbox) -> usize {
    read(sandbox, |sockets| sockets.open_sockets().len())
}

fn change(sandbox: &Sandbox, operation: &str, body: &Value) -> Value {
    let now = sandbox.clock().now();
    sandbox.world().with_service("slack", |slack| slack.change(operation, body, now)).unwrap().unwrap()
}

fn say(sandbox: &Sandbox, text: &str) -> String {
    let said = change(sandbox, "message", &json!({"channel": CHANNEL, "text": text, "user": LEAD}));
    said["ts"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_socket_is_opened_when_somebody_listens_and_not_before() {
    let sandbox = Sandbox::start(&Options::default()).unwrap();
    let mut idle = sockets(&sandbox, credentials::SLACK_APP_TOKEN);
    let mut listener = Listener::connected(&sandbox).await;
    say(&sandbox, "oar -r 4.19.1 status");
    let (message, envelope) = listener.message().await;
    assert_eq!((message["text"].as_str(), envelope.retry), (Some("oar -r 4.19.1 status"), 0));
    until("it is acknowledged", || read(&sandbox, Sockets::unacknowledged) == 0).await;
    assert!(!idle.is_connected() && open(&sandbox) == 1);
    idle.close().await;
    sandbox.assert_no_unexpected();
}

#[tokio::test]
async fn a_mention_comes_in_two_forms_and_is_one_command_in_either_order() {
    let sandbox = Sandbox::start(&Options::default()).unwrap();
    let mut listener = Listener::connected(&sandbox).await;
    let addressee = Addressee { bot: Some(UserId(BOT.into())), programs: &["oar"] };
    let mut handled = Handled::default();
    let mut kinds = Vec::new();
    let mut runs = 0;
    for mention_first in [false, true] {
        let text = format!("<@{BOT}> oar -r 4.19.1 status");
        let body = json!({"channel": CHANNEL, "text": text, "user": LEAD, "mention_first": mention_first});
        change(&sandbox, "message", &body);
        for _ in 0..2 {
            let (message, envelope) = listener.message().await;
            kinds.push(message["type"].as_str().unwrap().to_owned());
            let message = IncomingMessage::of_event(envelope.content.as_deref().unwrap()).unwrap().unwrap();
            let is_command = matches!(listen(&message.text, &addressee), Heard::Command(_));
            runs += usize::from(is_command && handled.take(&message, Timestamp::now()));
        }
    }
    assert_eq!(kinds, ["message", "app_mention", "app_mention", "message"]);
    assert_eq!(runs, 2);
}

#[tokio::test]
async fn a_socket_is_replaced_before_it_is_closed() {
    let sandbox = Sandbox::start(&Options::default()).unwrap();
    let mut listener = Listener::connected(&sandbox).await;
    let first = read(&sandbox, Sockets::open_sockets);
    for reason in ["refresh_requested", "warning", "something new"] {
        let before = read(&sandbox, Sockets::open_sockets);
        change(&sandbox, "sockets", &json!({"disconnect": reason}));
        let said = say(&sandbox, reason);
        let (message, envelope) = listener.message().await;
        assert_eq!((message["ts"].as_str(), envelope.retry), (Some(said.as_str()), 0), "still delivered");
        until("another socket took its place", || {
            let now = read(&sandbox, Sockets::open_sockets);
            now.len() == 1 && now != before
        })
        .await;
    }
    say(&sandbox, "on the new one");
    assert_eq!(listener.message().await.0["text"], json!("on the new one"));
    assert_ne!(read(&sandbox, Sockets::open_sockets), first);
}

#[tokio::test]
async fn a_socket_that_ends_is_opened_again() {
    let sandbox = Sandbox::start(&Options::default()).unwrap();
    change(&sandbox, "sockets", &json!({"acknowledged_within": 0.2, "redelivered_after": [0, 0.2, 600]}));
    let mut listener = Listener::connected(&sandbox).await;
    for end in ["close", "cut"] {
        change(&sandbox, "sockets", &json!({end: true}));
        let said = say(&sandbox, end);
        until("a socket is open again", || open(&sandbox) == 1).await;
        let (message, _) = listener.message().await;
        assert_eq!(message["ts"].as_str(), Some(said.as_str()), "delivered again to the next socket");
    }
}

#[tokio::test]
async fn a_half_open_socket_is_noticed_and_its_events_come_again() {
    let sandbox = Sandbox::start(&Options::default()).unwrap();
    change(
        &sandbox,
        "sockets",
        &json!({"acknowledged_within": 1, "redelivered_after": [1, 1, 1, 1, 1, 1, 1, 1, 600]}),
    );
    let mut listener = Listener::connected(&sandbox).await;
    let frozen = read(&sandbox, Sockets::open_sockets);
    change(&sandbox, "sockets", &json!({"freeze": true}));
    let said = say(&sandbox, "into the void");
    until("another socket is open", || open(&sandbox) == 2).await;
    let (message, envelope) = listener.message().await;
    assert_eq!(message["ts"].as_str(), Some(said.as_str()));
    assert!(envelope.retry > 0);
    let deliveries = read(&sandbox, |sockets| sockets.deliveries.clone());
    let (lost, taken) = (deliveries.first().unwrap(), deliveries.last().unwrap());
    assert!(frozen.contains(&lost.socket) && !lost.acknowledged);
    assert!(!frozen.contains(&taken.socket) && taken.event_id == lost.event_id);
}

#[tokio::test]
async fn a_refused_socket_is_tried_again_after_long_pauses_that_grow() {
    let refused = ["link_disabled", "too_many_websockets"].map(async |reason| {
        let sandbox = Sandbox::start(&Options::default()).unwrap();
        let mut listener = Listener::connected(&sandbox).await;
        let refused = sandbox.clock().now();
        change(&sandbox, "sockets", &json!({"enabled": false, "disconnect": reason}));
        until("the socket is closed", || open(&sandbox) == 0).await;
        let times = |path: &str| {
            let requests = sandbox.requests();
            let asked = requests.iter().filter(|request| request.path == path);
            asked.map(|request| request.at).collect::<Vec<_>>()
        };
        until("it was tried again", || times("/link").len() == 2).await;
        // Long enough for that attempt to be refused, and short for a pause after a refusal.
        tokio::time::sleep(Duration::from_secs(1)).await;
        change(&sandbox, "sockets", &json!({"enabled": true}));
        until("a socket is open", || open(&sandbox) == 1).await;
        say(&sandbox, "back again");
        assert_eq!(listener.message().await.0["text"], json!("back again"));
        let [_, second, third] = times("/apps.connections.open")[..] else {
            panic!("{reason}: not three attempts")
        };
        for (from, to, seconds) in [(refused, second, 30), (second, third, 60)] {
            let least = SignedDuration::from_secs(seconds) / i32::try_from(SPEED).unwrap();
            assert!(to.duration_since(from) >= least, "{reason}: {from} to {to}");
        }
    });
    futures::future::join_all(refused).await;
}

#[tokio::test]
async fn clicks_and_events_without_content_arrive() {
    let sandbox = Sandbox::start(&Options::default()).unwrap();
    let mut listener = Listener::connected(&sandbox).await;
    change(&sandbox, "sockets", &json!({"rate_limited": true}));
    let envelope = listener.next().await;
    assert_eq!((envelope.content, envelope.payload_kind.as_deref()), (None, Some("app_rate_limited")));
    until("it is acknowledged", || read(&sandbox, Sockets::unacknowledged) == 0).await;

    let button = json!({
        "type": "button", "action_id": "approve", "value": "question-1", "text": {"type": "plain_text", "text": "Approve"},
    });
    let blocks = json!([{"type": "actions", "block_id": "plan", "elements": [button]}]);
    let body = json!({"channel": CHANNEL, "text": "a plan", "blocks": blocks});
    let answer: Value = reqwest::Client::new()
        .post(format!("{}/slack/api/chat.postMessage", sandbox.base_url()))
        .bearer_auth(credentials::SLACK_BOT_TOKEN)
        .header("content-type", "application/json")
        .body(body.to_string())
        .send()
        .await
        .map(|answer| async move { serde_json::from_str(&answer.text().await.unwrap()).unwrap() })
        .unwrap()
        .await;
    let own = listener.next().await;
    assert!(IncomingMessage::of_event(own.content.as_deref().unwrap()).unwrap().is_err(), "its own message");
    let click =
        json!({"channel": answer["channel"], "ts": answer["ts"], "user": LEAD, "action_id": "approve"});
    assert_eq!(change(&sandbox, "click", &click), json!({"delivered": true}));
    let envelope = listener.next().await;
    let click: Value = serde_json::from_str(envelope.content.as_deref().unwrap()).unwrap();
    assert_eq!((envelope.kind, click["user"]["id"].as_str()), (EnvelopeKind::Interactive, Some(LEAD)));
    assert_eq!(click["actions"][0]["value"], json!("question-1"));
}

#[tokio::test]
async fn a_token_that_slack_refuses_ends_it() {
    let sandbox = Sandbox::start(&Options::default()).unwrap();
    for (token, kind) in [
        ("xapp-other", ServiceErrorKind::Unauthorized),
        (credentials::SLACK_BOT_TOKEN, ServiceErrorKind::Forbidden),
    ] {
        let error = sockets(&sandbox, token).next().await.unwrap_err();
        assert_eq!(error.kind, kind, "{error}");
        assert!(error.hint.as_deref().unwrap().contains("SLACK_APP_TOKEN"), "{error:?}");
        assert!(!error.to_string().contains(token));
    }
}

#[tokio::test]
async fn closing_ends_the_pause_before_the_next_attempt() {
    let sandbox = Sandbox::start(&Options::default()).unwrap();
    change(&sandbox, "sockets", &json!({"enabled": false}));
    let mut sockets = sockets_with(&sandbox, credentials::SLACK_APP_TOKEN, Clock::new(Arc::new(Endless)));
    let attempts = || sandbox.requests().iter().filter(|request| request.path == "/link").count();
    tokio::select! {
        _ = sockets.next() => panic!("nothing was sent"),
        () = until("it is refused", || attempts() == 1) => {}
    }
    // Long enough for it to have read why, and to wait for the next attempt.
    tokio::select! {
        _ = sockets.next() => panic!("nothing was sent"),
        () = tokio::time::sleep(Duration::from_millis(300)) => {}
    }
    tokio::time::timeout(Duration::from_mins(1), sockets.close()).await.unwrap();
    assert_eq!((attempts(), sockets.is_connected()), (1, false));
}

#[tokio::test]
async fn closing_does_not_wait_for_a_connection_that_slack_leaves_open() {
    let sandbox = Sandbox::start(&Options::default()).unwrap();
    let mut sockets = sockets(&sandbox, credentials::SLACK_APP_TOKEN);
    let said = {
        let first = async {
            until("a socket is open", || open(&sandbox) == 1).await;
            say(&sandbox, "first")
        };
        let (envelope, said) = tokio::join!(sockets.next(), first);
        assert!(envelope.unwrap().content.unwrap().contains("first"));
        said
    };
    assert!(sockets.is_connected() && !said.is_empty());
    tokio::time::timeout(Duration::from_mins(1), sockets.close()).await.unwrap();
    until("Slack knows of no socket", || open(&sandbox) == 0).await;
    assert!(!sockets.is_connected() && sockets.rest().is_empty());
}
