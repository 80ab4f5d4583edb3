//! Where the commands read documents from.

use std::path::Path;

use cli_support::{CliError, Session, files};
use oar_core::config::jwe::Key;
use oar_core::config::{ConfigError, Document, find_document, jwe, open_document};
use oar_core::error::ErrorClass;
use secrecy::{ExposeSecret, SecretString};

/// The document that the programs use.
pub(super) fn configured(session: &Session) -> Result<Document, CliError> {
    let path = find_document(&session.environment)?;
    let plain = open_document(&path, &Key::of(&session.environment)?)?;
    Ok(Document::parse(plain.expose_secret())?)
}

/// The directory from which a document's own paths are seen.
pub(super) fn directory_of(document: &Path) -> &Path {
    document.parent().unwrap_or(Path::new(""))
}

/// The text of a file, or of standard input for `-`.
pub(super) fn text_of(path: &Path) -> Result<SecretString, CliError> {
    let failed = |reason| {
        CliError::new(ErrorClass::Configuration, format!("cannot read {}: {reason}", path.display()))
    };
    files::read(path).map(SecretString::from).map_err(failed)
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
