//! `job run`, `job run_image_consistency_check` and `job run_stage_testing`: the operations that start one job.

use std::num::NonZeroU64;

use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::tell;
use crate::flow::outcome::TaskError;
use crate::operations::call::Call;
use crate::operations::row::{About, Conclusion, Operation, PlanOrResult, Program};
use crate::prow::environment::ReleaseImage;
use crate::prow::jobs::{Event, JobOrder, JobRun, Key, RunJob, StartKey, StartPlan, Starter};

/// The row of an operation that starts one job: its declaration, a type that says which job is meant. How a job is started
/// is the same for all.
pub trait StartRow: DeserializeOwned + JsonSchema + Send + 'static {
    /// What is known of it before it is called.
    const ABOUT: About;

    /// The job that is meant. `starts` is whether it is going to be started.
    fn order(self, starts: bool, call: &Call) -> impl Future<Output = Result<JobOrder, TaskError>> + Send;
}

/// An operation that starts one job.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct StartOne<R> {
    /// Which job
    #[serde(flatten)]
    pub job: R,
    /// How it is started
    #[serde(flatten)]
    pub start: Start,
}

/// How one job is started.
#[derive(Debug, Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Start {
    /// Say what would be started, and start nothing
    pub dry_run: bool,
    /// Do not wait for the page of the run
    pub no_wait: bool,
    /// Look for the run that was started under this key before starting one
    pub key: Option<Key>,
}

impl Conclusion for JobRun {}

impl<R: StartRow> Operation for StartOne<R> {
    const ABOUT: About = R::ABOUT;
    type Answer = PlanOrResult<StartPlan, JobRun>;

    async fn run(self, call: &Call) -> Result<Self::Answer, TaskError> {
        let Self { job, start } = self;
        let order = job.order(!start.dry_run, call).await?;
        let Some(permit) = call.permit_unless(start.dry_run)? else {
            return Ok(PlanOrResult::Plan(order.plan()));
        };
        let tell = |event: Event<'_>| tell(call, event);
        let mut starter = Starter::new(call.clients(), &tell)?;
        let key = StartKey::of(start.key);
        call.resumed_by(key.repeated());
        Ok(PlanOrResult::Result(starter.start(order, key, !start.no_wait, permit).await?))
    }
}

impl StartRow for RunJob {
    const ABOUT: About = About::job_change(Program::Job, "run", "Start a job and show its run").hints(&[
        "Every call starts a new run.",
        "With `--key` and the key that a failed call tells, it looks for that run first and starts none twice.",
        "`job list` names the tests that jobs are made of.",
    ]);

    async fn order(self, starts: bool, call: &Call) -> Result<JobOrder, TaskError> {
        Ok(self.order(call.clients(), starts, &|event| tell(call, event)).await?)
    }
}

/// The job that compares a payload with its shipment.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct RunImageConsistencyCheck {
    /// The payload to compare
    pub payload_url: ReleaseImage,
    /// The number of the shipment merge request
    pub mr_id: NonZeroU64,
}

impl StartRow for RunImageConsistencyCheck {
    const ABOUT: About = About::job_change(
        Program::Job,
        "run_image_consistency_check",
        "Start the job that compares a payload with its shipment",
    )
    .hints(&["`oar image-consistency-check` starts the same for a release, and keeps its result."]);

    async fn order(self, _: bool, call: &Call) -> Result<JobOrder, TaskError> {
        Ok(JobOrder::image_consistency(call.clients(), &self.payload_url, self.mr_id.get())?)
    }
}

/// The job that tests a payload on stage.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct RunStageTesting {
    /// The payload to test
    pub payload_url: ReleaseImage,
}

impl StartRow for RunStageTesting {
    const ABOUT: About =
        About::job_change(Program::Job, "run_stage_testing", "Start the job that tests a payload on stage")
            .hints(&["`oar stage-testing` starts the same for a release, and keeps its result."]);

    async fn order(self, _: bool, _: &Call) -> Result<JobOrder, TaskError> {
        Ok(JobOrder::stage_testing(&self.payload_url))
    }
}
