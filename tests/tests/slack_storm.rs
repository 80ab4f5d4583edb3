//! A storm over the Slack bot: redeliveries, sockets that end in every way, both forms of mentions, and a bot that dies at any
//! moment. No command is lost, and none runs twice. A hundred envelopes here, a hundred thousand with `make test-deep`, and any
//! other number with `OAR_TEST_ENVELOPES`; the seed is printed, and `OAR_TEST_SEED` repeats it.
#![expect(
    clippy::disallowed_methods,
    reason = "the environment says how a test runs, and where programs are"
)]
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "tests say what they expect by failing, and what the storm was like"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use end_to_end::slack_bot::{BOT, CHANNEL, LEAD, fast_clock, key};
use end_to_end::{Fault, FaultKind, Harness, root};
use jiff::Timestamp;
use oar_core::clients::Clients;
use oar_core::config::{Environment, Settings};
use oar_core::flow::interrupt::Interrupt;
use oar_core::http::Http;
use oar_core::operations::slack_bot::{CommandLines, Order, ReadCommand, SlackBot, Unusable};
use oar_core::operations::{Program, Row, row};
use oar_core::permit::WritePermit;
use oar_core::redact::Redactor;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use sandbox::services::slack::state::Message;
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

/// So many times as fast as the real time pauses and limits pass.
const SPEED: u32 = 40;
/// After so many deliveries it is shown how far the storm is.
const PART: usize = 1000;

/// What nobody has got on with for so long does not come any more.
const NOTHING_MORE: Duration = Duration::from_secs(30);

/// What the last word on a command is named: its answer; that it was interrupted; that it was not taken.
const ANSWER: &str = "answer";
const INTERRUPTED: &str = "interrupted";
const NOT_TAKEN: &str = "not-taken";

/// How often the command of each message began.
type Runs = Arc<Mutex<BTreeMap<String, u32>>>;

/// A command line whose every command counts that it runs.
#[derive(Debug, Clone)]
struct Counting {
    runs: Runs,
    /// Whether commands end.
    ends: bool,
    /// Commands wait for a permit each before they end.
    gate: Option<Arc<Semaphore>>,
}

impl CommandLines for Counting {
    fn read(&self, _program: &str, _arguments: &[String]) -> Result<Box<dyn ReadCommand>, Unusable> {
        Ok(Box::new(self.clone()))
    }

    fn offers(&self, _row: &Row) -> bool {
        true
    }
}

impl ReadCommand for Counting {
    fn row(&self) -> &'static Row {
        row(Program::Oar, "status").unwrap()
    }

    fn run(self: Box<Self>, order: Order) -> Pin<Box<dyn Future<Output = u8>>> {
        Box::pin(async move {
            *self.runs.lock().unwrap().entry(order.run.clone()).or_default() += 1;
            tokio::time::sleep(Duration::from_millis(2)).await;
            if !self.ends {
                std::future::pending::<()>().await;
            }
            let Some(gate) = &self.gate else { return 0 };
            tokio::select! {
                permit = gate.acquire() => {
                    permit.unwrap().forget();
                    0
                }
                _ = order.interrupt.wait() => 130,
            }
        })
    }
}

/// The world of one storm.
struct Storm {
    harness: Harness,
    clients: Clients,
    runs: Runs,
}

