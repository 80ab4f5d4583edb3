//! The `jobctl` command line: the job controller and the test result aggregator.

mod commands;
mod display;
mod passes;
mod records;
mod render;

use std::ffi::OsString;

use cli_support::{Build, CliError, CommonArgs, ExitCode, Program, Session, help};

/// The groups in which the help shows the commands.
const GROUPS: &[help::Group] = &[
    ("Follow builds", &["start-controller", "start-aggregator"]),
    ("By hand", &["trigger-jobs-for-build", "promote-test-results", "update-retried-job-run"]),
    ("Information", &["show", "verify", "doctor"]),
];

/// Start the test jobs of new builds, follow them, and accept builds
#[derive(Debug, clap::Parser)]
#[command(
    name = "jobctl",
    version,
    arg_required_else_help = true,
    subcommand_required = true,
    help_template = help::template::<commands::Command>(GROUPS),
    after_help = "Exit codes: 0 done · 1 a check found something · 2 usage · 3 configuration or credentials · \
                  4 a service is unavailable · 5 conflict · 130/143 interrupted"
)]
pub struct Jobctl {
    #[command(flatten)]
    common: CommonArgs,
    /// Log no details; the default, accepted for older scripts
    #[arg(long, global = true, hide = true, overrides_with = "debug")]
    no_debug: bool,
    #[command(subcommand)]
    command: commands::Command,
}

impl Program for Jobctl {
    fn common(&self) -> &CommonArgs {
        &self.common
    }

    async fn dispatch(self, session: Session) -> Result<ExitCode, CliError> {
        commands::run(self.command, &session).await
    }
}

/// Parses `arguments` and runs the command; `build` is what `--version` says.
pub fn run(arguments: impl IntoIterator<Item = OsString>, build: Build) -> ExitCode {
    cli_support::run::<Jobctl>(arguments, build)
}
