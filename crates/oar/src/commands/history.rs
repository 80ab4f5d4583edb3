use cli_support::{CliError, ExitCode, TextStyle, complete};
use oar_core::operations::history::{ConsentEntry, Entry, History, IssueDeed, IssueEntry};
use oar_core::statebox::{RunOutcome, RunView, TaskName};

use crate::release::Release;

/// The minimum width of the tasks' names, in columns.
const NAMES: usize = 21;

/// List every recorded run of the tasks, oldest first: when, who, result
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only this task
    #[arg(value_name = "TASK", add = complete::tasks())]
    task: Option<TaskName>,
}

pub(crate) async fn run(args: Args, release: &Release) -> Result<ExitCode, CliError> {
    let answer = release.perform(History { task: args.task }).await?;
    let ui = &release.session.ui;
    ui.json(&answer);
    if answer.runs.is_empty() {
        ui.text("no run is recorded (files of other programs keep only the last status; see `oar status`)");
    }
    let names = answer.runs.iter().map(|entry| entry.task.len()).max().unwrap_or(0).max(NAMES);
    let outcomes = answer.runs.iter().map(|entry| outcome(&entry.run).len()).max().unwrap_or(0);
    for entry in &answer.runs {
        ui.text(lines(entry, names, outcomes));
    }
    for ConsentEntry { consent, standing, .. } in &answer.consents {
        ui.text(format!(
            "{:<20}  {:<names$}  consent by {}, {standing}",
            consent.at, consent.command, consent.by
        ));
    }
    for IssueEntry { at, deed, by, issue, resolution } in &answer.issues {
        let word = match deed {
            IssueDeed::Reported => "reported",
            IssueDeed::Resolved => "resolved",
        };
        let resolution = resolution.as_ref().map(|how| format!(": {how}")).unwrap_or_default();
        ui.text(format!(
            "{:<20}  {:<names$}  {word} by {by}\n{:22}{}",
            at.as_deref().unwrap_or("-"),
            "issue",
            "",
            indented(&format!("{issue}{resolution}"))
        ));
    }
    for row in &answer.decisions {
        let mut line = format!("{:<20}  {}", row.decision.at, indented(&row.decision.to_string()));
        if !row.counts {
            line = format!("{line}\n{:22}{}", "", row.standing);
        }
        ui.text(line);
    }
    if args.task.is_none() {
        for record in &answer.metadata {
            let (at, by) = (record.at.as_deref().unwrap_or("-"), record.by.as_deref().unwrap_or("unknown"));
            let mut line = format!("{at}  {:<22} taken over  by {by}", "build data");
            for value in &record.values {
                line = format!("{line}\n{:22}{}", "", indented(value));
            }
            ui.text(line);
        }
    }
    Ok(ExitCode::Done)
}

fn outcome(run: &RunView) -> &'static str {
    run.outcome.map_or("unfinished", RunOutcome::text)
}

/// A run as text: a line, followed by its command, why it did not pass, and what it had done when it ended.
fn lines(entry: &Entry, names: usize, outcomes: usize) -> String {
    let run = &entry.run;
    let word = outcome(run);
    let tone = match run.outcome {
        Some(RunOutcome::Pass) => TextStyle::Good,
        Some(RunOutcome::Fail) => TextStyle::Bad,
        _ => TextStyle::Attention,
    };
    let mut text = format!(
        "{:<20}  {:<names$}  {}  by {}",
        run.started.as_deref().unwrap_or("-"),
        entry.task,
        tone.paint(format!("{word:<outcomes$}")),
        run.by.as_deref().unwrap_or("unknown"),
    );
    for more in [&run.command, &run.reason].into_iter().flatten() {
        text = format!("{text}\n{:22}{}", "", indented(more));
    }
    for step in &run.done {
        text = format!("{text}\n{:22}done: {}", "", indented(step));
    }
    text
}

/// The text with its later lines below its first.
fn indented(text: &str) -> String {
    text.trim_end().replace('\n', &format!("\n{:22}", ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_line_of_a_reason_begins_at_the_margin() {
        assert_eq!(indented("a\nb\n\n"), format!("a\n{:22}b", ""));
    }
}