impl Storm {
    fn new() -> Self {
        let harness = Harness::new();
        let text = std::fs::read_to_string(root().join("config/config_store.example.json")).unwrap();
        let mut document: Value = serde_json::from_str(&text).unwrap();
        let rights = json!({"critical": "demo-leads-4-19"});
        document["slack_bot"] = json!({"permissions": {(CHANNEL): rights}});
        std::fs::create_dir_all(harness.tools().join("state")).unwrap();
        let (decrypted, encrypted) =
            (harness.tools().join("decrypted.json"), harness.tools().join("encrypted.json"));
        std::fs::write(&decrypted, document.to_string()).unwrap();
        let paths = [decrypted.to_str().unwrap(), "-o", encrypted.to_str().unwrap()];
        harness.run("oarctl", ["config", "encrypt"].into_iter().chain(paths)).expect(0);
        let mut environment: BTreeMap<String, String> = harness.sandbox.environment().into_iter().collect();
        for (name, value) in [
            ("OAR_CONFIG", encrypted.to_string_lossy().into_owned()),
            ("OAR_STATE", format!("local:{}", harness.tools().join("state").display())),
            ("HOME", harness.home().to_string_lossy().into_owned()),
            ("OAR_HTTP_TIMEOUT", "20".to_owned()),
            ("OAR_HTTP_RETRY_DELAY", "5".to_owned()),
        ] {
            environment.insert(name.to_owned(), value);
        }
        let settings = Settings::load(&Environment::from_pairs(environment)).unwrap();
        let clock = fast_clock(SPEED);
        let http = Http::new(settings.http().clone(), clock, Redactor::default()).unwrap();
        let clients = Clients::new(settings, http);
        let pauses = json!({
            "acknowledged_within": 0.2, "redelivered_after": [0, 0.1, 0.2, 0.5, 1, 1, 1, 1, 1, 2, 2, 2],
            // Otherwise most of the storm goes into sockets that are frozen.
            "frozen_for": 1,
        });
        let storm = Self { harness, clients, runs: Runs::default() };
        storm.change("sockets", &pauses);
        storm
    }

    fn change(&self, operation: &str, body: &Value) -> Value {
        let now = self.harness.sandbox.clock().now();
        let changed =
            self.harness.sandbox.world().with_service("slack", |slack| slack.change(operation, body, now));
        changed.unwrap().unwrap()
    }

    /// Clients with connections of their own, which end with whoever has them.
    fn own_clients(&self) -> Clients {
        let settings = self.clients.settings().clone();
        let clock = self.clients.clock().clone();
        let http = Http::new(settings.http().clone(), clock, Redactor::default()).unwrap();
        Clients::new(settings, http)
    }

    /// A bot, until the task is aborted: as a kill, that leaves whatever it was at.
    fn bot(&self) -> JoinHandle<()> {
        self.bot_behind(None)
    }

    /// The same, whose commands wait for a permit each before they end.
    fn bot_behind(&self, gate: Option<Arc<Semaphore>>) -> JoinHandle<()> {
        let (clients, counting) =
            (self.own_clients(), Counting { runs: self.runs.clone(), ends: true, gate });
        tokio::task::spawn_local(async move {
            let (_stop, interrupt) = Interrupt::channel();
            let permit = WritePermit::granted_by_user_interface;
            let mut bot = SlackBot::new(&clients, Box::new(counting), permit()).await.unwrap();
            loop {
                bot.serve(Duration::from_secs(15), &interrupt).await.unwrap();
            }
        })
    }

    /// The lead gives a command, in a thread or in one of its own; its run's id, and its thread.
    fn command(&self, thread: Option<&str>) -> (String, String) {
        let body =
            json!({"channel": CHANNEL, "user": LEAD, "text": "oar -r 4.19.1 status", "thread_ts": thread});
        let said = self.change("message", &body);
        let ts = said["ts"].as_str().unwrap();
        let run = format!("slack-{}-{ts}", said["channel"].as_str().unwrap());
        (run, thread.unwrap_or(ts).to_owned())
    }

    /// What the bot said in this thread.
    fn answers(&self, thread: &str) -> Vec<String> {
        let messages = self.harness.sandbox.world().slack.lock().messages_in(CHANNEL);
        let is_answer =
            |message: &&Message| message.bot_id.is_some() && message.thread_ts.as_deref() == Some(thread);
        messages.iter().filter(is_answer).map(|message| message.text.clone()).collect()
    }

    fn has_begun(&self, run: &str) -> bool {
        self.runs.lock().unwrap().contains_key(run)
    }

