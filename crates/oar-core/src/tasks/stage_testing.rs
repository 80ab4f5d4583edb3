//! `stage-testing`: a Jenkins pipeline tests the release on stage (spec 01 §5.8, spec 03 §7).

use std::sync::LazyLock;

use async_trait::async_trait;
use futures::future::{join, join3};
use indexmap::IndexMap;
use regex::Regex;

use super::ReleaseContext;
use super::art_stage_test::ArtStageTest;
use super::external_job::{
    ExpectedPayload, JenkinsJobs, JobDone, JobPlan, JobStep, JobSystemClient, Known, intended, known,
};
use crate::config::{Flow, SlackTeam};
use crate::error::ErrorClass;
use crate::flow::gates;
use crate::flow::outcome::{Plan, PlanSummary, Refusal, TaskError, TaskOutcome};
use crate::flow::recorder::Recorder;
use crate::flow::task::Task;
use crate::ids::JobPath;
use crate::notify::outbox::group_mention;
use crate::notify::{Message, Reference, StageTesting as StageTestingMessage, StageTestingJob};
use crate::permit::WritePermit;
use crate::statebox::{Change, Job, JobSystem, State, StateError, TaskName, TaskStatus, TaskView};

const TASK: TaskName = TaskName::StageTesting;
/// The parameters of the job (`interop-exact`, spec 03 §7.1).
const VERSION: &str = "VERSION";
const PULL_SPEC: &str = "PULL_SPEC";
const METADATA: &str = "METADATA_AD";
/// The parameters with the payload, of this job and of its predecessor.
const PAYLOAD: &[&str] = &[PULL_SPEC, "PAYLOAD_URL"];
/// The text before the build's URL in a log (`interop-exact`: agents read the build's number from it).
const TRIGGERED: &str = crate::statebox::STAGE_TRIGGERED;

/// Tests the release of `services` on stage.
pub struct StageTesting {
    services: ReleaseContext,
    build: Option<u64>,
    /// Whether a build is started although ART has tested this payload.
    again: bool,
    /// Whether no build is started.
    follows: bool,
}

/// The plan for the build.
#[derive(Debug)]
pub struct StagePlan {
    job: JobPlan,
    /// Whether the job is known to define the parameters.
    checked: bool,
}

impl StagePlan {
    /// What is done about the job.
    pub fn job(&self) -> &JobPlan {
        &self.job
    }
}

impl From<JobPlan> for StagePlan {
    fn from(job: JobPlan) -> Self {
        Self { job, checked: false }
    }
}

impl Plan for StagePlan {
    fn summary(&self) -> PlanSummary {
        self.job.summary()
    }

    fn acts(&self) -> bool {
        self.job.acts()
    }
}

impl StageTesting {
    /// The task; `build` is the Jenkins build to follow instead of the one in the StateBox. With `again` a
    /// build is started although ART has tested, or is testing, this payload.
    pub fn new(services: ReleaseContext, build: Option<u64>, again: bool) -> Self {
        Self { services, build, again, follows: false }
    }

    /// The same task; with `follows` it starts no build.
    #[must_use]
    pub fn only_following(self, follows: bool) -> Self {
        Self { follows, ..self }
    }

    fn jobs(&self, checked: bool) -> Result<JenkinsJobs, TaskError> {
        let config = self.services.config();
        let path: JobPath = config.jobs()?.stage_testing.parse().map_err(|error| {
            Refusal::new(
                ErrorClass::Configuration,
                format!("jobs.stage-testing of the configuration: {error}"),
            )
        })?;
        let candidate = config.candidate_builds().get("x86_64").map(String::as_str);
        Ok(JenkinsJobs {
            jenkins: self.services.clients().jenkins()?,
            path,
            payload_parameters: PAYLOAD,
            payload: ExpectedPayload::new(config.release(), candidate),
            checked,
            clock: self.services.clients().clock().clone(),
        })
    }

