use cli_support::{CliError, ExitCode, Session};
use oar_core::operations::PlanOrResult;
use oar_core::operations::jobctl::update_retried_job_run::UpdateRetriedJobRun;
use oar_core::prow::manual::RecordChanged;
use oar_core::prow::names::BuildName;
use oar_core::prow::record::RunId;
use oar_core::version::Arch;

/// Replace a recorded run with another run and judge the build again
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Architecture: amd64, arm64, multi, ppc64le, s390x
    #[arg(long, default_value_t = Arch::Amd64, value_name = "ARCH")]
    arch: Arch,
    /// The build's whole name, such as 4.20.27
    #[arg(long, value_name = "BUILD")]
    build: BuildName,
    /// The job whose run is replaced
    #[arg(long = "job-name", value_name = "JOB")]
    job: String,
    /// The run that is recorded
    #[arg(long = "current-job-id", value_name = "ID")]
    current: String,
    /// The run that replaces it
    #[arg(long = "new-job-id", value_name = "ID")]
    new: RunId,
    /// Print what would be done without doing it
    #[arg(long)]
    dry_run: bool,
}

pub(crate) async fn run(args: Args, session: &Session) -> Result<ExitCode, CliError> {
    let Args { arch, build, job, current, new, dry_run } = args;
    let answer = session
        .perform(
            UpdateRetriedJobRun {
                build,
                arch,
                job_name: job.clone(),
                current_job_id: current.clone(),
                new_job_id: new.clone(),
                dry_run,
            },
            &session.call(false)?,
        )
        .await?;
    session.ui.text(match &answer {
        PlanOrResult::Plan(plan) => {
            let words = if plan.changes { "would be replaced by" } else { "is replaced already by" };
            format!("{current} of {job} {words} {new}.")
        }
        PlanOrResult::Result(RecordChanged { changed: true, .. }) => format!(
            "{current} of {job} is replaced by {new}. The aggregator's next pass evaluates the build again."
        ),
        PlanOrResult::Result(_) => format!("{current} of {job} is replaced already; nothing to do."),
    });
    session.ui.json(&answer);
    Ok(ExitCode::Done)
}
