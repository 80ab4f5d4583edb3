use cli_support::{CliError, ExitCode, Session, Tone};
use oar_core::error::ErrorClass;
use oar_core::flow::outcome::PlanSummary;
use oar_core::flow::permit::WritePermit;
use oar_core::flow::runner::{Mode, Report, Runner};
use oar_core::flow::task::Task;
use oar_core::statebox::{State, StateBox, StateBoxError, TaskStatus};
use oar_core::tasks::Services;

use crate::release::Release;

/// The options of every command that changes something.
#[derive(Debug, clap::Args)]
pub(crate) struct ChangeArgs {
    /// Print what would be done, and do nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
}

/// The options of every command whose effects cannot be taken back: it asks at a terminal, and needs `--yes`
/// elsewhere.
#[derive(Debug, clap::Args)]
pub(crate) struct CriticalArgs {
    #[command(flatten)]
    pub(crate) change: ChangeArgs,
    /// Consent to the plan without being asked; needed where there is no terminal
    #[arg(short, long)]
    pub(crate) yes: bool,
}

/// A new id for an entry of the history.
pub(crate) fn new_id() -> String {
    uuid::Uuid::now_v7().simple().to_string()
}

/// Runs a task and shows how it ended.
pub(crate) async fn run_task<T: Task>(
    release: &Release,
    statebox: &StateBox,
    services: &Services,
    task: &T,
    change: &ChangeArgs,
    loaded: Result<Option<State>, StateBoxError>,
) -> Result<ExitCode, CliError> {
    let permit = WritePermit::granted_by_user_interface();
    let mode = if change.dry_run { Mode::DryRun } else { Mode::Apply(&permit) };
    run_in(release, statebox, services, task, mode, loaded).await
}

/// Runs a task whose effects cannot be taken back: its plan is shown and consented to first.
pub(crate) async fn run_critical_task<T: Task>(
    release: &Release,
    statebox: &StateBox,
    services: &Services,
    task: &T,
    critical: &CriticalArgs,
    loaded: Result<Option<State>, StateBoxError>,
) -> Result<ExitCode, CliError> {
    let report = critical_report(release, statebox, services, task, critical, loaded).await;
    Ok(show(&release.session, &report))
}

/// Runs a task whose effects cannot be taken back, and leaves it to the caller to show how it ended.
pub(crate) async fn critical_report<T: Task>(
    release: &Release,
    statebox: &StateBox,
    services: &Services,
    task: &T,
    critical: &CriticalArgs,
    loaded: Result<Option<State>, StateBoxError>,
) -> Report {
    let permit = WritePermit::granted_by_user_interface();
    let consent = release.session.consent(critical.yes);
    let mode = if critical.change.dry_run { Mode::DryRun } else { Mode::Ask(&permit, &consent) };
    runner(release, statebox, services).run(task, mode, loaded).await
}

/// What runs the tasks of a release.
pub(crate) fn runner<'a>(release: &'a Release, statebox: &'a StateBox, services: &'a Services) -> Runner<'a> {
    Runner {
        statebox,
        clock: &release.session.clock,
        interrupt: &release.session.interrupt,
        deliver: services,
        user: release.user(),
    }
}

async fn run_in<T: Task>(
    release: &Release,
    statebox: &StateBox,
    services: &Services,
    task: &T,
    mode: Mode<'_>,
    loaded: Result<Option<State>, StateBoxError>,
) -> Result<ExitCode, CliError> {
    let report = runner(release, statebox, services).run(task, mode, loaded).await;
    Ok(show(&release.session, &report))
}

/// Shows how a run ended.
pub(crate) fn show(session: &Session, report: &Report) -> ExitCode {
    let ui = &session.ui;
    for warning in &report.warnings {
        ui.warn(warning);
    }
    let code = match (report.signal, report.class) {
        (Some(signal), _) => signal.into(),
        (None, Some(class)) => ExitCode::from(class),
        (None, None) => ExitCode::Done,
    };
    // What waits is no error, unless something went wrong on the way.
    let waits = report.status == Some(TaskStatus::InProgress) && report.class.is_none();
    if let Some(reason) = report.reason.as_ref().filter(|_| !waits) {
        let message = format!("{} of {}: {}", report.task, report.release, reason.text);
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
        ui.text(format!("{} {step}", Tone::Good.paint("done:")));
    }
    match report.status {
        Some(TaskStatus::Pass)
            if report.done.is_empty() && report.notifications.is_empty() && report.class.is_none() =>
        {
            ui.text(format!(
                "{} of {}: nothing to do, everything is as it should be",
                report.task, report.release
            ));
        }
        Some(TaskStatus::Pass) => {
            ui.text(format!("{} of {}: {}", report.task, report.release, Tone::Good.paint("Pass")));
        }
        Some(TaskStatus::InProgress) => {
            let status = Tone::Attention.paint(TaskStatus::InProgress);
            let reason =
                report.reason.as_ref().map(|reason| format!(", {}", reason.text)).unwrap_or_default();
            ui.text(format!("{} of {}: {status}{reason}", report.task, report.release));
        }
        Some(status) => {
            ui.text(format!("{} of {}: {}", report.task, report.release, Tone::Bad.paint(status)));
        }
        None => {}
    }
    code
}

fn plan(plan: &PlanSummary) -> String {
    let mut lines: Vec<String> = plan.notes.iter().map(|note| format!("note: {note}")).collect();
    if plan.steps.is_empty() {
        lines.push("dry run: nothing would be changed".to_owned());
    } else {
        let noun = if plan.steps.len() == 1 { "change" } else { "changes" };
        lines.push(format!("dry run: {} {noun} would be made", plan.steps.len()));
        lines.extend(plan.steps.iter().enumerate().map(|(index, step)| format!("{:>3}. {step}", index + 1)));
    }
    lines.join("\n")
}
