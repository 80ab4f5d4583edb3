//! Record files and registries on disk.

use std::path::{Path, PathBuf};

use cli_support::{CliError, Session, files};
use oar_core::error::ErrorClass;
use oar_core::prow::names::{RegistryName, ResultName};
use oar_core::prow::record::ResultFile;
use oar_core::prow::verification::{Registries, is_stored_file};

/// The registries of a directory; none without a directory.
pub(crate) fn registries(directory: Option<&Path>) -> Result<Registries, CliError> {
    let Some(directory) = directory else { return Ok(Registries::default()) };
    let mut files = Vec::new();
    for path in entries(directory)? {
        let name = file_name(&path);
        if name.parse::<RegistryName>().is_ok() {
            files.push((name, read(&path)?));
        }
    }
    let registries = Registries::of(files);
    if registries.is_empty() {
        let message = format!("{} holds no registry of test jobs", directory.display());
        return Err(CliError::usage(message).with_hint("They are called `ocp-4.20-test-jobs-amd64.json`."));
    }
    Ok(registries)
}

/// Tells which registries are not used, and why.
pub(crate) fn warn(registries: &Registries, session: &Session) {
    for problem in &registries.refused {
        session.ui.warn(problem);
    }
}

/// The files that are meant: a directory stands for the records, latest files and registries in it.
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

/// The files of a directory, by name.
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
pub(crate) fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// What a file holds.
fn read(path: &Path) -> Result<Vec<u8>, CliError> {
    files::read_bytes(path)
        .map_err(|reason| CliError::usage(format!("cannot read {}: {reason}", path.display())))
}

/// The record of a build's tests in a file.
pub(crate) fn read_record(path: &Path) -> Result<ResultFile, CliError> {
    let name: ResultName = file_name(path).parse().map_err(|error| CliError::usage(format!("{error}")))?;
    let bytes = read(path)?;
    ResultFile::parse(&name, &bytes).map_err(|problems| {
        let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
        CliError::new(ErrorClass::Failed, lines.join("\n"))
            .with_hint("Repair the file; `jobctl verify` checks the result.")
    })
}
