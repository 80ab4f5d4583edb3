use clap::Subcommand;
use cli_support::{CliError, ExitCode, Tone, Ui};
use oar_core::permit::WritePermit;
use oar_core::statebox::{Change, NewIssue, State, StateError, TaskName};

use crate::release::Release;
use crate::report::ChangeArgs;

/// Record, resolve and list what stands in the way of the release
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
        /// The tasks that it blocks; without any it concerns the whole release
        #[arg(long = "task", value_name = "NAME")]
        tasks: Vec<TaskName>,
        /// It is only worth knowing and blocks nothing
        #[arg(long)]
        no_blocker: bool,
        #[command(flatten)]
        change: ChangeArgs,
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
        change: ChangeArgs,
    },
    /// List the unresolved issues
    List {
        /// Also those that are resolved
        #[arg(long)]
        all: bool,
        /// Only those of this task
        #[arg(long, value_name = "NAME")]
        task: Option<TaskName>,
    },
}

pub(crate) async fn run(args: Args, release: &Release) -> Result<ExitCode, CliError> {
    let at = release.session.clock.now();
    match args.command {
        Command::Add { text, tasks, no_blocker, change } => {
            let issue = NewIssue { text: text.clone(), blocker: !no_blocker, related_tasks: tasks, at };
            let message = format!("Add issue: {}", first_characters(&text));
            let words = ["added", "is recorded already", "would be added"];
            let shown = |_: &State, text: &str| text.to_owned();
            update(release, &message, &text, words, &change, shown, |state| state.add_issue(&issue)).await
        }
        Command::Resolve { text, resolution, change } => {
            let message = format!("Resolve issue: {}", first_characters(&text));
            let words = ["resolved", "was resolved already", "would be resolved"];
            update(release, &message, &text, words, &change, whole, |state| {
                state.resolve_issue(&text, &resolution, at)
            })
            .await
        }
        Command::List { all, task } => {
            let state = release.statebox()?.load().await?;
            list(&release.session.ui, &state, all, task);
            Ok(ExitCode::Done)
        }
    }
}

/// The whole text of the open issue that `part` is a part of.
fn whole(state: &State, part: &str) -> String {
    let open: Vec<_> = state.issues().into_iter().filter(|issue| !issue.resolved).collect();
    let exact = open.iter().find(|issue| issue.issue == part);
    let found = exact.or_else(|| open.iter().find(|issue| issue.issue.contains(part)));
    found.map_or_else(|| part.to_owned(), |issue| issue.issue.clone())
}

async fn update(
    release: &Release,
    message: &str,
    text: &str,
    [done, already, would]: [&str; 3],
    change: &ChangeArgs,
    shown: impl Fn(&State, &str) -> String,
    mut apply: impl FnMut(&mut State) -> Result<Change, StateError> + Send,
) -> Result<ExitCode, CliError> {
    let statebox = release.statebox()?;
    let state = statebox.load().await?;
    let _hold = release.session.interrupt.hold();
    let text = shown(&state, text);
    let changed = if change.dry_run {
        // The same rules decide, on a copy that is thrown away.
        apply(&mut state.clone())?
    } else {
        let permit = WritePermit::granted_by_user_interface();
        statebox.update(&permit, message, apply).await?.change
    };
    let words = match (changed, change.dry_run) {
        (Change::Changed, true) => would,
        (Change::Changed, false) => done,
        (Change::Unchanged, _) => already,
    };
    let ui = &release.session.ui;
    // Shown as it is stored: what a person typed may hold an address or a token.
    let text = release.session.redactor.redact(&text);
    ui.json(&serde_json::json!({
        "release": release.version, "issue": text,
        "changed": changed == Change::Changed && !change.dry_run, "dry_run": change.dry_run,
    }));
    ui.text(format!("issue {words}: {text}"));
    Ok(ExitCode::Done)
}

fn list(ui: &Ui, state: &State, all: bool, task: Option<TaskName>) {
    let issues: Vec<_> = state
        .issues()
        .into_iter()
        .filter(|issue| all || !issue.resolved)
        .filter(|issue| {
            task.is_none_or(|task| issue.related_tasks.iter().any(|name| *name == task.to_string()))
        })
        .collect();
    ui.json(&serde_json::json!({ "release": state.release(), "issues": issues }));
    if issues.is_empty() {
        ui.text("no issue");
    }
    for issue in issues {
        let kind = match (issue.resolved, issue.blocker) {
            (true, _) => Tone::Good.paint("resolved"),
            (false, true) => Tone::Bad.paint("blocker"),
            (false, false) => Tone::Faint.paint("note"),
        };
        let about =
            if issue.related_tasks.is_empty() { "release".into() } else { issue.related_tasks.join(", ") };
        ui.text(format!("{kind} of {about}: {}", issue.issue));
        if let Some(resolution) = issue.resolution {
            ui.text(format!("    {resolution}"));
        }
    }
}

/// The part of a text that stands in a commit message (spec 01 §2.3).
fn first_characters(text: &str) -> String {
    text.chars().take(50).collect()
}
