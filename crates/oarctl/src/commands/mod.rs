//! One file per subcommand.

mod config;
mod image_consistency_check;
mod operations;
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
    ImageConsistencyCheck(image_consistency_check::Args),
    Tick(tick::Args),
    Operations(operations::Args),
}

pub(crate) async fn run(command: Command, session: &Session) -> Result<ExitCode, CliError> {
    match command {
        Command::Config(command) => config::run(command, session).await,
        Command::Statebox(command) => statebox::run(command, session).await,
        Command::ImageConsistencyCheck(args) => image_consistency_check::run(args, session).await,
        Command::Tick(args) => tick::run(args, session).await,
        Command::Operations(args) => operations::run(args, session).await,
    }
}
