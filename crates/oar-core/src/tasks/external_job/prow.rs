//! Jobs of Prow, started through Gangway.

use std::time::Duration;

use async_trait::async_trait;
use futures::StreamExt;
use futures::stream::iter;
use jiff::Timestamp;

use super::{ExpectedPayload, JobSystemClient, ObservedJob, Stage};
use crate::clients::gangway::{GangwayClient, Trigger};
use crate::clients::prow::{ProwClient, ProwJob, ProwState};
use crate::clock::{Clock, stamp};
use crate::error::{ServiceError, ServiceErrorKind};
use crate::permit::WritePermit;
use crate::prow::runs::{INTENT_ANNOTATION, RunIntent, Runs};
use crate::service::Service;
use crate::statebox::{Job, ReasonClass, TaskStatus};

/// The wait after a missing answer until its effect can show.
const SETTLE: Duration = Duration::from_secs(1);
/// Jobs that are read at the same time.
const LOOKS: usize = 8;

/// Prow, for jobs that get a release payload in one variable.
#[derive(Debug, Clone)]
pub struct ProwJobs {
    /// Reads jobs.
    pub prow: ProwClient,
    /// Starts and lists them; `None` when the credential is missing and only reading is needed.
    pub gangway: Option<GangwayClient>,
    /// The variable with the payload's pull spec.
    pub payload_variable: &'static str,
    /// The payload that jobs must have.
    pub payload: ExpectedPayload,
    /// The name of the job.
    pub name: String,
    /// The clock.
    pub clock: Clock,
}

impl ProwJobs {
    fn gangway(&self, operation: &'static str) -> Result<&GangwayClient, ServiceError> {
        self.gangway.as_ref().ok_or_else(|| {
            ServiceError::new(
                Service::Gangway,
                operation,
                ServiceErrorKind::MissingCredential,
                "APITOKEN is not set",
            )
            .with_hint(
                "Set APITOKEN to a token of the CI cluster: `oc whoami -t` prints it after a login there.",
            )
        })
    }

    /// The run intent of `intended`; `None` without an intent.
    fn run_intent(intended: &Job) -> Option<RunIntent> {
        let intent = intended.intent.as_ref()?;
        Some(RunIntent {
            key: intent.key.clone(),
            job: intended.name.clone(),
            envs: intent.parameters.clone(),
            since: intent.time().unwrap_or(Timestamp::UNIX_EPOCH),
            until: None,
            may_be_started: true,
            others: intent.replaces.iter().cloned().collect(),
        })
    }

    /// Looks for jobs with the same parameters that somebody else started and that have not ended. After an
    /// error nothing may be started.
    ///
    /// Executions that Gangway lists as not ended or without a state are read from Prow, because only Prow
    /// has the variables. One that cannot be read might be the job, so it is an error.
    pub async fn running_already(&self, intended: &Job) -> Result<Vec<Job>, ServiceError> {
        const OPERATION: &str = "look for a job that runs already";
        let Some(intent) = &intended.intent else { return Ok(Vec::new()) };
        let mut executions = self.gangway(OPERATION)?.executions(&self.name).await?;
        executions.retain(|execution| !execution.state.is_some_and(ProwState::is_final));
        let mut found = iter(executions.into_iter().map(|execution| async move {
            let job = self.prow.job(&execution.id).await;
            (execution.id, job)
        }))
        .buffered(LOOKS);
        let (mut unseen, mut running) = (None, Vec::new());
        while let Some((id, job)) = found.next().await {
            match job {
                Ok(Some(job)) => {
                    let same =
                        intent.parameters.iter().all(|(name, value)| job.envs.get(name) == Some(value));
                    if same && job.job == self.name && !job.state.is_final() {
                        let other = Job { id: Some(job.id.clone()), intent: None, ..intended.clone() };
                        running.push(self.observed(other, &job).job);
                    }
                }
                Ok(None) => {
                    let words = format!("Gangway lists {id} as running, and Prow does not show it");
                    unseen = Some(
                        ServiceError::new(Service::Prow, OPERATION, ServiceErrorKind::Unavailable, words)
                            .about(self.name.clone())
                            .with_hint("Run the same command again in a moment."),
                    );
                }
                Err(error) => unseen = Some(error),
            }
        }
        match unseen {
            // One that is certain is followed; another one that nobody sees now shows later.
            Some(error) if running.is_empty() => Err(error),
            _ => Ok(running),
        }
    }

