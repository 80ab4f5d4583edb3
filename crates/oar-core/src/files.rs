//! Reads local files, each with a limit on its size, and replaces those of the program's own as a whole.
//!
//! A file of the program's own, or one that must be a file, is read with [`read`], which never waits: a FIFO in its
//! place is refused, and so is a device. What a person may give as a FIFO, such as `<(…)` of a shell, is read with
//! [`read_any`].

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

use rustix::fs::OFlags;

/// Why a file cannot be read, in words that follow the file's name.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The system's reason.
    #[error("it cannot be read: {0}")]
    Io(#[from] io::Error),
    /// It is a folder, a FIFO, a device or a socket.
    #[error("it is not a regular file")]
    NotRegular,
    /// It has more bytes than this limit.
    #[error("it is larger than {0} bytes")]
    TooLarge(u64),
    /// It is not UTF-8, from this byte on.
    #[error("it is not UTF-8 text (byte {0})")]
    NotText(usize),
}

impl FileError {
    /// Whether there is nothing at the path.
    pub fn is_absent(&self) -> bool {
        matches!(self, Self::Io(error)
            if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory))
    }
}

/// The whole regular file at `path`, if it has at most `limit` bytes.
pub fn read(path: &Path, limit: u64) -> Result<Vec<u8>, FileError> {
    // With `NONBLOCK` a FIFO is opened at once, and refused below.
    let flags = (OFlags::NONBLOCK | OFlags::NOCTTY).bits().cast_signed();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(FileError::NotRegular);
    }
    read_from(file, limit)
}

/// The whole regular file at `path` as text, if it has at most `limit` bytes.
pub fn read_text(path: &Path, limit: u64) -> Result<String, FileError> {
    text(read(path, limit)?)
}

/// Everything that can be read at `path`, if that is at most `limit` bytes. A FIFO is waited for.
pub fn read_any(path: &Path, limit: u64) -> Result<Vec<u8>, FileError> {
    read_from(File::open(path)?, limit)
}

/// Everything that `source` holds, if that is at most `limit` bytes.
pub fn read_from(source: impl Read, limit: u64) -> Result<Vec<u8>, FileError> {
    let mut bytes = Vec::new();
    source.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit { Err(FileError::TooLarge(limit)) } else { Ok(bytes) }
}

/// The content of a file as text.
pub fn text(bytes: Vec<u8>) -> Result<String, FileError> {
    String::from_utf8(bytes).map_err(|error| FileError::NotText(error.utf8_error().valid_up_to()))
}

/// Replaces the file at `path` in one step, so that a reader sees the old or the new one, never half of it. Only this user can read it,
/// and enter its folder where that has to be made. Nothing is synced: after a crash of the machine the file may be missing.
///
/// # Errors
///
/// The folder or the file cannot be written; an old file is as it was.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(bytes)?;
    file.persist(path)?;
    Ok(())
}

#[cfg(test)]
pub(crate) mod testing {
    use std::fs::OpenOptions;
    use std::path::Path;

    use rustix::fs::{CWD, FileType, Mode, mknodat};

    /// Makes a FIFO. Whoever waits for it reads an empty text, so that a test fails instead of waiting for ever.
    pub(crate) fn make_fifo(path: &Path) {
        mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        let path = path.to_owned();
        std::thread::spawn(move || drop(OpenOptions::new().write(true).open(path)));
    }
}

#[cfg(test)]
mod tests {
    use super::testing::make_fifo;
    use super::*;

    #[test]
    fn size_and_encoding_are_checked() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, b"1234\xff").unwrap();
        assert_eq!(read(&path, 5).unwrap(), b"1234\xff");
        assert_eq!(read(&path, 4).unwrap_err().to_string(), "it is larger than 4 bytes");
        assert_eq!(read_any(&path, 4).unwrap_err().to_string(), "it is larger than 4 bytes");
        assert_eq!(read_text(&path, 5).unwrap_err().to_string(), "it is not UTF-8 text (byte 4)");
        assert_eq!(read(&path, u64::MAX).unwrap().len(), 5);
        let below = path.join("below");
        for absent in [folder.path().join("none"), below] {
            let error = read(&absent, 5).unwrap_err();
            assert!(error.is_absent() && error.to_string().starts_with("it cannot be read: "), "{error}");
        }
    }

    #[test]
    fn a_file_is_replaced_as_a_whole_and_only_its_user_can_read_it() {
        use std::os::unix::fs::PermissionsExt as _;
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("made").join("below");
        let path = folder.join("file");
        for text in ["old and long", "new"] {
            replace(&path, text.as_bytes()).unwrap();
            assert_eq!(read_text(&path, 100).unwrap(), text);
        }
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&path), mode(&folder)), (0o600, 0o700));
        assert!(replace(&folder, b"").is_err(), "a folder stays");
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1, "nothing else is left");
        assert!(replace(&path.join("x"), b"").is_err());
    }

    #[test]
    fn only_a_regular_file_is_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let fifo = folder.path().join("fifo");
        make_fifo(&fifo);
        for path in [fifo.as_path(), folder.path(), Path::new("/dev/zero")] {
            let error = read(path, 5).unwrap_err();
            assert!(
                matches!(error, FileError::NotRegular) && !error.is_absent(),
                "{}: {error}",
                path.display()
            );
        }
        let link = folder.path().join("link");
        std::fs::write(folder.path().join("file"), "text").unwrap();
        std::os::unix::fs::symlink("file", &link).unwrap();
        assert_eq!(read_text(&link, 5).unwrap(), "text");
    }

    #[test]
    fn a_fifo_is_waited_for_where_it_may_be_one_and_a_device_without_an_end_ends() {
        let folder = tempfile::tempdir().unwrap();
        let fifo = folder.path().join("fifo");
        make_fifo(&fifo);
        assert_eq!(read_any(&fifo, 5).unwrap(), b"");
        assert!(matches!(read_any(Path::new("/dev/zero"), 5), Err(FileError::TooLarge(5))));
    }
}
