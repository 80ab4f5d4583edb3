//! The operations of `job`: single Prow jobs, started once and looked at. The work is in [`crate::prow::jobs`].

pub mod get_payloads;
pub mod get_results;
pub mod list;
pub mod run;
pub mod run_image_consistency_check;
pub mod run_required;
pub mod run_stage_testing;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::call::Call;
use super::part::Part;
use super::row::Conclusion;
use crate::flow::outcome::TaskError;
use crate::prow::jobs::{Event, JobOrder, JobRun, Key, StartKey, StartPlan, Starter};

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

/// What became of a start.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum Started {
    /// What would be started.
    Planned(StartPlan),
    /// The run.
    Run(JobRun),
}

impl Conclusion for Started {}

/// Starts the job, or says what would be started.
async fn start(order: JobOrder, start: Start, call: &Call) -> Result<Started, TaskError> {
    let Some(permit) = call.permit_unless(start.dry_run)? else {
        return Ok(Started::Planned(order.plan()));
    };
    let tell = |event: Event<'_>| tell(call, event);
    let mut starter = Starter::new(call.clients(), &tell)?;
    let key = StartKey::of(start.key);
    call.resumed_by(key.repeated());
    Ok(Started::Run(starter.start(order, key, !start.no_wait, permit).await?))
}

/// Hands what happens on the way to whoever called.
fn tell(call: &Call, event: Event<'_>) {
    let observer = call.observer();
    match event {
        Event::Note(text) => observer.note(&text),
        Event::Warning(text) => observer.warn(&text),
        Event::Started(run) => observer.part(Part::Started(run)),
        Event::Required(job, failure) => observer.part(Part::Required(job, failure)),
        Event::Newest(release, failure) => observer.part(Part::Newest(release, failure)),
    }
}
