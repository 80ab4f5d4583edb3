use clap::Subcommand;
use cli_support::{CliError, ExitCode, complete};
use oar_core::operations::task_set::TaskSet;
use oar_core::statebox::{TaskName, TaskStatus};

use crate::release::Release;
use crate::report::DryRunArgs;

/// Set the recorded status of a task by hand
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Set the status of a task; the reason is kept in its history
    Set {
        /// The task, for example stage-testing
        #[arg(value_name = "NAME", add = complete::tasks())]
        name: TaskName,
        /// `Not Started`, `In Progress`, `Pass` or `Fail`
        #[arg(value_name = "STATUS", add = complete::statuses())]
        status: TaskStatus,
        /// Why it is set by hand
        #[arg(long, value_name = "TEXT")]
        reason: String,
        /// Allow changing a task that has passed
        #[arg(long)]
        force: bool,
        #[command(flatten)]
        change: DryRunArgs,
    },
}

pub(crate) async fn run(args: Args, release: &Release) -> Result<ExitCode, CliError> {
    let Command::Set { name, status, reason, force, change } = args.command;
    let answer = release
        .perform(TaskSet { name, status, reason, result: None, force, dry_run: change.dry_run })
        .await?;
    let words = match (answer.dry_run, answer.differs) {
        (true, true) => "would be set",
        (true, false) => "would stay",
        (false, true) => "set",
        (false, false) => "already set",
    };
    let ui = &release.session.ui;
    ui.json(&answer);
    ui.text(format!("{name}: {} -> {status} ({words})", answer.from));
    Ok(ExitCode::Done)
}
