//! Builds of Jenkins.

use std::time::Duration;

use async_trait::async_trait;
use indexmap::IndexMap;
use jiff::Timestamp;

use super::{ExpectedPayload, JobSystemClient, OTHER_PARAMETERS, ObservedJob, Stage};
use crate::clients::jenkins::{BUILDS, Build, BuildResult, JenkinsClient, QueueItem};
use crate::clock::{CLOCK_SKEW, Clock, stamp};
use crate::error::{ServiceError, ServiceErrorKind};
use crate::ids::JobPath;
use crate::permit::WritePermit;
use crate::service::Service;
use crate::statebox::{Job, ReasonClass, TaskStatus};

/// How long an answer that never came gets to show its effect.
const SETTLE: Duration = Duration::from_secs(1);

/// Jenkins, for one job that gets a release payload in a parameter.
#[derive(Debug, Clone)]
pub struct JenkinsJobs {
    /// Jenkins.
    pub jenkins: JenkinsClient,
    /// The job.
    pub path: JobPath,
    /// Names of the parameter with the payload's pull spec; the first that exists counts.
    pub payload_parameters: &'static [&'static str],
    /// The payload that builds must have.
    pub payload: ExpectedPayload,
    /// Whether the job is known to define all parameters that it is started with. Otherwise the queue item is
    /// read immediately, because Jenkins drops undefined parameters.
    pub checked: bool,
    /// The clock.
    pub clock: Clock,
}

/// The state of a job before a build is started.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Preflight {
    /// The builds with the same parameters that have not ended.
    pub running: Vec<Job>,
    /// Messages about parameters that Jenkins would drop or refuse.
    pub refused: Vec<String>,
    /// Whether it is known which parameters the job defines.
    pub checked: bool,
}

impl JenkinsJobs {
    fn of_build(&self, job: &Job, build: &Build) -> ObservedJob {
        let mut job = job.clone();
        job.id = Some(build.number.to_string());
        job.url = Some(build.url.clone()).filter(|url| !url.is_empty());
        job.queue_item = job.queue_item.or_else(|| build.queue_item.map(|item| item.to_string()));
        job.triggered_at = job.triggered_at.or_else(|| build.started.map(stamp));
        if let Some(observed) = with_other_parameters(&job, &build.parameters) {
            return observed;
        }
        if let Err(words) = self.payload.check(self.payload_of(&build.parameters).unwrap_or_default()) {
            return ObservedJob { job, stage: Stage::Foreign(words) };
        }
        if build.running {
            job.state = None;
            return ObservedJob { job, stage: Stage::Running("is running".to_owned()) };
        }
        job.state = Some(build.result.map_or("UNKNOWN", BuildResult::text).to_owned());
        let ended = |class, words: &str| Stage::Ended(TaskStatus::Fail, class, words.to_owned());
        let stage = match build.result {
            Some(BuildResult::Success) => Stage::Succeeded,
            Some(BuildResult::Unstable) => {
                ended(ReasonClass::Product, "is UNSTABLE: it ran to its end, and tests failed")
            }
            Some(BuildResult::Failure) => ended(ReasonClass::Product, "ended with FAILURE"),
            Some(BuildResult::Aborted) => ended(
                ReasonClass::Infrastructure,
                "was ABORTED: by a person, the job's own time limit, or a restart",
            ),
            Some(BuildResult::NotBuilt) => {
                ended(ReasonClass::Infrastructure, "ended with NOT_BUILT: a part of it was never run")
            }
            None => ended(ReasonClass::Tool, "ended with a result that this program does not know"),
        };
        ObservedJob { job, stage }
    }

    /// Looks for a build with the same parameters that somebody else started and that has not ended, and
    /// checks the parameters. After an error nothing may be started.
    pub async fn preflight(&self, intended: &Job) -> Result<Preflight, ServiceError> {
        let Some(intent) = &intended.intent else { return Ok(Preflight::default()) };
        let other = Job { intent: None, ..intended.clone() };
        // The queue first: an item that leaves it between the two requests is among the builds.
        let queued = self.jenkins.queued(&self.path).await?;
        let job = self.jenkins.job(&self.path).await?;
        let running = self.candidates(
            &other,
            queued.iter().filter(|item| fits(&item.parameters, &intent.parameters)),
            job.builds.iter().filter(|build| build.running && fits(&build.parameters, &intent.parameters)),
        );
        Ok(Preflight { running, refused: job.refuses(&intent.parameters), checked: job.defined.is_some() })
    }

