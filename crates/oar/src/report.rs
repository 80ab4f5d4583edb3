use std::time::Duration;

use cli_support::{CliError, ExitCode, Session, Tone, checks};
use oar_core::config::WaitPolicy;
use oar_core::error::ErrorClass;
use oar_core::flow::outcome::PlanSummary;
use oar_core::flow::runner::{Mode, Report, Runner};
use oar_core::flow::task::Task;
use oar_core::permit::WritePermit;
use oar_core::statebox::{State, StateBox, StateBoxError, TaskStatus};
use oar_core::tasks::ReleaseContext;

use crate::metadata::compare;
use crate::release::Release;

/// The options of every command that changes something.
#[derive(Debug, clap::Args)]
pub(crate) struct ChangeArgs {
    /// Print what would be done, and do nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Go on with what ART has changed in the build data since the release was owned, pushed or moved
    #[arg(long)]
    pub(crate) accept_metadata: bool,
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

/// The option of a command whose task goes on outside after it was started.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct WaitArgs {
    /// Stay, and look again every five minutes until the task has ended
    #[arg(long, conflicts_with = "dry_run")]
    pub(crate) wait: bool,
}

/// The option of every other command whose task only one can run at a time.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct BusyArgs {
    /// When somebody else runs the same task now, wait for the end of that run and go on then
    #[arg(long, conflicts_with = "dry_run")]
    pub(crate) wait: bool,
}

/// The longest pause between two looks of a command that waits.
const LONGEST_PAUSE: Duration = Duration::from_mins(5);

/// A new id for an entry of the history.
pub(crate) fn new_id() -> String {
    uuid::Uuid::now_v7().simple().to_string()
}

/// Runs a task and shows how it ended.
pub(crate) async fn run_task<T: Task>(
    release: &Release,
    statebox: &StateBox,
    services: &ReleaseContext,
    task: &T,
    (change, waits): (&ChangeArgs, bool),
    loaded: Result<Option<State>, StateBoxError>,
) -> Result<ExitCode, CliError> {
    let changed = compare(release, statebox, services, task.name(), change, &loaded).await?;
    let permit = WritePermit::granted_by_user_interface();
    let mode = if change.dry_run { Mode::DryRun } else { Mode::Apply(&permit) };
    let runner = runner(release, statebox, services);
    let report = when_free(&runner, release, task, (mode, waits), loaded).await;
    let report = settled(statebox, change, report, changed, &permit).await;
    Ok(show(&release.session, &report))
}

