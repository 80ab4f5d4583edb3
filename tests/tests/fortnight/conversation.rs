//! People who give the Slack bot commands at random moments, and what becomes of each.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use end_to_end::Harness;
use end_to_end::matrix::sample::Numbers;
use end_to_end::slack_bot::{BOT, CHANNEL, LEAD, WRITER, change, key};
use jiff::Timestamp;
use oar_core::clients::Clients;
use oar_core::clock::Clock;
use oar_core::flow::interrupt::Interrupt;
use oar_core::operations::slack_bot::{CommandLines, Order, ReadCommand, SlackBot, Unusable};
use oar_core::operations::{Program, Row, row};
use oar_core::permit::WritePermit;
use sandbox::services::slack::state::Message;
use serde_json::json;

/// How long the bot works between two looks at what became of the commands.
const PERIOD: Duration = Duration::from_secs(2);
/// After so many looks, which are two minutes at least, it is certain that something is missing. On a busy machine a socket may end
/// often before it has told anything: its limits pass fifty times as fast.
const MOST_LOOKS: usize = 3000;
/// So many of the newest messages are shown then.
const SHOWN: usize = 10;
/// And so many of the newest requests.
const REQUESTS_SHOWN: usize = 80;

/// How often each command began, by the id of its run.
type Runs = Arc<Mutex<BTreeMap<String, u32>>>;

/// The commands that people gave.
#[derive(Debug, Clone, Default)]
pub(crate) struct Conversation {
    given: Vec<Given>,
    runs: Runs,
    /// The keys of what the bot said long ago, which the sandbox keeps no more.
    earlier: Vec<String>,
}

#[derive(Debug, Clone)]
struct Given {
    run: String,
    thread: String,
    /// Whether its author may give it.
    is_allowed: bool,
}

/// A command line whose every command takes some seconds, and is counted.
#[derive(Debug, Clone)]
struct Counted {
    runs: Runs,
    clock: Clock,
}

impl CommandLines for Counted {
    fn read(&self, _program: &str, _arguments: &[String]) -> Result<Box<dyn ReadCommand>, Unusable> {
        Ok(Box::new(self.clone()))
    }

    fn offers(&self, _row: &Row) -> bool {
        true
    }
}

impl ReadCommand for Counted {
    fn row(&self) -> &'static Row {
        row(Program::Oar, "status").unwrap()
    }

    fn run(self: Box<Self>, order: Order) -> Pin<Box<dyn Future<Output = u8>>> {
        Box::pin(async move {
            *self.runs.lock().unwrap().entry(order.run.clone()).or_default() += 1;
            self.clock.sleep(Duration::from_secs(3)).await;
            0
        })
    }
}

impl Conversation {
    /// Ten minutes in which somebody may ask for something, in a thread of their own or in the last one.
    pub(crate) fn live(&mut self, harness: &Harness, numbers: &mut Numbers) {
        for _ in 0..numbers.below(3) {
            let thread =
                self.given.last().filter(|_| numbers.below(3) == 0).map(|given| given.thread.clone());
            let user = [LEAD, WRITER, "U0000OTHER"][usize::try_from(numbers.below(3)).unwrap()];
            let text = match numbers.below(4) {
                0 => format!("<@{BOT}> help"),
                1 => "oar -r 4.19.1 status".to_owned(),
                _ => format!("<@{BOT}> oar -r 4.19.1 status"),
            };
            let body = json!({
                "channel": CHANNEL, "user": user, "text": text, "thread_ts": thread,
                "mention_first": numbers.below(2) == 0,
            });
            let said = change(harness, "message", &body);
            let word = |name: &str| said[name].as_str().unwrap().to_owned();
            self.given.push(Given {
                run: format!("slack-{}-{}", word("channel"), word("ts")),
                thread: thread.unwrap_or_else(|| word("ts")),
                is_allowed: user != "U0000OTHER" && !text.ends_with("help"),
            });
        }
    }

    /// The bot of a process.
    pub(crate) async fn bot(&self, clients: &Clients) -> SlackBot {
        let lines = Counted { runs: self.runs.clone(), clock: clients.clock().clone() };
        let permit = WritePermit::granted_by_user_interface();
        SlackBot::new(clients, Box::new(lines), permit).await.unwrap()
    }

