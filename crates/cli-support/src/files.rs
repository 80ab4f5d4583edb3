//! Reads the files that the user names.

use std::io::Read;
use std::path::Path;

/// The name for standard input.
pub const STANDARD_INPUT: &str = "-";
/// The largest file that is read, in bytes.
const LIMIT: u64 = 16 * 1024 * 1024;

/// The next step when a file cannot be read.
pub const UNREADABLE_HINT: &str = "Name a file that exists and that you may read, or - for standard input.";

/// The text of a file, or of standard input for `-`; the error says why it cannot be read.
pub fn read(path: &Path) -> Result<String, String> {
    String::from_utf8(read_bytes(path)?)
        .map_err(|error| format!("it is not UTF-8 text (byte {})", error.utf8_error().valid_up_to()))
}

/// What a file, or standard input for `-`, holds; otherwise why it cannot be read.
pub fn read_bytes(path: &Path) -> Result<Vec<u8>, String> {
    let failed = |error: std::io::Error| error.to_string();
    let mut source: Box<dyn Read> = if path == Path::new(STANDARD_INPUT) {
        Box::new(std::io::stdin().lock())
    } else {
        Box::new(std::fs::File::open(path).map_err(failed)?)
    };
    let mut bytes = Vec::new();
    source.by_ref().take(LIMIT + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > LIMIT {
        return Err(format!("it has more than {LIMIT} bytes"));
    }
    Ok(bytes)
}