/// Runs a task; with `waits`, after the end of somebody else's run of it.
async fn when_free<T: Task>(
    runner: &Runner<'_>,
    release: &Release,
    task: &T,
    (mode, waits): (Mode<'_>, bool),
    mut loaded: Result<Option<State>, StateBoxError>,
) -> Report {
    loop {
        let mut report = runner.run(task, mode, loaded).await;
        let Some(held) = report.held.as_ref().filter(|_| waits) else { return report };
        release.session.ui.note(format!(
            "{} runs {} of {}; waiting for the end of that run (Ctrl-C stops waiting).",
            held.by, report.command, report.release
        ));
        tokio::select! {
            biased;
            signal = release.session.interrupt.wait() => {
                report.signal = Some(signal);
                return report;
            }
            state = runner.until_free(task.name()) => loaded = state,
        }
    }
}

/// The report with what ART has changed, which is stored now if the run has written nothing.
async fn settled(
    statebox: &StateBox,
    change: &ChangeArgs,
    mut report: Report,
    changed: Vec<String>,
    permit: &WritePermit,
) -> Report {
    report.warnings.extend(changed);
    if report.class.is_none()
        && report.signal.is_none()
        && !change.dry_run
        && let Err(error) = statebox.settle_metadata(permit).await
    {
        report.warnings.push(format!("the changed build data could not be recorded: {error}"));
    }
    report
}

/// Runs a task, and with `--wait` looks again until it has ended.
pub(crate) async fn run_task_to_its_end<T: Task>(
    release: &Release,
    statebox: &StateBox,
    services: &ReleaseContext,
    task: &T,
    (change, wait): (&ChangeArgs, WaitArgs),
    loaded: Result<Option<State>, StateBoxError>,
) -> Result<ExitCode, CliError> {
    let permit = WritePermit::granted_by_user_interface();
    let mode = if change.dry_run { Mode::DryRun } else { Mode::Apply(&permit) };
    to_the_end(release, statebox, services, task, (mode, wait, change), loaded).await
}

/// The same for a task whose effects cannot be taken back.
pub(crate) async fn run_critical_task_to_its_end<T: Task>(
    release: &Release,
    statebox: &StateBox,
    services: &ReleaseContext,
    task: &T,
    (critical, wait): (&CriticalArgs, WaitArgs),
    loaded: Result<Option<State>, StateBoxError>,
) -> Result<ExitCode, CliError> {
    let permit = WritePermit::granted_by_user_interface();
    let consent = release.session.consent(critical.yes);
    let mode = if critical.change.dry_run { Mode::DryRun } else { Mode::Ask(&permit, &consent) };
    to_the_end(release, statebox, services, task, (mode, wait, &critical.change), loaded).await
}

async fn to_the_end<T: Task>(
    release: &Release,
    statebox: &StateBox,
    services: &ReleaseContext,
    task: &T,
    (mode, wait, change): (Mode<'_>, WaitArgs, &ChangeArgs),
    loaded: Result<Option<State>, StateBoxError>,
) -> Result<ExitCode, CliError> {
    let changed = compare(release, statebox, services, task.name(), change, &loaded).await?;
    let session = &release.session;
    let policy = WaitPolicy::of(&session.environment)?;
    let pause = policy.interval.min(LONGEST_PAUSE);
    let mut waited = Duration::ZERO;
    let runner = runner(release, statebox, services);
    let report = when_free(&runner, release, task, (mode, wait.wait), loaded).await;
    let permit = WritePermit::granted_by_user_interface();
    let mut report = settled(statebox, change, report, changed, &permit).await;
    loop {
        // What could not be looked at may be there at the next look; everything else decides.
        let passes = matches!(report.class, None | Some(ErrorClass::Unavailable));
        let goes_on = report.status == Some(TaskStatus::InProgress) && passes && report.signal.is_none();
        if !wait.wait || !goes_on {
            return Ok(show(session, &report));
        }
        if waited >= policy.limit {
            session.ui.warn("the task has not ended in time; run the same command again to wait further");
            return Ok(show(session, &report));
        }
        let words = outcome(&report).unwrap_or_default();
        session.ui.note(format!("{} of {}: {words}", report.command, report.release));
        session.ui.note(format!(
            "Looking again in {} s; Ctrl-C stops looking, and the task goes on.",
            pause.as_secs()
        ));
        let signal = tokio::select! {
            () = session.clock.sleep(pause) => None,
            signal = session.interrupt.wait() => Some(signal),
        };
        if let Some(signal) = signal {
            show(session, &report);
            return Ok(signal.into());
        }
        waited += pause;
        report = when_free(&runner, release, task, (mode, true), statebox.find().await).await;
    }
}

/// Runs a task whose effects cannot be taken back: its plan is shown and consented to first.
pub(crate) async fn run_critical_task<T: Task>(
    release: &Release,
    statebox: &StateBox,
    services: &ReleaseContext,
    task: &T,
    critical: (&CriticalArgs, bool),
    loaded: Result<Option<State>, StateBoxError>,
) -> Result<ExitCode, CliError> {
    let report = critical_report(release, statebox, services, task, critical, loaded).await?;
    Ok(show(&release.session, &report))
}

/// Runs a task whose effects cannot be taken back, and leaves it to the caller to show how it ended.
pub(crate) async fn critical_report<T: Task>(
    release: &Release,
    statebox: &StateBox,
    services: &ReleaseContext,
    task: &T,
    (critical, waits): (&CriticalArgs, bool),
    loaded: Result<Option<State>, StateBoxError>,
) -> Result<Report, CliError> {
    let changed = compare(release, statebox, services, task.name(), &critical.change, &loaded).await?;
    let permit = WritePermit::granted_by_user_interface();
    let consent = release.session.consent(critical.yes);
    let mode = if critical.change.dry_run { Mode::DryRun } else { Mode::Ask(&permit, &consent) };
    let runner = runner(release, statebox, services);
    let report = when_free(&runner, release, task, (mode, waits), loaded).await;
    Ok(settled(statebox, &critical.change, report, changed, &permit).await)
}

/// What runs the tasks of a release.
pub(crate) fn runner<'a>(
    release: &'a Release,
    statebox: &'a StateBox,
    services: &'a ReleaseContext,
) -> Runner<'a> {
    Runner {
        statebox,
        clock: &release.session.clock,
        interrupt: &release.session.interrupt,
        deliver: services,
        user: release.user(),
    }
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
        let why = match &report.headline {
            Some(headline) => {
                let mut lines = vec![format!("{headline}:")];
                lines.extend(checks(&report.plan.checks));
                lines.join("\n")
            }
            None => itemized(&reason.text),
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
        ui.text(format!("{} {step}", Tone::Good.paint("done:")));
    }
    if let Some(words) = outcome(report) {
        ui.text(format!("{} of {}: {words}", report.command, report.release));
    }
    code
}

/// The last line: what the task is now, and why.
fn outcome(report: &Report) -> Option<String> {
    let status = report.status?;
    let tone = match status {
        TaskStatus::Pass => Tone::Good,
        TaskStatus::InProgress => Tone::Attention,
        TaskStatus::Fail => Tone::Bad,
        TaskStatus::NotStarted => Tone::Faint,
    };
    let painted = tone.paint(status);
    Some(match status {
        _ if report.refused && report.command == report.task.id() => {
            format!("refused, the task stays {painted}")
        }
        _ if report.refused => format!("refused, {} stays as it is", report.task),
        _ if report.unknown => format!("no verdict, the task stays {painted}"),
        TaskStatus::Pass if report.nothing_to_do => "nothing to do, everything is as it should be".to_owned(),
        TaskStatus::Pass => match &report.finding {
            Some(finding) => format!("{painted}, {finding}"),
            None if report.done.is_empty() => format!("{painted}, nothing had to be changed"),
            None => painted,
        },
        TaskStatus::InProgress if report.class.is_none() => match &report.reason {
            Some(reason) => format!("{painted}, {}", itemized(&reason.text)),
            None => format!("{painted}; run it again to see how it goes on"),
        },
        _ => painted,
    })
}

/// A reason that lists several things, with a line for each.
fn itemized(text: &str) -> String {
    let parts: Vec<&str> = text.split("; ").collect();
    if parts.len() < 3 { text.to_owned() } else { parts.join("\n    ") }
}

fn plan(plan: &PlanSummary) -> String {
    let mut lines = checks(&plan.checks);
    lines.extend(plan.notes.iter().map(|note| format!("note: {note}")));
    if plan.steps.is_empty() {
        lines.push("dry run: nothing would be changed".to_owned());
    } else {
        let noun = if plan.steps.len() == 1 { "change" } else { "changes" };
        lines.push(format!("dry run: {} {noun} would be made", plan.steps.len()));
        lines.extend(plan.steps.iter().enumerate().map(|(index, step)| format!("{:>3}. {step}", index + 1)));
    }
    lines.join("\n")
}
