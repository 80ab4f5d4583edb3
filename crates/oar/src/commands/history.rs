use cli_support::{CliError, ExitCode, Tone};
use oar_core::statebox::{RunOutcome, RunView, TaskName, TaskView};

use crate::release::Release;

/// The least width of the tasks' names.
const NAMES: usize = 21;

/// List every recorded run of the tasks, oldest first: when, who, result
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only this task
    #[arg(value_name = "TASK")]
    task: Option<TaskName>,
}

pub(crate) async fn run(args: Args, release: &Release) -> Result<ExitCode, CliError> {
    let statebox = release.statebox()?;
    let state = statebox.load().await?;
    let ui = &release.session.ui;
    for loss in state.losses() {
        ui.warn(loss.to_string());
    }
    let tasks = state.tasks();
    let tasks = tasks.iter().filter(|view| args.task.is_none_or(|task| view.task == Some(task)));
    let mut runs: Vec<(&TaskView, &RunView)> =
        tasks.flat_map(|view| view.history.iter().map(move |run| (view, run))).collect();
    // The stable order keeps runs of the same second as their task has them.
    runs.sort_by(|(_, one), (_, other)| one.started.cmp(&other.started));
    let documents: Vec<serde_json::Value> =
        runs.iter().map(|(view, run)| serde_json::json!({ "task": view.name, "run": run })).collect();
    let metadata = state.metadata_history();
    ui.json(&serde_json::json!({ "release": release.version, "runs": documents, "metadata": metadata }));
    if runs.is_empty() {
        ui.text("no run is recorded (files of other programs keep only the last status; see `oar status`)");
    }
    let names = runs.iter().map(|(view, _)| view.name.len()).max().unwrap_or(0).max(NAMES);
    let outcomes = runs.iter().map(|(_, run)| outcome(run).len()).max().unwrap_or(0);
    for (view, run) in runs {
        ui.text(lines(view, run, names, outcomes));
    }
    if args.task.is_none() {
        for record in &metadata {
            let (at, by) = (record.at.as_deref().unwrap_or("-"), record.by.as_deref().unwrap_or("unknown"));
            let mut line = format!("{at}  {:<22} taken over  by {by}", "build data");
            for value in &record.values {
                line = format!("{line}\n{:22}{value}", "");
            }
            ui.text(line);
        }
    }
    Ok(ExitCode::Done)
}

fn outcome(run: &RunView) -> &'static str {
    run.outcome.map_or("unfinished", RunOutcome::text)
}

/// A run for people: a line, and below it its command and why it did not pass.
fn lines(view: &TaskView, run: &RunView, names: usize, outcomes: usize) -> String {
    let word = outcome(run);
    let tone = match run.outcome {
        Some(RunOutcome::Pass) => Tone::Good,
        Some(RunOutcome::Fail) => Tone::Bad,
        _ => Tone::Attention,
    };
    let mut text = format!(
        "{:<20}  {:<names$}  {}  by {}",
        run.started.as_deref().unwrap_or("-"),
        view.name,
        tone.paint(format!("{word:<outcomes$}")),
        run.by.as_deref().unwrap_or("unknown"),
    );
    for more in [&run.command, &run.reason].into_iter().flatten() {
        text = format!("{text}\n{:22}{more}", "");
    }
    text
}
