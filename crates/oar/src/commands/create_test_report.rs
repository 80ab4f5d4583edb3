use cli_support::{CliError, ExitCode};
use oar_core::tasks::create_test_report::CreateTestReport;

use crate::release::Release;
use crate::report;

/// Create the release's StateBox file and tell the release leads
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
    let statebox = if args.change.dry_run { release.statebox()? } else { release.statebox_to_create()? };
    let (services, loaded) = release.services_and_state(&statebox).await;
    let services = services?;
    let task = CreateTestReport::new(services.clone(), &statebox, args.beside_worksheet);
    report::run_task(release, &statebox, &services, &task, (&args.change, args.busy.wait), loaded).await
}
