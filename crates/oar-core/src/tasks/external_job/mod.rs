//! External jobs of tasks: intent, trigger, id, check, result.
//!
//! A job is expensive, so it is started once: the intent is recorded before the trigger; the job of an intent
//! without an id is looked for before anything is started again; and two runs at the same time cannot both
//! record an intent.

mod follow;
mod jenkins;
mod prow;
mod release;
#[cfg(test)]
mod tests;

use async_trait::async_trait;
use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Serialize;

pub use jenkins::{JenkinsJobs, Preflight};
pub use prow::ProwJobs;
pub use release::ExpectedPayload;

pub(crate) use follow::{Known, known};

use super::ReleaseContext;
use crate::clients::{Attempt, attempt};
use crate::error::{Classified, ErrorClass, ServiceError, ServiceErrorKind};
use crate::flow::holder;
use crate::flow::outcome::{Plan, PlanSummary, Refusal, Step, TaskError, TaskOutcome};
use crate::flow::recorder::Recorder;
use crate::permit::WritePermit;
use crate::statebox::{
    Change, Job, JobIntent, JobSystem, ReasonClass, State, StateError, TaskName, TaskStatus,
};

/// The recorded state of a job that runs with other parameters than requested.
const OTHER_PARAMETERS: &str = "OTHER_PARAMETERS";

/// The stage of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stage {
    /// It is waiting or running; a description.
    Running(String),
    /// It succeeded.
    Succeeded,
    /// It ended without success: the resulting status of the task, the class of the reason, and a
    /// description.
    Ended(TaskStatus, ReasonClass, String),
    /// Its system no longer has it; a description.
    Lost(String),
    /// It was started for another release; a description.
    Foreign(String),
}

/// A job after a check: what is known of it, and its stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObservedJob {
    /// The job, with everything that the check found.
    pub job: Job,
    /// Its stage.
    pub stage: Stage,
}

/// A job system, as tasks need it.
#[async_trait]
pub trait JobSystemClient: Send + Sync {
    /// Reads a job whose id or queue item is known.
    async fn look(&self, job: &Job) -> Result<ObservedJob, ServiceError>;

    /// Looks for the job that the intent in `intended` has started: every one that may be it.
    async fn find(&self, intended: &Job) -> Result<Vec<Job>, ServiceError>;

    /// Starts the job that `intended` describes and returns what is known of it immediately.
    async fn trigger(&self, intended: &Job, permit: &WritePermit) -> Result<ObservedJob, ServiceError>;

    /// Waits until a job whose trigger got no answer has had time to appear.
    async fn settle(&self);
}

/// What to do about a task's job.
#[derive(Debug)]
pub enum JobStep {
    /// The task has passed.
    Passed,
    /// Start a job.
    Start {
        /// The job with its intent.
        intended: Box<Job>,
    },
    /// Follow an existing job.
    Follow {
        /// Its present state.
        observed: Box<ObservedJob>,
    },
    /// Several jobs may be the one of the task: a person must name it, and until then none is followed or started.
    Several {
        /// The jobs.
        jobs: Vec<Job>,
    },
    /// A job exists, or may exist, and cannot be read now.
    Unseen {
        /// The job.
        job: Box<Job>,
        /// Why it cannot be read.
        why: String,
        /// A hint for the user.
        hint: Option<String>,
    },
}

/// The plan of a task with an external job.
#[derive(Debug)]
pub struct JobPlan {
    /// The task.
    pub task: TaskName,
    /// What to do.
    pub step: JobStep,
    /// The job in the StateBox.
    pub seen: Option<Job>,
    /// The task's status in the StateBox.
    pub status: TaskStatus,
    /// Notes for the user.
    pub notes: Vec<String>,
    /// What is done after a job succeeded, besides recording the result.
    pub evaluation: Vec<Step>,
    /// Why the job may not be started now: the plan can be shown, but applying it is refused.
    pub gate: Option<Refusal>,
}

/// The result of the job.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct JobDone {
    /// The job after the check; `None` when there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job: Option<Job>,
    #[serde(skip)]
    left: Left,
}

/// A look after a trigger without an answer that found more than one job: which one was started is not known.
struct Several(Vec<Job>);

/// What a run does to the job in the StateBox.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
enum Left {
    /// It does not change.
    #[default]
    AsItWas,
    /// It becomes this one.
    Is(Box<Job>),
    /// It is removed: the intent did not start a job.
    Nothing,
}

impl JobDone {
    fn seen(job: &Job) -> Self {
        Self { job: Some(job.clone()), left: Left::Is(Box::new(job.clone())) }
    }

