//! The real services behind [`super::world`].

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;

use super::names::{self, BuildKind, BuildName, RegistryName};
use super::record::Observation;
use super::registry::TestJobRegistry;
use super::report;
use super::runs::{AdoptableRuns, RunIntent, Runs, StartedRun};
use super::world::{
    Artifacts, Builds, FoundReport, Labelled, Payloads, RecordEntry, Records, Registries, RegistryError,
    TestJobs,
};
use crate::clients::gangway::GangwayClient;
use crate::clients::gcs::{GcsClient, RunLocation};
use crate::clients::github::{FolderTree, GithubFolder, TreeEntry};
use crate::clients::kube::{KubeClient, PayloadOutcome};
use crate::clients::prow::ProwClient;
use crate::clients::release_controller::{BuildLookup, LatestBuild, ReleaseControllerClient, StreamName};
use crate::error::{ServiceError, ServiceErrorKind};
use crate::permit::WritePermit;
use crate::service::Service;
use crate::store::github::GithubStore;
use crate::store::{Revision, Store, StoreError, Stored};
use crate::version::{Arch, ParseVersionError, ReleaseVersion, YStream};

/// The release controllers of all architectures.
#[derive(Debug, Clone)]
pub struct LiveBuilds(HashMap<Arch, ReleaseControllerClient>);

impl LiveBuilds {
    /// Builds of these controllers.
    pub fn new(controllers: HashMap<Arch, ReleaseControllerClient>) -> Self {
        Self(controllers)
    }

    fn of(&self, arch: Arch) -> Result<&ReleaseControllerClient, ServiceError> {
        self.0.get(&arch).ok_or_else(|| {
            let detail = format!("there is no release controller for {arch}");
            ServiceError::new(Service::ReleaseController, "read builds", ServiceErrorKind::Rejected, detail)
        })
    }
}

#[async_trait]
impl Builds for LiveBuilds {
    async fn latest(
        &self,
        release: YStream,
        kind: BuildKind,
        arch: Arch,
    ) -> Result<Option<LatestBuild>, ServiceError> {
        let controller = self.of(arch)?;
        match kind {
            BuildKind::Nightly => controller.latest_nightly(release, arch).await,
            BuildKind::Stable => controller.latest_stable(release, arch).await,
        }
    }

    async fn find(&self, build: &BuildName, arch: Arch) -> Result<BuildLookup, ServiceError> {
        let name = build.to_string();
        let version: ReleaseVersion = name.parse().map_err(|error: ParseVersionError| {
            let kind = ServiceErrorKind::Rejected;
            ServiceError::new(Service::ReleaseController, "find a build", kind, error.to_string())
        })?;
        self.of(arch)?.find_build(&version, arch).await
    }

    async fn nightlies(&self, release: YStream, arch: Arch) -> Result<Vec<String>, ServiceError> {
        let tags = self.of(arch)?.tags(&StreamName::nightly(release, arch)).await?;
        Ok(tags.unwrap_or_default().into_iter().map(|tag| tag.name).collect())
    }
}

/// Gangway and Prow. Without a token for Gangway, runs can only be read.
#[derive(Debug, Clone)]
pub struct LiveJobs {
    /// Starts jobs.
    pub gangway: Option<GangwayClient>,
    /// Reads them.
    pub prow: ProwClient,
}

impl LiveJobs {
    fn runs(&self) -> Result<Runs<'_>, ServiceError> {
        let gangway = self.gangway.as_ref().ok_or_else(|| {
            let kind = ServiceErrorKind::MissingCredential;
            ServiceError::new(Service::Gangway, "start a job", kind, "APITOKEN is not set").with_hint(
                "Set APITOKEN to a token of the CI cluster: `oc whoami -t` prints it after a login there.",
            )
        })?;
        Ok(Runs::new(gangway, &self.prow))
    }
}

#[async_trait]
impl TestJobs for LiveJobs {
    async fn start(&self, intent: &RunIntent, permit: &WritePermit) -> Result<StartedRun, ServiceError> {
        self.runs()?.start_once(intent, permit).await
    }

    async fn find(&self, intent: &RunIntent) -> Result<Option<String>, ServiceError> {
        let found = self.runs()?.find_run_or(intent, AdoptableRuns::WithoutKey).await?;
        Ok(found.map(|job| job.id))
    }

