use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use crate::clients::prow::{ProwJob, ProwState};
use crate::clock::stamp;
use crate::prow::json::{Map, Value};
use crate::store::Change;
use crate::version::ParseVersionError;

/// The prefix of the `jobID` of a run whose start is only intended (spec 04 §7.6.2). The Python tooling looks
/// it up in Prow, finds no such job, and leaves the build open.
pub const INTENT_PREFIX: &str = "intent-";
/// The key of the time of the first attempt to start a run.
const INTENT_SINCE: &str = "intentSince";
/// The key that says that nothing was sent for an intent.
const UNSENT: &str = "intentUnsent";
/// The key of the time since which a run is known that was not read from Prow yet.
const KNOWN_SINCE: &str = "knownSince";
/// The key that says that a run has ended without a test report.
const WITHOUT_REPORT: &str = "withoutReport";
/// Keys that older versions stored in runs and the present one removes (spec 04 §6.1.1).
const DROPPED: [&str; 4] = ["jobName", "payload", "upgrade_from", "upgrade_to"];

/// The id of a run: the name of its Prow job object.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RunId(String);

impl RunId {
    /// The id.
    pub fn text(&self) -> &str {
        &self.0
    }
}

impl FromStr for RunId {
    type Err = ParseVersionError;

    fn from_str(input: &str) -> Result<Self, Self::Err> {
        let fits = (1..=100).contains(&input.len())
            && input.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.'))
            && !input.starts_with(INTENT_PREFIX);
        if fits {
            Ok(Self(input.to_owned()))
        } else {
            Err(ParseVersionError::new(input, "the id of a run", "0b8e7c1a-1111-4222-8333-944455556666"))
        }
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(&self.0)
    }
}

crate::schema::read_from_text!(RunId);
crate::schema::text_schema!(RunId, "RunId", "The id of a run", ["0b8e7c1a-1111-4222-8333-944455556666"]);

/// An intended start. It is recorded before the job is started, so that every process looks for the run
/// first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Intent(Uuid);

impl Intent {
    /// An intent with this key. A version 7 UUID contains the time of the intent (see [`Intent::recorded`]).
    pub fn new(key: Uuid) -> Self {
        Self(key)
    }

    /// A new intent with the time `now`.
    pub fn at(now: Timestamp) -> Self {
        let seconds = u64::try_from(now.as_second()).unwrap_or_default();
        let nanoseconds = u32::try_from(now.subsec_nanosecond()).unwrap_or_default();
        Self(Uuid::new_v7(uuid::Timestamp::from_unix(uuid::NoContext, seconds, nanoseconds)))
    }

    /// The value of the job's annotation, by which it can be found again.
    pub fn key(self) -> String {
        self.0.to_string()
    }

    /// When it was recorded; `None` when its key has no time.
    pub fn recorded(self) -> Option<Timestamp> {
        let (seconds, _) = self.0.get_timestamp()?.to_unix();
        Timestamp::from_second(i64::try_from(seconds).ok()?).ok()
    }

    /// Whether the process that recorded it may still start the job at `now`: only while `lease` lasts,
    /// because others may take the intent over afterwards. `false` for an intent without a time.
    pub fn is_fresh(self, now: Timestamp, lease: Duration) -> bool {
        let lease = SignedDuration::try_from(lease).unwrap_or(SignedDuration::MAX);
        self.recorded().is_some_and(|recorded| now.duration_since(recorded) < lease)
    }

    /// The intent in a `jobID`.
    pub fn of_id(id: &str) -> Option<Self> {
        id.strip_prefix(INTENT_PREFIX)?.parse().ok().map(Self)
    }
}

impl fmt::Display for Intent {
    /// The `jobID`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{INTENT_PREFIX}{}", self.0)
    }
}

/// The stage of a recorded run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// It has no id: it was never started.
    Absent,
    /// Its start is intended.
    Intended(Intent),
    /// It was started and is not known to have ended.
    Open,
    /// It has ended: it has a final state, with or without a completion time (spec 04 §7.6.5).
    Ended(ProwState),
}

