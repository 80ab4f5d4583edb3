use cli_support::{CliError, ExitCode};
use oar_core::operations::push_to_cdn_staging::PushToCdnStaging;

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
    let Args { wait, critical } = args;
    release.run(PushToCdnStaging { wait: wait.wait, change: critical.change.into() }, critical.yes).await
}
