use cli_support::{CliError, ExitCode, Session};
use oar_core::prow::manual::{self, RecordChanged};
use oar_core::prow::names::{BuildName, ResultName};
use oar_core::prow::record::RunId;
use oar_core::version::Arch;

use super::failure;
use crate::setup::live_world;

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
    let live = live_world(session, &[])?;
    let name = ResultName { build: args.build.clone(), arch: args.arch };
    if !manual::check_run(live.world(), &args.job, &args.new).await? {
        session.ui.warn(format!("Prow does not know the run {} (any more); it is taken as it is", args.new));
    }
    let Some(permit) = super::permit(args.dry_run) else {
        let plan = manual::plan_replacement(live.world(), &name, &args.job, &args.current, &args.new)
            .await
            .map_err(|error| failure(&error))?;
        let words = if plan.changes { "would be replaced by" } else { "is replaced already by" };
        session.ui.text(format!("{} of {} {words} {}.", args.current, args.job, args.new));
        session.ui.json(&plan);
        return Ok(ExitCode::Done);
    };
    let place = manual::replace_run(live.world(), &name, &args.job, &args.current, &args.new, &permit)
        .await
        .map_err(|error| failure(&error))?;
    session.ui.text(match place {
        Some(_) => format!(
            "{} of {} is replaced by {}. The aggregator's next pass judges the build anew.",
            args.current, args.job, args.new
        ),
        None => format!("{} of {} is replaced already; nothing to do.", args.current, args.job),
    });
    session.ui.json(&RecordChanged { file: name.to_string(), changed: place.is_some() });
    Ok(ExitCode::Done)
}
