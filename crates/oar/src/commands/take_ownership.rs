use cli_support::{CliError, ExitCode};
use oar_core::email::EmailAddress;
use oar_core::operations::take_ownership::TakeOwnership;

use crate::release::Release;
use crate::report;

/// Make a person the QE owner of the advisories, the merge request and ART's subtasks
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// E-mail address of the new owner
    #[arg(short, long, value_name = "ADDRESS")]
    email: EmailAddress,
    #[command(flatten)]
    busy: report::BusyArgs,
    #[command(flatten)]
    change: report::ChangeArgs,
}

pub(crate) async fn run(args: Args, release: &Release) -> Result<ExitCode, CliError> {
    let Args { email, busy, change } = args;
    release.run(TakeOwnership { email, wait: busy.wait, change: change.into() }, false).await
}
