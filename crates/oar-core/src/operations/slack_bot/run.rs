//! Runs commands: in their order, watched, and stopped; and what is said of how they ended.

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::FutureExt as _;
use tracing::Instrument as _;

use super::consent::{Asked, Clicked, ThreadConsent};
use super::desk::{Desk, Running};
use super::line::Place;
use super::messages::CommandWords;
use super::notebook::NotebookError;
use super::order::{Order, Output, ReadCommand};
use super::progress::{BETWEEN_EDITS, ProgressMessage};
use super::words;
use crate::agents::bot::{
    Access, Click, IncomingMessage, Level, MessageKey, OpenQuestion, PlanAnswer, Reply,
};
use crate::clients::slack::Posted;
use crate::error::Classified as _;
use crate::flow::interrupt::Interrupt;
use crate::notify::ReleaseThread;
use crate::targets::COMMAND_SPAN;

/// How long a command may run (spec 05 §4.4). What it waits for goes on, and the next command shows it.
const LONGEST_RUN: Duration = Duration::from_mins(10);
/// How long a command that was stopped may write down where it stopped.
const TO_STOP: Duration = Duration::from_secs(3);
/// How often it is looked whether there is progress to show.
const LOOK: Duration = Duration::from_secs(5);
/// How long it is tried to write down that a command has answered.
const TO_RECORD: Duration = Duration::from_hours(1);
/// How long a command that has ended waits for the sign that it was seen.
const TO_SIGN: Duration = Duration::from_secs(1);

/// Why a command ended that somebody cancelled.
const CANCELLED: &str = "cancelled";

/// What came of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ran {
    /// How far its consent came.
    pub(super) asked: Asked,
    /// Whether somebody or something stopped it.
    pub(super) was_stopped: bool,
}

/// What came of a `cancel`.
pub(super) struct Cancelled {
    /// Whether a command was there to stop.
    has_run: bool,
    /// What is to be said of commands that go on.
    refused: Option<String>,
    /// The plans that wait for an answer.
    plans: Result<Vec<OpenQuestion>, NotebookError>,
}

impl Cancelled {
    /// Whether there certainly was nothing.
    pub(super) fn is_nothing(&self) -> bool {
        !self.has_run && self.plans.as_ref().is_ok_and(Vec::is_empty)
    }
}

impl Desk {
    /// From now on the command can be stopped, by its key.
    pub(super) fn begin_run(&self, message: &IncomingMessage, level: Level) -> Interrupt {
        let (stop, interrupt) = Interrupt::channel();
        let running = Running { thread: message.reply_thread().to_owned(), level, stop, stopped: None };
        self.running.borrow_mut().insert(message.key.clone(), running);
        self.line.begun();
        interrupt
    }

    /// The command has ended; why it was stopped, if it was.
    pub(super) fn end_run(&self, key: &MessageKey) -> Option<String> {
        self.running.borrow_mut().remove(key).and_then(|running| running.stopped)
    }

    /// Runs a command that was taken when its turn comes, and answers. That it was seen shows beside it.
    pub(super) async fn run(
        &self,
        message: IncomingMessage,
        command: Box<dyn ReadCommand>,
        words: CommandWords,
        clicked: Option<Clicked>,
        interrupt: Interrupt,
        place: Place<'_>,
    ) -> Ran {
        let (key, name) = (message.key.clone(), words::name(command.row()));
        let running = self.run_in_turn(message, command, words, clicked, interrupt, place);
        let sign = async {
            let posted = Posted { channel: key.channel.clone(), ts: key.ts.clone() };
            if let Err(error) = self.tools.slack.react(&posted, "eyes", &self.tools.permit).await {
                tracing::warn!("{key} ({name}): no reaction: {error}");
            }
        };
        tokio::pin!(running, sign);
        let mut is_seen = false;
        let ran = loop {
            tokio::select! {
                ran = &mut running => break ran,
                () = &mut sign, if !is_seen => is_seen = true,
            }
        };
        if !is_seen {
            tokio::select! {
                () = sign => {}
                () = self.tools.clock.sleep(TO_SIGN) => {}
            }
        }
        ran
    }

