//! `add-qe-approval`.

use schemars::JsonSchema;
use serde::Deserialize;

use super::call::Call;
use super::row::{About, Effect, Flows, Operation};
use super::task_run::{Change, Prepared, Waits};
use crate::clients::jira::IssueKey;
use crate::config::WaitPolicy;
use crate::flow::outcome::TaskError;
use crate::flow::runner::Report;
use crate::tasks::add_qe_approval::AddQeApproval as Work;
use crate::tasks::change_advisory_status::ChangeAdvisoryStatus;

/// The operation.
#[derive(Debug)]
pub struct AddQeApproval;

/// What it is asked with.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Arguments {
    /// Bugs to answer for although they are not finished or cannot be seen
    pub accept_bug: Vec<IssueKey>,
    /// Approve although the release's date is more than a day away
    pub early: bool,
    /// When somebody else runs the same task now, wait for the end of that run and go on then
    pub wait: bool,
    /// How to change the world
    #[serde(flatten)]
    pub change: Change,
}

impl Operation for AddQeApproval {
    const ABOUT: About = About::task(
        "add-qe-approval",
        "Approve the shipment merge request of a Konflux release, after the checks of change-advisory-status",
        Effect::Critical,
    )
    .of(Flows::Konflux);
    type Arguments = Arguments;
    type Answer = Report;

    async fn run(arguments: Arguments, call: &Call) -> Result<Report, TaskError> {
        let policy = WaitPolicy::of(call.settings().environment())?;
        let (prepared, loaded) = Prepared::of(call).await?;
        let services = prepared.services.clone();
        let whole = ChangeAdvisoryStatus::new(services.clone(), call.who(), policy)
            .accepting(arguments.accept_bug)
            .early(arguments.early);
        let task = Work::new(services, whole);
        prepared
            .run(&task, loaded, Effect::Critical, arguments.change, Waits::for_others(arguments.wait))
            .await
    }
}
