//! One file per subcommand.

mod config;
mod jira_notificator;
mod statebox;
mod tick;

use cli_support::{CliError, ExitCode, Session};

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// The encrypted configuration document
    #[command(subcommand)]
    Config(config::Command),
    /// StateBox files on disk
    #[command(subcommand)]
    Statebox(statebox::Command),
    Tick(tick::Args),
    JiraNotificator(jira_notificator::Args),
}

pub(crate) async fn run(command: Command, session: &Session) -> Result<ExitCode, CliError> {
    match command {
        Command::Config(command) => config::run(command, session).await,
        Command::Statebox(command) => statebox::run(command, session).await,
        Command::Tick(args) => tick::run(args, session).await,
        Command::JiraNotificator(args) => jira_notificator::run(args, session).await,
    }
}
