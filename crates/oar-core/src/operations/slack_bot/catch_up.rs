//! What an instance before this one left: which messages it handled, commands that it did not end, messages that it did not
//! handle.

use std::rc::Rc;
use std::time::Duration;

use futures::StreamExt as _;
use futures::channel::mpsc::UnboundedSender;
use jiff::{SignedDuration, Timestamp};

use super::desk::Desk;
use super::say::INTERRUPTED;
use crate::agents::bot::{IncomingMessage, RunningCommand};
use crate::clients::slack::{Coverage, Recent, UserId, escape};
use crate::error::{Classified as _, ErrorClass};

/// How far back it looks for messages that were acknowledged and never handled, which a kill leaves: almost as long as it is
/// remembered which ones were handled ([`HANDLED_FOR`](crate::agents::bot::HANDLED_FOR)).
const LOOK_BACK: SignedDuration = SignedDuration::from_mins(50);
/// How old a thread may be in which such messages are looked for.
const THREADS_BACK: SignedDuration = SignedDuration::from_hours(24);
/// How long it is tried to read the channels.
const TO_LOOK: Duration = Duration::from_hours(1);
/// Commands of which it is told at the same time. Slack takes one message a second in a channel anyway.
const TOLD_AT_ONCE: usize = 8;
/// How long it is tried to tell of commands that did not end.
const TO_TELL: Duration = Duration::from_hours(24);
/// The longest pause before the file is read again, without which no command runs.
const TO_READ_AGAIN: Duration = Duration::from_secs(15);
/// Reads what is remembered, for as long as it takes, and says in the threads of commands that another instance began that it is
/// gone.
pub(super) async fn learn(desk: &Desk) {
    let mut pauses = desk.pauses(Duration::MAX);
    let memory = loop {
        let error = match desk.tools.notebook.learn().await {
            Ok(memory) => break memory,
            Err(error) => error,
        };
        let text = format!("which messages were handled is not known, so no command runs yet: {error}");
        let Some(pause) = pauses.next() else { return desk.failed(&text, error.class()) };
        tracing::warn!("{text}");
        if !desk.pause(pause.min(TO_READ_AGAIN)).await {
            return;
        }
    };
    desk.learned(memory.handled());
    let mut interrupted = memory.interrupted(&desk.instance());
    let mut pauses = desk.pauses(TO_TELL);
    loop {
        interrupted = tell_interrupted(desk, interrupted).await;
        if interrupted.is_empty() {
            return;
        }
        let Some(pause) = pauses.next() else { break };
        if !desk.pause(pause).await {
            return;
        }
    }
    let words = "who gave some interrupted commands was not told; the next start tries again";
    desk.failed(words, ErrorClass::Unavailable);
}

/// Tells of these commands; those that are left.
async fn tell_interrupted(desk: &Desk, interrupted: Vec<RunningCommand>) -> Vec<RunningCommand> {
    let told = interrupted.into_iter().map(async |run| (!tell_of(desk, &run).await).then_some(run));
    futures::stream::iter(told).buffered(TOLD_AT_ONCE).filter_map(std::future::ready).collect().await
}

/// Tells of one command, and writes down that it has ended; whether both is done, or can never be.
async fn tell_of(desk: &Desk, run: &RunningCommand) -> bool {
    let tools = &desk.tools;
    let message = of_run(run);
    let text = format!(
        "The bot was restarted while `{}` ran or before its result was sent, so its result is not known here. \
         `oar history` shows what was done with the release; write the command again to go on.",
        escape(&run.words)
    );
    let thread = desk.thread(&message);
    let told = match desk.has_answer(&message).await {
        // Only that it has ended was not written down any more.
        Ok(true) => Ok(()),
        // Twice is better than never: nobody else says that a command did not end.
        Ok(false) | Err(_) => thread.post(&text, &[], INTERRUPTED, &tools.permit).await.map(drop),
    };
    if let Err(error) = told {
        tracing::error!("{}: nobody was told that it was interrupted: {error}", run.command);
        let oldest = tools.now().checked_sub(THREADS_BACK).unwrap_or(Timestamp::MIN);
        // Its channel may be gone for good.
        if run.since >= oldest {
            return false;
        }
    }
    let key = run.command.clone();
    let ended = tools
        .notebook
        .change("Slack bot: an interrupted command was told", &tools.permit, move |memory| memory.end(&key))
        .await;
    if let Err(error) = &ended {
        tracing::error!("{}: {error}", run.command);
    }
    ended.is_ok()
}

fn of_run(run: &RunningCommand) -> IncomingMessage {
    IncomingMessage {
        key: run.command.clone(),
        user: UserId(String::new()),
        text: run.words.clone(),
        thread: Some(run.thread.clone()),
        client_id: None,
    }
}

/// Handles the messages that an instance before this one acknowledged, and was killed before it handled them: Slack does not
/// deliver them again.
pub(super) async fn catch_up(desk: &Rc<Desk>) {
    let now = desk.tools.now();
    let channels = desk.permissions.channels().map(|channel| catch_up_in(desk, channel, now));
    futures::future::join_all(channels).await;
}

async fn catch_up_in(desk: &Rc<Desk>, channel: &str, now: Timestamp) {
    let (sender, pages) = futures::channel::mpsc::unbounded();
    // A page is handled while the next one is read: whatever ends the bot meanwhile, it got on.
    let handled = pages.for_each_concurrent(None, async |page: Vec<IncomingMessage>| {
        futures::future::join_all(page.into_iter().map(|message| Rc::clone(desk).hear(message, true))).await;
    });
    futures::join!(read_recent(desk, channel, now, sender), handled);
}

/// Reads what was written in a channel while no bot worked; each page goes to `pages`.
async fn read_recent(
    desk: &Desk,
    channel: &str,
    now: Timestamp,
    pages: UnboundedSender<Vec<IncomingMessage>>,
) {
    let back = |by: SignedDuration| now.checked_sub(by).unwrap_or(Timestamp::MIN);
    let own = desk.addressee.bot.as_ref();
    let recent = Recent { channel, since: back(LOOK_BACK), threads_since: back(THREADS_BACK), own };
    let hand_on = |messages: Vec<serde_json::Value>| {
        let messages = messages.iter().filter_map(|it| IncomingMessage::of_event(&it.to_string()).ok()?.ok());
        // Nobody reads any more when the bot ends.
        let _ = pages.unbounded_send(messages.collect());
    };
    let mut pauses = desk.pauses(TO_LOOK);
    loop {
        match desk.tools.slack.read_recent(recent, hand_on).await {
            Ok(Coverage::Complete) => return,
            Ok(Coverage::Newest) => {
                let text = format!(
                    "not everything that was written in {channel} or in its threads was read, because it is too much: whether \
                     commands in the rest were handled is not known"
                );
                return desk.failed(&text, ErrorClass::Unavailable);
            }
            Err(error) => {
                let text = format!("what was written in {channel} while no bot worked is not known: {error}");
                let Some(pause) = pauses.next() else { return desk.failed(&text, error.class()) };
                tracing::warn!("{text}");
                if !desk.pause(pause).await {
                    return;
                }
            }
        }
    }
}
