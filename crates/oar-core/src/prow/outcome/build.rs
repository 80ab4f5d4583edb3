use schemars::JsonSchema;
use serde::Serialize;

use super::job::{JobOutcome, JobVerdict};
use super::rules::{JobRule, RuleSource, Rules, differ_in_frequency_only};
use crate::prow::record::ResultFile;

/// What became of a build.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BuildOutcome {
    /// Something has not ended, or is still to be started.
    Open,
    /// Every required job passed.
    Accepted,
    /// One did not, or is missing.
    Rejected,
}

/// The result of a build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildVerdict {
    /// The entries of the record, in its order.
    pub jobs: Vec<JobVerdict>,
    /// The jobs that should be in the record and are not under this name: required ones first to last, then optional ones.
    pub missing: Vec<JobRule>,
    /// Whether the record says which registry it was started with.
    pub bound: bool,
    /// Whether it is known which jobs must be in the record.
    pub complete: bool,
    /// Whether somebody promoted the build by hand.
    pub promoted: bool,
}

impl BuildVerdict {
    /// What became of the build. Acceptance is certain as soon as all required jobs passed, a rejection when everything
    /// has ended: a missing job may still be added.
    pub fn outcome(&self) -> BuildOutcome {
        if self.is_accepted() {
            BuildOutcome::Accepted
        } else if self.has_ended() {
            BuildOutcome::Rejected
        } else {
            BuildOutcome::Open
        }
    }

    /// Whether every required job is there and passed, and there is at least one (spec 04 §7.4, §7.6.4).
    pub fn is_accepted(&self) -> bool {
        self.complete && self.entries_are_accepted() && self.missing_required().next().is_none()
    }

    /// What the rule of the Python tooling gives: it looks only at the entries that are there.
    pub fn entries_are_accepted(&self) -> bool {
        let mut required = self.jobs.iter().filter(|job| job.rule.is_required()).peekable();
        required.peek().is_some() && required.all(|job| job.outcome == JobOutcome::Success)
    }

    /// The same, taking the entries that are there for all that was wanted: how a record looks without any registry.
    #[must_use]
    pub fn by_entries(self) -> Self {
        Self { complete: true, ..self }
    }

    /// Whether nothing of the record is open. An empty record has not ended: nothing was started yet.
    pub fn has_ended(&self) -> bool {
        !self.jobs.is_empty() && self.jobs.iter().all(|job| job.outcome != JobOutcome::Open)
    }

    /// The required jobs that are not in the record.
    ///
    /// Where the current registry stands in for one that is not known, a job that it has renamed since is not missing:
    /// the entry under the old name is its evidence (spec 04 §12).
    pub fn missing_required(&self) -> impl Iterator<Item = &JobRule> {
        let missing = self.missing.iter().filter(|rule| rule.is_required());
        missing.filter(|rule| self.bound || self.recorded_as(rule).is_none())
    }

    /// The entry under which the record has a job that is missing by its name: one that is known to nobody and whose
    /// name differs in the frequency at its end only. An entry stands for one job.
    pub fn recorded_as(&self, rule: &JobRule) -> Option<&JobVerdict> {
        let name = rule.job.name.as_str();
        let alike = |other: &str| differ_in_frequency_only(other, name);
        let before = self.missing.iter().take_while(|other| other.job.name != name);
        let before = before.filter(|other| alike(&other.job.name)).count();
        self.unknown().filter(|entry| alike(&entry.name)).nth(before)
    }

    /// The entries that neither the record nor the current registry knows.
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

/// The result of the build that `file` is about.
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
