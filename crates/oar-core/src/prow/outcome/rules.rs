use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Serialize;

use crate::prow::record::ResultFile;
use crate::prow::registry::{TestJob, TestJobRegistry};

/// Where the rule for a job comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RuleSource {
    /// The registry that the build was started with, stored in the record.
    StartedWith,
    /// The current registry.
    Registry,
    /// No registry knows the job: it counts as required.
    Unknown,
}

/// The rule for one job of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobRule {
    /// The job.
    pub job: TestJob,
    /// The source of the rule.
    pub source: RuleSource,
    /// Whether runs of it may still be started: it is enabled in the current registry.
    pub startable: bool,
}

impl JobRule {
    /// Whether the job counts for acceptance.
    pub fn is_required(&self) -> bool {
        !self.job.optional
    }
}

/// Whether both names end with a frequency and differ only in it: `periodic-ci-x-f360` and
/// `periodic-ci-x-f999`.
pub(super) fn differ_in_frequency_only(left: &str, right: &str) -> bool {
    let stem = |name: &str| {
        let (stem, digits) = name.rsplit_once("-f")?;
        let fits = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        fits.then_some(stem.len())
    };
    match (stem(left), stem(right)) {
        (Some(first), Some(second)) => left != right && left.get(..first) == right.get(..second),
        _ => false,
    }
}

/// The rules for the jobs of one record.
#[derive(Debug, Clone)]
pub struct Rules {
    jobs: IndexMap<String, JobRule>,
    bound: bool,
    complete: bool,
    /// Whether runs of unknown jobs may be started.
    unknown_startable: bool,
}

impl Rules {
    /// The rules for `file`. Without a registry nothing can be started.
    pub fn of(file: &ResultFile, registry: Option<&TestJobRegistry>) -> Self {
        let kind = file.name().build.kind();
        let at_hand = registry.map(|registry| registry.jobs(kind)).unwrap_or_default();
        let startable = |name: &str| at_hand.iter().any(|job| job.name == name && !job.disabled);
        let mut jobs = IndexMap::new();
        let mut add = |job: &TestJob, source| {
            let rule = JobRule { job: job.clone(), source, startable: startable(&job.name) };
            jobs.entry(job.name.clone()).or_insert(rule);
        };
        let started_with = file.started_with();
        for job in started_with.iter().flat_map(|started| &started.jobs) {
            add(job, RuleSource::StartedWith);
        }
        for job in at_hand {
            add(job, RuleSource::Registry);
        }
        let bound = started_with.is_some();
        Self { jobs, bound, complete: bound || registry.is_some(), unknown_startable: false }
    }

    /// The same rules when nothing is started any more, so that only existing runs count.
    #[must_use]
    pub fn when_nothing_starts(mut self) -> Self {
        self.jobs.values_mut().for_each(|rule| rule.startable = false);
        self
    }

    /// The same rules when every job may be started, as for the aggregator once it has the registry.
    #[must_use]
    pub fn all_startable(mut self) -> Self {
        self.jobs.values_mut().for_each(|rule| rule.startable = true);
        self.unknown_startable = true;
        self
    }

    /// The rule for the job called `name`.
    pub fn rule(&self, name: &str) -> JobRule {
        self.jobs.get(name).cloned().unwrap_or_else(|| JobRule {
            job: TestJob::required(name),
            source: RuleSource::Unknown,
            startable: self.unknown_startable,
        })
    }

    /// Whether the record has the registry that the build was started with.
    pub fn is_bound(&self) -> bool {
        self.bound
    }

    /// Whether it is known which jobs must be in the record.
    pub fn is_complete(&self) -> bool {
        self.complete
    }

    /// The jobs that must be in the record, required ones and optional ones.
    pub fn expected(&self) -> impl Iterator<Item = &JobRule> {
        let source = if self.bound { RuleSource::StartedWith } else { RuleSource::Registry };
        self.jobs.values().filter(move |rule| rule.source == source && !rule.job.disabled)
    }
}
