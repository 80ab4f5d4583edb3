//! State files in a local folder.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use async_trait::async_trait;

use super::lock::{FileLock, LockError};
use super::{Revision, Store, StoreError, Stored};
use crate::clock::Clock;
use crate::files::{self, FileError};
use crate::permit::WritePermit;

/// The lock file of writers, in the store's folder. The file remains; the lock ends with its process.
const LOCK: &str = ".lock";
const TEMPORARY_PREFIX: &str = ".write-";
const LOCK_WAIT: Duration = Duration::from_secs(30);
/// The largest file that is read, in bytes; as large as an answer of a service may be.
const LARGEST: u64 = 16 * 1024 * 1024;

/// Stores files in a folder: one writer at a time, and each write is atomic and durable. For a symbolic link
/// its target is written.
#[derive(Debug, Clone)]
pub struct LocalStore {
    root: PathBuf,
    clock: Clock,
}

impl LocalStore {
    /// A store in `root`, which must exist: a mistyped folder must not look like an empty store.
    pub fn new(root: impl Into<PathBuf>, clock: Clock) -> Self {
        Self { root: root.into(), clock }
    }

    fn check(&self) -> Result<(), StoreError> {
        if self.root.is_dir() { Ok(()) } else { Err(StoreError::NoFolder { path: self.root.clone() }) }
    }

    /// The files below `folder`, at most `depth` folders deep, by their paths in the store, each with a mark that
    /// changes whenever the file is written. Nothing is read.
    pub async fn marks(&self, folder: &str, depth: usize) -> Result<Vec<(String, String)>, StoreError> {
        let path = self.resolve(folder)?;
        self.check()?;
        let folder = folder.to_owned();
        let look = tokio::task::spawn_blocking(move || {
            let mut found = Vec::new();
            mark(&path, &folder, depth, &mut found).map(|()| found)
        });
        look.await.unwrap_or_else(|error| {
            let source = io::Error::other(error);
            Err(StoreError::Io { path: self.root.clone(), action: "list", source })
        })
    }

    fn resolve(&self, path: &str) -> Result<PathBuf, StoreError> {
        // Names that start with a dot are reserved for the store.
        let proper =
            |part: &str| !part.is_empty() && !part.starts_with('.') && !part.contains(['\\', '\0', ':']);
        if path.split('/').all(proper) {
            Ok(path.split('/').fold(self.root.clone(), |folder, part| folder.join(part)))
        } else {
            Err(StoreError::InvalidPath { path: path.to_owned() })
        }
    }

    /// Takes the store's lock, waiting a bounded time for another holder.
    async fn lock(&self) -> Result<FileLock, StoreError> {
        let path = self.root.join(LOCK);
        let waits = || {
            let (root, seconds) = (self.root.display(), LOCK_WAIT.as_secs());
            tracing::warn!("another process writes in {root}: waiting for its lock, at most {seconds} s");
        };
        match FileLock::wait(&path, 0o666, LOCK_WAIT, &self.clock, waits).await {
            Ok(lock) => Ok(lock),
            Err(LockError::Held) => Err(StoreError::Locked { path, seconds: LOCK_WAIT.as_secs() }),
            Err(LockError::Io(action, source)) => Err(StoreError::Io { path, action, source }),
        }
    }
}

/// The most files that [`LocalStore::marks`] gives.
const MOST_MARKS: usize = 10_000;

fn mark(path: &Path, name: &str, depth: usize, found: &mut Vec<(String, String)>) -> Result<(), StoreError> {
    let failed = |source| StoreError::Io { path: path.to_owned(), action: "list", source };
    let entries = match fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(source) => return Err(failed(source)),
    };
    for entry in entries {
        let entry = entry.map_err(failed)?;
        let file = entry.file_name().to_string_lossy().into_owned();
        // One that was removed meanwhile is as good as not there.
        let Ok(data) = fs::metadata(entry.path()) else { continue };
        if file.starts_with('.') || found.len() >= MOST_MARKS {
            continue;
        }
        let name = format!("{name}/{file}");
        if data.is_file() {
            let written = data.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
            let nanos = written.map_or(0, |written| written.as_nanos());
            found.push((name, format!("{nanos}-{}-{}", data.len(), data.ino())));
        } else if data.is_dir() && depth > 0 {
            mark(&entry.path(), &name, depth - 1, found)?;
        }
    }
    Ok(())
}

