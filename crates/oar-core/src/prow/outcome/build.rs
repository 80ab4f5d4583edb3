use schemars::JsonSchema;
use serde::Serialize;

use super::job::{JobOutcome, JobVerdict};
use super::rules::{JobRule, RuleSource, Rules, differ_in_frequency_only};
use crate::prow::record::ResultFile;

/// The outcome of a build.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BuildOutcome {
    /// Something has not ended, or must still be started.
    Open,
    /// Every required job passed.
    Accepted,
    /// A required job did not pass, or is missing.
    Rejected,
}

/// The result of a build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildVerdict {
    /// The entries of the record, in its order.
    pub jobs: Vec<JobVerdict>,
    /// The jobs that should be in the record but are not, by name: first the required ones, then the optional
    /// ones.
    pub missing: Vec<JobRule>,
    /// Whether the record has the registry that the build was started with.
    pub bound: bool,
    /// Whether it is known which jobs must be in the record.
    pub complete: bool,
    /// Whether the build was promoted by hand.
    pub promoted: bool,
}

impl BuildVerdict {
    /// The build's outcome. It is accepted as soon as all required jobs passed, but rejected only when
    /// everything has ended, because a missing job may still be added.
    pub fn outcome(&self) -> BuildOutcome {
        if self.is_accepted() {
            BuildOutcome::Accepted
        } else if self.has_ended() {
            BuildOutcome::Rejected
        } else {
            BuildOutcome::Open
        }
    }

    /// Whether every required job is in the record and passed, and there is at least one (spec 04 §7.4,
    /// §7.6.4).
    pub fn is_accepted(&self) -> bool {
        self.complete && self.entries_are_accepted() && self.missing_required().next().is_none()
    }

    /// Whether the build is accepted by the rule of the Python tooling, which checks only the existing
    /// entries.
    pub fn entries_are_accepted(&self) -> bool {
        let mut required = self.jobs.iter().filter(|job| job.rule.is_required()).peekable();
        required.peek().is_some() && required.all(|job| job.outcome == JobOutcome::Success)
    }

    /// The verdict without any registry: the existing entries count as complete.
    #[must_use]
    pub fn by_entries(self) -> Self {
        Self { complete: true, ..self }
    }

    /// Whether everything in the record has ended. An empty record has not, because nothing was started yet.
    pub fn has_ended(&self) -> bool {
        !self.jobs.is_empty() && self.jobs.iter().all(|job| job.outcome != JobOutcome::Open)
    }

    /// The required jobs that are not in the record.
    ///
    /// When the current registry is used because the original one is unknown, a job that was renamed since is
    /// not missing: the entry under the old name counts for it (spec 04 §12).
    pub fn missing_required(&self) -> impl Iterator<Item = &JobRule> {
        let missing = self.missing.iter().filter(|rule| rule.is_required());
        missing.filter(|rule| self.bound || self.recorded_as(rule).is_none())
    }

    /// The entry of a job that is missing by its name: an entry that no registry knows and whose name differs
    /// only in the frequency at its end. An entry counts for one job.
    pub fn recorded_as(&self, rule: &JobRule) -> Option<&JobVerdict> {
        let name = rule.job.name.as_str();
        let alike = |other: &str| differ_in_frequency_only(other, name);
        let before = self.missing.iter().take_while(|other| other.job.name != name);
        let before = before.filter(|other| alike(&other.job.name)).count();
        self.unknown().filter(|entry| alike(&entry.name)).nth(before)
    }

    /// The entries that neither the record's registry nor the current one knows.
    pub fn unknown(&self) -> impl Iterator<Item = &JobVerdict> {
        self.jobs.iter().filter(|job| job.rule.source == RuleSource::Unknown)
    }

    /// Why the build is accepted or not, a sentence per reason.
    pub fn reasons(&self) -> Vec<String> {
        let mut reasons = Vec::new();
        for job in self.jobs.iter().filter(|job| job.rule.is_required() && job.outcome != JobOutcome::Success)
        {
            reasons.push(format!("{}: {}", job.name, job.reason()));
        }
        for rule in self.missing_required() {
            reasons.push(format!("{}: required, and not in the record", rule.job.name));
        }
        if !self.complete {
            reasons.push("no registry says which jobs are required".to_owned());
        }
        if self.jobs.is_empty() {
            reasons.push("no job was started".to_owned());
        } else if self.jobs.iter().all(|job| !job.rule.is_required()) && reasons.is_empty() {
            reasons.push("none of the jobs is required, so that nothing was shown".to_owned());
        }
        if reasons.is_empty() {
            reasons.push("every required job passed".to_owned());
        }
        if self.promoted && !self.is_accepted() {
            reasons.push("promoted by hand".to_owned());
        }
        reasons
    }
}

/// Evaluates the build of `file`.
pub fn judge(file: &ResultFile, rules: &Rules) -> BuildVerdict {
    let jobs: Vec<JobVerdict> = file.jobs().map(|job| JobVerdict::of(job, rules.rule(&job.name()))).collect();
    let missing = |required: bool| {
        rules
            .expected()
            .filter(move |rule| rule.is_required() == required)
            .filter(|rule| jobs.iter().all(|job| job.name != rule.job.name))
    };
    let missing = missing(true).chain(missing(false)).cloned().collect();
    BuildVerdict {
        missing,
        bound: rules.is_bound(),
        complete: rules.is_complete(),
        promoted: file.is_promoted(),
        jobs,
    }
}
