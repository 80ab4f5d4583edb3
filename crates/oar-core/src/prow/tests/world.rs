//! A small world in memory, which misbehaves by chance and stops dead on demand.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::clients::prow::ProwState;
use crate::clients::release_controller::{BuildLookup, LatestBuild, Phase, StreamName, StreamTag};
use crate::clock::Clock;
use crate::error::{ServiceError, ServiceErrorKind};
use crate::permit::WritePermit;
use crate::prow::json::Map;
use crate::prow::names::{BuildKind, BuildName, FOLDER, RegistryName};
use crate::prow::record::Observation;
use crate::prow::registry::TestJobRegistry;
use crate::prow::runs::{RunIntent, StartedRun};
use crate::prow::world::{
    Artifacts, Builds, Labelled, Payloads, RecordEntry, Records, Registries, RegistryError, TestJobs, World,
};
use crate::service::Service;
use crate::store::memory::SteppingClock;
use crate::store::{Revision, Store, StoreError, Stored};
use crate::version::{Arch, YStream};

/// How long a job runs.
const RUN: SignedDuration = SignedDuration::from_hours(3);
/// How long Prow keeps it, from its start.
const KEPT: SignedDuration = SignedDuration::from_hours(24);

/// One run of a job.
#[derive(Debug, Clone)]
pub(super) struct FakeRun {
    pub(super) id: String,
    pub(super) job: String,
    pub(super) key: String,
    pub(super) payload: String,
    pub(super) started: Timestamp,
    pub(super) outcome: ProwState,
}

#[derive(Debug, Default)]
struct Inner {
    files: BTreeMap<String, String>,
    /// Everything that files ever held, by its revision.
    contents: HashMap<String, String>,
    /// Final records that were put aside, so that later passes need not read them.
    archive: BTreeMap<String, String>,
    writes: Vec<String>,
    runs: Vec<FakeRun>,
    /// The pages of runs whose report was asked for.
    reports_asked: Vec<String>,
    builds: Vec<StreamTag>,
    /// Builds that left their phase.
    fallen: BTreeSet<String>,
    /// The payloads that are labelled, and how many calls did that.
    labels: BTreeSet<String>,
    /// Whether the cluster has no payload at all.
    no_payloads: bool,
    /// Whether Gangway lists nothing, whatever runs.
    lists_nothing: bool,
    labelled_now: BTreeMap<String, usize>,
}

impl Inner {
    fn put(&mut self, path: &str, text: &str) {
        self.files.insert(path.to_owned(), text.to_owned());
        self.contents.insert(Revision::of(text).as_str().to_owned(), text.to_owned());
    }

    /// The runs that Prow still has: young ones, and the newest of each job.
    fn kept(&self, now: Timestamp) -> std::vec::IntoIter<FakeRun> {
        let newest: BTreeMap<&str, &str> =
            self.runs.iter().map(|run| (run.job.as_str(), run.id.as_str())).collect();
        let kept = self.runs.iter().filter(|run| {
            now.duration_since(run.started) <= KEPT || newest.get(run.job.as_str()) == Some(&run.id.as_str())
        });
        kept.cloned().collect::<Vec<_>>().into_iter()
    }

    fn latest(&self, kind: BuildKind) -> Option<&StreamTag> {
        self.of_kind(kind).rfind(|tag| !self.fallen.contains(&tag.name))
    }

    fn of_kind(&self, kind: BuildKind) -> impl DoubleEndedIterator<Item = &StreamTag> {
        let nightly = kind == BuildKind::Nightly;
        self.builds.iter().filter(move |tag| tag.name.contains("nightly") == nightly)
    }
}

/// What goes wrong, each in a thousand requests.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Chances {
    pub(super) conflict: u32,
    pub(super) lost: u32,
    pub(super) refused: u32,
    /// Prow does not show a run.
    pub(super) unseen: u32,
    /// Prow shows a run that has ended with its completion time and an open state.
    pub(super) mid_change: u32,
    /// A request takes two minutes.
    pub(super) slow: u32,
    /// Gangway lists nothing.
    pub(super) blind: u32,
}

