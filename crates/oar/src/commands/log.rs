use cli_support::{CliError, ExitCode, TextStyle, complete};
use oar_core::operations::log::Log;
use oar_core::statebox::{RunOutcome, RunView, TaskName};

use crate::release::Release;

/// Show the stored log of a task
///
/// The StateBox has one log for each task: that of the last run with a result. For every other run it has
/// who, when, why and which messages were sent; `--run` shows these.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The task, for example stage-testing
    #[arg(value_name = "TASK", add = complete::tasks())]
    task: TaskName,
    /// Show what is stored of this run; `oar history --output json` has the ids
    #[arg(long, value_name = "ID")]
    run: Option<String>,
}

pub(crate) async fn run(args: Args, release: &Release) -> Result<ExitCode, CliError> {
    let answer = release.perform(Log { task: args.task, run: args.run }).await?;
    let ui = &release.session.ui;
    ui.json(&answer);
    let stored = answer.stored;
    let subject = format!("{} of {}", stored.task, release.version);
    ui.text(match (&stored.run, &stored.log) {
        (None, None) => format!("{subject}: no log is stored; the task is {}", stored.status),
        (None, Some(log)) => format!("{subject}: {}, written by another program\n\n{log}", stored.status),
        (Some(run), Some(log)) => format!("{}\n\n{log}", described(&subject, run)),
        (Some(run), None) => format!(
            "{}\n\nThe log of this run is not kept; `oar log {}` shows the one that is.",
            described(&subject, run),
            stored.task
        ),
    });
    Ok(ExitCode::Done)
}

/// The history's entry of a run, as text.
fn described(subject: &str, run: &RunView) -> String {
    let tone = match run.outcome {
        Some(RunOutcome::Pass) => TextStyle::Good,
        Some(RunOutcome::Fail) => TextStyle::Bad,
        _ => TextStyle::Attention,
    };
    let outcome = tone.paint(run.outcome.map_or("unfinished", RunOutcome::text));
    let unknown = "unknown";
    let mut lines = vec![format!(
        "{subject}: {outcome}, run {} by {}, from {} to {}",
        run.id,
        run.by.as_deref().unwrap_or(unknown),
        run.started.as_deref().unwrap_or(unknown),
        run.finished.as_deref().unwrap_or(unknown),
    )];
    lines.extend(run.command.iter().map(|command| format!("  command: {command}")));
    lines.extend(run.reason.iter().map(|reason| format!("  reason: {reason}")));
    lines.extend(run.links.iter().map(|link| format!("  link: {link}")));
    lines.extend(run.notifications.iter().map(|message| {
        format!("  message `{}` to {}: {}", message.key, message.channel, message.state.text())
    }));
    lines.join("\n")
}
