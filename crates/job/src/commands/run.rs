use cli_support::{CliError, ExitCode, Session};
use indexmap::IndexMap;
use oar_core::config::Credential;
use oar_core::prow::environment::{self, Column, ImagesError, JobImages};
use oar_core::version::Arch;

use crate::clients::Clients;
use crate::names::{self, JobNames};
use crate::start::{self, Begin, Order};

/// Start a job and show its run
///
/// A name that begins with `periodic-ci-` is taken as it is. Any other text is looked for in the names of the jobs, and must
/// be part of exactly one of them. When the answer to the start never comes, the run is looked for before anything else.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The job's name, or a part that no other job's name has
    #[arg(value_name = "JOB_NAME", value_parser = job_name)]
    job: String,
    /// The payload to test; without any of these options the job runs the images of its configuration
    #[arg(long, value_name = "PULL_SPEC", value_parser = image)]
    payload: Option<String>,
    /// The payload to upgrade from
    #[arg(long = "upgrade_from", visible_alias = "upgrade-from", value_name = "PULL_SPEC", value_parser = image)]
    upgrade_from: Option<String>,
    /// The payload to upgrade to
    #[arg(long = "upgrade_to", visible_alias = "upgrade-to", value_name = "PULL_SPEC", value_parser = image)]
    upgrade_to: Option<String>,
    /// Architecture of the payloads, where their pull specs do not tell (amd64, arm64, multi, ppc64le, s390x)
    #[arg(long, value_name = "ARCH")]
    arch: Option<Arch>,
    #[command(flatten)]
    begin: Begin,
}

fn job_name(text: &str) -> Result<String, String> {
    word(text).ok_or_else(|| {
        "expected the name of a job or a part of it, such as 4.20-automated-release".to_owned()
    })
}

/// A script whose variable is empty must not start a job without its image.
fn image(text: &str) -> Result<String, String> {
    word(text).ok_or_else(|| {
        "expected the pull spec of an image, such as quay.io/openshift-release-dev/ocp-release:4.20.5-x86_64".to_owned()
    })
}

/// The text without the spaces around it, when it is one word.
fn word(text: &str) -> Option<String> {
    let text = text.trim();
    let good =
        !text.is_empty() && !text.contains(|letter: char| letter.is_whitespace() || letter.is_control());
    good.then(|| text.to_owned())
}

pub(crate) async fn run(args: Args, session: &Session) -> Result<ExitCode, CliError> {
    let (images, envs, ignored) = told(&args).map_err(|error| CliError::usage(error.to_string()))?;
    if ignored {
        session.ui.warn("--payload is ignored beside an upgrade option");
    }
    let clients = Clients::new(session)?;
    let is_whole = args.job.starts_with(names::PERIODIC);
    let wanted = [(Credential::GangwayToken, !args.begin.dry_run), (Credential::GithubToken, !is_whole)];
    clients.require(wanted.into_iter().filter_map(|(credential, needed)| needed.then_some(credential)))?;
    let job =
        if is_whole { args.job } else { JobNames::new(&clients, session).only_match(&args.job).await? };
    let order = Order {
        job,
        images,
        envs,
        begun: |run| format!("Returned job id: {}", run.id),
        known: |run| Some(run.lines()),
    };
    start::start(&clients, session, order, &args.begin).await
}

/// The images that the options ask for, by which variables the job is told, and whether the payload is ignored.
fn told(args: &Args) -> Result<(JobImages, IndexMap<String, String>, bool), ImagesError> {
    let (images, ignored) = JobImages::of_options(
        args.payload.as_deref(),
        args.upgrade_from.as_deref(),
        args.upgrade_to.as_deref(),
    )?;
    let column = args.arch.map_or_else(|| Column::of_images(&images), |arch| Column::of_arch(&images, arch));
    let envs = environment::variables(&images, column)?;
    Ok((images, envs, ignored))
}