    fn delivered(&self) -> usize {
        self.harness.sandbox.world().slack.lock().sockets.deliveries.len()
    }

    /// The threads in which the bot said that it was restarted.
    fn interrupted(&self) -> BTreeSet<String> {
        let slack = self.harness.sandbox.world().slack.lock();
        let told = slack.messages.iter().filter(|message| message.text.contains("was restarted"));
        told.filter_map(|message| message.thread_ts.clone()).collect()
    }

    /// How often the bot said what, by the keys of its messages.
    fn said(&self) -> BTreeMap<String, usize> {
        let mut said = BTreeMap::new();
        for key in self.harness.sandbox.world().slack.lock().messages.iter().filter_map(key) {
            *said.entry(key).or_default() += 1;
        }
        said
    }

    /// Those of these commands that did not run and whose authors were not told so, and those that ran without a last word.
    fn lost(&self, commands: &[(String, String)]) -> Vec<String> {
        let (said, runs) = (self.said(), self.runs.lock().unwrap());
        let is_lost = |(run, _): &&(String, String)| {
            let last = [INTERRUPTED, if runs.contains_key(run) { ANSWER } else { NOT_TAKEN }];
            !last.iter().any(|name| said.contains_key(&word(run, name)))
        };
        commands.iter().filter(is_lost).map(|(run, _)| run.clone()).collect()
    }

    /// How many commands have not ended, as the bot remembers; `usize::MAX` when it remembers nothing yet.
    fn runs_in_memory(&self) -> usize {
        let text = std::fs::read_to_string(self.harness.tools().join("state/_releases/slack-bot.json"));
        let Ok(memory) = serde_json::from_str::<Value>(&text.unwrap_or_default()) else { return usize::MAX };
        memory["runs"].as_array().map_or(0, Vec::len)
    }

    /// How many commands have not ended and deliveries are not acknowledged.
    fn left_to_do(&self) -> usize {
        let unacknowledged = self.harness.sandbox.world().slack.lock().sockets.unacknowledged();
        self.runs_in_memory().saturating_add(unacknowledged)
    }

    fn is_quiet(&self) -> bool {
        self.left_to_do() == 0
    }
}

/// The key of the last word of this name on a run.
fn word(run: &str, name: &str) -> String {
    format!("{run}-{name}")
}

