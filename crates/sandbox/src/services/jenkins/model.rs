//! Jobs, the queue and builds, and how time moves them.

use std::collections::{BTreeMap, VecDeque};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::world::Simulated;

/// How long an item waits before it runs.
const QUIET: SignedDuration = SignedDuration::from_secs(5);
/// How long it takes from leaving the queue to the beginning of a build's script.
pub(super) const BEGINS: SignedDuration = SignedDuration::from_millis(500);
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

/// What users see of a job. (All users here have the same rights but for building.)
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Visible {
    /// Everything.
    #[default]
    Whole,
    /// That it exists: reading it is refused (403).
    Name,
    /// No access: it seems not to exist (404).
    Nothing,
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
    /// The queue item that it came from; none when Jenkins does not know it, and says -1.
    pub item: Option<u64>,
    /// When it started.
    pub started: Timestamp,
    /// How long it takes.
    pub duration: SignedDuration,
    /// How it ends.
    pub outcome: String,
    /// Its parameters.
    pub parameters: Vec<(String, Value)>,
    /// A result that it carries while it still runs.
    pub early: Option<String>,
}

impl Build {
    /// Its result at `now`; nothing while it runs, but for an early one.
    pub fn result_at(&self, now: Timestamp) -> Option<&str> {
        if self.has_ended(now) { Some(&self.outcome) } else { self.early.as_deref() }
    }

    /// Whether it has ended.
    pub fn has_ended(&self, now: Timestamp) -> bool {
        now.duration_since(self.started) >= self.duration
    }

    /// Whether its script has started.
    pub fn has_begun(&self, now: Timestamp) -> bool {
        now.duration_since(self.started) >= BEGINS
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
    /// The values that parameters list.
    pub choices: BTreeMap<String, Vec<String>>,
    /// Whether it cannot be built (409).
    pub disabled: bool,
    /// What users see of it.
    pub visible: Visible,
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
#[expect(clippy::struct_excessive_bools, reason = "moods of Jenkins, each of its own")]
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
    /// Whether a plug-in vetoes everything that would be queued.
    pub vetoes: bool,
    /// Whether Jenkins starts or restarts: it answers 503 to everything.
    pub starting: bool,
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
                item: Some(item.id),
                started,
                duration,
                outcome,
                parameters: item.parameters.clone(),
                early: None,
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

    /// The item with the same parameters that still waits: Jenkins takes it instead of a new one.
    pub fn waiting(&self, job: &str, parameters: &[(String, Value)]) -> Option<u64> {
        let same = |item: &&Item| {
            item.job == job && !item.cancelled && item.left.is_none() && item.parameters == parameters
        };
        self.items.iter().find(same).map(|item| item.id)
    }

    /// Puts a build into the queue, unless an equal one waits.
    pub fn enqueue(&mut self, job: &str, parameters: Vec<(String, Value)>, now: Timestamp) -> u64 {
        if let Some(id) = self.waiting(job, &parameters) {
            return id;
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

    /// `script {"job", "outcome", "duration_seconds"}`, `finish {"job", "number", "outcome"}`, `early` with the same
    /// fields (a result while the build runs), `cancel {"item"}`, `busy {"busy"}`, `vetoes {"vetoes"}`,
    /// `starting {"starting"}`, `define {"job", "parameter", "choices"}` and `undefine {"job", "parameter"}` of
    /// parameters, `job {"job", "disabled", "visible": "whole" | "name" | "nothing"}`.
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
            "early" => {
                let number = body.get("number").and_then(Value::as_u64).ok_or("early needs a number")?;
                let outcome = text("outcome")?.to_owned();
                let job = self.job_mut(text("job")?).ok_or("no such job")?;
                let build = job.builds.iter_mut().find(|build| build.number == number);
                build.ok_or("no such build")?.early = Some(outcome);
            }
            "vetoes" => {
                self.vetoes =
                    body.get("vetoes").and_then(Value::as_bool).ok_or("vetoes needs true or false")?;
            }
            "starting" => {
                self.starting =
                    body.get("starting").and_then(Value::as_bool).ok_or("starting needs true or false")?;
            }
            "define" | "undefine" => {
                let parameter = text("parameter")?.to_owned();
                let job = self.job_mut(text("job")?).ok_or("no such job")?;
                job.parameters.retain(|(name, _)| *name != parameter);
                job.choices.remove(&parameter);
                if operation == "define" {
                    let choices = body.get("choices").and_then(Value::as_array).cloned().unwrap_or_default();
                    let choices: Vec<String> =
                        choices.iter().filter_map(|choice| choice.as_str().map(str::to_owned)).collect();
                    let first = choices.first().cloned().unwrap_or_default();
                    job.parameters.push((parameter.clone(), first.into()));
                    if !choices.is_empty() {
                        job.choices.insert(parameter, choices);
                    }
                }
            }
            "job" => {
                let visible = match body.get("visible").and_then(Value::as_str) {
                    None => None,
                    Some("whole") => Some(Visible::Whole),
                    Some("name") => Some(Visible::Name),
                    Some("nothing") => Some(Visible::Nothing),
                    Some(_) => return Err("visible is whole, name or nothing".to_owned()),
                };
                let job = self.job_mut(text("job")?).ok_or("no such job")?;
                job.visible = visible.unwrap_or(job.visible);
                job.disabled = body.get("disabled").and_then(Value::as_bool).unwrap_or(job.disabled);
            }
            _ => {
                return Err("operations: script, finish, early, cancel, busy, vetoes, starting, define, undefine, job"
                    .to_owned());
            }
        }
        Ok(json!({"done": operation}))
    }
}
