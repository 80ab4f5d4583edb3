//! The shared parts of the command lines: the user interface object, errors and exit codes, logging, signals.
//!
//! A program implements [`Program`]; its `main` calls [`run`].

mod build;
mod call;
mod checks;
mod command_line;
pub mod complete;
mod consent;
mod doctor;
mod error;
mod exit;
pub mod files;
pub mod help;
mod interrupt;
mod logging;
mod progress;
mod prompt;
mod run;
mod shares;
mod ui;
mod usage;
mod values;
mod visible;

pub use build::{Build, Origin};
pub use call::exit_code;
pub use checks::{checks, steps};
pub use command_line::{CommandLine, SessionCommands};
pub use consent::AskUser;
pub use doctor::doctor;
pub use error::CliError;
pub use exit::ExitCode;
pub use progress::cut;
pub use run::{Behalf, CommonArgs, Program, Session, run, run_with};
pub use shares::shares;
pub use ui::{OutputFormat, TextStyle, Ui};
pub use values::{boolean, count, counted, merge_request, trimmed};
pub use visible::{is_plain, plain};
