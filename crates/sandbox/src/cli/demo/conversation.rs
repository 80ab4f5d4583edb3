//! People and the Slack bot in the demonstration: the bot runs in the background, and what it answers is shown.

use std::{
    collections::HashSet,
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use super::{Failure, print};
use crate::{
    scenario::{PEOPLE, Person},
    services::slack::state::Message,
    world::World,
};

/// The channel in which people give commands.
const CHANNEL: &str = "qe-demo";
/// The group whose members may do so.
const GROUP: &str = "demo-leads-4-19";
/// The longest that an answer may take.
const LIMIT: Duration = Duration::from_mins(1);
/// How many lines of an answer are shown at its beginning.
const LINES: usize = 8;
/// How many lines at its end are shown of a longer one.
const END: usize = 2;

/// The bot, which ends with it.
pub(super) struct Bot {
    child: Child,
    /// Where it writes its log.
    log: PathBuf,
    /// The first message of the conversation, and the messages of it that were shown.
    thread: String,
    shown: HashSet<(String, String)>,
}

/// Adds to the configuration document at `path`, as text, who may give commands, who owns releases, and what the engine starts by
/// itself: what the documentation of `oar drive` recommends.
pub(super) fn permit(path: &Path) -> Result<(), Failure> {
    let mut document: Value =
        serde_json::from_str(&fs::read_to_string(path)?).map_err(std::io::Error::from)?;
    if let Some(sections) = document.as_object_mut() {
        let rights = json!({"permissions": {(format!("#{CHANNEL}")): {"critical": GROUP}}});
        sections.insert("slack_bot".to_owned(), rights);
        sections.insert("owners".to_owned(), json!({"default": PEOPLE[0].email}));
        let started = ["push-to-cdn-staging", "image-consistency-check", "stage-testing"];
        let policy: Value = started.into_iter().map(|step| (step.to_owned(), json!("auto"))).collect();
        sections.insert("drive".to_owned(), policy);
    }
    Ok(fs::write(path, document.to_string())?)
}

impl Bot {
    /// Starts `command`, and waits until it listens.
    pub(super) fn start(world: &World, mut command: Command, log: PathBuf) -> Result<Self, Failure> {
        print("\n$ oarctl slack-bot &\n")?;
        let program = command.get_program().to_string_lossy().into_owned();
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log)?)
            .spawn()
            .map_err(|source| Failure::Spawn { program, source })?;
        let mut bot = Self { child, log, thread: String::new(), shown: HashSet::new() };
        bot.until("a socket of it", || {
            (!world.slack.lock().sockets.open_sockets().is_empty()).then_some(())
        })?;
        Ok(bot)
    }

    /// Somebody mentions it with a command; shows its answers when one of them has these words.
    pub(super) fn ask(
        &mut self,
        world: &World,
        person: &Person,
        text: &str,
        words: &str,
    ) -> Result<(), Failure> {
        print(&format!("\n* {} writes in #{CHANNEL}: @oar {text}\n", person.name))?;
        let bot = world.slack.lock().bot().unwrap_or_default().to_owned();
        let message =
            json!({"channel": CHANNEL, "text": format!("<@{bot}> {text}"), "user": person.slack_id});
        let said = change(world, "message", &message)?;
        said.get("ts").and_then(Value::as_str).unwrap_or_default().clone_into(&mut self.thread);
        self.answered(world, words)
    }

    /// Somebody clicks a button that the conversation shows; shows its answers when one of them has these words.
    pub(super) fn click(
        &mut self,
        world: &World,
        person: &Person,
        button: &str,
        words: &str,
    ) -> Result<(), Failure> {
        print(&format!("\n* {} clicks {button}.\n", person.name))?;
        let with_buttons = self.answers(world).into_iter().find(|message| !buttons(message).is_empty());
        let ts = with_buttons.map(|message| message.ts).unwrap_or_default();
        let action = button.to_lowercase();
        let body = json!({"channel": CHANNEL, "ts": ts, "user": person.slack_id, "action_id": action});
        change(world, "click", &body)?;
        self.answered(world, words)
    }

    /// Stops it as a service manager does.
    pub(super) fn stop(mut self) -> Result<(), Failure> {
        print("\n$ kill %1\n")?;
        let id = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        if let Some(id) = id {
            kill_process(id, Signal::TERM).map_err(std::io::Error::from)?;
        }
        let mut left = None;
        let child = &mut self.child;
        let ended = until(|| {
            left = child.try_wait().ok().flatten();
            left.map(drop)
        });
        match (ended, left.and_then(|status| status.code())) {
            (Some(()), Some(143)) => Ok(()),
            _ => Err(self.failure(format!("{left:?}"), "exit code 143".to_owned())),
        }
    }

    fn answers(&self, world: &World) -> Vec<Message> {
        let of_bot = |message: &Message| {
            message.bot_id.is_some() && message.thread_ts.as_deref() == Some(self.thread.as_str())
        };
        world.slack.lock().messages_in(CHANNEL).into_iter().filter(of_bot).collect()
    }

    fn answered(&mut self, world: &World, words: &str) -> Result<(), Failure> {
        let found = until(|| {
            self.answers(world).iter().any(|message| shown(world, message).contains(words)).then_some(())
        });
        for message in self.answers(world) {
            let text = shown(world, &message);
            if self.shown.insert((message.ts.clone(), text.clone())) {
                let lines: Vec<&str> = text.lines().collect();
                for line in lines.iter().take(LINES) {
                    print(&format!("    {line}\n"))?;
                }
                // The question and the buttons stand at the end.
                let end = lines.len().saturating_sub(END).max(LINES);
                if end > LINES {
                    print(&format!("    (and {} lines more)\n", end - LINES))?;
                }
                for line in lines.iter().skip(end) {
                    print(&format!("    {line}\n"))?;
                }
            }
        }
        found.ok_or_else(|| self.failure("no such answer".to_owned(), format!("`{words}` in the thread")))
    }

    fn until<T>(&mut self, what: &str, look: impl FnMut() -> Option<T>) -> Result<T, Failure> {
        until(look).ok_or_else(|| self.failure(format!("no {what}"), what.to_owned()))
    }

    fn failure(&self, status: String, expected: String) -> Failure {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        let why = super::reason(&log, &log);
        Failure::Step { line: "oarctl slack-bot".to_owned(), status, expected, why }
    }
}

