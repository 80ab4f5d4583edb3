//! `oar`.

use std::process::ExitCode;

fn main() -> ExitCode {
    oar::run(std::env::args_os(), cli_support::Build::DEVELOPMENT).into()
}
