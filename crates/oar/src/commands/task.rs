use clap::Subcommand;
use cli_support::{CliError, ExitCode};
use oar_core::permit::WritePermit;
use oar_core::statebox::{Change, ManualStatus, TaskName, TaskStatus};

use crate::release::Release;
use crate::report::ChangeArgs;

/// Change the recorded state of a task by hand
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
        #[arg(value_name = "NAME")]
        name: TaskName,
        /// `Not Started`, `In Progress`, `Pass` or `Fail`
        #[arg(value_name = "STATUS")]
        status: TaskStatus,
        /// Why it is set by hand
        #[arg(long, value_name = "TEXT")]
        reason: String,
        /// Also take a Pass back
        #[arg(long)]
        force: bool,
        #[command(flatten)]
        change: ChangeArgs,
    },
}

pub(crate) async fn run(args: Args, release: &Release) -> Result<ExitCode, CliError> {
    let Command::Set { name, status, reason, force, change } = args.command;
    let ui = &release.session.ui;
    if reason.trim().is_empty() {
        return Err(CliError::usage("--reason is empty; expected why the status is set by hand"));
    }
    let statebox = release.statebox()?;
    let state = statebox.load().await?;
    let before = state.task(name).map_or(TaskStatus::NotStarted, |view| view.status);
    let setting = ManualStatus {
        id: crate::report::new_id(),
        status,
        reason,
        by: release.user().to_owned(),
        at: release.session.clock.now(),
        force,
    };
    let _hold = release.session.interrupt.hold();
    let changed = if change.dry_run {
        // The same rules decide, on a copy that is thrown away.
        let mut copy = state.clone();
        copy.set_task(name, &setting)?
    } else {
        let permit = WritePermit::granted_by_user_interface();
        let message = format!("Update task: {name}");
        statebox.update(&permit, &message, |state| state.set_task(name, &setting)).await?.change
    };
    let words = match (change.dry_run, changed) {
        (true, Change::Changed) => "would be set",
        (true, Change::Unchanged) => "would stay",
        (false, Change::Changed) => "set",
        (false, Change::Unchanged) => "was so already",
    };
    ui.json(&serde_json::json!({
        "release": release.version, "task": name, "from": before, "to": status,
        "changed": changed == Change::Changed && !change.dry_run, "dry_run": change.dry_run,
    }));
    ui.text(format!("{name}: {before} -> {status} ({words})"));
    Ok(ExitCode::Done)
}
