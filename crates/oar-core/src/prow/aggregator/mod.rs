//! The test result aggregator: follows the runs of every build to their ends, retries what failed, and accepts what passed
//! (spec 04 §7.2 to §7.4, §7.6).
//!
//! [`super::outcome::next_steps`] alone decides what to do; this module does it and records it. A failure
//! concerns only its own record and is reported; the others continue, and recorded data does not change
//! because a service failed.

mod labels;
mod work;

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::StreamExt;
use futures::stream::iter;
use jiff::SignedDuration;
use schemars::JsonSchema;
use serde::Serialize;

use super::names::{BuildKind, ResultName};
use super::outcome::{AvailableRegistry, Observed, Policy};
use super::record::ResultFile;
use super::registry::TestJobRegistry;
use super::world::{Artifacts, Payloads, RecordEntry, World};
use crate::error::{Classified, ErrorClass};
use crate::failures::{Failures, gravest};
use crate::permit::WritePermit;
use crate::store::{StoreError, Stored};
use crate::version::{Arch, YStream};
use work::Work;

/// Records that are processed at the same time.
const RECORD_CONCURRENCY: usize = 8;
/// Runs and reports of one record that are read at the same time.
const READ_CONCURRENCY: usize = 8;
/// The age of a nightly, by its name, from which its absence from its stream's list counts.
const LISTED_AFTER: SignedDuration = SignedDuration::from_hours(24);
/// A finding or an action, done or planned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Done {
    /// The job; `None` when it concerns the build.
    pub job: Option<String>,
    /// The run of the job.
    pub run: Option<String>,
    /// A short description.
    pub what: String,
}

impl Done {
    fn build(what: impl Into<String>) -> Self {
        Self { job: None, run: None, what: what.into() }
    }

    fn job(job: &str, what: impl Into<String>) -> Self {
        Self { job: Some(job.to_owned()), ..Self::build(what) }
    }

    fn run(job: &str, run: &str, what: impl Into<String>) -> Self {
        Self { run: Some(run.to_owned()), ..Self::job(job, what) }
    }
}

/// The result of one pass for one build.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct BuildReport {
    /// The build.
    pub build: String,
    /// The record.
    pub file: String,
    /// `open`, `accepted`, `rejected`, `removed` or `unknown`.
    pub result: &'static str,
    /// The reasons.
    pub reasons: Vec<String>,
    /// What was done, or would be done.
    pub done: Vec<Done>,
    /// The problems.
    pub problems: Failures,
    /// Number of jobs that were started.
    #[serde(skip)]
    pub started: usize,
    /// Whether this pass completed the record.
    #[serde(skip)]
    pub is_final: bool,
}

impl BuildReport {
    fn new(file: &str, build: String) -> Self {
        Self {
            build,
            file: file.to_owned(),
            result: "unknown",
            reasons: Vec::new(),
            done: Vec::new(),
            problems: Failures::default(),
            started: 0,
            is_final: false,
        }
    }

    fn fail(&mut self, what: &str, error: &(dyn Classified + '_)) {
        self.problem_with_hint(format!("{what}: {error}"), error.class(), error.hint());
    }

    fn problem(&mut self, words: String, class: ErrorClass) {
        self.problem_with_hint(words, class, None);
    }

    fn problem_with_hint(&mut self, words: String, class: ErrorClass, hint: Option<String>) {
        tracing::debug!("{}: {words}", self.build);
        self.problems.add_words(words, class, hint);
    }
}

/// The result of one pass.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
pub struct AggregatorReport {
    /// Number of records.
    pub records: usize,
    /// Number of final records, including those that this pass completed.
    pub finished: usize,
    /// Number of jobs that were started.
    pub started: usize,
    /// The records that are not final, and final ones whose payload lacked its label.
    pub builds: Vec<BuildReport>,
    /// Files whose names are similar to those of records, but not valid.
    pub ignored: Vec<String>,
    /// Problems that do not concern a single record.
    pub problems: Failures,
}

impl AggregatorReport {
    /// The class that decides the exit code ([`Failures`]). A rejected build is not a failure.
    pub fn class(&self) -> Option<ErrorClass> {
        let builds = self.builds.iter().map(|build| &build.problems);
        gravest(builds.chain([&self.problems]).filter_map(Failures::class))
    }

