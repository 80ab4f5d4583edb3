//! Builds of Jenkins.

use std::time::Duration;

use async_trait::async_trait;
use futures::future::try_join;
use indexmap::IndexMap;
use jiff::{SignedDuration, Timestamp};

use super::{ExpectedPayload, JobSystemClient, Sight, Stage};
use crate::clients::jenkins::{Build, BuildResult, JenkinsClient, JobPath, QueueItem};
use crate::clock::{Clock, stamp};
use crate::error::ServiceError;
use crate::flow::permit::WritePermit;
use crate::statebox::{Job, ReasonClass, TaskStatus};

/// How far clocks may differ.
const SKEW: SignedDuration = SignedDuration::from_mins(5);
/// How long an answer that never came gets to show its effect.
const SETTLE: Duration = Duration::from_secs(1);

/// Jenkins, for one job that gets a release payload in a parameter.
#[derive(Debug, Clone)]
pub struct JenkinsJobs {
    /// Jenkins.
    pub jenkins: JenkinsClient,
    /// The job.
    pub path: JobPath,
    /// The parameters of which the first that is there holds the payload's pull spec.
    pub payload_parameters: &'static [&'static str],
    /// The payload that builds must have.
    pub payload: ExpectedPayload,
    /// The time.
    pub clock: Clock,
}

impl JenkinsJobs {
    fn of_build(&self, job: &Job, build: &Build) -> Sight {
        let mut job = job.clone();
        job.id = Some(build.number.to_string());
        job.url = Some(build.url.clone()).filter(|url| !url.is_empty());
        job.queue_item = job.queue_item.or_else(|| build.queue_item.map(|item| item.to_string()));
        job.triggered_at = job.triggered_at.or_else(|| build.started.map(stamp));
        let pull_spec = self.payload_parameters.iter().find_map(|name| build.parameters.get(*name));
        if let Err(words) = self.payload.check(pull_spec.map(String::as_str).unwrap_or_default()) {
            return Sight { job, stage: Stage::Foreign(words) };
        }
        if build.running {
            job.state = None;
            return Sight { job, stage: Stage::Running("is running".to_owned()) };
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
                "was ABORTED: by a person, the job's own limit of time, or a restart",
            ),
            Some(BuildResult::NotBuilt) => {
                ended(ReasonClass::Infrastructure, "ended with NOT_BUILT: a part of it was never run")
            }
            None => ended(ReasonClass::Tool, "ended with a result that this program does not know"),
        };
        Sight { job, stage }
    }

    fn of_item(&self, job: &Job, item: &QueueItem) -> Job {
        let mut job = job.clone();
        job.queue_item = Some(item.number.to_string());
        job.url = Some(self.jenkins.queue_link(item.number).to_string());
        job.triggered_at = job.triggered_at.or_else(|| item.since.map(stamp));
        job
    }

    async fn look_at_item(&self, job: &Job, number: u64) -> Result<Sight, ServiceError> {
        let Some(item) = self.jenkins.queue_item(number).await? else {
            // Jenkins forgets items; the builds remember which one they were.
            let builds = self.jenkins.builds(&self.path).await?;
            let build = builds.iter().find(|build| build.queue_item == Some(number));
            return Ok(match build {
                Some(build) => self.of_build(job, build),
                None => Sight {
                    job: job.clone(),
                    stage: Stage::Lost("left the queue, and no build of it is known".to_owned()),
                },
            });
        };
        let job = self.of_item(job, &item);
        if item.cancelled {
            let job = Job { state: Some("cancelled".to_owned()), ..job };
            let words = "was taken out of the queue before it ran".to_owned();
            let stage = Stage::Ended(TaskStatus::NotStarted, ReasonClass::Infrastructure, words);
            return Ok(Sight { job, stage });
        }
        let Some((number, _)) = item.build else {
            let why = item.why.map(|why| format!(" ({})", why.chars().take(200).collect::<String>()));
            let words = format!("waits in the queue{}", why.unwrap_or_default());
            return Ok(Sight { job, stage: Stage::Running(words) });
        };
        self.look_at_build(&job, number).await
    }

    async fn look_at_build(&self, job: &Job, number: u64) -> Result<Sight, ServiceError> {
        Ok(match self.jenkins.build(&self.path, number).await? {
            Some(build) => self.of_build(job, &build),
            None => Sight {
                job: Job { id: Some(number.to_string()), ..job.clone() },
                stage: Stage::Lost(format!("is unknown to Jenkins: {} has no build {number}", self.path)),
            },
        })
    }
}

