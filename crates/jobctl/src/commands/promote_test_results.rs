use cli_support::{CliError, ExitCode, Session};
use oar_core::operations::PlanOrResult;
use oar_core::operations::jobctl::promote_test_results::PromoteTestResults;
use oar_core::prow::manual::RecordChanged;
use oar_core::prow::names::{BuildName, ResultName};
use oar_core::version::Arch;

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
    let Args { arch, build, dry_run } = args;
    let name = ResultName { build: build.clone(), arch };
    let answer = session.perform(PromoteTestResults { build, arch, dry_run }, &session.call(false)?).await?;
    session.ui.text(match &answer {
        PlanOrResult::Plan(plan) => match (plan.promoted, plan.changes) {
            (false, _) => format!("{name} would be promoted."),
            (true, true) => {
                format!("{name} is promoted; the label of its release payload would be checked again.")
            }
            (true, false) => format!("{name} is promoted already."),
        },
        PlanOrResult::Result(RecordChanged { changed: true, .. }) => {
            format!("{name} is promoted. The aggregator's next pass labels the release payload.")
        }
        PlanOrResult::Result(_) => format!("{name} is promoted already; nothing to do."),
    });
    session.ui.json(&answer);
    Ok(ExitCode::Done)
}
