use cli_support::{CliError, ExitCode, Session};
use oar_core::prow::environment::{JobImages, ReleaseImage};
use oar_core::prow::release_jobs;

use crate::clients::Clients;
use crate::start::{self, Begin, Order};

/// Start the job that tests a payload on stage
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The payload: quay.io/openshift-release-dev/ocp-release:4.19.1-x86_64
    #[arg(short, long = "payload-url", value_name = "PULL_SPEC")]
    payload_url: ReleaseImage,
    #[command(flatten)]
    begin: Begin,
}

pub(crate) async fn run(args: Args, session: &Session) -> Result<ExitCode, CliError> {
    let clients = Clients::new(session)?;
    let payload = args.payload_url.to_string();
    let order = Order {
        job: release_jobs::stage_test(args.payload_url.release),
        images: JobImages::Payload(payload.clone()),
        envs: [(release_jobs::STAGE_TEST_PAYLOAD.to_owned(), payload)].into(),
        begun: |run| format!("Stage testing job name: {}\nStage testing job id: {}", run.name, run.id),
        known: |run| run.page.as_ref().map(|page| format!("Stage testing job url: {page}")),
    };
    start::start(&clients, session, order, &args.begin).await
}
