//! Jobs, the queue and builds, and how time moves them.

use std::collections::VecDeque;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::world::Simulated;

/// How long an item waits before it runs.
const QUIET: SignedDuration = SignedDuration::from_secs(5);
/// How long Jenkins remembers an item that left the queue.
const REMEMBERED: SignedDuration = SignedDuration::from_mins(5);

/// When a write must carry a crumb.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Crumbs {
    /// Never: there is no issuer.
    Off,
    /// When the caller signs in with a password; an API token needs none.
    #[default]
    ForPasswords,
    /// Always.
    Always,
}

/// Who may sign in.
#[derive(Clone, Debug)]
pub struct Account {
    /// Its name.
    pub user: String,
    /// Its API token or password.
    pub secret: String,
    /// Whether the secret is an API token.
    pub is_token: bool,
    /// Whether it may start builds.
    pub may_build: bool,
}

/// One build.
#[derive(Clone, Debug)]
pub struct Build {
    /// Its number.
    pub number: u64,
    /// The queue item that it came from.
    pub item: u64,
    /// When it began.
    pub started: Timestamp,
    /// How long it takes.
    pub duration: SignedDuration,
    /// How it ends.
    pub outcome: String,
    /// Its parameters.
    pub parameters: Vec<(String, Value)>,
}

impl Build {
    /// Its result at `now`; nothing while it runs.
    pub fn result_at(&self, now: Timestamp) -> Option<&str> {
        (now.duration_since(self.started) >= self.duration).then_some(self.outcome.as_str())
    }
}

/// One item of the queue, until it is forgotten.
#[derive(Clone, Debug)]
pub struct Item {
    /// Its number.
    pub id: u64,
    /// The path of its job.
    pub job: String,
    /// Since when it waits.
    pub since: Timestamp,
    /// The parameters of its build.
    pub parameters: Vec<(String, Value)>,
    /// Whether it was taken out.
    pub cancelled: bool,
    /// Its build, and when it left the queue.
    pub left: Option<(u64, Timestamp)>,
}

/// A job.
#[derive(Clone, Debug)]
pub struct Job {
    /// Its path through the folders: `zstreams/Stage-Pipeline`.
    pub path: String,
    /// The parameters that it takes, with their defaults; none means that it takes none.
    pub parameters: Vec<(String, Value)>,
    /// Its builds, oldest first.
    pub builds: Vec<Build>,
    /// The number of the next one.
    pub next: u64,
    /// How the next builds end, after which time.
    pub script: VecDeque<(String, SignedDuration)>,
}

impl Job {
    /// The path below the base: `/job/zstreams/job/Stage-Pipeline`.
    pub fn url_path(&self) -> String {
        self.path.split('/').flat_map(|part| ["/job/", part]).collect()
    }
}

/// Everything that Jenkins knows.
#[derive(Clone, Debug, Default)]
pub struct State {
    /// Who may sign in.
    pub accounts: Vec<Account>,
    /// Whether everybody may read.
    pub anonymous_read: bool,
    /// When a crumb is needed.
    pub crumbs: Crumbs,
    /// All jobs.
    pub jobs: Vec<Job>,
    /// The queue, with items that left it.
    pub items: Vec<Item>,
    /// Whether no executor is free: then items stay in the queue.
    pub busy: bool,
    /// Items so far.
    pub last_item: u64,
}

impl State {
    /// The job at this path.
    pub fn job_mut(&mut self, path: &str) -> Option<&mut Job> {
        self.jobs.iter_mut().find(|job| job.path == path)
    }

