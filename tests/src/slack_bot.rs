//! People in Slack who give the bot commands.
#![expect(clippy::unwrap_used, reason = "what cannot be prepared fails the test")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::FutureExt as _;
use futures::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};
use oar_core::clients::Clients;
use oar_core::clock::{Clock, ClockSource};
use oar_core::config::{Environment, Settings};
use oar_core::http::Http;
use oar_core::redact::Redactor;
use sandbox::services::slack::state::Message;
use serde_json::{Value, json};

use crate::{Harness, KONFLUX};

/// The channel in which commands may be given, without `#`.
pub const CHANNEL: &str = "qe-demo";
/// A release lead: may give critical commands.
pub const LEAD: &str = "U0000LEAD1";
/// May read and write, and nothing critical.
pub const WRITER: &str = "U0000QCON1";
/// The bot.
pub const BOT: &str = "U0000BOT01";

/// The system's clock, on which pauses and limits pass so many times as fast, so that those of production can be waited for.
struct Fast {
    speed: u32,
}

impl ClockSource for Fast {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        tokio::time::sleep(duration / self.speed).boxed()
    }

    fn random(&self) -> f64 {
        0.5
    }
}

/// A clock on which pauses and limits pass `speed` times as fast as in real time.
pub fn fast_clock(speed: u32) -> Clock {
    Clock::new(Arc::new(Fast { speed }))
}

/// A clock whose time passes `speed` times as fast, pauses and limits included.
struct Racing {
    start: Timestamp,
    began: Instant,
    speed: u32,
}

impl ClockSource for Racing {
    fn now(&self) -> Timestamp {
        self.start + self.began.elapsed() * self.speed
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        tokio::time::sleep(duration / self.speed).boxed()
    }

    fn random(&self) -> f64 {
        0.5
    }
}

/// A clock whose time passes `speed` times as fast as the machine's, from now on.
pub fn racing_clock(speed: u32) -> Clock {
    Clock::new(Arc::new(Racing { start: Timestamp::now(), began: Instant::now(), speed }))
}

/// The key of a message of the bot, which begins with the id of the run that it is about.
pub fn key(message: &Message) -> Option<String> {
    let key = message.metadata.as_ref()?["event_payload"]["key"].as_str()?;
    key.starts_with("slack-").then(|| key.to_owned())
}

/// Waits for something that certainly comes; the limit only ends a test that fails.
///
/// # Panics
/// When it does not come.
pub async fn until(what: &str, is_so: impl Fn() -> bool) {
    for _ in 0..6000 {
        if is_so() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it never came to it that {what}");
}

/// The clients of the programs of this harness, in this process and with this clock.
///
/// # Panics
/// When the harness' environment is no good one.
pub fn clients(harness: &Harness, clock: Clock) -> Clients {
    let command = harness.command("oarctl", ["slack-bot"]);
    let pairs = command.get_envs().map(|(name, value)| {
        let text = |text: &std::ffi::OsStr| text.to_str().unwrap().to_owned();
        (text(name), text(value.unwrap()))
    });
    let environment = Environment::from_pairs(pairs).with_working_directory(harness.home());
    let settings = Settings::load(&environment).unwrap();
    let http = Http::new(settings.http().clone(), clock, Redactor::new(environment.secrets())).unwrap();
    Clients::new(settings, http)
}

/// The same sandbox, whose configuration document lets the leads, and [`WRITER`], give commands in [`CHANNEL`].
///
/// # Panics
/// When the document cannot be written.
pub fn with_permissions(harness: Harness) -> Harness {
    let section = permissions(&harness);
    with_section(harness, &section)
}

/// The section of the bot with which [`with_permissions`] does so; its group is in Slack from then on.
///
/// # Panics
/// When there can be no such group.
pub fn permissions(harness: &Harness) -> Value {
    change(harness, "group", &json!({"handle": "qe-forum-demo", "users": [WRITER]}));
    let rights = json!({"write": "qe-forum-demo", "critical": "demo-leads-4-19"});
    json!({"permissions": {(format!("#{CHANNEL}")): rights}})
}

/// The same sandbox, whose configuration document has this section of the bot.
///
/// # Panics
/// When the document cannot be written.
pub fn with_section(harness: Harness, section: &Value) -> Harness {
    harness.with_document(|document| document["slack_bot"] = section.clone())
}

/// A change in Slack, as the control interface makes it.
///
/// # Panics
/// When there is no such change.
pub fn change(harness: &Harness, operation: &str, body: &Value) -> Value {
    let now = harness.sandbox.clock().now();
    let changed = harness.sandbox.world().with_service("slack", |slack| slack.change(operation, body, now));
    changed.unwrap().unwrap()
}

/// The release lead mentions the bot with a command. Nobody has acknowledged it for a while, so Slack delivers it again to the
/// next socket.
pub fn ask(harness: &Harness) {
    let clock = harness.sandbox.clock();
    // The bot looks by its own clock for what was written lately.
    clock.advance(Timestamp::now().duration_since(clock.now()).max(SignedDuration::ZERO));
    let text = format!("<@{BOT}> oar -r {KONFLUX} issue add \"stage is down\" --task stage-testing");
    change(harness, "message", &json!({"channel": CHANNEL, "text": text, "user": LEAD}));
    // Slack's clock may stand still: what is posted while the bot works is not older than its command then.
    clock.advance(SignedDuration::from_mins(2));
}

/// Whoever was told that the newest command was not done writes it again, as the bot tells people; whether somebody did.
///
/// # Panics
///
/// Nobody has written a command.
pub fn ask_again(harness: &Harness) -> bool {
    let messages = harness.sandbox.world().slack.lock().messages_in(CHANNEL);
    let command = messages.iter().rev().find(|message| message.bot_id.is_none()).unwrap();
    let answers: Vec<&Message> =
        messages.iter().filter(|message| message.thread_ts.as_ref() == Some(&command.ts)).collect();
    let is_done = answers.iter().any(|answer| answer.text.contains(": done"));
    if is_done || answers.is_empty() {
        return false;
    }
    ask(harness);
    true
}
