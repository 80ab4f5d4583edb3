//! Files that only their owner may read, atomic replacement of files, and wiping of temporary files.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use tempfile::{NamedTempFile, TempDir};

/// A directory of mode 0700, in memory if possible. Its files are overwritten before they are removed, when
/// it is wiped or dropped.
#[derive(Debug)]
pub(crate) struct PrivateDirectory {
    directory: Option<TempDir>,
    /// Locked as long as the directory is in use.
    _lock: File,
}

const PREFIX: &str = "oarctl-";
/// Its lock says that the directory is in use.
const LOCK: &str = "in-use";

impl PrivateDirectory {
    /// Creates one in the first of `candidates` where that works, otherwise in the `temporary` directory.
    pub(crate) fn create(candidates: &[PathBuf], temporary: &Path) -> io::Result<Self> {
        let mut builder = tempfile::Builder::new();
        builder.prefix(PREFIX).permissions(Permissions::from_mode(0o700));
        let preferred = candidates
            .iter()
            .filter(|path| path.is_absolute())
            .find_map(|path| builder.tempdir_in(path).ok());
        let directory = preferred.map_or_else(|| builder.tempdir_in(temporary), Ok)?;
        // Locked before it has its name, so that nobody takes the new directory for one that is not in use.
        let unnamed = directory.path().join("new");
        let lock = OpenOptions::new().write(true).create_new(true).mode_private().open(&unnamed)?;
        lock.lock()?;
        std::fs::rename(&unnamed, directory.path().join(LOCK))?;
        Ok(Self { directory: Some(directory), _lock: lock })
    }

    /// Writes a new file of mode 0600 and returns its path.
    pub(crate) fn write(&self, name: &str, text: &str) -> io::Result<PathBuf> {
        let directory = self.directory.as_ref().ok_or(io::ErrorKind::NotFound)?;
        let path = directory.path().join(name);
        let mut file = OpenOptions::new().write(true).create_new(true).mode_private().open(&path)?;
        file.write_all(text.as_bytes())?;
        Ok(path)
    }

    /// Overwrites and removes everything in the directory, including files that an editor left there.
    pub(crate) fn wipe(mut self) -> io::Result<()> {
        self.wipe_now()
    }

    fn wipe_now(&mut self) -> io::Result<()> {
        let Some(directory) = self.directory.take() else { return Ok(()) };
        let overwritten = overwrite_files(directory.path(), 8);
        directory.close()?;
        overwritten
    }
}

/// Overwrites and removes the directories that killed programs of this user left in `places` or in the `temporary`
/// directory; returns which. One in use is locked, and one that cannot be checked stays.
pub(crate) fn remove_leftovers(places: &[PathBuf], temporary: &Path) -> Vec<PathBuf> {
    let folders = places.iter().map(PathBuf::as_path).filter(|path| path.is_absolute());
    let folders = folders.chain(std::iter::once(temporary));
    let entries = folders.filter_map(|folder| std::fs::read_dir(folder).ok()).flatten().flatten();
    let ours = |path: &PathBuf| {
        let is_named = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(PREFIX));
        let owner = |path: &Path| std::fs::symlink_metadata(path).ok().filter(std::fs::Metadata::is_dir);
        is_named && owner(path).is_some_and(|data| data.uid() == rustix::process::getuid().as_raw())
    };
    let left = |path: &PathBuf| {
        let lock = OpenOptions::new().write(true).open(path.join(LOCK));
        lock.is_ok_and(|lock| lock.try_lock().is_ok())
    };
    let remove = |path: &PathBuf| overwrite_files(path, 8).is_ok() && std::fs::remove_dir_all(path).is_ok();
    entries.map(|entry| entry.path()).filter(|path| ours(path) && left(path) && remove(path)).collect()
}

impl Drop for PrivateDirectory {
    fn drop(&mut self) {
        if let Err(error) = self.wipe_now() {
            tracing::warn!("cannot remove the temporary copy of the document: {error}");
        }
    }
}

trait ModePrivate {
    fn mode_private(&mut self) -> &mut Self;
}

impl ModePrivate for OpenOptions {
    fn mode_private(&mut self) -> &mut Self {
        use std::os::unix::fs::OpenOptionsExt;
        self.mode(0o600)
    }
}

fn overwrite_files(directory: &Path, depth: usize) -> io::Result<()> {
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_file() {
            overwrite(&entry.path())?;
        } else if kind.is_dir() && depth > 0 {
            overwrite_files(&entry.path(), depth - 1)?;
        }
    }
    Ok(())
}

