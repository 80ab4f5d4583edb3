use std::time::Duration;

use cli_support::{CliError, ExitCode};
use oar_core::clients::jira::IssueKey;
use oar_core::config::WaitPolicy;
use oar_core::error::ErrorClass;
use oar_core::permit::WritePermit;
use oar_core::statebox::{State, StateBox, TaskName, TaskStatus};
use oar_core::tasks::ReleaseContext;
use oar_core::tasks::approval_wait::{Look, Watcher};
use oar_core::tasks::change_advisory_status::ChangeAdvisoryStatus;

use crate::release::Release;
use crate::{report, watcher};

const TASK: TaskName = TaskName::ChangeAdvisoryStatus;
/// The longest pause before a watcher that could not begin tries again.
const LONGEST_PAUSE: Duration = Duration::from_mins(5);

/// Approve the release: the shipment merge request, then the advisories from QE to `REL_PREP`
///
/// Everything that must be so first is looked at and said at once: earlier tasks, open blockers, the kernel's tags,
/// security alerts, unfinished bugs, the states of the advisories. A Konflux release's advisories move when the
/// metadata URL of exactly this release is up; until then the task waits, and a watcher carries the wait on.
#[derive(Debug, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of the command line")]
pub(crate) struct Args {
    /// The state to move the advisories to; only `REL_PREP` is possible
    #[arg(short, long, value_name = "STATE", default_value = "REL_PREP")]
    status: String,
    /// A bug to answer for although it is not finished or cannot be seen; may be repeated
    #[arg(long = "accept-bug", value_name = "KEY")]
    accept_bugs: Vec<IssueKey>,
    /// Approve although the release's date is more than a day away
    #[arg(long)]
    early: bool,
    /// Stay until the wait is over instead of starting a watcher
    #[arg(long, conflicts_with = "no_watch")]
    wait: bool,
    /// Start no watcher; the wait stands in the StateBox, and the next run or tick carries it on
    #[arg(long)]
    no_watch: bool,
    /// Carry on a wait that another command began (what a watcher is started with)
    #[arg(long, hide = true)]
    carry_on: bool,
    #[command(flatten)]
    critical: report::CriticalArgs,
}

pub(crate) async fn run(args: Args, release: &Release) -> Result<ExitCode, CliError> {
    if args.status != "REL_PREP" {
        let status: String = args.status.chars().take(40).collect();
        return Err(CliError::usage(format!(
            "--status {status}: an approval moves advisories to REL_PREP and to no other state"
        ))
        .with_hint("Leave --status out; other states are set in Errata Tool."));
    }
    let policy = WaitPolicy::of(&release.session.environment)?;
    let who = format!("{}/{}", release.user(), report::new_id());
    if args.carry_on {
        watcher::detach();
        let statebox = release.statebox()?;
        let Some(services) = services_in_time(release, policy).await? else { return Ok(ExitCode::Done) };
        return carry_on(&args, release, &statebox, &services, who, policy).await;
    }
    let statebox = release.statebox()?;
    let (services, loaded) = release.services_and_state(&statebox).await;
    let services = services?;
    let task = ChangeAdvisoryStatus::new(services.clone(), who.clone(), policy)
        .accepting(args.accept_bugs.iter().cloned())
        .early(args.early);
    let report =
        report::critical_report(release, &statebox, &services, &task, (&args.critical, args.wait), loaded)
            .await?;
    let waits =
        report.status == Some(TaskStatus::InProgress) && report.class.is_none() && report.signal.is_none();
    if waits && args.wait {
        release
            .session
            .ui
            .note("The task waits; this command looks until the wait is over (Ctrl-C leaves it).");
        return carry_on(&args, release, &statebox, &services, who, policy).await;
    }
    let code = report::show(&release.session, &report);
    if waits {
        let state = statebox.load().await?;
        see_to_watcher(&args, release, &state);
    }
    Ok(code)
}

/// The clients of the release for a watcher: what cannot be read now is read later, as long as a wait lasts. `None` when
/// the user wants it to stop.
async fn services_in_time(release: &Release, policy: WaitPolicy) -> Result<Option<ReleaseContext>, CliError> {
    let session = &release.session;
    let begun = session.clock.now();
    loop {
        let error = match release.services().await {
            Ok(services) => return Ok(Some(services)),
            Err(error) => error,
        };
        let waited = Duration::try_from(session.clock.now().duration_since(begun)).unwrap_or_default();
        // Neither a wrong call, nor a missing credential, nor a clear refusal passes while the process lives.
        let stays = matches!(error.code, ExitCode::Usage | ExitCode::Configuration | ExitCode::Failed);
        if stays || waited >= policy.limit {
            return Err(error);
        }
        tracing::warn!("{}; the wait goes on, and it is read again", error.message);
        tokio::select! {
            () = session.clock.sleep(policy.interval.min(LONGEST_PAUSE)) => {}
            _ = session.interrupt.wait() => return Ok(None),
        }
    }
}

/// Starts a watcher unless somebody carries the wait on already. That none can be started is no failure of the task:
/// the wait stands in the StateBox.
fn see_to_watcher(args: &Args, release: &Release, state: &State) {
    let ui = &release.session.ui;
    let Some(wait) = state.wait(TASK) else { return };
    if let Some(holder) = wait.held_at(release.session.clock.now()) {
        let next = wait.next_check.as_deref().unwrap_or("soon");
        ui.note(format!("{} carries the wait on and looks next at {next}.", holder.who));
        return;
    }
    let by_hand = format!("oar -r {} change-advisory-status --wait", release.version);
    if args.no_watch {
        ui.note(format!("No watcher was started. The wait is carried on by `{by_hand}` or `oarctl tick`."));
        return;
    }
    let mut arguments =
        vec!["change-advisory-status".to_owned(), "--carry-on".to_owned(), "--yes".to_owned()];
    arguments.extend(args.accept_bugs.iter().map(|key| format!("--accept-bug={key}")));
    match watcher::start(release, &arguments) {
        Ok(started) => ui.note(format!(
            "A watcher carries the wait on (process {}); its log: {}",
            started.process,
            started.log.display()
        )),
        Err(error) => ui.warn(format!("{}; carry the wait on with `{by_hand}`", error.message)),
    }
}

async fn carry_on(
    args: &Args,
    release: &Release,
    statebox: &StateBox,
    services: &ReleaseContext,
    who: String,
    policy: WaitPolicy,
) -> Result<ExitCode, CliError> {
    let watcher = Watcher {
        services,
        runner: report::runner(release, statebox, services),
        who,
        policy,
        accepted: args.accept_bugs.iter().cloned().collect(),
    };
    let permit = WritePermit::granted_by_user_interface();
    let release = &release.session;
    let ended = watcher.watch(&permit).await.map_err(|error| {
        let inner = error.inner();
        CliError { hint: inner.hint(), ..CliError::new(inner.class(), inner.to_string()) }
    })?;
    match ended {
        Look::Finished(report) => Ok(report::show(release, &report)),
        Look::NoWait => {
            release.ui.text("change-advisory-status: nothing is waited for any more");
            release.ui.json(&serde_json::json!({ "task": TASK, "waits": false }));
            Ok(ExitCode::Done)
        }
        Look::Overdue => Err(CliError::new(
            ErrorClass::Blocked,
            "the deadline of the wait has passed; the release leads were asked, the task stays In Progress",
        )
        .with_hint("Run the command again to wait further.")),
        Look::Later(_, why) => {
            release.ui.note(&why);
            release.ui.json(&serde_json::json!({ "task": TASK, "waits": true, "detail": why }));
            Ok(ExitCode::Done)
        }
    }
}
