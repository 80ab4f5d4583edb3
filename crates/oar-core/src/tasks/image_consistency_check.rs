//! `image-consistency-check`: a Prow job compares the payload with the shipment, then the images' health is
//! checked (spec 01 §5.4, spec 03 §4).

use std::sync::LazyLock;

use async_trait::async_trait;
use futures::future::join;
use indexmap::IndexMap;
use regex::Regex;
use schemars::JsonSchema;
use serde::Serialize;

use super::ReleaseContext;
use super::external_job::{
    ExpectedPayload, JobDone, JobPlan, JobStep, JobSystemClient, Known, ProwJobs, Stage, intended, known,
};
use crate::clients::Effect;
use crate::config::SlackTeam;
use crate::error::ErrorClass;
use crate::flow::gates;
use crate::flow::outcome::{Refusal, Step, TaskError, TaskOutcome};
use crate::flow::recorder::Recorder;
use crate::flow::task::Task;
use crate::notify::outbox::group_mention;
use crate::notify::{
    ConsistencyCheckTriggered, Message, Reference, UnhealthyAdvisories, UnhealthyAdvisory, UnhealthyBuild,
    UnhealthyImage, UnhealthyImages,
};
use crate::operators::image_health::{
    AdvisoryToCheck, Conclusion, Grade, HealthFacts, HealthReport, NoteTarget, ShipmentAdvisory,
};
use crate::operators::shipment::ShipmentError;
use crate::permit::WritePermit;
use crate::prow::release_jobs::{CONSISTENCY_MERGE_REQUEST, CONSISTENCY_PAYLOAD};
use crate::statebox::{
    Change, Job, JobSystem, ReasonClass, State, StateError, TaskName, TaskStatus, TaskView,
};

const TASK: TaskName = TaskName::ImageConsistencyCheck;
/// The text before the job's id in a log (`interop-exact`: the Python tooling finds its job by it).
const TRIGGERED: &str = crate::statebox::CONSISTENCY_TRIGGERED;

/// Checks the consistency and the health of the images of the release of `services`.
pub struct ImageConsistencyCheck {
    services: ReleaseContext,
    job_id: Option<String>,
    /// Whether no job is started.
    follows: bool,
}

/// The result of the job and of the images' health.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
pub struct Done {
    /// The job.
    #[serde(flatten)]
    pub job: JobDone,
    /// The health of the images, once the job has succeeded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_health: Option<HealthFacts>,
    /// The unhealthy images, for the message about them.
    #[serde(skip)]
    unhealthy: Option<HealthReport>,
}

impl From<JobDone> for Done {
    fn from(job: JobDone) -> Self {
        Self { job, ..Self::default() }
    }
}

impl ImageConsistencyCheck {
    /// The task; `job_id` is the Prow job to follow instead of the one in the StateBox.
    pub fn new(services: ReleaseContext, job_id: Option<String>) -> Self {
        Self { services, job_id, follows: false }
    }

    /// The same task; with `follows` it starts no job.
    #[must_use]
    pub fn only_following(self, follows: bool) -> Self {
        Self { follows, ..self }
    }

    fn payload(&self) -> ExpectedPayload {
        let config = self.services.config();
        let candidate = config.candidate_builds().get("x86_64").map(String::as_str);
        ExpectedPayload::new(config.release(), candidate)
    }

    fn jobs(&self) -> Result<ProwJobs, TaskError> {
        Ok(ProwJobs {
            prow: self.services.clients().prow(),
            gangway: self.services.clients().gangway_if_set()?,
            payload_variable: CONSISTENCY_PAYLOAD,
            payload: self.payload(),
            name: self.services.config().jobs()?.image_consistency,
            clock: self.services.clients().clock().clone(),
        })
    }