/// How the run of a job ends that has so many runs for the same payload already.
type Outcomes = dyn FnMut(&str, usize) -> ProwState + Send;

/// The world, as one of its workers sees it.
pub(super) struct FakeWorld {
    inner: Arc<Mutex<Inner>>,
    chance: Arc<Mutex<StdRng>>,
    chances: Arc<Mutex<Chances>>,
    /// After how many further requests the worker dies.
    fuse: Mutex<Option<u32>>,
    pub(super) clock: Clock,
    source: Arc<SteppingClock>,
    registry: Mutex<String>,
    /// A file that nobody finds, though it is there.
    hidden: Mutex<Option<String>>,
    /// How long a start waits for its turn.
    turn: Mutex<Duration>,
    outcomes: Arc<Mutex<Box<Outcomes>>>,
}

fn locked<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn failed(service: Service, kind: ServiceErrorKind) -> ServiceError {
    ServiceError::new(service, "work", kind, "by chance")
}

impl FakeWorld {
    pub(super) fn new(
        seed: u64,
        registry: &str,
        outcomes: impl FnMut(&str, usize) -> ProwState + Send + 'static,
    ) -> Self {
        let (clock, source) = SteppingClock::start();
        Self {
            inner: Arc::default(),
            chance: Arc::new(Mutex::new(StdRng::seed_from_u64(seed))),
            chances: Arc::default(),
            fuse: Mutex::new(None),
            clock,
            source,
            registry: Mutex::new(registry.to_owned()),
            hidden: Mutex::default(),
            turn: Mutex::default(),
            outcomes: Arc::new(Mutex::new(Box::new(outcomes))),
        }
    }

    /// The same world for another worker, which dies by itself.
    pub(super) fn worker(&self, fuse: Option<u32>) -> Self {
        Self {
            inner: Arc::clone(&self.inner),
            chance: Arc::clone(&self.chance),
            chances: Arc::clone(&self.chances),
            fuse: Mutex::new(fuse),
            clock: self.clock.clone(),
            source: Arc::clone(&self.source),
            registry: Mutex::new(locked(&self.registry).clone()),
            hidden: Mutex::default(),
            turn: Mutex::default(),
            outcomes: Arc::clone(&self.outcomes),
        }
    }

