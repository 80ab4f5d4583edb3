//! `check-cve-tracker-bug`.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;

use super::call::Call;
use super::row::{About, Effect, Operation};
use super::task_run::{Change, Prepared, Waits};
use crate::flow::outcome::TaskError;
use crate::flow::runner::Report;
use crate::tasks::check_cve_tracker_bug::CheckCveTrackerBug as Work;

/// The operation.
#[derive(Debug)]
pub struct CheckCveTrackerBug;

/// Its arguments.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Arguments {
    /// Do not tell ART of missing trackers in Slack
    pub no_notify: bool,
    /// When somebody else runs the same task now, wait for the end of that run and go on then
    pub wait: bool,
    /// How to change the world
    #[serde(flatten)]
    pub change: Change,
}

impl Operation for CheckCveTrackerBug {
    const ABOUT: About = About::task(
        "check-cve-tracker-bug",
        "Check with elliott that no CVE tracker is missing",
        Effect::Writes,
    )
    .hints(&["elliott must be installed where this runs."]);
    type Arguments = Arguments;
    type Answer = Report;

    async fn run(arguments: Arguments, call: &Call) -> Result<Report, TaskError> {
        let (prepared, loaded) = Prepared::of(call).await?;
        let elliott = Arc::new(prepared.services.clients().elliott()?);
        let task = Work::new(prepared.services.clone(), elliott, !arguments.no_notify);
        prepared.run(&task, loaded, Effect::Writes, arguments.change, Waits::for_others(arguments.wait)).await
    }
}
