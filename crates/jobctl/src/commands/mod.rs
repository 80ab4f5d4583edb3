//! One file per subcommand.

mod doctor;
mod promote_test_results;
mod show;
mod start_aggregator;
mod start_controller;
mod trigger_jobs_for_build;
mod update_retried_job_run;
mod verify;

use cli_support::{CliError, ExitCode, Session};

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    StartController(start_controller::Args),
    TriggerJobsForBuild(trigger_jobs_for_build::Args),
    StartAggregator(start_aggregator::Args),
    PromoteTestResults(promote_test_results::Args),
    UpdateRetriedJobRun(update_retried_job_run::Args),
    Show(show::Args),
    Verify(verify::Args),
    Doctor(doctor::Args),
}

pub(crate) async fn run(command: Command, session: &Session) -> Result<ExitCode, CliError> {
    match command {
        Command::StartController(args) => start_controller::run(args, session).await,
        Command::TriggerJobsForBuild(args) => trigger_jobs_for_build::run(args, session).await,
        Command::StartAggregator(args) => start_aggregator::run(args, session).await,
        Command::PromoteTestResults(args) => promote_test_results::run(args, session).await,
        Command::UpdateRetriedJobRun(args) => update_retried_job_run::run(args, session).await,
        Command::Show(args) => show::run(args, session).await,
        Command::Doctor(args) => doctor::run(args, session).await,
        Command::Verify(args) => verify::run(args, session).await,
    }
}
