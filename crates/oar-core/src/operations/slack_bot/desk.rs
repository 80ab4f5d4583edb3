//! What the bot does with one message or one click.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::FutureExt as _;
use serde_json::Value;
use tokio::sync::Semaphore;

use super::consent::{Asked, ThreadConsent, Tools};
use super::groups::Groups;
use super::order::{CommandLines, Order, Output, ReadCommand, Unusable};
use super::progress::ProgressMessage;
use super::thread::CommandThread;
use super::{allowed_operations, words};
use crate::agents::bot::{
    Access, Addressee, Click, ClickMeans, Heard, IncomingClick, IncomingMessage, Level, MessageKey,
    OpenQuestion, Permissions, Place, PlanAnswer, Reply, RunningCommand, Words, is_addressed, listen,
};
use crate::clients::slack::{Posted, UserId, escape, key_of};
use crate::error::{Classified as _, ErrorClass, ServiceError};
use crate::failures::Failures;
use crate::flow::interrupt::{Interrupt, InterruptSender, Signal};
use crate::notify::ReleaseThread;

/// How long a command may run (spec 05 §4.4). What it waits for goes on, and the next command shows it.
const LONGEST_RUN: Duration = Duration::from_mins(10);
/// How long a command that was stopped may write down where it stopped.
const TO_STOP: Duration = Duration::from_secs(3);
/// How often it is looked whether there is progress to show.
const LOOK: Duration = Duration::from_secs(5);
/// Commands at the same time; others wait.
pub(super) const AT_ONCE: usize = 16;
/// Messages of which this process knows that they were heard; beyond, the file is asked.
const KNOWN: usize = 20_000;
/// Problems that are kept; each is logged.
const MOST_PROBLEMS: usize = 100;
/// The name of the message that says that a command was not taken, and must be written again.
const NOT_TAKEN: &str = "not-taken";
/// The pauses before something that failed is tried again.
pub(super) const AGAIN: [Duration; 2] = [Duration::from_secs(5), Duration::from_secs(30)];

/// A command that runs.
struct Running {
    thread: String,
    level: Level,
    stop: InterruptSender,
    stopped: Option<String>,
}

/// The bot at work.
pub(super) struct Desk {
    pub(super) tools: Arc<Tools>,
    pub(super) lines: Box<dyn CommandLines>,
    pub(super) permissions: Permissions,
    pub(super) groups: Groups,
    pub(super) addressee: Addressee,
    instance: RefCell<String>,
    running: RefCell<BTreeMap<MessageKey, Running>>,
    heard: RefCell<BTreeSet<MessageKey>>,
    /// Questions whose approved command runs.
    answering: RefCell<BTreeSet<String>>,
    /// How many messages were taken for handling.
    taken: Cell<usize>,
    /// What could not be done, the first ones of it.
    problems: RefCell<Failures>,
    slots: Semaphore,
}

/// What a message comes to.
enum Decision {
    Say(Reply),
    Cancel,
    Run(Box<dyn ReadCommand>, Level, CommandWords),
}

/// A command line with the addresses in it.
struct CommandWords {
    program: String,
    arguments: Vec<String>,
}

impl Desk {
    pub(super) fn new(
        tools: Arc<Tools>,
        lines: Box<dyn CommandLines>,
        permissions: Permissions,
        addressee: Addressee,
    ) -> Self {
        Self {
            groups: Groups::new(tools.slack.clone()),
            tools,
            lines,
            permissions,
            addressee,
            instance: RefCell::new(new_instance()),
            running: RefCell::default(),
            heard: RefCell::default(),
            answering: RefCell::default(),
            taken: Cell::default(),
            problems: RefCell::default(),
            slots: Semaphore::new(AT_ONCE),
        }
    }

    /// Begins to work as the one replica. Whatever this process did as such before has ended, and what it left is to be told
    /// and caught up with, as that of another.
    pub(super) fn begin(&self) {
        *self.instance.borrow_mut() = new_instance();
        self.running.borrow_mut().clear();
        self.heard.borrow_mut().clear();
        self.answering.borrow_mut().clear();
    }

    /// This time of working, as the file names it.
    pub(super) fn instance(&self) -> String {
        self.instance.borrow().clone()
    }

    /// How many messages were taken so far, and what could not be done.
    pub(super) fn done(&self) -> (usize, Failures) {
        (self.taken.get(), self.problems.borrow().clone())
    }

