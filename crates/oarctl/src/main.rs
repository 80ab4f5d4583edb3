//! `oarctl`.

use std::process::ExitCode;

fn main() -> ExitCode {
    oarctl::run(std::env::args_os(), cli_support::Build::DEVELOPMENT, &[]).into()
}