    /// The job after the run.
    pub fn job_now<'a>(&'a self, plan: &'a JobPlan) -> Option<&'a Job> {
        match (&self.left, &plan.step) {
            (Left::Is(job), _) => Some(job),
            (Left::Nothing, _) => None,
            (Left::AsItWas, JobStep::Follow { observed }) => Some(&observed.job),
            (Left::AsItWas, _) => plan.seen.as_ref(),
        }
    }
}

impl JobPlan {
    /// A plan with only a step.
    pub fn new(task: TaskName, step: JobStep, seen: Option<Job>, status: TaskStatus) -> Self {
        let (notes, evaluation) = (Vec::new(), Vec::new());
        Self { task, step, seen, status, notes, evaluation, gate: None }
    }

    /// The plan when several `jobs` may be the one of the task.
    pub(super) fn of_several(task: TaskName, jobs: Vec<Job>, seen: Option<Job>, status: TaskStatus) -> Self {
        let (words, hint) = which_of(task, &jobs);
        let gate = Refusal::blocked(words).with_hint(hint);
        let plan = Self::new(task, JobStep::Several { jobs }, seen, status);
        Self { gate: Some(gate), ..plan }
    }

    /// A plan to start `intended`, which is refused while there is a `gate`.
    pub(super) fn gated(
        task: TaskName,
        intended: Job,
        seen: Option<Job>,
        status: TaskStatus,
        gate: Option<Refusal>,
    ) -> Self {
        let mut plan = Self::new(task, JobStep::Start { intended: Box::new(intended) }, seen, status);
        plan.notes.extend(gate.iter().map(|gate| format!("it is not started yet: {gate}")));
        plan.gate = gate;
        plan
    }

    /// Refuses to start a job, when `follows`: one that is there is followed all the same.
    pub(super) fn start_nothing_if(&mut self, follows: bool) {
        if follows && self.gate.is_none() && matches!(self.step, JobStep::Start { .. }) {
            self.gate = Some(
                Refusal::blocked("there is no job to follow, and this run starts none")
                    .with_hint("Run the command by hand when a job is to be started."),
            );
        }
    }

    /// Records the intent ([`crate::flow::task::Task::intend`]).
    pub fn intend(&self, state: &mut State) -> Result<Change, StateError> {
        match &self.step {
            JobStep::Start { intended } => state.intend_job(self.task, self.seen.as_ref(), intended),
            _ => Ok(Change::Unchanged),
        }
    }

    /// Records the state of the job ([`crate::flow::task::Task::remember`]).
    pub fn remember(&self, done: &JobDone, state: &mut State) -> Change {
        let base = match &self.step {
            JobStep::Start { intended } => Some(&**intended),
            _ => self.seen.as_ref(),
        };
        match &done.left {
            Left::AsItWas => Change::Unchanged,
            Left::Is(job) => state.update_job(self.task, base, job),
            Left::Nothing => {
                let ours = state
                    .task(self.task)
                    .and_then(|view| view.job)
                    .is_some_and(|now| base.is_some_and(|base| now.is_same(base)));
                if ours { state.set_job(self.task, None) } else { Change::Unchanged }
            }
        }
    }

    /// Starts the job if needed, and returns the task's outcome. A job that succeeded is `Pass` here: the
    /// task may check more.
    pub async fn apply(
        &self,
        system: &dyn JobSystemClient,
        permit: &WritePermit,
        recorder: &Recorder,
    ) -> Result<TaskOutcome<JobDone>, TaskError> {
        if let Some(gate) = &self.gate {
            return Err(gate.clone().into());
        }
        match &self.step {
            JobStep::Passed => Ok(TaskOutcome::pass(JobDone::default())),
            JobStep::Several { jobs } => {
                Err(Refusal::blocked(format!("one of these must be named: {}", describe_all(jobs))).into())
            }
            JobStep::Unseen { job, why, hint } => Ok(unseen(self.status, job, why, hint.as_deref())),
            JobStep::Follow { observed } => {
                let mut outcome = outcome_of(observed).recording(self.changes());
                if let (Stage::Lost(_), Left::Is(job)) = (&observed.stage, &mut outcome.done.left) {
                    job.state = Some("lost".to_owned());
                }
                Ok(outcome)
            }
            JobStep::Start { intended } => Ok(self.start(intended, system, permit, recorder).await),
        }
    }

