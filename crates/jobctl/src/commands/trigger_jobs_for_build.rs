use cli_support::{CliError, ExitCode, Session, counted, exit_code};
use oar_core::error::ErrorClass;
use oar_core::operations::jobctl::trigger_jobs_for_build::TriggerJobsForBuild;
use oar_core::prow::names::BuildName;
use oar_core::version::Arch;

use crate::display;

/// Start the test jobs of one build
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The build's whole name, such as 4.20.27 or 4.20.0-0.nightly-2026-07-01-161907
    #[arg(long, value_name = "BUILD")]
    build: BuildName,
    /// Architecture: amd64, arm64, multi, ppc64le, s390x
    #[arg(long, default_value_t = Arch::Amd64, value_name = "ARCH")]
    arch: Arch,
    /// Start only jobs that the build's record lacks; the default
    #[arg(long, overrides_with = "no_skip_existing")]
    skip_existing: bool,
    /// Start every job again; existing runs are removed from the record
    #[arg(long, overrides_with = "skip_existing")]
    no_skip_existing: bool,
    /// Print what would be done without doing it
    #[arg(long)]
    dry_run: bool,
}

pub(crate) async fn run(args: Args, session: &Session) -> Result<ExitCode, CliError> {
    let Args { build, arch, no_skip_existing, dry_run, .. } = args;
    let report = session
        .perform(
            TriggerJobsForBuild { build: build.clone(), arch, no_skip_existing, dry_run },
            &session.call(false)?,
        )
        .await?;
    for warning in &report.warnings {
        session.ui.warn(warning);
    }
    display::started_jobs(&session.ui, &report.jobs);
    for step in &report.planned {
        session.ui.text(format!("would {step}"));
    }
    if report.jobs.is_empty() && report.planned.is_empty() {
        session.ui.text(format!("{build}: every job is in the record; nothing to do."));
    }
    let left: Vec<_> = report.jobs.iter().filter(|job| job.is_left_to_another()).collect();
    if let Some(hint) = left.iter().find_map(|job| job.hint.clone()) {
        let words = format!("{build}: {} left to another program", counted(left.len(), "start"));
        session.ui.explain(&CliError::new(ErrorClass::Conflict, words).with_hint(hint));
    }
    session.ui.json(&report);
    Ok(exit_code(&report))
}
