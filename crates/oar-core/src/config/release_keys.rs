//! The release keys that the document names: armored blocks, or files with them.

use std::path::Path;

use super::files;

/// The largest file with a release key, in bytes.
const KEY_FILE_LIMIT: u64 = 1024 * 1024;

/// The armored block of a value of `release_keys`; a path is relative to `directory`. The error says what is
/// wrong, worded to follow the key's name.
pub(crate) fn armored_key(value: &str, directory: &Path) -> Result<String, String> {
    if crate::signature::is_key_text(value) {
        return Ok(value.to_owned());
    }
    let path = directory.join(value);
    files::read_text("the release key", &path, KEY_FILE_LIMIT)
        .map_err(|error| format!("names a file, but: {error}"))
}
