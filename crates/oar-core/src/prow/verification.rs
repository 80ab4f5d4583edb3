//! Stored files checked together, with the registries that say what records should hold.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::Serialize;

use super::names::{LatestName, RegistryName, ResultName};
use super::registry::TestJobRegistry;
use super::verify::{Agreement, NoteKind, Verified, verify_file};
use super::view::JobListSource;
use crate::error::ErrorClass;

/// A file by its own name, and what it holds.
pub type NamedFile = (String, Vec<u8>);

/// Whether this is the name of a record, a latest file or a registry.
pub fn is_stored_file(name: &str) -> bool {
    name.parse::<ResultName>().is_ok()
        || name.parse::<LatestName>().is_ok()
        || name.parse::<RegistryName>().is_ok()
}

/// Whether this is named like a registry, but for something else than a minor version: `ocp-4.x-test-jobs-amd64.json`,
/// which no program reads (spec 04 §5.5).
pub fn is_of_no_minor(name: &str) -> bool {
    name.starts_with("ocp-") && name.contains("-test-jobs-") && name.parse::<RegistryName>().is_err()
}

/// Registries of test jobs, by name.
#[derive(Debug, Default)]
pub struct Registries {
    good: BTreeMap<RegistryName, TestJobRegistry>,
    /// What is wrong with those that are refused, a line per problem.
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

    /// Whether there is none, not even one that is refused.
    pub fn is_empty(&self) -> bool {
        self.good.is_empty() && self.refused.is_empty()
    }

    /// The registry with this name.
    pub fn find(&self, name: RegistryName) -> Option<&TestJobRegistry> {
        self.good.get(&name)
    }
}

/// How many files there are of each sort.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Summary {
    /// All of them.
    pub files: usize,
    /// They say what they should.
    pub agree: usize,
    /// They do not, for a reason that is known and no fault.
    pub exceptions: usize,
    /// Their builds are still tested.
    pub open: usize,
    /// They do not say what they should.
    pub disagree: usize,
    /// They cannot be understood.
    pub unreadable: usize,
    /// They lack an enabled required job.
    pub lacking_jobs: usize,
    /// A job passed with no more than half of its runs.
    pub no_majority: usize,
    /// The data of a run do not go together.
    pub odd_runs: usize,
    /// Their bytes are not those that the programs write.
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

/// What checking files gave.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Verification {
    /// The files, in their order.
    pub files: Vec<Verified>,
    /// Files that cannot be checked, and why.
    pub unusable: Vec<String>,
    /// What is wrong with the registries that are not used.
    pub refused_registries: Vec<String>,
    /// How many there are of each sort.
    pub summary: Summary,
}

impl Verification {
    /// Checks `files`, each with the name that it is shown by; one that could not be read comes with why.
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

    /// The class that decides the exit code; `strict` also counts builds that were accepted on part of the evidence, and
    /// files that are not written exactly.
    pub fn class(&self, strict: bool) -> Option<ErrorClass> {
        if !self.unusable.is_empty() {
            return Some(ErrorClass::Usage);
        }
        let is_bad = |verified: &Verified| verified.is_bad() || (strict && verified.is_weak());
        (self.files.iter().any(is_bad) || !self.refused_registries.is_empty()).then_some(ErrorClass::Failed)
    }

    /// The registries that records needed and that were not there.
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
