//! Sets the data for `--version`: the commit, whether there were uncommitted changes, and the time of the build.

use std::path::Path;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

/// The sources of the programs, relative to this crate.
const SOURCES: [&str; 4] = ["../../crates", "../../config", "../../Cargo.toml", "../../Cargo.lock"];

/// The output of git, one line; `None` without git, or outside a working tree.
fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}

#[expect(clippy::disallowed_methods, reason = "a build script cannot use the library")]
fn main() {
    let commit = git(&["rev-parse", "--short=12", "HEAD"]).unwrap_or_default();
    let status = git(&["status", "--porcelain", "--", SOURCES[0], SOURCES[1], SOURCES[2], SOURCES[3]]);
    let changed = status.is_some_and(|status| !status.is_empty());
    // https://reproducible-builds.org/specs/source-date-epoch/
    let chosen = std::env::var("SOURCE_DATE_EPOCH").ok().and_then(|seconds| seconds.parse().ok());
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let time: u64 = chosen.unwrap_or_else(now);
    println!("cargo::rustc-env=OAR_BUILD_COMMIT={commit}");
    println!("cargo::rustc-env=OAR_BUILD_CHANGED={changed}");
    println!("cargo::rustc-env=OAR_BUILD_TIME={time}");

    println!("cargo::rerun-if-env-changed=SOURCE_DATE_EPOCH");
    for source in SOURCES {
        println!("cargo::rerun-if-changed={source}");
    }
    // Run again for another commit, branch or index. A path that does not exist would make every build run
    // this again.
    let branch = git(&["symbolic-ref", "--quiet", "HEAD"]);
    for name in [Some("HEAD".to_owned()), branch, Some("packed-refs".to_owned())].into_iter().flatten() {
        let path = git(&["rev-parse", "--git-path", &name]);
        if let Some(path) = path.filter(|path| Path::new(path).exists()) {
            println!("cargo::rerun-if-changed={path}");
        }
    }
}
