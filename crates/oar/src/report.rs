use cli_support::{CliError, ExitCode, Session, TextStyle, checks, exit_code, steps};
use oar_core::error::ErrorClass;
use oar_core::flow::outcome::{PlanSummary, Reason};
use oar_core::flow::runner::Report;
use oar_core::operations::Change;
use oar_core::statebox::TaskStatus;
use serde::Serialize;

/// The options of every command that changes something.
#[derive(Debug, clap::Args)]
pub(crate) struct ChangeArgs {
    /// Print what would be done without doing it
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Accept changes that ART made to the build data after the release was owned, pushed or moved
    #[arg(long)]
    pub(crate) accept_metadata: bool,
}

/// The option of a command that only changes the state by hand.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct DryRunArgs {
    /// Print what would be done without doing it
    #[arg(long)]
    pub(crate) dry_run: bool,
}

impl From<ChangeArgs> for Change {
    fn from(args: ChangeArgs) -> Self {
        Self { dry_run: args.dry_run, accept_metadata: args.accept_metadata }
    }
}

/// The options of every command whose effects cannot be taken back: it asks at a terminal, and needs `--yes`
/// elsewhere.
#[derive(Debug, clap::Args)]
pub(crate) struct CriticalArgs {
    #[command(flatten)]
    pub(crate) change: ChangeArgs,
    /// Continue without asking; required if there is no terminal
    #[arg(short, long)]
    pub(crate) yes: bool,
}

/// The option of a command whose task continues externally after it was started.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct WaitArgs {
    /// Check again every five minutes until the task has ended
    #[arg(long, conflicts_with = "dry_run")]
    pub(crate) wait: bool,
}

/// The option of other commands whose task only one process can run at a time.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct BusyArgs {
    /// If another process runs the same task, wait for that run to end first
    #[arg(long, conflicts_with = "dry_run")]
    pub(crate) wait: bool,
}

/// Shows the result of a run.
pub(crate) fn show<D: Serialize>(session: &Session, report: &Report<D>) -> ExitCode {
    let ui = &session.ui;
    for warning in &report.warnings {
        ui.warn(warning);
    }
    let code = exit_code(report);
    // Waiting is not an error, unless something else failed.
    let waits = report.status == Some(TaskStatus::InProgress) && report.class.is_none();
    if let Some(reason) = report.reason.as_ref().filter(|_| !waits) {
        let why = match &report.headline {
            Some(headline) => {
                let mut lines = vec![format!("{headline}:")];
                lines.extend(checks(&report.plan.checks));
                lines.join("\n")
            }
            None => itemized(reason),
        };
        let message = format!("{} of {}: {why}", report.command, report.release);
        let mut error = CliError::new(report.class.unwrap_or(ErrorClass::Failed), message);
        error.hint.clone_from(&report.hint);
        error.code = code;
        ui.explain(&error);
    }
    let mut document = serde_json::to_value(report).unwrap_or_default();
    if let Some(object) = document.as_object_mut() {
        object.insert("exit_code".to_owned(), code.number().into());
    }
    ui.json(&document);
    if report.dry_run && report.class.is_none() {
        ui.text(plan(&report.plan));
        return code;
    }
    for step in &report.done {
        ui.text(format!("{} {step}", TextStyle::Good.paint("done:")));
    }
    if let Some(words) = outcome(report) {
        ui.text(format!("{} of {}: {words}", report.command, report.release));
    }
    code
}

/// The last line: the status of the task, and the reason.
fn outcome<D>(report: &Report<D>) -> Option<String> {
    let status = report.status?;
    let tone = match status {
        TaskStatus::Pass => TextStyle::Good,
        TaskStatus::InProgress => TextStyle::Attention,
        TaskStatus::Fail => TextStyle::Bad,
        TaskStatus::NotStarted => TextStyle::Faint,
    };
    let painted = tone.paint(status);
    Some(match status {
        _ if report.refused && report.command == report.task.id() => {
            format!("refused, the task stays {painted}")
        }
        _ if report.refused => format!("refused, {} stays as it is", report.task),
        _ if report.unknown => format!("no verdict, the task stays {painted}"),
        TaskStatus::Pass if report.class.is_some() && report.reason.is_some() => {
            format!("this run failed, the task stays {painted}")
        }
        TaskStatus::Pass if report.nothing_to_do => "nothing to do, everything is up to date".to_owned(),
        TaskStatus::Pass => match &report.finding {
            Some(finding) => format!("{painted}, {finding}"),
            None if report.done.is_empty() => format!("{painted}, nothing had to be changed"),
            None => painted,
        },
        TaskStatus::InProgress if report.class.is_none() => match &report.reason {
            Some(reason) => format!("{painted}, {}", itemized(reason)),
            None => format!("{painted}; run it again to see its progress"),
        },
        _ => painted,
    })
}

/// A reason with several items, one line each.
fn itemized(reason: &Reason) -> String {
    if reason.items.len() < 3 { reason.text.clone() } else { reason.items.join("\n    ") }
}

fn plan(plan: &PlanSummary) -> String {
    let mut lines = checks(&plan.checks);
    lines.extend(plan.notes.iter().map(|note| format!("note: {note}")));
    if plan.steps.is_empty() {
        lines.push("dry run: nothing would be changed".to_owned());
    } else {
        let noun = if plan.steps.len() == 1 { "change" } else { "changes" };
        lines.push(format!("dry run: {} {noun} would be made", plan.steps.len()));
        lines.extend(steps(&plan.steps));
    }
    lines.join("\n")
}
