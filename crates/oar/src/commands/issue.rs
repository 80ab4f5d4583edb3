use clap::Subcommand;
use cli_support::{CliError, ExitCode, TextStyle, Ui, complete};
use oar_core::operations::issue::{Changed, IssueAdd, IssueList, IssueResolve, Listed};
use oar_core::statebox::TaskName;

use crate::release::Release;
use crate::report::DryRunArgs;

/// Record, resolve and list issues that block the release
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Record an issue
    Add {
        /// What is wrong
        #[arg(value_name = "TEXT")]
        text: String,
        /// The tasks that it blocks; by default it concerns the whole release
        #[arg(long = "task", value_name = "NAME", add = complete::tasks())]
        tasks: Vec<TaskName>,
        /// Record an issue that does not block
        #[arg(long)]
        no_blocker: bool,
        #[command(flatten)]
        change: DryRunArgs,
    },
    /// Resolve an issue
    Resolve {
        /// Its text, or a part that no other unresolved issue has
        #[arg(value_name = "TEXT")]
        text: String,
        /// How it was resolved
        #[arg(long, value_name = "TEXT")]
        resolution: String,
        #[command(flatten)]
        change: DryRunArgs,
    },
    /// List the unresolved issues
    List {
        /// Include resolved issues
        #[arg(long)]
        all: bool,
        /// Only those of this task
        #[arg(long, value_name = "NAME", add = complete::tasks())]
        task: Option<TaskName>,
    },
}

pub(crate) async fn run(args: Args, release: &Release) -> Result<ExitCode, CliError> {
    match args.command {
        Command::Add { text, tasks, no_blocker, change } => {
            let changed =
                release.perform(IssueAdd { text, task: tasks, no_blocker, dry_run: change.dry_run }).await?;
            show(&release.session.ui, &changed, ["added", "is recorded already", "would be added"]);
        }
        Command::Resolve { text, resolution, change } => {
            let changed = release.perform(IssueResolve { text, resolution, dry_run: change.dry_run }).await?;
            show(&release.session.ui, &changed, ["resolved", "was resolved already", "would be resolved"]);
        }
        Command::List { all, task } => {
            let listed = release.perform(IssueList { all, task }).await?;
            list(&release.session.ui, &listed);
        }
    }
    Ok(ExitCode::Done)
}

fn show(ui: &Ui, changed: &Changed, [done, already, would]: [&str; 3]) {
    let words = match (changed.differs, changed.dry_run) {
        (true, true) => would,
        (true, false) => done,
        (false, _) => already,
    };
    ui.json(changed);
    ui.text(format!("issue {words}: {}", changed.issue));
}

fn list(ui: &Ui, listed: &Listed) {
    ui.json(listed);
    if listed.issues.is_empty() {
        ui.text("no issue");
    }
    for issue in &listed.issues {
        let kind = match (issue.resolved, issue.blocker) {
            (true, _) => TextStyle::Good.paint("resolved"),
            (false, true) => TextStyle::Bad.paint("blocker"),
            (false, false) => TextStyle::Faint.paint("note"),
        };
        let about =
            if issue.related_tasks.is_empty() { "release".into() } else { issue.related_tasks.join(", ") };
        ui.text(format!("{kind} of {about}: {}", issue.issue));
        if let Some(resolution) = &issue.resolution {
            ui.text(format!("    {resolution}"));
        }
    }
}
