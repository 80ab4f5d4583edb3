//! One file per subcommand.

mod show;
mod verify;

use cli_support::{CliError, ExitCode, Session};

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    Show(show::Args),
    Verify(verify::Args),
}

#[expect(clippy::unused_async, reason = "commands that talk to services join these")]
pub(crate) async fn run(command: Command, session: &Session) -> Result<ExitCode, CliError> {
    match command {
        Command::Show(args) => show::run(&args, session),
        Command::Verify(args) => verify::run(&args, session),
    }
}
