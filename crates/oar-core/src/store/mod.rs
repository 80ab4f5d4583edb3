//! Files under revisions: read a text with its revision, write a text against a revision, and
//! [`transaction`]s on them. StateBox files and the records of test jobs are stored this way; a store does
//! not know their content.

mod change;
pub mod github;
pub mod local;
pub mod lock;
#[cfg(test)]
pub(crate) mod memory;
pub mod transaction;

pub use change::Change;

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;
use sha1::{Digest, Sha1};

use crate::clock::Clock;
use crate::error::{ErrorClass, ServiceError, ServiceErrorKind, classified};
use crate::files::FileError;
use crate::permit::WritePermit;

/// One revision of one file. Every store uses git's blob SHA-1, so equal texts have equal revisions.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Revision(String);

impl Revision {
    /// The revision with this name in the store.
    pub fn new(name: impl Into<String>) -> Self {
        Self(name.into())
    }

    /// The revision of a text: git's blob SHA-1.
    pub fn of(text: &str) -> Self {
        let mut hash = Sha1::new();
        hash.update(format!("blob {}\0", text.len()));
        hash.update(text);
        Self(format!("{:x}", hash.finalize()))
    }

    /// The store's name of the revision.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// A file's text and the revision it belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// The text.
    pub text: String,
    /// The revision that a write over this text must carry.
    pub revision: Revision,
}

/// Selects the wanted earlier version of a file.
pub type Wanted<'a> = &'a (dyn Fn(&str) -> bool + Send + Sync);

/// The most earlier versions of a file that are read.
pub const EARLIER_VERSIONS: u8 = 10;

/// Stores text files with revisions. Paths are relative, with `/` between their parts.
#[async_trait]
pub trait Store: Send + Sync + fmt::Debug {
    /// The file as it is now; `None` when there is no such file. A store may return a slightly older state,
    /// but [`Store::write`] always compares with the current one.
    async fn read(&self, path: &str) -> Result<Option<Stored>, StoreError>;

    /// The names of the files in a folder, in alphabetical order; empty when there is no such folder.
    async fn list(&self, folder: &str) -> Result<Vec<String>, StoreError>;

    /// Writes the file if its revision is `expected` (`None`: if there is no such file) and returns the new
    /// revision. `message` describes the change, for stores with a history.
    async fn write(
        &self,
        path: &str,
        text: &str,
        expected: Option<&Revision>,
        message: &str,
        permit: &WritePermit,
    ) -> Result<Revision, StoreError>;

    /// The newest earlier version of the file for which `wanted` is true, among the last
    /// [`EARLIER_VERSIONS`]. At most one request for each, and one to list them. `None` also in a store
    /// without earlier versions.
    async fn earlier(&self, _path: &str, _wanted: Wanted<'_>) -> Result<Option<String>, StoreError> {
        Ok(None)
    }

    /// The location of the file, for people: a URL or a path.
    fn describe(&self, path: &str) -> String;
}

/// How often a read is repeated when the answer was not a file, such as a proxy's page.
const MALFORMED_READS: u32 = 2;
/// The pause before such a repetition.
const MALFORMED_PAUSE: Duration = Duration::from_millis(200);

/// Reads the file at `path`; repeats the read when the answer is not a file.
pub(crate) async fn read_file(
    store: &dyn Store,
    path: &str,
    clock: &Clock,
) -> Result<Option<Stored>, StoreError> {
    for _ in 0..MALFORMED_READS {
        match store.read(path).await {
            Err(StoreError::Service(error)) if error.kind == ServiceErrorKind::Malformed => {
                tracing::debug!("reading {path} again: {error}");
                clock.sleep(clock.jittered(MALFORMED_PAUSE)).await;
            }
            answer => return answer,
        }
    }
    store.read(path).await
}