    pub(super) fn world(&self) -> World<'_> {
        World {
            builds: self,
            jobs: self,
            records: self,
            registries: self,
            clock: &self.clock,
            intent_lease: SignedDuration::from_mins(10),
        }
    }

    pub(super) fn advance(&self, duration: Duration) {
        self.source.advance(duration);
    }

    pub(super) fn misbehave(&self, chances: Chances) {
        *locked(&self.chances) = chances;
    }

    /// Lets `requests` more requests through; `None` lets all.
    pub(super) fn fuse(&self, requests: Option<u32>) {
        *locked(&self.fuse) = requests;
    }

    pub(super) fn is_dead(&self) -> bool {
        *locked(&self.fuse) == Some(0)
    }

    /// A new accepted build.
    pub(super) fn publish(&self, name: &str) {
        self.publish_as(name, Phase::Accepted);
    }

    /// A new build in this phase.
    pub(super) fn publish_as(&self, name: &str, phase: Phase) {
        let mut inner = locked(&self.inner);
        inner.builds.push(StreamTag {
            name: name.to_owned(),
            phase,
            pull_spec: format!("registry.example.com/demo/release:{name}"),
            download_url: format!("https://example.com/{name}"),
        });
    }

    /// The newest stable build leaves its phase for a while.
    pub(super) fn fall_back(&self) {
        let mut inner = locked(&self.inner);
        let newest = inner.latest(BuildKind::Stable).map(|tag| tag.name.clone());
        inner.fallen.extend(newest);
    }

    /// The stream forgets all builds but the newest.
    pub(super) fn recycle(&self) {
        let mut inner = locked(&self.inner);
        let keep = inner.builds.len().saturating_sub(1);
        inner.builds.drain(..keep);
    }

    /// The stream forgets all builds.
    pub(super) fn forget_builds(&self) {
        locked(&self.inner).builds.clear();
    }

    /// Prow forgets this run, and its artifacts are gone.
    pub(super) fn forget_run(&self, id: &str) {
        locked(&self.inner).runs.retain(|run| run.id != id);
    }

    /// A run that somebody started by hand.
    pub(super) fn start_by_hand(&self, job: &str, outcome: ProwState) -> String {
        let now = self.clock.now();
        let mut inner = locked(&self.inner);
        let id = format!("hand-{:05}", inner.runs.len());
        let (job, key, payload) = (job.to_owned(), String::new(), String::new());
        inner.runs.push(FakeRun { id: id.clone(), job, key, payload, started: now, outcome });
        id
    }

    /// A run that another program started with this image.
    pub(super) fn start_by_others(&self, job: &str, payload: &str, outcome: ProwState) -> String {
        let id = self.start_by_hand(job, outcome);
        if let Some(run) = locked(&self.inner).runs.last_mut() {
            payload.clone_into(&mut run.payload);
        }
        id
    }

    /// Gangway lists nothing from now on, or everything again.
    pub(super) fn list_nothing(&self, nothing: bool) {
        locked(&self.inner).lists_nothing = nothing;
    }

    /// The cluster has no payload of any build.
    pub(super) fn without_payloads(&self) {
        locked(&self.inner).no_payloads = true;
    }

    /// Somebody takes the label of a payload away.
    pub(super) fn unlabel(&self, build: &str) {
        locked(&self.inner).labels.remove(build);
    }

    pub(super) fn runs(&self) -> Vec<FakeRun> {
        locked(&self.inner).runs.clone()
    }

    /// How many calls labelled each payload.
    pub(super) fn labels(&self) -> BTreeMap<String, usize> {
        locked(&self.inner).labelled_now.clone()
    }

    pub(super) fn files(&self) -> BTreeMap<String, String> {
        let inner = locked(&self.inner);
        inner.archive.iter().chain(&inner.files).map(|(path, text)| (path.clone(), text.clone())).collect()
    }

    /// Puts final records aside.
    pub(super) fn archive(&self) {
        let mut inner = locked(&self.inner);
        let finished = inner.files.extract_if(.., |_, text| text.contains("\"aggregated\": true"));
        let finished: Vec<_> = finished.collect();
        inner.archive.extend(finished);
    }

    pub(super) fn put(&self, path: &str, text: &str) {
        locked(&self.inner).put(path, text);
    }

    pub(super) fn remove(&self, path: &str) {
        locked(&self.inner).files.remove(path);
    }

    /// From now on this is the registry.
    pub(super) fn register(&self, registry: &str) {
        registry.clone_into(&mut locked(&self.registry));
    }

    /// The file at `path` is not found; `None` shows all files.
    pub(super) fn hide(&self, path: Option<String>) {
        *locked(&self.hidden) = path;
    }

    /// So long every start waits for its turn.
    pub(super) fn turns_take(&self, duration: Duration) {
        *locked(&self.turn) = duration;
    }

    pub(super) fn writes(&self) -> Vec<String> {
        locked(&self.inner).writes.clone()
    }

    pub(super) fn reports_asked(&self) -> usize {
        locked(&self.inner).reports_asked.len()
    }

    /// The same world with another registry; an empty text stands for none.
    pub(super) fn with_registry(&self, registry: &str) -> Self {
        Self { registry: Mutex::new(registry.to_owned()), ..self.worker(None) }
    }

    fn happens(&self, chance: u32) -> bool {
        chance > 0 && locked(&self.chance).random_ratio(chance.min(1000), 1000)
    }

    fn chances(&self) -> Chances {
        *locked(&self.chances)
    }

    /// One request: others get their turn, and a dead process makes none until it lives again.
    pub(super) async fn request(&self) {
        tokio::task::yield_now().await;
        if let Some(left) = &mut *locked(&self.fuse) {
            *left = left.saturating_sub(1);
        }
        while self.is_dead() {
            tokio::task::yield_now().await;
        }
        if self.happens(self.chances().slow) {
            self.advance(Duration::from_mins(2));
        }
    }

    /// The runs under way with the intent's variables that have no key.
    fn strangers(&self, intent: &RunIntent) -> impl Iterator<Item = String> {
        let now = self.clock.now();
        let payload = payload(intent);
        let kept = locked(&self.inner).kept(now);
        let intent = intent.clone();
        kept.filter(move |run| {
            let alike = run.job == intent.job && run.key.is_empty() && run.payload == payload;
            alike && now < run.started + RUN && !intent.others.contains(&run.id)
        })
        .map(|run| run.id)
    }

    fn new_run(&self, intent: &RunIntent) -> String {
        let now = self.clock.now();
        let before = locked(&self.inner).runs.iter().filter(|run| same(run, intent)).count();
        let outcome = locked(&self.outcomes)(&intent.job, before);
        let mut inner = locked(&self.inner);
        let id = format!("run-{:05}", inner.runs.len());
        let payload = payload(intent);
        let (job, key) = (intent.job.clone(), intent.key.clone());
        inner.runs.push(FakeRun { id: id.clone(), job, key, payload, started: now, outcome });
        id
    }
}

