//! `oarctl slack-bot`, the real program: what people write in Slack and what comes of it.
#![expect(clippy::unwrap_used, reason = "tests say what they expect by failing")]

use std::process::{Child, Command};
use std::time::{Duration, Instant};

use end_to_end::slack_bot::{self, BOT, CHANNEL, LEAD, WRITER, change};
use end_to_end::{Fault, FaultKind, Harness, KONFLUX, Run};
use jiff::SignedDuration;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use sandbox::services::slack::sockets::Delivery;
use sandbox::services::slack::state::Message;
use serde_json::{Value, json};

mod plans;

const SECOND: &str = "U0000LEAD2";
/// May do nothing.
const OTHER: &str = "U0000OTHER";
/// The file in which the bot remembers.
const MEMORY: &str = "_releases/slack-bot.json";

/// A sandbox with permissions in one channel, and 4.19.1 begun.
fn with_permissions() -> Harness {
    slack_bot::with_permissions(Harness::announced(KONFLUX))
}

fn say(harness: &Harness, user: &str, text: &str) -> String {
    let said = change(harness, "message", &json!({"channel": CHANNEL, "text": text, "user": user}));
    said["ts"].as_str().unwrap().to_owned()
}

fn say_in(harness: &Harness, thread: &str, user: &str, text: &str) -> String {
    let body = json!({"channel": CHANNEL, "text": text, "user": user, "thread_ts": thread});
    change(harness, "message", &body)["ts"].as_str().unwrap().to_owned()
}

/// What the bot wrote in this thread.
fn answers(harness: &Harness, thread: &str) -> Vec<Message> {
    let messages = harness.sandbox.world().slack.lock().messages_in(CHANNEL);
    let ours = |message: &Message| message.bot_id.is_some() && message.thread_ts.as_deref() == Some(thread);
    messages.into_iter().filter(ours).collect()
}

fn open(harness: &Harness) -> usize {
    harness.sandbox.world().slack.lock().sockets.open_sockets().len()
}

fn memory(harness: &Harness) -> Value {
    let text = harness.sandbox.world().github.lock().text("openshift/release-tests", "z-stream", MEMORY);
    text.map_or(Value::Null, |text| serde_json::from_str(&text).unwrap())
}

