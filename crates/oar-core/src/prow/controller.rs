//! The job controller: sees a new build, and starts each of its test jobs once (spec 04 §7.1, §7.6).
//!
//! The order makes every interruption harmless: the record with an intent per job comes first, each id follows its start,
//! and only when nothing is left to start does the build become the recorded latest one.

use indexmap::IndexMap;
use serde::Serialize;

use super::change::{ChangeError, change, read};
use super::names::{self, BuildKind, BuildName, LatestName, RegistryName, ResultName};
use super::outcome::Rules;
use super::record::{Build, Intent, ResultFile};
use super::registry::{TestJob, TestJobRegistry};
use super::starter::{
    BegunJob, PrepareError, Starter, environment_of, intents, latest_file, latest_of, left_behind,
};
use super::world::{RegistryError, World};
use crate::clients::release_controller::{LatestBuild, StreamTag};
use crate::error::{Classified, ErrorClass, ServiceError};
use crate::flow::permit::WritePermit;
use crate::statebox::store::{StoreError, Stored};
use crate::statebox::transaction::{Policy, Start, Target, TransactionError, transact};
use crate::version::{Arch, YStream};

/// Which builds a controller looks after.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Scope {
    /// The minor version.
    pub release: YStream,
    /// Nightly or stable builds.
    pub kind: BuildKind,
    /// The architecture.
    pub arch: Arch,
}

/// What a pass made of the latest build.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The stream has no accepted build.
    NoBuild,
    /// It is the recorded one.
    Same,
    /// It is older than the recorded one: a newer build left the phase Accepted for a while.
    Older,
    /// It is new.
    New,
}

/// What a pass did.
#[derive(Debug, Serialize)]
pub struct ControllerReport {
    /// Which builds it looked at.
    pub scope: Scope,
    /// The latest build of the stream.
    pub latest: Option<String>,
    /// The build that was recorded before.
    pub recorded: Option<String>,
    /// What that means.
    pub verdict: Verdict,
    /// The jobs that were to be started.
    pub jobs: Vec<BegunJob>,
    /// Whether the latest build was recorded.
    pub recorded_now: bool,
    /// What would be done; filled by a dry run alone.
    pub planned: Vec<String>,
    /// What somebody should look at.
    pub warnings: Vec<String>,
}

impl ControllerReport {
    /// The gravest problem, which decides the exit code.
    pub fn class(&self) -> Option<ErrorClass> {
        self.jobs.iter().find_map(|job| job.class)
    }
}

