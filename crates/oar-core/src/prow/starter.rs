//! Starting the runs that a record intends, each of them once.
//!
//! An intent stands in the record before anything is started, so whoever reads the record knows of it. Its number tells
//! when it was recorded: as long as it is young, whoever recorded it is at work, and everybody else leaves it alone. An old
//! one is taken over: first the run that it may have made is looked for, and only then another one is started, under an
//! intent of one's own (spec 04 §7.6).

use indexmap::IndexMap;
use jiff::Timestamp;
use serde::Serialize;

use super::change::{ChangeError, change};
use super::environment::{self, Column, ImagesError, JobImages};
use super::names::{self, BuildKind, LatestName, ResultName};
use super::record::{Build, Intent, LatestFile, ResultFile, RunId, Stage};
use super::registry::TestJob;
use super::world::World;
use crate::clients::gangway::{RunIntent, StartedRun};
use crate::error::{Classified, ErrorClass, ServiceError, ServiceErrorKind};
use crate::flow::permit::WritePermit;
use crate::statebox::store::{StoreError, Stored};
use crate::statebox::transaction::Start;
use crate::version::{Arch, YStream};

/// A run that is to be started.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    /// The job.
    pub(super) job: String,
    /// The variables that it gets.
    pub(super) envs: IndexMap<String, String>,
    /// The intent that stands in the record.
    pub(super) intent: Intent,
    /// Since when a start is intended.
    pub(super) since: Timestamp,
    /// Whether it may be started; otherwise it is only looked for, and given up when it is not there.
    pub(super) may_start: bool,
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
            Self::NotTried => ErrorClass::Unavailable,
            Self::BadId(_) => ErrorClass::Failed,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Service(error) => error.hint(),
            Self::Record(error) => error.hint(),
            Self::NotTried | Self::BadId(_) => None,
        }
    }
}

/// Why it is not known what a job is to be started with.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    /// A service failed.
    #[error(transparent)]
    Service(#[from] ServiceError),
    /// The record of the latest stable build cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The job cannot be given the build's image.
    #[error(transparent)]
    Images(#[from] ImagesError),
    /// A file is not as it should be.
    #[error("{file}: {problem}")]
    File {
        /// The file.
        file: String,
        /// What is wrong with it.
        problem: String,
    },
}

impl Classified for PrepareError {
    fn class(&self) -> ErrorClass {
        match self {
            Self::Service(error) => error.class(),
            Self::Store(error) => error.class(),
            Self::File { .. } | Self::Images(_) => ErrorClass::Failed,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Service(error) => error.hint(),
            Self::Store(error) => error.hint(),
            Self::Images(_) => None,
            Self::File { .. } => Some("Mend the file on the branch of the records.".to_owned()),
        }
    }
}

/// The variables that `job` gets for `build` (spec 04 §3, §5.3).
pub(super) async fn environment_of(
    world: World<'_>,
    job: &TestJob,
    build: &Build,
    arch: Arch,
) -> Result<IndexMap<String, String>, PrepareError> {
    let source = if environment::upgrades_from_stable(job, &build.name) {
        stable_source(world, build.name.y_stream(), arch).await?
    } else {
        None
    };
    let images = JobImages::of_job(job, &build.name, &build.pull_spec, source.as_deref());
    Ok(environment::variables(&images, Column::of_build(&build.name, arch))?)
}

/// The image that a nightly is upgraded from: the recorded latest stable build's, or the live one's.
async fn stable_source(
    world: World<'_>,
    release: YStream,
    arch: Arch,
) -> Result<Option<String>, PrepareError> {
    let kind = BuildKind::Stable;
    let (file, _) = latest_file(world, LatestName { release, kind, arch }).await?;
    if let Some(file) = file {
        return Ok(Some(file.build().pull_spec.clone()));
    }
    let live = world.builds.latest(release, kind, arch).await?;
    Ok(live.map(|latest| latest.tag.pull_spec))
}

/// The record of a latest build, with what is stored.
pub(super) async fn latest_file(
    world: World<'_>,
    name: LatestName,
) -> Result<(Option<LatestFile>, Option<Stored>), PrepareError> {
    let Some(stored) = world.records.store().read(&names::path(name)).await? else {
        return Ok((None, None));
    };
    Ok((Some(latest_of(name, &stored.text)?), Some(stored)))
}

/// The record of a latest build in `text`.
pub(super) fn latest_of(name: LatestName, text: &str) -> Result<LatestFile, PrepareError> {
    LatestFile::parse(name, text)
        .map_err(|error| PrepareError::File { file: names::path(name), problem: error.to_string() })
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
    fn new(job: String, begun: &Begun) -> Self {
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

    /// What `job` is started with under `intent`, for the build of `file`.
    pub(super) async fn prepare(
        &self,
        file: &ResultFile,
        job: &TestJob,
        intent: Intent,
    ) -> Result<Wanted, PrepareError> {
        let since = intents(file).find(|(_, known, _)| *known == intent).map(|(_, _, since)| since);
        let since = since.or_else(|| intent.recorded()).unwrap_or(Timestamp::UNIX_EPOCH);
        let envs = environment_of(self.world, job, file.build(), self.name.arch).await?;
        Ok(Wanted { job: job.name.clone(), envs, intent, since, may_start: true })
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
                    tracing::error!("{}: {job}: {error}", self.name.build);
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
            envs: wanted.envs,
            key: wanted.intent.key(),
            since: wanted.since,
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
        let age = self.world.clock.now().duration_since(intent.recorded().unwrap_or(Timestamp::UNIX_EPOCH));
        // The rest of the patience is for the start itself, whose requests end much sooner.
        if look_first || age > self.world.patience / 2 {
            let Some(renewed) = self.renew(&run.job, intent).await? else { return Ok(Begun::Elsewhere) };
            intent = renewed;
            run.key = intent.key();
        }
        let started = self.world.jobs.start(&run, self.permit).await?;
        let id = run_id(started.id())?;
        self.record(&run.job, intent, &id).await?;
        Ok(match started {
            StartedRun::New { .. } => Begun::Started(id),
            StartedRun::Found { .. } => Begun::Found(id),
        })
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

/// The intents of a record that have been left behind: job, intent, and since when a start is intended.
pub(super) fn left_behind(file: &ResultFile, world: World<'_>) -> Vec<(String, Intent, Timestamp)> {
    let now = world.clock.now();
    intents(file)
        .filter(|(_, intent, _)| {
            intent.recorded().is_none_or(|recorded| now.duration_since(recorded) >= world.patience)
        })
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
