//! `jobctl`.

use std::process::ExitCode;

fn main() -> ExitCode {
    jobctl::run(std::env::args_os(), cli_support::Build::DEVELOPMENT).into()
}
