//! `job`.

use std::process::ExitCode;

fn main() -> ExitCode {
    job::run(std::env::args_os()).into()
}