    fn fail(&mut self, what: &str, error: &(dyn Classified + '_)) {
        tracing::debug!("{what}: {error}");
        self.problems.add_words(format!("{what}: {error}"), error.class(), error.hint());
    }
}

/// The result of reading a registry.
#[derive(Clone)]
enum Found {
    Read(Arc<TestJobRegistry>),
    Absent,
    Unreadable,
}

/// Follows the tests of builds.
#[derive(Clone, Copy)]
pub struct Aggregator<'a> {
    /// The services.
    pub world: World<'a>,
    /// The artifacts of runs; `None` when they are not accessible: then there are no test reports, and no run
    /// is given up.
    pub artifacts: Option<&'a dyn Artifacts>,
    /// The payloads of builds; `None` when their cluster is not accessible.
    pub payloads: Option<&'a dyn Payloads>,
    /// The time limits.
    pub policy: Policy,
}

/// The state of a record.
enum Seen {
    /// It is final.
    Final,
    /// It became final recently, with an accepted build: the label of the payload is checked again.
    Fresh(Box<(ResultFile, Stored)>),
    /// It was processed.
    Worked(Box<BuildReport>),
}

impl Aggregator<'_> {
    /// Makes one pass over the records of `arch`. Without a `permit` nothing is changed, and the report says
    /// what would be done.
    pub async fn pass(
        &self,
        arch: Arch,
        permit: Option<&WritePermit>,
    ) -> Result<AggregatorReport, StoreError> {
        let mut report = AggregatorReport::default();
        let entries = self.world.records.list().await?;
        let mut named: Vec<(ResultName, RecordEntry)> = Vec::new();
        for entry in entries {
            if let Ok(name) = entry.name.parse::<ResultName>() {
                if name.arch == arch {
                    named.push((name, entry));
                }
            } else if entry.name.starts_with("ocp-test-result-") {
                report.ignored.push(entry.name);
            }
        }
        report.records = named.len();
        let gone = self.recycled(&named, arch, &mut report).await;
        let registries = self.registries(&named, &mut report).await;
        let entries: Vec<RecordEntry> = named.iter().map(|(_, entry)| entry.clone()).collect();
        let texts = self.world.records.texts(&entries).await;
        let work = named.into_iter().zip(texts).map(|((name, entry), text)| {
            let registry = registries.get(&name.registry().release).cloned().unwrap_or(Found::Absent);
            let gone = gone.contains(&entry.name);
            async move {
                if gone {
                    return Seen::Worked(Box::new(self.remove(&name, &entry, permit).await));
                }
                self.entry(&name, &entry, text, registry, permit).await
            }
        });
        let mut fresh = Vec::new();
        let mut results = iter(work).buffered(RECORD_CONCURRENCY);
        while let Some(seen) = results.next().await {
            match seen {
                Seen::Worked(build) => {
                    report.finished += usize::from(build.is_final);
                    report.builds.push(*build);
                }
                Seen::Final => report.finished += 1,
                Seen::Fresh(record) => {
                    report.finished += 1;
                    fresh.push(*record);
                }
            }
        }
        drop(results);
        report.builds.extend(self.repair_labels(fresh, arch, permit).await);
        report.started = report.builds.iter().map(|build| build.started).sum();
        Ok(report)
    }

    /// The records of nightlies that their streams no longer have. An unreadable list proves nothing (spec 04
    /// §7.6.8), nor does an empty one (§2.5), nor the absence of a nightly so new that it may not be listed
    /// yet.
    async fn recycled(
        &self,
        named: &[(ResultName, RecordEntry)],
        arch: Arch,
        report: &mut AggregatorReport,
    ) -> Vec<String> {
        let mut by_release: BTreeMap<YStream, Vec<&(ResultName, RecordEntry)>> = BTreeMap::new();
        for record in named.iter().filter(|(name, _)| name.build.kind() == BuildKind::Nightly) {
            by_release.entry(record.0.build.y_stream()).or_default().push(record);
        }
        let lists = by_release.into_iter().map(|(release, records)| async move {
            (release, self.world.builds.nightlies(release, arch).await, records)
        });
        let lists: Vec<_> = lists.collect();
        let lists: Vec<_> = iter(lists).buffered(READ_CONCURRENCY).collect().await;
        let now = self.world.clock.now();
        let is_old = |name: &ResultName| {
            name.build.nightly_time().is_some_and(|made| now.duration_since(made) > LISTED_AFTER)
        };
        let mut gone = Vec::new();
        for (release, list, records) in lists {
            match list {
                Ok(list) if list.is_empty() => {
                    let count = records.iter().filter(|(name, _)| is_old(name)).count();
                    tracing::info!("the stream of {release} shows no nightly; records that stay: {count}");
                }
                Ok(list) => gone.extend(
                    records
                        .into_iter()
                        .filter(|(name, _)| is_old(name) && !list.contains(&name.build.to_string()))
                        .map(|(_, entry)| entry.name.clone()),
                ),
                Err(error) => report.fail(&format!("the nightlies of {release}"), &error),
            }
        }
        gone
    }

