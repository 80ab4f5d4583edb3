use cli_support::{CliError, ExitCode, Tone};
use oar_core::statebox::{TaskName, TaskView};

use crate::release::Release;

/// Show every recorded run: who, when, what came of it
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only this task
    #[arg(value_name = "TASK")]
    task: Option<TaskName>,
}

pub(crate) async fn run(args: Args, release: &Release) -> Result<ExitCode, CliError> {
    let statebox = release.statebox()?;
    let state = statebox.load().await?;
    let tasks: Vec<TaskView> = state
        .tasks()
        .into_iter()
        .filter(|view| args.task.is_none_or(|task| view.task == Some(task)))
        .collect();
    let ui = &release.session.ui;
    let runs: Vec<serde_json::Value> = tasks
        .iter()
        .flat_map(|view| view.history.iter().map(|run| serde_json::json!({ "task": view.name, "run": run })))
        .collect();
    let metadata = state.metadata_history();
    ui.json(&serde_json::json!({ "release": release.version, "runs": runs, "metadata": metadata }));
    if runs.is_empty() {
        ui.text("no run is recorded (files of other programs keep only the last status; see `oar status`)");
    }
    for view in &tasks {
        for run in &view.history {
            let outcome = run.outcome.map_or("unfinished", |outcome| outcome.text());
            let tone = match outcome {
                "Pass" => Tone::Good,
                "Fail" => Tone::Bad,
                _ => Tone::Attention,
            };
            let mut line = format!(
                "{}  {:<22} {}  by {}",
                run.started.as_deref().unwrap_or("-"),
                view.name,
                tone.paint(outcome),
                run.by.as_deref().unwrap_or("unknown"),
            );
            if let Some(command) = &run.command {
                line = format!("{line}\n{:22}{command}", "");
            }
            if let Some(reason) = &run.reason {
                line = format!("{line}\n{:22}{reason}", "");
            }
            ui.text(line);
        }
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