    /// The bot works until something became of everything that was said.
    pub(crate) async fn answered(&self, harness: &Harness, bot: &mut SlackBot) -> Option<String> {
        let (_stop, interrupt) = Interrupt::channel();
        for _ in 0..MOST_LOOKS {
            if let Err(error) = bot.serve(PERIOD, &interrupt).await {
                return Some(format!("slack-bot: {}", error.inner()));
            }
            if self.open(harness).is_empty() {
                return None;
            }
        }
        let said = harness.sandbox.world().slack.lock().messages_in(CHANNEL);
        let newest = said.get(said.len().saturating_sub(SHOWN)..).unwrap_or_default();
        let requests = harness.request_lines();
        // The bot looks for old questions again and again.
        let looks = |line: &&str| line.contains("slack-bot.json") || line.contains("/git/ref/heads/");
        let requests: Vec<&str> =
            requests.lines().rev().filter(|line| !looks(line)).take(REQUESTS_SHOWN).collect();
        let sockets = harness.sandbox.world().slack.lock().sockets.clone();
        Some(format!(
            "slack-bot: no answer to {:?}: {newest:#?}\nnewest requests first: {requests:#?}\n{sockets:#?}",
            self.open(harness)
        ))
    }

    /// What nothing became of yet: it neither was answered, nor was it told that it was interrupted.
    fn open(&self, harness: &Harness) -> Vec<&Given> {
        let keys: BTreeSet<String> = self.keys(harness).collect();
        let has = |given: &&Given, name: &str| keys.contains(&format!("{}-{name}", given.run));
        self.given.iter().filter(|given| !has(given, "answer") && !has(given, "interrupted")).collect()
    }

    /// What the bot said in its channel, by its keys.
    fn keys(&self, harness: &Harness) -> impl Iterator<Item = String> + use<> {
        let slack = harness.sandbox.world().slack.lock();
        let now: Vec<String> =
            slack.messages.iter().filter(|message| is_in_channel(message)).filter_map(key).collect();
        drop(slack);
        self.earlier.clone().into_iter().chain(now)
    }

    /// The sandbox forgets the conversation before `time`, which nobody looks at any more; what the bot said is kept here.
    pub(crate) fn forget_before(&mut self, harness: &Harness, time: Timestamp) {
        let is_old = |message: &Message| {
            let second = message.ts.split('.').next().and_then(|second| second.parse::<i64>().ok());
            // Other agents speak in this channel, too.
            let is_talk = message.bot_id.is_none() || key(message).is_some();
            is_in_channel(message) && is_talk && second.is_some_and(|second| second < time.as_second())
        };
        let mut slack = harness.sandbox.world().slack.lock();
        self.earlier.extend(slack.messages.iter().filter(|message| is_old(message)).filter_map(key));
        slack.messages.retain(|message| !is_old(message));
    }

    /// What is true at every moment: no command began twice, none that was not allowed began, and nothing was said twice.
    pub(crate) fn nothing_twice(&self, harness: &Harness) {
        let runs = self.runs.lock().unwrap().clone();
        for (run, count) in &runs {
            let given = self.given.iter().find(|given| given.run == *run);
            assert!(*count == 1 && given.is_some_and(|given| given.is_allowed), "{run} began {count} times");
        }
        let mut keys = BTreeMap::<String, usize>::new();
        for key in self.keys(harness) {
            *keys.entry(key).or_default() += 1;
        }
        // A progress message is a new one where the old one is unknown, and no answer.
        for (key, count) in keys {
            assert_eq!(count, 1, "{key} was said more than once");
        }
    }

    /// What is true when all is done: every command that was allowed ran once, or its thread says that it was interrupted.
    pub(crate) fn finish(&self, harness: &Harness) -> String {
        assert!(self.open(harness).is_empty(), "{:?}", self.open(harness));
        let keys: BTreeSet<String> = self.keys(harness).collect();
        let (mut done, mut interrupted) = (0, 0);
        for given in &self.given {
            let ran = self.runs.lock().unwrap().contains_key(&given.run);
            let is_told = keys.contains(&format!("{}-interrupted", given.run));
            assert!(!given.is_allowed || ran || is_told, "{given:?} was lost");
            done += usize::from(ran && !is_told);
            interrupted += usize::from(is_told);
        }
        format!("{} said to the bot, {done} commands done, {interrupted} interrupted", self.given.len())
    }
}

/// Whether a message stands in the channel of the bot.
fn is_in_channel(message: &Message) -> bool {
    message.channel_name == CHANNEL
}
