use cli_support::{CliError, ExitCode};
use oar_core::operations::check_cve_tracker_bug::CheckCveTrackerBug;

use crate::release::Release;
use crate::report;

/// Check with elliott that no CVE tracker is missing
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Notify ART of missing trackers in Slack (the default)
    #[arg(long, overrides_with = "no_notify")]
    notify: bool,
    /// Do not notify ART
    #[arg(long, overrides_with = "notify")]
    no_notify: bool,
    #[command(flatten)]
    busy: report::BusyArgs,
    #[command(flatten)]
    change: report::ChangeArgs,
}

pub(crate) async fn run(args: Args, release: &Release) -> Result<ExitCode, CliError> {
    let Args { notify: _, no_notify, busy, change } = args;
    release.run(CheckCveTrackerBug { no_notify, wait: busy.wait, change: change.into() }, false).await
}
