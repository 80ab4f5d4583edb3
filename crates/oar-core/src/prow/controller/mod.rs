//! The job controller: sees a new build, and starts each of its test jobs once (spec 04 §7.1, §7.6).
//!
//! The order makes every interruption harmless: the record with an intent per job comes first, each id follows its start,
//! and only when nothing is left to start does the build become the recorded latest one.

mod jobs;
mod report;

use super::names::{self, BuildName, LatestName, ResultName};
use super::record::Build;
use super::starter::{Recorded, latest_file, latest_of};
use super::world::World;
use crate::clients::release_controller::{LatestBuild, Phase, StreamTag};
use crate::flow::permit::WritePermit;
use crate::statebox::store::Stored;
use crate::statebox::transaction::{Policy, Start, Target, TransactionError, transact};
use crate::version::Arch;

pub use self::report::{ControllerError, ControllerReport, Scope, Verdict};

/// What becomes of a record that a build has already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    /// It stays as it is. Only while it is open, required jobs that it should have and lacks are started, as the
    /// aggregator does: what the controller does by itself (spec 04 §7.6.1).
    Leave,
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
            self.go_on(&before, arch, permit, &mut report).await?;
        }
        Ok(report)
    }

    /// Starts the jobs of one build, whatever is recorded as the latest one, and whatever its phase.
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
        if tag.phase != Phase::Accepted {
            let phase: String = tag.phase.text().chars().take(40).collect();
            let words = format!("the phase of {} is {}, not Accepted", build.name, phase.escape_debug());
            report.warnings.push(words);
        }
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
                    if !self.test(build, arch, &registry, Existing::Leave, permit, report).await? {
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
                Some(text) => match latest_of(name, text)? {
                    Recorded::Build(recorded) => build.name.is_newer_than(&recorded.name),
                    Recorded::Foreign(_) => true,
                },
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
    Ok(Build::new(name, tag.phase.text(), &tag.pull_spec, &tag.download_url))
}
