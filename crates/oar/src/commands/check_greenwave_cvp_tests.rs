use cli_support::{CliError, ExitCode};
use oar_core::tasks::check_greenwave_cvp_tests::CheckGreenwaveCvpTests;

use crate::release::Release;
use crate::report;

/// Check the Greenwave CVP tests of the advisories and report failures in Jira (Errata flow)
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    busy: report::BusyArgs,
    #[command(flatten)]
    change: report::ChangeArgs,
}

pub(crate) async fn run(args: Args, release: &Release) -> Result<ExitCode, CliError> {
    let statebox = release.statebox()?;
    let (services, loaded) = release.services_and_state(&statebox).await;
    let services = services?;
    let task = CheckGreenwaveCvpTests::new(services.clone());
    report::run_task(release, &statebox, &services, &task, (&args.change, args.busy.wait), loaded).await
}