    async fn under_way(&self, intent: &RunIntent) -> Result<Vec<String>, ServiceError> {
        let runs = self.runs()?.runs_under_way(intent, AdoptableRuns::WithoutKey).await?;
        Ok(runs.into_iter().map(|job| job.id).collect())
    }

    async fn run(&self, id: &str) -> Result<Option<Observation>, ServiceError> {
        Ok(self.prow.job(id).await?.as_ref().map(Observation::from))
    }
}

/// The artifacts of runs in a bucket.
#[derive(Debug, Clone)]
pub struct LiveArtifacts(GcsClient);

impl LiveArtifacts {
    /// The artifacts behind `client`.
    pub fn new(client: GcsClient) -> Self {
        Self(client)
    }
}

#[async_trait]
impl Artifacts for LiveArtifacts {
    async fn report(&self, page: &str) -> Result<FoundReport, ServiceError> {
        let Some(location) = RunLocation::of_page(page) else { return Ok(FoundReport::Absent) };
        let Some(text) = self.0.qe_report(&location).await? else { return Ok(FoundReport::Absent) };
        match report::summarise(&text) {
            Ok(Some(summary)) => Ok(FoundReport::Summary(summary)),
            Ok(None) => Ok(FoundReport::Absent),
            // The page of a proxy or a login, and no report.
            Err(error) if text.trim_start().starts_with('<') => {
                let kind = ServiceErrorKind::Malformed;
                Err(ServiceError::new(Service::Gcs, "read a test report", kind, error.to_string())
                    .about(format!("the run {} of {}", location.run, location.job)))
            }
            Err(error) => Ok(FoundReport::Unreadable(error.to_string())),
        }
    }

    async fn ended(&self, id: &str, page: &str) -> Result<Option<Observation>, ServiceError> {
        let Some(location) = RunLocation::of_page(page) else { return Ok(None) };
        let Some(ended) = self.0.ended_run(&location, id).await? else { return Ok(None) };
        Ok(Some(Observation {
            id: id.to_owned(),
            job: location.job,
            state: ended.state,
            url: Some(page.to_owned()),
            started: ended.started,
            completed: Some(ended.completed),
        }))
    }
}

/// The release payload objects of a cluster.
#[derive(Debug, Clone)]
pub struct LivePayloads(KubeClient);

impl LivePayloads {
    /// The objects of the cluster behind `client`.
    pub fn new(client: KubeClient) -> Self {
        Self(client)
    }
}

#[async_trait]
impl Payloads for LivePayloads {
    async fn accept(
        &self,
        build: &BuildName,
        arch: Arch,
        permit: &WritePermit,
    ) -> Result<Labelled, ServiceError> {
        Ok(match self.0.accept_payload(arch, build, permit).await? {
            PayloadOutcome::Labelled => Labelled::Now,
            PayloadOutcome::AlreadyLabelled => Labelled::Already,
            PayloadOutcome::HasOther(value) => Labelled::Other(value),
            PayloadOutcome::Absent => Labelled::Absent,
        })
    }

    async fn labelled(&self, arch: Arch) -> Result<BTreeSet<String>, ServiceError> {
        self.0.labelled_payloads(arch).await
    }
}

/// A store that caches the texts that it reads and writes for later lists.
#[derive(Debug)]
struct KeepingStore {
    store: GithubStore,
    folder: GithubFolder,
}

#[async_trait]
impl Store for KeepingStore {
    async fn read(&self, path: &str) -> Result<Option<Stored>, StoreError> {
        let stored = self.store.read(path).await?;
        if let Some(stored) = &stored {
            self.folder.keep(&stored.text);
        }
        Ok(stored)
    }

    async fn write(
        &self,
        path: &str,
        text: &str,
        expected: Option<&Revision>,
        message: &str,
        permit: &WritePermit,
    ) -> Result<Revision, StoreError> {
        let revision = self.store.write(path, text, expected, message, permit).await?;
        self.folder.keep(text);
        Ok(revision)
    }

    async fn list(&self, folder: &str) -> Result<Vec<String>, StoreError> {
        self.store.list(folder).await
    }

    fn describe(&self, path: &str) -> String {
        self.store.describe(path)
    }
}

/// The records on a branch on GitHub.
#[derive(Debug)]
pub struct LiveRecords {
    folder: GithubFolder,
    store: KeepingStore,
    entries: Mutex<HashMap<String, TreeEntry>>,
}

