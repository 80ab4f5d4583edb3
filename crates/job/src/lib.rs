//! The `job` command line: Prow jobs. Its commands arrive with the Prow clients; today it tells its version.

use std::ffi::OsString;

use clap::Parser;
use cli_support::{CliError, CommonArgs, ExitCode, Program, Session};

/// Start and follow Prow jobs
#[derive(Debug, Parser)]
#[command(name = "job", version = concat!("v", env!("CARGO_PKG_VERSION")), arg_required_else_help = true)]
pub struct Job {
    #[command(flatten)]
    common: CommonArgs,
}

impl Program for Job {
    fn common(&self) -> &CommonArgs {
        &self.common
    }

    async fn dispatch(self, _session: Session) -> Result<ExitCode, CliError> {
        Err(CliError::usage("no command was given").with_hint("job --help"))
    }
}

/// Parses `arguments` and runs the command.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    cli_support::run::<Job>(arguments)
}
