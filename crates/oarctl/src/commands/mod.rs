//! One file per subcommand.

mod config;
mod statebox;

use cli_support::{CliError, ExitCode, Session};

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// The encrypted configuration document
    #[command(subcommand)]
    Config(config::Command),
    /// StateBox files on disk
    #[command(subcommand)]
    Statebox(statebox::Command),
}

pub(crate) async fn run(command: Command, session: &Session) -> Result<ExitCode, CliError> {
    match command {
        Command::Config(command) => config::run(command, session).await,
        Command::Statebox(command) => Ok(statebox::run(command, session)),
    }
}