/// Why a pass ended early. Nothing is half done: the next pass goes on.
#[derive(Debug, thiserror::Error)]
pub enum ControllerError {
    /// A service failed.
    #[error(transparent)]
    Service(#[from] ServiceError),
    /// The registry cannot be used.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// A record cannot be read or changed.
    #[error(transparent)]
    Record(#[from] ChangeError),
    /// Files cannot be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What is recorded, or what a job is to be started with, cannot be read.
    #[error(transparent)]
    Prepare(#[from] PrepareError),
    /// The release controller names a build in a way that no build is named.
    #[error("the release controller's answer: {0}")]
    BadName(#[from] crate::version::ParseVersionError),
    /// Others changed the file at every attempt.
    #[error("{0}")]
    Contended(String),
    /// No stream has the build.
    #[error("no stream of {arch} has a build `{build}`")]
    NoSuchBuild {
        /// The build that was asked for.
        build: BuildName,
        /// The architecture.
        arch: Arch,
    },
    /// There is nothing to test the build with.
    #[error("there is no registry {0}, so there are no jobs to start")]
    NoRegistry(RegistryName),
}

impl Classified for ControllerError {
    fn class(&self) -> ErrorClass {
        match self {
            Self::Service(error) => error.class(),
            Self::Registry(error) => error.class(),
            Self::Record(error) => error.class(),
            Self::Store(error) => error.class(),
            Self::Prepare(error) => error.class(),
            Self::BadName(_) => ErrorClass::Unavailable,
            Self::Contended(_) => ErrorClass::Conflict,
            Self::NoSuchBuild { .. } | Self::NoRegistry(_) => ErrorClass::Usage,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Service(error) => error.hint(),
            Self::Registry(error) => error.hint(),
            Self::Record(error) => error.hint(),
            Self::Store(error) => error.hint(),
            Self::Prepare(error) => error.hint(),
            Self::BadName(_) => None,
            Self::Contended(_) => Some("Run the same command again.".to_owned()),
            Self::NoSuchBuild { .. } => Some(
                "Give the build's whole name, such as 4.20.27 or 4.20.0-0.nightly-2026-07-01-161907, and its \
                 architecture with --arch."
                    .to_owned(),
            ),
            Self::NoRegistry(name) => Some(format!("Add {} to the main branch first.", names::path(name))),
        }
    }
}

/// How a build is to be triggered by hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    /// Jobs that the record has stay; only missing ones are started.
    Keep,
    /// Every job is started anew.
    StartAgain,
}

/// Looks after the builds of the world.
#[derive(Clone, Copy)]
pub struct Controller<'a> {
    /// The services.
    pub world: World<'a>,
}

impl Controller<'_> {
    /// One pass over `scope`. Without a `permit` nothing is changed, and the report says what would be. Without
    /// `trigger` a new build is recorded, and no job is started.
    pub async fn pass(
        &self,
        scope: Scope,
        trigger: bool,
        permit: Option<&WritePermit>,
    ) -> Result<ControllerReport, ControllerError> {
        let Scope { release, kind, arch } = scope;
        let latest_name = LatestName { release, kind, arch };
        let (latest, recorded) = futures::future::join(
            self.world.builds.latest(release, kind, arch),
            latest_file(self.world, latest_name),
        )
        .await;
        let (latest, (recorded, stored)) = (latest?, recorded?);
        let before = recorded.as_ref().map(|file| file.build().name.clone());
        let mut report = ControllerReport {
            scope,
            latest: latest.as_ref().map(|build| build.tag.name.clone()),
            recorded: before.as_ref().map(BuildName::to_string),
            verdict: Verdict::NoBuild,
            jobs: Vec::new(),
            recorded_now: false,
            planned: Vec::new(),
            warnings: Vec::new(),
        };
        let latest = match latest {
            None => None,
            Some(latest) => Some((build_of(&latest.tag)?, latest)),
        };
        report.verdict = match (&latest, &before) {
            (None, _) => Verdict::NoBuild,
            (Some(_), None) => Verdict::New,
            (Some((build, _)), Some(before)) if build.name == *before => Verdict::Same,
            (Some((build, _)), Some(before)) if build.name.is_newer_than(before) => Verdict::New,
            (Some(_), Some(_)) => Verdict::Older,
        };
        if let (Verdict::New, Some((build, latest))) = (&report.verdict, latest) {
            self.new_build(&build, &latest, latest_name, stored, trigger, permit, &mut report).await?;
        } else if let (Some(before), true) = (before, trigger) {
            self.go_on(&before, arch, permit, &mut report).await?;
        }
        Ok(report)
    }

    /// Starts the jobs of one build, whatever is recorded as the latest one.
    pub async fn trigger(
        &self,
        build: &BuildName,
        arch: Arch,
        existing: Existing,
        permit: Option<&WritePermit>,
    ) -> Result<ControllerReport, ControllerError> {
        let tag = self.world.builds.find(build, arch).await?;
        let tag = tag.ok_or_else(|| ControllerError::NoSuchBuild { build: build.clone(), arch })?;
        let build = build_of(&tag)?;
        let name = ResultName { build: build.name.clone(), arch };
        let registry = self.registry(&name).await?;
        let registry = registry.ok_or_else(|| ControllerError::NoRegistry(name.registry()))?;
        let mut report = ControllerReport {
            scope: Scope { release: build.name.y_stream(), kind: build.name.kind(), arch },
            latest: Some(build.name.to_string()),
            recorded: None,
            verdict: Verdict::New,
            jobs: Vec::new(),
            recorded_now: false,
            planned: Vec::new(),
            warnings: registry.warnings().iter().map(ToString::to_string).collect(),
        };
        self.test(&build, arch, &registry, existing, permit, &mut report).await?;
        Ok(report)
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of one pass, each of another type")]
    async fn new_build(
        &self,
        build: &Build,
        latest: &LatestBuild,
        latest_name: LatestName,
        stored: Option<Stored>,
        trigger: bool,
        permit: Option<&WritePermit>,
        report: &mut ControllerReport,
    ) -> Result<(), ControllerError> {
        let arch = latest_name.arch;
        if trigger {
            let name = ResultName { build: build.name.clone(), arch };
            match self.registry(&name).await? {
                None => report.warnings.push(format!(
                    "there is no registry {}, so that {} is recorded and not tested",
                    name.registry(),
                    build.name
                )),
                Some(registry) => {
                    report.warnings.extend(registry.warnings().iter().map(ToString::to_string));
                    if !self.test(build, arch, &registry, Existing::Keep, permit, report).await? {
                        return Ok(());
                    }
                }
            }
        }
        let Some(permit) = permit else {
            report.planned.push(format!("record {} as the latest build", build.name));
            return Ok(());
        };
        report.recorded_now = self.record_latest(build, latest, latest_name, stored, permit).await?;
        Ok(())
    }

    /// Starts what the registry asks for. `true` when nothing is left to be started.
    async fn test(
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
            for (job, _) in ours {
                let stands = known.as_ref().is_some_and(|file| file.entries(&job.name).next().is_some());
                if !stands || existing == Existing::StartAgain {
                    let envs = environment_of(self.world, &job, build, arch).await?;
                    report.planned.push(format!("start {} with {}", job.name, shown(&envs)));
                }
            }
            return Ok(true);
        };
        let message = format!("{} {arch}: about to start its test jobs", build.name);
        let create = || ResultFile::create(name.clone(), build.clone(), &ours, now);
        let changed =
            change(self.world, &name, &message, Start::Read, permit, Some(&create), |file| match existing {
                Existing::Keep => Ok(file.intend_first_runs(&ours, now)),
                Existing::StartAgain => {
                    for (job, intent) in &ours {
                        let _ = file.intend_restart(job, *intent, now);
                    }
                    Ok(ours.clone())
                }
            })
            .await?;
        let starter = Starter { world: self.world, permit, name: &name };
        let mut wanted = Vec::new();
        for (job, intent) in &changed.answer {
            wanted.push(starter.prepare(&changed.file, job, *intent).await?);
        }
        let mine: Vec<Intent> = changed.answer.iter().map(|(_, intent)| *intent).collect();
        report.jobs.extend(starter.start(&changed.file, wanted).await);
        self.resume(&changed.file, &mine, registry, permit, report).await?;
        // Somebody else's intents count as theirs to start; the build becomes the latest one when all have ids.
        let left = match read(self.world, &name).await? {
            Some((file, _)) => intents(&file).count(),
            None => 0,
        };
        if left > 0 {
            report.warnings.push(format!(
                "{left} of the jobs of {} are not started yet; a later pass goes on, and only then records the build \
                 as the latest one",
                build.name
            ));
        }
        Ok(left == 0)
    }

    /// Goes on with the starts of a build that somebody left behind.
    async fn go_on(
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
        let left = left_behind(&file, self.world);
        if left.is_empty() {
            return Ok(());
        }
        let Some(permit) = permit else {
            report.planned.extend(left.iter().map(|(job, ..)| format!("go on with the start of {job}")));
            return Ok(());
        };
        if let Some(registry) = self.registry(&name).await? {
            self.resume(&file, &[], &registry, permit, report).await?;
        }
        Ok(())
    }

    async fn resume(
        &self,
        file: &ResultFile,
        mine: &[Intent],
        registry: &TestJobRegistry,
        permit: &WritePermit,
        report: &mut ControllerReport,
    ) -> Result<(), ControllerError> {
        let starter = Starter { world: self.world, permit, name: file.name() };
        let rules = Rules::of(file, Some(registry));
        let mut wanted = Vec::new();
        for (job, intent, _) in left_behind(file, self.world) {
            if !mine.contains(&intent) {
                wanted.push(starter.prepare(file, &rules.rule(&job).job, intent).await?);
            }
        }
        report.jobs.extend(starter.take_over(file, wanted).await);
        Ok(())
    }

    async fn registry(
        &self,
        name: &ResultName,
    ) -> Result<Option<std::sync::Arc<TestJobRegistry>>, ControllerError> {
        Ok(self.world.registries.registry(name.registry()).await?)
    }

    /// Records the build as the latest one, unless a newer one was recorded meanwhile.
    async fn record_latest(
        &self,
        build: &Build,
        latest: &LatestBuild,
        name: LatestName,
        stored: Option<Stored>,
        permit: &WritePermit,
    ) -> Result<bool, ControllerError> {
        let path = names::path(name);
        let message =
            format!("{} {} {}: the latest build is {}", name.release, name.kind, name.arch, build.name);
        let target = Target { store: self.world.records.store(), path: &path, message: &message };
        let start = Start::Known { stored, recent: false };
        let written = transact(target, permit, self.world.clock, &Policy::default(), start, |text| {
            let newer = match text {
                None => true,
                Some(text) => build.name.is_newer_than(&latest_of(name, text)?.build().name),
            };
            Ok::<_, ControllerError>(newer.then(|| latest.body.clone()))
        })
        .await
        .map_err(|error| match error {
            TransactionError::Store(error) => ControllerError::Store(error),
            TransactionError::Apply(error) => error,
            contended @ TransactionError::Contended { .. } => {
                ControllerError::Contended(contended.to_string())
            }
        })?
        .written;
        Ok(written)
    }
}

fn build_of(tag: &StreamTag) -> Result<Build, ControllerError> {
    let name: BuildName = tag.name.parse()?;
    Ok(Build::new(name, "Accepted", &tag.pull_spec, &tag.download_url))
}

fn shown(envs: &IndexMap<String, String>) -> String {
    if envs.is_empty() {
        return "its own images".to_owned();
    }
    envs.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(", ")
}
