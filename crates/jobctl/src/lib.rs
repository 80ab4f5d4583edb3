//! The `jobctl` command line: the job controller and the test result aggregator. Its commands arrive with the Prow clients; today it tells its version.

use std::ffi::OsString;

use clap::Parser;
use cli_support::{CliError, CommonArgs, ExitCode, Program, Session};

/// Control Prow test jobs and accept builds
#[derive(Debug, Parser)]
#[command(name = "jobctl", version = concat!("v", env!("CARGO_PKG_VERSION")), arg_required_else_help = true)]
pub struct Jobctl {
    #[command(flatten)]
    common: CommonArgs,
}

impl Program for Jobctl {
    fn common(&self) -> &CommonArgs {
        &self.common
    }

    async fn dispatch(self, _session: Session) -> Result<ExitCode, CliError> {
        Err(CliError::usage("no command was given").with_hint("jobctl --help"))
    }
}

/// Parses `arguments` and runs the command.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    cli_support::run::<Jobctl>(arguments)
}
