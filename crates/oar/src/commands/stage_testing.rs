use std::num::NonZeroU64;

use cli_support::{CliError, ExitCode};
use oar_core::operations::stage_testing::StageTesting;

use crate::release::Release;
use crate::report;

/// Start the stage pipeline in Jenkins once and follow it to its result
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Follow this Jenkins build instead of the one in the StateBox
    #[arg(short = 'n', long, visible_alias = "build_number", value_name = "NUMBER")]
    build_number: Option<NonZeroU64>,
    /// Start a build although ART's own stage test of this payload passed or is running
    #[arg(long, conflicts_with = "build_number")]
    again: bool,
    #[command(flatten)]
    wait: report::WaitArgs,
    #[command(flatten)]
    change: report::ChangeArgs,
}

pub(crate) async fn run(args: Args, release: &Release) -> Result<ExitCode, CliError> {
    let Args { build_number, again, wait, change } = args;
    release
        .run(
            StageTesting { build_number, again, follow: false, wait: wait.wait, change: change.into() },
            false,
        )
        .await
}
