//! The bot at work: what it knows and shares while it handles messages and clicks.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::{Semaphore, watch};

use super::consent::Tools;
use super::groups::Groups;
use super::heard::HeardMessages;
use super::line::Line;
use super::order::CommandLines;
use super::thread::CommandThread;
use crate::agents::bot::{
    Access, Addressee, HandledMessages, IncomingMessage, Level, MessageKey, Permissions, Place,
};
use crate::clients::slack::UserId;
use crate::error::ErrorClass;
use crate::failures::Failures;
use crate::flow::interrupt::{InterruptSender, Signal};

/// Commands at the same time; others wait.
const AT_ONCE: usize = 16;
/// Problems that are kept; each is logged.
const MOST_PROBLEMS: usize = 100;
/// The pauses before something that failed is tried again, and the one that follows them.
const PAUSES: [Duration; 6] = [
    Duration::from_secs(5),
    Duration::from_secs(30),
    Duration::from_mins(1),
    Duration::from_mins(2),
    Duration::from_mins(4),
    Duration::from_mins(8),
];
const LONGEST_PAUSE: Duration = Duration::from_mins(10);
/// So long everything is tried again, also where nobody waits for it longer.
const A_FEW_TIMES: Duration = Duration::from_secs(35);
/// How long a message waits until it is known which messages were handled before.
const TO_LEARN: Duration = Duration::from_mins(5);
/// How much Slack's clock and ours may differ.
const SKEW: SignedDuration = SignedDuration::from_mins(1);

/// A command that runs, or waits for its turn.
pub(super) struct Running {
    pub(super) thread: String,
    pub(super) level: Level,
    pub(super) stop: InterruptSender,
    pub(super) stopped: Option<String>,
}

/// The bot at work.
pub(super) struct Desk {
    pub(super) tools: Arc<Tools>,
    pub(super) lines: Box<dyn CommandLines>,
    pub(super) permissions: Permissions,
    pub(super) groups: Groups,
    pub(super) addressee: Addressee,
    instance: RefCell<String>,
    pub(super) running: RefCell<BTreeMap<MessageKey, Running>>,
    pub(super) heard: RefCell<HeardMessages>,
    pub(super) line: Line,
    /// What was cancelled lately: a command that comes after its `cancel` is not run.
    pub(super) cancels: RefCell<VecDeque<IncomingMessage>>,
    /// Questions whose approved command runs.
    pub(super) answering: RefCell<BTreeSet<String>>,
    /// How many messages were taken for handling.
    pub(super) taken: Cell<usize>,
    /// What could not be done, the first ones of it.
    problems: RefCell<Failures>,
    pub(super) slots: Semaphore,
    /// When this time of working began.
    begun: Cell<Timestamp>,
    /// What was handled before; none until the file could be read.
    earlier: watch::Sender<Option<Arc<HandledMessages>>>,
    /// Whether what is being done has to end.
    is_stopped: watch::Sender<bool>,
    /// Whether it is one look only, which does not try again for long.
    is_brief: Cell<bool>,
    /// Answers that are sent again.
    later: Cell<usize>,
}

/// What was handled before this time of working.
pub(super) enum Earlier {
    /// These messages.
    Known(Arc<HandledMessages>),
    /// It could not be read in time; why nobody knows.
    Unknown,
    /// The bot ends.
    Stopped,
}

/// An answer that is sent again later; it counts until it is dropped.
pub(super) struct Later<'a> {
    counter: &'a Cell<usize>,
    /// How many there are with this one.
    pub(super) count: usize,
}

