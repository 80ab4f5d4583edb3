//! Grades that were read a short time ago, so that asking again costs nothing.
//!
//! Only healthy images are kept, and only for an hour: unhealthy and unknown ones are always read again. The
//! file is in the user's cache directory and can be deleted at any time; a damaged one is as good as none.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use indexmap::IndexMap;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::clients::catalog::{CatalogImage, FreshnessGrade};
use crate::files;
use crate::ids::Digest;

/// How long an entry is valid, in seconds.
const LIFETIME: i64 = 3600;
/// The most entries; the oldest go first.
const ENTRIES: usize = 5000;
/// The largest file that is read, in bytes.
const SIZE_LIMIT: u64 = 8 * 1024 * 1024;

/// A file with grades.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GradeCache {
    path: PathBuf,
    /// The catalog that the entries come from: those of another one do not count.
    source: String,
}

#[derive(Serialize, Deserialize)]
struct File {
    source: String,
    images: IndexMap<String, Entry>,
}

#[derive(Clone, Serialize, Deserialize)]
struct Entry {
    read: Timestamp,
    grades: Vec<Kept>,
}

#[derive(Clone, Serialize, Deserialize)]
struct Kept(Option<String>, Option<String>, Option<String>);

impl GradeCache {
    /// The cache in `directory`, of the catalog at `source`.
    pub fn new(directory: &Path, source: &str) -> Self {
        Self { path: directory.join("image-grades.json"), source: source.to_owned() }
    }

    /// The entries of `digests` that are valid at `now`.
    pub(super) fn read(&self, digests: &BTreeSet<Digest>, now: Timestamp) -> HashMap<Digest, CatalogImage> {
        let file = self.load();
        let known = digests.iter().filter_map(|digest| {
            let entry = file.images.get(digest.as_str()).filter(|entry| is_fresh(entry, now))?;
            let grades = entry
                .grades
                .iter()
                .cloned()
                .map(|Kept(grade, start_date, end_date)| FreshnessGrade { grade, start_date, end_date });
            let image = CatalogImage { records: 1, grades: grades.collect(), ..CatalogImage::default() };
            // The grade itself is computed again, so a period that ends within the hour is honoured.
            super::effective(&image.grades, now).ok().filter(|grade| grade.is_healthy())?;
            Some((digest.clone(), image))
        });
        known.collect()
    }

    /// Keeps `images`. A failure is only logged: the cache is a convenience.
    pub(super) fn write<'a>(
        &self,
        images: impl Iterator<Item = (&'a Digest, &'a CatalogImage)>,
        now: Timestamp,
    ) {
        let mut images = images.peekable();
        if images.peek().is_none() {
            return;
        }
        let mut file = self.load();
        file.images.retain(|_, entry| is_fresh(entry, now));
        for (digest, image) in images {
            let grades =
                image.grades.iter().cloned().map(|entry| Kept(entry.grade, entry.start_date, entry.end_date));
            file.images.insert(digest.as_str().to_owned(), Entry { read: now, grades: grades.collect() });
        }
        let surplus = file.images.len().saturating_sub(ENTRIES);
        file.images.drain(..surplus);
        if let Err(error) = self.store(&file) {
            tracing::debug!("image grades are not kept in {}: {error}", self.path.display());
        }
    }

    fn load(&self) -> File {
        let empty = || File { source: self.source.clone(), images: IndexMap::new() };
        let text = files::read(&self.path, SIZE_LIMIT).unwrap_or_default();
        serde_json::from_slice(&text)
            .ok()
            .filter(|file: &File| file.source == self.source)
            .unwrap_or_else(empty)
    }

    fn store(&self, file: &File) -> std::io::Result<()> {
        files::replace(&self.path, &serde_json::to_vec(file)?)
    }
}

fn is_fresh(entry: &Entry, now: Timestamp) -> bool {
    (0..LIFETIME).contains(&(now.as_second() - entry.read.as_second()))
}
