//! The multi-call program, which is installed.

mod man;
#[cfg(test)]
mod operations_check;
pub mod reference;

use std::ffi::{OsStr, OsString};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use cli_support::{Build, CliError, CommandLine, ExitCode, Origin, OutputFormat, Ui, complete};
use oar_core::operations::Program;
use oar_core::redact::Redactor;

/// The data of this build, from the build script.
const BUILD: Build = Build {
    origin: Some(Origin {
        commit: env!("OAR_BUILD_COMMIT"),
        changed: matches!(env!("OAR_BUILD_CHANGED").as_bytes(), b"true"),
        time: seconds(env!("OAR_BUILD_TIME")),
    }),
};

/// The command lines of all programs, whose commands the Slack bot and the MCP server run.
const COMMAND_LINES: &[CommandLine] = &[
    CommandLine::of::<oar::Oar>(Program::Oar),
    CommandLine::of::<oarctl::Oarctl>(Program::Oarctl),
    CommandLine::of::<job::Job>(Program::Job),
    CommandLine::of::<jobctl::Jobctl>(Program::Jobctl),
];

/// Parses a decimal number from the build script.
const fn seconds(text: &str) -> i64 {
    match i64::from_str_radix(text, 10) {
        Ok(seconds) => seconds,
        Err(_) => 0,
    }
}

/// One of the programs in this executable.
#[derive(Debug, Clone, Copy)]
pub struct Binary {
    /// The name of its link.
    pub name: &'static str,
    /// The word after `release-tests`.
    word: &'static str,
    /// Its command line.
    pub definition: fn() -> clap::Command,
    run: fn(Vec<OsString>) -> ExitCode,
}

/// Every program, in the order of the documentation.
pub const BINARIES: [Binary; 5] = [
    Binary {
        name: "oar",
        word: "oar",
        definition: oar::Oar::command,
        run: |arguments| oar::run(arguments, BUILD),
    },
    Binary {
        name: "oarctl",
        word: "oarctl",
        definition: oarctl::Oarctl::command,
        run: |arguments| oarctl::run(arguments, BUILD, COMMAND_LINES),
    },
    Binary {
        name: "job",
        word: "job",
        definition: job::Job::command,
        run: |arguments| job::run(arguments, BUILD),
    },
    Binary {
        name: "jobctl",
        word: "jobctl",
        definition: jobctl::Jobctl::command,
        run: |arguments| jobctl::run(arguments, BUILD),
    },
    Binary {
        name: "release-tests-mcp",
        word: "mcp",
        definition: mcp_server::Mcp::command,
        run: |arguments| mcp_server::run(arguments, BUILD, COMMAND_LINES),
    },
];

/// The program with this link or word.
fn binary(name: &str) -> Option<Binary> {
    BINARIES.into_iter().find(|binary| binary.name == name || binary.word == name)
}

/// The program by the name of the executable.
fn called_by(path: &OsStr) -> Option<Binary> {
    let name = Path::new(path).file_stem()?.to_str()?;
    BINARIES.into_iter().find(|binary| binary.name == name)
}

fn program(name: &str) -> Result<Binary, String> {
    binary(name).ok_or_else(|| "expected oar, oarctl, job, jobctl or release-tests-mcp".to_owned())
}

/// All programs of the release tooling in one executable.
#[derive(Debug, Parser)]
#[command(name = "release-tests", version, disable_version_flag = true)]
struct ReleaseTests {
    /// Print the version
    #[arg(short = 'V', long, action = clap::ArgAction::Version)]
    version: (),
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Take a release from announced to shipped
    #[command(disable_help_flag = true)]
    Oar(Passed),
    /// Configuration, StateBox files and agents
    #[command(disable_help_flag = true)]
    Oarctl(Passed),
    /// Prow jobs
    #[command(disable_help_flag = true)]
    Job(Passed),
    /// The job controller and the test result aggregator
    #[command(disable_help_flag = true)]
    Jobctl(Passed),
    /// The operations for AI agents: MCP over HTTP and stdio
    #[command(disable_help_flag = true)]
    Mcp(Passed),
    /// Print the completion script of a program for a shell
    Completions {
        /// The program to complete: oar, oarctl, job, jobctl or release-tests-mcp
        #[arg(value_parser = program)]
        program: Binary,
        /// The shell: bash, elvish, fish, powershell or zsh
        shell: String,
    },
    /// Write the man pages of all programs into a directory
    Man {
        /// The directory, which must exist
        directory: PathBuf,
    },
    /// Print the reference of all programs (Markdown)
    Reference {
        /// Write the generated parts of the documentation in this working tree instead
        #[arg(long, value_name = "DIR")]
        write: Option<PathBuf>,
    },
}