    fn observed(&self, mut job: Job, found: &ProwJob) -> ObservedJob {
        let url = found.url.clone().unwrap_or_else(|| self.prow.link(&found.id).to_string());
        job.url = Some(url);
        job.state = found.state.is_final().then(|| found.state.text().to_owned());
        job.triggered_at = job.triggered_at.or_else(|| found.started.map(stamp));
        if found.job != self.name {
            return ObservedJob {
                job,
                stage: Stage::Foreign(format!("it is an execution of {}", found.job)),
            };
        }
        let pull_spec = found.envs.get(self.payload_variable).map(String::as_str).unwrap_or_default();
        if let Err(words) = self.payload.check(pull_spec) {
            return ObservedJob { job, stage: Stage::Foreign(words) };
        }
        let words = |text: &str| match &found.description {
            Some(description) => format!("{text} ({})", description.chars().take(200).collect::<String>()),
            None => text.to_owned(),
        };
        let stage = match found.state {
            ProwState::Scheduling | ProwState::Triggered | ProwState::Pending => {
                Stage::Running(format!("is {}", found.state.text()))
            }
            ProwState::Success => Stage::Succeeded,
            ProwState::Failure => Stage::Ended(TaskStatus::Fail, ReasonClass::Product, words("failed")),
            ProwState::Aborted => Stage::Ended(
                TaskStatus::NotStarted,
                ReasonClass::Infrastructure,
                words("was aborted before it had a result"),
            ),
            ProwState::Error => Stage::Ended(
                TaskStatus::NotStarted,
                ReasonClass::Infrastructure,
                words("ended in an error of the CI system, without a result"),
            ),
        };
        ObservedJob { job, stage }
    }
}

#[async_trait]
impl JobSystemClient for ProwJobs {
    async fn look(&self, job: &Job) -> Result<ObservedJob, ServiceError> {
        let id = job.id.as_deref().unwrap_or_default();
        Ok(match self.prow.job(id).await? {
            Some(found) => self.observed(job.clone(), &found),
            None => ObservedJob {
                job: job.clone(),
                stage: Stage::Lost(
                    "is unknown to Prow, which keeps finished jobs for about a day".to_owned(),
                ),
            },
        })
    }

    async fn find(&self, intended: &Job) -> Result<Vec<Job>, ServiceError> {
        let Some(intent) = Self::run_intent(intended) else { return Ok(Vec::new()) };
        let gangway = self.gangway("look for a job that may have been started")?;
        // Its key stands at the run, so there is one at most.
        let found = Runs::new(gangway, &self.prow).find_run(&intent).await?;
        let job = found.map(|found| Job {
            id: Some(found.id),
            triggered_at: found.started.map(stamp),
            ..intended.clone()
        });
        Ok(job.into_iter().collect())
    }

    async fn trigger(&self, intended: &Job, permit: &WritePermit) -> Result<ObservedJob, ServiceError> {
        let intent = intended.intent.as_ref();
        let trigger = Trigger {
            job: intended.name.clone(),
            envs: intent.map(|intent| intent.parameters.clone()).unwrap_or_default(),
            annotations: intent
                .map(|intent| (INTENT_ANNOTATION.to_owned(), intent.key.clone()))
                .into_iter()
                .collect(),
        };
        let execution = self.gangway("start a job")?.trigger(&trigger, permit).await?;
        let job = Job {
            url: Some(execution.url.unwrap_or_else(|| self.prow.link(&execution.id).to_string())),
            id: Some(execution.id),
            triggered_at: Some(self.clock.stamp()),
            ..intended.clone()
        };
        Ok(ObservedJob { job, stage: Stage::Running("was started".to_owned()) })
    }

    async fn settle(&self) {
        self.clock.sleep(SETTLE).await;
    }
}
