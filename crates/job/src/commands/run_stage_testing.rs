use cli_support::{CliError, ExitCode, Session};
use oar_core::operations::job::start::RunStageTesting;
use oar_core::prow::environment::ReleaseImage;

use crate::start_one::{self, StartArgs, Words};

/// Start the job that tests a payload on stage
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The payload: quay.io/openshift-release-dev/ocp-release:4.19.1-x86_64
    #[arg(short, long = "payload-url", value_name = "PULL_SPEC")]
    payload_url: ReleaseImage,
    #[command(flatten)]
    start: StartArgs,
}

pub(crate) async fn run(args: Args, session: &Session) -> Result<ExitCode, CliError> {
    let Args { payload_url, start } = args;
    let words = Words {
        started: |run| format!("Stage testing job name: {}\nStage testing job id: {}", run.name, run.id),
        known: |run| run.page.as_ref().map(|page| format!("Stage testing job url: {page}")),
    };
    start_one::start(session, RunStageTesting { payload_url }, words, &start).await
}
