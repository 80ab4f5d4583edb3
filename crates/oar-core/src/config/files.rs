//! Reads the local files of the configuration, with a size limit and a clear error.

use std::io::Read;
use std::path::Path;

use super::error::ConfigError;

/// The whole file, if it has at most `limit` bytes.
pub(super) fn read(what: &'static str, path: &Path, limit: u64) -> Result<Vec<u8>, ConfigError> {
    let unreadable = |source| ConfigError::Unreadable { what, path: path.into(), source };
    let file = std::fs::File::open(path).map_err(unreadable)?;
    let mut bytes = Vec::new();
    file.take(limit + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > limit {
        return Err(ConfigError::TooLarge { what, path: path.into(), limit });
    }
    Ok(bytes)
}

/// The whole file as UTF-8 text, if it has at most `limit` bytes.
pub(super) fn read_text(what: &'static str, path: &Path, limit: u64) -> Result<String, ConfigError> {
    String::from_utf8(read(what, path, limit)?).map_err(|_| ConfigError::Unreadable {
        what,
        path: path.into(),
        source: std::io::Error::new(std::io::ErrorKind::InvalidData, "it is not UTF-8 text"),
    })
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
    }
}
