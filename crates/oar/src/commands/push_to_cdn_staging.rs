use cli_support::{CliError, ExitCode};
use oar_core::tasks::push_to_cdn_staging::PushToCdnStaging;

use crate::release::Release;
use crate::report;

/// Push the advisories to the staging CDN, and say how far each target is
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    critical: report::CriticalArgs,
}

pub(crate) async fn run(args: Args, release: &Release) -> Result<ExitCode, CliError> {
    let statebox = release.statebox()?;
    let (services, loaded) = release.services_and_state(&statebox).await;
    let services = services?;
    let task = PushToCdnStaging::new(services.clone());
    report::run_critical_task(release, &statebox, &services, &task, &args.critical, loaded).await
}
