//! The jobs that a release requires, each started once.

use std::borrow::Cow;
use std::collections::BTreeMap;

use indexmap::IndexMap;
use jiff::Timestamp;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::start::intent;
use super::{Event, JobError, JobOrder, JobRun, Key, Starter};
use crate::clients::Clients;
use crate::failures::Failures;
use crate::permit::WritePermit;
use crate::prow::environment::{self, Column, JobImages};
use crate::prow::outcome::counted;
use crate::prow::runs::{AdoptableRuns, RunIntent, StartedRun};
use crate::targets::LASTING_TARGET;
use crate::version::{ReleaseVersion, YStream};

/// The required jobs by minor version: `{"4.10": ["periodic-ci-…"]}`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "BTreeMap<String, Vec<String>>")]
pub struct RequiredJobs {
    jobs: BTreeMap<String, Vec<String>>,
    /// The list's name in messages.
    name: String,
}

impl From<BTreeMap<String, Vec<String>>> for RequiredJobs {
    fn from(jobs: BTreeMap<String, Vec<String>>) -> Self {
        Self { jobs, name: "the list of required jobs".to_owned() }
    }
}

impl JsonSchema for RequiredJobs {
    fn schema_name() -> Cow<'static, str> {
        "RequiredJobs".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        BTreeMap::<String, Vec<String>>::json_schema(generator)
    }
}

impl RequiredJobs {
    /// Reads the list called `name`.
    pub fn parse(text: &str, name: impl Into<String>) -> Result<Self, JobError> {
        let name = name.into();
        match serde_json::from_str(text) {
            Ok(jobs) => Ok(Self { jobs, name }),
            Err(error) => Err(JobError::usage(format!("{name} is not a list of required jobs: {error}"))
                .with_hint("It maps minor versions to lists of jobs: {\"4.10\": [\"periodic-ci-…\"]}.")),
        }
    }

    /// The same list, called `name` in messages.
    #[must_use]
    pub fn called(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// The jobs of the minor versions `channels`, each once, as they test the release `version`.
    pub fn orders(&self, channels: &[YStream], version: &ReleaseVersion) -> Result<Vec<JobOrder>, JobError> {
        let Self { jobs: lists, name } = self;
        let mut jobs = IndexMap::new();
        for channel in channels {
            let list = lists.get(&channel.to_string()).ok_or_else(|| {
                let known: Vec<&str> = lists.keys().map(String::as_str).collect();
                let known = if known.is_empty() { "nothing".to_owned() } else { known.join(", ") };
                JobError::usage(format!("{name} has no jobs for {channel}; it has some for {known}"))
            })?;
            for job in list {
                if job.trim().is_empty() || job.contains(char::is_whitespace) {
                    let words = format!("{name} has `{job}` for {channel}, which is not the name of a job");
                    return Err(JobError::usage(words));
                }
                jobs.insert(job.clone(), order(job, version)?);
            }
        }
        Ok(jobs.into_values().collect())
    }
}

/// What a job is started with, by its name (spec 04 §1.2).
fn order(job: &str, version: &ReleaseVersion) -> Result<JobOrder, JobError> {
    let suffix = if job.contains("arm64") { "aarch64" } else { "x86_64" };
    let payload = format!("quay.io/openshift-release-dev/ocp-release:{version}-{suffix}");
    let images = if job.contains("upgrade-from-stable") {
        JobImages::UpgradeTo(payload)
    } else if job.contains("upgrade") {
        JobImages::Configured
    } else {
        JobImages::Payload(payload)
    };
    let envs = environment::variables(&images, Column::of_images(&images))
        .map_err(|error| JobError::usage(format!("{job}: {error}")))?;
    Ok(JobOrder { job: job.to_owned(), images, envs })
}

/// The keys of the runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keys {
    /// Derived from job and release, so that a call finds the runs of another one.
    Once,
    /// New ones.
    Again(Uuid),
    /// Those of an earlier call.
    CarryOn(Uuid),
}

impl Keys {
    /// The keys of a call that requests new runs (`again`), or those of an earlier call under `key`.
    pub fn of(again: bool, key: Option<Key>) -> Self {
        match key {
            Some(Key(key)) => Self::CarryOn(key),
            None if again => Self::Again(Uuid::now_v7()),
            None => Self::Once,
        }
    }

    fn intent(self, order: &JobOrder, version: &ReleaseVersion, now: Timestamp) -> RunIntent {
        let JobOrder { job, envs, .. } = order;
        match self {
            Self::Again(key) => intent(job, envs, key, now, false),
            Self::CarryOn(key) => intent(job, envs, key, now, true),
            Self::Once => {
                let name = format!("job run_required {version} {job}");
                let key = Uuid::new_v5(&Uuid::NAMESPACE_URL, name.as_bytes()).simple().to_string();
                RunIntent { key, ..intent(job, envs, Uuid::nil(), now, true) }
            }
        }
    }

    /// How to continue after a start that may have succeeded.
    pub fn repeated(self) -> String {
        let how = match self {
            Self::Again(key) => format!("with `--key {key}` in place of --again "),
            Self::Once | Self::CarryOn(_) => String::new(),
        };
        let never = match self {
            Self::Once => " A job that has never run is started with --again.",
            Self::Again(_) | Self::CarryOn(_) => "",
        };
        format!("Run the same command {how}again: it looks for each run first and starts none twice.{never}")
    }
}