impl Drop for Later<'_> {
    fn drop(&mut self) {
        self.counter.update(|count| count.saturating_sub(1));
    }
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
            begun: Cell::new(tools.now()),
            tools,
            lines,
            permissions,
            addressee,
            instance: RefCell::new(new_instance()),
            running: RefCell::default(),
            heard: RefCell::default(),
            line: Line::default(),
            cancels: RefCell::default(),
            answering: RefCell::default(),
            taken: Cell::default(),
            problems: RefCell::default(),
            slots: Semaphore::new(AT_ONCE),
            earlier: watch::Sender::new(None),
            is_stopped: watch::Sender::new(false),
            is_brief: Cell::default(),
            later: Cell::default(),
        }
    }

    /// Begins to work as the one replica. Whatever this process did as such before has ended, and what it left is to be told
    /// and caught up with, as that of another.
    pub(super) fn begin(&self, is_brief: bool) {
        *self.instance.borrow_mut() = new_instance();
        self.running.borrow_mut().clear();
        *self.heard.borrow_mut() = HeardMessages::default();
        self.answering.borrow_mut().clear();
        self.cancels.borrow_mut().clear();
        self.begun.set(self.tools.now());
        self.is_brief.set(is_brief);
        self.earlier.send_replace(None);
        self.is_stopped.send_replace(false);
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

    /// From now on it is known what was handled before.
    pub(super) fn learned(&self, handled: HandledMessages) {
        self.earlier.send_replace(Some(Arc::new(handled)));
    }

    /// Whether it is known what was handled before.
    pub(super) fn has_learned(&self) -> bool {
        self.earlier.borrow().is_some()
    }

    /// Waits until it is known what was handled before.
    pub(super) async fn until_learned(&self) {
        let mut earlier = self.earlier.subscribe();
        let _ = earlier.wait_for(Option::is_some).await;
    }

    /// What was handled before; it is waited for.
    pub(super) async fn earlier(&self) -> Earlier {
        let (mut earlier, mut stopped) = (self.earlier.subscribe(), self.is_stopped.subscribe());
        let limit = if self.is_brief.get() { A_FEW_TIMES } else { TO_LEARN };
        tokio::select! {
            biased;
            known = earlier.wait_for(Option::is_some) => {
                known.ok().and_then(|known| known.clone()).map_or(Earlier::Unknown, Earlier::Known)
            }
            _ = stopped.wait_for(|is_stopped| *is_stopped) => Earlier::Stopped,
            () = self.tools.clock.sleep(limit) => Earlier::Unknown,
        }
    }

    /// Whether somebody may have handled this message before: it was delivered before, or written before this bot began.
    pub(super) fn may_be_known(&self, message: &IncomingMessage, again: bool) -> bool {
        let begun = self.begun.get().checked_add(SKEW).unwrap_or(Timestamp::MAX);
        again || message.written().is_none_or(|written| written < begun)
    }

    /// The pauses before something that failed is tried again, for `limit`, but a few times at least.
    pub(super) fn pauses(&self, limit: Duration) -> impl Iterator<Item = Duration> + use<> {
        let limit = if self.is_brief.get() { A_FEW_TIMES } else { limit.max(A_FEW_TIMES) };
        let mut passed = Duration::ZERO;
        PAUSES.into_iter().chain(std::iter::repeat(LONGEST_PAUSE)).take_while(move |pause| {
            passed += *pause;
            passed <= limit
        })
    }

    /// Whether it is one look only.
    pub(super) fn is_brief(&self) -> bool {
        self.is_brief.get()
    }

    /// Waits; false when the bot ends meanwhile.
    pub(super) async fn pause(&self, length: Duration) -> bool {
        let mut stopped = self.is_stopped.subscribe();
        tokio::select! {
            _ = stopped.wait_for(|is_stopped| *is_stopped) => false,
            () = self.tools.clock.sleep(length) => true,
        }
    }

    /// An answer is sent again from now on.
    pub(super) fn later(&self) -> Later<'_> {
        self.later.update(|count| count + 1);
        Later { counter: &self.later, count: self.later.get() }
    }

    /// How many answers are sent again.
    pub(super) fn sent_later(&self) -> usize {
        self.later.get()
    }

    pub(super) fn stop(&self, key: &MessageKey, why: &str) {
        if let Some(running) = self.running.borrow_mut().get_mut(key) {
            running.stopped.get_or_insert_with(|| why.to_owned());
            running.stop.send(Signal::Terminate);
        }
    }

    /// Stops everything: the process ends, or another replica works now.
    pub(super) fn stop_all(&self) {
        self.is_stopped.send_replace(true);
        let keys: Vec<MessageKey> = self.running.borrow().keys().cloned().collect();
        for key in keys {
            self.stop(&key, "stopped, because the bot ends here; write the command again");
        }
    }

    pub(super) fn thread<'a>(&'a self, message: &'a IncomingMessage) -> CommandThread<'a> {
        let since = message.written().unwrap_or_else(|| self.tools.now());
        CommandThread { slack: &self.tools.slack, command: message, since }
    }

    pub(super) async fn access(&self, user: &UserId, channel: &str, level: Level) -> Access {
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
    pub(super) async fn channel_name(&self, channel: &str) -> Result<String, String> {
        let name = self.groups.channel_name(channel, self.tools.now()).await;
        name.map_err(|error| {
            let why = format!("the name of the channel is not known: {error}");
            tracing::warn!("{why}");
            why
        })
    }

    /// Whether somebody may give commands in this channel, as far as it is known.
    pub(super) async fn works_in(&self, channel: &str) -> bool {
        let name = self.channel_name(channel).await;
        let place = place_of(channel, &name);
        name.is_err() || !self.permissions.groups(place, Level::Read).is_empty()
    }
}

/// A name for one time of working, or one attempt: no other has it.
pub(super) fn new_instance() -> String {
    uuid::Uuid::new_v4().simple().to_string()
}

/// A message of which only its place matters.
pub(super) fn in_thread(key: MessageKey, user: &str, thread: &str) -> IncomingMessage {
    IncomingMessage {
        key,
        user: UserId(user.to_owned()),
        text: String::new(),
        thread: Some(thread.to_owned()),
        client_id: None,
    }
}

/// A channel whose name may not be known, and which may have none, as a conversation of two.
pub(super) fn place_of<'a>(channel: &'a str, name: &'a Result<String, String>) -> Place<'a> {
    Place { id: channel, name: name.as_deref().ok().filter(|name| !name.is_empty()) }
}
