use cli_support::{CliError, ExitCode, Session};
use oar_core::clock::Moment;
use oar_core::operations::hold::{Answer, Hold, HoldOutcome};
use oar_core::statebox::DecisionView;

use crate::release::Release;
use crate::report::DryRunArgs;

/// Hold a release or all releases: nothing new is started until the hold is withdrawn
///
/// Commands, agents and the bot change nothing of a held release. They can still read, decisions and results of running
/// jobs are recorded, and a running command can be stopped. A command that already runs reads the hold before each of its
/// changes, at most five seconds late. Tests of builds, jira-notificator, check-test-results and the detector's reminders
/// go on. `oar status` shows who holds the release and why.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The reason, which everybody can read
    #[arg(long, value_name = "TEXT", required_unless_present = "withdraw")]
    reason: Option<String>,
    /// The last day (UTC) of the hold, or the time at which it ends; without it, it lasts until it is withdrawn
    #[arg(long, value_name = "DATE")]
    until: Option<Moment>,
    /// Hold every release, also those that are not announced yet
    #[arg(long)]
    pub(crate) all: bool,
    /// Withdraw every hold of the release that still counts; with --all, every hold of all releases
    #[arg(long, conflicts_with_all = ["reason", "until"])]
    withdraw: bool,
    #[command(flatten)]
    change: DryRunArgs,
}

impl From<Args> for Hold {
    fn from(args: Args) -> Self {
        let Args { reason, until, all, withdraw, change } = args;
        Self { reason, until, all, withdraw, dry_run: change.dry_run }
    }
}

pub(crate) async fn run(args: Args, release: &Release) -> Result<ExitCode, CliError> {
    let answer = release.perform(Hold::from(args)).await?;
    Ok(show(&release.session, &answer))
}

/// The same for every release.
pub(crate) async fn run_for_all(args: Args, session: &Session) -> Result<ExitCode, CliError> {
    let answer = session.perform(Hold::from(args), &session.call(false)?).await?;
    Ok(show(session, &answer))
}

fn show(session: &Session, answer: &Answer) -> ExitCode {
    session.ui.json(answer);
    session.ui.text(result(answer));
    for still in &answer.still {
        session.ui.text(format!("held still: {still}"));
    }
    ExitCode::Done
}

fn result(answer: &Answer) -> String {
    let what = answer.release.as_ref().map_or_else(|| "every release".to_owned(), ToString::to_string);
    let option = if answer.release.is_some() { format!("-r {what} hold") } else { "hold --all".to_owned() };
    let holds: Vec<String> = answer.holds.iter().map(hold).collect();
    let holds = holds.join("; ");
    match (answer.outcome, answer.dry_run) {
        (HoldOutcome::Held, true) => format!("dry run: {what} would be {holds}"),
        (HoldOutcome::Held, false) => {
            format!("{what} is {holds}\nTo go on: oar {option} --withdraw")
        }
        (HoldOutcome::HeldBefore, _) => format!("{what} is {holds}"),
        (HoldOutcome::Withdrawn, true) => format!("dry run: the hold would be withdrawn: {what} is {holds}"),
        (HoldOutcome::Withdrawn, false) => {
            let by = answer.holds.iter().find_map(|hold| hold.withdrawn.as_ref());
            let by = by.map(|by| format!(" by {} at {}", by.by, by.at)).unwrap_or_default();
            format!("the hold is withdrawn{by}: {what} was {holds}")
        }
        (HoldOutcome::NothingToWithdraw, _) => format!("{what} is not held"),
    }
}

fn hold(hold: &DecisionView) -> String {
    let until = hold.until.as_ref().map(|until| format!(" until {until}")).unwrap_or_default();
    format!("held by {} since {}{until}: {}", hold.by, hold.at, hold.reason)
}
