//! The jobs of one build: which are started, and which interrupted starts of others are continued.

use std::collections::BTreeSet;
use std::sync::Arc;

use indexmap::IndexMap;
use jiff::Timestamp;

use super::{Controller, ControllerError, ControllerReport, Existing};
use crate::permit::WritePermit;
use crate::prow::change::{change, read};
use crate::prow::names::{BuildName, ResultName};
use crate::prow::outcome::{AvailableRegistry, Observed, Policy, Step, next_steps};
use crate::prow::record::{Build, Intent, Job, ResultFile, Stage};
use crate::prow::registry::{TestJob, TestJobRegistry};
use crate::prow::starter::{JobStart, Sources, StartError, StartResult, Starter, environment_of, intents};
use crate::store::Stored;
use crate::store::transaction::Start;
use crate::version::Arch;

/// How a build must be tested.
pub(super) struct Tests<'a> {
    pub(super) build: &'a Build,
    pub(super) name: &'a ResultName,
    pub(super) registry: &'a TestJobRegistry,
    pub(super) existing: Existing,
    /// The record of the build, as it was read.
    pub(super) known: Option<(ResultFile, Stored)>,
}

/// A record with the intents to start what is missing.
pub(super) struct Intended {
    name: ResultName,
    pub(super) file: ResultFile,
    stored: Option<Stored>,
    /// The intents that this process must start.
    pub(super) ours: Vec<(TestJob, Intent)>,
    /// The data that the jobs need.
    sources: Sources,
}

