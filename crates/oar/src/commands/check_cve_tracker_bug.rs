use std::sync::Arc;

use cli_support::{CliError, ExitCode};
use oar_core::tasks::check_cve_tracker_bug::CheckCveTrackerBug;

use crate::release::Release;
use crate::report;

/// Check with elliott that the release misses no CVE tracker
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Tell ART of missing trackers in Slack (the default)
    #[arg(long, overrides_with = "no_notify")]
    notify: bool,
    /// Do not tell ART
    #[arg(long, overrides_with = "notify")]
    no_notify: bool,
    #[command(flatten)]
    busy: report::BusyArgs,
    #[command(flatten)]
    change: report::ChangeArgs,
}

pub(crate) async fn run(args: Args, release: &Release) -> Result<ExitCode, CliError> {
    let statebox = release.statebox()?;
    let (services, loaded) = release.services_and_state(&statebox).await;
    let services = services?;
    let elliott = Arc::new(services.clients().elliott()?);
    let task = CheckCveTrackerBug::new(services.clone(), elliott, !args.no_notify);
    report::run_task(release, &statebox, &services, &task, (&args.change, args.busy.wait), loaded).await
}