fn payload(intent: &RunIntent) -> String {
    intent.envs.values().cloned().collect::<Vec<_>>().join(",")
}

fn same(run: &FakeRun, intent: &RunIntent) -> bool {
    run.job == intent.job && intent.envs.values().any(|value| *value == run.payload)
}

#[async_trait]
impl Builds for FakeWorld {
    async fn latest(
        &self,
        _release: YStream,
        kind: BuildKind,
        _arch: Arch,
    ) -> Result<Option<LatestBuild>, ServiceError> {
        self.request().await;
        let inner = locked(&self.inner);
        let Some(tag) = inner.latest(kind) else { return Ok(None) };
        let body = format!(
            "{{\n  \"name\": \"{}\",\n  \"phase\": \"Accepted\",\n  \"pullSpec\": \"{}\",\n  \"downloadURL\": \"{}\"\n}}\n",
            tag.name, tag.pull_spec, tag.download_url
        );
        Ok(Some(LatestBuild { tag: tag.clone(), body, stream: StreamName::stable(4, Arch::Amd64) }))
    }

    async fn find(&self, build: &BuildName, _arch: Arch) -> Result<BuildLookup, ServiceError> {
        self.request().await;
        let name = build.to_string();
        let inner = locked(&self.inner);
        let mut stream = inner.of_kind(build.kind()).peekable();
        if stream.peek().is_none() {
            return Ok(BuildLookup::Unknown(StreamName::stable(4, Arch::Amd64)));
        }
        Ok(stream.find(|tag| tag.name == name).cloned().map_or(BuildLookup::Absent, BuildLookup::Found))
    }

    async fn nightlies(&self, _release: YStream, _arch: Arch) -> Result<Vec<String>, ServiceError> {
        self.request().await;
        Ok(locked(&self.inner).of_kind(BuildKind::Nightly).map(|tag| tag.name.clone()).collect())
    }
}

#[async_trait]
impl TestJobs for FakeWorld {
    async fn start(&self, intent: &RunIntent, _permit: &WritePermit) -> Result<StartedRun, ServiceError> {
        if self.happens(self.chances().refused) {
            self.request().await;
            return Err(failed(Service::Gangway, ServiceErrorKind::RateLimited));
        }
        self.advance(*locked(&self.turn));
        if intent.until.is_some_and(|until| self.clock.now() > until) {
            return Err(failed(Service::Gangway, ServiceErrorKind::Unavailable));
        }
        let acts = !self.happens(self.chances().lost);
        let id = acts.then(|| self.new_run(intent));
        let lost = self.happens(self.chances().lost);
        // Dead after it acted, or before the answer is read: the id is nowhere.
        self.request().await;
        match id {
            Some(id) if !lost => Ok(StartedRun::New { id }),
            Some(_) | None => Err(failed(Service::Gangway, ServiceErrorKind::Unclear)),
        }
    }

