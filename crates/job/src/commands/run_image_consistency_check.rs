use std::num::NonZeroU64;

use cli_support::{CliError, ExitCode, Session, merge_request};
use oar_core::operations::job::start::RunImageConsistencyCheck;
use oar_core::prow::environment::ReleaseImage;

use crate::start_one::{self, StartArgs, Words};

/// Start the job that compares a payload with its shipment
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The payload: quay.io/openshift-release-dev/ocp-release:4.19.1-x86_64
    #[arg(short, long = "payload-url", value_name = "PULL_SPEC")]
    payload_url: ReleaseImage,
    /// The number of the shipment merge request
    #[arg(short, long = "mr-id", value_name = "NUMBER", value_parser = merge_request, allow_negative_numbers = true)]
    mr_id: NonZeroU64,
    #[command(flatten)]
    start: StartArgs,
}

pub(crate) async fn run(args: Args, session: &Session) -> Result<ExitCode, CliError> {
    let Args { payload_url, mr_id, start } = args;
    let words = Words {
        started: |run| format!("Image consistency check job id: {}", run.id),
        known: |run| run.page.as_ref().map(|page| format!("Image consistency check job url: {page}")),
    };
    start_one::start(session, RunImageConsistencyCheck { payload_url, mr_id }, words, &start).await
}
