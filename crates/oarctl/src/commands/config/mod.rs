//! `oarctl config`: the encrypted configuration document.

mod check;
mod decrypt;
mod edit;
mod encrypt;
mod get;
mod input;
mod keygen;
mod view;

use cli_support::{CliError, ExitCode, Session};

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    View(view::Args),
    Get(get::Args),
    Edit(edit::Args),
    Encrypt(encrypt::Args),
    Decrypt(decrypt::Args),
    Check(check::Args),
    Keygen(keygen::Args),
}

pub(crate) async fn run(command: Command, session: &Session) -> Result<ExitCode, CliError> {
    match command {
        Command::View(args) => view::run(&args, session),
        Command::Get(args) => get::run(&args, session),
        Command::Edit(args) => edit::run(&args, session).await,
        Command::Encrypt(args) => encrypt::run(&args, session),
        Command::Decrypt(args) => decrypt::run(&args, session),
        Command::Check(args) => check::run(&args, session),
        Command::Keygen(keygen::Args {}) => Ok(keygen::run(session)),
    }
}