    /// Items of the queue, and builds that are none of them.
    fn candidates<'a>(
        &self,
        job: &Job,
        items: impl Iterator<Item = &'a QueueItem>,
        builds: impl Iterator<Item = &'a Build>,
    ) -> Vec<Job> {
        let mut found: Vec<Job> = builds.map(|build| self.of_build(job, build).job).collect();
        for item in items {
            let item = self.of_item(job, item);
            // It may have left the queue between two requests.
            if found.iter().all(|build| build.queue_item != item.queue_item) {
                found.push(item);
            }
        }
        found
    }

    /// The payload's pull spec in the parameters of a build.
    fn payload_of<'a>(&self, parameters: &'a IndexMap<String, String>) -> Option<&'a str> {
        self.payload_parameters.iter().find_map(|name| parameters.get(*name)).map(String::as_str)
    }

    fn of_item(&self, job: &Job, item: &QueueItem) -> Job {
        let mut job = job.clone();
        job.queue_item = Some(item.number.to_string());
        job.url = Some(self.jenkins.queue_link(item.number).to_string());
        job.triggered_at = job.triggered_at.or_else(|| item.since.map(stamp));
        job
    }

    async fn look_at_item(&self, job: &Job, number: u64) -> Result<ObservedJob, ServiceError> {
        let Some(item) = self.jenkins.queue_item(number).await? else {
            return self.look_after_queue(job, number).await;
        };
        let job = self.of_item(job, &item);
        if item.cancelled {
            let job = Job { state: Some("cancelled".to_owned()), ..job };
            let words = "was taken out of the queue before it ran".to_owned();
            let stage = Stage::Ended(TaskStatus::NotStarted, ReasonClass::Infrastructure, words);
            return Ok(ObservedJob { job, stage });
        }
        if let Some(observed) = with_other_parameters(&job, &item.parameters) {
            return Ok(observed);
        }
        let Some((number, _)) = item.build else {
            let why = item.why.map(|why| format!(" ({})", why.chars().take(200).collect::<String>()));
            let words = format!("waits in the queue{}", why.unwrap_or_default());
            return Ok(ObservedJob { job, stage: Stage::Running(words) });
        };
        self.look_at_build(&job, number).await
    }

    /// Looks for the build of a queue item that Jenkins no longer has, some minutes after the item left the
    /// queue. Builds have the number of their item, unless Jenkins does not know it (-1).
    async fn look_after_queue(&self, job: &Job, number: u64) -> Result<ObservedJob, ServiceError> {
        let builds = self.jenkins.job(&self.path).await?.builds;
        if let Some(build) = builds.iter().find(|build| build.queue_item == Some(number)) {
            return Ok(self.of_build(job, build));
        }
        let triggered: Option<Timestamp> = job.triggered_at.as_deref().and_then(|at| at.parse().ok());
        let since = triggered.map(with_skew);
        let ours = builds.iter().find(|build| {
            build.queue_item.is_none()
                && since.is_some_and(|since| build.started.is_some_and(|started| started >= since))
                && match &job.intent {
                    Some(intent) => self.may_be(&build.parameters, &intent.parameters),
                    None => {
                        self.payload.check(self.payload_of(&build.parameters).unwrap_or_default()).is_ok()
                    }
                }
        });
        if let Some(build) = ours {
            return Ok(self.of_build(job, build));
        }
        self.require_reach(&builds, since)?;
        let stage = Stage::Lost("left the queue, and no build of it is known".to_owned());
        Ok(ObservedJob { job: job.clone(), stage })
    }

    /// Fails when `builds`, which may not be all of the job's, do not reach back to `since`.
    fn require_reach(&self, builds: &[Build], since: Option<Timestamp>) -> Result<(), ServiceError> {
        let oldest = builds.last().and_then(|build| build.started);
        if builds.len() < BUILDS || oldest.is_some_and(|oldest| since.is_some_and(|since| oldest < since)) {
            return Ok(());
        }
        let words = format!("the newest {BUILDS} builds do not reach back to when it was started");
        Err(ServiceError::new(Service::Jenkins, "look for a build", ServiceErrorKind::Unavailable, words)
            .about(self.path.to_string())
            .with_hint("Look for it in Jenkins, and name its number: `stage-testing -n NUMBER`."))
    }

    async fn look_at_build(&self, job: &Job, number: u64) -> Result<ObservedJob, ServiceError> {
        if let Some(build) = self.jenkins.build(&self.path, number).await? {
            return Ok(self.of_build(job, &build));
        }
        // A 404 may also mean that the job is hidden from this user: only if its builds are visible is the
        // build known to be deleted.
        let builds = self.jenkins.job(&self.path).await?.builds;
        Ok(match builds.iter().find(|build| build.number == number) {
            Some(build) => self.of_build(job, build),
            None => ObservedJob {
                job: Job { id: Some(number.to_string()), ..job.clone() },
                stage: Stage::Lost(format!("is unknown to Jenkins: {} has no build {number}", self.path)),
            },
        })
    }

    /// Whether a build may be the `wanted` one after Jenkins dropped undefined parameters: it tests the
    /// payload, and none of its values differs.
    fn may_be(&self, parameters: &IndexMap<String, String>, wanted: &IndexMap<String, String>) -> bool {
        self.payload_of(parameters).is_some_and(|payload| Some(payload) == self.payload_of(wanted))
            && wanted.iter().all(|(name, value)| parameters.get(name).is_none_or(|found| found == value))
    }
}

