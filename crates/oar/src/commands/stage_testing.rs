use cli_support::{CliError, ExitCode};
use oar_core::tasks::stage_testing::StageTesting;

use crate::release::Release;
use crate::report;

/// Start the stage pipeline in Jenkins once and follow it to its result
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Follow this Jenkins build instead of the one in the StateBox
    #[arg(
        short = 'n',
        long,
        visible_alias = "build_number",
        value_name = "NUMBER",
        value_parser = clap::value_parser!(u64).range(1..)
    )]
    build_number: Option<u64>,
    /// Start a build although ART's own stage test of this payload passed or is running
    #[arg(long, conflicts_with = "build_number")]
    again: bool,
    #[command(flatten)]
    wait: report::WaitArgs,
    #[command(flatten)]
    change: report::ChangeArgs,
}

pub(crate) async fn run(args: Args, release: &Release) -> Result<ExitCode, CliError> {
    let statebox = release.statebox()?;
    let (services, loaded) = release.services_and_state(&statebox).await;
    let services = services?;
    let task = StageTesting::new(services.clone(), args.build_number, args.again);
    let how = (&args.change, args.wait);
    report::run_task_to_its_end(release, &statebox, &services, &task, how, loaded).await
}
