//! The local copy of this machine's last write of a StateBox file: what [`super::ledger`] compares with when
//! another program wrote the whole file over.
//!
//! It is a help and never a source: without it, or with a damaged one, everything works.

use std::fs;
use std::path::{Path, PathBuf};

use crate::files;

/// The largest copy that is read, in bytes.
const LIMIT: u64 = 4 * 1024 * 1024;
/// How the extension of a kept end begins.
const END: &str = "end-";
/// The most kept ends that are read.
const MOST_ENDS: usize = 50;

/// Where the copy of one file is.
#[derive(Debug, Clone)]
pub(super) struct LocalCopy(PathBuf);

impl LocalCopy {
    /// The copy of the file at `place`, which no other file has, below `folder`.
    pub(super) fn new(folder: &Path, place: &str, release: &str) -> Self {
        let place = crate::store::Revision::of(place);
        let place: String = place.as_str().chars().take(12).collect();
        Self(folder.join(format!("{release}-{place}.yaml")))
    }

    pub(super) fn read(&self) -> Option<String> {
        files::read_text(&self.0, LIMIT).ok()
    }

    /// Keeps `text`. That it cannot be kept does not fail the command.
    pub(super) fn write(&self, text: &str) {
        if let Err(error) = self.try_write(text) {
            tracing::debug!("no copy of the state is kept in {}: {error}", self.0.display());
        }
    }

    /// Keeps the end of the run `id`, which could not be recorded in time.
    pub(super) fn keep_end(&self, id: &str, text: &str) -> std::io::Result<()> {
        Self(self.0.with_extension(format!("{END}{id}"))).try_write(text)
    }

    /// The ends that are kept, each with its file.
    pub(super) fn ends(&self) -> Vec<(PathBuf, String)> {
        let (Some(folder), Some(stem)) = (self.0.parent(), self.0.file_stem()) else { return Vec::new() };
        let prefix = format!("{}.{END}", stem.to_string_lossy());
        let mut files: Vec<PathBuf> = fs::read_dir(folder)
            .into_iter()
            .flatten()
            .flatten()
            .filter(|entry| entry.file_name().to_string_lossy().starts_with(&prefix))
            .map(|entry| entry.path())
            .collect();
        files.sort();
        let read = |path: PathBuf| Self(path.clone()).read().map(|text| (path, text));
        files.into_iter().take(MOST_ENDS).filter_map(read).collect()
    }

    fn try_write(&self, text: &str) -> std::io::Result<()> {
        files::replace(&self.0, text.as_bytes())
    }
}
