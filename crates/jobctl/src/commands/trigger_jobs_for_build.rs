use cli_support::{CliError, ExitCode, Session};
use oar_core::config::Credential;
use oar_core::prow::controller::{Controller, Existing};
use oar_core::prow::names::BuildName;
use oar_core::version::Arch;

use super::failure;
use crate::display;
use crate::setup::live_world;

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
    /// Start every job again; the runs that are recorded are dropped from the record
    #[arg(long, overrides_with = "skip_existing")]
    no_skip_existing: bool,
    /// Print what would be done without doing it
    #[arg(long)]
    dry_run: bool,
}

pub(crate) async fn run(args: Args, session: &Session) -> Result<ExitCode, CliError> {
    let needed: &[Credential] = if args.dry_run { &[] } else { &[Credential::GangwayToken] };
    let live = live_world(session, needed)?;
    live.require_supported([args.build.y_stream()])?;
    let existing = if args.no_skip_existing { Existing::StartAgain } else { Existing::Keep };
    let permit = super::permit(args.dry_run);
    let controller = Controller { world: live.world() };
    let report = controller
        .trigger(&args.build, args.arch, existing, permit.as_ref())
        .await
        .map_err(|error| failure(&error))?;
    for warning in &report.warnings {
        session.ui.warn(warning);
    }
    display::started_jobs(session, &report.jobs);
    for step in &report.planned {
        session.ui.text(format!("would {step}"));
    }
    if report.jobs.is_empty() && report.planned.is_empty() {
        session.ui.text(format!("{}: every job is in the record; nothing to do.", args.build));
    }
    session.ui.json(&report);
    Ok(report.class().map_or(ExitCode::Done, ExitCode::from))
}
