use cli_support::{CliError, ExitCode, Session};
use oar_core::prow::environment::ReleaseImage;

use crate::clients::Clients;
use crate::start::{self, Begin};

/// Start the job that compares a payload with its shipment
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The payload: quay.io/openshift-release-dev/ocp-release:4.19.1-x86_64
    #[arg(short, long = "payload-url", value_name = "PULL_SPEC")]
    payload_url: ReleaseImage,
    /// The number of the shipment merge request
    #[arg(short, long = "mr-id", value_name = "NUMBER", value_parser = clap::value_parser!(u64).range(1..))]
    mr_id: u64,
    #[command(flatten)]
    begin: Begin,
}

pub(crate) async fn run(args: Args, session: &Session) -> Result<ExitCode, CliError> {
    let clients = Clients::new(session)?;
    let job = clients.jobs()?.image_consistency;
    // What the job's step reads (`interop-exact`, spec 04 §1.2).
    let envs = [
        ("MULTISTAGE_PARAM_OVERRIDE_PAYLOAD_URL".to_owned(), args.payload_url.to_string()),
        ("MULTISTAGE_PARAM_OVERRIDE_MERGE_REQUEST_ID".to_owned(), args.mr_id.to_string()),
    ];
    let run = start::start(&clients, session, &job, envs.into(), &args.begin).await?;
    let Some(run) = run else { return Ok(ExitCode::Done) };
    session.ui.text(format!("Image consistency check job id: {}", run.id));
    if let Some(page) = &run.page {
        session.ui.text(format!("Image consistency check job url: {page}"));
    }
    session.ui.json(&run);
    Ok(ExitCode::Done)
}
