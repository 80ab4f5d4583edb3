//! `oarctl statebox`: StateBox files on disk.

mod fmt;
mod report;
mod validate;

use cli_support::{CliError, ExitCode, Session};

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    Fmt(fmt::Args),
    Validate(validate::Args),
}

pub(crate) async fn run(command: Command, session: &Session) -> Result<ExitCode, CliError> {
    match command {
        Command::Fmt(args) => Ok(fmt::run(&args, session)),
        Command::Validate(args) => validate::run(&args, session).await,
    }
}
