//! Prow jobs and who may start them.

use std::collections::{BTreeMap, HashSet, VecDeque};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::world::Simulated;

/// How long finished jobs are kept, from their start, except the newest of each name.
const KEPT: SignedDuration = SignedDuration::from_hours(24);

/// How far a job is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobState {
    /// Waits to be scheduled.
    Scheduling,
    /// Without a pod.
    Triggered,
    /// With a pod.
    Pending,
    /// Ended well.
    Success,
    /// Ran and failed.
    Failure,
    /// Was killed.
    Aborted,
    /// Could not be scheduled.
    Error,
}

impl JobState {
    /// Every state.
    pub const ALL: [Self; 7] = [
        Self::Scheduling,
        Self::Triggered,
        Self::Pending,
        Self::Success,
        Self::Failure,
        Self::Aborted,
        Self::Error,
    ];

    /// As the deck writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Scheduling => "scheduling",
            Self::Triggered => "triggered",
            Self::Pending => "pending",
            Self::Success => "success",
            Self::Failure => "failure",
            Self::Aborted => "aborted",
            Self::Error => "error",
        }
    }

    /// The state with this name, in any case.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name().eq_ignore_ascii_case(name))
    }

    /// Whether it is an end.
    pub fn is_final(self) -> bool {
        !matches!(self, Self::Scheduling | Self::Triggered | Self::Pending)
    }
}

/// How long the steps of a job's life take.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// From its creation until the deck and Gangway's list show it.
    pub visible_after: SignedDuration,
    /// From its creation until it was scheduled.
    pub triggered_after: SignedDuration,
    /// From its creation until it has a pod, and so an address.
    pub pending_after: SignedDuration,
    /// How long after its end it still reads as pending, with a completion time.
    pub change_takes: SignedDuration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            visible_after: SignedDuration::ZERO,
            triggered_after: SignedDuration::from_secs(1),
            pending_after: SignedDuration::from_secs(20),
            change_takes: SignedDuration::ZERO,
        }
    }
}

/// One execution of a job.
#[derive(Clone, Debug)]
pub struct ProwJob {
    /// Its id.
    pub id: String,
    /// The name of the job.
    pub job: String,
    /// When it was created.
    pub started: Timestamp,
    /// How it will end, and after which time.
    pub outcome: JobState,
    /// From its start to its end.
    pub duration: SignedDuration,
    /// How long the steps before and after take.
    pub pace: Pace,
    /// The number of its run, in addresses.
    pub build: u64,
    /// The numbers of runs whose pods were evicted or lost, and which left their artifacts.
    pub replaced: Vec<u64>,
    /// Environment of its container.
    pub envs: BTreeMap<String, String>,
    /// Labels of its object.
    pub labels: BTreeMap<String, String>,
    /// Annotations of its object.
    pub annotations: BTreeMap<String, String>,
}

impl ProwJob {
    /// Its pod was lost: another one takes its place under another number.
    pub fn replace_pod(&mut self) {
        self.replaced.push(self.build);
        self.build += 500_000;
    }

    /// How far it is at `now`.
    pub fn state_at(&self, now: Timestamp) -> JobState {
        let age = now.duration_since(self.started);
        if age >= self.duration + self.pace.change_takes {
            self.outcome
        } else if age >= self.pace.pending_after {
            if self.outcome == JobState::Error { JobState::Triggered } else { JobState::Pending }
        } else if age >= self.pace.triggered_after {
            JobState::Triggered
        } else {
            JobState::Scheduling
        }
    }

    /// Whether the clean-up leaves it, whatever came after it.
    fn is_kept(&self, now: Timestamp) -> bool {
        !self.state_at(now).is_final() || now.duration_since(self.started) < KEPT
    }

    /// Whether the deck and the list show it.
    pub fn is_visible(&self, now: Timestamp) -> bool {
        now.duration_since(self.started) >= self.pace.visible_after
    }

    /// Whether it has a pod, and so an address. One that could not be scheduled never has.
    pub fn has_page(&self, now: Timestamp) -> bool {
        let state = self.state_at(now);
        !matches!(state, JobState::Scheduling | JobState::Triggered | JobState::Error)
    }

    /// When it ended.
    pub fn completed(&self, now: Timestamp) -> Option<Timestamp> {
        let end = self.started.checked_add(self.duration).ok()?;
        (end <= now).then_some(end)
    }

    /// When its pod started.
    pub fn pending_since(&self, now: Timestamp) -> Option<Timestamp> {
        let at = self.started.checked_add(self.pace.pending_after.min(self.duration)).ok()?;
        self.has_page(now).then_some(at)
    }

    /// The name of the test inside the job, which is the folder of its artifacts.
    pub fn target(&self) -> &str {
        self.job.split_once("automated-release-").map_or(self.job.as_str(), |(_, test)| test)
    }