    async fn run_in_turn(
        &self,
        message: IncomingMessage,
        command: Box<dyn ReadCommand>,
        words: CommandWords,
        clicked: Option<Clicked>,
        interrupt: Interrupt,
        place: Place<'_>,
    ) -> Ran {
        let key = message.key.clone();
        let name = words::name(command.row());
        let turn = async {
            place.turn().await;
            self.slots.acquire().await
        };
        let slot = tokio::select! {
            biased;
            _ = interrupt.wait() => None,
            slot = turn => Some(slot),
        };
        let output = Output::default();
        let mut progress = ProgressMessage::new(self.thread(&message), &self.tools, &name);
        let asked = Arc::new(Mutex::new(Asked::Nothing));
        let code = if slot.is_some() {
            let by =
                clicked.as_ref().map_or_else(|| message.user.clone(), |clicked| clicked.click.user.clone());
            tracing::info!("{key}: {}", self.shown(&words));
            let order = Order {
                user: self.name_of(&by).await,
                thread: Some(ReleaseThread {
                    channel: key.channel.clone(),
                    ts: message.reply_thread().to_owned(),
                }),
                run: key.to_string(),
                consent: Arc::new(ThreadConsent {
                    tools: Arc::clone(&self.tools),
                    command: message.clone(),
                    program: words.program,
                    arguments: words.arguments,
                    clicked,
                    asked: Arc::clone(&asked),
                }),
                interrupt,
                output: output.clone(),
            };
            let span = tracing::info_span!(COMMAND_SPAN, command = format!("{name} ({key})"));
            self.watched(&message, &mut progress, command.run(order).instrument(span), &output).await
        } else {
            None
        };
        let stopped = self.end_run(&key);
        if stopped.as_deref() == Some(CANCELLED) {
            self.reject_plans_of(&key).await;
        }
        let was_stopped = stopped.is_some();
        let text = self.tools.redactor.redact(&output.text()).into_owned();
        let headline = match (code, stopped) {
            (_, Some(why)) => format!("{name}: {why}"),
            (Some(0), None) => format!("{name}: done"),
            (Some(code), None) => format!("{name}: ended with exit code {code}"),
            (None, None) => format!("{name}: failed without a result; the bot's log has the reason"),
        };
        let asked = asked_so_far(&asked);
        let reply = Reply::new(&headline, &text);
        let said = if asked == Asked::Shown && !was_stopped {
            tracing::info!("{key}: {name}: its plan waits for an answer");
            // The plan is in the thread, and the rest is the same in other words.
            Ok(())
        } else {
            tracing::info!("{key}: {headline}");
            self.say_result(&message, &reply).await
        };
        if let Some(wait) = progress.turn_to_end() {
            // Those who wait here for too many edits keep others from making more; when the bot ends, nobody waits.
            let _goes_on = self.pause(wait).await;
            progress.end().await;
        }
        // Others need not wait until Slack and the store take the rest.
        drop((place, slot));
        if let Err(error) = said
            && !self.say_result_later(&message, &reply, &error).await
        {
            // It stays written down, so that the next bot says that its result is not known.
            return Ran { asked, was_stopped };
        }
        self.record_end(&key).await;
        Ran { asked, was_stopped }
    }

    /// Writes down that a command has answered.
    pub(super) async fn record_end(&self, key: &MessageKey) {
        let mut pauses = self.pauses(TO_RECORD).filter(|_| !self.is_brief());
        loop {
            let ended = key.clone();
            let recorded = self.tools.notebook.change(
                "Slack bot: a command has ended",
                &self.tools.permit,
                move |memory| memory.end(&ended),
            );
            let Err(error) = recorded.await else { return };
            let text = format!("{key}: that the command has ended is not recorded: {error}");
            let Some(pause) = pauses.next() else { return self.failed(&text, error.class()) };
            tracing::warn!("{text}");
            let _later = self.later();
            if !self.pause(pause).await {
                return;
            }
        }
    }

    /// Waits for a command, and shows its progress. `None` when it panicked or did not stop.
    async fn watched(
        &self,
        message: &IncomingMessage,
        progress: &mut ProgressMessage<'_>,
        work: impl Future<Output = u8>,
        output: &Output,
    ) -> Option<u8> {
        let work = AssertUnwindSafe(work).catch_unwind();
        tokio::pin!(work);
        let clock = &self.tools.clock;
        let mut look = LOOK;
        let limit = clock.sleep(LONGEST_RUN);
        tokio::pin!(limit);
        loop {
            tokio::select! {
                biased;
                code = &mut work => return code.ok(),
                () = &mut limit => {
                    self.stop(&message.key, "stopped after 10 minutes; what it waits for goes on");
                    return tokio::select! {
                        code = &mut work => code.ok(),
                        () = clock.sleep(TO_STOP) => None,
                    };
                }
                () = clock.sleep(look) => {
                    let note = self.tools.redactor.redact(&output.last_note()).into_owned();
                    look = if progress.show(&note).await { LOOK } else { BETWEEN_EDITS };
                }
            }
        }
    }