/// A run of a job in a file.
#[derive(Debug, Clone, Copy)]
pub struct Run<'a>(pub(super) &'a Map);

impl<'a> Run<'a> {
    /// Its id, or the intent's; `None` when there is none, or an empty one.
    pub fn id(self) -> Option<Cow<'a, str>> {
        self.filled("jobID")
    }

    /// Its stage or state.
    pub fn stage(self) -> Stage {
        let Some(id) = self.id() else { return Stage::Absent };
        match self.state() {
            Some(state) if state.is_final() => Stage::Ended(state),
            _ => Intent::of_id(&id).map_or(Stage::Open, Stage::Intended),
        }
    }

    /// The state that was last read; `None` when there is none, or an unknown one.
    pub fn state(self) -> Option<ProwState> {
        let text = self.0.text("jobState")?;
        ProwState::parse(&text).filter(|state| state.text() == text)
    }

    /// The state as it is written.
    pub fn state_text(self) -> Option<Cow<'a, str>> {
        self.filled("jobState")
    }

    /// The page of the run.
    pub fn url(self) -> Option<Cow<'a, str>> {
        self.filled("jobURL")
    }

    /// When it was created.
    pub fn started(self) -> Option<Cow<'a, str>> {
        self.filled("jobStartTime")
    }

    /// When it ended. A run that was read during the change has this without having ended.
    pub fn completed(self) -> Option<Cow<'a, str>> {
        self.filled("jobCompletionTime")
    }

    /// When its start was first intended, as long as it is only intended.
    pub fn intended_since(self) -> Option<Timestamp> {
        self.0.text(INTENT_SINCE).and_then(|text| text.parse().ok())
    }

    /// Whether certainly nothing was sent that may have started it: its start was refused or not tried. A
    /// process that takes the intent over need not look for a run.
    pub fn is_unsent(self) -> bool {
        self.0.get(UNSENT).and_then(Value::as_bool) == Some(true)
    }

    /// A time at which it was known to exist: when it was created or, before that was read, when it was recorded.
    pub fn known_since(self) -> Option<Timestamp> {
        let recorded = || self.0.text(KNOWN_SINCE).and_then(|text| text.parse().ok());
        self.started().and_then(|text| text.parse().ok()).or_else(recorded)
    }

    /// Whether it is recorded as having no test report.
    pub fn is_without_report(self) -> bool {
        self.0.get(WITHOUT_REPORT).and_then(Value::as_bool) == Some(true)
    }

    /// Whether it must be read from Prow: it has not ended, or its state and completion time are
    /// inconsistent.
    pub fn needs_read(self) -> bool {
        match self.stage() {
            Stage::Absent | Stage::Intended(_) => false,
            Stage::Open => true,
            Stage::Ended(_) => self.completed().is_none(),
        }
    }

    /// The summary of its test report.
    pub fn summary(self) -> Option<&'a Map> {
        self.0.get("testResultSummary")?.as_map()
    }

    fn filled(self, key: &str) -> Option<Cow<'a, str>> {
        self.0.text(key).filter(|text| !text.trim().is_empty())
    }
}

/// What was read about a run from Prow or from its artifacts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observation {
    /// The run's id.
    pub id: String,
    /// The job of the run; empty when unknown.
    pub job: String,
    /// Its stage or state.
    pub state: ProwState,
    /// Its page.
    pub url: Option<String>,
    /// When it was created.
    pub started: Option<Timestamp>,
    /// When it ended.
    pub completed: Option<Timestamp>,
}

impl From<&ProwJob> for Observation {
    fn from(job: &ProwJob) -> Self {
        Self {
            id: job.id.clone(),
            job: job.job.clone(),
            state: job.state,
            url: job.url.clone(),
            started: job.started,
            completed: job.completed,
        }
    }
}

