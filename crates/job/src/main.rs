//! `job`.

use std::process::ExitCode;

fn main() -> ExitCode {
    job::run(std::env::args_os(), cli_support::Build::DEVELOPMENT).into()
}
