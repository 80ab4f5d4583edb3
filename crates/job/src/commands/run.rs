use cli_support::{CliError, ExitCode, Session};
use oar_core::prow::jobs::{Image, JobText, RunJob};
use oar_core::version::Arch;

use crate::display;
use crate::start_one::{self, StartArgs, Words};

/// Start a job and show its run
///
/// A name that begins with `periodic-ci-` is used unchanged. Any other text must be part of exactly one job's
/// name. If no answer to the start arrives, the run is looked for before another one is started.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The job's name, or a part that no other job's name has
    #[arg(value_name = "JOB_NAME")]
    job: JobText,
    /// The payload to test; without any of these options the job uses the images of its configuration
    #[arg(long, value_name = "PULL_SPEC")]
    payload: Option<Image>,
    /// The payload to upgrade from
    #[arg(long = "upgrade_from", visible_alias = "upgrade-from", value_name = "PULL_SPEC")]
    upgrade_from: Option<Image>,
    /// The payload to upgrade to
    #[arg(long = "upgrade_to", visible_alias = "upgrade-to", value_name = "PULL_SPEC")]
    upgrade_to: Option<Image>,
    /// Architecture of the payloads, if their pull specs do not contain it (amd64, arm64, multi, ppc64le,
    /// s390x)
    #[arg(long, value_name = "ARCH")]
    arch: Option<Arch>,
    #[command(flatten)]
    start: StartArgs,
}

pub(crate) async fn run(args: Args, session: &Session) -> Result<ExitCode, CliError> {
    let Args { job, payload, upgrade_from, upgrade_to, arch, start } = args;
    let job = RunJob { job, payload, upgrade_from, upgrade_to, arch };
    let words = Words { started: display::job_id, known: |run| Some(display::lines(run)) };
    start_one::start(session, job, words, &start).await
}