    /// What to do when no job is known: wait for the staging push and the stage release, follow a job that
    /// somebody else started with the same parameters, or start one.
    async fn begin(
        &self,
        jobs: &ProwJobs,
        seen: Option<Job>,
        state: Option<&State>,
    ) -> Result<JobPlan, TaskError> {
        let status =
            state.and_then(|state| state.task(TASK)).map_or(TaskStatus::NotStarted, |view| view.status);
        let intended = self.intended(jobs, seen.as_ref())?;
        let gate = gates::require(TASK, state, self.services.now()).err();
        let (released, running) = join(self.services.require_stage(), jobs.running_already(&intended)).await;
        let running = match (released, running, &gate) {
            (Ok(_), Ok(running), _) if running.is_empty() => {
                return Ok(JobPlan::gated(TASK, intended, seen, status, gate));
            }
            // A job may be running, even if a new one may not be started.
            (_, Err(unseen), _) => return Err(unseen.into()),
            (_, _, Some(gate)) => return Err(gate.clone().into()),
            (released, Ok(running), None) => {
                released?;
                running
            }
        };
        if running.len() > 1 {
            return Ok(JobPlan::of_several(TASK, running, seen, status));
        }
        let Some(running) = running.into_iter().next() else {
            return Ok(JobPlan::gated(TASK, intended, seen, status, None));
        };
        let observed = jobs.look(&running).await?;
        let mut plan = JobPlan::new(TASK, JobStep::Follow { observed: Box::new(observed) }, seen, status);
        plan.notes.push("a job with the same parameters runs already: none is started".to_owned());
        Ok(plan)
    }

    /// The job to start, if it may be started.
    fn intended(&self, jobs: &ProwJobs, seen: Option<&Job>) -> Result<Job, TaskError> {
        let config = self.services.config();
        if jobs.gangway.is_none() {
            config.settings().credentials().require(crate::config::Credential::GangwayToken)?;
        }
        self.services.shipment()?;
        let Some(shipment) = config.shipment_mr() else {
            return Err(Refusal::blocked(format!(
                "{} has no shipment merge request, and the Prow job compares the payload with one",
                config.release()
            ))
            .with_hint(format!(
                "Follow a job that was started otherwise with -i JOB_ID; then the grades of the advisories decide. \
                 When there is none, say by hand how it went: oar -r {} task set {TASK} Pass --reason TEXT",
                config.release()
            ))
            .into());
        };
        let repository = config.jobs()?.payload_repository;
        let parameters: IndexMap<String, String> = [
            (CONSISTENCY_PAYLOAD.to_owned(), self.payload().pull_spec(&repository)),
            (CONSISTENCY_MERGE_REQUEST.to_owned(), shipment.iid().to_string()),
        ]
        .into();
        let job = Job::new(JobSystem::Prow, jobs.name.clone());
        Ok(intended(&self.services, job, parameters, seen))
    }

    /// Checks the images' health and adds the result to the outcome.
    async fn evaluate(
        &self,
        mut outcome: TaskOutcome<Done>,
        permit: &WritePermit,
        recorder: &Recorder,
    ) -> Result<TaskOutcome<Done>, TaskError> {
        let report = self.health().await?;
        tracing::info!("{}", report.summary());
        if let (Some(reference), true) = (self.services.shipment()?, !report.images.is_empty()) {
            let gitlab = self.services.clients().gitlab()?;
            let release = self.services.config().release().to_string();
            let target = NoteTarget { gitlab: &gitlab, merge_request: &reference, release: &release };
            match report.publish(target, permit).await {
                Ok(Effect::Changed) => {
                    recorder.did(Step::new("write the image health on", reference.to_string()));
                }
                Ok(Effect::AlreadySo) => {}
                // A Pass would be final, so it is withheld; any other verdict is kept, and the next run
                // writes the note.
                Err(error)
                    if matches!(report.conclusion(), Conclusion::Healthy | Conclusion::NotApplicable) =>
                {
                    return Err(error.into());
                }
                Err(error) => tracing::warn!("the image health is not on the merge request: {error}"),
            }
        }
        outcome.done.image_health = Some(report.facts());
        let (status, class) = match report.conclusion() {
            Conclusion::Healthy | Conclusion::NotApplicable => {
                return Ok(outcome.found(format!("the Prow job succeeded, {}", report.summary())));
            }
            Conclusion::Unhealthy => (TaskStatus::Fail, ReasonClass::Product),
            Conclusion::Incomplete => (TaskStatus::InProgress, ReasonClass::Infrastructure),
        };
        if report.conclusion() == Conclusion::Unhealthy {
            outcome.done.unhealthy = Some(report.clone());
        }
        outcome.status = status;
        outcome.class = report.class();
        let mut outcome = outcome.because(class, report.findings());
        outcome.hint = Some(match status {
            TaskStatus::Fail => {
                "See the note on the merge request. A known problem is waived in the configuration \
                 (image_health.waivers); then run the same command again: the job is not started again."
                    .to_owned()
            }
            _ => "Run the same command again: only the images' health is checked.".to_owned(),
        });
        Ok(outcome)
    }

