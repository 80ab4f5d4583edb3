//! All programs in one executable: run as `oar`, `oarctl`, `job` or `jobctl` (by a link), or as
//! `release-tests <program> …`.

use std::process::ExitCode;

fn main() -> ExitCode {
    release_tests::run(std::env::args_os()).into()
}