    /// The bucket of its artifacts.
    pub fn bucket(&self) -> &'static str {
        if self.job.contains("openshift-tests-private") { QE_BUCKET } else { "test-platform-results" }
    }

    /// The page of its run on the deck at `base`.
    pub fn page(&self, base: &str) -> String {
        format!("{base}/view/gs/{}/logs/{}/{}", self.bucket(), self.job, self.build)
    }
}

/// The bucket with the artifacts of QE's jobs.
pub const QE_BUCKET: &str = "qe-private-deck";

/// A periodic job that can be started.
#[derive(Clone, Debug)]
pub struct KnownJob {
    /// Its name.
    pub name: String,
    /// Whose it is.
    pub tenant: String,
}

/// A bearer token.
#[derive(Clone, Debug)]
pub struct Token {
    /// Its value.
    pub value: String,
    /// Whose jobs it may start.
    pub tenants: Vec<String>,
}

/// One bucket for all callers, as nginx keeps it.
#[derive(Clone, Copy, Debug)]
pub struct RateLimit {
    /// Requests that drain from the bucket in a minute.
    pub per_minute: f64,
    /// What the bucket holds beside the one that is served.
    pub burst: f64,
    /// What it holds now.
    pub level: f64,
    /// When that was so.
    pub at: Timestamp,
}

impl Default for RateLimit {
    fn default() -> Self {
        Self { per_minute: 20.0, burst: 10.0, level: 0.0, at: Timestamp::UNIX_EPOCH }
    }
}

impl RateLimit {
    /// Counts one request; whether it may pass.
    pub(super) fn admit(&mut self, now: Timestamp) -> bool {
        let seconds = now.duration_since(self.at).as_secs_f64().max(0.0);
        let level = (self.level - seconds * self.per_minute / 60.0).max(0.0);
        self.at = now;
        if level > self.burst {
            self.level = level;
            return false;
        }
        self.level = level + 1.0;
        true
    }
}

/// Everything that Prow knows.
#[derive(Clone, Debug, Default)]
pub struct State {
    /// What can be started.
    pub known: Vec<KnownJob>,
    /// Who may start it.
    pub tokens: Vec<Token>,
    /// All executions, oldest first.
    pub jobs: Vec<ProwJob>,
    /// The limit in front of Gangway.
    pub limit: RateLimit,
    /// How long the steps of the next jobs take.
    pub pace: Pace,
    /// Whether the server forgets labels and annotations of a request, as older ones do.
    pub drops_annotations: bool,
    /// Whether Gangway's own look at the cluster fails: its list is empty then, and says nothing of it.
    pub lists_nothing: bool,
    /// Whether the deck's look at the cluster fails, which it answers with 404 too.
    pub lookups_fail: bool,
    /// The executions from before: the clean-up keeps the newest of every job.
    earlier: Vec<ProwJob>,
    scripts: BTreeMap<String, VecDeque<(JobState, SignedDuration)>>,
}

impl State {
    /// The next execution of `job` ends so, after that time.
    pub fn script(&mut self, job: &str, outcome: JobState, duration: SignedDuration) {
        self.scripts.entry(job.to_owned()).or_default().push_back((outcome, duration));
    }

    /// A job that can be started; one that ran before has an execution of some time ago.
    pub fn know(&mut self, name: &str, tenant: &str, ran_before: bool) {
        self.known.push(KnownJob { name: name.to_owned(), tenant: tenant.to_owned() });
        if ran_before {
            let number = self.earlier.len() as u64 + 1;
            self.earlier.push(ProwJob {
                id: format!("00000000-0000-4000-8000-{number:012}"),
                job: name.to_owned(),
                started: Timestamp::UNIX_EPOCH + SignedDuration::from_hours(490_000),
                outcome: JobState::Success,
                duration: SignedDuration::from_hours(3),
                pace: Pace::default(),
                build: 2_000_000_000_000_000_000 + number,
                replaced: Vec::new(),
                envs: BTreeMap::new(),
                labels: BTreeMap::new(),
                annotations: BTreeMap::new(),
            });
        }
    }

    /// The executions from before of jobs that have no newer one to be seen.
    fn earlier(&self, now: Timestamp) -> impl Iterator<Item = &ProwJob> {
        let newer =
            move |job: &ProwJob| self.jobs.iter().any(|other| other.job == job.job && other.is_visible(now));
        self.earlier.iter().filter(move |job| !newer(job))
    }

    /// The executions that are visible and still kept at `now`, oldest first.
    pub fn kept(&self, now: Timestamp) -> impl Iterator<Item = &ProwJob> {
        let mut named = HashSet::new();
        let mut kept: Vec<&ProwJob> =
            self.jobs.iter().rev().filter(|job| named.insert(job.job.as_str()) || job.is_kept(now)).collect();
        kept.reverse();
        self.earlier(now).chain(kept.into_iter().filter(move |job| job.is_visible(now)))
    }

