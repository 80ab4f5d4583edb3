//! What this machine remembers of starts under keys: two programs that start the run of one key at the same moment take
//! turns, and the second one finds the id that the first one got.

use std::fs::{self, DirBuilder};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::JobError;
use crate::clients::Clients;
use crate::clock::Clock;
use crate::error::ErrorClass;
use crate::prow::runs::RunIntent;
use crate::service::Service;
use crate::store::lock::{FileLock, LockError};

/// How long a start by another program is waited for: its longest request, tried twice, and the looks after each.
const WAIT: Duration = Duration::from_mins(2);
/// How long a run is remembered. Afterwards the look at Prow decides, which forgets runs after about a day.
const REMEMBERED: SignedDuration = SignedDuration::from_hours(24);
/// When a file is removed: no program has used it for so long.
const KEPT: Duration = Duration::from_hours(48);
/// How much of a file is read, in bytes.
const FILE_LIMIT: u64 = 4096;

/// The starts of this user on this machine.
#[derive(Debug, Clone)]
pub(super) struct StartTurns {
    directories: Vec<PathBuf>,
    gangway: String,
    clock: Clock,
}

/// The right to start the run of one key, until it is dropped.
#[derive(Debug)]
pub(super) struct Turn {
    /// `None` where no lock file could be made.
    lock: Option<FileLock>,
    known: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Entry {
    id: String,
    started: Timestamp,
}

impl StartTurns {
    /// The starts through the Gangway of `clients`.
    pub(super) fn new(clients: &Clients) -> Self {
        let settings = clients.settings();
        Self {
            directories: settings
                .environment()
                .lock_directories()
                .into_iter()
                .map(|directory| directory.join("starts"))
                .collect(),
            gangway: settings.endpoints().base(Service::Gangway).to_string(),
            clock: clients.clock().clone(),
        }
    }

    /// Waits until no other program on this machine starts the run of `intent`.
    ///
    /// Where no lock file can be made, as in some containers, the look at Prow alone keeps two programs apart, and a
    /// warning says so.
    ///
    /// # Errors
    ///
    /// Another program starts it for longer than is waited.
    pub(super) async fn turn(&self, intent: &RunIntent) -> Result<Turn, JobError> {
        let RunIntent { job, key, .. } = intent;
        let name = Uuid::new_v5(&Uuid::NAMESPACE_URL, format!("{} {key}", self.gangway).as_bytes());
        let waits = || tracing::info!("another program starts {job} under the same key; waiting for it");
        let (mut unmade, mut refused) = (Vec::new(), None);
        for directory in &self.directories {
            if let Err(error) = made(directory) {
                unmade.push(format!("cannot make {}: {error}", directory.display()));
                continue;
            }
            let path = directory.join(name.simple().to_string());
            match FileLock::wait(&path, 0o600, WAIT, &self.clock, waits).await {
                Ok(mut lock) => {
                    let known = self.read(&mut lock);
                    return Ok(Turn { lock: Some(lock), known });
                }
                Err(LockError::Held) => {
                    let words = format!(
                        "another program has been starting {job} under the same key for {} s",
                        WAIT.as_secs()
                    );
                    return Err(JobError::new(ErrorClass::Conflict, words)
                        .with_hint("Run the same command again when that program has ended."));
                }
                Err(LockError::Io(action, error)) => {
                    refused.get_or_insert(format!("cannot {action} {}: {error}", path.display()));
                }
            }
        }
        // Other programs may use a directory that is there, so a start without its lock could be the second one.
        if let Some(words) = refused {
            return Err(JobError::new(ErrorClass::Configuration, words).with_hint(
                "Let this user write there, or set HOME or XDG_RUNTIME_DIR to another directory.",
            ));
        }
        let why = if unmade.is_empty() { "there is no home directory".to_owned() } else { unmade.join("; ") };
        tracing::warn!(
            "no lock file can be made, so another program that starts {job} under the same key at the same moment is not \
             noticed: {why}. Let this user write there, or set HOME or XDG_RUNTIME_DIR to another directory."
        );
        Ok(Turn { lock: None, known: None })
    }

    /// The run that was started lately; a text that is none, as a killed program may leave it, names no run.
    fn read(&self, lock: &mut FileLock) -> Option<String> {
        let mut text = String::new();
        lock.file().take(FILE_LIMIT).read_to_string(&mut text).ok()?;
        let Entry { id, started } = serde_json::from_str(&text).ok()?;
        let age = self.clock.now().duration_since(started);
        (age < REMEMBERED).then_some(id)
    }
}

/// Makes the directory, for nobody but this user, and removes from it what was not used lately.
fn made(directory: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    let unused = |entry: &fs::DirEntry| -> Option<bool> {
        let changed = entry.metadata().ok()?.modified().ok()?;
        Some(SystemTime::now().duration_since(changed).ok()? > KEPT)
    };
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        if unused(&entry) == Some(true) {
            // One that cannot be removed does no harm.
            let _ = fs::remove_file(entry.path());
        }
    }
    Ok(())
}

impl Turn {
    /// The run that another program started under the key.
    pub(super) fn known(&self) -> Option<&str> {
        self.known.as_deref()
    }

    /// Remembers the run, and lets the next one have its turn. That it cannot be written is no failure of the start.
    pub(super) fn end(self, id: &str, started: Timestamp) {
        let Some(mut lock) = self.lock else { return };
        let entry = Entry { id: id.to_owned(), started };
        let write = |file: &mut fs::File| {
            file.rewind()?;
            file.set_len(0)?;
            file.write_all(serde_json::to_string(&entry)?.as_bytes())
        };
        if let Err(error) = write(lock.file()) {
            tracing::debug!("the start of {id} is not remembered: {error}");
        }
    }
}