impl LiveRecords {
    /// The records in `folder`, which `store` reads and writes one by one.
    pub fn new(folder: GithubFolder, store: GithubStore) -> Self {
        let store = KeepingStore { store, folder: folder.clone() };
        Self { folder, store, entries: Mutex::default() }
    }

    fn known(&self, entry: &RecordEntry) -> Option<TreeEntry> {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.get(&entry.name).filter(|known| known.sha == entry.revision.as_str()).cloned()
    }
}

#[async_trait]
impl Records for LiveRecords {
    async fn list(&self) -> Result<Vec<RecordEntry>, StoreError> {
        let entries = self.folder.list().await?.map(|tree: FolderTree| tree.entries).unwrap_or_default();
        let files: Vec<TreeEntry> = entries.into_iter().filter(TreeEntry::is_file).collect();
        let listed = files
            .iter()
            .map(|entry| RecordEntry { name: entry.name.clone(), revision: Revision::new(entry.sha.clone()) })
            .collect();
        *self.entries.lock().unwrap_or_else(PoisonError::into_inner) =
            files.into_iter().map(|entry| (entry.name.clone(), entry)).collect();
        Ok(listed)
    }

    async fn texts(&self, entries: &[RecordEntry]) -> Vec<Result<String, StoreError>> {
        let known: Vec<Option<TreeEntry>> = entries.iter().map(|entry| self.known(entry)).collect();
        let wanted: Vec<TreeEntry> = known.iter().flatten().cloned().collect();
        let mut read = self.folder.read(&wanted).await.into_iter();
        let unlisted = |entry: &RecordEntry| StoreError::Conflict { path: names::path(&entry.name) };
        entries
            .iter()
            .zip(known)
            .map(|(entry, known)| {
                known.and_then(|_| read.next()).map_or_else(
                    || Err(unlisted(entry)),
                    |file| file.map(|file| file.text).map_err(StoreError::Service),
                )
            })
            .collect()
    }

    fn store(&self) -> &dyn Store {
        &self.store
    }

    async fn delete(
        &self,
        entry: &RecordEntry,
        message: &str,
        permit: &WritePermit,
    ) -> Result<(), StoreError> {
        self.folder.remove(&entry.name, entry.revision.as_str(), message, permit).await.map_err(|error| {
            match error.kind {
                ServiceErrorKind::Conflict => StoreError::Conflict { path: names::path(&entry.name) },
                ServiceErrorKind::Unclear => StoreError::Unclear(error),
                _ => StoreError::Service(error),
            }
        })
    }
}

/// The registries on a branch on GitHub. Each is read once.
#[derive(Debug)]
pub struct LiveRegistries {
    folder: GithubFolder,
    listed: tokio::sync::Mutex<Option<Arc<FolderTree>>>,
}

impl LiveRegistries {
    /// The registries in `folder`.
    pub fn new(folder: GithubFolder) -> Self {
        Self { folder, listed: tokio::sync::Mutex::default() }
    }

    async fn tree(&self) -> Result<Arc<FolderTree>, StoreError> {
        let mut listed = self.listed.lock().await;
        if let Some(tree) = &*listed {
            return Ok(Arc::clone(tree));
        }
        let tree = self.folder.list().await?.ok_or_else(|| {
            let detail = "the branch has no such folder";
            let kind = ServiceErrorKind::NotFound;
            StoreError::Service(ServiceError::new(Service::GithubApi, "list the registries", kind, detail))
        })?;
        let tree = Arc::new(tree);
        *listed = Some(Arc::clone(&tree));
        Ok(tree)
    }
}

#[async_trait]
impl Registries for LiveRegistries {
    async fn registry(&self, name: RegistryName) -> Result<Option<Arc<TestJobRegistry>>, RegistryError> {
        let tree = self.tree().await?;
        let Some(entry) = tree.file(&name.to_string()) else { return Ok(None) };
        let mut read = self.folder.read(std::slice::from_ref(entry)).await;
        let Some(file) = read.pop() else { return Ok(None) };
        let file = file.map_err(StoreError::Service)?;
        let registry = TestJobRegistry::parse(name, file.text.as_bytes()).map_err(RegistryError::Invalid)?;
        Ok(Some(Arc::new(registry)))
    }
}
