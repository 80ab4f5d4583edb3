use cli_support::{CliError, ExitCode};
use oar_core::operations::image_signed_check::ImageSignedCheck;

use crate::release::Release;
use crate::report;

/// Verify that the payload of the release is signed by a release key
///
/// The release controller and the registry must name the same digest. Every signature on the mirror, and
/// every Sigstore signature beside the image, is verified with the keys in the configuration, or with Red
/// Hat's keys if it names none.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Check again every 30 seconds, at most 16 times, while no signature is published
    #[arg(long)]
    wait: bool,
    /// Also check the payloads of all architectures, and the multi-architecture list with its images
    #[arg(long)]
    all_architectures: bool,
    #[command(flatten)]
    change: report::ChangeArgs,
}

pub(crate) async fn run(args: Args, release: &Release) -> Result<ExitCode, CliError> {
    let Args { wait, all_architectures, change } = args;
    release.run(ImageSignedCheck { wait, all_architectures, change: change.into() }, false).await
}
