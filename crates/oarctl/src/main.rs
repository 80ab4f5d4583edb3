//! `oarctl`.

use std::process::ExitCode;

fn main() -> ExitCode {
    oarctl::run(std::env::args_os()).into()
}
