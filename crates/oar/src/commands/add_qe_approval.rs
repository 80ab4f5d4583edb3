use cli_support::{CliError, ExitCode};
use oar_core::clients::jira::IssueKey;
use oar_core::config::WaitPolicy;
use oar_core::tasks::add_qe_approval::AddQeApproval;
use oar_core::tasks::change_advisory_status::ChangeAdvisoryStatus;

use crate::release::Release;
use crate::report;

/// Approve the shipment merge request of a Konflux release, after the checks of change-advisory-status
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Accept this bug although it is not finished or cannot be seen; may be repeated
    #[arg(long = "accept-bug", value_name = "KEY")]
    accept_bugs: Vec<IssueKey>,
    /// Approve although the release date is more than a day away
    #[arg(long)]
    early: bool,
    #[command(flatten)]
    busy: report::BusyArgs,
    #[command(flatten)]
    critical: report::CriticalArgs,
}

pub(crate) async fn run(args: Args, release: &Release) -> Result<ExitCode, CliError> {
    let policy = WaitPolicy::of(&release.session.environment)?;
    let statebox = release.statebox()?;
    let (services, loaded) = release.services_and_state(&statebox).await;
    let services = services?;
    let who = format!("{}/{}", release.user(), report::new_id());
    let whole = ChangeAdvisoryStatus::new(services.clone(), who, policy)
        .accepting(args.accept_bugs)
        .early(args.early);
    let task = AddQeApproval::new(services.clone(), whole);
    report::run_critical_task(release, &statebox, &services, &task, (&args.critical, args.busy.wait), loaded)
        .await
}
