//! The watcher: a background process that continues a wait after the command that started it has ended.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use cli_support::CliError;
use oar_core::error::ErrorClass;

use crate::release::Release;

/// The size at which a log file is rotated, in bytes.
const LOG_LIMIT: u64 = 1024 * 1024;
/// The most rotated logs that are kept.
const OLD_LOGS: usize = 3;

/// How long the start of the watcher's program is waited for: it leaves the session first of all.
const DETACHED_WITHIN: Duration = Duration::from_secs(5);
const DETACHED_POLL: Duration = Duration::from_millis(5);

/// A watcher that was started.
#[derive(Debug)]
pub(crate) struct Started {
    /// Its process.
    pub(crate) process: u32,
    /// Where its output goes.
    pub(crate) log: PathBuf,
}

/// Starts this program again with `arguments` and the same environment, without a terminal, and with its
/// output in a log file that only the user can read.
pub(crate) fn start(release: &Release, arguments: &[String]) -> Result<Started, CliError> {
    let failed = |what: &str, error: std::io::Error| {
        CliError::new(ErrorClass::Failed, format!("no watcher could be started: {what}: {error}"))
    };
    let environment = &release.session.environment;
    let folder = log_folder(release)?;
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&folder)
        .map_err(|error| failed("log folder", error))?;
    let log = folder.join(format!("change-advisory-status-{}.log", release.version));
    rotate(&log);
    let output = open(&log).map_err(|error| failed("log file", error))?;
    let errors = output.try_clone().map_err(|error| failed("log file", error))?;
    let program = environment.program().ok_or_else(|| {
        CliError::new(ErrorClass::Failed, "no watcher could be started: the program's file is unknown")
    })?;
    let mut command = Command::new(program);
    if program.file_stem().is_none_or(|name| name != "oar") {
        // The multi-call program reads the program's name from the first argument.
        command.arg("oar");
    }
    let child = command
        .args(["-r", &release.version.to_string()])
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(output)
        .stderr(errors)
        .spawn()
        .map_err(|error| failed("process", error))?;
    let process = child.id();
    await_detached(child);
    Ok(Started { process, log })
}

/// Waits until the watcher has left this session: before that, the end of the terminal would be its end too, and nobody
/// should read that it continues. One that takes very long is left to itself.
fn await_detached(mut child: Child) {
    // Inside a container a session's leader may be a process outside, whose number is 0 here. rustix has no such
    // number and panics.
    let session = |process| nix::unistd::getsid(process).ok();
    let ours = session(None);
    let process = i32::try_from(child.id()).ok().map(nix::unistd::Pid::from_raw);
    let deadline = Instant::now() + DETACHED_WITHIN;
    while process.is_some_and(|process| session(Some(process)) == ours) && Instant::now() < deadline {
        if !matches!(child.try_wait(), Ok(None)) {
            return;
        }
        std::thread::sleep(DETACHED_POLL);
    }
}

/// Starts a new session, so that this process is not affected by the end of its parent or by a Ctrl-C for it.
/// This fails for the leader of a process group, which already has its own session or is under a shell's job
/// control.
pub(crate) fn detach() {
    if let Err(error) = nix::unistd::setsid() {
        tracing::debug!("no session of its own: {error}");
    }
}

/// The folder of the watchers' logs.
fn log_folder(release: &Release) -> Result<PathBuf, CliError> {
    release.session.environment.state_home().ok_or_else(|| {
        CliError::new(
            ErrorClass::Configuration,
            "no watcher could be started: HOME is not set to an absolute path",
        )
        .with_hint("Set HOME or XDG_STATE_HOME, or call the command with --wait.")
    })
}

fn open(path: &Path) -> std::io::Result<File> {
    OpenOptions::new().create(true).append(true).mode(0o600).open(path)
}

/// Rotates a large log, and removes the oldest. If a log cannot be moved, it is appended to.
fn rotate(log: &Path) {
    if fs::metadata(log).is_ok_and(|data| data.len() < LOG_LIMIT) || !log.exists() {
        return;
    }
    let old = |number: usize| log.with_extension(format!("log.{number}"));
    for number in (1..OLD_LOGS).rev() {
        let _ = fs::rename(old(number), old(number + 1));
    }
    let _ = fs::rename(log, old(1));
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn logs_are_private_and_put_aside_when_they_have_grown() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("watch.log");
        drop(open(&log).unwrap());
        assert_eq!(fs::metadata(&log).unwrap().permissions().mode() & 0o777, 0o600);
        rotate(&log);
        assert!(log.exists(), "a small log stays");
        for _ in 0..OLD_LOGS + 2 {
            fs::write(&log, vec![b'x'; usize::try_from(LOG_LIMIT).unwrap()]).unwrap();
            rotate(&log);
            assert!(!log.exists());
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), OLD_LOGS);
    }
}
