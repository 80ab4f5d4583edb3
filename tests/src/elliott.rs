//! An elliott of the tests' own.
#![expect(clippy::unwrap_used, reason = "tests say what they expect by failing")]

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use crate::Harness;

/// Accepts exactly the agreed arguments and an account, writes a log, and answers with the files `brew` and `konflux`
/// beside it.
const PROGRAM: &str = r#"#!/bin/sh
here="$(dirname "$0")"
echo "INFO looking for bugs" >&2
test -n "$JIRA_EMAIL" || { echo "JIRA_EMAIL is missing" >&2; exit 9; }
test -z "$OAR_JWK$SLACK_BOT_TOKEN$GITHUB_TOKEN" || { echo "a secret too many" >&2; exit 9; }
test "$*" = --version && { echo "Elliott v2.1.0"; echo "Python v3.11.9"; exit 0; }
data="--data-path https://github.com/openshift-eng/ocp-build-data.git"
case "$*" in
"$data --group openshift-4.19 --assembly 4.19.1 --build-system brew find-bugs --cve-only --output json --permissive") s=brew;;
"$data --group openshift-4.14 --assembly 4.14.60 --build-system brew find-bugs --cve-only --output json --permissive") s=brew;;
"$data --group openshift-4.19 --assembly 4.19.1 --build-system konflux find-bugs --cve-only -o json") s=konflux;;
*) echo "unknown arguments: $*" >&2; exit 2;;
esac
echo "$s" >> "$here/calls"
test -f "$here/$s.sh" && . "$here/$s.sh"
cat "$here/$s"
"#;

/// An answer without a missing tracker.
pub const NOTHING: &str = r#"{"rpm": [], "image": [], "extras": [], "metadata": [], "microshift": []}"#;

/// Puts an elliott that finds nothing where `harness` starts it, and says in which folder it is.
///
/// # Panics
/// When it cannot be written.
pub fn install(harness: Harness) -> (Harness, PathBuf) {
    let folder = harness.tools().join("elliott");
    std::fs::create_dir_all(&folder).unwrap();
    let program = folder.join("elliott");
    std::fs::write(&program, PROGRAM).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    answers(&folder, NOTHING, NOTHING);
    (harness.env("OAR_ELLIOTT", program.to_str().unwrap()), folder)
}

/// What the elliott in `folder` answers for the two build systems.
///
/// # Panics
/// When it cannot be written.
pub fn answers(folder: &std::path::Path, brew: &str, konflux: &str) {
    std::fs::write(folder.join("brew"), brew).unwrap();
    std::fs::write(folder.join("konflux"), konflux).unwrap();
}