/// The failure of a job that this program started and that runs with other parameters: its result is not
/// about the requested test. Jenkins silently drops parameters that the job does not define (spec 03 §7.2).
fn with_other_parameters(job: &Job, parameters: &IndexMap<String, String>) -> Option<ObservedJob> {
    let wanted = &job.intent.as_ref().filter(|_| !parameters.is_empty())?.parameters;
    let differing = wanted.iter().filter(|(name, value)| parameters.get(*name) != Some(*value));
    let words: Vec<String> = differing
        .map(|(name, value)| match parameters.get(name) {
            Some(found) => format!("{name} `{found}` instead of `{value}`"),
            None => format!("no {name} (wanted: `{value}`)"),
        })
        .collect();
    if words.is_empty() {
        return None;
    }
    let words = format!(
        "runs with other parameters than it was given, so its result does not count: {}. The job in Jenkins may not \
         define them any more: ask its owners",
        words.join(", ")
    );
    let job = Job { state: Some(OTHER_PARAMETERS.to_owned()), ..job.clone() };
    Some(ObservedJob { job, stage: Stage::Ended(TaskStatus::Fail, ReasonClass::Tool, words) })
}

/// Whether `parameters` contain everything in `wanted`; Jenkins adds the defaults of others.
fn fits(parameters: &IndexMap<String, String>, wanted: &IndexMap<String, String>) -> bool {
    wanted.iter().all(|(name, value)| parameters.get(name) == Some(value))
}

fn with_skew(time: Timestamp) -> Timestamp {
    time.checked_sub(CLOCK_SKEW).unwrap_or(time)
}

#[async_trait]
impl JobSystemClient for JenkinsJobs {
    async fn look(&self, job: &Job) -> Result<ObservedJob, ServiceError> {
        let number = |text: &Option<String>| text.as_deref().and_then(|text| text.parse::<u64>().ok());
        match (number(&job.id), number(&job.queue_item)) {
            (Some(build), _) => self.look_at_build(job, build).await,
            (None, Some(item)) => self.look_at_item(job, item).await,
            (None, None) => {
                let stage = Stage::Lost("has no number that can be looked up".to_owned());
                Ok(ObservedJob { job: job.clone(), stage })
            }
        }
    }

    async fn find(&self, intended: &Job) -> Result<Vec<Job>, ServiceError> {
        let Some(intent) = &intended.intent else { return Ok(Vec::new()) };
        let since = with_skew(intent.time().unwrap_or(Timestamp::UNIX_EPOCH));
        // The queue first: an item that leaves it between the two requests is among the builds.
        let queued = self.jenkins.queued(&self.path).await?;
        let builds = self.jenkins.job(&self.path).await?.builds;
        let may_be = |build: &&Build| {
            self.may_be(&build.parameters, &intent.parameters)
                && build.started.is_some_and(|started| started >= since)
                && intent.replaces.as_deref() != Some(build.number.to_string().as_str())
        };
        let items = queued.iter().filter(|item| self.may_be(&item.parameters, &intent.parameters));
        let found = self.candidates(intended, items, builds.iter().filter(may_be));
        if found.is_empty() {
            self.require_reach(&builds, Some(since))?;
        }
        // It is read next, with its state.
        Ok(found.into_iter().map(|job| Job { state: None, ..job }).collect())
    }

    async fn trigger(&self, intended: &Job, permit: &WritePermit) -> Result<ObservedJob, ServiceError> {
        let parameters = intended.intent.as_ref().map(|intent| intent.parameters.clone()).unwrap_or_default();
        let queued = self.jenkins.trigger(&self.path, &parameters, permit).await?;
        if queued.waited_before {
            tracing::info!("an equal build waited in the queue already: Jenkins added none");
        }
        let job = Job {
            queue_item: Some(queued.number.to_string()),
            url: Some(self.jenkins.queue_link(queued.number).to_string()),
            triggered_at: Some(self.clock.stamp()),
            ..intended.clone()
        };
        let queued_only =
            |job: Job| ObservedJob { job, stage: Stage::Running("was put into the queue".to_owned()) };
        if self.checked && !queued.waited_before {
            return Ok(queued_only(job));
        }
        // A failure to read it is not an error.
        match self.look_at_item(&job, queued.number).await {
            Ok(observed) if matches!(observed.stage, Stage::Running(_) | Stage::Ended(..)) => Ok(observed),
            _ => Ok(queued_only(job)),
        }
    }

    async fn settle(&self) {
        self.clock.sleep(SETTLE).await;
    }
}