/// A run of which only the id is known, since this time. Prow may not show a new run immediately, and removes
/// old ones: the time distinguishes the two.
pub(super) fn with_id(id: impl fmt::Display, since: Option<Timestamp>) -> Map {
    let mut run = Map::of([("jobID", id.to_string().into())]);
    if let Some(since) = since {
        run.set(KNOWN_SINCE, stamp(since));
    }
    run
}

/// Records that a run was known at `now`, unless it has another time.
pub(super) fn known_at(run: &mut Map, now: Timestamp) -> Change {
    if Run(run).stage() != Stage::Open || Run(run).known_since().is_some() {
        return Change::Unchanged;
    }
    run.set(KNOWN_SINCE, stamp(now));
    Change::Changed
}

/// Records that a run has ended without a test report.
pub(super) fn without_report(run: &mut Map) -> Change {
    let recorded = Run(run);
    let settled = recorded.summary().is_some() || recorded.is_without_report();
    if settled || !matches!(recorded.stage(), Stage::Ended(_)) {
        return Change::Unchanged;
    }
    run.set(WITHOUT_REPORT, true);
    Change::Changed
}

/// A run whose start is intended, first at `since`.
pub(super) fn intended(intent: Intent, since: &str) -> Map {
    Map::of([("jobID", intent.to_string().into()), (INTENT_SINCE, since.into())])
}

/// Records that nothing was sent for the intent of a run.
pub(super) fn unsent(run: &mut Map) -> Change {
    if Run(run).is_unsent() {
        return Change::Unchanged;
    }
    run.set(UNSENT, true);
    Change::Changed
}

/// Gives an intended run another intent.
pub(super) fn renew(run: &mut Map, old: Intent, new: Intent) {
    run.set("jobID", new.to_string());
    run.remove(UNSENT);
    if let Some(since) = old.recorded().or(new.recorded()).filter(|_| !run.contains(INTENT_SINCE)) {
        run.set(INTENT_SINCE, stamp(since));
    }
}

/// Records what was read, in the Python tooling's order of keys. A run that has ended with a completion time
/// does not change, an ended run never becomes open again, and values that the observation does not have are
/// kept.
///
/// A completion time without a final state, which Prow may show during the change, is not written: the Python
/// tooling would treat it as the end of the run, never read it again, and count it as not successful (spec 04
/// §7.3, §7.6.5).
pub(super) fn update(run: &mut Map, seen: &Observation) -> Change {
    let recorded = Run(run);
    let ended = match recorded.stage() {
        Stage::Ended(_) if recorded.completed().is_some() => return Change::Unchanged,
        Stage::Ended(state) => Some(state),
        _ => None,
    };
    let state = ended.filter(|_| !seen.state.is_final()).unwrap_or(seen.state);
    let completed = match seen.completed {
        _ if !state.is_final() => None,
        Some(time) => Some(Value::from(stamp(time))),
        None => run.get("jobCompletionTime").cloned(),
    };
    let kept = |key: &str, fresh: Option<String>| fresh.map(Value::from).or_else(|| run.get(key).cloned());
    let fresh = [
        ("jobStartTime", kept("jobStartTime", seen.started.map(stamp))),
        ("jobID", run.get("jobID").cloned()),
        ("jobURL", kept("jobURL", seen.url.clone())),
        ("jobState", Some(state.text().into())),
        ("jobCompletionTime", completed),
        ("testResultSummary", run.get("testResultSummary").cloned()),
    ];
    let mut updated = Map::default();
    for (key, value) in &fresh {
        if let Some(value) = value.as_ref().filter(|value| **value != Value::Null) {
            updated.set(key, value.clone());
        }
    }
    for (key, value) in run.iter() {
        let name = key.get();
        if !fresh.iter().any(|(known, _)| *known == name)
            && !DROPPED.contains(&name.as_ref())
            && name != INTENT_SINCE
            && name != UNSENT
            && !(name == KNOWN_SINCE && (updated.contains("jobStartTime") || state.is_final()))
        {
            updated.set(&name, value.clone());
        }
    }
    if updated == *run {
        return Change::Unchanged;
    }
    *run = updated;
    Change::Changed
}
