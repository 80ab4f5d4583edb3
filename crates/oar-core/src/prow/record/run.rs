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

/// How the `jobID` of a run begins whose start is only intended (spec 04 §7.6.2): the Python tooling asks Prow for it,
/// is told that there is no such job, and leaves the build open.
pub const INTENT_PREFIX: &str = "intent-";
/// The time of the first attempt to start a run.
const INTENT_SINCE: &str = "intentSince";
/// That nothing was sent under an intent.
const UNSENT: &str = "intentUnsent";
/// Since when a run is known of which Prow has told nothing yet.
const KNOWN_SINCE: &str = "knownSince";
/// That a run has ended and left no test report.
const WITHOUT_REPORT: &str = "withoutReport";
/// What an older reader stored in runs, and today's removes (spec 04 §6.1.1).
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

/// A start that is intended: recorded before the job is started, so that whoever finds it looks for the job first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Intent(Uuid);

impl Intent {
    /// An intent with this key. With a version 7 UUID the time of the intent can be told (see [`Intent::recorded`]).
    pub fn new(key: Uuid) -> Self {
        Self(key)
    }

    /// A new intent of the time `now`.
    pub fn at(now: Timestamp) -> Self {
        let seconds = u64::try_from(now.as_second()).unwrap_or_default();
        let nanoseconds = u32::try_from(now.subsec_nanosecond()).unwrap_or_default();
        Self(Uuid::new_v7(uuid::Timestamp::from_unix(uuid::NoContext, seconds, nanoseconds)))
    }

    /// What the job is annotated with, to be found again.
    pub fn key(self) -> String {
        self.0.to_string()
    }

    /// When it was recorded; `None` when its key does not tell.
    pub fn recorded(self) -> Option<Timestamp> {
        let (seconds, _) = self.0.get_timestamp()?.to_unix();
        Timestamp::from_second(i64::try_from(seconds).ok()?).ok()
    }

    /// Whether the process that recorded it may still start the job at `now`: only while `lease` lasts, because
    /// others take the intent over when it has passed. One that does not tell its time may not.
    pub fn is_fresh(self, now: Timestamp, lease: Duration) -> bool {
        let lease = SignedDuration::try_from(lease).unwrap_or(SignedDuration::MAX);
        self.recorded().is_some_and(|recorded| now.duration_since(recorded) < lease)
    }

    /// The intent that a `jobID` stands for.
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

/// How far a recorded run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// It has no id: it was never started.
    Absent,
    /// Its start is intended.
    Intended(Intent),
    /// It was started and has not ended, as far as is known.
    Open,
    /// It has ended. Finished is what has a final state, whether or not a completion time stands there (spec 04 §7.6.5).
    Ended(ProwState),
}

/// A run of a job, as a file holds it.
#[derive(Debug, Clone, Copy)]
pub struct Run<'a>(pub(super) &'a Map);

impl<'a> Run<'a> {
    /// Its id, or the intent's; `None` when there is none, or an empty one.
    pub fn id(self) -> Option<Cow<'a, str>> {
        self.filled("jobID")
    }

    /// How far it is.
    pub fn stage(self) -> Stage {
        let Some(id) = self.id() else { return Stage::Absent };
        match self.state() {
            Some(state) if state.is_final() => Stage::Ended(state),
            _ => Intent::of_id(&id).map_or(Stage::Open, Stage::Intended),
        }
    }

    /// The state that was last read; `None` when none was, or none that Prow has.
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

    /// When it ended. A run that was read in mid-change has this without having ended.
    pub fn completed(self) -> Option<Cow<'a, str>> {
        self.filled("jobCompletionTime")
    }

    /// When its start was first intended, while it is.
    pub fn intended_since(self) -> Option<Timestamp> {
        self.0.text(INTENT_SINCE).and_then(|text| text.parse().ok())
    }

    /// Whether certainly nothing was sent that may have started it: its start was refused, or not tried. Whoever takes the
    /// intent over need not look for a run.
    pub fn is_unsent(self) -> bool {
        self.0.get(UNSENT).and_then(Value::as_bool) == Some(true)
    }

    /// A time at which it was known to exist: when it was created or, before that was read, when it was recorded.
    pub fn known_since(self) -> Option<Timestamp> {
        let recorded = || self.0.text(KNOWN_SINCE).and_then(|text| text.parse().ok());
        self.started().and_then(|text| text.parse().ok()).or_else(recorded)
    }

    /// Whether it was found to have no test report.
    pub fn is_without_report(self) -> bool {
        self.0.get(WITHOUT_REPORT).and_then(Value::as_bool) == Some(true)
    }

    /// Whether Prow is to be asked about it: it has not ended, or its state and completion time do not go together.
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

/// What Prow, or the artifacts that outlive it, say about a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observation {
    /// The run's id.
    pub id: String,
    /// The job that it is a run of; empty when it is not known.
    pub job: String,
    /// How far it is.
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

/// A run of which only the id is known, since this time. Prow may not show a new run at once, and forgets old ones: the
/// time tells which of the two is the case.
pub(super) fn with_id(id: impl fmt::Display, since: Option<Timestamp>) -> Map {
    let mut run = Map::of([("jobID", id.to_string().into())]);
    if let Some(since) = since {
        run.set(KNOWN_SINCE, stamp(since));
    }
    run
}

/// Notes that a run was known at `now` of which nothing else tells a time.
pub(super) fn known_at(run: &mut Map, now: Timestamp) -> Change {
    if Run(run).stage() != Stage::Open || Run(run).known_since().is_some() {
        return Change::Unchanged;
    }
    run.set(KNOWN_SINCE, stamp(now));
    Change::Changed
}

/// Notes that a run has ended without a test report.
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

/// Notes that nothing was sent under the intent of a run.
pub(super) fn unsent(run: &mut Map) -> Change {
    if Run(run).is_unsent() {
        return Change::Unchanged;
    }
    run.set(UNSENT, true);
    Change::Changed
}

/// The same intended run under another intent.
pub(super) fn renew(run: &mut Map, old: Intent, new: Intent) {
    run.set("jobID", new.to_string());
    run.remove(UNSENT);
    if let Some(since) = old.recorded().or(new.recorded()).filter(|_| !run.contains(INTENT_SINCE)) {
        run.set(INTENT_SINCE, stamp(since));
    }
}

/// Takes over what was read, in the order of keys that the Python tooling writes. A run that has ended with its
/// completion time stays as it is, an ended run never becomes open again, and what the observation does not know stays.
///
/// A completion time without a final state, as Prow shows it in mid-change, is not written: the Python tooling takes it
/// for the end of the run, never reads it again, and counts it as not successful (spec 04 §7.3, §7.6.5).
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
