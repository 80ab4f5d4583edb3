//! The `oarctl` command line: agents, the configuration document and StateBox files.

mod commands;
mod editor;
mod private;

use std::ffi::OsString;

use cli_support::{Build, CliError, CommandLine, CommonArgs, ExitCode, Program, Session, help};

/// The groups in which the help shows the commands.
const GROUPS: &[help::Group] = &[
    ("Configuration", &["config"]),
    ("Checks", &["doctor", "image-consistency-check"]),
    ("State", &["statebox", "drive", "lead-time"]),
    ("Agents", &["start-release-detector", "jira-notificator", "check-test-results", "slack-bot", "agents"]),
    ("About the programs", &["operations"]),
];

/// Manage the configuration, StateBox files, due waits and agents
#[derive(Debug, clap::Parser)]
#[command(
    name = "oarctl",
    version,
    arg_required_else_help = true,
    subcommand_required = true,
    help_template = help::template::<commands::Command>(GROUPS),
    after_help = "Exit codes: 0 done · 1 a check found something · 2 usage · 3 configuration or credentials · \
                  4 a service is unavailable · 5 conflict · 6 blocked · 130/143 interrupted"
)]
pub struct Oarctl {
    #[command(flatten)]
    common: CommonArgs,
    #[command(subcommand)]
    command: commands::Command,
}

impl Program for Oarctl {
    fn common(&self) -> &CommonArgs {
        &self.common
    }

    async fn dispatch(self, session: Session) -> Result<ExitCode, CliError> {
        commands::run(self.command, &session).await
    }
}

/// Parses `arguments` and runs the command; `build` is what `--version` says, and `command_lines` are those whose commands
/// the Slack bot runs.
pub fn run(
    arguments: impl IntoIterator<Item = OsString>,
    build: Build,
    command_lines: &'static [CommandLine],
) -> ExitCode {
    cli_support::run_with::<Oarctl>(arguments, build, command_lines)
}
