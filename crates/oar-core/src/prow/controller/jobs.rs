//! The jobs of one build: which are started, and which starts of others are carried on.

use std::collections::BTreeSet;
use std::sync::Arc;

use indexmap::IndexMap;
use jiff::Timestamp;

use super::{Controller, ControllerError, ControllerReport, Existing};
use crate::flow::permit::WritePermit;
use crate::prow::change::{change, read};
use crate::prow::names::{BuildName, ResultName};
use crate::prow::outcome::{AtHand, Observed, Policy, Step, next_steps};
use crate::prow::record::{Build, Intent, Job, ResultFile};
use crate::prow::registry::{TestJob, TestJobRegistry};
use crate::prow::starter::{Begun, BegunJob, StartError, Starter, environment_of, intents};
use crate::statebox::transaction::Start;
use crate::version::Arch;

impl Controller<'_> {
    /// Starts what the registry asks for. `true` when nothing is left to be started.
    pub(super) async fn test(
        &self,
        build: &Build,
        arch: Arch,
        registry: &TestJobRegistry,
        existing: Existing,
        permit: Option<&WritePermit>,
        report: &mut ControllerReport,
    ) -> Result<bool, ControllerError> {
        let name = ResultName { build: build.name.clone(), arch };
        let jobs: Vec<TestJob> = registry.enabled(build.name.kind()).cloned().collect();
        if jobs.is_empty() {
            report.warnings.push(format!(
                "{} names no job for {} builds",
                registry.name(),
                build.name.kind()
            ));
            return Ok(true);
        }
        let now = self.world.clock.now();
        let ours: Vec<(TestJob, Intent)> = jobs.into_iter().map(|job| (job, Intent::at(now))).collect();
        let Some(permit) = permit else {
            let known = read(self.world, &name).await?.map(|(file, _)| file);
            let wanted = self.wanted(known.as_ref(), registry, &ours, existing, now);
            self.plan(build, arch, wanted, report).await;
            return Ok(known.is_none_or(|file| self.plan_to_resume(&file, registry, report)));
        };
        let message = format!("{} {arch}: about to start its test jobs", build.name);
        let create = || ResultFile::create(name.clone(), build.clone(), &ours, now);
        let changed = change(self.world, &name, &message, Start::Read, permit, Some(&create), |file| {
            let wanted = self.wanted(Some(file), registry, &ours, existing, now);
            if existing == Existing::StartAgain {
                for (job, intent) in &wanted {
                    let _ = file.intend_restart(job, *intent, now);
                }
                return Ok(wanted);
            }
            Ok(file.intend_first_runs(&wanted, now))
        })
        .await?;
        let starter = Starter { world: self.world, permit, name: &name };
        let mut wanted = Vec::new();
        for (job, intent) in &changed.answer {
            wanted.push(starter.prepare(&changed.file, job, *intent, true).await);
        }
        let mine = changed.answer.iter().map(|(_, intent)| *intent).collect();
        report.jobs.extend(starter.start(&changed.file, wanted).await);
        self.resume(&changed.file, mine, registry, permit, report).await;
        // Somebody else's intents count as theirs to start; the build becomes the latest one when all have ids.
        let Some((file, _)) = read(self.world, &name).await? else {
            report.warnings.push(format!(
                "the record of {} cannot be found any more; a later pass looks again, and only then records the build \
                 as the latest one",
                build.name
            ));
            return Ok(false);
        };
        let left = if file.is_aggregated() { 0 } else { intents(&file).count() };
        if left > 0 {
            report.warnings.push(format!(
                "jobs of {} that are not started yet: {left}; a later pass goes on, and only then records the build \
                 as the latest one",
                build.name
            ));
        }
        Ok(left == 0)
    }

    /// Which of `ours` the record, if there is one, may get: those that carry our intents in it already among them.
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
            let steps = next_steps(file, AtHand::Read(registry), &Observed::default(), &self.policy(), now);
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

    /// Says what would be started.
    async fn plan(
        &self,
        build: &Build,
        arch: Arch,
        wanted: Vec<(TestJob, Intent)>,
        report: &mut ControllerReport,
    ) {
        for (job, _) in wanted {
            match environment_of(self.world, &job, build, arch).await {
                Ok(envs) => report.planned.push(format!("start {} with {}", job.name, shown(&envs))),
                Err(error) => {
                    report.jobs.push(BegunJob::new(job.name, &Begun::Not(StartError::Prepare(error))));
                }
            }
        }
    }

    /// Goes on with the starts of a build that somebody left behind.
    pub(super) async fn go_on(
        &self,
        build: &BuildName,
        arch: Arch,
        permit: Option<&WritePermit>,
        report: &mut ControllerReport,
    ) -> Result<(), ControllerError> {
        let name = ResultName { build: build.clone(), arch };
        let Some((file, _)) = read(self.world, &name).await? else {
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
        // Without a registry nobody knows whether the jobs may be started still.
        let Some(registry) = self.registry(&name).await? else { return Ok(()) };
        if let Some(permit) = permit {
            self.resume(&file, BTreeSet::new(), &registry, permit, report).await;
            return Ok(());
        }
        self.plan_to_resume(&file, &registry, report);
        Ok(())
    }

    /// Says which starts of others would be carried on. `true` when these are all that are left.
    fn plan_to_resume(
        &self,
        file: &ResultFile,
        registry: &TestJobRegistry,
        report: &mut ControllerReport,
    ) -> bool {
        let left = self.left_behind(file, BTreeSet::new(), registry);
        let all = left.len() == intents(file).count() || file.is_aggregated();
        for (job, _, may_start) in left {
            report.planned.push(if may_start {
                format!("go on with the start of {}", job.name)
            } else {
                format!("look for the run of {}, and give it up when it is not there", job.name)
            });
        }
        all
    }

    async fn resume(
        &self,
        file: &ResultFile,
        mine: BTreeSet<Intent>,
        registry: &TestJobRegistry,
        permit: &WritePermit,
        report: &mut ControllerReport,
    ) {
        let starter = Starter { world: self.world, permit, name: file.name() };
        let mut wanted = Vec::new();
        for (job, intent, may_start) in self.left_behind(file, mine, registry) {
            wanted.push(starter.prepare(file, &job, intent, may_start).await);
        }
        report.jobs.extend(starter.take_over(file, wanted).await);
    }

    /// The intents, but for `mine`, that are old enough to be taken over, and whether their jobs may be started: the
    /// aggregator's rules, because either of the two may come first.
    fn left_behind(
        &self,
        file: &ResultFile,
        mine: BTreeSet<Intent>,
        registry: &TestJobRegistry,
    ) -> Vec<(TestJob, Intent, bool)> {
        let observed = Observed { settled: mine, ..Observed::default() };
        let now = self.world.clock.now();
        let steps = next_steps(file, AtHand::Read(registry), &observed, &self.policy(), now);
        let settle = steps.into_iter().filter_map(|step| match step {
            Step::Settle { job, intent, may_start, .. } => Some((job, intent, may_start)),
            _ => None,
        });
        settle.collect()
    }

    fn policy(&self) -> Policy {
        Policy { intent_patience: self.world.patience.unsigned_abs(), ..Policy::default() }
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
