//! The job controller: detects a new build, and starts each of its test jobs once (spec 04 §7.1, §7.6).
//!
//! The order makes every interruption harmless: first the record is written with an intent per job, then the
//! build is recorded as the latest one, and only then are the jobs started and their ids recorded. What an
//! interruption leaves undone is in the record as intents. The Python controller only checks the file of the
//! latest build: until that is written, it starts every job itself and replaces the record.

mod jobs;
mod report;

use self::jobs::Tests;
use super::change::read;
use super::names::{self, BuildName, LatestName, ResultName};
use super::record::Build;
use super::starter::{Recorded, latest_file, latest_of};
use super::world::World;
use crate::clients::release_controller::{BuildLookup, LatestBuild, Phase, StreamTag};
use crate::permit::WritePermit;
use crate::store::Stored;
use crate::store::transaction::{Policy, Start, Target, TransactionError, transact};
use crate::version::Arch;

pub use self::report::{ControllerError, ControllerReport, Scope, Verdict};

/// What to do with an existing record of a build.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    /// Keep it. Only while it is open, required jobs that it lacks are started, as the aggregator does. The
    /// controller's passes use this (spec 04 §7.6.1).
    Leave,
    /// Keep the jobs in the record; start only missing ones.
    Keep,
    /// Start every job again.
    StartAgain,
}

/// Detects new builds and starts their tests.
#[derive(Clone, Copy)]
pub struct Controller<'a> {
    /// The services.
    pub world: World<'a>,
}

