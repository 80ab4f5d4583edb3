//! Sets the data for `--version`: the commit, whether there were uncommitted changes, and the time of the
//! build; and has the linker pack the addresses that the program's start must adjust, where that can be used.

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

/// The first glibc that starts a program with packed relative relocations.
const PACKED_SINCE: (u32, u32) = (2, 36);

/// Whether the program is for this system, whose glibc reads packed relative relocations: its start then reads a few kilobytes
/// instead of 24 bytes for each of several hundred thousand addresses, which would stay in memory.
fn may_pack_relocations() -> bool {
    let variable = |name: &str| std::env::var(name).unwrap_or_default();
    if variable("HOST") != variable("TARGET") || variable("CARGO_CFG_TARGET_ENV") != "gnu" {
        return false;
    }
    let output = Command::new("getconf").arg("GNU_LIBC_VERSION").output();
    let text = output.ok().and_then(|output| String::from_utf8(output.stdout).ok()).unwrap_or_default();
    let version = text.trim().strip_prefix("glibc ").and_then(|version| version.split_once('.'));
    let number = |text: &str| text.split('.').next().and_then(|text| text.parse::<u32>().ok());
    version
        .and_then(|(major, minor)| number(major).zip(number(minor)))
        .is_some_and(|version| version >= PACKED_SINCE)
}

fn main() {
    if may_pack_relocations() {
        println!("cargo::rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
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
