use cli_support::{CliError, ExitCode};
use oar_core::operations::image_signed_check::{Arguments, ImageSignedCheck};

use crate::release::Release;
use crate::report;

/// Prove that the release's image is signed by a release key
///
/// The digest is read from the release controller and from the registry, and both must agree. Every signature that the
/// mirror has of it is verified, and those in the Sigstore way beside the image: with the keys in the configuration, or
/// with Red Hat's where it names none.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Look again every 30 seconds, 16 times at most, while there is nothing to check yet
    #[arg(long)]
    wait: bool,
    /// Check the payloads of all architectures, the multi-architecture list and each of its images, too
    #[arg(long)]
    all_architectures: bool,
    #[command(flatten)]
    change: report::ChangeArgs,
}

pub(crate) async fn run(args: Args, release: &Release) -> Result<ExitCode, CliError> {
    let Args { wait, all_architectures, change } = args;
    let arguments = Arguments { wait, all_architectures, change: change.into() };
    release.run::<ImageSignedCheck>(arguments, false).await
}
