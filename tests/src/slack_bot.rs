//! People in Slack who give the bot commands.
#![expect(clippy::unwrap_used, reason = "what cannot be prepared fails the test")]

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};
use oar_core::clock::{Clock, ClockSource};
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

/// The same sandbox, whose configuration document lets the leads, and [`WRITER`], give commands in [`CHANNEL`].
///
/// # Panics
/// When the document cannot be written.
pub fn with_permissions(harness: Harness) -> Harness {
    change(&harness, "group", &json!({"handle": "qe-forum-demo", "users": [WRITER]}));
    let rights = json!({"write": "qe-forum-demo", "critical": "demo-leads-4-19"});
    with_section(harness, &json!({"permissions": {(format!("#{CHANNEL}")): rights}}))
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
