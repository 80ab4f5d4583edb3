use cli_support::{CliError, ExitCode};
use oar_core::tasks::image_signed_check::ImageSignedCheck;

use crate::release::Release;
use crate::report;

/// Prove that the release's image is signed by a release key
///
/// The digest is read from the release controller and from the registry, and both must agree. Every signature that the
/// mirror has of it is verified against the keys in the configuration.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Look again every 30 seconds, 16 times at most, while there is nothing to check yet
    #[arg(long)]
    wait: bool,
    #[command(flatten)]
    change: report::ChangeArgs,
}

pub(crate) async fn run(args: Args, release: &Release) -> Result<ExitCode, CliError> {
    let statebox = release.statebox()?;
    let (services, loaded) = release.services_and_state(&statebox).await;
    let services = services?;
    let task = ImageSignedCheck::new(services.clone(), args.wait);
    report::run_task(release, &statebox, &services, &task, (&args.change, args.wait), loaded).await
}