/// Why an operation of a store failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file is not at the expected revision; nothing was written. Read it and apply the change again.
    #[error("{path} was changed by somebody else")]
    Conflict {
        /// The file.
        path: String,
    },
    /// Reads say that there is no such file, and writes that there is one; nothing was written.
    #[error(
        "{location}: every read says that it does not exist, and every write that it exists; nothing was written"
    )]
    Contradictory {
        /// Its location, for people.
        location: String,
    },
    /// The write was sent and no answer arrived: it may have taken effect. Read the file to find out.
    #[error("it is not known whether the change was written: {0}")]
    Unclear(#[source] ServiceError),
    /// The service behind the store failed; nothing was written.
    #[error(transparent)]
    Service(#[from] ServiceError),
    /// The file system failed.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The failed action.
        action: &'static str,
        /// The system's error.
        source: std::io::Error,
    },
    /// The folder of the store does not exist.
    #[error("the folder {} of OAR_STATE does not exist", path.display())]
    NoFolder {
        /// The folder.
        path: PathBuf,
    },
    /// Another process holds the file's lock.
    #[error("{} is held by another process for more than {seconds} s", path.display())]
    Locked {
        /// The lock file.
        path: PathBuf,
        /// How long was waited.
        seconds: u64,
    },
    /// The path leads out of the store, or is not one.
    #[error(
        "`{path}` is not a path within the store; expected parts joined by `/`, such as _releases/4.19/statebox/4.19.1.yaml"
    )]
    InvalidPath {
        /// The path.
        path: String,
    },
    /// There is no regular file at the path, or it is too large.
    #[error("{path} cannot be used: {problem}")]
    Unusable {
        /// The file.
        path: String,
        /// What is there instead.
        problem: FileError,
    },
    /// The file is not text.
    #[error("{path} is not UTF-8 text, so it cannot be used")]
    NotText {
        /// The file.
        path: String,
    },
}

classified! {
    StoreError through Unclear Service;
    class {
        Self::Conflict { .. } | Self::Locked { .. } => ErrorClass::Conflict,
        Self::Io { .. } | Self::Contradictory { .. } => ErrorClass::Unavailable,
        Self::NoFolder { .. } => ErrorClass::Configuration,
        Self::NotText { .. } | Self::Unusable { .. } => ErrorClass::Blocked,
        Self::InvalidPath { .. } => ErrorClass::Failed,
    }
    hint {
        Self::Conflict { .. } => Some("Run the same command again.".into()),
        Self::Contradictory { .. } => Some(
            "Run the same command again in a few minutes; until then the store's copies may not agree.".into(),
        ),
        Self::Locked { .. } => Some(
            "Wait for the other command to end and run this one again; a lock ends with the process that \
             holds it."
                .into(),
        ),
        Self::Io { .. } => Some("Check that the folder named in OAR_STATE exists and may be written.".into()),
        Self::NoFolder { path } => Some(format!(
            "Correct OAR_STATE; for a new store, make its folder first: mkdir -p {}",
            path.display()
        )),
        Self::NotText { .. } => Some(
            "Restore the file from an earlier version; `oarctl statebox validate FILE` says where it is damaged."
                .into(),
        ),
        Self::Unusable { .. } => {
            Some("Move away what stands there, or restore the file from an earlier version.".into())
        }
        Self::InvalidPath { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use super::memory::{Fault, MemoryStore, SteppingClock};
    use super::*;

    #[test]
    fn revisions_are_those_of_git() {
        // `printf 'hello\n' | git hash-object --stdin`, and the empty blob.
        assert_eq!(Revision::of("hello\n").as_str(), "ce013625030ba8dba906f756967f9e9ca394464a");
        assert_eq!(Revision::of("").as_str(), "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391");
    }

    #[tokio::test]
    async fn an_answer_that_is_no_file_is_asked_for_again_and_reported_when_it_stays_so() {
        let (clock, _) = SteppingClock::start();
        let store = MemoryStore::with("a: 1\n");
        store.plan([Fault::Garbage, Fault::Garbage]);
        assert_eq!(read_file(&store, "x", &clock).await.unwrap().unwrap().text, "a: 1\n");
        assert_eq!(store.requests(), (3, 0));
        store.plan([Fault::Garbage; 3]);
        let error = read_file(&store, "x", &clock).await.unwrap_err();
        assert!(matches!(error, StoreError::Service(error) if error.kind == ServiceErrorKind::Malformed));
    }
}