impl Controller<'_> {
    /// Reads the registry of a build and its record, if there is one, at the same time.
    pub(super) async fn registry_and_record(
        &self,
        name: &ResultName,
    ) -> Result<(Option<Arc<TestJobRegistry>>, Option<(ResultFile, Stored)>), ControllerError> {
        let (registry, known) = futures::future::join(self.registry(name), read(self.world, name)).await;
        match registry? {
            // Without tests there is no record.
            None => Ok((None, None)),
            registry => Ok((registry, known?)),
        }
    }

    /// Records the intents; `None` when the registry has no jobs to start. The data that the jobs need is
    /// read at the same time; if that fails, the intents are recorded all the same.
    pub(super) async fn intend(
        &self,
        tests: Tests<'_>,
        permit: &WritePermit,
        report: &mut ControllerReport,
    ) -> Result<Option<Intended>, ControllerError> {
        let Tests { build, name, registry, existing, known } = tests;
        let now = self.world.clock.now();
        let ours = Self::ours(registry, build, now, report);
        if ours.is_empty() {
            return Ok(None);
        }
        let likely = self.wanted(known.as_ref().map(|(file, _)| file), registry, &ours, existing, now);
        let needed = Sources::are_needed(likely.iter().map(|(job, _)| job), build);
        let sources = Sources::of(self.world, needed, build, name.arch);
        let start = match known {
            Some((_, stored)) => Start::Known { stored: Some(stored), recent: true },
            None => Start::Known { stored: None, recent: false },
        };
        let message = format!("{} {}: about to start its test jobs", build.name, name.arch);
        let create = || ResultFile::create(name.clone(), build.clone(), &ours, now);
        let changed = change(self.world, name, &message, start, permit, Some(&create), |file| {
            let wanted = self.wanted(Some(file), registry, &ours, existing, now);
            if existing == Existing::StartAgain {
                for (job, intent) in &wanted {
                    let _ = file.intend_restart(job, *intent, now);
                }
                return Ok(wanted);
            }
            Ok(file.intend_first_runs(&wanted, now))
        });
        let (changed, sources) = futures::future::join(changed, sources).await;
        let changed = changed?;
        let (file, stored, ours) = (changed.file, changed.stored, changed.answer);
        Ok(Some(Intended { name: name.clone(), file, stored, ours, sources }))
    }

    /// Whether another process recorded intents a moment ago and is about to start them.
    pub(super) fn is_started_elsewhere(&self, file: &ResultFile, ours: &[(TestJob, Intent)]) -> bool {
        let now = self.world.clock.now();
        let intent_lease = self.world.intent_lease.unsigned_abs();
        intents(file)
            .filter(|standing| ours.iter().all(|(_, intent)| *intent != standing.intent))
            .any(|standing| !standing.unsent && standing.intent.is_fresh(now, intent_lease))
    }

    /// Starts the intended runs, and continues starts that others left unfinished.
    pub(super) async fn begin(
        &self,
        intended: Intended,
        registry: &TestJobRegistry,
        permit: &WritePermit,
        report: &mut ControllerReport,
    ) -> ResultFile {
        let Intended { name, file, stored, ours, sources } = intended;
        let mine = ours.iter().map(|(_, intent)| *intent).collect();
        let left = self.left_behind(&file, mine, registry);
        let jobs = ours.iter().map(|(job, _)| job).chain(left.iter().map(|(job, ..)| job));
        let needed = Sources::are_needed(jobs, file.build());
        let sources = sources.completed(self.world, needed, file.build(), name.arch).await;
        let mut starter = Starter::new(self.world, permit, &name, file, stored);
        let ours = ours.into_iter().map(|(job, intent)| (job, intent, true)).collect();
        report.jobs.extend(starter.start(starter.prepare(ours, &sources)).await);
        report.jobs.extend(starter.take_over(starter.prepare(left, &sources)).await);
        let file = starter.file();
        let left = if file.is_aggregated() { 0 } else { intents(file).count() };
        if left > 0 {
            report.warnings.push(format!(
                "jobs of {} that are not started yet: {left}; a later pass continues",
                name.build
            ));
        }
        file.clone()
    }

    /// Adds the jobs of which `file` still holds an intent that this process did not settle: another program may be
    /// starting them.
    pub(super) fn add_standing(file: &ResultFile, report: &mut ControllerReport) {
        if file.is_aggregated() {
            return;
        }
        for job in file.jobs() {
            let name = job.name();
            let stands = job.runs().any(|run| matches!(run.stage(), Stage::Intended(_)));
            if stands && report.jobs.iter().all(|known| known.job != name) {
                report.jobs.push(JobStart::left_to_others(name.to_string()));
            }
        }
    }

    /// The jobs of the registry, each with a new intent.
    fn ours(
        registry: &TestJobRegistry,
        build: &Build,
        now: Timestamp,
        report: &mut ControllerReport,
    ) -> Vec<(TestJob, Intent)> {
        let kind = build.name.kind();
        let ours: Vec<_> = registry.enabled(kind).map(|job| (job.clone(), Intent::at(now))).collect();
        if ours.is_empty() {
            report.warnings.push(format!("{} names no job for {kind} builds", registry.name()));
        }
        ours
    }

    /// The jobs of `ours` that may be added to the record, including those that already have this process's
    /// intents there.
    fn wanted(
        &self,
        file: Option<&ResultFile>,
        registry: &TestJobRegistry,
        ours: &[(TestJob, Intent)],
        existing: Existing,
        now: Timestamp,
    ) -> Vec<(TestJob, Intent)> {
        let Some(file) = file.filter(|_| existing != Existing::StartAgain) else { return ours.to_vec() };
        let lacking: Option<BTreeSet<String>> = (existing == Existing::Leave).then(|| {
            let steps = next_steps(
                file,
                AvailableRegistry::Read(registry),
                &Observed::default(),
                &self.policy(),
                now,
            );
            let first = steps.into_iter().filter_map(|step| match step {
                Step::StartFirst { jobs } => Some(jobs),
                _ => None,
            });
            first.flatten().map(|job| job.name).collect()
        });
        let wanted = ours.iter().filter(|(job, intent)| {
            let mut entries = file.entries(&job.name).peekable();
            let stands = file
                .entries(&job.name)
                .flat_map(Job::runs)
                .any(|run| run.id().is_some_and(|id| Intent::of_id(&id) == Some(*intent)));
            let absent = entries.peek().is_none() || entries.any(|entry| entry.first().is_none());
            stands || (absent && lacking.as_ref().is_none_or(|lacking| lacking.contains(&job.name)))
        });
        wanted.cloned().collect()
    }

    /// Reports what would be started, and which starts of others would be continued.
    pub(super) async fn plan(&self, tests: Tests<'_>, report: &mut ControllerReport) {
        let Tests { build, name, registry, existing, known } = tests;
        let now = self.world.clock.now();
        let ours = Self::ours(registry, build, now, report);
        let known = known.map(|(file, _)| file);
        let wanted = self.wanted(known.as_ref(), registry, &ours, existing, now);
        let needed = Sources::are_needed(wanted.iter().map(|(job, _)| job), build);
        let sources = Sources::of(self.world, needed, build, name.arch).await;
        for (job, _) in wanted {
            match environment_of(&job, build, name.arch, &sources) {
                Ok(envs) => report.planned.push(format!("start {} with {}", job.name, shown(&envs))),
                Err(error) => {
                    report.jobs.push(JobStart::new(job.name, &StartResult::Not(StartError::Prepare(error))));
                }
            }
        }
        if let Some(file) = known {
            self.plan_to_resume(&file, registry, report);
        }
    }

    /// Continues the unfinished starts of a build.
    pub(super) async fn resume_starts(
        &self,
        build: &BuildName,
        arch: Arch,
        permit: Option<&WritePermit>,
        report: &mut ControllerReport,
    ) -> Result<(), ControllerError> {
        let name = ResultName { build: build.clone(), arch };
        let Some((file, stored)) = read(self.world, &name).await? else {
            if self
                .registry(&name)
                .await?
                .is_some_and(|registry| registry.enabled(build.kind()).next().is_some())
            {
                report.warnings.push(format!(
                    "{build} is the recorded latest build and has no record of tests; if nobody is starting them now, \
                     run `jobctl trigger-jobs-for-build --build {build} --arch {arch}`"
                ));
            }
            return Ok(());
        };
        if intents(&file).next().is_none() {
            return Ok(());
        }
        // Without a registry it is unknown whether the jobs may still be started.
        let Some(registry) = self.registry(&name).await? else { return Ok(()) };
        if let Some(permit) = permit {
            let (stored, sources) = (Some(stored), Sources::default());
            let intended = Intended { name, file, stored, ours: Vec::new(), sources };
            let _ = self.begin(intended, &registry, permit, report).await;
            return Ok(());
        }
        self.plan_to_resume(&file, &registry, report);
        Ok(())
    }

    /// Reports which starts of others would be continued.
    fn plan_to_resume(&self, file: &ResultFile, registry: &TestJobRegistry, report: &mut ControllerReport) {
        let left = self.left_behind(file, BTreeSet::new(), registry);
        for (job, _, may_start) in left {
            report.planned.push(if may_start {
                format!("go on with the start of {}", job.name)
            } else {
                format!("look for the run of {}, and give it up when it is not there", job.name)
            });
        }
    }

    /// The intents, except `mine`, that are old enough to be taken over, and whether their jobs may be
    /// started. The rules are the aggregator's, because either program may handle them first.
    fn left_behind(
        &self,
        file: &ResultFile,
        mine: BTreeSet<Intent>,
        registry: &TestJobRegistry,
    ) -> Vec<(TestJob, Intent, bool)> {
        let observed = Observed { settled: mine, ..Observed::default() };
        let now = self.world.clock.now();
        let steps = next_steps(file, AvailableRegistry::Read(registry), &observed, &self.policy(), now);
        let settle = steps.into_iter().filter_map(|step| match step {
            Step::Settle { job, intent, may_start, .. } => Some((job, intent, may_start)),
            _ => None,
        });
        settle.collect()
    }

    fn policy(&self) -> Policy {
        Policy::with_intent_lease(self.world.intent_lease.unsigned_abs())
    }

    pub(super) async fn registry(
        &self,
        name: &ResultName,
    ) -> Result<Option<Arc<TestJobRegistry>>, ControllerError> {
        Ok(self.world.registries.registry(name.registry()).await?)
    }
}

fn shown(envs: &IndexMap<String, String>) -> String {
    if envs.is_empty() {
        return "its own images".to_owned();
    }
    envs.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(", ")
}
