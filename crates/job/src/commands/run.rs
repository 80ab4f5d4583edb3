use cli_support::{CliError, ExitCode, Session};
use indexmap::IndexMap;
use oar_core::prow::environment::{self, Column, ImagesError, JobImages};
use oar_core::version::Arch;

use crate::clients::Clients;
use crate::names;
use crate::start::{self, Begin};

/// Start a job once, and show its run
///
/// A name that begins with `periodic-ci-` is taken as it is. Any other text is looked for in the names of the jobs, and must
/// be part of exactly one of them. When the answer to the start never comes, the run is looked for before anything else.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The job's name, or a part that no other job's name has
    #[arg(value_name = "JOB_NAME")]
    job: String,
    /// The payload to test; without any of these options the job runs the images of its configuration
    #[arg(long, value_name = "PULL_SPEC")]
    payload: Option<String>,
    /// The payload to upgrade from
    #[arg(long = "upgrade_from", visible_alias = "upgrade-from", value_name = "PULL_SPEC")]
    upgrade_from: Option<String>,
    /// The payload to upgrade to
    #[arg(long = "upgrade_to", visible_alias = "upgrade-to", value_name = "PULL_SPEC")]
    upgrade_to: Option<String>,
    /// Architecture of the payloads, where their pull specs do not tell (amd64, arm64, multi, ppc64le, s390x)
    #[arg(long, value_name = "ARCH")]
    arch: Option<Arch>,
    #[command(flatten)]
    begin: Begin,
}

pub(crate) async fn run(args: Args, session: &Session) -> Result<ExitCode, CliError> {
    let (envs, ignored) = environment(&args).map_err(|error| CliError::usage(error.to_string()))?;
    if ignored {
        session.ui.warn("--payload is ignored beside an upgrade option");
    }
    let clients = Clients::new(session)?;
    let job = if args.job.trim().starts_with(names::PERIODIC) {
        args.job.trim().to_owned()
    } else {
        names::only_match(&clients, args.job.trim()).await?
    };
    let run = start::start(&clients, session, &job, envs, &args.begin).await?;
    let Some(run) = run else { return Ok(ExitCode::Done) };
    session.ui.text(format!("Returned job id: {}", run.id));
    session.ui.text(run.lines());
    session.ui.json(&run);
    Ok(ExitCode::Done)
}

/// The variables that the options ask for, and whether the payload is ignored.
fn environment(args: &Args) -> Result<(IndexMap<String, String>, bool), ImagesError> {
    let (images, ignored) = JobImages::of_options(
        args.payload.as_deref(),
        args.upgrade_from.as_deref(),
        args.upgrade_to.as_deref(),
    )?;
    let column = args.arch.map_or_else(|| Column::of_images(&images), |arch| Column::of_arch(&images, arch));
    Ok((environment::variables(&images, column)?, ignored))
}