#[async_trait]
impl Store for LocalStore {
    async fn read(&self, path: &str) -> Result<Option<Stored>, StoreError> {
        let file = self.resolve(path)?;
        self.check()?;
        read(&file, path)
    }

    async fn list(&self, folder: &str) -> Result<Vec<String>, StoreError> {
        let path = self.resolve(folder)?;
        self.check()?;
        let failed = |source| StoreError::Io { path: path.clone(), action: "list", source };
        let entries = match fs::read_dir(&path) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(source) => return Err(failed(source)),
        };
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name().to_string_lossy().into_owned();
            // Names that start with a dot are reserved for the store.
            let is_file = fs::metadata(entry.path()).is_ok_and(|data| data.is_file());
            if is_file && !name.starts_with('.') {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    }

    async fn write(
        &self,
        path: &str,
        text: &str,
        expected: Option<&Revision>,
        _message: &str,
        _permit: &WritePermit,
    ) -> Result<Revision, StoreError> {
        let file = self.resolve(path)?;
        self.check()?;
        let lock = self.lock().await?;
        let (name, text, expected) = (path.to_owned(), text.to_owned(), expected.cloned());
        let written = tokio::task::spawn_blocking(move || {
            let current = read(&file, &name)?.map(|stored| stored.revision);
            if current != expected {
                return Err(StoreError::Conflict { path: name });
            }
            replace(&target(&file)?, &text)?;
            drop(lock);
            Ok(Revision::of(&text))
        });
        written.await.unwrap_or_else(|error| {
            let source = io::Error::other(error);
            Err(StoreError::Io { path: self.root.clone(), action: "write in", source })
        })
    }

    fn describe(&self, path: &str) -> String {
        self.root.join(path).display().to_string()
    }
}

fn read(file: &Path, name: &str) -> Result<Option<Stored>, StoreError> {
    let path = name.to_owned();
    match files::read_text(file, LARGEST) {
        Ok(text) => {
            let revision = Revision::of(&text);
            Ok(Some(Stored { text, revision }))
        }
        Err(FileError::Io(error)) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(FileError::Io(source)) => Err(StoreError::Io { path: file.to_owned(), action: "read", source }),
        Err(FileError::NotText(_)) => Err(StoreError::NotText { path }),
        Err(problem @ (FileError::NotRegular | FileError::TooLarge(_))) => {
            Err(StoreError::Unusable { path, problem })
        }
    }
}

/// The file itself, or the target of a symbolic link.
fn target(file: &Path) -> Result<PathBuf, StoreError> {
    match fs::symlink_metadata(file) {
        Ok(data) if data.is_symlink() => fs::canonicalize(file).map_err(|source| StoreError::Io {
            path: file.to_owned(),
            action: "follow the symbolic link",
            source,
        }),
        _ => Ok(file.to_owned()),
    }
}

/// Replaces the old file atomically. The caller holds the lock.
fn replace(file: &Path, text: &str) -> Result<(), StoreError> {
    let folder = file.parent().unwrap_or(file);
    let failed = |action| move |source| StoreError::Io { path: folder.to_owned(), action, source };
    fs::create_dir_all(folder).map_err(failed("make the folder"))?;
    remove_leftovers(folder);
    let mut builder = tempfile::Builder::new();
    builder.prefix(TEMPORARY_PREFIX);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        // The mode of an ordinary file; the process's umask restricts it.
        builder.permissions(fs::Permissions::from_mode(0o666));
    }
    let mut temporary = builder.tempfile_in(folder).map_err(failed("make a file in"))?;
    temporary.write_all(text.as_bytes()).map_err(failed("write a file in"))?;
    temporary.as_file().sync_all().map_err(failed("write a file in"))?;
    temporary.persist(file).map_err(|error| error.error).map_err(failed("rename a file in"))?;
    // The rename is durable only after the folder is synced too.
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed("write the folder"))
}