#[derive(Debug, clap::Args)]
struct Passed {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
    arguments: Vec<OsString>,
}

/// Runs the program that is named by the executable's file name or by the first word.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    if let Some(binary) = arguments.first().and_then(|path| called_by(path)) {
        return (binary.run)(arguments);
    }
    // A program's own arguments must reach its own parser untouched.
    if let Some(binary) = arguments.get(1).and_then(|word| binary(word.to_str()?)) {
        return (binary.run)(arguments.into_iter().skip(1).collect());
    }
    let ui = Ui::new(OutputFormat::Text, Redactor::default());
    let definition = ReleaseTests::command().version(BUILD.version());
    let parsed = definition.try_get_matches_from(arguments);
    match parsed.and_then(|matches| ReleaseTests::from_arg_matches(&matches)) {
        Ok(ReleaseTests { command: Command::Completions { program, shell }, .. }) => {
            match complete::script(&shell, program.name) {
                Ok(script) => {
                    ui.raw(script);
                    ui.settle(ExitCode::Done)
                }
                Err(error) => ui.fail(&error),
            }
        }
        Ok(ReleaseTests { command: Command::Man { directory }, .. }) => match man::write(&directory) {
            Ok(()) => ExitCode::Done,
            Err(error) => {
                let message = format!("the man pages cannot be written to {}: {error}", directory.display());
                ui.fail(&CliError::new(oar_core::error::ErrorClass::Failed, message))
            }
        },
        Ok(ReleaseTests { command: Command::Reference { write: None }, .. }) => {
            ui.raw(reference::markdown());
            ui.settle(ExitCode::Done)
        }
        Ok(ReleaseTests { command: Command::Reference { write: Some(root) }, .. }) => {
            match reference::write(&root) {
                Ok(()) => ui.settle(ExitCode::Done),
                Err(error) => ui.fail(&CliError::usage(format!("cannot write the documentation: {error}"))),
            }
        }
        Ok(_) => ui.fail(&CliError::usage("no program was given")),
        Err(error) => {
            let written = error.print().and_then(|()| std::io::stdout().flush());
            if error.use_stderr() { ExitCode::Usage } else { ui.settled(ExitCode::Done, written) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn definitions_are_consistent() {
        ReleaseTests::command().debug_assert();
        for binary in BINARIES {
            (binary.definition)().debug_assert();
        }
    }

    #[test]
    fn every_command_stands_in_a_group_of_the_help() {
        for binary in BINARIES {
            let mut definition = (binary.definition)();
            let help = definition.render_long_help().to_string();
            assert!(!help.contains("Other commands:"), "{help}");
            for command in definition.get_subcommands().filter(|command| !command.is_hide_set()) {
                let row = format!("\n  {} ", command.get_name());
                assert_eq!(help.matches(&row).count(), 1, "{}:\n{help}", command.get_name());
            }
        }
    }

    #[test]
    fn a_link_selects_its_program() {
        let name = |path| called_by(OsStr::new(path)).map(|binary| binary.name);
        assert_eq!(name("/usr/bin/jobctl"), Some("jobctl"));
        assert_eq!(name("/usr/bin/release-tests-mcp"), Some("release-tests-mcp"));
        assert_eq!(name("./release-tests"), None);
        assert_eq!(name("mcp"), None);
        assert_eq!(name("oar2"), None);
    }
}
