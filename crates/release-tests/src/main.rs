//! All programs in one executable: run as `oar`, `oarctl`, `job`, `jobctl` or `release-tests-mcp` (by a link), or as
//! `release-tests <program> …`.

use std::process::ExitCode;

fn main() -> ExitCode {
    release_tests::run(std::env::args_os()).into()
}
