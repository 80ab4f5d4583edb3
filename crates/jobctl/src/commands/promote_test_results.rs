use cli_support::{CliError, ExitCode, Session};
use oar_core::prow::manual::{self, RecordChanged};
use oar_core::prow::names::{BuildName, ResultName};
use oar_core::version::Arch;

use super::failure;
use crate::setup::live_world;

/// Promote a build by hand, whatever its test results say
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Architecture: amd64, arm64, multi, ppc64le, s390x
    #[arg(long, default_value_t = Arch::Amd64, value_name = "ARCH")]
    arch: Arch,
    /// The build's whole name, such as 4.20.27
    #[arg(long, value_name = "BUILD")]
    build: BuildName,
    /// Print what would be done without doing it
    #[arg(long)]
    dry_run: bool,
}

pub(crate) async fn run(args: Args, session: &Session) -> Result<ExitCode, CliError> {
    let live = live_world(session, &[])?;
    let name = ResultName { build: args.build, arch: args.arch };
    let Some(permit) = super::permit(args.dry_run) else {
        let plan = manual::plan_promotion(live.world(), &name).await.map_err(|error| failure(&error))?;
        let words = match (plan.promoted, plan.changes) {
            (false, _) => "would be promoted",
            (true, true) => "is promoted; the label of its release payload would be checked again",
            (true, false) => "is promoted already",
        };
        session.ui.text(format!("{name} {words}."));
        session.ui.json(&plan);
        return Ok(ExitCode::Done);
    };
    let promoted = manual::promote(live.world(), &name, &permit).await.map_err(|error| failure(&error))?;
    session.ui.text(if promoted {
        format!("{name} is promoted. The aggregator's next pass labels the release payload.")
    } else {
        format!("{name} is promoted already; nothing to do.")
    });
    session.ui.json(&RecordChanged { file: name.to_string(), changed: promoted });
    Ok(ExitCode::Done)
}
