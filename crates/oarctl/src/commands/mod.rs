//! One file per subcommand.

mod agents;
mod check_test_results;
mod config;
mod doctor;
mod drive;
mod image_consistency_check;
mod jira_notificator;
mod lead_time;
mod operations;
mod slack_bot;
mod start_release_detector;
mod statebox;

use cli_support::{CliError, ExitCode, Session};

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// The agents of the configuration document
    #[command(subcommand)]
    Agents(agents::Command),
    /// The encrypted configuration document
    #[command(subcommand)]
    Config(config::Command),
    /// StateBox files on disk
    #[command(subcommand)]
    Statebox(statebox::Command),
    ImageConsistencyCheck(image_consistency_check::Args),
    #[command(visible_alias = "tick")]
    Drive(drive::Args),
    JiraNotificator(jira_notificator::Args),
    StartReleaseDetector(start_release_detector::Args),
    CheckTestResults(check_test_results::Args),
    SlackBot(slack_bot::Args),
    LeadTime(lead_time::Args),
    Doctor(doctor::Args),
    Operations(operations::Args),
}

pub(crate) async fn run(command: Command, session: &Session) -> Result<ExitCode, CliError> {
    match command {
        Command::Agents(command) => agents::run(command, session).await,
        Command::StartReleaseDetector(args) => start_release_detector::run(args, session).await,
        Command::CheckTestResults(args) => check_test_results::run(args, session).await,
        Command::Config(command) => config::run(command, session).await,
        Command::Statebox(command) => statebox::run(command, session).await,
        Command::ImageConsistencyCheck(args) => image_consistency_check::run(args, session).await,
        Command::Drive(args) => drive::run(args, session).await,
        Command::JiraNotificator(args) => jira_notificator::run(args, session).await,
        Command::SlackBot(args) => slack_bot::run(args, session).await,
        Command::LeadTime(args) => lead_time::run(args, session).await,
        Command::Doctor(args) => doctor::run(args, session).await,
        Command::Operations(args) => operations::run(args, session).await,
    }
}
