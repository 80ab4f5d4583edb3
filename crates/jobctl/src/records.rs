//! Record files and registries on disk.

use std::path::{Path, PathBuf};

use cli_support::{CliError, files};
use oar_core::operations::files::{Content, File};
use oar_core::prow::names::RegistryName;
use oar_core::prow::verification::is_stored_file;

/// The registries in a directory; empty without a directory.
pub(crate) fn registries(directory: Option<&Path>) -> Result<Vec<File>, CliError> {
    let Some(directory) = directory else { return Ok(Vec::new()) };
    let mut files = Vec::new();
    for path in entries(directory)? {
        if file_name(&path).parse::<RegistryName>().is_ok() {
            let bytes = files::read_bytes(&path).map_err(|reason| {
                CliError::usage(format!("cannot read {}: {reason}", path.display()))
                    .with_hint(files::UNREADABLE_HINT)
            })?;
            files.push(File { name: path.display().to_string(), content: Content(Ok(bytes)) });
        }
    }
    if files.is_empty() {
        let message = format!("{} contains no registry of test jobs", directory.display());
        return Err(CliError::usage(message).with_hint("They are called `ocp-4.20-test-jobs-amd64.json`."));
    }
    Ok(files)
}

/// Reads a file; the error says why it cannot be read.
pub(crate) fn read(path: &Path) -> File {
    File { name: path.display().to_string(), content: Content(files::read_bytes(path)) }
}

/// The files to check: a directory means all records, latest files and registries in it.
pub(crate) fn expand(paths: &[PathBuf]) -> Result<Vec<PathBuf>, CliError> {
    let mut expanded = Vec::new();
    for path in paths {
        if path.is_dir() {
            expanded.extend(entries(path)?.into_iter().filter(|path| is_stored_file(&file_name(path))));
        } else {
            expanded.push(path.clone());
        }
    }
    Ok(expanded)
}

/// The files of a directory, in order of their names.
fn entries(directory: &Path) -> Result<Vec<PathBuf>, CliError> {
    let failed = |error: std::io::Error| {
        CliError::usage(format!("cannot read the directory {}: {error}", directory.display()))
    };
    let mut paths = std::fs::read_dir(directory)
        .map_err(failed)?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<Vec<_>, _>>()
        .map_err(failed)?;
    paths.sort();
    Ok(paths)
}

/// The last part of a path.
fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
