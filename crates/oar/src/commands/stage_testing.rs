use std::num::NonZeroU64;

use cli_support::{CliError, ExitCode};
use oar_core::operations::stage_testing::{Arguments, StageTesting};

use crate::release::Release;
use crate::report;

/// Test the release on stage: a Jenkins pipeline, started once and followed to its result
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Number of the Jenkins build to follow, instead of the one that the StateBox knows
    #[arg(short = 'n', long, visible_alias = "build_number", value_name = "NUMBER")]
    build_number: Option<NonZeroU64>,
    /// Start a build although ART's own stage test of this payload passed or runs
    #[arg(long, conflicts_with = "build_number")]
    again: bool,
    #[command(flatten)]
    wait: report::WaitArgs,
    #[command(flatten)]
    change: report::ChangeArgs,
}

pub(crate) async fn run(args: Args, release: &Release) -> Result<ExitCode, CliError> {
    let Args { build_number, again, wait, change } = args;
    let arguments = Arguments { build_number, again, wait: wait.wait, change: change.into() };
    release.run::<StageTesting>(arguments, false).await
}
