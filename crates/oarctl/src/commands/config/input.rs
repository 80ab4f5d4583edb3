//! Where the commands read documents from.

use std::io::Read;
use std::path::Path;

use cli_support::{CliError, Session};
use oar_core::config::jwe::Key;
use oar_core::config::{ConfigError, Document, find_document, jwe, open_document};
use oar_core::error::ErrorClass;
use secrecy::{ExposeSecret, SecretString};

/// More than any document has, in bytes.
const LIMIT: u64 = 1024 * 1024;

/// The document that the programs use.
pub(super) fn configured(session: &Session) -> Result<Document, CliError> {
    let path = find_document(&session.environment)?;
    let plain = open_document(&path, &Key::of(&session.environment)?)?;
    Ok(Document::parse(plain.expose_secret())?)
}

/// The text of a file, or of standard input for `-`.
pub(super) fn text_of(path: &Path) -> Result<SecretString, CliError> {
    let failed = |error: std::io::Error| {
        CliError::new(ErrorClass::Configuration, format!("cannot read {}: {error}", path.display()))
    };
    let mut bytes = Vec::new();
    let mut source: Box<dyn Read> = if path == Path::new("-") {
        Box::new(std::io::stdin().lock())
    } else {
        Box::new(std::fs::File::open(path).map_err(failed)?)
    };
    source.by_ref().take(LIMIT + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > LIMIT {
        let message =
            format!("{} is larger than {LIMIT} bytes: not a configuration document", path.display());
        return Err(CliError::new(ErrorClass::Configuration, message));
    }
    let text = String::from_utf8(bytes).map_err(|_| {
        CliError::new(ErrorClass::Configuration, format!("{} is not UTF-8 text", path.display()))
    })?;
    Ok(text.into())
}

/// Decrypts the text of `path`.
pub(super) fn decrypted(
    text: &SecretString,
    path: &Path,
    session: &Session,
) -> Result<SecretString, CliError> {
    let key = Key::of(&session.environment)?;
    let wrong = |source| ConfigError::Encrypted { path: path.into(), source };
    Ok(jwe::decrypt(text.expose_secret(), &key).map_err(wrong)?)
}

/// The error of a file that cannot be written.
pub(super) fn not_written(path: &Path, error: &std::io::Error) -> CliError {
    CliError::new(ErrorClass::Configuration, format!("cannot write {}: {error}", path.display()))
}
