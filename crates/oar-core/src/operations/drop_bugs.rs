//! `drop-bugs`.

use schemars::JsonSchema;
use serde::Deserialize;

use super::call::Call;
use super::row::{About, Effect, Operation};
use super::task_run::{Change, Prepared, Waits};
use crate::clients::jira::IssueKey;
use crate::flow::outcome::TaskError;
use crate::flow::runner::Report;
use crate::tasks::drop_bugs::DropBugs as Work;

/// The operation.
#[derive(Debug)]
pub struct DropBugs;

/// Its arguments.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Arguments {
    /// Critical bugs, or bugs with a customer case, that are dropped too
    pub include: Vec<IssueKey>,
    /// When somebody else runs the same task now, wait for the end of that run and go on then
    pub wait: bool,
    /// How to change the world
    #[serde(flatten)]
    pub change: Change,
}

impl Operation for DropBugs {
    const ABOUT: About = About::task(
        "drop-bugs",
        "Remove unfinished bugs from the advisories and the shipment",
        Effect::Critical,
    )
    .hints(&["update-bug-list says which bugs are not finished."]);
    type Arguments = Arguments;
    type Answer = Report;

    async fn run(arguments: Arguments, call: &Call) -> Result<Report, TaskError> {
        let (prepared, loaded) = Prepared::of(call).await?;
        let task = Work::new(prepared.services.clone(), arguments.include.into_iter().collect());
        prepared
            .run(&task, loaded, Effect::Critical, arguments.change, Waits::for_others(arguments.wait))
            .await
    }
}