/// Whether `parameters` hold everything that was `wanted`; Jenkins adds the defaults of others.
fn fits(parameters: &IndexMap<String, String>, wanted: &IndexMap<String, String>) -> bool {
    wanted.iter().all(|(name, value)| parameters.get(name) == Some(value))
}

#[async_trait]
impl JobSystemClient for JenkinsJobs {
    async fn look(&self, job: &Job) -> Result<Sight, ServiceError> {
        let number = |text: &Option<String>| text.as_deref().and_then(|text| text.parse::<u64>().ok());
        match (number(&job.id), number(&job.queue_item)) {
            (Some(build), _) => self.look_at_build(job, build).await,
            (None, Some(item)) => self.look_at_item(job, item).await,
            (None, None) => {
                let stage = Stage::Lost("has no number that can be looked up".to_owned());
                Ok(Sight { job: job.clone(), stage })
            }
        }
    }

    async fn find(&self, intended: &Job) -> Result<Option<Job>, ServiceError> {
        let Some(intent) = &intended.intent else { return Ok(None) };
        let since = intent.time().unwrap_or(Timestamp::UNIX_EPOCH);
        let since = since.checked_sub(SKEW).unwrap_or(since);
        // The queue first: what leaves it between the two is among the builds then.
        let queued = self.jenkins.queued(&self.path).await?;
        if let Some(item) = queued.iter().find(|item| fits(&item.parameters, &intent.parameters)) {
            return Ok(Some(self.of_item(intended, item)));
        }
        let builds = self.jenkins.builds(&self.path).await?;
        let build = builds.iter().find(|build| {
            fits(&build.parameters, &intent.parameters)
                && build.started.is_some_and(|started| started >= since)
                && intent.replaces.as_deref() != Some(build.number.to_string().as_str())
        });
        Ok(build.map(|build| self.of_build(intended, build).job))
    }

    async fn running_already(&self, intended: &Job) -> Result<Option<Job>, ServiceError> {
        let Some(intent) = &intended.intent else { return Ok(None) };
        let other = Job { intent: None, ..intended.clone() };
        let (queued, builds) =
            try_join(self.jenkins.queued(&self.path), self.jenkins.builds(&self.path)).await?;
        if let Some(item) = queued.iter().find(|item| fits(&item.parameters, &intent.parameters)) {
            return Ok(Some(self.of_item(&other, item)));
        }
        let build = builds.iter().find(|build| build.running && fits(&build.parameters, &intent.parameters));
        Ok(build.map(|build| self.of_build(&other, build).job))
    }

    async fn trigger(&self, intended: &Job, permit: &WritePermit) -> Result<Job, ServiceError> {
        let parameters = intended.intent.as_ref().map(|intent| intent.parameters.clone()).unwrap_or_default();
        let number = self.jenkins.trigger(&self.path, &parameters, permit).await?;
        let job = Job {
            queue_item: Some(number.to_string()),
            url: Some(self.jenkins.queue_link(number).to_string()),
            triggered_at: Some(self.clock.stamp()),
            ..intended.clone()
        };
        // An idle Jenkins has started it by now. It is no error when that cannot be seen.
        match self.look_at_item(&job, number).await {
            Ok(sight) if matches!(sight.stage, Stage::Running(_)) => Ok(sight.job),
            _ => Ok(job),
        }
    }

    async fn settle(&self) {
        self.clock.sleep(SETTLE).await;
    }
}