    fn parameters(&self, jobs: &JenkinsJobs) -> Result<IndexMap<String, String>, TaskError> {
        let config = self.services.config();
        let repository = config.jobs()?.payload_repository;
        let mut parameters: IndexMap<String, String> = [
            (VERSION.to_owned(), config.y_stream().to_string()),
            (PULL_SPEC.to_owned(), jobs.payload.pull_spec(&repository)),
        ]
        .into();
        let metadata = config.advisories().iter().find(|(impetus, _)| impetus.as_str() == "metadata");
        match metadata {
            Some((_, id)) => {
                parameters.insert(METADATA.to_owned(), id.to_string());
            }
            None if config.flow() == Flow::Errata => {
                self.services.advisories()?;
                return Err(Refusal::blocked(format!(
                    "{} ships by advisories, and none of them is a metadata advisory, which the job tests",
                    config.release()
                ))
                .with_hint(
                    "Ask ART to add the metadata advisory to the build data, then run the command again.",
                )
                .into());
            }
            None => {}
        }
        Ok(parameters)
    }

    /// What to do when no build is known: wait for the staging push and the stage release, follow a build
    /// that somebody else started, or start one.
    async fn begin(
        &self,
        jobs: &JenkinsJobs,
        seen: Option<Job>,
        state: Option<&State>,
    ) -> Result<StagePlan, TaskError> {
        let parameters = self.parameters(jobs)?;
        self.services.shipment()?;
        let status =
            state.and_then(|state| state.task(TASK)).map_or(TaskStatus::NotStarted, |view| view.status);
        let gate = gates::require(TASK, state, self.services.now()).err();
        let job = Job::new(JobSystem::Jenkins, jobs.path.to_string());
        let intended = intended(&self.services, job, parameters, seen.as_ref());
        let art = async {
            let looks = !self.again && self.services.config().shipment_mr().is_some();
            if looks { Some(ArtStageTest::of(&self.services, &jobs.payload).await) } else { None }
        };
        // These are independent of each other.
        let (shipment, around, art) =
            join3(self.services.require_stage(), jobs.preflight(&intended), art).await;
        let (shipment, around) = match (shipment, around, gate.clone()) {
            (Ok(shipment), Ok(around), _) => (shipment, around),
            // A build may be running, even if a new one may not be started.
            (_, Err(unseen), _) => return Err(unseen.into()),
            (_, _, Some(gate)) => return Err(gate.into()),
            (shipment, Ok(around), None) => (shipment?, around),
        };
        if let (Some(gate), false) = (&gate, around.running.is_empty()) {
            return Err(gate.clone().into());
        }
        if around.running.len() > 1 {
            return Ok(JobPlan::of_several(TASK, around.running, seen, status).into());
        }
        if let Some(running) = around.running.into_iter().next() {
            let observed = jobs.look(&running).await?;
            let mut plan = JobPlan::new(TASK, JobStep::Follow { observed: Box::new(observed) }, seen, status);
            plan.notes.push("a build with the same parameters is there already: none is started".to_owned());
            return Ok(plan.into());
        }
        if !around.refused.is_empty() {
            let text = format!(
                "the Jenkins job {} does not take what is asked of it: {}",
                jobs.path,
                around.refused.join(", ")
            );
            return Err(Refusal::blocked(text)
                .with_hint(
                    "Jenkins would drop it and test something else: ask the owners of the job, or name another job in \
                     jobs.stage-testing of the configuration.",
                )
                .into());
        }
        let note = match (art, &shipment) {
            (Some(art), Some(shipment)) => art.speaks(&self.services, shipment)?,
            _ => None,
        };
        let mut plan = JobPlan::gated(TASK, intended, seen, status, gate);
        plan.notes.extend(note);
        Ok(StagePlan { job: plan, checked: around.checked })
    }

    /// Looks up the Slack group to notify in advance. If that fails, it is looked up again when the message
    /// is sent.
    async fn find_leads(&self, plan: &JobPlan) {
        if let (JobStep::Start { .. }, Ok(leads)) = (&plan.step, self.services.config().release_leads()) {
            let _ = self.services.slack().usergroup_id(leads).await;
        }
    }
}

#[async_trait]
impl Task for StageTesting {
    type Plan = StagePlan;
    type Done = JobDone;

    fn name(&self) -> TaskName {
        TASK
    }

    fn command(&self) -> String {
        match self.build {
            Some(number) => format!("stage-testing --build-number {number}"),
            None if self.again => "stage-testing --again".to_owned(),
            None => "stage-testing".to_owned(),
        }
    }

    fn initial_state(&self) -> Result<State, TaskError> {
        Ok(self.services.initial_state())
    }

