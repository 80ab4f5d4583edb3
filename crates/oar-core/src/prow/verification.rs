//! Checks stored files together, with the registries of the jobs that records should contain.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::Serialize;

use super::names::{LatestName, RegistryName, ResultName};
use super::registry::TestJobRegistry;
use super::verify::{Agreement, NoteKind, Verified, verify_file};
use super::view::JobListSource;
use crate::error::ErrorClass;

/// A file's name and content.
pub type NamedFile = (String, Vec<u8>);

/// Whether this is the name of a record, a latest file or a registry.
pub fn is_stored_file(name: &str) -> bool {
    name.parse::<ResultName>().is_ok()
        || name.parse::<LatestName>().is_ok()
        || name.parse::<RegistryName>().is_ok()
}

/// Whether this has the name of a registry, but not for a minor version: `ocp-4.x-test-jobs-amd64.json`,
/// which no program reads (spec 04 §5.5).
pub fn is_of_no_minor(name: &str) -> bool {
    name.starts_with("ocp-") && name.contains("-test-jobs-") && name.parse::<RegistryName>().is_err()
}

/// Registries of test jobs, by name.
#[derive(Debug, Default)]
pub struct Registries {
    good: BTreeMap<RegistryName, TestJobRegistry>,
    /// The problems of refused registries, one line each.
    pub refused: Vec<String>,
}

impl Registries {
    /// The registries among `files`.
    pub fn of(files: impl IntoIterator<Item = NamedFile>) -> Self {
        let mut registries = Self::default();
        for (name, bytes) in files {
            let Ok(name) = name.parse::<RegistryName>() else { continue };
            match TestJobRegistry::parse(name, &bytes) {
                Ok(registry) => {
                    registries.good.insert(name, registry);
                }
                Err(problems) => registries.refused.extend(problems.iter().map(ToString::to_string)),
            }
        }
        registries
    }

    /// Whether there is none, not even a refused one.
    pub fn is_empty(&self) -> bool {
        self.good.is_empty() && self.refused.is_empty()
    }

    /// The registry with this name.
    pub fn find(&self, name: RegistryName) -> Option<&TestJobRegistry> {
        self.good.get(&name)
    }
}

/// The number of files of each kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Summary {
    /// All files.
    pub files: usize,
    /// Files that agree with their runs.
    pub agree: usize,
    /// Files that do not, for a known and acceptable reason.
    pub exceptions: usize,
    /// Files whose builds are still being tested.
    pub open: usize,
    /// Files that do not agree with their runs.
    pub disagree: usize,
    /// Files that cannot be parsed.
    pub unreadable: usize,
    /// Files without an enabled required job.
    pub lacking_jobs: usize,
    /// Files with a job that passed with at most half of its runs.
    pub no_majority: usize,
    /// Files with inconsistent data of a run.
    pub odd_runs: usize,
    /// Files whose bytes are not what the programs write.
    pub not_exact: usize,
}

impl Summary {
    fn of(checked: &[Verified]) -> Self {
        let mut summary = Self { files: checked.len(), ..Self::default() };
        for verified in checked {
            let sort = match verified.agreement {
                Agreement::Agrees => &mut summary.agree,
                Agreement::Exception(_) => &mut summary.exceptions,
                Agreement::Open => &mut summary.open,
                Agreement::Disagrees(_) => &mut summary.disagree,
                Agreement::Unreadable(_) => &mut summary.unreadable,
            };
            *sort += 1;
            summary.lacking_jobs += usize::from(lacks(verified));
            let noted = |kind| usize::from(verified.notes.iter().any(|note| note.kind == kind));
            summary.no_majority += noted(NoteKind::NoMajority);
            summary.odd_runs += noted(NoteKind::OddRun);
            summary.not_exact += noted(NoteKind::Form);
        }
        summary
    }
}

/// The result of checking files.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Verification {
    /// The files, in their order.
    pub files: Vec<Verified>,
    /// Files that cannot be checked, and why.
    pub unusable: Vec<String>,
    /// The problems of registries that are not used.
    pub refused_registries: Vec<String>,
    /// The number of files of each kind.
    pub summary: Summary,
}

impl Verification {
    /// Checks `files`, each with its displayed name; one that could not be read has the error instead of a
    /// content.
    pub fn of(
        files: impl IntoIterator<Item = (String, Result<NamedFile, String>)>,
        registries: &Registries,
    ) -> Self {
        let (mut checked, mut unusable) = (Vec::new(), Vec::new());
        for (shown, file) in files {
            let verified = file.and_then(|(name, bytes)| {
                verify_file(&name, &bytes, |name| registries.find(name)).ok_or_else(|| {
                    "this is the name neither of a record (ocp-test-result-4.20.27-amd64.json), nor of a latest file \
                     (ocp-latest-4.20-stable-amd64.json), nor of a registry (ocp-4.20-test-jobs-amd64.json)"
                        .to_owned()
                })
            });
            match verified {
                Ok(verified) => checked.push(verified),
                Err(reason) => unusable.push(format!("{shown}: {reason}")),
            }
        }
        let summary = Summary::of(&checked);
        Self { files: checked, unusable, refused_registries: registries.refused.clone(), summary }
    }

    /// The class that decides the exit code; `strict` also counts builds that were accepted without all
    /// required jobs, and files that are not byte-exact.
    pub fn class(&self, strict: bool) -> Option<ErrorClass> {
        if !self.unusable.is_empty() {
            return Some(ErrorClass::Usage);
        }
        let is_bad = |verified: &Verified| verified.is_bad() || (strict && verified.is_weak());
        (self.files.iter().any(is_bad) || !self.refused_registries.is_empty()).then_some(ErrorClass::Failed)
    }

    /// The registries that records need and that are missing.
    pub fn missing_registries(&self) -> BTreeSet<RegistryName> {
        let entries_only =
            self.files.iter().filter(|verified| verified.judged_by == Some(JobListSource::EntriesOnly));
        entries_only
            .filter_map(|verified| Some(verified.file.parse::<ResultName>().ok()?.registry()))
            .collect()
    }
}

fn lacks(verified: &Verified) -> bool {
    verified.lacks.iter().any(|job| job.required && job.recorded_as.is_none())
}