    /// Lets time pass: items leave the queue, old ones are forgotten.
    pub fn advance(&mut self, now: Timestamp) {
        let busy = self.busy;
        for item in &mut self.items {
            let waited = now.duration_since(item.since) >= QUIET;
            if item.cancelled || item.left.is_some() || busy || !waited {
                continue;
            }
            let Some(job) = self.jobs.iter_mut().find(|job| job.path == item.job) else { continue };
            let (outcome, duration) = job
                .script
                .pop_front()
                .unwrap_or_else(|| ("SUCCESS".to_owned(), SignedDuration::from_hours(2)));
            let started = item.since.checked_add(QUIET).unwrap_or(now);
            job.builds.push(Build {
                number: job.next,
                item: item.id,
                started,
                duration,
                outcome,
                parameters: item.parameters.clone(),
            });
            item.left = Some((job.next, started));
            job.next += 1;
        }
        self.items.retain(|item| match (item.left, item.cancelled) {
            (Some((_, at)), _) => now.duration_since(at) < REMEMBERED,
            (None, true) => now.duration_since(item.since) < REMEMBERED,
            (None, false) => true,
        });
    }

    /// Puts a build into the queue; an item with the same parameters that still waits is taken instead, as Jenkins
    /// does.
    pub fn enqueue(&mut self, job: &str, parameters: Vec<(String, Value)>, now: Timestamp) -> u64 {
        let same = self.items.iter().find(|item| {
            item.job == job && !item.cancelled && item.left.is_none() && item.parameters == parameters
        });
        if let Some(item) = same {
            return item.id;
        }
        self.last_item += 1;
        let id = self.last_item;
        let (cancelled, left) = (false, None);
        self.items.push(Item { id, job: job.to_owned(), since: now, parameters, cancelled, left });
        id
    }
}

impl Simulated for State {
    fn snapshot(&self) -> Value {
        let builds = |job: &Job| -> Vec<Value> {
            job.builds
                .iter()
                .map(|build| {
                    json!({
                        "number": build.number, "item": build.item, "started": build.started.to_string(),
                        "outcome": build.outcome, "duration_seconds": build.duration.as_secs(),
                        "parameters": build.parameters.iter().cloned().collect::<serde_json::Map<_, _>>(),
                    })
                })
                .collect()
        };
        let jobs: serde_json::Map<String, Value> =
            self.jobs.iter().map(|job| (job.path.clone(), builds(job).into())).collect();
        let queue: Vec<u64> =
            self.items.iter().filter(|item| item.left.is_none()).map(|item| item.id).collect();
        json!({"jobs": jobs, "queue": queue})
    }

    /// `script {"job", "outcome", "duration_seconds"}`, `finish {"job", "number", "outcome"}`, `cancel {"item"}`,
    /// `busy {"busy"}`.
    fn change(&mut self, operation: &str, body: &Value, now: Timestamp) -> Result<Value, String> {
        self.advance(now);
        let text = |name: &str| {
            body.get(name).and_then(Value::as_str).ok_or_else(|| format!("{operation} needs the text {name}"))
        };
        match operation {
            "script" => {
                let seconds = body.get("duration_seconds").and_then(Value::as_i64).unwrap_or(7200);
                let step = (text("outcome")?.to_owned(), SignedDuration::from_secs(seconds));
                self.job_mut(text("job")?).ok_or("no such job")?.script.push_back(step);
            }
            "finish" => {
                let number = body.get("number").and_then(Value::as_u64).ok_or("finish needs a number")?;
                let outcome = text("outcome")?.to_owned();
                let job = self.job_mut(text("job")?).ok_or("no such job")?;
                let build = job.builds.iter_mut().find(|build| build.number == number);
                let build = build.ok_or("no such build")?;
                build.outcome = outcome;
                build.duration = now.duration_since(build.started);
            }
            "cancel" => {
                let id = body.get("item").and_then(Value::as_u64).ok_or("cancel needs an item")?;
                let item = self.items.iter_mut().find(|item| item.id == id && item.left.is_none());
                item.ok_or("no such item in the queue")?.cancelled = true;
            }
            "busy" => {
                self.busy = body.get("busy").and_then(Value::as_bool).ok_or("busy needs true or false")?;
            }
            _ => return Err("operations: script, finish, cancel, busy".to_owned()),
        }
        Ok(json!({"done": operation}))
    }
}
