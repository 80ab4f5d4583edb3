//! Reads the files that the user names.

use std::path::Path;

use oar_core::files::{self, FileError};

/// The name for standard input.
pub const STANDARD_INPUT: &str = "-";
/// The largest file that is read, in bytes.
const LIMIT: u64 = 16 * 1024 * 1024;

/// The next step when a file cannot be read.
pub const UNREADABLE_HINT: &str = "Name a file that exists and that you may read, or - for standard input.";

/// The text of a file, or of standard input for `-`; the error says why it cannot be read.
pub fn read(path: &Path) -> Result<String, String> {
    content(path).and_then(files::text).map_err(words)
}

/// What a file, or standard input for `-`, holds; otherwise why it cannot be read. A FIFO, such as `<(…)` of a shell,
/// is waited for.
pub fn read_bytes(path: &Path) -> Result<Vec<u8>, String> {
    content(path).map_err(words)
}

fn content(path: &Path) -> Result<Vec<u8>, FileError> {
    if path == Path::new(STANDARD_INPUT) {
        files::read_from(std::io::stdin().lock(), LIMIT)
    } else {
        files::read_any(path, LIMIT)
    }
}

/// The words after `cannot read FILE: `.
fn words(error: FileError) -> String {
    match error {
        FileError::Io(error) => error.to_string(),
        other => other.to_string(),
    }
}
