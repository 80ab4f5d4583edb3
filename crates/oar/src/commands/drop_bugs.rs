use cli_support::{CliError, ExitCode};
use oar_core::clients::jira::IssueKey;
use oar_core::operations::drop_bugs::DropBugs;

use crate::release::Release;
use crate::report;

/// Remove unfinished bugs from the advisories and the shipment
///
/// CVE trackers, and bugs that cannot be read in Jira, stay. Critical bugs and bugs with a customer case stay unless
/// they are named with --include.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Also drop this critical bug or bug with a customer case; may be given several times
    #[arg(long, value_name = "KEY")]
    include: Vec<IssueKey>,
    #[command(flatten)]
    busy: report::BusyArgs,
    #[command(flatten)]
    critical: report::CriticalArgs,
}

pub(crate) async fn run(args: Args, release: &Release) -> Result<ExitCode, CliError> {
    let Args { include, busy, critical } = args;
    release.run(DropBugs { include, wait: busy.wait, change: critical.change.into() }, critical.yes).await
}
