//! `job run_required`.

use schemars::JsonSchema;
use serde::Deserialize;

use super::tell;
use crate::error::ErrorClass;
use crate::flow::outcome::{Refusal, TaskError};
use crate::operations::call::Call;
use crate::operations::row::{About, Conclusion, Operation, PlanOrResult, Program};
use crate::prow::jobs::{
    Event, Key, Keys, PlannedStarts, RequiredJobs, RequiredReport, Starter, start_required,
};
use crate::version::{ReleaseVersion, YStream};

/// The operation, with its arguments.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct RunRequired {
    /// The minor versions whose jobs are started
    pub channel: Vec<YStream>,
    /// The required jobs: minor versions, and the names of the jobs of each
    pub jobs: RequiredJobs,
    /// The release that is tested
    pub version: ReleaseVersion,
    /// Start jobs again that were started for this release before
    #[serde(default)]
    pub again: bool,
    /// Go on with an earlier call that said `again`, under the key that it told
    #[serde(default)]
    pub key: Option<Key>,
    /// Say what would be started, and start nothing
    #[serde(default)]
    pub dry_run: bool,
}

impl Conclusion for RequiredReport {
    fn class(&self) -> Option<ErrorClass> {
        self.failures.class()
    }
}

impl Operation for RunRequired {
    const ABOUT: About = About::job_change(
        Program::Job,
        "run_required",
        "Start the jobs that a file requires for a release, each once",
    )
    .hints(&["A second call finds what the first one started for about a day."]);
    type Answer = PlanOrResult<PlannedStarts, RequiredReport>;

    async fn run(self, call: &Call) -> Result<Self::Answer, TaskError> {
        let Self { channel, jobs, version, again, key, dry_run } = self;
        if again && key.is_some() {
            return Err(Refusal::new(ErrorClass::Usage, "again and key exclude each other").into());
        }
        let orders = jobs.orders(&channel, &version)?;
        let Some(permit) = call.permit_unless(dry_run)? else {
            return Ok(PlanOrResult::Plan(PlannedStarts::of(orders)));
        };
        let tell = |event: Event<'_>| tell(call, event);
        let mut starter = Starter::new(call.clients(), &tell)?;
        let keys = Keys::of(again, key);
        call.resumed_by(keys.repeated());
        Ok(PlanOrResult::Result(start_required(&mut starter, orders, &version, keys, permit).await))
    }
}
