use cli_support::{CliError, ExitCode};
use oar_core::tasks::push_to_cdn_staging::PushToCdnStaging;

use crate::release::Release;
use crate::report;

/// Push the advisories to the staging CDN and show the progress of each target
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    wait: report::WaitArgs,
    #[command(flatten)]
    critical: report::CriticalArgs,
}

pub(crate) async fn run(args: Args, release: &Release) -> Result<ExitCode, CliError> {
    let statebox = release.statebox()?;
    let (services, loaded) = release.services_and_state(&statebox).await;
    let services = services?;
    let task = PushToCdnStaging::new(services.clone());
    let how = (&args.critical, args.wait);
    report::run_critical_task_to_its_end(release, &statebox, &services, &task, how, loaded).await
}