    /// The execution with this id, if it is visible and still kept at `now`.
    pub fn find(&self, id: &str, now: Timestamp) -> Option<&ProwJob> {
        if let Some(job) = self.earlier(now).find(|job| job.id == id) {
            return Some(job);
        }
        let place = self.jobs.iter().position(|job| job.id == id)?;
        let (_, rest) = self.jobs.split_at_checked(place)?;
        let (job, later) = rest.split_first()?;
        let kept = job.is_kept(now) || later.iter().all(|other| other.job != job.job);
        Some(job).filter(|job| kept && job.is_visible(now))
    }

    /// Creates an execution.
    pub fn start(
        &mut self,
        job: &str,
        envs: BTreeMap<String, String>,
        annotations: BTreeMap<String, String>,
        labels: BTreeMap<String, String>,
        now: Timestamp,
    ) -> ProwJob {
        let scripted = self.scripts.get_mut(job).and_then(VecDeque::pop_front);
        let (outcome, duration) = scripted.unwrap_or((JobState::Success, SignedDuration::from_mins(26)));
        let number = self.jobs.len() as u64 + 1;
        let created = ProwJob {
            id: uuid::Uuid::new_v4().to_string(),
            job: job.to_owned(),
            started: now,
            outcome,
            duration,
            pace: self.pace,
            build: 2_099_000_000_000_000_000 + number,
            replaced: Vec::new(),
            envs,
            labels: if self.drops_annotations { BTreeMap::new() } else { labels },
            annotations: if self.drops_annotations { BTreeMap::new() } else { annotations },
        };
        self.jobs.push(created.clone());
        created
    }
}

impl Simulated for State {
    fn snapshot(&self) -> Value {
        let jobs: Vec<Value> = self
            .jobs
            .iter()
            .map(|job| {
                json!({
                    "id": job.id, "job": job.job, "started": job.started.to_string(),
                    "outcome": job.outcome.name(), "duration_seconds": job.duration.as_secs(),
                    "envs": job.envs, "annotations": job.annotations,
                })
            })
            .collect();
        json!({"jobs": jobs})
    }

    /// `script {"job", "outcome", "duration_seconds"}`, `finish {"id", "outcome"}`, `know {"job", "tenant", "new"}`, `limit
    /// {"per_minute", "burst"}`, `pace {"visible_after_seconds", "pending_after_seconds", "change_takes_seconds"}`,
    /// `replace-pod {"id"}` (evicted: its run gets another number and folder), `list-nothing {"on"}` (Gangway),
    /// `fail-lookups {"on"}` (the deck).
    fn change(&mut self, operation: &str, body: &Value, now: Timestamp) -> Result<Value, String> {
        let text = |name: &str| {
            body.get(name).and_then(Value::as_str).ok_or_else(|| format!("{operation} needs the text {name}"))
        };
        let outcome = || {
            JobState::parse(text("outcome")?)
                .filter(|state| state.is_final())
                .ok_or_else(|| "outcome is success, failure, aborted or error".to_owned())
        };
        let flag = |name: &str| body.get(name).and_then(Value::as_bool);
        let seconds = |name: &str| body.get(name).and_then(Value::as_i64).map(SignedDuration::from_secs);
        match operation {
            "script" => {
                let duration = seconds("duration_seconds").unwrap_or(SignedDuration::from_mins(26));
                self.script(text("job")?, outcome()?, duration);
            }
            "finish" => {
                let id = text("id")?.to_owned();
                let outcome = outcome()?;
                let job = self.jobs.iter_mut().find(|job| job.id == id).ok_or("no such job")?;
                job.outcome = outcome;
                job.duration = now.duration_since(job.started);
            }
            "know" => {
                let tenant = body.get("tenant").and_then(Value::as_str).unwrap_or("qe-private");
                let new = body.get("new").and_then(Value::as_bool).unwrap_or(false);
                self.know(text("job")?, tenant, !new);
            }
            "replace-pod" => {
                let id = text("id")?;
                let job = self.jobs.iter_mut().find(|job| job.id == id).ok_or("no such job")?;
                job.replace_pod();
            }
            "list-nothing" => self.lists_nothing = flag("on").ok_or("list-nothing needs on")?,
            "fail-lookups" => self.lookups_fail = flag("on").ok_or("fail-lookups needs on")?,
            "limit" => {
                let number = |name: &str| body.get(name).and_then(Value::as_f64);
                self.limit.per_minute = number("per_minute").unwrap_or(self.limit.per_minute);
                self.limit.burst = number("burst").unwrap_or(self.limit.burst);
            }
            "pace" => {
                let pace = &mut self.pace;
                pace.visible_after = seconds("visible_after_seconds").unwrap_or(pace.visible_after);
                pace.pending_after = seconds("pending_after_seconds").unwrap_or(pace.pending_after);
                pace.change_takes = seconds("change_takes_seconds").unwrap_or(pace.change_takes);
            }
            _ => {
                let known = "script, finish, know, limit, pace, replace-pod, list-nothing, fail-lookups";
                return Err(format!("operations: {known}"));
            }
        }
        Ok(json!({"done": operation}))
    }
}
