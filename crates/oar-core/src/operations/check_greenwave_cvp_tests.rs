//! `check-greenwave-cvp-tests`.

use schemars::JsonSchema;
use serde::Deserialize;

use super::call::Call;
use super::row::{About, Effect, Flows, Operation};
use super::task_run::{Change, Prepared, Waits};
use crate::flow::outcome::TaskError;
use crate::flow::runner::Report;
use crate::tasks::check_greenwave_cvp_tests::CheckGreenwaveCvpTests as Work;

/// The operation.
#[derive(Debug)]
pub struct CheckGreenwaveCvpTests;

/// Its arguments.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Arguments {
    /// When somebody else runs the same task now, wait for the end of that run and go on then
    pub wait: bool,
    /// How to change the world
    #[serde(flatten)]
    pub change: Change,
}

impl Operation for CheckGreenwaveCvpTests {
    const ABOUT: About = About::task(
        "check-greenwave-cvp-tests",
        "Check the Greenwave CVP tests of the advisories and report failures in Jira (Errata flow)",
        Effect::Writes,
    )
    .of(Flows::Errata);
    type Arguments = Arguments;
    type Answer = Report;

    async fn run(arguments: Arguments, call: &Call) -> Result<Report, TaskError> {
        let (prepared, loaded) = Prepared::of(call).await?;
        let task = Work::new(prepared.services.clone());
        prepared.run(&task, loaded, Effect::Writes, arguments.change, Waits::for_others(arguments.wait)).await
    }
}
