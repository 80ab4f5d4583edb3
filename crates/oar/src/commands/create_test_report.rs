use cli_support::{CliError, ExitCode};
use oar_core::operations::create_test_report::CreateTestReport;

use crate::release::Release;
use crate::report;

/// Create the release's StateBox file and notify the release leads
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Create the file although the release has a worksheet in Google Sheets
    #[arg(long)]
    beside_worksheet: bool,
    #[command(flatten)]
    busy: report::BusyArgs,
    #[command(flatten)]
    change: report::ChangeArgs,
}

pub(crate) async fn run(args: Args, release: &Release) -> Result<ExitCode, CliError> {
    let Args { beside_worksheet, busy, change } = args;
    release.run(CreateTestReport { beside_worksheet, wait: busy.wait, change: change.into() }, false).await
}