impl Controller<'_> {
    /// Makes one pass over `scope`. Without a `permit` nothing is changed, and the report says what would be
    /// done. Without `trigger` a new build is recorded, but no job is started.
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
        let (before, warning) = match recorded {
            None => (None, None),
            Some(Recorded::Build(build)) => (Some(build.name), None),
            Some(Recorded::Foreign(warning)) => (None, Some(warning)),
        };
        let mut report = ControllerReport {
            scope,
            latest: latest.as_ref().map(|build| build.tag.name.clone()),
            recorded: before.as_ref().map(BuildName::to_string),
            verdict: Verdict::NoBuild,
            jobs: Vec::new(),
            recorded_now: false,
            planned: Vec::new(),
            warnings: warning.into_iter().collect(),
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
            self.resume_starts(&before, arch, permit, &mut report).await?;
        }
        Ok(report)
    }

    /// Starts the jobs of one build, whatever the recorded latest build and the build's phase are.
    pub async fn trigger(
        &self,
        build: &BuildName,
        arch: Arch,
        existing: Existing,
        permit: Option<&WritePermit>,
    ) -> Result<ControllerReport, ControllerError> {
        let tag = match self.world.builds.find(build, arch).await? {
            BuildLookup::Found(tag) => tag,
            BuildLookup::Absent => return Err(ControllerError::NoSuchBuild { build: build.clone(), arch }),
            BuildLookup::Unknown(stream) => {
                return Err(ControllerError::NoStream { build: build.clone(), stream });
            }
        };
        let build = build_of(&tag)?;
        let name = ResultName { build: build.name.clone(), arch };
        let (registry, known) = futures::future::join(self.registry(&name), read(self.world, &name)).await;
        let registry = registry?.ok_or_else(|| ControllerError::NoRegistry(name.registry()))?;
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
        if tag.phase != Phase::Accepted {
            let phase: String = tag.phase.text().chars().take(40).collect();
            let words = format!("the phase of {} is {}, not Accepted", build.name, phase.escape_debug());
            report.warnings.push(words);
        }
        let tests = Tests { build: &build, name: &name, registry: &registry, existing, known: known? };
        match permit {
            None => {
                let known = tests.known.as_ref().map(|(file, _)| file.clone());
                self.plan(tests, &mut report).await;
                // What the plan takes over or starts again does not stand in anybody's way.
                if let Some(file) = known.filter(|_| report.planned.is_empty()) {
                    Self::add_standing(&file, &mut report);
                }
            }
            Some(permit) => {
                if let Some(intended) = self.intend(tests, permit, &mut report).await? {
                    let file = self.begin(intended, &registry, permit, &mut report).await;
                    Self::add_standing(&file, &mut report);
                }
            }
        }
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
        let name = ResultName { build: build.name.clone(), arch: latest_name.arch };
        let registry = if trigger { self.registry_and_record(&name).await? } else { (None, None) };
        let (registry, known) = registry;
        if trigger && registry.is_none() {
            report.warnings.push(format!(
                "there is no registry {}, so that {} is recorded and not tested",
                name.registry(),
                build.name
            ));
        }
        let mut intended = None;
        let mut is_started_elsewhere = false;
        if let Some(registry) = &registry {
            report.warnings.extend(registry.warnings().iter().map(ToString::to_string));
            let tests = Tests { build, name: &name, registry, existing: Existing::Leave, known };
            if let Some(permit) = permit {
                intended = self.intend(tests, permit, report).await?;
                let file = intended.as_ref().map(|intended| (&intended.file, intended.ours.as_slice()));
                is_started_elsewhere = file.is_some_and(|(file, ours)| self.is_started_elsewhere(file, ours));
            } else {
                let known = tests.known.as_ref();
                is_started_elsewhere = known.is_some_and(|(file, _)| self.is_started_elsewhere(file, &[]));
                self.plan(tests, report).await;
            }
        }
        if is_started_elsewhere {
            report.warnings.push(format!(
                "another program is about to start the jobs of {} and to record it as the latest build; a \
                 later pass checks whether it did",
                build.name
            ));
            return Ok(());
        }
        let Some(permit) = permit else {
            report.planned.push(format!("record {} as the latest build", build.name));
            return Ok(());
        };
        let recorded = self.record_latest(build, latest, latest_name, stored, permit).await?;
        report.recorded_now = recorded == Recording::Written;
        let (Some(intended), Some(registry)) = (intended, registry) else { return Ok(()) };
        if recorded == Recording::ByOthers {
            report.warnings.push(format!(
                "another program recorded {} as the latest build at the same moment and may start its \
                 jobs; a later pass does the rest",
                build.name
            ));
            return Ok(());
        }
        let _ = self.begin(intended, &registry, permit, report).await;
        Ok(())
    }

    /// Records the build as the latest one, unless it or a newer one was recorded in the meantime.
    async fn record_latest(
        &self,
        build: &Build,
        latest: &LatestBuild,
        name: LatestName,
        stored: Option<Stored>,
        permit: &WritePermit,
    ) -> Result<Recording, ControllerError> {
        let path = names::path(name);
        let message =
            format!("{} {} {}: the latest build is {}", name.release, name.kind, name.arch, build.name);
        let target = Target { store: self.world.records.store(), path: &path, message: &message };
        let start = Start::Known { stored, recent: false };
        let mut standing = None;
        let written = transact(target, permit, self.world.clock, &Policy::default(), start, |text| {
            standing = match text.map(|text| latest_of(name, text)).transpose()? {
                Some(Recorded::Build(recorded)) => Some(recorded.name),
                None | Some(Recorded::Foreign(_)) => None,
            };
            let newer = standing.as_ref().is_none_or(|standing| build.name.is_newer_than(standing));
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
        Ok(match standing {
            _ if written => Recording::Written,
            Some(standing) if standing == build.name => Recording::ByOthers,
            _ => Recording::NewerStands,
        })
    }
}

/// The result of recording the latest build.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Recording {
    Written,
    /// Another process recorded the same build in the meantime.
    ByOthers,
    /// A newer build was recorded in the meantime.
    NewerStands,
}

fn build_of(tag: &StreamTag) -> Result<Build, ControllerError> {
    let name: BuildName = tag.name.parse()?;
    Ok(Build::new(name, tag.phase.text(), &tag.pull_spec, &tag.download_url))
}
