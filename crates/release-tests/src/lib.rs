//! The multi-call program: what an image or a machine installs.

mod man;
#[cfg(test)]
mod operations_check;
pub mod reference;

use std::ffi::{OsStr, OsString};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use cli_support::{Build, CliError, ExitCode, Origin, OutputFormat, Ui, complete};
use oar_core::redact::Redactor;

/// This build, as the build script found it.
const BUILD: Build = Build {
    origin: Some(Origin {
        commit: env!("OAR_BUILD_COMMIT"),
        changed: matches!(env!("OAR_BUILD_CHANGED").as_bytes(), b"true"),
        time: seconds(env!("OAR_BUILD_TIME")),
    }),
};

/// A decimal number of the build script.
const fn seconds(text: &str) -> i64 {
    match i64::from_str_radix(text, 10) {
        Ok(seconds) => seconds,
        Err(_) => 0,
    }
}

/// A program that this file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum ProgramName {
    /// Takes a release from announced to shipped.
    Oar,
    /// Configuration, StateBox files and agents.
    Oarctl,
    /// Prow jobs.
    Job,
    /// The job controller and the test result aggregator.
    Jobctl,
}

impl ProgramName {
    /// Every program.
    pub const ALL: [Self; 4] = [Self::Oar, Self::Oarctl, Self::Job, Self::Jobctl];

    /// The name that it is called by.
    pub fn name(self) -> &'static str {
        match self {
            Self::Oar => "oar",
            Self::Oarctl => "oarctl",
            Self::Job => "job",
            Self::Jobctl => "jobctl",
        }
    }

    /// Its command line definition.
    pub fn definition(self) -> clap::Command {
        match self {
            Self::Oar => oar::Oar::command(),
            Self::Oarctl => oarctl::Oarctl::command(),
            Self::Job => job::Job::command(),
            Self::Jobctl => jobctl::Jobctl::command(),
        }
    }

    fn run(self, arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
        match self {
            Self::Oar => oar::run(arguments, BUILD),
            Self::Oarctl => oarctl::run(arguments, BUILD),
            Self::Job => job::run(arguments, BUILD),
            Self::Jobctl => jobctl::run(arguments, BUILD),
        }
    }

    fn called_by(path: &OsStr) -> Option<Self> {
        let name = Path::new(path).file_stem()?;
        Self::ALL.into_iter().find(|program| name == program.name())
    }
}

/// All programs of the release tooling in one file.
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
    /// Print the completion script of a program for a shell
    Completions {
        /// The program to complete
        program: ProgramName,
        /// The shell: bash, elvish, fish, powershell or zsh
        shell: String,
    },
    /// Write the man pages of all programs into a directory
    Man {
        /// The directory, which is there
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

/// Runs the program that the first argument names, as a file name or as the first word.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    if let Some(program) = arguments.first().and_then(|path| ProgramName::called_by(path)) {
        return program.run(arguments);
    }
    // A program's own arguments must reach its own parser untouched.
    if let Some(program) = arguments
        .get(1)
        .and_then(|word| ProgramName::ALL.into_iter().find(|program| word.to_str() == Some(program.name())))
    {
        return program.run(arguments.into_iter().skip(1));
    }
    let ui = Ui::new(OutputFormat::Text, Redactor::default());
    let definition = ReleaseTests::command().version(BUILD.version());
    let parsed = definition.try_get_matches_from(arguments);
    match parsed.and_then(|matches| ReleaseTests::from_arg_matches(&matches)) {
        Ok(ReleaseTests { command: Command::Completions { program, shell }, .. }) => {
            match complete::script(&shell, program.name()) {
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
        for program in ProgramName::ALL {
            program.definition().debug_assert();
        }
    }

    #[test]
    fn every_command_stands_in_a_group_of_the_help() {
        for program in ProgramName::ALL {
            let mut definition = program.definition();
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
        assert_eq!(ProgramName::called_by(OsStr::new("/usr/bin/jobctl")), Some(ProgramName::Jobctl));
        assert_eq!(ProgramName::called_by(OsStr::new("./release-tests")), None);
        assert_eq!(ProgramName::called_by(OsStr::new("oar2")), None);
    }
}