    async fn find(&self, intent: &RunIntent) -> Result<Option<String>, ServiceError> {
        self.request().await;
        if self.happens(self.chances().lost) {
            return Err(failed(Service::Gangway, ServiceErrorKind::Unavailable));
        }
        let blind = self.happens(self.chances().blind) || locked(&self.inner).lists_nothing;
        if blind {
            return Err(failed(Service::Gangway, ServiceErrorKind::Unclear));
        }
        let now = self.clock.now();
        let own = locked(&self.inner).kept(now).find(|run| run.job == intent.job && run.key == intent.key);
        Ok(own.map(|run| run.id).or_else(|| self.strangers(intent).next()))
    }

    async fn under_way(&self, intent: &RunIntent) -> Result<Vec<String>, ServiceError> {
        self.request().await;
        if self.happens(self.chances().lost) {
            return Err(failed(Service::Gangway, ServiceErrorKind::Unavailable));
        }
        let blind = self.happens(self.chances().blind) || locked(&self.inner).lists_nothing;
        Ok(if blind { Vec::new() } else { self.strangers(intent).collect() })
    }

    async fn run(&self, id: &str) -> Result<Option<Observation>, ServiceError> {
        self.request().await;
        if self.happens(self.chances().lost) {
            return Err(failed(Service::Prow, ServiceErrorKind::Unavailable));
        }
        if self.happens(self.chances().unseen) {
            return Ok(None);
        }
        let mid_change = self.happens(self.chances().mid_change);
        let now = self.clock.now();
        let inner = locked(&self.inner);
        let Some(run) = inner.kept(now).find(|run| run.id == id) else { return Ok(None) };
        let run = &run;
        let ended = run.started + RUN;
        let over = now >= ended;
        Ok(Some(Observation {
            id: run.id.clone(),
            job: run.job.clone(),
            state: if over && !mid_change { run.outcome } else { ProwState::Pending },
            url: Some(page(run)),
            started: Some(run.started),
            completed: over.then_some(ended),
        }))
    }
}

fn page(run: &FakeRun) -> String {
    format!("https://example.com/logs/{}/{}", run.job, run.id)
}

#[async_trait]
impl Artifacts for FakeWorld {
    async fn summary(&self, page: &str) -> Result<Option<Map>, ServiceError> {
        self.request().await;
        locked(&self.inner).reports_asked.push(page.to_owned());
        Ok(None)
    }

    async fn ended(&self, id: &str, _page: &str) -> Result<Option<Observation>, ServiceError> {
        self.request().await;
        let now = self.clock.now();
        let inner = locked(&self.inner);
        let ended = |run: &&FakeRun| run.id == id && now >= run.started + RUN;
        Ok(inner.runs.iter().find(ended).map(|run| Observation {
            id: run.id.clone(),
            job: run.job.clone(),
            state: run.outcome,
            url: Some(page(run)),
            started: Some(run.started),
            completed: Some(run.started + RUN),
        }))
    }
}

#[async_trait]
impl Payloads for FakeWorld {
    async fn accept(
        &self,
        build: &BuildName,
        _arch: Arch,
        _permit: &WritePermit,
    ) -> Result<Labelled, ServiceError> {
        self.request().await;
        if self.happens(self.chances().refused) {
            return Err(failed(Service::Kube, ServiceErrorKind::Unavailable));
        }
        let mut inner = locked(&self.inner);
        if inner.no_payloads {
            return Ok(Labelled::Absent);
        }
        let now = inner.labels.insert(build.to_string());
        if now {
            *inner.labelled_now.entry(build.to_string()).or_default() += 1;
        }
        Ok(if now { Labelled::Now } else { Labelled::Already })
    }

