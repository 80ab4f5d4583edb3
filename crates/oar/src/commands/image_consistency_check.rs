use cli_support::{CliError, ExitCode};
use oar_core::operations::image_consistency_check::{ImageConsistencyCheck, JobId};

use crate::release::Release;
use crate::report;

/// Compare the payload with the shipment in a Prow job, then check the health of the images
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Follow this Prow job instead of the one in the StateBox
    #[arg(short = 'i', long, visible_alias = "job_id", value_name = "ID")]
    job_id: Option<JobId>,
    #[command(flatten)]
    wait: report::WaitArgs,
    #[command(flatten)]
    change: report::ChangeArgs,
}

pub(crate) async fn run(args: Args, release: &Release) -> Result<ExitCode, CliError> {
    let Args { job_id, wait, change } = args;
    release
        .run(ImageConsistencyCheck { job_id, follow: false, wait: wait.wait, change: change.into() }, false)
        .await
}
