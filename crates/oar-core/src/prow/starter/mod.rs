//! Starting the runs that a record intends, each of them once.
//!
//! An intent stands in the record before anything is started, so whoever reads the record knows of it. Its number tells
//! when it was recorded: as long as it is young, whoever recorded it is at work, and everybody else leaves it alone. An old
//! one is taken over: first the run that it may have made is looked for, and only then another one is started, under an
//! intent of one's own (spec 04 §7.6).

mod prepare;

use indexmap::IndexMap;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

pub use self::prepare::PrepareError;
pub(super) use self::prepare::{Recorded, environment_of, latest_file, latest_of};
use super::change::{ChangeError, change};
use super::names::ResultName;
use super::record::{Intent, ResultFile, RunId, Stage};
use super::registry::TestJob;
use super::world::World;
use crate::clients::gangway::{RunIntent, StartedRun};
use crate::error::{Classified, ErrorClass, ServiceError, ServiceErrorKind};
use crate::flow::permit::WritePermit;
use crate::statebox::transaction::Start;

/// How long before others may take an intent over its last request may be sent: the longest request, and what a new run
/// takes to be listed.
const ROOM: SignedDuration = SignedDuration::from_mins(1);

/// A run that is to be started.
#[derive(Debug)]
pub(super) struct Wanted {
    /// The job.
    job: String,
    /// The variables that it gets, or why they are not known. Such a run can be looked for, not started.
    envs: Result<IndexMap<String, String>, PrepareError>,
    /// The intent that stands in the record.
    intent: Intent,
    /// Since when a start is intended.
    since: Timestamp,
    /// Whether it may be started; otherwise it is only looked for, and given up when it is not there.
    may_start: bool,
}

/// What became of a run that was to be started.
#[derive(Debug)]
pub enum Begun {
    /// It was started.
    Started(RunId),
    /// It had been started before, and was found.
    Found(RunId),
    /// Somebody else is at it.
    Elsewhere,
    /// It could not be started for long enough, or may not be started any more.
    GivenUp,
    /// It was not started; the intent stays, and a later pass goes on.
    Not(StartError),
}

