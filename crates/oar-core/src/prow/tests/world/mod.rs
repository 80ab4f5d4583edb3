//! A small world in memory, which misbehaves at random and stops on demand.

mod services;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::clients::prow::ProwState;
use crate::clients::release_controller::{BuildLookup, LatestBuild, Phase, StreamName, StreamTag};
use crate::clock::Clock;
use crate::error::{ServiceError, ServiceErrorKind};
use crate::permit::WritePermit;
use crate::prow::names::{BuildKind, BuildName, FOLDER, RegistryName};
use crate::prow::record::Observation;
use crate::prow::registry::TestJobRegistry;
use crate::prow::runs::{RunIntent, StartedRun};
use crate::prow::world::{
    Artifacts, Builds, FoundReport, Labelled, Payloads, RecordEntry, Records, Registries, RegistryError,
    TestJobs, World,
};
use crate::service::Service;
use crate::store::memory::SteppingClock;
use crate::store::{Revision, Store, StoreError, Stored};
use crate::version::{Arch, YStream};

/// How long a job runs.
const RUN: SignedDuration = SignedDuration::from_hours(3);
/// How long Prow keeps a run, from its start.
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
    /// Final records that were archived, so that later passes need not read them.
    archive: BTreeMap<String, String>,
    writes: Vec<String>,
    runs: Vec<FakeRun>,
    /// The pages of runs whose report was requested.
    reports_asked: Vec<String>,
    /// Why no report can be understood; `None` when there are none.
    unreadable_reports: Option<String>,
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

/// The faults, each as a number per thousand requests.
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

/// How the run of a job ends, by the number of its earlier runs for the same payload.
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
    /// A file that exists but is not found.
    hidden: Mutex<Option<String>>,
    /// How long a start waits for the rate limit.
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

    /// Somebody removes the label of a payload.
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

    /// Archives final records.
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

    /// Sets how long every start waits for the rate limit.
    pub(super) fn turns_take(&self, duration: Duration) {
        *locked(&self.turn) = duration;
    }

    pub(super) fn writes(&self) -> Vec<String> {
        locked(&self.inner).writes.clone()
    }

    /// Every run has a report that cannot be understood.
    pub(super) fn spoil_reports(&self, why: &str) {
        locked(&self.inner).unreadable_reports = Some(why.to_owned());
    }

    pub(super) fn reports_asked(&self) -> usize {
        locked(&self.inner).reports_asked.len()
    }

    /// The same world with another registry; an empty text means none.
    pub(super) fn with_registry(&self, registry: &str) -> Self {
        Self { registry: Mutex::new(registry.to_owned()), ..self.worker(None) }
    }

    fn happens(&self, chance: u32) -> bool {
        chance > 0 && locked(&self.chance).random_ratio(chance.min(1000), 1000)
    }

    fn chances(&self) -> Chances {
        *locked(&self.chances)
    }

    /// Counts one request: others may run in between, and a dead process makes none until it is revived.
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

    /// The running runs with the intent's variables and without a key.
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
