//! `job run`.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Start, Started, tell};
use crate::flow::outcome::TaskError;
use crate::operations::call::Call;
use crate::operations::row::{About, Operation, Program};
use crate::prow::jobs::{Image, JobText, RunJob};
use crate::version::Arch;

/// The operation.
#[derive(Debug)]
pub struct Run;

/// What it is asked with.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct Arguments {
    /// The job's name, or a part that no other job's name has
    pub job: JobText,
    /// The payload to test; without any image the job runs those of its configuration
    #[serde(default)]
    pub payload: Option<Image>,
    /// The payload to upgrade from
    #[serde(default)]
    pub upgrade_from: Option<Image>,
    /// The payload to upgrade to
    #[serde(default)]
    pub upgrade_to: Option<Image>,
    /// The architecture of the payloads, where their pull specs do not tell
    #[serde(default)]
    pub arch: Option<Arch>,
    /// How it is started
    #[serde(flatten)]
    pub start: Start,
}

impl Operation for Run {
    const ABOUT: About = About::job_change(Program::Job, "run", "Start a job and show its run").hints(&[
        "Every call without a key starts a new run; under the key that a failed call tells, none is started twice.",
        "`job list` names the tests that jobs are made of.",
    ]);
    type Arguments = Arguments;
    type Answer = Started;

    async fn run(arguments: Arguments, call: &Call) -> Result<Started, TaskError> {
        let Arguments { job, payload, upgrade_from, upgrade_to, arch, start } = arguments;
        let wanted = RunJob { job, payload, upgrade_from, upgrade_to, arch };
        let order = wanted.order(call.clients(), !start.dry_run, &|event| tell(call, event)).await?;
        super::start(order, start, call).await
    }
}