fn overwrite(path: &Path) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).open(path)?;
    let length = file.metadata()?.len();
    file.rewind()?;
    io::copy(&mut io::repeat(0).take(length), &mut file)?;
    file.sync_all()
}

/// Writes a new file that only its owner can read; a missing folder is created.
pub(crate) fn keep(path: &Path, text: &str) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode_private().open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// Replaces `path` atomically: readers and crashes see the old file or the new one. An existing file keeps
/// its mode, and for a link its target is replaced; a new file gets `mode`.
pub(crate) fn replace(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let mode = std::fs::metadata(path).map_or(mode, |metadata| metadata.mode() & 0o7777);
    replace_with_mode(path, bytes, mode)
}

/// Like [`replace`], but the file can be read by its owner only, even if an existing one had another mode.
pub(crate) fn replace_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    replace_with_mode(path, bytes, 0o600)
}

fn replace_with_mode(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let path = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let mut file = NamedTempFile::new_in(directory)?;
    file.write_all(bytes)?;
    file.as_file().set_permissions(Permissions::from_mode(mode))?;
    file.as_file().sync_all()?;
    file.persist(&path)?;
    // The rename is durable only after the directory is synced.
    File::open(directory)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder that does not exist.
    fn nowhere() -> PathBuf {
        "/does/not/exist".into()
    }

    fn mode(path: &Path) -> u32 {
        std::fs::metadata(path).unwrap().mode() & 0o777
    }

    #[test]
    fn the_directory_and_its_files_are_private_and_gone_afterwards() {
        let outer = tempfile::tempdir().unwrap();
        let private =
            PrivateDirectory::create(&["relative".into(), outer.path().into()], &nowhere()).unwrap();
        let path = private.write("document.json", "planted").unwrap();
        assert!(path.starts_with(outer.path()));
        assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
        let link = outer.path().join("link");
        std::fs::hard_link(&path, &link).unwrap();
        std::fs::write(path.with_extension("json~"), "planted backup").unwrap();
        private.wipe().unwrap();
        assert!(!path.parent().unwrap().exists());
        assert_eq!(std::fs::read(&link).unwrap(), [0; 7], "the content is overwritten, not only unlinked");
    }

    #[test]
    fn what_a_killed_program_left_is_removed_and_what_is_in_use_stays() {
        let outer = tempfile::tempdir().unwrap();
        let places = [outer.path().to_owned()];
        let used = PrivateDirectory::create(&places, &nowhere()).unwrap();
        let copy = used.write("document.json", "in use").unwrap();
        let left = outer.path().join("oarctl-left");
        std::fs::create_dir(&left).unwrap();
        std::fs::write(left.join(LOCK), "").unwrap();
        std::fs::write(left.join("document.json"), "planted").unwrap();
        let link = outer.path().join("link");
        std::fs::hard_link(left.join("document.json"), &link).unwrap();
        // Made by something else: it has no lock.
        std::fs::create_dir(outer.path().join("oarctl-other")).unwrap();
        assert_eq!(remove_leftovers(&places, &nowhere()), std::slice::from_ref(&left));
        assert!(!left.exists() && copy.exists() && outer.path().join("oarctl-other").exists());
        assert_eq!(std::fs::read(&link).unwrap(), [0; 7], "the content is overwritten, not only unlinked");
    }

    #[test]
    fn dropping_wipes_too() {
        let outer = tempfile::tempdir().unwrap();
        let private = PrivateDirectory::create(&[nowhere()], outer.path()).unwrap();
        let path = private.write("document.json", "planted").unwrap();
        assert!(path.starts_with(outer.path()), "where nothing else can be used, the temporary directory is");
        drop(private);
        assert!(!path.exists());
    }

    #[test]
    fn replacing_keeps_mode_and_link_and_leaves_nothing_beside() {
        let directory = tempfile::tempdir().unwrap();
        let (file, link) = (directory.path().join("file"), directory.path().join("link"));
        replace(&file, b"one", 0o600).unwrap();
        assert_eq!(mode(&file), 0o600);
        std::fs::set_permissions(&file, Permissions::from_mode(0o640)).unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        replace(&link, b"two", 0o600).unwrap();
        assert_eq!((std::fs::read(&file).unwrap(), mode(&file)), (b"two".to_vec(), 0o640));
        assert!(std::fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 2);
        assert!(replace(&directory.path().join("no/such"), b"", 0o600).is_err());
        replace_private(&file, b"three").unwrap();
        assert_eq!(mode(&file), 0o600);
    }
}