    /// The message to the release leads about unhealthy images.
    async fn unhealthy_message(&self, report: &HealthReport) -> Option<Message> {
        let config = self.services.config();
        let (channel, leads) = match (config.slack_channel(SlackTeam::QeRelease), config.release_leads()) {
            (Ok(channel), Ok(leads)) => (channel, group_mention(self.services.slack(), leads).await),
            (Err(error), _) | (_, Err(error)) => {
                tracing::warn!("nobody is notified: {error}");
                return None;
            }
        };
        let release = config.release();
        let unhealthy = report.unhealthy();
        let grade = |grade: Grade| Some(grade.letter().to_string());
        if let Some(url) = config.shipment_mr() {
            let images: Vec<UnhealthyImage> = unhealthy
                .iter()
                .map(|(image, found)| UnhealthyImage {
                    component: image.component.clone(),
                    architecture: image.architecture.clone(),
                    grade: grade(*found),
                })
                .collect();
            let merge_request = Reference::new(url.as_str(), format!("shipment merge request {}", url.iid()));
            let counts = report.counts();
            let message = UnhealthyImages {
                release,
                merge_request: &merge_request,
                scanned: counts.scanned,
                unknown: counts.unknown,
                unhealthy: &images,
                leads: &leads,
            };
            return Some(message.message(channel));
        }
        let advisories: Vec<UnhealthyAdvisory> = report
            .advisories
            .iter()
            .filter_map(|(id, images)| {
                let ours: Vec<_> = unhealthy.iter().filter(|(image, _)| images.contains(image)).collect();
                // The worst one is the first.
                let (_, worst) = ours.first()?;
                // An entry without a build is about the whole advisory.
                let builds = ours.iter().filter(|(image, _)| !image.pull_spec.is_empty());
                Some(UnhealthyAdvisory {
                    advisory: Reference::new(id.link(), id.to_string()),
                    grade: grade(*worst),
                    builds: builds
                        .map(|(image, found)| UnhealthyBuild {
                            nvr: image.pull_spec.clone(),
                            architecture: image.architecture.clone(),
                            grade: grade(*found),
                        })
                        .collect(),
                })
            })
            .collect();
        let message = UnhealthyAdvisories { release, advisories: &advisories, leads: &leads };
        (!advisories.is_empty()).then(|| message.message(channel))
    }

    async fn health(&self) -> Result<HealthReport, TaskError> {
        let health = self.services.image_health()?;
        if let Some(shipment) = self.services.loaded_shipment().await? {
            self.services.require_stage_release(&shipment).await?;
            let mut files = Vec::new();
            for file in shipment.files().await? {
                files.push(ShipmentAdvisory {
                    file: file.path().to_owned(),
                    address: file.stage_advisory_url().map_err(ShipmentError::from)?.map(str::to_owned),
                });
            }
            return Ok(health.check_shipment(&files).await);
        }
        let advisories = self.services.advisories()?.into_iter();
        let advisories: Vec<AdvisoryToCheck> =
            advisories.map(|(impetus, id)| AdvisoryToCheck { impetus, id }).collect();
        Ok(health.check_advisories(&advisories, &self.services.clients().errata()).await)
    }
}

#[async_trait]
impl Task for ImageConsistencyCheck {
    type Plan = JobPlan;
    type Done = Done;

    fn name(&self) -> TaskName {
        TASK
    }

    fn command(&self) -> String {
        match &self.job_id {
            Some(id) => format!("image-consistency-check --job-id {id}"),
            None => "image-consistency-check".to_owned(),
        }
    }

    fn initial_state(&self) -> Result<State, TaskError> {
        Ok(self.services.initial_state())
    }

    async fn plan(&self, state: Option<&State>) -> Result<JobPlan, TaskError> {
        let view = state.and_then(|state| state.task(TASK));
        let jobs = self.jobs()?;
        let by_id = |id: String| Job { id: Some(id), ..Job::new(JobSystem::Prow, jobs.name.clone()) };
        let named = self.job_id.clone().map(by_id);
        let old = view.as_ref().and_then(old_job).map(by_id);
        match known(TASK, view.as_ref(), named, old, &jobs, self.services.now()).await? {
            Known::Plan(mut plan) => {
                plan.evaluation.push(Step::new("check", "the health of the images"));
                if let Ok(Some(shipment)) = self.services.shipment() {
                    plan.evaluation.push(Step::new("write the image health on", shipment.to_string()));
                }
                Ok(plan)
            }
            Known::Nothing { seen, notes } => {
                let mut plan = self.begin(&jobs, seen, state).await?;
                plan.notes.splice(0..0, notes);
                plan.start_nothing_if(self.follows);
                Ok(plan)
            }
        }
    }

