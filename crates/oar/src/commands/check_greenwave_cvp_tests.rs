use cli_support::{CliError, ExitCode};
use oar_core::operations::check_greenwave_cvp_tests::CheckGreenwaveCvpTests;

use crate::release::Release;
use crate::report;

/// Check the Greenwave CVP tests of the advisories and report failures in Jira (Errata flow)
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    busy: report::BusyArgs,
    #[command(flatten)]
    change: report::ChangeArgs,
}

pub(crate) async fn run(args: Args, release: &Release) -> Result<ExitCode, CliError> {
    release.run(CheckGreenwaveCvpTests { wait: args.busy.wait, change: args.change.into() }, false).await
}