    async fn start(
        &self,
        intended: &Job,
        system: &dyn JobSystemClient,
        permit: &WritePermit,
        recorder: &Recorder,
    ) -> TaskOutcome<JobDone> {
        let look = async {
            for _ in 0..3 {
                system.settle().await;
                match system.find(intended).await {
                    Ok(found) if found.len() > 1 => return Err(Several(found)),
                    Ok(found) => {
                        if let Some(job) = found.into_iter().next() {
                            tracing::info!("it did act: the job is there");
                            let stage = Stage::Running("was started".to_owned());
                            return Ok(Some(ObservedJob { job, stage }));
                        }
                    }
                    Err(look) => tracing::warn!("{look}"),
                }
            }
            Ok(None)
        };
        // An unreadable answer may come from a system that acted.
        let doubtful = [ServiceErrorKind::Unclear, ServiceErrorKind::Malformed];
        let (error, class, (why, hint)) = match attempt(system.trigger(intended, permit), &doubtful, look)
            .await
        {
            Attempt::Done(observed) => return started(&observed.into_inner(), recorder),
            Attempt::Failed(error) => return Self::not_started(error),
            Attempt::Unseen(error, Several(jobs)) => (error, ErrorClass::Blocked, which_of(self.task, &jobs)),
            Attempt::Absent(error) => {
                let why = "the job is not to be seen, and may still appear".to_owned();
                let hint =
                    "Run the same command again: it looks for the job before it starts one.".to_owned();
                (error, ErrorClass::Unavailable, (why, hint))
            }
        };
        let done = JobDone { job: None, left: Left::Is(Box::new(intended.clone())) };
        let outcome = TaskOutcome::of(TaskStatus::InProgress, done);
        outcome
            .because(ReasonClass::Infrastructure, format!("{error}; {why}"))
            .with_class(class)
            .with_hint(hint)
    }

    /// The system did not act, so there is no job to look for.
    fn not_started(error: ServiceError) -> TaskOutcome<JobDone> {
        let done = JobDone { job: None, left: Left::Nothing };
        let class = error.class();
        let reason = TaskError::from(error);
        let hint = reason.inner().hint();
        let why = reason.reason();
        tracing::error!("{}", why.text);
        // An outage is no verdict about the release, and no end of a job that counts: the task's status does not change.
        let outcome = TaskOutcome::of(TaskStatus::Fail, done).because(why.class, why.text).with_class(class);
        TaskOutcome { hint, ..outcome }
    }

    /// The outcome when the job is as the StateBox has it ([`crate::flow::task::Task::standing`]).
    pub fn standing(&self) -> Option<TaskOutcome<JobDone>> {
        match &self.step {
            JobStep::Follow { observed } => match &observed.stage {
                Stage::Running(_) if !self.is_news(observed) => Some(outcome_of(observed)),
                _ => None,
            },
            JobStep::Unseen { job, why, hint } => Some(unseen(self.status, job, why, hint.as_deref())),
            JobStep::Passed | JobStep::Start { .. } | JobStep::Several { .. } => None,
        }
    }

    /// The changes of the StateBox from following the job.
    fn changes(&self) -> Vec<Step> {
        let JobStep::Follow { observed } = &self.step else { return Vec::new() };
        match &observed.stage {
            Stage::Running(words) if self.is_news(observed) => {
                vec![Step::new("follow", format!("{}: {words}", describe(&observed.job)))]
            }
            Stage::Running(_) | Stage::Foreign(_) => Vec::new(),
            Stage::Succeeded => {
                vec![Step::new("record", format!("{}: it ended well", describe(&observed.job)))]
            }
            Stage::Ended(_, _, words) | Stage::Lost(words) => {
                vec![Step::new("record", format!("{}: {words}", describe(&observed.job)))]
            }
        }
    }

    fn is_news(&self, observed: &ObservedJob) -> bool {
        self.status != TaskStatus::InProgress || self.seen.as_ref() != Some(&observed.job)
    }
}

impl Plan for JobPlan {
    fn summary(&self) -> PlanSummary {
        let mut notes = self.notes.clone();
        let steps = match &self.step {
            JobStep::Passed => {
                notes.push(
                    "the task has passed; to run it again, set its status first (`oar task set`)".into(),
                );
                Vec::new()
            }
            JobStep::Start { intended } => {
                let parameters = intended.intent.iter().flat_map(|intent| &intent.parameters);
                let parameters = parameters.map(|(name, value)| format!("{name}: {value}"));
                vec![Step::new("start", describe(intended)).with(parameters)]
            }
            JobStep::Follow { observed } => {
                if let Stage::Running(words) = &observed.stage {
                    notes.push(format!("{}: {words}", describe(&observed.job)));
                    notes.extend(observed.job.url.clone());
                }
                let mut steps = self.changes();
                if observed.stage == Stage::Succeeded {
                    steps.extend(self.evaluation.iter().cloned());
                }
                steps
            }
            JobStep::Several { jobs } => {
                notes.push(format!("one of these must be named: {}", describe_all(jobs)));
                Vec::new()
            }
            JobStep::Unseen { job, why, .. } => {
                notes.push(format!("{} cannot be read: {why}", describe(job)));
                Vec::new()
            }
        };
        PlanSummary::new(steps, notes)
    }