    fn intend(&self, plan: &JobPlan, state: &mut State) -> Result<Change, StateError> {
        plan.intend(state)
    }

    fn standing(&self, plan: &JobPlan) -> Option<TaskOutcome<Done>> {
        plan.standing().map(|outcome| outcome.map(Done::from))
    }

    async fn apply(
        &self,
        plan: &JobPlan,
        permit: &WritePermit,
        recorder: &Recorder,
    ) -> Result<TaskOutcome<Done>, TaskError> {
        let outcome = plan.apply(&self.jobs()?, permit, recorder).await?.map(Done::from);
        if let (TaskStatus::InProgress, Some(job)) = (outcome.status, outcome.done.job.job_now(plan))
            && let Some(id) = &job.id
        {
            tracing::info!("{TRIGGERED} {id}");
            if let Some(url) = &job.url {
                tracing::info!("{url}");
            }
        }
        match &plan.step {
            JobStep::Follow { observed } if observed.stage == Stage::Succeeded => {
                match self.evaluate(outcome.clone(), permit, recorder).await {
                    Ok(outcome) => Ok(outcome),
                    // The job's result is kept; the next run checks the images.
                    Err(error) => {
                        let class = error.inner().class();
                        let mut outcome = TaskOutcome::of(TaskStatus::InProgress, outcome.done)
                            .recording(outcome.recorded)
                            .because(error.reason_class(), format!("the images' health: {}", error.inner()))
                            .with_class(match class {
                                ErrorClass::Failed => ErrorClass::Unavailable,
                                class => class,
                            });
                        outcome.hint = error.inner().hint();
                        Ok(outcome)
                    }
                }
            }
            _ => Ok(outcome),
        }
    }

    fn remember(
        &self,
        plan: &JobPlan,
        outcome: &TaskOutcome<Done>,
        state: &mut State,
    ) -> Result<Change, StateError> {
        Ok(plan.remember(&outcome.done.job, state))
    }

    fn tells(&self, outcome: &TaskOutcome<Done>) -> bool {
        // The release leads are notified of unhealthy images.
        matches!(outcome.status, TaskStatus::Pass | TaskStatus::InProgress | TaskStatus::Fail)
    }

    async fn notifications(&self, plan: &JobPlan, outcome: &TaskOutcome<Done>) -> Vec<Message> {
        if outcome.status == TaskStatus::Fail {
            return match &outcome.done.unhealthy {
                Some(report) => self.unhealthy_message(report).await.into_iter().collect(),
                None => Vec::new(),
            };
        }
        let Some(job) = outcome.done.job.job_now(plan).filter(|_| outcome.status == TaskStatus::InProgress)
        else {
            return Vec::new();
        };
        // A job of an older program was announced by that program; a job with a result needs no announcement
        // any more.
        let (Some(id), None, true) = (&job.id, &job.state, job.intent.is_some()) else { return Vec::new() };
        let config = self.services.config();
        match (config.slack_channel(SlackTeam::QeRelease), config.release_leads()) {
            (Ok(channel), Ok(leads)) => {
                let leads = group_mention(self.services.slack(), leads).await;
                // Not the page of the run, which is known only later: a repeated message must have the same
                // text.
                let page =
                    Reference::new(self.services.clients().prow().link(id).to_string(), job.name.clone());
                vec![
                    ConsistencyCheckTriggered { release: config.release(), job: &page, leads: &leads }
                        .message(channel),
                ]
            }
            (Err(error), _) | (_, Err(error)) => {
                tracing::warn!("nobody is notified: {error}");
                Vec::new()
            }
        }
    }
}

/// The id of the job in a result, as the Python tooling and this program log it.
pub(crate) fn old_job(view: &TaskView) -> Option<String> {
    static LITERAL: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new(&format!(r"{TRIGGERED} ([0-9A-Za-z-]{{8,64}})")).ok());
    let result = view.result.as_deref()?;
    let found = LITERAL.as_ref()?.captures_iter(result).last()?;
    found.get(1).map(|id| id.as_str().to_owned())
}
