use cli_support::{CliError, ExitCode, Session};
use oar_core::prow::jobs::RunJob;
use oar_core::version::Arch;

use crate::display;
use crate::start_one::{self, StartArgs, Words};

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
    start: StartArgs,
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
    let Args { job, payload, upgrade_from, upgrade_to, arch, start } = args;
    let clients = session.clients()?;
    let wanted = RunJob { job, payload, upgrade_from, upgrade_to, arch };
    let order = wanted.order(&clients, !start.dry_run, &|event| display::tell(session, event)).await?;
    let words = Words {
        started: |run| format!("Returned job id: {}", run.id),
        known: |run| Some(display::lines(run)),
    };
    start_one::start(&clients, session, order, words, &start).await
}