    async fn labelled(&self, _arch: Arch) -> Result<BTreeSet<String>, ServiceError> {
        self.request().await;
        Ok(locked(&self.inner).labels.clone())
    }
}

impl std::fmt::Debug for FakeWorld {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("FakeWorld")
    }
}

#[async_trait]
impl Store for FakeWorld {
    async fn read(&self, path: &str) -> Result<Option<Stored>, StoreError> {
        self.request().await;
        if locked(&self.hidden).as_deref() == Some(path) {
            return Ok(None);
        }
        let inner = locked(&self.inner);
        Ok(inner.files.get(path).map(|text| Stored { text: text.clone(), revision: Revision::of(text) }))
    }

    async fn write(
        &self,
        path: &str,
        text: &str,
        expected: Option<&Revision>,
        message: &str,
        _permit: &WritePermit,
    ) -> Result<Revision, StoreError> {
        let chances = self.chances();
        if self.happens(chances.conflict) {
            self.request().await;
            return Err(StoreError::Conflict { path: path.to_owned() });
        }
        let written = {
            let mut inner = locked(&self.inner);
            let present = inner.files.get(path).map(|text| Revision::of(text));
            let good = present.as_ref() == expected;
            if good {
                inner.put(path, text);
                inner.writes.push(message.to_owned());
            }
            good
        };
        self.request().await;
        if !written {
            return Err(StoreError::Conflict { path: path.to_owned() });
        }
        if self.happens(chances.lost) {
            return Err(StoreError::Unclear(failed(Service::GithubApi, ServiceErrorKind::Unclear)));
        }
        Ok(Revision::of(text))
    }

    async fn list(&self, folder: &str) -> Result<Vec<String>, StoreError> {
        self.request().await;
        let prefix = format!("{folder}/");
        let inner = locked(&self.inner);
        Ok(inner.files.keys().filter_map(|path| path.strip_prefix(&prefix)).map(str::to_owned).collect())
    }

    fn describe(&self, path: &str) -> String {
        path.to_owned()
    }
}

#[async_trait]
impl Records for FakeWorld {
    async fn list(&self) -> Result<Vec<RecordEntry>, StoreError> {
        self.request().await;
        let inner = locked(&self.inner);
        Ok(inner
            .files
            .iter()
            .filter_map(|(path, text)| {
                let name = path.strip_prefix(&format!("{FOLDER}/"))?.to_owned();
                Some(RecordEntry { name, revision: Revision::of(text) })
            })
            .collect())
    }

    async fn texts(&self, entries: &[RecordEntry]) -> Vec<Result<String, StoreError>> {
        self.request().await;
        let inner = locked(&self.inner);
        entries
            .iter()
            .map(|entry| {
                let path = format!("{FOLDER}/{}", entry.name);
                inner.contents.get(entry.revision.as_str()).cloned().ok_or(StoreError::Conflict { path })
            })
            .collect()
    }

    fn store(&self) -> &dyn Store {
        self
    }

    async fn delete(
        &self,
        entry: &RecordEntry,
        message: &str,
        _permit: &WritePermit,
    ) -> Result<(), StoreError> {
        self.request().await;
        let mut inner = locked(&self.inner);
        let path = format!("{FOLDER}/{}", entry.name);
        if inner.files.get(&path).map(|text| Revision::of(text)).as_ref() != Some(&entry.revision) {
            return Err(StoreError::Conflict { path });
        }
        inner.files.remove(&path);
        inner.writes.push(message.to_owned());
        Ok(())
    }
}

#[async_trait]
impl Registries for FakeWorld {
    async fn registry(&self, name: RegistryName) -> Result<Option<Arc<TestJobRegistry>>, RegistryError> {
        self.request().await;
        let text = locked(&self.registry).clone();
        if text.is_empty() {
            return Ok(None);
        }
        let registry = TestJobRegistry::parse(name, text.as_bytes()).map_err(RegistryError::Invalid)?;
        Ok(Some(Arc::new(registry)))
    }
}