/// The result of a dry run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct PlannedStarts {
    /// Always `true`.
    pub dry_run: bool,
    /// The jobs that would be started.
    pub jobs: Vec<PlannedStart>,
}

/// One job that would be started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct PlannedStart {
    /// Its name.
    pub job: String,
    /// The variables that it would be started with.
    pub envs: IndexMap<String, String>,
}

impl PlannedStarts {
    /// The plan for `orders`.
    pub fn of(orders: Vec<JobOrder>) -> Self {
        let jobs = orders.into_iter().map(|JobOrder { job, envs, .. }| PlannedStart { job, envs });
        Self { dry_run: true, jobs: jobs.collect() }
    }
}

/// The result for one job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct RequiredJob {
    /// The job.
    pub job: String,
    /// The id of its run.
    pub id: Option<String>,
    /// `started`, `found` or `failed`.
    pub result: &'static str,
    /// Why it was not started.
    pub problem: Option<String>,
}

/// The result for all jobs.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(transparent)]
pub struct RequiredReport {
    /// The jobs, in their order.
    pub jobs: Vec<RequiredJob>,
    /// The runs, as far as they are known without reading them.
    #[serde(skip)]
    pub runs: Vec<JobRun>,
    /// The failures.
    #[serde(skip)]
    pub failures: Failures,
}

impl RequiredReport {
    /// The runs as Prow shows them. For one that it does not show yet, the known data is returned.
    pub async fn looked_at(&self, clients: &Clients) -> Vec<JobRun> {
        let ids: Vec<String> = self.runs.iter().map(|run| run.id.clone()).collect();
        let looks = clients.prow().jobs(&ids).await;
        let seen = self.runs.iter().cloned().zip(looks).map(|(run, look)| match look {
            Ok(Some(job)) => run.seen(&job),
            _ => run,
        });
        seen.collect()
    }
}

/// Starts the jobs one after the other; a failure does not affect the others.
pub async fn start_required(
    starter: &mut Starter<'_>,
    orders: Vec<JobOrder>,
    version: &ReleaseVersion,
    keys: Keys,
    permit: &WritePermit,
) -> RequiredReport {
    if let Keys::Again(key) = keys {
        tracing::info!(target: LASTING_TARGET, "starting {} under the key {key}", counted(orders.len(), "job"));
    }
    let mut report = RequiredReport { jobs: Vec::new(), runs: Vec::new(), failures: Failures::default() };
    for order in orders {
        let intent = keys.intent(&order, version, starter.clock.now());
        // A run that a person or another program started for this release counts too.
        let strangers = (keys == Keys::Once).then_some(AdoptableRuns::Any);
        let result = starter.once(&intent, strangers, &keys.repeated(), permit).await;
        let JobOrder { job, images, envs } = order;
        let (row, failure) = match result {
            Ok(run) => {
                let result = if matches!(run, StartedRun::New { .. }) { "started" } else { "found" };
                report.runs.push(JobRun::started(&job, run.id(), &images, envs));
                (RequiredJob { job, id: Some(run.id().to_owned()), result, problem: None }, None)
            }
            Err(error) => {
                let error = error.about(&job);
                let problem = Some(error.to_string());
                (RequiredJob { job, id: None, result: "failed", problem }, Some(error))
            }
        };
        (starter.tell)(Event::Required(&row, failure.as_ref()));
        if let Some(failure) = &failure {
            report.failures.add(failure);
        }
        report.jobs.push(row);
    }
    report
}

#[cfg(test)]
mod tests {
    use super::*;

    fn envs(job: &str) -> Vec<(String, String)> {
        order(job, &"4.10.63".parse().unwrap()).unwrap().envs.into_iter().collect()
    }

    fn set(variables: &[(&str, &str)]) -> Vec<(String, String)> {
        variables
            .iter()
            .map(|(name, suffix)| {
                let image = format!("quay.io/openshift-release-dev/ocp-release:4.10.63-{suffix}");
                (format!("RELEASE_IMAGE_{name}"), image)
            })
            .collect()
    }

    #[test]
    fn the_name_of_a_job_decides_what_it_is_started_with() {
        for (job, expected) in [
            ("periodic-ci-demo-install", set(&[("LATEST", "x86_64")])),
            ("periodic-ci-demo-upgrade-from-stable-4.9", set(&[("TARGET", "x86_64")])),
            ("periodic-ci-demo-upgrade-from-eus", set(&[])),
            ("periodic-ci-demo-arm64-install", set(&[("LATEST", "x86_64"), ("ARM64_LATEST", "aarch64")])),
            (
                "periodic-ci-demo-arm64-upgrade-from-stable-4.9",
                set(&[("LATEST", "x86_64"), ("ARM64_TARGET", "aarch64")]),
            ),
            ("periodic-ci-demo-arm64-upgrade-from-eus", set(&[])),
        ] {
            assert_eq!(envs(job), expected, "{job}");
        }
    }
}
