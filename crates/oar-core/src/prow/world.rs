//! The interfaces of the services that the controller and the aggregator need: [`super::live`] implements
//! them with the real services, tests with simple ones.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use jiff::SignedDuration;

use super::json::Map;
use super::names::{BuildKind, BuildName, RegistryName};
use super::problem::FileProblems;
use super::record::Observation;
use super::registry::TestJobRegistry;
use crate::clients::release_controller::{BuildLookup, LatestBuild};
use crate::error::{ErrorClass, ServiceError, classified};
use crate::permit::WritePermit;
use crate::prow::runs::{RunIntent, StartedRun};
use crate::store::{Revision, Store, StoreError};
use crate::version::{Arch, YStream};

/// The builds of the release controller.
#[async_trait]
pub trait Builds: Send + Sync {
    /// The newest accepted build of this kind; `None` when there is none.
    async fn latest(
        &self,
        release: YStream,
        kind: BuildKind,
        arch: Arch,
    ) -> Result<Option<LatestBuild>, ServiceError>;

    /// The build with exactly this name.
    async fn find(&self, build: &BuildName, arch: Arch) -> Result<BuildLookup, ServiceError>;

    /// The names of all nightlies that the stream still has. An empty list proves nothing: it is also the
    /// answer when the stream is missing or cannot be read at that moment.
    async fn nightlies(&self, release: YStream, arch: Arch) -> Result<Vec<String>, ServiceError>;
}

/// Starts test jobs and reads their runs.
#[async_trait]
pub trait TestJobs: Send + Sync {
    /// Starts the intended run. A run that may have been started before, or whose start got no answer, is
    /// looked for first.
    async fn start(&self, intent: &RunIntent, permit: &WritePermit) -> Result<StartedRun, ServiceError>;

    /// The id of the run that was started with this intent, or of a running one that another program started
    /// with exactly its variables; `None` when there certainly is none. If that is not certain, it is an
    /// error.
    async fn find(&self, intent: &RunIntent) -> Result<Option<String>, ServiceError>;

    /// The ids of running runs that other programs started with exactly the intent's variables.
    async fn under_way(&self, intent: &RunIntent) -> Result<Vec<String>, ServiceError>;

    /// Reads a run from Prow; `None` when Prow certainly does not have it (any more).
    async fn run(&self, id: &str) -> Result<Option<Observation>, ServiceError>;
}

/// The test report of a run.
#[derive(Debug, Clone)]
pub enum FoundReport {
    /// The run has none.
    Absent,
    /// Its summary.
    Summary(Map),
    /// It was read and cannot be understood, which reading it again does not change; why.
    Unreadable(String),
}

/// The artifacts of runs.
#[async_trait]
pub trait Artifacts: Send + Sync {
    /// The test report of the run with this page. An error means that it could not be fetched.
    async fn report(&self, page: &str) -> Result<FoundReport, ServiceError>;

    /// How the run with this page ended, for runs that Prow no longer has; `None` when the artifacts do not
    /// show it.
    async fn ended(&self, id: &str, page: &str) -> Result<Option<Observation>, ServiceError>;
}

/// The result of labelling a release payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Labelled {
    /// The label was set and read back.
    Now,
    /// The label was already there.
    Already,
    /// The label has another value, set by somebody else, which is kept.
    Other(String),
    /// There is no such payload.
    Absent,
}

/// The payloads of builds.
#[async_trait]
pub trait Payloads: Send + Sync {
    /// Marks the payload of `build` as accepted by QE.
    async fn accept(
        &self,
        build: &BuildName,
        arch: Arch,
        permit: &WritePermit,
    ) -> Result<Labelled, ServiceError>;

    /// The names of all payloads with QE's label, whatever its value.
    async fn labelled(&self, arch: Arch) -> Result<BTreeSet<String>, ServiceError>;
}

/// A file in the folder of records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordEntry {
    /// Its name in the folder.
    pub name: String,
    /// Its revision when it was listed.
    pub revision: Revision,
}

/// The record files.
#[async_trait]
pub trait Records: Send + Sync {
    /// All files of the folder.
    async fn list(&self) -> Result<Vec<RecordEntry>, StoreError>;

    /// The texts that the entries had when they were listed, in their order.
    async fn texts(&self, entries: &[RecordEntry]) -> Vec<Result<String, StoreError>>;

    /// The store for reading and writing single files.
    fn store(&self) -> &dyn Store;

    /// Removes a file that has not changed since it was listed.
    async fn delete(
        &self,
        entry: &RecordEntry,
        message: &str,
        permit: &WritePermit,
    ) -> Result<(), StoreError>;
}

/// Why a registry of test jobs cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// It cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It is invalid.
    #[error("{0}")]
    Invalid(FileProblems),
}

classified! {
    RegistryError through Store;
    class {
        Self::Invalid(_) => ErrorClass::Configuration,
    }
    hint {
        Self::Invalid(_) => Some("Repair the registry on the main branch; nothing was started.".to_owned()),
    }
}

/// The registries of test jobs.
#[async_trait]
pub trait Registries: Send + Sync {
    /// The registry called `name`; `None` when there is none.
    async fn registry(&self, name: RegistryName) -> Result<Option<Arc<TestJobRegistry>>, RegistryError>;
}

/// All services together.
#[derive(Clone, Copy)]
pub struct World<'a> {
    /// The builds of the release controller.
    pub builds: &'a dyn Builds,
    /// Starts test jobs and reads their runs.
    pub jobs: &'a dyn TestJobs,
    /// The records.
    pub records: &'a dyn Records,
    /// The registries.
    pub registries: &'a dyn Registries,
    /// The clock.
    pub clock: &'a crate::clock::Clock,
    /// How long an intent is reserved for the program that recorded it; zero when no other program starts
    /// jobs.
    pub intent_lease: SignedDuration,
}