    fn acts(&self) -> bool {
        match &self.step {
            JobStep::Start { .. } => self.gate.is_none(),
            JobStep::Follow { observed } => observed.stage == Stage::Succeeded && !self.evaluation.is_empty(),
            JobStep::Passed | JobStep::Several { .. } | JobStep::Unseen { .. } => false,
        }
    }
}

/// The intent to start `job` with `parameters`, replacing the job that was `seen`.
pub(crate) fn intended(
    services: &ReleaseContext,
    job: Job,
    parameters: IndexMap<String, String>,
    seen: Option<&Job>,
) -> Job {
    let key = uuid::Uuid::now_v7().simple().to_string();
    let mut intent = JobIntent::new(key, services.now(), parameters);
    intent.by = services.config().settings().user().map(str::to_owned);
    intent.holder = holder::current();
    intent.replaces = seen.and_then(|seen| seen.id.clone());
    Job { intent: Some(intent), ..job }
}

/// A short description of a job: `the Prow job periodic-demo 0b8e…`.
pub fn describe(job: &Job) -> String {
    let system = job.system.name();
    match (&job.id, &job.queue_item) {
        (Some(id), _) => format!("the {system} job {} {id}", job.name),
        (None, Some(item)) => format!("the {system} job {} (queue item {item})", job.name),
        (None, None) => format!("the {system} job {}", job.name),
    }
}

/// What is said, with the next step, when several `jobs` may be the one of `task`.
fn which_of(task: TaskName, jobs: &[Job]) -> (String, String) {
    let option = match jobs.first().map(|job| &job.system) {
        Some(JobSystem::Jenkins) => "-n NUMBER",
        _ => "-i JOB_ID",
    };
    let words = format!("several jobs may be the one that was started: {}", describe_all(jobs));
    (words, format!("Look which one it was, and name it: `oar {task} {option}`. No other one is started."))
}

/// The same of several jobs.
pub fn describe_all(jobs: &[Job]) -> String {
    jobs.iter().map(describe).collect::<Vec<_>>().join(", ")
}

fn started(observed: &ObservedJob, recorder: &Recorder) -> TaskOutcome<JobDone> {
    recorder.did(Step::new("start", describe(&observed.job)));
    outcome_of(observed)
}

fn outcome_of(observed: &ObservedJob) -> TaskOutcome<JobDone> {
    let again = "Run the same command again: it starts a new job.";
    let done = JobDone::seen(&observed.job);
    let mut outcome = match &observed.stage {
        Stage::Running(words) => {
            tracing::info!("{}: {words}", describe(&observed.job));
            TaskOutcome::of(TaskStatus::InProgress, done)
        }
        Stage::Succeeded => TaskOutcome::pass(done).found(format!("{} succeeded", describe(&observed.job))),
        Stage::Ended(status, class, words) => {
            let text = format!("{} {words}", describe(&observed.job));
            tracing::warn!("{text}");
            TaskOutcome::of(*status, done).because(*class, text).with_class(ErrorClass::Failed).with_hint(
                match &observed.job.url {
                    Some(url) => format!("See {url}. {again}"),
                    None => again.to_owned(),
                },
            )
        }
        Stage::Lost(words) | Stage::Foreign(words) => {
            let text = format!("{} {words}", describe(&observed.job));
            tracing::warn!("{text}");
            TaskOutcome::of(TaskStatus::NotStarted, done)
                .because(ReasonClass::Infrastructure, text)
                .with_class(ErrorClass::Failed)
                .with_hint(again)
        }
    };
    outcome.links.extend(observed.job.url.clone());
    outcome
}

fn unseen(status: TaskStatus, job: &Job, why: &str, hint: Option<&str>) -> TaskOutcome<JobDone> {
    let outcome = TaskOutcome::of(status, JobDone::seen(job))
        .because(ReasonClass::Infrastructure, format!("{} cannot be read: {why}", describe(job)))
        .with_class(ErrorClass::Unavailable);
    outcome.with_hint(hint.unwrap_or("Run the same command again; the job continues."))
}