impl Drop for Bot {
    fn drop(&mut self) {
        // After a failure nobody else ends it; one that has ended cannot be killed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Looks again and again; `None` when it did not come in time.
fn until<T>(mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let started = Instant::now();
    loop {
        if let Some(found) = look() {
            return Some(found);
        }
        if started.elapsed() >= LIMIT {
            return None;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn change(world: &World, operation: &'static str, body: &Value) -> Result<Value, Failure> {
    let now = world.clock.now();
    let changed = world.with_service("slack", |slack| slack.change(operation, body, now));
    let known = changed.ok_or_else(|| "there is no Slack".to_owned());
    known.and_then(|changed| changed).map_err(|why| Failure::Action { action: operation, why })
}

/// The labels of its buttons.
fn buttons(message: &Message) -> Vec<&str> {
    let blocks = message.blocks.as_ref().and_then(Value::as_array).into_iter().flatten();
    let elements = blocks.filter_map(|block| block.get("elements")?.as_array()).flatten();
    elements.filter_map(|element| element.get("text")?.get("text")?.as_str()).collect()
}

/// A message as people see it: its blocks, where it has some. Of a plan that is answered only what is new, as it was shown before.
fn shown(world: &World, message: &Message) -> String {
    let blocks = message.blocks.as_ref().and_then(Value::as_array).into_iter().flatten();
    let mut parts: Vec<&str> = blocks.filter_map(|block| block.get("text")?.get("text")?.as_str()).collect();
    let labels: Vec<String> = buttons(message).iter().map(|label| format!("[{label}]")).collect();
    let labels = labels.join(" ");
    if parts.is_empty() || labels.is_empty() {
        parts = vec![&message.text];
    }
    if !labels.is_empty() {
        parts.push(&labels);
    }
    world.slack.lock().readable(&parts.join("\n").replace("```\n", "").replace("\n```", ""))
}