/// Removes temporary files of a killed writer. Nobody else writes while the lock is held.
fn remove_leftovers(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with(TEMPORARY_PREFIX) {
            // A file that cannot be removed does no harm.
            let _ = fs::remove_file(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{Classified as _, ErrorClass};
    use crate::files::testing::make_fifo;

    const PATH: &str = "_releases/4.19/statebox/4.19.1.yaml";

    fn store() -> (tempfile::TempDir, LocalStore) {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("state");
        fs::create_dir(&root).unwrap();
        let store = LocalStore::new(root, Clock::system());
        (folder, store)
    }

    fn permit() -> WritePermit {
        WritePermit::granted_by_user_interface()
    }

    #[tokio::test]
    async fn a_file_is_created_read_and_replaced_by_revision() {
        let (_folder, store) = store();
        assert_eq!(store.read(PATH).await.unwrap(), None);
        let first = store.write(PATH, "a: 1\n", None, "create", &permit()).await.unwrap();
        assert_eq!(first, Revision::of("a: 1\n"));
        let second = store.write(PATH, "a: 2\n", Some(&first), "change", &permit()).await.unwrap();
        assert_eq!(store.read(PATH).await.unwrap(), Some(Stored { text: "a: 2\n".into(), revision: second }));
        assert_eq!(store.list("_releases/4.19/statebox").await.unwrap(), ["4.19.1.yaml"]);
        assert!(store.list("_releases/4.18/statebox").await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn a_mark_changes_with_each_write_and_deeper_folders_are_left_out() {
        let (_folder, store) = store();
        assert_eq!(store.marks("_releases", 2).await.unwrap(), []);
        let first = store.write(PATH, "a: 1\n", None, "create", &permit()).await.unwrap();
        let before = store.marks("_releases", 2).await.unwrap();
        assert_eq!(before.iter().map(|(path, _)| path.as_str()).collect::<Vec<_>>(), [PATH]);
        assert_eq!(store.marks("_releases", 2).await.unwrap(), before);
        store.write(PATH, "a: 2\n", Some(&first), "change", &permit()).await.unwrap();
        let after = store.marks("_releases", 2).await.unwrap();
        assert!(after != before && after.len() == 1, "{after:?}");
        assert_eq!(store.marks("_releases", 1).await.unwrap(), []);
        assert!(store.marks("../x", 2).await.is_err());
    }

    #[tokio::test]
    async fn a_write_against_another_revision_is_a_conflict_and_changes_nothing() {
        let (_folder, store) = store();
        let first = store.write(PATH, "a: 1\n", None, "create", &permit()).await.unwrap();
        for expected in [None, Some(Revision::of("other"))] {
            let error = store.write(PATH, "b\n", expected.as_ref(), "x", &permit()).await.unwrap_err();
            assert!(matches!(error, StoreError::Conflict { .. }), "{error}");
        }
        let absent = store.write("other.yaml", "b\n", Some(&first), "x", &permit()).await.unwrap_err();
        assert!(matches!(absent, StoreError::Conflict { .. }));
        assert_eq!(store.read(PATH).await.unwrap().unwrap().text, "a: 1\n");
        assert_eq!(store.read("other.yaml").await.unwrap(), None);
    }

    #[tokio::test]
    async fn a_path_cannot_leave_the_store() {
        let (_folder, store) = store();
        for path in
            ["", "/etc/passwd", "../x", "a/../../x", "a//b", "./a", "a/.", ".lock", "a\\..\\b", "c:x", "a\0"]
        {
            assert!(matches!(store.read(path).await, Err(StoreError::InvalidPath { .. })), "{path}");
            let written = store.write(path, "x", None, "x", &permit()).await;
            assert!(matches!(written, Err(StoreError::InvalidPath { .. })), "{path}");
        }
    }

    #[tokio::test]
    async fn leftovers_of_a_killed_writer_do_no_harm_and_go() {
        let (_folder, store) = store();
        let file = store.resolve(PATH).unwrap();
        let folder = file.parent().unwrap();
        fs::create_dir_all(folder).unwrap();
        fs::write(folder.join(".write-abc123"), "half a fi").unwrap();
        fs::write(store.root.join(LOCK), "").unwrap();
        store.write(PATH, "a: 1\n", None, "create", &permit()).await.unwrap();
        let names: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, ["4.19.1.yaml"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_held_lock_is_waited_for_and_named_in_the_end() {
        let (_folder, store) = store();
        let lock = store.lock().await.unwrap();
        let error = store.write(PATH, "a\n", None, "x", &permit()).await.unwrap_err();
        let message = error.to_string();
        assert!(message.contains(".lock is held by another process for more than 30 s"), "{message}");
        drop(lock);
        store.write(PATH, "a\n", None, "x", &permit()).await.unwrap();
    }

    #[tokio::test]
    async fn a_file_that_is_not_text_is_named() {
        let (_folder, store) = store();
        fs::write(store.root.join("x.yaml"), [0xff, 0xfe]).unwrap();
        let error = store.read("x.yaml").await.unwrap_err();
        assert_eq!(error.to_string(), "x.yaml is not UTF-8 text, so it cannot be used");
        assert_eq!(error.class(), ErrorClass::Blocked);
    }

    #[tokio::test]
    async fn what_is_no_regular_file_is_named_and_lets_nobody_wait() {
        let (_folder, store) = store();
        make_fifo(&store.root.join("fifo.yaml"));
        fs::create_dir(store.root.join("folder.yaml")).unwrap();
        fs::File::create(store.root.join("large.yaml")).unwrap().set_len(LARGEST + 1).unwrap();
        for (name, words) in [
            ("fifo.yaml", "fifo.yaml cannot be used: it is not a regular file"),
            ("folder.yaml", "folder.yaml cannot be used: it is not a regular file"),
            ("large.yaml", "large.yaml cannot be used: it is larger than 16777216 bytes"),
        ] {
            let revision = Revision::of("");
            let errors = [
                store.read(name).await.unwrap_err(),
                store.write(name, "a: 1\n", None, "x", &permit()).await.unwrap_err(),
                store.write(name, "a: 1\n", Some(&revision), "x", &permit()).await.unwrap_err(),
            ];
            for error in errors {
                assert_eq!(error.to_string(), words);
                assert_eq!(error.class(), ErrorClass::Blocked);
            }
        }
        store.write(PATH, "a: 1\n", None, "create", &permit()).await.unwrap();
    }

    #[tokio::test]
    async fn a_mistyped_folder_is_named_and_not_made() {
        let (folder, _) = store();
        let root = folder.path().join("staet");
        let store = LocalStore::new(&root, Clock::system());
        let errors = [
            store.read(PATH).await.unwrap_err(),
            store.write(PATH, "a: 1\n", None, "create", &permit()).await.unwrap_err(),
            store.list("_releases").await.unwrap_err(),
        ];
        for error in errors {
            assert!(error.to_string().contains(root.to_str().unwrap()), "{error}");
            assert_eq!(error.class(), ErrorClass::Configuration);
            assert!(error.hint().unwrap().contains("mkdir -p"));
        }
        assert!(!root.exists());
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn a_symbolic_link_is_written_where_it_leads_and_stays_a_link() {
        let (folder, store) = store();
        let (real, link) = (folder.path().join("real.yaml"), store.root.join("4.19.1.yaml"));
        fs::write(&real, "a: 1\n").unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();
        let revision = store.read("4.19.1.yaml").await.unwrap().unwrap().revision;
        store.write("4.19.1.yaml", "a: 2\n", Some(&revision), "change", &permit()).await.unwrap();
        assert_eq!(fs::read_to_string(&real).unwrap(), "a: 2\n");
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        // A dangling link is an error and is not replaced.
        fs::remove_file(&real).unwrap();
        let error = store.write("4.19.1.yaml", "a: 3\n", None, "change", &permit()).await.unwrap_err();
        assert!(error.to_string().contains("follow the symbolic link"), "{error}");
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    }
}