    async fn registries(
        &self,
        named: &[(ResultName, RecordEntry)],
        report: &mut AggregatorReport,
    ) -> BTreeMap<YStream, Found> {
        let mut wanted: Vec<_> = named.iter().map(|(name, _)| name.registry()).collect();
        wanted.sort_unstable();
        wanted.dedup();
        let read = iter(
            wanted.into_iter().map(|name| async move { (name, self.world.registries.registry(name).await) }),
        );
        let mut found = BTreeMap::new();
        for (name, registry) in read.buffered(READ_CONCURRENCY).collect::<Vec<_>>().await {
            let registry = match registry {
                Ok(Some(registry)) => Found::Read(registry),
                Ok(None) => {
                    tracing::warn!("there is no registry {name}: nothing is started for its builds");
                    Found::Absent
                }
                Err(error) => {
                    report.fail(&format!("the registry {name}"), &error);
                    Found::Unreadable
                }
            };
            found.insert(name.release, registry);
        }
        found
    }

    async fn remove(
        &self,
        name: &ResultName,
        entry: &RecordEntry,
        permit: Option<&WritePermit>,
    ) -> BuildReport {
        let mut report = BuildReport::new(&entry.name, name.build.to_string());
        report.reasons.push("the nightly was recycled: its stream does not have it any more".to_owned());
        let Some(permit) = permit else {
            report.result = "removed";
            report.done.push(Done::build("would be removed"));
            return report;
        };
        let message = format!("{} {}: the nightly was recycled", name.build, name.arch);
        match self.world.records.delete(entry, &message, permit).await {
            Ok(()) => {
                report.result = "removed";
                report.done.push(Done::build("removed the record"));
            }
            Err(error) => report.fail("the record is not removed", &error),
        }
        report
    }

    /// Processes one record.
    async fn entry(
        &self,
        name: &ResultName,
        entry: &RecordEntry,
        text: Result<String, StoreError>,
        registry: Found,
        permit: Option<&WritePermit>,
    ) -> Seen {
        let mut report = BuildReport::new(&entry.name, name.build.to_string());
        let text = match text {
            Ok(text) => text,
            Err(error) => {
                report.fail("the record cannot be read", &error);
                return Seen::Worked(Box::new(report));
            }
        };
        let file = match ResultFile::parse(name, text.as_bytes()) {
            Ok(file) => file,
            Err(problems) => {
                report.problem(problems.to_string(), ErrorClass::Failed);
                return Seen::Worked(Box::new(report));
            }
        };
        let stored = Stored { text, revision: entry.revision.clone() };
        if file.is_aggregated() {
            let good = file.accepted() == Some(true) || file.is_promoted();
            let now = self.world.clock.now();
            let fresh = file.last_end().is_some_and(|end| now.duration_since(end) < labels::REPAIRED_FOR);
            return if good && fresh { Seen::Fresh(Box::new((file, stored))) } else { Seen::Final };
        }
        let work = Work {
            aggregator: *self,
            name,
            registry: match &registry {
                Found::Read(registry) => AvailableRegistry::Read(registry),
                Found::Absent => AvailableRegistry::Absent,
                Found::Unreadable => AvailableRegistry::Unreadable,
            },
            permit,
            file,
            stored: Some(stored),
            observed: Observed::default(),
            label_failed: false,
            no_report: Vec::new(),
            report,
        };
        Seen::Worked(Box::new(work.run().await))
    }
}
