use cli_support::{CliError, ExitCode, complete};
use oar_core::clock::Moment;
use oar_core::operations::decide::Waive;
use oar_core::statebox::TaskName;

use super::decide::show;
use crate::release::Release;
use crate::report::DryRunArgs;

/// Let the release go on without a task: it counts as passed for the tasks after it
///
/// The task keeps its status. The waiver is recorded with who, when and why, and stays in the history. A release whose candidate
/// and promoted build are waived may be approved before its day.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The task, for example analyze-candidate-build
    #[arg(value_name = "TASK", add = complete::tasks())]
    task: TaskName,
    /// The reason, which everybody can read
    #[arg(long, value_name = "TEXT", required_unless_present = "withdraw")]
    reason: Option<String>,
    /// The last day (UTC) of the waiver, or the time at which it ends; without it, it does not end
    #[arg(long, value_name = "DATE")]
    until: Option<Moment>,
    /// Take back the waiver of the task
    #[arg(long, conflicts_with_all = ["reason", "until"])]
    withdraw: bool,
    #[command(flatten)]
    change: DryRunArgs,
}

pub(crate) async fn run(args: Args, release: &Release) -> Result<ExitCode, CliError> {
    let Args { task, reason, until, withdraw, change } = args;
    let operation = Waive { task, reason, until, withdraw, dry_run: change.dry_run };
    let answer = release.perform(operation).await?;
    show(&release.session.ui, &answer);
    Ok(ExitCode::Done)
}