    /// The commands that run in the thread of this message, or wait there, and were written before it.
    fn before(&self, message: &IncomingMessage) -> Vec<(MessageKey, Level)> {
        let thread = message.reply_thread();
        let running = self.running.borrow();
        let before = running.iter().filter(|(key, running)| {
            key.channel == message.key.channel && running.thread == thread && key.ts < message.key.ts
        });
        before.map(|(key, running)| (key.clone(), running.level)).collect()
    }

    /// Stops the commands of a thread that were written before this message, those that wait as well, and those of which it is not
    /// decided yet whether they run; and looks for the plans that wait there.
    pub(super) async fn cancel(&self, message: &IncomingMessage) -> Cancelled {
        let (MessageKey { channel, ts }, thread) = (&message.key, message.reply_thread());
        // At once: whatever hangs, it must not go on.
        let (mut has_run, mut refused) = self.stop_before(message).await;
        let has_begun = |ts: &str| {
            let key = MessageKey { channel: channel.clone(), ts: ts.to_owned() };
            self.running.borrow().contains_key(&key)
        };
        self.line.decided(channel, thread, ts, has_begun).await;
        let (has_begun, refused_later) = self.stop_before(message).await;
        has_run |= has_begun;
        refused = refused.or(refused_later);
        let plans = self.tools.notebook.known().await;
        let now = self.tools.now();
        Cancelled {
            has_run,
            refused,
            plans: plans.map(|memory| memory.waiting_before(&message.key, thread, now)),
        }
    }

    /// Stops what runs in a thread and was written before this message; whether there is something, and why it goes on.
    async fn stop_before(&self, message: &IncomingMessage) -> (bool, Option<String>) {
        let running = self.before(message);
        let Some(level) = running.iter().map(|(_, level)| *level).max() else { return (false, None) };
        match self.access(&message.user, &message.key.channel, level).await {
            // The command itself says how it ended.
            Access::Allowed => {
                for (key, _) in &running {
                    tracing::info!("{key}: cancelled by {}", message.user.0);
                    self.stop(key, CANCELLED);
                }
                (true, None)
            }
            access => (true, Some(words::refused(&access, level).replace("nothing was run", "it goes on"))),
        }
    }

    /// Rejects the plans that wait in the thread of this `cancel`, and says what became of all that it is for.
    pub(super) async fn finish_cancel(&self, message: &IncomingMessage, cancelled: Cancelled) {
        let Cancelled { has_run, refused, plans } = cancelled;
        let mut said: Vec<String> = refused.into_iter().collect();
        match plans {
            Ok(plans) if plans.is_empty() && !has_run => {
                said.push("no command runs in this thread".to_owned());
            }
            Ok(plans) if plans.is_empty() => {}
            Ok(plans) => said.extend(self.reject_all(message, plans).await),
            Err(error) => {
                let text = format!("{}: which plans wait is not known: {error}", message.key);
                self.failed(&text, error.class());
                let text = "which plans wait here is not known now, so none was rejected; click Reject, or write `cancel` again in a few \
                            minutes";
                said.push(text.to_owned());
            }
        }
        if !said.is_empty() {
            self.say(message, &Reply::Message(said.join("\n"))).await;
        }
    }

    /// Rejects these plans; what is said of it.
    async fn reject_all(&self, message: &IncomingMessage, plans: Vec<OpenQuestion>) -> Option<String> {
        let level = Level::Critical;
        match self.access(&message.user, &message.key.channel, level).await {
            Access::Allowed => {}
            access => {
                return Some(
                    words::refused(&access, level).replace("nothing was run", "the plan still waits"),
                );
            }
        }
        let (count, mut are_rejected) = (plans.len(), true);
        for open in plans {
            let click = Click {
                question: open.question.id.clone(),
                answer: PlanAnswer::Reject,
                user: message.user.clone(),
            };
            are_rejected &= self.rejected(Clicked { click, open }, message).await;
        }
        let text = match count {
            1 => "the plan that waited here is rejected; nothing was sent".to_owned(),
            count => format!("the {count} plans that waited here are rejected; nothing was sent"),
        };
        // Of the others it was said what became of them.
        are_rejected.then_some(text)
    }
}

fn asked_so_far(asked: &Mutex<Asked>) -> Asked {
    *asked.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