/// Waits for something that certainly comes; the limit only ends a test that fails.
#[track_caller]
fn until<T>(what: &str, look: impl Fn() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(started.elapsed() < Duration::from_secs(90), "it never came to it that {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The first answer of the bot in this thread that has these words.
#[track_caller]
fn answer(harness: &Harness, thread: &str, words: &str) -> Message {
    let found = || answers(harness, thread).into_iter().find(|message| message.text.contains(words));
    let started = Instant::now();
    loop {
        if let Some(found) = found() {
            return found;
        }
        let texts: Vec<String> = answers(harness, thread).into_iter().map(|message| message.text).collect();
        assert!(started.elapsed() < Duration::from_mins(1), "nobody said `{words}`: {texts:#?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Everything that the bot was given is settled: no command runs.
#[track_caller]
fn settled(harness: &Harness) {
    until("no command runs", || memory(harness)["runs"].as_array().is_some_and(Vec::is_empty).then_some(()));
}

/// The bot, which ends with the test.
struct Bot(Option<Child>);

impl Bot {
    fn start(harness: &Harness) -> Self {
        let bot = Self::begin(harness);
        until("a socket is open", || (open(harness) > 0).then_some(()));
        bot
    }

    fn begin(harness: &Harness) -> Self {
        Self::with(harness, &[])
    }

    /// A bot whose program has these options as well.
    fn with(harness: &Harness, options: &[&str]) -> Self {
        let arguments = options.iter().chain(&["slack-bot", "--interval", "1"]);
        let mut command: Command = harness.command("oarctl", arguments);
        Self(Some(command.spawn().unwrap()))
    }

    fn signal(&self, signal: Signal) {
        let id = self.0.as_ref().unwrap().id();
        kill(Pid::from_raw(i32::try_from(id).unwrap()), signal).unwrap();
    }

    fn stopped(mut self) -> Run {
        self.signal(Signal::SIGTERM);
        end_to_end::wait(self.0.take().unwrap()).expect(143)
    }

    fn killed(mut self) {
        self.signal(Signal::SIGKILL);
        drop(end_to_end::wait(self.0.take().unwrap()));
    }
}

impl Drop for Bot {
    fn drop(&mut self) {
        if let Some(mut child) = self.0.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

#[test]
fn a_command_runs_once_in_its_thread_whatever_forms_of_it_come() {
    let harness = with_permissions();
    let bot = Bot::start(&harness);
    let mut threads = Vec::new();
    for mention_first in [false, true] {
        let text = format!("<@{BOT}> oar -r {KONFLUX} status");
        let body = json!({"channel": CHANNEL, "text": text, "user": LEAD, "mention_first": mention_first});
        threads.push(change(&harness, "message", &body)["ts"].as_str().unwrap().to_owned());
    }
    threads.push(say(&harness, WRITER, &format!("oar -r {KONFLUX} status")));
    for thread in &threads {
        let found = answer(&harness, thread, "oar status: done");
        assert!(found.text.contains("take-ownership"), "{}", found.text);
    }
    let inner = say_in(&harness, &threads[0], LEAD, &format!("oar -r {KONFLUX} is-shipped"));
    answer(&harness, &threads[0], "oar is-shipped");
    settled(&harness);
    assert_eq!(answers(&harness, &inner).len(), 0, "the thread is the first message's");
    assert_eq!(answers(&harness, &threads[0]).len(), 2);
    for thread in &threads[1..] {
        assert_eq!(answers(&harness, thread).len(), 1);
    }
    let eyes = harness.sandbox.world().slack.lock().reactions.clone();
    assert_eq!(eyes.iter().filter(|(_, _, name, _)| name == "eyes").count(), 4);
    bot.stopped();
    harness.sandbox.assert_no_unexpected();
}

#[test]
fn only_who_may_is_obeyed_and_help_lists_what_they_may() {
    let harness = with_permissions();
    let bot = Bot::start(&harness);
    let refused = say(&harness, OTHER, &format!("oar -r {KONFLUX} status"));
    answer(&harness, &refused, "only members of `@qe-forum-demo`, `@demo-leads-4-19` may read");
    let critical = say(&harness, WRITER, &format!("oar -r {KONFLUX} push-to-cdn-staging"));
    answer(&harness, &critical, "only members of `@demo-leads-4-19` may give critical commands");
    let help = say(&harness, WRITER, &format!("<@{BOT}> help"));
    let listed = answer(&harness, &help, "oar status").text;
    assert!(listed.contains("oar take-ownership") && !listed.contains("oar drop-bugs"), "{listed}");
    assert!(!listed.contains("oarctl statebox validate"), "it needs a file: {listed}");
    let nothing = say(&harness, OTHER, &format!("<@{BOT}>"));
    let nothing = answer(&harness, &nothing, "may read in this channel").text;
    assert!(nothing.contains("`slack_bot.permissions`"), "who can change it: {nothing}");
    // Only at the machine itself.
    for (text, words) in [
        ("oarctl config check", "only at the machine"),
        ("oarctl agents run", "only at the machine"),
        ("oarctl statebox validate /etc/passwd", "reads or writes a file"),
        ("oarctl jira-notificator --interval 5", "only at the machine"),
        ("jobctl show /etc/passwd", "ended with exit code 2"),
        ("oar -r 4.19.1 change-advisory-status --carry-on", "only at the machine"),
        ("oar -r 4.19.1 stat", "not understood"),
        ("oar -r 4.19.1 status; rm -rf /", "not understood"),
    ] {
        let thread = say(&harness, LEAD, text);
        answer(&harness, &thread, words);
    }
    let say_elsewhere = |text: &str| {
        let body = json!({"channel": "forum-qe-demo", "text": text, "user": LEAD});
        change(&harness, "message", &body)["ts"].as_str().unwrap().to_owned()
    };
    let sentence = say_elsewhere("job is done");
    let elsewhere = say_elsewhere(&format!("<@{BOT}> oar -r 4.19.1 status"));
    until("it is refused elsewhere", || {
        let messages = harness.sandbox.world().slack.lock().messages_in("forum-qe-demo");
        messages.into_iter().find(|message| {
            message.thread_ts.as_ref() == Some(&elsewhere) && message.text.contains("nobody may read")
        })
    });
    let there = harness.sandbox.world().slack.lock().messages_in("forum-qe-demo");
    assert!(
        !there.iter().any(|message| message.thread_ts.as_ref() == Some(&sentence)),
        "a sentence is no command"
    );
    // Nobody's commands.
    let talk = [
        say(&harness, LEAD, "&gt; oar -r 4.19.1 status"),
        say(&harness, LEAD, "`oar -r 4.19.1 status`?"),
        say(&harness, LEAD, "please run oar -r 4.19.1 status"),
        say(&harness, LEAD, "oarsman -r 4.19.1 status"),
        say(&harness, LEAD, "cancel"),
    ];
    let edited = say(&harness, LEAD, "hello");
    change(&harness, "edit", &json!({"channel": CHANNEL, "ts": edited, "text": "oar -r 4.19.1 status"}));
    let last = say(&harness, LEAD, "oar -r 4.19.1 status");
    answer(&harness, &last, "oar status: done");
    for thread in talk.iter().chain([&edited]) {
        assert!(!answers(&harness, thread).iter().any(|message| message.text.contains("done")), "{thread}");
    }
    assert_eq!(answers(&harness, talk.last().unwrap()).len(), 0, "nobody cancels anything there");
    settled(&harness);
    bot.stopped();
    // The next one reads what was written, and finds it edited.
    let bot = Bot::start(&harness);
    let last = say(&harness, LEAD, "oar -r 4.19.1 status");
    answer(&harness, &last, "oar status: done");
    settled(&harness);
    assert_eq!(answers(&harness, &edited).len(), 0, "an edited message is no command");
    bot.stopped();
}

#[test]
fn who_may_only_read_sees_the_plan_of_a_release_and_takes_nothing_on() {
    let rights = json!({"read": "qe-forum-demo", "write": "demo-leads-4-19"});
    let section = json!({"permissions": {(format!("#{CHANNEL}")): rights}});
    let harness = slack_bot::with_section(with_permissions(), &section);
    let bot = Bot::start(&harness);
    let plan = say(&harness, WRITER, &format!("oar -r {KONFLUX} drive"));
    answer(&harness, &plan, "oar drive: done");
    let pass = say(&harness, WRITER, &format!("oar -r {KONFLUX} drive --once"));
    answer(&harness, &pass, "only members of `@demo-leads-4-19` may write");
    let help = say(&harness, WRITER, &format!("<@{BOT}> help"));
    let listed = answer(&harness, &help, "oar drive").text;
    assert!(!listed.contains("oar drive --once"), "{listed}");
    assert!(!harness.statebox(KONFLUX).unwrap().contains("take-ownership"), "nothing was taken on");
    bot.stopped();
}

/// Writes what the bot remembers anew.
fn remember(harness: &Harness, change: impl FnOnce(&mut Value)) {
    let mut memory = memory(harness);
    change(&mut memory);
    let text = serde_json::to_string_pretty(&memory).unwrap() + "\n";
    let now = harness.sandbox.clock().now();
    let mut github = harness.sandbox.world().github.lock();
    github.put("openshift/release-tests", "z-stream", MEMORY, text, "by a test", now).unwrap();
}

/// A sandbox in which the job of [`WAITS`] can be started.
fn on_staging() -> Harness {
    let harness = with_permissions();
    harness.pass(KONFLUX, "push-to-cdn-staging");
    harness
}

/// A command that waits for a job that does not end.
const WAITS: &str = "oar -r 4.19.1 image-consistency-check --wait";

#[test]
fn a_command_shows_its_progress_and_is_cancelled() {
    for refusal in ["", "edit_window_closed"] {
        let harness = on_staging();
        let bot = Bot::start(&harness);
        let thread = say(&harness, WRITER, WAITS);
        let progress = answer(&harness, &thread, "is running");
        // Acknowledged before it was handled: Slack had no reason to deliver it again.
        let deliveries = harness.sandbox.world().slack.lock().sockets.deliveries.clone();
        let command: Option<&Delivery> = deliveries.first();
        assert!(command.is_some_and(|delivery| delivery.acknowledged), "{deliveries:#?}");
        assert!(deliveries.iter().all(|delivery| delivery.retry_attempt == 0), "{deliveries:#?}");
        let other = say(&harness, OTHER, &format!("<@{BOT}> cancel"));
        answer(&harness, &other, "no command runs in this thread");
        say_in(&harness, &thread, OTHER, &format!("<@{BOT}> cancel"));
        answer(&harness, &thread, "may write in this channel; it goes on");
        change(&harness, "limits", &json!({"refuses_updates": refusal}));
        say_in(&harness, &thread, WRITER, if refusal.is_empty() { "cancel" } else { "<@U0000BOT01> cancel" });
        answer(&harness, &thread, "oar image-consistency-check: cancelled");
        let ended = answer(&harness, &thread, "has ended");
        // One message shows the progress, and a new one where Slack lets nobody edit it.
        assert_eq!(ended.ts == progress.ts, refusal.is_empty(), "{refusal}");
        settled(&harness);
        bot.stopped();
    }
}

#[test]
fn addresses_and_people_arrive_and_are_masked_in_what_is_said() {
    let harness = with_permissions();
    let bot = Bot::start(&harness);
    for person in ["<mailto:demo-lead@example.com|the lead>", "<@U0000LEAD2>"] {
        let thread = say(&harness, LEAD, &format!("oar -r {KONFLUX} take-ownership -e {person}"));
        answer(&harness, &thread, "oar take-ownership: done");
        settled(&harness);
        for message in answers(&harness, &thread) {
            assert!(!message.text.contains("@example.com"), "{}", message.text);
        }
    }
    let thread = say(&harness, LEAD, &format!("oar -r {KONFLUX} status <@U0000LEAD2>"));
    let wrong = answer(&harness, &thread, "not understood").text;
    assert!(wrong.contains("unexpected argument") && !wrong.contains("@example.com"), "{wrong}");
    assert!(!memory(&harness).to_string().contains("@example.com"));
    let history = harness.run("oar", ["-r", KONFLUX, "history", "--output", "json"]).expect(0).stdout;
    assert!(history.contains("\"by\": \"demo-lead\""), "{history}");
    bot.stopped();
}

#[test]
fn a_run_that_a_kill_interrupted_says_so_once() {
    let harness = on_staging();
    let bot = Bot::start(&harness);
    let thread = say(&harness, WRITER, WAITS);
    until("it runs", || memory(&harness)["runs"][0].is_object().then_some(()));
    bot.killed();
    for _ in 0..2 {
        let bot = Bot::start(&harness);
        answer(
            &harness,
            &thread,
            "The bot was restarted while `oar -r 4.19.1 image-consistency-check --wait` ran",
        );
        settled(&harness);
        bot.stopped();
    }
    let told =
        answers(&harness, &thread).into_iter().filter(|message| message.text.contains("was restarted"));
    assert_eq!(told.count(), 1);
}

#[test]
fn what_was_written_while_no_bot_worked_is_handled_once() {
    let harness = with_permissions();
    let thread = say(&harness, LEAD, &format!("oar -r {KONFLUX} status"));
    let inner = say(&harness, LEAD, "about a release");
    say_in(&harness, &inner, LEAD, &format!("oar -r {KONFLUX} status"));
    for _ in 0..2 {
        let bot = Bot::start(&harness);
        answer(&harness, &thread, "oar status: done");
        answer(&harness, &inner, "oar status: done");
        let last = say(&harness, LEAD, &format!("oar -r {KONFLUX} status"));
        answer(&harness, &last, "oar status: done");
        settled(&harness);
        bot.stopped();
    }
    assert_eq!((answers(&harness, &thread).len(), answers(&harness, &inner).len()), (1, 1));
}

#[test]
fn a_command_that_nobody_ran_in_time_is_not_run_and_its_author_is_told() {
    let harness = Harness::new();
    // The bot's clock is the real one, and Slack's never goes back.
    harness.sandbox.clock().advance(SignedDuration::from_mins(-51));
    harness.oar(KONFLUX, &["create-test-report"]).expect(0);
    let harness = slack_bot::with_permissions(harness);
    let advance = |minutes: i64| harness.sandbox.clock().advance(SignedDuration::from_mins(minutes));
    let forgotten = say(&harness, LEAD, &format!("oar -r {KONFLUX} status"));
    advance(31);
    let (late, help) =
        (say(&harness, LEAD, &format!("oar -r {KONFLUX} status")), say(&harness, LEAD, "<@U0000BOT01> help"));
    say_in(&harness, &late, LEAD, &format!("<@{BOT}> cancel"));
    advance(20);
    for _ in 0..2 {
        let bot = Bot::start(&harness);
        answer(&harness, &late, "so it was not run; write it again");
        answer(&harness, &help, "You may use these commands here");
        let last = say(&harness, LEAD, &format!("oar -r {KONFLUX} status"));
        answer(&harness, &last, "oar status: done");
        settled(&harness);
        bot.stopped();
    }
    let count = |thread: &str| answers(&harness, thread).len();
    assert_eq!((count(&forgotten), count(&late), count(&help)), (0, 1, 1));
}

#[test]
fn a_cancel_stops_no_command_that_was_written_after_it() {
    let harness = on_staging();
    let bot = Bot::start(&harness);
    let sockets = || harness.sandbox.world().slack.lock().sockets.open_sockets();
    until("a socket is open", || (!sockets().is_empty()).then_some(()));
    let thread = say(&harness, WRITER, "about a release");
    // The cancel is sent to a socket on which nobody listens any more, so it is delivered again after the command.
    let frozen = sockets();
    change(&harness, "sockets", &json!({"frozen_for": 2, "freeze": true}));
    say_in(&harness, &thread, WRITER, &format!("<@{BOT}> cancel"));
    until("the next socket is open", || (sockets().len() == 1 && sockets() != frozen).then_some(()));
    say_in(&harness, &thread, WRITER, WAITS);
    answer(&harness, &thread, "is running");
    for pause in [3, 63] {
        harness.sandbox.clock().advance(SignedDuration::from_secs(pause));
        // Whatever is told makes the sandbox look at what is due.
        say(&harness, OTHER, "about a release");
    }
    answer(&harness, &thread, "no command runs in this thread");
    let cancelled = || answers(&harness, &thread).iter().any(|message| message.text.contains("cancelled"));
    assert!(!cancelled(), "{:#?}", answers(&harness, &thread));
    say_in(&harness, &thread, WRITER, "cancel");
    answer(&harness, &thread, "oar image-consistency-check: cancelled");
    settled(&harness);
    bot.stopped();
}

#[test]
fn what_slack_delivers_for_ten_minutes_is_run_at_the_last_delivery_and_once() {
    let harness = with_permissions();
    let bot = Bot::start(&harness);
    let advance = |seconds: i64| harness.sandbox.clock().advance(SignedDuration::from_secs(seconds));
    let sockets = || harness.sandbox.world().slack.lock().sockets.open_sockets();
    let frozen = sockets();
    // It takes what is sent to it, and nobody listens on it any more.
    change(&harness, "sockets", &json!({"frozen_for": 2, "freeze": true}));
    let thread = say(&harness, LEAD, &format!("oar -r {KONFLUX} status"));
    for pause in [3, 63, 303] {
        advance(pause);
        // Whatever is told makes the sandbox look at what is due.
        say(&harness, OTHER, "about a release");
    }
    let of_command = || {
        let deliveries = harness.sandbox.world().slack.lock().sockets.deliveries.clone();
        let first = deliveries.first().and_then(|delivery| delivery.event_id.clone());
        let all = deliveries.into_iter().filter(|delivery| delivery.event_id == first);
        all.map(|delivery| (delivery.retry_attempt, delivery.acknowledged)).collect::<Vec<_>>()
    };
    let silent: Vec<(usize, bool)> = (0..4).map(|attempt| (attempt, false)).collect();
    assert_eq!(of_command(), silent);
    until("the next socket is open", || (sockets().len() == 1 && sockets() != frozen).then_some(()));
    assert_eq!((of_command(), answers(&harness, &thread).len()), (silent.clone(), 0));
    advance(223);
    answer(&harness, &thread, "oar status: done");
    settled(&harness);
    assert_eq!(of_command(), [silent, vec![(4, true)]].concat());
    advance(600);
    let last = say(&harness, LEAD, &format!("oar -r {KONFLUX} status"));
    answer(&harness, &last, "oar status: done");
    settled(&harness);
    assert_eq!((of_command().len(), answers(&harness, &thread).len()), (5, 1));
    bot.stopped();
}

#[test]
fn what_people_say_to_each_other_stands_in_no_log() {
    let harness = with_permissions();
    let bot = Bot::with(&harness, &["--debug"]);
    until("a socket is open", || (open(&harness) > 0).then_some(()));
    let talk = [
        "the customer wants moon-unit-one by Friday",
        "<@U0000LEAD2> have you seen moon-unit-two?",
        "`oar moon-unit-three`",
    ];
    let thread = say(&harness, OTHER, talk[0]);
    say_in(&harness, &thread, LEAD, talk[1]);
    say(&harness, LEAD, talk[2]);
    let edited = say(&harness, LEAD, "hello");
    change(&harness, "edit", &json!({"channel": CHANNEL, "ts": edited, "text": "moon-unit-four"}));
    let command = say(&harness, LEAD, &format!("<@{BOT}> oar -r {KONFLUX} status"));
    answer(&harness, &command, "oar status: done");
    settled(&harness);
    // Whoever begins to work reads what was said before.
    let first = bot.stopped();
    let bot = Bot::with(&harness, &["--debug"]);
    until("a socket is open", || (open(&harness) > 0).then_some(()));
    let command = say(&harness, LEAD, &format!("oar -r {KONFLUX} status"));
    answer(&harness, &command, "oar status: done");
    for run in [first, bot.stopped()] {
        let log = run.all();
        assert!(
            log.contains("oar status: done") && log.contains("conversations"),
            "the log is a detailed one: {log}"
        );
        assert!(!log.contains("moon-unit"), "{log}");
    }
}

#[test]
fn only_the_replica_that_works_has_a_socket() {
    let harness = with_permissions();
    let first = Bot::start(&harness);
    let sockets = || harness.sandbox.world().slack.lock().sockets.open_sockets();
    let of_first = sockets();
    let second = Bot::begin(&harness);
    let thread = say(&harness, LEAD, &format!("oar -r {KONFLUX} status"));
    answer(&harness, &thread, "oar status: done");
    assert_eq!(sockets(), of_first);
    first.stopped();
    until("the other one has its socket", || (open(&harness) == 1 && sockets() != of_first).then_some(()));
    let thread = say(&harness, LEAD, &format!("oar -r {KONFLUX} status"));
    answer(&harness, &thread, "oar status: done");
    second.stopped();
}

#[test]
fn long_output_is_one_file() {
    let harness = with_permissions();
    let bot = Bot::start(&harness);
    let thread = say(&harness, LEAD, "oarctl operations --output json");
    answer(&harness, &thread, "The output is in the file");
    settled(&harness);
    assert_eq!(answers(&harness, &thread).len(), 1);
    let content = {
        let slack = harness.sandbox.world().slack.lock();
        let (_, file) = slack.files.first().unwrap();
        file.content.clone().unwrap()
    };
    assert!(content.len() > 4000 && serde_json::from_str::<Value>(&content).is_ok(), "{content}");
    bot.stopped();
}

#[test]
fn a_dry_run_opens_no_socket_and_says_what_is_not_right() {
    let harness = with_permissions();
    harness.sandbox.clear_requests();
    let run = harness.run("oarctl", ["slack-bot", "--dry-run"]).expect(0);
    assert!(run.stdout.contains("answered in qe-demo") && run.stdout.contains("no socket"), "{run:?}");
    let lines = harness.request_lines();
    assert!(!lines.contains("/link") && !lines.contains("PUT"), "{lines}");
    let nobody = Harness::new();
    let run = nobody.run("oarctl", ["slack-bot", "--dry-run"]).expect(0);
    assert!(run.stderr.contains("nobody may do anything"), "{run:?}");
    let without = with_permissions().env("SLACK_APP_TOKEN", "");
    let run = without.run("oarctl", ["slack-bot"]).expect(3);
    assert!(run.stderr.contains("SLACK_APP_TOKEN"), "{run:?}");
    let wrong = with_permissions().env("SLACK_APP_TOKEN", "xapp-wrong");
    let run = wrong.run("oarctl", ["slack-bot", "--interval", "1"]).expect(3);
    assert!(run.stderr.contains("SLACK_APP_TOKEN") && !run.all().contains("xapp-wrong"), "{run:?}");
}

#[test]
fn a_dry_run_names_each_problem_and_its_next_step() {
    let harness = with_permissions();
    change(&harness, "channel", &json!({"name": CHANNEL, "is_member": false}));
    let narrow = harness.env("SLACK_BOT_TOKEN", sandbox::credentials::SLACK_BOT_TOKEN_NARROW);
    let run = narrow.run("oarctl", ["slack-bot", "--dry-run"]).expect(3);
    for words in [
        "SLACK_BOT_TOKEN lacks the scope `reactions:write`",
        "Give the Slack app the scope `reactions:write` and install it again.",
        "the members of @demo-leads-4-19 are not known",
    ] {
        assert!(run.stderr.contains(words), "{words}: {run:?}");
    }
    let permissions = json!({
        CHANNEL: {"read": "nobody-knows"}, "closed-demo": {"read": "demo-leads-4-19"}, "no-such-channel": {"read": "demo-leads-4-19"},
    });
    let harness =
        slack_bot::with_section(Harness::new(), &json!({"permissions": permissions, "permisions": {}}));
    change(&harness, "channel", &json!({"name": CHANNEL, "is_member": false}));
    let run = harness.run("oarctl", ["slack-bot", "--dry-run"]).expect(3);
    for words in [
        "`slack_bot.permisions` is not a key of the Slack bot",
        "the members of @nobody-knows are not known",
        "Correct the handle under `slack_bot.permissions`",
        "no-such-channel is not among those that the bot is in",
        "/invite followed by the bot's name",
    ] {
        assert!(run.stderr.contains(words), "{words}: {run:?}");
    }
    assert!(!run.stderr.contains("lacks the scope"), "{run:?}");
    let run =
        harness.env("SLACK_APP_TOKEN", "xapp-wrong").run("oarctl", ["slack-bot", "--dry-run"]).expect(3);
    assert!(run.stderr.contains("SLACK_APP_TOKEN is wrong"), "{run:?}");
}

#[test]
fn a_store_that_is_out_at_the_start_refuses_nothing_that_ran() {
    let harness = with_permissions();
    let bot = Bot::start(&harness);
    let before = say(&harness, LEAD, &format!("oar -r {KONFLUX} status"));
    answer(&harness, &before, "oar status: done");
    settled(&harness);
    bot.killed();
    let fails = FaultKind::Status { code: 500, body: None, headers: Vec::new() };
    let out = harness.sandbox.faults().add(Fault::on("github", fails).path("*/slack-bot.json").forever());
    let bot = Bot::start(&harness);
    let after = say(&harness, LEAD, &format!("oar -r {KONFLUX} status"));
    let help = say(&harness, LEAD, &format!("<@{BOT}> help"));
    until("it has tried to read its file more than once", || {
        (harness.sandbox.faults().hits(out) > 10).then_some(())
    });
    assert_eq!((answers(&harness, &before).len(), answers(&harness, &after).len()), (1, 0));
    harness.sandbox.faults().clear();
    answer(&harness, &after, "oar status: done");
    answer(&harness, &help, "You may use these commands");
    settled(&harness);
    assert_eq!((answers(&harness, &before).len(), answers(&harness, &after).len()), (1, 1));
    bot.stopped();
}

#[test]
fn help_and_refusals_cost_no_write_and_are_said_once() {
    let harness = with_permissions();
    let bot = Bot::start(&harness);
    harness.sandbox.clear_requests();
    let help = say(&harness, LEAD, &format!("<@{BOT}> help"));
    let refused = say(&harness, OTHER, &format!("oar -r {KONFLUX} status"));
    let wrong = say(&harness, LEAD, "oar -r 4.19.1 stat");
    answer(&harness, &help, "You may use these commands");
    answer(&harness, &refused, "only members of");
    answer(&harness, &wrong, "not understood");
    let writes = |lines: String| {
        lines.lines().filter(|line| line.contains("PUT") && line.contains("slack-bot")).count()
    };
    assert_eq!(writes(harness.request_lines()), 0);
    bot.killed();
    let bot = Bot::start(&harness);
    let last = say(&harness, LEAD, &format!("oar -r {KONFLUX} status"));
    answer(&harness, &last, "oar status: done");
    settled(&harness);
    for thread in [&help, &refused, &wrong] {
        assert_eq!(answers(&harness, thread).len(), 1);
    }
    bot.stopped();
}

/// One look with `--once`, which ends with this code.
#[track_caller]
fn look(harness: &Harness, code: i32) -> Run {
    harness.run("oarctl", ["slack-bot", "--once"]).expect(code)
}

/// Writes of what the bot remembers fail, from this one on.
fn forgets_after(harness: &Harness, writes: u64) {
    let fails = FaultKind::Status { code: 500, body: None, headers: Vec::new() };
    let fault = Fault::on("github", fails).method("PUT").path("*/slack-bot.json").skip(writes).forever();
    harness.sandbox.faults().add(fault);
}

#[test]
fn one_look_answers_what_waits_and_ends() {
    let harness = with_permissions();
    let thread = say(&harness, LEAD, &format!("oar -r {KONFLUX} status"));
    let run = look(&harness, 0);
    assert!(run.stdout.contains("1 message answered"), "{run:?}");
    assert_eq!(answers(&harness, &thread).len(), 1);
    until("its socket is closed", || (open(&harness) == 0).then_some(()));
    let run = harness.run("oarctl", ["slack-bot", "--once", "--output", "json"]).expect(0);
    assert_eq!(run.json(), json!({"messages": 0, "problems": []}));
    assert_eq!(answers(&harness, &thread).len(), 1);
    let bot = Bot::start(&harness);
    let run = look(&harness, 5);
    assert!(run.stderr.contains("another instance of oarctl-slack-bot-slack is running"), "{run:?}");
    bot.stopped();
    change(&harness, "sockets", &json!({"enabled": false}));
    let run = look(&harness, 4);
    assert!(run.stderr.contains("error: no socket to Slack could be opened"), "{run:?}");
    harness.sandbox.assert_no_unexpected();
}

#[test]
fn what_was_answered_is_not_called_interrupted() {
    let harness = with_permissions();
    let thread = say(&harness, LEAD, &format!("oar -r {KONFLUX} status"));
    forgets_after(&harness, 1);
    let run = look(&harness, 4);
    assert!(run.stderr.contains("that the command has ended is not recorded"), "{run:?}");
    answer(&harness, &thread, "oar status: done");
    assert_eq!(memory(&harness)["runs"].as_array().map(Vec::len), Some(1));
    harness.sandbox.faults().clear();
    look(&harness, 0);
    settled(&harness);
    let said: Vec<String> = answers(&harness, &thread).into_iter().map(|message| message.text).collect();
    assert_eq!(said.len(), 1, "{said:#?}");
}

#[test]
fn a_command_that_was_to_be_written_again_is_not_run_later_by_itself() {
    let harness = with_permissions();
    let thread = say(&harness, LEAD, &format!("oar -r {KONFLUX} status"));
    forgets_after(&harness, 0);
    look(&harness, 4);
    answer(&harness, &thread, "so nothing was run; write it again");
    harness.sandbox.faults().clear();
    let again = say_in(&harness, &thread, LEAD, &format!("oar -r {KONFLUX} status"));
    let run = look(&harness, 0);
    assert!(run.stdout.contains("1 message answered"), "{run:?}");
    let keys: Vec<Value> = answers(&harness, &thread)
        .into_iter()
        .map(|message| message.metadata.unwrap()["event_payload"]["key"].clone())
        .collect();
    let ends = |key: &Value, ts: &str, name: &str| key.as_str().unwrap().ends_with(&format!("-{ts}-{name}"));
    assert_eq!(keys.len(), 2, "{keys:?}");
    assert!(ends(&keys[0], &thread, "not-taken") && ends(&keys[1], &again, "answer"), "{keys:?}");
}

#[test]
fn a_result_that_slack_did_not_take_is_told_as_unknown_by_the_next() {
    let harness = with_permissions();
    let thread = say(&harness, LEAD, &format!("oar -r {KONFLUX} status"));
    let fails = FaultKind::Status { code: 500, body: None, headers: Vec::new() };
    harness.sandbox.faults().add(Fault::on("slack", fails).path("*/chat.postMessage").forever());
    let run = look(&harness, 4);
    assert!(run.stderr.contains("the answer was not sent"), "{run:?}");
    harness.sandbox.faults().clear();
    look(&harness, 0);
    answer(&harness, &thread, "its result is not known here");
    settled(&harness);
    assert_eq!(answers(&harness, &thread).len(), 1);
}
