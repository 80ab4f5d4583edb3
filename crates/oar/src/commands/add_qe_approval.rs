use cli_support::{CliError, ExitCode};
use oar_core::clients::jira::IssueKey;
use oar_core::operations::add_qe_approval::AddQeApproval;

use crate::release::Release;
use crate::report;

/// Approve the shipment merge request of a Konflux release, after the checks of change-advisory-status
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Accept this bug although it is not finished or cannot be seen; may be repeated
    #[arg(long = "accept-bug", value_name = "KEY")]
    accept_bugs: Vec<IssueKey>,
    /// Approve although the release date is more than a day away
    #[arg(long)]
    early: bool,
    #[command(flatten)]
    busy: report::BusyArgs,
    #[command(flatten)]
    critical: report::CriticalArgs,
}

pub(crate) async fn run(args: Args, release: &Release) -> Result<ExitCode, CliError> {
    let Args { accept_bugs, early, busy, critical } = args;
    let yes = critical.yes;
    let change = critical.change.into();
    release.run(AddQeApproval { accept_bug: accept_bugs, early, wait: busy.wait, change }, yes).await
}