/// Why a run was not started, or not recorded.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The service refused, or its answer never came.
    #[error(transparent)]
    Service(#[from] ServiceError),
    /// The record could not be changed.
    #[error(transparent)]
    Record(#[from] ChangeError),
    /// It is not known what the job is to be started with.
    #[error(transparent)]
    Prepare(#[from] PrepareError),
    /// Another start was refused in a way that this one would be too.
    #[error("not tried, because the job before it was refused")]
    NotTried,
    /// The answer names an id that no record can hold.
    #[error("the job was started with the id `{0}`, which no record can hold")]
    BadId(String),
}

impl Classified for StartError {
    fn class(&self) -> ErrorClass {
        match self {
            Self::Service(error) => error.class(),
            Self::Record(error) => error.class(),
            Self::Prepare(error) => error.class(),
            Self::NotTried => ErrorClass::Unavailable,
            Self::BadId(_) => ErrorClass::Failed,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Service(error) => error.hint(),
            Self::Record(error) => error.hint(),
            Self::Prepare(error) => error.hint(),
            Self::NotTried | Self::BadId(_) => None,
        }
    }
}

/// One job's start, as it is reported.
#[derive(Debug, Serialize)]
pub struct BegunJob {
    /// The job.
    pub job: String,
    /// The run's id, when there is one.
    pub id: Option<String>,
    /// What became of it: `started`, `found`, `elsewhere`, `given up`, `failed`.
    pub result: &'static str,
    /// Why it was not started.
    pub problem: Option<String>,
    /// The class of the problem.
    #[serde(skip)]
    pub class: Option<ErrorClass>,
}

impl BegunJob {
    pub(super) fn new(job: String, begun: &Begun) -> Self {
        let (id, result, problem, class) = match begun {
            Begun::Started(id) => (Some(id.to_string()), "started", None, None),
            Begun::Found(id) => (Some(id.to_string()), "found", None, None),
            Begun::Elsewhere => (None, "elsewhere", None, None),
            Begun::GivenUp => (None, "given up", None, None),
            Begun::Not(error) => (None, "failed", Some(error.to_string()), Some(error.class())),
        };
        Self { job, id, result, problem, class }
    }
}

/// Starts the runs of one record.
pub(super) struct Starter<'a> {
    pub(super) world: World<'a>,
    pub(super) permit: &'a WritePermit,
    pub(super) name: &'a ResultName,
}

impl Starter<'_> {
    /// Starts runs whose intents are ours.
    pub(super) async fn start(&self, file: &ResultFile, wanted: Vec<Wanted>) -> Vec<BegunJob> {
        self.each(file, wanted, false).await
    }

    /// Takes over runs whose intents are old, whoever recorded them.
    pub(super) async fn take_over(&self, file: &ResultFile, wanted: Vec<Wanted>) -> Vec<BegunJob> {
        self.each(file, wanted, true).await
    }

    /// What `job` is started with under `intent`, for the build of `file`. A job that cannot be prepared keeps nobody
    /// else from being started: it is looked for all the same, and the rest is its own failure.
    pub(super) async fn prepare(
        &self,
        file: &ResultFile,
        job: &TestJob,
        intent: Intent,
        may_start: bool,
    ) -> Wanted {
        let since = intents(file).find(|(_, known, _)| *known == intent).map(|(_, _, since)| since);
        let since = since.or_else(|| intent.recorded()).unwrap_or(Timestamp::UNIX_EPOCH);
        let envs = environment_of(self.world, job, file.build(), self.name.arch).await;
        Wanted { job: job.name.clone(), envs, intent, since, may_start }
    }

    async fn each(&self, file: &ResultFile, wanted: Vec<Wanted>, look_first: bool) -> Vec<BegunJob> {
        let mut begun = Vec::new();
        let mut others: Vec<(String, String)> = known_runs(file);
        let mut refused = false;
        for wanted in wanted {
            let job = wanted.job.clone();
            let result = if refused {
                Begun::Not(StartError::NotTried)
            } else {
                self.one(wanted, &others, look_first).await.unwrap_or_else(Begun::Not)
            };
            match &result {
                Begun::Started(id) | Begun::Found(id) => {
                    tracing::info!("{}: {job} runs as {id}", self.name.build);
                    others.push((job.clone(), id.to_string()));
                }
                Begun::GivenUp => {
                    tracing::warn!("{}: {job} is given up, it could not be started", self.name.build);
                }
                Begun::Elsewhere => {
                    tracing::info!("{}: {job} is started by another program", self.name.build);
                }
                Begun::Not(error) => {
                    tracing::debug!("{}: {job}: {error}", self.name.build);
                    refused |= matches!(error, StartError::Service(error) if concerns_all(error));
                }
            }
            begun.push(BegunJob::new(job, &result));
        }
        begun
    }

    async fn one(
        &self,
        wanted: Wanted,
        others: &[(String, String)],
        look_first: bool,
    ) -> Result<Begun, StartError> {
        let mut run = RunIntent {
            others: others.iter().filter(|(job, _)| *job == wanted.job).map(|(_, id)| id.clone()).collect(),
            job: wanted.job,
            envs: wanted.envs.as_ref().cloned().unwrap_or_default(),
            key: wanted.intent.key(),
            since: wanted.since,
            until: None,
            may_be_started: false,
        };
        let mut intent = wanted.intent;
        if look_first && let Some(found) = self.world.jobs.find(&run).await? {
            let id = run_id(&found)?;
            self.record(&run.job, intent, &id).await?;
            return Ok(Begun::Found(id));
        }
        if !wanted.may_start {
            return Ok(self.give_up(&run.job, intent).await?);
        }
        wanted.envs?;
        if look_first || self.is_late(intent) {
            let Some(renewed) = self.renew(&run.job, intent).await? else { return Ok(Begun::Elsewhere) };
            intent = renewed;
            run.key = intent.key();
        }
        run.until = self.until(intent);
        let started = self.world.jobs.start(&run, self.permit).await?;
        let id = run_id(started.id())?;
        self.record(&run.job, intent, &id).await?;
        Ok(match started {
            StartedRun::New { .. } => Begun::Started(id),
            StartedRun::Found { .. } => Begun::Found(id),
        })
    }

    /// The last moment to send a request under `intent`, before others take it over. Who leaves them no time is alone.
    fn until(&self, intent: Intent) -> Option<Timestamp> {
        let lease = self.world.patience;
        intent.recorded().filter(|_| !lease.is_zero())?.checked_add(lease - ROOM).ok()
    }

    /// Whether so much of the time is over that the start may not find the turn that it waits for.
    fn is_late(&self, intent: Intent) -> bool {
        let half = (self.world.patience - ROOM) / 2;
        self.until(intent).is_some_and(|until| until.duration_since(self.world.clock.now()) < half)
    }

    /// Makes the intent ours; `None` when somebody else did that.
    async fn renew(&self, job: &str, old: Intent) -> Result<Option<Intent>, ChangeError> {
        let new = Intent::at(self.world.clock.now());
        let message = format!("{} {}: take over the start of {job}", self.name.build, self.name.arch);
        let renewed = change(self.world, self.name, &message, Start::Read, self.permit, None, |file| {
            file.renew_intent(job, old, new)
        })
        .await;
        match renewed {
            Ok(_) => Ok(Some(new)),
            Err(error) if error.is_missing_run() => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn give_up(&self, job: &str, intent: Intent) -> Result<Begun, ChangeError> {
        let now = self.world.clock.now();
        let message = format!("{} {}: {job} could not be started", self.name.build, self.name.arch);
        let given_up = change(self.world, self.name, &message, Start::Read, self.permit, None, |file| {
            file.record_lost(job, &intent.to_string(), now)
        })
        .await;
        match given_up {
            Ok(_) => Ok(Begun::GivenUp),
            Err(error) if error.is_missing_run() => Ok(Begun::Elsewhere),
            Err(error) => Err(error),
        }
    }

    async fn record(&self, job: &str, intent: Intent, id: &RunId) -> Result<(), ChangeError> {
        let message = format!("{} {}: {job} runs as {id}", self.name.build, self.name.arch);
        change(self.world, self.name, &message, Start::Read, self.permit, None, |file| {
            file.record_id(job, intent, id)
        })
        .await
        .map(drop)
    }
}

fn run_id(text: &str) -> Result<RunId, StartError> {
    text.parse().map_err(|_| StartError::BadId(text.chars().take(80).flat_map(char::escape_debug).collect()))
}

/// Whether a refusal would meet every other job as well.
fn concerns_all(error: &ServiceError) -> bool {
    matches!(
        error.kind,
        ServiceErrorKind::RateLimited | ServiceErrorKind::Unauthorized | ServiceErrorKind::MissingCredential
    )
}

fn known_runs(file: &ResultFile) -> Vec<(String, String)> {
    file.jobs()
        .flat_map(|job| job.runs().map(move |run| (job.name().into_owned(), run)))
        .filter(|(_, run)| !matches!(run.stage(), Stage::Intended(_) | Stage::Absent))
        .filter_map(|(job, run)| Some((job, run.id()?.into_owned())))
        .collect()
}

/// All intents of a record.
pub(super) fn intents(file: &ResultFile) -> impl Iterator<Item = (String, Intent, Timestamp)> {
    file.jobs().flat_map(|job| {
        let name = job.name().into_owned();
        job.runs().filter_map(move |run| match run.stage() {
            Stage::Intended(intent) => {
                let since = run.intended_since().or_else(|| intent.recorded());
                Some((name.clone(), intent, since.unwrap_or(Timestamp::UNIX_EPOCH)))
            }
            _ => None,
        })
    })
}
