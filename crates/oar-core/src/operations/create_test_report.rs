//! `create-test-report`.

use schemars::JsonSchema;
use serde::Deserialize;

use super::call::Call;
use super::row::{About, Effect, Operation};
use super::task_run::{Change, Prepared, Waits};
use crate::flow::outcome::TaskError;
use crate::flow::runner::Report;
use crate::tasks::create_test_report::CreateTestReport as Work;

/// The operation.
#[derive(Debug)]
pub struct CreateTestReport;

/// Its arguments.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Arguments {
    /// Create the file although the release has a worksheet in Google Sheets
    pub beside_worksheet: bool,
    /// When somebody else runs the same task now, wait for the end of that run and go on then
    pub wait: bool,
    /// How to change the world
    #[serde(flatten)]
    pub change: Change,
}

impl Operation for CreateTestReport {
    const ABOUT: About = About::task(
        "create-test-report",
        "Create the release's StateBox file and tell the release leads",
        Effect::Writes,
    )
    .hints(&["The first task of a release: every other one needs the file."]);
    type Arguments = Arguments;
    type Answer = Report;

    async fn run(arguments: Arguments, call: &Call) -> Result<Report, TaskError> {
        let statebox = if arguments.change.dry_run { call.statebox()? } else { call.statebox_to_create()? };
        let (prepared, loaded) = Prepared::with(call, statebox).await?;
        let task = Work::new(prepared.services.clone(), &prepared.statebox, arguments.beside_worksheet);
        prepared.run(&task, loaded, Effect::Writes, arguments.change, Waits::for_others(arguments.wait)).await
    }
}
