use cli_support::{CliError, ExitCode};
use oar_core::operations::image_consistency_check::{Arguments, ImageConsistencyCheck, JobId};

use crate::release::Release;
use crate::report;

/// Check the images of the release: a Prow job compares payload and shipment, then the images' health decides
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Id of the Prow job to follow, instead of the one that the StateBox knows
    #[arg(short = 'i', long, visible_alias = "job_id", value_name = "ID")]
    job_id: Option<JobId>,
    #[command(flatten)]
    wait: report::WaitArgs,
    #[command(flatten)]
    change: report::ChangeArgs,
}

pub(crate) async fn run(args: Args, release: &Release) -> Result<ExitCode, CliError> {
    let Args { job_id, wait, change } = args;
    let arguments = Arguments { job_id, wait: wait.wait, change: change.into() };
    release.run::<ImageConsistencyCheck>(arguments, false).await
}
