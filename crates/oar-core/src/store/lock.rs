//! A lock file: programs of one machine take turns by it.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::time::Duration;

use crate::clock::Clock;

const POLL: Duration = Duration::from_millis(20);
/// After how long a wait for a lock is reported.
const REPORTED_AFTER: Duration = Duration::from_millis(500);

/// A file that this program holds locked. The lock ends with this value, or with the process; the file stays.
#[derive(Debug)]
pub struct FileLock(File);

/// Why a lock was not taken.
#[derive(Debug)]
pub enum LockError {
    /// Another process held it all the time, or removed it each time.
    Held,
    /// The file cannot be opened or locked; with what was tried.
    Io(&'static str, io::Error),
}

impl FileLock {
    /// Takes the lock of the file at `path`, which is made with the permissions `mode` if it is not there. Waits at most
    /// `limit` for another holder, and calls `waits` once if that takes longer than half a second.
    ///
    /// # Errors
    ///
    /// Another process holds the lock at the end of `limit`, or the file cannot be opened or locked.
    pub async fn wait(
        path: &Path,
        mode: u32,
        limit: Duration,
        clock: &Clock,
        waits: impl Fn(),
    ) -> Result<Self, LockError> {
        Self::wait_for(|| open(path, mode), |file| is_at(file, path), limit, clock, waits).await
    }

    /// Locks what `open` opens, once that `is_current`.
    async fn wait_for(
        open: impl Fn() -> Result<File, LockError>,
        is_current: impl Fn(&File) -> bool,
        limit: Duration,
        clock: &Clock,
        waits: impl Fn(),
    ) -> Result<Self, LockError> {
        let mut file = open()?;
        let mut waited = Duration::ZERO;
        loop {
            match file.try_lock() {
                Ok(()) if is_current(&file) => return Ok(Self(file)),
                // Another process removed it before it was locked, so others do not see this lock.
                Ok(()) => file = open()?,
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(error)) => return Err(LockError::Io("lock", error)),
            }
            if waited >= limit {
                return Err(LockError::Held);
            }
            let pause = clock.jittered(POLL);
            if waited < REPORTED_AFTER && waited + pause >= REPORTED_AFTER {
                waits();
            }
            waited += pause;
            clock.sleep(pause).await;
        }
    }

    /// The file, for what its holder writes into it.
    pub fn file(&mut self) -> &mut File {
        &mut self.0
    }
}

fn open(path: &Path, mode: u32) -> Result<File, LockError> {
    let mut options = OpenOptions::new();
    options.create(true).truncate(false).read(true).write(true).mode(mode);
    options.open(path).map_err(|error| LockError::Io("open", error))
}

/// Whether `file` is still the file at `path`.
fn is_at(file: &File, path: &Path) -> bool {
    let place = |data: std::fs::Metadata| (data.dev(), data.ino());
    match (file.metadata(), std::fs::metadata(path)) {
        (Ok(ours), Ok(theirs)) => place(ours) == place(theirs),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[tokio::test]
    async fn the_second_one_waits_and_a_file_that_was_removed_locks_nobody_out() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let clock = Clock::system();
        let waits = AtomicUsize::new(0);
        let take = |limit| {
            FileLock::wait(&path, 0o600, limit, &clock, || {
                waits.fetch_add(1, Ordering::SeqCst);
            })
        };
        let first = take(Duration::ZERO).await.unwrap();
        assert!(matches!(take(Duration::ZERO).await, Err(LockError::Held)));
        assert_eq!(waits.load(Ordering::SeqCst), 0);
        let second = take(Duration::from_mins(1));
        let leaves = async {
            clock.sleep(REPORTED_AFTER * 2).await;
            std::fs::remove_file(&path).unwrap();
            drop(first);
        };
        let (second, ()) = tokio::join!(second, leaves);
        assert_eq!(waits.load(Ordering::SeqCst), 1);
        assert!(is_at(&second.unwrap().0, &path), "the file that others see is locked");
        let absent = folder.path().join("none").join("lock");
        let failed = FileLock::wait(&absent, 0o600, Duration::ZERO, &clock, || {}).await;
        assert!(matches!(failed, Err(LockError::Io("open", _))));
    }

    #[tokio::test(start_paused = true)]
    async fn a_file_that_is_removed_each_time_is_not_tried_for_ever() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let opened = AtomicUsize::new(0);
        let opens = || {
            assert!(opened.fetch_add(1, Ordering::SeqCst) < 10_000, "it is tried without a limit");
            open(&path, 0o600)
        };
        let limit = Duration::from_secs(1);
        let lock = FileLock::wait_for(opens, |_| false, limit, &Clock::system(), || {}).await;
        assert!(matches!(lock, Err(LockError::Held)), "{lock:?}");
        let most = limit.as_millis() / (POLL.as_millis() / 2) + 2;
        assert!(opened.into_inner() as u128 <= most, "with a pause before each");
    }
}