    /// Something could not be done.
    pub(super) fn failed(&self, what: &str, class: ErrorClass) {
        tracing::error!("{what}");
        let mut problems = self.problems.borrow_mut();
        if problems.count() < MOST_PROBLEMS {
            problems.add_words(what, class, None);
        }
    }

    fn thread<'a>(&'a self, message: &'a IncomingMessage) -> CommandThread<'a> {
        CommandThread { slack: &self.tools.slack, command: message, since: self.tools.now() }
    }

    /// Answers; where Slack fails, a few times.
    async fn say(&self, message: &IncomingMessage, reply: &Reply) {
        self.is_said(message, reply).await;
    }

    /// The same; whether it was said.
    async fn is_said(&self, message: &IncomingMessage, reply: &Reply) -> bool {
        self.send(message, async |thread| thread.answer(reply, &self.tools.permit).await).await
    }

    async fn send(
        &self,
        message: &IncomingMessage,
        send: impl AsyncFn(&CommandThread<'_>) -> Result<(), ServiceError>,
    ) -> bool {
        let thread = self.thread(message);
        let mut pauses = AGAIN.into_iter();
        loop {
            let Err(error) = send(&thread).await else { return true };
            let text = format!("{}: the answer was not sent: {error}", message.key);
            let Some(pause) = pauses.next() else {
                self.failed(&text, error.class());
                return false;
            };
            tracing::warn!("{text}");
            self.tools.clock.sleep(pause).await;
        }
    }

    /// Says that nothing was run. Whoever catches up later must not run it after all: it may have been written again by then.
    async fn say_not_taken(&self, message: &IncomingMessage) {
        let words = "the bot cannot look whether this was handled already, so nothing was run; write it again in a few minutes";
        self.send(message, async |thread| {
            thread.post(words, &[], NOT_TAKEN, &self.tools.permit).await.map(drop)
        })
        .await;
    }

    /// Which of these messages, in the form of events, are commands that an instance before this one did not take, and said so.
    pub(super) fn not_taken(&self, messages: &[Value]) -> BTreeSet<String> {
        let is_own = |message: &&Value| {
            let user = message.get("user").and_then(Value::as_str);
            self.addressee.bot.as_ref().is_some_and(|bot| user == Some(bot.0.as_str()))
        };
        let keys = messages.iter().filter(is_own).filter_map(key_of);
        keys.filter_map(|key| Some(key.strip_suffix(NOT_TAKEN)?.strip_suffix('-')?.to_owned())).collect()
    }

    async fn access(&self, user: &UserId, channel: &str, level: Level) -> Access {
        let name = self.channel_name(channel).await;
        let place = place_of(channel, &name);
        let groups = self.permissions.groups(place, level);
        let memberships = self.groups.memberships(user, &groups, self.tools.now()).await;
        let access = self.permissions.access(place, level, &memberships);
        match name {
            // Under its name the channel may have more groups.
            Err(why) if !access.is_allowed() => Access::Unknown(why),
            _ => access,
        }
    }

    /// The channel's name, empty where it has none; an error says why it is not known.
    async fn channel_name(&self, channel: &str) -> Result<String, String> {
        let name = self.groups.channel_name(channel, self.tools.now()).await;
        name.map_err(|error| {
            let why = format!("the name of the channel is not known: {error}");
            tracing::warn!("{why}");
            why
        })
    }

    /// Whether somebody may give commands in this channel, as far as it is known.
    async fn works_in(&self, channel: &str) -> bool {
        let name = self.channel_name(channel).await;
        let place = place_of(channel, &name);
        name.is_err() || !self.permissions.groups(place, Level::Read).is_empty()
    }

    fn runs_in(&self, channel: &str, thread: &str) -> bool {
        self.running.borrow().iter().any(|(key, running)| key.channel == channel && running.thread == thread)
    }

    /// Handles a message, whichever of its forms came and however often.
    pub(super) async fn hear(self: Rc<Self>, message: IncomingMessage) {
        if self.addressee.bot.as_ref() == Some(&message.user) {
            return;
        }
        let heard = listen(&message.text, &self.addressee);
        if heard == Heard::Nothing {
            return;
        }
        if !is_addressed(&message.text, &self.addressee) {
            // `job` begins sentences as well, and `cancel` is said to people.
            let channel = &message.key.channel;
            let is_meant = match heard {
                Heard::Cancel => self.runs_in(channel, message.reply_thread()),
                _ => self.works_in(channel).await,
            };
            if !is_meant {
                return;
            }
        }
        if !self.is_new(&message.key) {
            return;
        }
        let decision = self.decide(&message, heard).await;
        let run = match &decision {
            Decision::Run(_, _, words) => Some(RunningCommand {
                command: message.key.clone(),
                thread: message.reply_thread().to_owned(),
                words: self.shown(words),
                instance: self.instance(),
                since: self.tools.now(),
            }),
            Decision::Say(_) | Decision::Cancel => None,
        };
        let attempt = uuid::Uuid::new_v4().simple().to_string();
        let now = self.tools.now();
        let taken = self
            .tools
            .notebook
            .change("Slack bot: a command was taken", &self.tools.permit, |memory| {
                memory.take(&attempt, &message, run.as_ref(), now)
            })
            .await;
        match taken {
            Ok(true) => self.taken.update(|count| count + 1),
            Ok(false) => return,
            Err(error) => {
                self.failed(&format!("{}: {error}", message.key), error.class());
                return self.say_not_taken(&message).await;
            }
        }
        match decision {
            Decision::Say(reply) => self.say(&message, &reply).await,
            Decision::Cancel => self.cancel(&message).await,
            Decision::Run(command, level, words) => {
                self.run(message, command, level, words, None).await;
            }
        }
    }

    /// Whether this process hears of the message for the first time.
    fn is_new(&self, key: &MessageKey) -> bool {
        let mut heard = self.heard.borrow_mut();
        if heard.len() >= KNOWN {
            heard.clear();
        }
        heard.insert(key.clone())
    }

    async fn decide(&self, message: &IncomingMessage, heard: Heard) -> Decision {
        let say = |text: String| Decision::Say(Reply::Message(text));
        match heard {
            Heard::Nothing => say(String::new()),
            Heard::Cancel => Decision::Cancel,
            Heard::Unclear(why) => {
                say(escape(&format!("{why}. Mention the bot with `help` to see what you may do.")))
            }
            Heard::Help => Decision::Say(self.help(message).await),
            Heard::Command(words) => match self.command(message, &words).await {
                Ok((command, level, words)) => Decision::Run(command, level, words),
                Err(reply) => Decision::Say(reply),
            },
        }
    }

    async fn help(&self, message: &IncomingMessage) -> Reply {
        let channel = &message.key.channel;
        let name = self.channel_name(channel).await;
        let place = place_of(channel, &name);
        let groups = self.permissions.groups(place, Level::Read);
        let memberships = self.groups.memberships(&message.user, &groups, self.tools.now()).await;
        let rows = allowed_operations(&self.permissions, place, &memberships);
        if rows.is_empty() {
            let access = self.access(&message.user, channel, Level::Read).await;
            return Reply::Message(words::refused(&access, Level::Read));
        }
        let headline = "You may use these commands here; each has --help. `cancel` in its thread stops one.";
        Reply::new(headline, &words::help(&rows))
    }

    /// The command of these words, when this person may give it; otherwise the answer.
    async fn command(
        &self,
        message: &IncomingMessage,
        words: &Words,
    ) -> Result<(Box<dyn ReadCommand>, Level, CommandWords), Reply> {
        let channel = &message.key.channel;
        let may = async |level: Level| match self.access(&message.user, channel, level).await {
            Access::Allowed => Ok(()),
            access => Err(Reply::Message(words::refused(&access, level))),
        };
        // Who may do nothing here learns nothing either.
        may(Level::Read).await?;
        let mut addresses = BTreeMap::new();
        for user in words.people() {
            match self.tools.slack.address_of(user).await {
                Ok(Some(address)) => drop(addresses.insert(user.0.clone(), address.expose().to_owned())),
                Ok(None) => {}
                Err(error) => {
                    let text = format!(
                        "the people of the command could not be looked up, so nothing was run: {error}"
                    );
                    return Err(Reply::Message(escape(&self.tools.redactor.redact(&text))));
                }
            }
        }
        let arguments =
            words.arguments(&addresses).map_err(|error| Reply::Message(escape(&error.to_string())))?;
        let program = words.program().to_owned();
        // What a program says of a line repeats its words, in which addresses stand by now.
        let redacted = |text: &str| self.tools.redactor.redact(text).into_owned();
        let command = self.lines.read(&program, &arguments).map_err(|unusable| match unusable {
            Unusable::Help(text) => Reply::new("", &redacted(&text)),
            Unusable::Wrong(text) => {
                Reply::new(&format!("{program}: not understood, nothing was run"), &redacted(&text))
            }
            Unusable::Refused(why) => Reply::Message(escape(&redacted(&format!("{why}; nothing was run")))),
        })?;
        let level = Level::from(command.row().about.effect);
        may(level).await?;
        Ok((command, level, CommandWords { program, arguments }))
    }

    /// A command as it may be shown.
    fn shown(&self, words: &CommandWords) -> String {
        let text = format!("{} {}", words.program, words.arguments.join(" "));
        let text: String = self.tools.redactor.redact(&text).chars().take(200).collect();
        text.trim_end().to_owned()
    }

    /// The name of a person in histories: that of their address, otherwise their account.
    async fn name_of(&self, user: &UserId) -> String {
        match self.tools.slack.address_of(user).await {
            Ok(Some(address)) => address.local_part().to_owned(),
            Ok(None) | Err(_) => format!("slack-{}", user.0),
        }
    }

    /// Runs a command that was taken, and answers; how far its consent came.
    async fn run(
        &self,
        message: IncomingMessage,
        command: Box<dyn ReadCommand>,
        level: Level,
        words: CommandWords,
        clicked: Option<(Click, OpenQuestion)>,
    ) -> Asked {
        let (stop, interrupt) = Interrupt::channel();
        let thread = message.reply_thread().to_owned();
        let key = message.key.clone();
        let running = Running { thread: thread.clone(), level, stop, stopped: None };
        self.running.borrow_mut().insert(key.clone(), running);
        let _slot = self.slots.acquire().await;
        let shown = self.shown(&words);
        let name = words::name(command.row());
        let place = Posted { channel: key.channel.clone(), ts: key.ts.clone() };
        if let Err(error) = self.tools.slack.react(&place, "eyes", &self.tools.permit).await {
            tracing::warn!("{key}: no reaction: {error}");
        }
        let output = Output::default();
        let by = clicked.as_ref().map_or_else(|| message.user.clone(), |(click, _)| click.user.clone());
        let consent = Arc::new(ThreadConsent {
            tools: Arc::clone(&self.tools),
            command: message.clone(),
            program: words.program,
            arguments: words.arguments,
            clicked,
            asked: Mutex::new(Asked::Nothing),
        });
        let order = Order {
            user: self.name_of(&by).await,
            thread: Some(ReleaseThread { channel: key.channel.clone(), ts: thread }),
            run: key.to_string(),
            consent: consent.clone(),
            interrupt,
            output: output.clone(),
        };
        tracing::info!("{key}: {shown}");
        let code = self.watched(&message, &name, command.run(order), &output).await;
        let stopped = self.running.borrow_mut().remove(&key).and_then(|running| running.stopped);
        let text = self.tools.redactor.redact(&output.text()).into_owned();
        let headline = match (code, stopped) {
            (_, Some(why)) => format!("{name}: {why}"),
            (Some(0), None) => format!("{name}: done"),
            (Some(code), None) => format!("{name}: ended with exit code {code}"),
            (None, None) => format!("{name}: failed without a result; the bot's log has the reason"),
        };
        tracing::info!("{key}: {headline}");
        let is_answered = match consent.asked() {
            // The plan is in the thread, and the rest is the same in other words.
            Asked::Shown => true,
            Asked::Nothing | Asked::Approved | Asked::Refused => {
                self.is_said(&message, &Reply::new(&headline, &text)).await
            }
        };
        if !is_answered {
            // It stays written down, so that the next bot says that its result is not known.
            return consent.asked();
        }
        let ended = self
            .tools
            .notebook
            .change("Slack bot: a command has ended", &self.tools.permit, |memory| memory.end(&key))
            .await;
        if let Err(error) = ended {
            let text = format!("{key}: that the command has ended is not recorded: {error}");
            self.failed(&text, error.class());
        }
        consent.asked()
    }

    /// Waits for a command, and shows its progress. `None` when it panicked or did not stop.
    async fn watched(
        &self,
        message: &IncomingMessage,
        name: &str,
        work: impl Future<Output = u8>,
        output: &Output,
    ) -> Option<u8> {
        let work = AssertUnwindSafe(work).catch_unwind();
        tokio::pin!(work);
        let clock = &self.tools.clock;
        let mut progress = ProgressMessage::new(self.thread(message), name);
        let limit = clock.sleep(LONGEST_RUN);
        tokio::pin!(limit);
        let code = loop {
            tokio::select! {
                biased;
                code = &mut work => break code.ok(),
                () = &mut limit => {
                    self.stop(&message.key, "stopped after 10 minutes; what it waits for goes on");
                    break tokio::select! {
                        code = &mut work => code.ok(),
                        () = clock.sleep(TO_STOP) => None,
                    };
                }
                () = clock.sleep(LOOK) => {
                    let note = self.tools.redactor.redact(&output.last_note()).into_owned();
                    progress.show(&note, &self.tools.permit).await;
                }
            }
        };
        progress.end(&self.tools.permit).await;
        code
    }

    fn stop(&self, key: &MessageKey, why: &str) {
        if let Some(running) = self.running.borrow_mut().get_mut(key) {
            running.stopped.get_or_insert_with(|| why.to_owned());
            running.stop.send(Signal::Terminate);
        }
    }

    /// Stops every command: the process ends, or another replica works now.
    pub(super) fn stop_all(&self) {
        let keys: Vec<MessageKey> = self.running.borrow().keys().cloned().collect();
        for key in keys {
            self.stop(&key, "stopped, because the bot ends here; write the command again");
        }
    }

    async fn cancel(&self, message: &IncomingMessage) {
        let thread = message.reply_thread();
        let here: Vec<(MessageKey, Level)> = self
            .running
            .borrow()
            .iter()
            .filter(|(key, running)| key.channel == message.key.channel && running.thread == thread)
            .map(|(key, running)| (key.clone(), running.level))
            .collect();
        let text = match here.iter().map(|(_, level)| *level).max() {
            None => "no command runs in this thread".to_owned(),
            Some(level) => match self.access(&message.user, &message.key.channel, level).await {
                Access::Allowed => {
                    for (key, _) in &here {
                        self.stop(key, "cancelled");
                    }
                    // The command itself says how it ended.
                    return;
                }
                access => words::refused(&access, level).replace("nothing was run", "it goes on"),
            },
        };
        self.say(message, &Reply::Message(text)).await;
    }

    /// Handles a click on a button. Clicks are not delivered again, and can come twice.
    pub(super) async fn click(self: Rc<Self>, incoming: IncomingClick) {
        let IncomingClick { click, channel, message, thread } = incoming;
        let key = MessageKey { channel: channel.clone(), ts: message.clone() };
        let at_click = in_thread(key, &click.user.0, &thread);
        let open = match self.tools.notebook.read().await {
            Ok(memory) => memory.question(&click.question).cloned(),
            Err(error) => {
                self.failed(&format!("a click was lost: {error}"), error.class());
                let text = "the bot cannot look at the plan now; click again in a few minutes";
                return self.say(&at_click, &Reply::Message(text.to_owned())).await;
            }
        };
        let Some(open) = open else {
            let text = "This question was settled, or the bot does not know it any more.";
            return self.tools.close(&channel, Some(&message), text).await;
        };
        // Where the command was given counts, not where the click says that it was made.
        let access = self.access(&click.user, &open.question.command.channel, Level::Critical).await;
        let now = self.tools.now();
        // What the click would mean if the plan is still the same; only the run itself knows whether it is.
        let means = open.clone().question.click(&click, &access, Some(&open.question.plan), now);
        let closed = match means {
            ClickMeans::GoOn => {
                let id = open.question.id.clone();
                // Two clicks at the same moment are one.
                if self.answering.borrow_mut().insert(id.clone()) {
                    self.approved(click, open).await;
                    self.answering.borrow_mut().remove(&id);
                }
                return;
            }
            ClickMeans::End => return self.rejected(click, open, &at_click).await,
            ClickMeans::NotAllowed(access) => {
                let text = words::refused(&access, Level::Critical);
                let text = format!("{}: {text}", words::mention(&click.user));
                return self.say(&at_click, &Reply::Message(text)).await;
            }
            ClickMeans::Answered(answer) => {
                // Its message says so already, unless Slack let nobody edit it.
                let text = match answer {
                    PlanAnswer::Approve => "this plan was approved before",
                    PlanAnswer::Reject => "this plan was rejected before; nothing was sent",
                };
                return self.say(&at_click, &Reply::Message(text.to_owned())).await;
            }
            ClickMeans::Expired => super::bot::EXPIRED,
            ClickMeans::AskAnew | ClickMeans::Unknown => "This question was settled.",
        };
        self.tools.close(&channel, Some(&message), closed).await;
    }

    async fn rejected(&self, click: Click, open: OpenQuestion, at_click: &IncomingMessage) {
        let now = self.tools.now();
        let attempt = new_instance();
        let recorded = self
            .tools
            .notebook
            .change("Slack bot: a plan was rejected", &self.tools.permit, |memory| {
                memory.click(&attempt, &click, &Access::Allowed, None, now)
            })
            .await;
        let text = match recorded {
            Ok(ClickMeans::End) => {
                format!("Rejected by {}; nothing was sent.", words::mention(&click.user))
            }
            Ok(ClickMeans::Answered(PlanAnswer::Approve)) => "It was approved.".to_owned(),
            Ok(_) => "It was rejected; nothing was sent.".to_owned(),
            Err(error) => {
                self.failed(&format!("a rejection was not recorded: {error}"), error.class());
                let text = "the rejection could not be recorded; click again in a few minutes";
                return self.say(at_click, &Reply::Message(text.to_owned())).await;
            }
        };
        self.tools.close(&at_click.key.channel, open.message.as_deref(), &text).await;
    }

    /// Runs the command again: only when its plan is still the one that was approved does it go on.
    async fn approved(&self, click: Click, open: OpenQuestion) {
        let asked = &open.question.command;
        let message = in_thread(asked.clone(), &open.user, &open.thread);
        let channel = asked.channel.clone();
        let words = CommandWords { program: open.program.clone(), arguments: open.arguments.clone() };
        let command = match self.lines.read(&words.program, &words.arguments) {
            Ok(command) => command,
            Err(unusable) => {
                tracing::error!("{asked}: {unusable:?}");
                let text = "the command is not understood any more; write it again";
                return self.say(&message, &Reply::Message(text.to_owned())).await;
            }
        };
        let run = RunningCommand {
            command: asked.clone(),
            thread: message.reply_thread().to_owned(),
            words: self.shown(&words),
            instance: self.instance(),
            since: self.tools.now(),
        };
        let begun = self
            .tools
            .notebook
            .change("Slack bot: an approved command runs", &self.tools.permit, |memory| {
                memory.begin(Some(&run));
            })
            .await;
        if let Err(error) = begun {
            self.failed(&format!("{asked}: {error}"), error.class());
            let text = "the approval could not be recorded, so nothing was run; click again in a few minutes";
            return self.say(&message, &Reply::Message(text.to_owned())).await;
        }
        let level = Level::from(command.row().about.effect);
        let (id, button) = (open.question.id.clone(), open.message.clone());
        let asked = self.run(message, command, level, words, Some((click, open))).await;
        let settled = self
            .tools
            .notebook
            .change("Slack bot: a plan was answered", &self.tools.permit, |memory| memory.settle(&id))
            .await;
        if let Err(error) = settled {
            tracing::warn!("a question stays remembered: {error}");
        }
        // There is nothing to do any more, or it failed before it could ask.
        if asked == Asked::Nothing {
            let text = "This plan is not needed any more; what became of the command is below.";
            self.tools.close(&channel, button.as_deref(), text).await;
        }
    }
}

/// A name for one time of working, or one attempt: no other has it.
fn new_instance() -> String {
    uuid::Uuid::new_v4().simple().to_string()
}

/// A message of which only its place matters.
fn in_thread(key: MessageKey, user: &str, thread: &str) -> IncomingMessage {
    IncomingMessage {
        key,
        user: UserId(user.to_owned()),
        text: String::new(),
        thread: Some(thread.to_owned()),
        client_id: None,
    }
}

/// A channel whose name may not be known, and which may have none, as a conversation of two.
fn place_of<'a>(channel: &'a str, name: &'a Result<String, String>) -> Place<'a> {
    Place { id: channel, name: name.as_deref().ok().filter(|name| !name.is_empty()) }
}
