use cli_support::{CliError, ExitCode};
use oar_core::tasks::image_consistency_check::ImageConsistencyCheck;

use crate::release::Release;
use crate::report;

/// Compare the payload with the shipment in a Prow job, then check the health of the images
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Follow this Prow job instead of the one in the StateBox
    #[arg(short = 'i', long, visible_alias = "job_id", value_name = "ID", value_parser = job_id)]
    job_id: Option<String>,
    #[command(flatten)]
    wait: report::WaitArgs,
    #[command(flatten)]
    change: report::ChangeArgs,
}

/// The name of a Kubernetes object, which is what the id of a Prow job is.
fn job_id(text: &str) -> Result<String, String> {
    let text = text.trim();
    let good = (8..=64).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if good {
        Ok(text.to_owned())
    } else {
        Err("expected the id of a Prow job, for example 0b8e7c1a-1111-4222-8333-944455556666".to_owned())
    }
}

pub(crate) async fn run(args: Args, release: &Release) -> Result<ExitCode, CliError> {
    let statebox = release.statebox()?;
    let (services, loaded) = release.services_and_state(&statebox).await;
    let services = services?;
    let task = ImageConsistencyCheck::new(services.clone(), args.job_id);
    let how = (&args.change, args.wait);
    report::run_task_to_its_end(release, &statebox, &services, &task, how, loaded).await
}
