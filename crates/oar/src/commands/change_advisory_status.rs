use cli_support::{CliError, ExitCode};
use oar_core::clients::jira::IssueKey;
use oar_core::operations::Change;
use oar_core::operations::change_advisory_status::{self as operation, Answer, ChangeAdvisoryStatus, Target};
use oar_core::statebox::{State, TaskName};

use crate::release::Release;
use crate::report::ChangeArgs;
use crate::{report, watcher};

const TASK: TaskName = TaskName::ChangeAdvisoryStatus;

/// Approve the release: the shipment merge request, then the advisories from QE to `REL_PREP`
///
/// All preconditions are checked and shown at once: earlier tasks, open blockers, kernel tags, security
/// alerts, unfinished bugs, the states of the advisories. The advisories of a Konflux release move when the
/// metadata URL of the release is up. Until then the task waits, and a watcher in the background continues
/// it.
#[derive(Debug, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of the command line")]
pub(crate) struct Args {
    /// The state to move the advisories to; only `REL_PREP` is possible
    #[arg(short, long, value_name = "STATE", default_value = "REL_PREP")]
    status: String,
    /// Accept this bug although it is not finished or cannot be seen; may be repeated
    #[arg(long = "accept-bug", value_name = "KEY")]
    accept_bugs: Vec<IssueKey>,
    /// Approve although the release date is more than a day away
    #[arg(long)]
    early: bool,
    /// Wait in the foreground instead of starting a watcher
    #[arg(long, conflicts_with = "no_watch")]
    wait: bool,
    /// Start no watcher; the next run or `oarctl drive` continues the wait
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
    let call = release.call(args.critical.yes)?;
    let answer = if args.carry_on {
        watcher::detach();
        operation::resume_wait(args.accept_bugs.clone(), &call)
            .await
            .map_err(|error| CliError::of_task(&error))?
    } else {
        let ChangeArgs { dry_run, accept_metadata } = args.critical.change;
        release
            .session
            .perform(
                ChangeAdvisoryStatus {
                    status: Target::RelPrep,
                    accept_bug: args.accept_bugs.clone(),
                    early: args.early,
                    wait: args.wait,
                    change: Change { dry_run, accept_metadata },
                },
                &call,
            )
            .await?
    };
    let code = show(release, &answer);
    if answer.leaves_wait() && !args.carry_on && !args.wait {
        let state = call.statebox().map_err(|error| CliError::of_task(&error))?.load().await?;
        see_to_watcher(&args, release, &state);
    }
    Ok(code)
}

fn show(release: &Release, answer: &Answer) -> ExitCode {
    let ui = &release.session.ui;
    match answer {
        Answer::Ran(report) => report::show(&release.session, report),
        Answer::Waits(wait) => {
            match &wait.detail {
                None => ui.text("change-advisory-status: there is nothing left to wait for"),
                Some(why) => ui.note(why),
            }
            ui.json(wait);
            ExitCode::Done
        }
    }
}

/// Starts a watcher unless another process already continues the wait. A failure to start one is not a
/// failure of the task, because the wait remains in the StateBox.
fn see_to_watcher(args: &Args, release: &Release, state: &State) {
    let ui = &release.session.ui;
    let Some(wait) = state.wait(TASK) else { return };
    if let Some(holder) = wait.held_at(release.session.clock.now()) {
        let next = wait.next_check.as_deref().unwrap_or("soon");
        ui.note(format!("{} continues the wait and checks next at {next}.", holder.who));
        return;
    }
    let by_hand = format!("oar -r {} change-advisory-status --wait", release.version);
    // A process that is left behind belongs to nobody where somebody else's command runs in an agent.
    if args.no_watch || release.session.behalf.is_some() {
        ui.note(format!("No watcher was started. Continue the wait with `{by_hand}` or `oarctl drive`."));
        return;
    }
    let mut arguments =
        vec!["change-advisory-status".to_owned(), "--carry-on".to_owned(), "--yes".to_owned()];
    arguments.extend(args.accept_bugs.iter().map(|key| format!("--accept-bug={key}")));
    match watcher::start(release, &arguments) {
        Ok(started) => ui.note(format!(
            "A watcher continues the wait (process {}); its log: {}",
            started.process,
            started.log.display()
        )),
        Err(error) => ui.warn(format!("{}; continue the wait with `{by_hand}`", error.message)),
    }
}
