//! Reads and writes the documents of the commands.

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

/// The directory to which paths in a document are relative.
pub(super) fn directory_of(document: &Path) -> &Path {
    document.parent().unwrap_or(Path::new(""))
}

/// The text of a file, or of standard input for `-`.
pub(super) fn text_of(path: &Path) -> Result<SecretString, CliError> {
    let failed = |reason| {
        CliError::new(ErrorClass::Configuration, format!("cannot read {}: {reason}", path.display()))
            .with_hint(files::UNREADABLE_HINT)
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

/// Writes the file of `--out`, except in a dry run, and reports it.
pub(super) fn written(
    path: &Path,
    dry_run: bool,
    session: &Session,
    write: impl FnOnce() -> std::io::Result<()>,
) -> Result<(), CliError> {
    if !dry_run {
        write().map_err(|error| not_written(path, &error))?;
    }
    let verb = if dry_run { "Would write" } else { "Wrote" };
    session.ui.note(format!("{verb} {}.", path.display()));
    session.ui.json(&serde_json::json!({ "file": path.display().to_string(), "written": !dry_run }));
    Ok(())
}
