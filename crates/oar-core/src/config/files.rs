//! The local files of the configuration, named in errors.

use std::io;
use std::path::Path;

use super::error::ConfigError;
use crate::files::{self, FileError};

/// Everything at `path`, if that is at most `limit` bytes. The configuration may come from a FIFO, which is waited for.
pub(super) fn read(what: &'static str, path: &Path, limit: u64) -> Result<Vec<u8>, ConfigError> {
    files::read_any(path, limit).map_err(|error| failure(what, path, error))
}

/// The same as UTF-8 text.
pub(super) fn read_text(what: &'static str, path: &Path, limit: u64) -> Result<String, ConfigError> {
    let text = files::read_any(path, limit).and_then(files::text);
    text.map_err(|error| failure(what, path, error))
}

/// The whole regular file at `path`, if it has at most `limit` bytes: for a file that is read more than once.
pub(super) fn read_regular(what: &'static str, path: &Path, limit: u64) -> Result<Vec<u8>, ConfigError> {
    files::read(path, limit).map_err(|error| failure(what, path, error))
}

fn failure(what: &'static str, path: &Path, error: FileError) -> ConfigError {
    let source = match error {
        FileError::TooLarge(limit) => return ConfigError::TooLarge { what, path: path.into(), limit },
        FileError::Io(source) => source,
        FileError::NotRegular | FileError::NotText(_) => io::Error::new(io::ErrorKind::InvalidData, error),
    };
    ConfigError::Unreadable { what, path: path.into(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn size_and_encoding_are_checked_and_the_file_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        std::fs::write(&path, b"12345").unwrap();
        assert_eq!(read_text("the file", &path, 5).unwrap(), "12345");
        let error = read_text("the file", &path, 4).unwrap_err().to_string();
        assert!(error.contains("larger than 4 bytes") && error.contains("the file"), "{error}");
        std::fs::write(&path, [0xff]).unwrap();
        assert!(read_text("the file", &path, 5).unwrap_err().to_string().contains("not UTF-8"));
        let gone = directory.path().join("gone");
        let error = read("the file", &gone, 5).unwrap_err().to_string();
        assert!(error.contains(&gone.display().to_string()), "{error}");
        let error = read_regular("the file", directory.path(), 5).unwrap_err().to_string();
        assert!(error.ends_with(": it is not a regular file"), "{error}");
    }
}
