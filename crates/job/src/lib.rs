//! The `job` command line: starts Prow jobs once and shows their runs.

mod commands;
mod csv;
mod display;
mod start_one;

use std::ffi::OsString;

use cli_support::{Build, CliError, CommonArgs, ExitCode, Program, Session, help};

/// The groups in which the help shows the commands.
const GROUPS: &[help::Group] = &[
    ("Start jobs", &["run", "run_required", "run_image_consistency_check", "run_stage_testing"]),
    ("Information", &["list", "get_results", "get_payloads"]),
];

/// Start Prow jobs and read their results
#[derive(Debug, clap::Parser)]
#[command(
    name = "job",
    version,
    arg_required_else_help = true,
    subcommand_required = true,
    help_template = help::template::<commands::Command>(GROUPS),
    after_help = "Exit codes: 0 done, whatever came of the run that is shown · 1 a run, a release or a file is missing or \
                  cannot be understood · 2 usage, or an unknown job · 3 configuration or credentials · 4 a service is unavailable or \
                  refused · 5 a file was changed by others · 130/143 interrupted"
)]
pub struct Job {
    #[command(flatten)]
    common: CommonArgs,
    /// Log no details; the default, accepted for older scripts
    #[arg(long, global = true, hide = true, overrides_with = "debug")]
    no_debug: bool,
    #[command(subcommand)]
    command: commands::Command,
}

impl Program for Job {
    fn common(&self) -> &CommonArgs {
        &self.common
    }

    async fn dispatch(self, session: Session) -> Result<ExitCode, CliError> {
        commands::run(self.command, &session).await
    }
}

/// Parses `arguments` and runs the command; `build` is what `--version` says.
pub fn run(arguments: impl IntoIterator<Item = OsString>, build: Build) -> ExitCode {
    cli_support::run::<Job>(arguments, build)
}
