//! Finds and opens the configuration document.

use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretString};

use super::document::Document;
use super::environment::{self, Environment};
use super::error::ConfigError;
use super::files;
use super::jwe::{self, Key};

/// The document's path below a directory.
const DOCUMENT: &str = "config/config_store.json";
/// The shared files that `make install` installs, relative to the program's directory.
const SHARED: &str = "../share/release-tests";
/// The most parent directories that are searched for the document.
const UPWARD: usize = 32;

/// Whether the document was read.
#[derive(Debug, Clone)]
pub(super) enum DocumentState {
    Read(PathBuf, Document),
    NoKey,
    NotFound(Vec<PathBuf>),
    /// It cannot be read or opened, for this reason.
    Closed(String),
}

impl DocumentState {
    /// Finds the document, and reads it when there is a key.
    pub(super) fn read(environment: &Environment) -> Result<Self, ConfigError> {
        let path = match find_document(environment) {
            Ok(path) => path,
            Err(ConfigError::DocumentNotFound { searched }) => return Ok(Self::NotFound(searched)),
            Err(error) => return Err(error),
        };
        let key = match Key::of(environment) {
            Ok(key) => key,
            Err(ConfigError::MissingVariable { .. }) => return Ok(Self::NoKey),
            Err(error) => return Err(error),
        };
        let plain = open_document(&path, &key)?;
        Ok(Self::Read(path, Document::parse(plain.expose_secret())?))
    }

    /// The document, or an error that says why it was not read.
    pub(super) fn document(&self) -> Result<&Document, ConfigError> {
        match self {
            Self::Read(_, document) => Ok(document),
            Self::NoKey => Err(ConfigError::MissingVariable {
                name: environment::OAR_JWK.name,
                purpose: environment::OAR_JWK.purpose,
            }),
            Self::NotFound(searched) => Err(ConfigError::DocumentNotFound { searched: searched.clone() }),
            Self::Closed(why) => Err(ConfigError::DocumentClosed { why: why.clone() }),
        }
    }

    /// The file that the document was read from.
    pub(super) fn path(&self) -> Option<&Path> {
        match self {
            Self::Read(path, _) => Some(path),
            Self::NoKey | Self::NotFound(_) | Self::Closed(_) => None,
        }
    }
}

/// The path of the configuration document: `OAR_CONFIG`, otherwise `config/config_store.json` beside the
/// installed program, otherwise in the working directory or its nearest parent that has one.
pub fn find_document(environment: &Environment) -> Result<PathBuf, ConfigError> {
    if let Some(path) = environment.get(&environment::OAR_CONFIG) {
        return Ok(PathBuf::from(path));
    }
    let mut searched = Vec::new();
    if let Some(directory) = environment.program().and_then(Path::parent) {
        searched.push(directory.join(DOCUMENT));
        searched.push(directory.join(SHARED).join(DOCUMENT));
    }
    if let Some(directory) = environment.working_directory() {
        searched.extend(directory.ancestors().take(UPWARD).map(|directory| directory.join(DOCUMENT)));
    }
    let found = searched.iter().find(|path| path.is_file()).cloned();
    found.ok_or(ConfigError::DocumentNotFound { searched })
}

/// Reads and decrypts the document at `path`.
pub fn open_document(path: &Path, key: &Key) -> Result<SecretString, ConfigError> {
    let limit = jwe::SIZE_LIMIT as u64 + 1024;
    let encrypted = files::read_text("the configuration document", path, limit)?;
    jwe::decrypt(&encrypted, key).map_err(|source| ConfigError::Encrypted { path: path.into(), source })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Settings;
    use crate::config::settings::tests::{KEY, write_document};

    fn environment(pairs: &[(&str, &str)]) -> Environment {
        Environment::from_pairs(pairs.iter().copied())
    }

    #[test]
    fn the_document_is_found_beside_the_program_then_upward_from_the_working_directory() {
        let directory = tempfile::tempdir().unwrap();
        let (installed, tree) = (directory.path().join("installed"), directory.path().join("tree"));
        let deep = tree.join("a/b");
        std::fs::create_dir_all(&deep).unwrap();
        let in_tree = write_document(&tree, "{}");
        let start = environment(&[]).with_program(installed.join("oar")).with_working_directory(&deep);
        assert_eq!(find_document(&start).unwrap(), in_tree);
        let beside = write_document(&installed, "{}");
        assert_eq!(find_document(&start).unwrap(), beside);
        let named = environment(&[("OAR_CONFIG", "/made/up.json")]).with_working_directory(&deep);
        assert_eq!(find_document(&named).unwrap(), PathBuf::from("/made/up.json"));
        let nowhere = environment(&[]).with_working_directory(directory.path().join("other"));
        let error = find_document(&nowhere).unwrap_err().to_string();
        assert!(error.contains("other/config/config_store.json"), "{error}");
    }

    #[test]
    fn a_wrong_key_a_missing_file_and_plain_json_are_told_apart() {
        let directory = tempfile::tempdir().unwrap();
        let path = write_document(directory.path(), "{}");
        let load = |key: &str, path: &Path| {
            Settings::load(&environment(&[("OAR_JWK", key), ("OAR_CONFIG", path.to_str().unwrap())]))
        };
        let text = |result: Result<Settings, ConfigError>| result.unwrap_err().to_string();
        assert!(
            text(load("another-key-16by", &path)).contains("OAR_JWK is not the key it was encrypted with")
        );
        assert!(text(load("short", &path)).contains("must be exactly 16 bytes long, it has 5"));
        assert!(text(load(KEY, &directory.path().join("gone"))).contains("gone"));
        std::fs::write(&path, "{}").unwrap();
        assert!(text(load(KEY, &path)).contains("plain JSON"));
    }
}