    async fn plan(&self, state: Option<&State>) -> Result<StagePlan, TaskError> {
        let view = state.and_then(|state| state.task(TASK));
        let jobs = self.jobs(false)?;
        let by_number =
            |number: String| Job { id: Some(number), ..Job::new(JobSystem::Jenkins, jobs.path.to_string()) };
        let named = self.build.map(|number| by_number(number.to_string()));
        let old = view.as_ref().and_then(|view| old_build(view, &jobs.path)).map(by_number);
        match known(TASK, view.as_ref(), named, old, &jobs, self.services.now()).await? {
            Known::Plan(plan) => Ok(plan.into()),
            Known::Nothing { seen, notes } => {
                let mut plan = self.begin(&jobs, seen, state).await?;
                plan.job.notes.splice(0..0, notes);
                plan.job.start_nothing_if(self.follows);
                Ok(plan)
            }
        }
    }

    fn standing(&self, plan: &StagePlan) -> Option<TaskOutcome<JobDone>> {
        plan.job.standing()
    }

    fn intend(&self, plan: &StagePlan, state: &mut State) -> Result<Change, StateError> {
        plan.job.intend(state)
    }

    async fn apply(
        &self,
        plan: &StagePlan,
        permit: &WritePermit,
        recorder: &Recorder,
    ) -> Result<TaskOutcome<JobDone>, TaskError> {
        let jobs = self.jobs(plan.checked)?;
        let started = plan.job.apply(&jobs, permit, recorder);
        let (outcome, ()) = join(started, self.find_leads(&plan.job)).await;
        let outcome = outcome?;
        if let (TaskStatus::InProgress, Some(job)) = (outcome.status, outcome.done.job_now(&plan.job))
            && let Some(url) = &job.url
        {
            // The URL of a queue item ends in a number too, which readers of the log would take for a
            // build's.
            if job.id.is_some() {
                tracing::info!("{TRIGGERED} <{url}>");
            } else {
                tracing::info!("the stage pipeline job waits in Jenkins' queue: {url}");
            }
        }
        Ok(outcome)
    }

    fn remember(
        &self,
        plan: &StagePlan,
        outcome: &TaskOutcome<JobDone>,
        state: &mut State,
    ) -> Result<Change, StateError> {
        Ok(plan.job.remember(&outcome.done, state))
    }

    async fn notifications(&self, plan: &StagePlan, outcome: &TaskOutcome<JobDone>) -> Vec<Message> {
        let job = outcome.done.job_now(&plan.job);
        let Some(job) = job.filter(|_| outcome.status == TaskStatus::InProgress) else {
            return Vec::new();
        };
        let (Some(url), true) = (&job.url, job.intent.is_some()) else { return Vec::new() };
        let config = self.services.config();
        let (channel, leads) = match (config.slack_channel(SlackTeam::QeRelease), config.release_leads()) {
            (Ok(channel), Ok(leads)) => (channel, leads),
            (Err(error), _) | (_, Err(error)) => {
                tracing::warn!("nobody is notified: {error}");
                return Vec::new();
            }
        };
        let leads = group_mention(self.services.slack(), leads).await;
        let number = job.id.as_ref().or(job.queue_item.as_ref()).map(|number| format!("#{number}"));
        let place = Reference::new(url.clone(), number.unwrap_or_else(|| "build".to_owned()));
        let state = if job.id.is_some() {
            StageTestingJob::Started { build: &place }
        } else {
            StageTestingJob::Queued { item: &place }
        };
        let name = job.name.rsplit('/').next().unwrap_or(&job.name);
        vec![
            StageTestingMessage { release: config.release(), job: name, state, leads: &leads }
                .message(channel),
        ]
    }
}

/// The number of the build whose URL is in a result, as the Python tooling and this program log it. The URL
/// of a queue item does not count.
pub(crate) fn old_build(view: &TaskView, path: &JobPath) -> Option<String> {
    static LITERAL: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new(&format!(r"{TRIGGERED} <([^>\s]+)>")).ok());
    let result = view.result.as_deref()?;
    let address = LITERAL.as_ref()?.captures_iter(result).last()?.get(1)?.as_str();
    let address = address.trim_end_matches('/');
    let (job, number) = address.rsplit_once('/')?;
    let number: u64 = number.parse().ok()?;
    job.ends_with(&format!("/job/{}", path.leaf())).then(|| number.to_string())
}