#[test]
fn no_command_is_lost_and_none_runs_twice() {
    let deep = std::env::var_os("OAR_TEST_DEEP").is_some();
    let given = std::env::var("OAR_TEST_ENVELOPES").ok().and_then(|number| number.parse().ok());
    let envelopes = given.unwrap_or(if deep { 100_000 } else { 100 });
    let seed = std::env::var("OAR_TEST_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed: u64 = seed.unwrap_or_else(|| Timestamp::now().as_millisecond().unsigned_abs());
    println!("{envelopes} envelopes, OAR_TEST_SEED={seed}");
    on_one_thread(storm(envelopes, seed));
}

/// The replica that works loses its turn and gets it back, in the same process.
#[test]
fn what_a_replica_left_behind_is_told_when_it_works_again() {
    on_one_thread(async {
        let storm = Storm::new();
        let lines = Counting { runs: storm.runs.clone(), ends: false, gate: None };
        let (_stop, interrupt) = Interrupt::channel();
        let permit = WritePermit::granted_by_user_interface();
        let mut bot = SlackBot::new(&storm.clients, Box::new(lines), permit).await.unwrap();
        let body = json!({"channel": CHANNEL, "user": LEAD, "text": "oar -r 4.19.1 status"});
        let said = storm.change("message", &body);
        for _ in 0..400 {
            bot.serve(Duration::from_secs(2), &interrupt).await.unwrap();
            if !storm.runs.lock().unwrap().is_empty() {
                break;
            }
        }
        bot.stand_by().await;
        assert_eq!(storm.harness.sandbox.world().slack.lock().sockets.open_sockets().len(), 0);
        assert!(!storm.is_quiet(), "it did not end");
        for _ in 0..400 {
            bot.serve(Duration::from_secs(2), &interrupt).await.unwrap();
            if storm.is_quiet() {
                break;
            }
        }
        assert_eq!(storm.interrupted().into_iter().collect::<Vec<_>>(), [said["ts"].as_str().unwrap()]);
        assert_eq!(storm.runs.lock().unwrap().values().copied().collect::<Vec<_>>(), [1]);
        bot.stand_by().await;
    });
}

/// Runs a test on the one thread that the bot needs.
fn on_one_thread(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    tokio::task::LocalSet::new().block_on(&runtime, test);
}

/// Waits for something that certainly comes; the limit only ends a test that fails.
async fn until(what: &str, is_so: impl Fn() -> bool) {
    for _ in 0..6000 {
        if is_so() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it never came to it that {what}");
}

#[test]
fn a_result_is_sent_until_slack_takes_it_while_other_commands_go_on() {
    on_one_thread(async {
        let storm = Storm::new();
        let fails = FaultKind::Status { code: 500, body: None, headers: Vec::new() };
        let fault = storm
            .harness
            .sandbox
            .faults()
            .add(Fault::on("slack", fails).path("*/chat.postMessage").forever());
        let bot = storm.bot();
        let (first, thread) = storm.command(None);
        // Each attempt posts twice, because nothing is found in between; what is no result is tried three times.
        until("it was tried often", || storm.harness.sandbox.faults().hits(fault) >= 10).await;
        let (second, _) = storm.command(Some(&thread));
        until("the next command of the thread runs", || storm.has_begun(&second)).await;
        assert!(storm.has_begun(&first) && storm.answers(&thread).is_empty());
        storm.harness.sandbox.faults().clear();
        until("both are answered", || storm.answers(&thread).len() == 2).await;
        until("nothing is left to say", || storm.is_quiet()).await;
        assert!(storm.answers(&thread).iter().all(|text| text == "oar status: done"), "{thread}");
        bot.abort();
    });
}

#[test]
fn commands_of_one_thread_run_in_their_order_and_others_do_not_wait() {
    on_one_thread(async {
        let storm = Storm::new();
        let gate = Arc::new(Semaphore::new(0));
        let bot = storm.bot_behind(Some(gate.clone()));
        let (first, thread) = storm.command(None);
        let (second, _) = storm.command(Some(&thread));
        let (other, elsewhere) = storm.command(None);
        let (third, _) = storm.command(Some(&thread));
        until("the first ones run", || storm.has_begun(&first) && storm.has_begun(&other)).await;
        // Both were taken by now, and only wait.
        until("the others were taken", || storm.runs_in_memory() == 4).await;
        assert!(!storm.has_begun(&second) && !storm.has_begun(&third));
        let cancel = json!({"channel": CHANNEL, "user": LEAD, "text": "cancel", "thread_ts": elsewhere});
        storm.change("message", &cancel);
        until("the other one is cancelled", || !storm.answers(&elsewhere).is_empty()).await;
        gate.add_permits(1);
        until("the second one runs", || storm.has_begun(&second)).await;
        assert!(!storm.has_begun(&third));
        gate.add_permits(2);
        until("all are answered", || storm.answers(&thread).len() == 3 && storm.is_quiet()).await;
        bot.abort();
    });
}

async fn storm(envelopes: usize, seed: u64) {
    let storm = Storm::new();
    let mut random = StdRng::seed_from_u64(seed);
    let mut bot = storm.bot();
    let mut commands: Vec<(String, String)> = Vec::new();
    let mut kills = 0;
    let until_open = async || {
        for _ in 0..3000 {
            if !storm.harness.sandbox.world().slack.lock().sockets.open_sockets().is_empty() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("no socket is open again");
    };
    until_open().await;
    let (begun, mut shown) = (Instant::now(), 0);
    while storm.delivered() < envelopes {
        match random.random_range(0..100_u32) {
            0..60 => {
                let mention = if random.random_bool(0.6) { format!("<@{BOT}> ") } else { String::new() };
                let thread =
                    commands.last().filter(|_| random.random_bool(0.2)).map(|(_, thread)| thread.clone());
                let body = json!({
                    "channel": CHANNEL, "user": LEAD, "text": format!("{mention}oar -r 4.19.1 status"),
                    "mention_first": random.random_bool(0.5), "thread_ts": thread,
                });
                let said = storm.change("message", &body);
                let key =
                    format!("slack-{}-{}", said["channel"].as_str().unwrap(), said["ts"].as_str().unwrap());
                let thread = thread.unwrap_or_else(|| said["ts"].as_str().unwrap().to_owned());
                commands.push((key, thread));
            }
            60..80 => {
                let body =
                    json!({"channel": CHANNEL, "user": LEAD, "text": format!("<@{BOT}>: thanks, oar works")});
                storm.change("message", &body);
            }
            80..84 => drop(storm.change("sockets", &json!({"cut": true}))),
            84..88 => drop(storm.change("sockets", &json!({"close": true}))),
            88..92 => drop(storm.change("sockets", &json!({"disconnect": "refresh_requested"}))),
            92..94 => drop(storm.change("sockets", &json!({"freeze": true}))),
            94..97 => {
                bot.abort();
                assert!(bot.await.unwrap_err().is_cancelled(), "the bot ended by itself");
                kills += 1;
                bot = storm.bot();
                until_open().await;
            }
            _ => tokio::time::sleep(Duration::from_millis(random.random_range(0..40))).await,
        }
        tokio::time::sleep(Duration::from_millis(random.random_range(0..6))).await;
        if storm.delivered() / PART > shown {
            shown = storm.delivered() / PART;
            println!("{} deliveries, {kills} kills after {:.1?}", storm.delivered(), begun.elapsed());
            // The sandbox keeps every request.
            storm.harness.sandbox.clear_requests();
        }
    }
    // One more life, which finds whatever the last one left.
    bot.abort();
    let _ = bot.await;
    let final_bot = storm.bot();
    // For as long as it goes on: every thousandth of a long storm leaves somebody to be told.
    let (mut least, mut since) = (usize::MAX, Instant::now());
    while since.elapsed() < NOTHING_MORE {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let left = match storm.left_to_do() {
            0 => storm.lost(&commands).len(),
            left => left.saturating_add(commands.len()),
        };
        if left < least {
            (least, since) = (left, Instant::now());
        }
        if left == 0 {
            break;
        }
    }
    assert!(!final_bot.is_finished(), "the bot ended by itself");
    let runs = storm.runs.lock().unwrap().clone();
    println!(
        "{} commands, {} deliveries, {kills} kills, {} told of a restart, {} not told yet",
        commands.len(),
        storm.delivered(),
        storm.interrupted().len(),
        storm.runs_in_memory()
    );
    let lost = storm.lost(&commands);
    for (key, thread) in commands.iter().filter(|(key, _)| lost.contains(key)).take(5) {
        println!("{key} in {thread}: {:?}", storm.answers(thread));
    }
    assert_eq!(lost, Vec::<String>::new(), "seed {seed}: lost");
    let said = storm.said();
    let words =
        commands.iter().flat_map(|(run, _)| [ANSWER, INTERRUPTED, NOT_TAKEN].map(|name| word(run, name)));
    let repeated: Vec<String> = words.filter(|word| said.get(word).is_some_and(|count| *count > 1)).collect();
    assert!(repeated.is_empty(), "seed {seed}: said more than once: {repeated:?}");
    let twice: Vec<&String> = runs.iter().filter(|(_, count)| **count > 1).map(|(key, _)| key).collect();
    assert!(twice.is_empty(), "seed {seed}: run twice: {twice:?}");
    let given: BTreeSet<&String> = commands.iter().map(|(key, _)| key).collect();
    assert_eq!(runs.keys().filter(|key| !given.contains(key)).count(), 0);
}
