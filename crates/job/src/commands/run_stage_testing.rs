use cli_support::{CliError, ExitCode, Session};
use oar_core::prow::environment::ReleaseImage;

use crate::clients::Clients;
use crate::start::{self, Begin};

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
    // `interop-exact`, spec 04 §1.2.
    let job = format!(
        "periodic-ci-openshift-openshift-tests-private-release-{}-stage-testing-e2e-aws-ipi",
        args.payload_url.release
    );
    let envs = [("RELEASE_IMAGE_LATEST".to_owned(), args.payload_url.to_string())];
    let run = start::start(&clients, session, &job, envs.into(), &args.begin).await?;
    let Some(run) = run else { return Ok(ExitCode::Done) };
    session.ui.text(format!("Stage testing job name: {}", run.name));
    session.ui.text(format!("Stage testing job id: {}", run.id));
    if let Some(page) = &run.page {
        session.ui.text(format!("Stage testing job url: {page}"));
    }
    session.ui.json(&run);
    Ok(ExitCode::Done)
}
