//! `oarctl statebox`: StateBox files on disk.

mod fmt;
mod report;
mod validate;

use cli_support::{ExitCode, Session};

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    Fmt(fmt::Args),
    Validate(validate::Args),
}

pub(crate) fn run(command: Command, session: &Session) -> ExitCode {
    match command {
        Command::Fmt(args) => fmt::run(&args, session),
        Command::Validate(args) => validate::run(&args, session),
    }
}
