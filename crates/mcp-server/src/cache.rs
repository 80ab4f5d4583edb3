//! The cache of releases' build data (spec 05 §7.3).
//!
//! The build data of a y-stream is one file, which all its releases share: it is read once for all who ask at the
//! same time, and after [`TTL`] conditionally, so that an unchanged file is transferred once. A failure is remembered
//! for [`FAILURES`]; that a release is missing holds as long as the file is that recent.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures::stream::iter;
use futures::{FutureExt as _, StreamExt as _};
use jiff::{SignedDuration, Timestamp};
use moka::future::Cache as Entries;
use moka::notification::RemovalCause;
use moka::ops::compute::{CompResult, Op};
use moka::policy::EvictionPolicy;
use oar_core::clients::Clients;
use oar_core::clock::Clock;
use oar_core::config::{BuildDataFile, ConfigError, ConfigStore};
use oar_core::redact::Redactor;
use oar_core::version::{ReleaseVersion, YStream};
use serde_json::{Value, json};

/// How long a file counts as current before it is asked for again, conditionally.
pub const TTL: SignedDuration = SignedDuration::from_secs(300);
/// How long a failure, or the absence of a release, is remembered.
pub const FAILURES: SignedDuration = SignedDuration::from_secs(10);
/// The most releases that are kept.
pub const CAPACITY: u64 = 50;
/// The most y-streams whose files are kept.
const STREAMS: u64 = 16;
/// How many releases are warmed at a time.
const WARMERS: usize = 4;

/// Where build data comes from.
#[async_trait]
pub trait Source: fmt::Debug + Send + Sync {
    /// The file of a y-stream, conditionally when it is known.
    async fn file(
        &self,
        stream: YStream,
        known: Option<&BuildDataFile>,
    ) -> Result<BuildDataFile, ConfigError>;

    /// A release of a file.
    fn release(&self, release: &ReleaseVersion, file: &BuildDataFile) -> Result<ConfigStore, ConfigError>;
}

#[async_trait]
impl Source for Clients {
    async fn file(
        &self,
        stream: YStream,
        known: Option<&BuildDataFile>,
    ) -> Result<BuildDataFile, ConfigError> {
        self.settings().build_data(stream, known, self.http()).await
    }

    fn release(&self, release: &ReleaseVersion, file: &BuildDataFile) -> Result<ConfigStore, ConfigError> {
        self.settings().release_in(release, file)
    }
}

/// One release in the cache. It never changes.
#[derive(Debug)]
pub struct CachedRelease {
    /// Its configuration.
    pub config: ConfigStore,
    /// What is answered about its metadata.
    pub document: Value,
    file: BuildDataFile,
    loaded: Timestamp,
    redacted: OnceLock<Value>,
}

impl CachedRelease {
    /// Its document as `redactor` shows it, which is always the same one: the work is done once.
    pub fn redacted(&self, redactor: &Redactor) -> &Value {
        self.redacted.get_or_init(|| {
            let mut document = self.document.clone();
            crate::documents::bounds::redact(&mut document, redactor);
            document
        })
    }
}

/// A y-stream's file, and when it was last known to be current.
#[derive(Debug)]
struct StreamFile {
    file: BuildDataFile,
    checked: Timestamp,
}

#[derive(Debug)]
struct Failed {
    error: Arc<ConfigError>,
    at: Timestamp,
}

#[derive(Debug, Default)]
struct Metrics {
    hits: AtomicU64,
    misses: AtomicU64,
    evictions: AtomicU64,
    manual_invalidations: AtomicU64,
}

/// The cache. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Cache(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    source: Arc<dyn Source>,
    clock: Clock,
    /// Makes what is answered about a release's metadata.
    document: fn(&ConfigStore) -> Value,
    releases: Entries<ReleaseVersion, Arc<CachedRelease>>,
    files: Entries<YStream, Arc<StreamFile>>,
    failures: Mutex<HashMap<YStream, Failed>>,
    metrics: Arc<Metrics>,
}

/// What became of a release that was to be warmed.
pub type Warmed = (ReleaseVersion, Result<Arc<CachedRelease>, Arc<ConfigError>>);

impl Cache {
    /// A cache of what `clients` read.
    pub fn of(clients: &Clients) -> Self {
        Self::new(Arc::new(clients.clone()), clients.clock().clone())
    }

    /// A cache of what `source` gives.
    pub fn new(source: Arc<dyn Source>, clock: Clock) -> Self {
        let metrics = Arc::new(Metrics::default());
        let counted = Arc::clone(&metrics);
        let releases = Entries::builder()
            .max_capacity(CAPACITY)
            .eviction_policy(EvictionPolicy::lru())
            .eviction_listener(move |_, _, cause| {
                if cause == RemovalCause::Size {
                    counted.evictions.fetch_add(1, Ordering::Relaxed);
                }
            })
            .build();
        let files = Entries::builder().max_capacity(STREAMS).eviction_policy(EvictionPolicy::lru()).build();
        let document = crate::documents::metadata;
        let failures = Mutex::default();
        Self(Arc::new(Inner { source, clock, document, releases, files, failures, metrics }))
    }

    /// The release, without a request when it is cached.
    pub async fn get(&self, release: &ReleaseVersion) -> Result<Arc<CachedRelease>, Arc<ConfigError>> {
        if let Some(cached) = self.current(release).await {
            return Ok(cached);
        }
        let now = self.0.clock.now();
        self.0.metrics.misses.fetch_add(1, Ordering::Relaxed);
        let file = self.file(release.y_stream(), TTL).await?;
        match self.take(release, &file).await {
            Err(error)
                if matches!(*error, ConfigError::ReleaseNotReady { .. })
                    && !is_within(file.checked, FAILURES, now) =>
            {
                let file = self.file(release.y_stream(), FAILURES).await?;
                self.take(release, &file).await
            }
            taken => taken,
        }
    }

    /// The release when it is cached and no request has to be waited for.
    pub fn at_hand(&self, release: &ReleaseVersion) -> Option<Arc<CachedRelease>> {
        self.current(release).now_or_never().flatten()
    }

    async fn current(&self, release: &ReleaseVersion) -> Option<Arc<CachedRelease>> {
        let Inner { releases, files, metrics, clock, .. } = &*self.0;
        let file = files.get(&release.y_stream()).await?;
        let cached = releases.get(release).await?;
        if !is_within(file.checked, TTL, clock.now()) || !cached.file.is_same(&file.file) {
            return None;
        }
        metrics.hits.fetch_add(1, Ordering::Relaxed);
        Some(cached)
    }

    /// The release as the file has it, which is cached then.
    async fn take(
        &self,
        release: &ReleaseVersion,
        file: &StreamFile,
    ) -> Result<Arc<CachedRelease>, Arc<ConfigError>> {
        let Inner { source, releases, clock, document, .. } = &*self.0;
        if let Some(cached) = releases.get(release).await
            && cached.file.is_same(&file.file)
        {
            return Ok(cached);
        }
        let config = match source.release(release, &file.file) {
            Ok(config) => config,
            Err(error) => {
                releases.invalidate(release).await;
                return Err(Arc::new(error));
            }
        };
        let document = document(&config);
        let file = file.file.clone();
        let cached = Arc::new(CachedRelease {
            config,
            document,
            file,
            loaded: clock.now(),
            redacted: OnceLock::new(),
        });
        releases.insert(release.clone(), Arc::clone(&cached)).await;
        Ok(cached)
    }

    /// The file of a y-stream, known to be current within `age`; one request for all who ask at the same time.
    async fn file(&self, stream: YStream, age: SignedDuration) -> Result<Arc<StreamFile>, Arc<ConfigError>> {
        let inner = &self.0;
        let work = inner.files.entry(stream).and_try_compute_with(|entry| async move {
            let known = entry.map(moka::Entry::into_value);
            // Whoever waited for somebody else's request has its result here.
            if known.as_ref().is_some_and(|known| is_within(known.checked, age, inner.clock.now())) {
                return Ok(Op::Nop);
            }
            if let Some(error) = self.failure(stream) {
                return Err(error);
            }
            match inner.source.file(stream, known.as_ref().map(|known| &known.file)).await {
                Ok(file) => {
                    self.failures().remove(&stream);
                    Ok(Op::Put(Arc::new(StreamFile { file, checked: inner.clock.now() })))
                }
                Err(error) => {
                    let error = Arc::new(error);
                    let failed = Failed { error: Arc::clone(&error), at: inner.clock.now() };
                    // An unsupported y-stream costs no request, and the supported ones are few.
                    if !matches!(*error, ConfigError::UnsupportedStream { .. }) {
                        self.failures().insert(stream, failed);
                    }
                    Err(error)
                }
            }
        });
        match work.await? {
            CompResult::Inserted(entry)
            | CompResult::ReplacedWith(entry)
            | CompResult::Unchanged(entry)
            | CompResult::Removed(entry) => Ok(entry.into_value()),
            CompResult::StillNone(_) => {
                Err(Arc::new(ConfigError::BuildDataNotFound { stream, location: "the cache".to_owned() }))
            }
        }
    }

    fn failures(&self) -> std::sync::MutexGuard<'_, HashMap<YStream, Failed>> {
        // Every change of the map is one call, so a panic elsewhere cannot leave it inconsistent.
        self.0.failures.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn failure(&self, stream: YStream) -> Option<Arc<ConfigError>> {
        let now = self.0.clock.now();
        let failures = self.failures();
        let failed = failures.get(&stream)?;
        is_within(failed.at, FAILURES, now).then(|| Arc::clone(&failed.error))
    }

    /// Drops the release, or everything; how many entries that were. The next request reads the build data anew.
    pub async fn invalidate(&self, release: Option<&ReleaseVersion>) -> u64 {
        let Inner { releases, files, metrics, .. } = &*self.0;
        let dropped = if let Some(release) = release {
            files.invalidate(&release.y_stream()).await;
            self.failures().remove(&release.y_stream());
            u64::from(releases.remove(release).await.is_some())
        } else {
            let count = self.size().await;
            files.invalidate_all();
            releases.invalidate_all();
            releases.run_pending_tasks().await;
            self.failures().clear();
            count
        };
        metrics.manual_invalidations.fetch_add(dropped, Ordering::Relaxed);
        dropped
    }

    /// Reads the releases that are not cached.
    pub async fn warm(&self, releases: Vec<ReleaseVersion>) -> Vec<Warmed> {
        let one = |release: ReleaseVersion| async move {
            let result = self.get(&release).await;
            (release, result)
        };
        iter(releases.into_iter().map(one)).buffered(WARMERS).collect().await
    }

    /// How many releases are cached.
    pub async fn size(&self) -> u64 {
        self.0.releases.run_pending_tasks().await;
        self.0.releases.entry_count()
    }

    /// The statistics, in the form of `mcp_cache_stats`.
    pub async fn statistics(&self) -> Value {
        let Inner { releases, files, metrics, clock, .. } = &*self.0;
        let size = self.size().await;
        let now = clock.now();
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let (hits, misses) = (count(&metrics.hits), count(&metrics.misses));
        let mut cached: Vec<_> = releases.iter().collect();
        cached.sort_by(|(one, _), (other, _)| one.cmp(other));
        let mut entries = Vec::new();
        for (release, entry) in cached {
            let file = files.get(&release.y_stream()).await;
            let expires = file.filter(|file| file.file.is_same(&entry.file)).map_or(0, |file| {
                TTL.as_secs()
                    .saturating_sub(now.duration_since(file.checked).as_secs())
                    .clamp(0, TTL.as_secs())
            });
            entries.push(json!({
                "release": release.to_string(),
                "cached": true,
                "ttl_human": human(expires.unsigned_abs()),
                "age_seconds": now.duration_since(entry.loaded).as_secs().max(0),
                "expires_in_seconds": expires,
            }));
        }
        json!({
            "metrics": {
                "hits": hits,
                "misses": misses,
                "evictions": count(&metrics.evictions),
                "manual_invalidations": count(&metrics.manual_invalidations),
                "hit_rate": rate(hits, hits.saturating_add(misses)),
                "total_requests": hits.saturating_add(misses),
            },
            "cache_size": size,
            "max_size": CAPACITY,
            "ttl_seconds": TTL.as_secs(),
            "ttl_human": human(TTL.as_secs().unsigned_abs()),
            "entries": entries,
        })
    }

    /// Size, capacity, hit rate and time to live, for `/health`.
    pub fn summary(&self) -> CacheSummary {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let (hits, misses) = (count(&self.0.metrics.hits), count(&self.0.metrics.misses));
        CacheSummary {
            size: self.0.releases.entry_count(),
            max_size: CAPACITY,
            hit_rate: rate(hits, hits.saturating_add(misses)),
            ttl: Duration::from_secs(TTL.as_secs().unsigned_abs()),
        }
    }
}

/// What `/health` says of the cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheSummary {
    /// How many releases are cached, roughly.
    pub size: u64,
    /// The most that are.
    pub max_size: u64,
    /// The share of requests that were answered from it: `93.75%`.
    pub hit_rate: String,
    /// How long build data counts as current.
    pub ttl: Duration,
}

fn is_within(since: Timestamp, age: SignedDuration, now: Timestamp) -> bool {
    let passed = now.duration_since(since);
    // A clock that was set back must not keep an entry for ever.
    passed < age && passed > -age
}

/// A share in percent with two decimals, in whole numbers so that it is exact.
fn rate(part: u64, whole: u64) -> String {
    let hundredths = u128::from(part) * 10_000 / u128::from(whole.max(1));
    format!("{}.{:02}%", hundredths / 100, hundredths % 100)
}

/// A duration in its two largest units: `5m`, `4m 10s`.
fn human(seconds: u64) -> String {
    let parts =
        [(seconds / 86_400, "d"), (seconds / 3600 % 24, "h"), (seconds / 60 % 60, "m"), (seconds % 60, "s")];
    let shown: Vec<String> = parts
        .iter()
        .filter(|(count, _)| *count > 0)
        .take(2)
        .map(|(count, unit)| format!("{count}{unit}"))
        .collect();
    if shown.is_empty() { "0s".to_owned() } else { shown.join(" ") }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::atomic::{AtomicBool, AtomicUsize};

    use futures::future::{BoxFuture, join_all};
    use oar_core::clock::ClockSource;
    use oar_core::config::{Environment, Settings};
    use oar_core::error::{ServiceError, ServiceErrorKind};
    use oar_core::service::Service;

    use super::*;

    const TEXT: &str = "
releases:
  4.19.1: {assembly: {group: {advisories: {rpm: 100001}, release_jira: ART-1}}}
  4.19.2: {assembly: {group: {advisories: {rpm: 100002}, release_jira: ART-2}}}
";

    /// A clock that stands still until it is moved.
    #[derive(Debug)]
    pub(crate) struct Still(AtomicU64);

    impl Still {
        pub(crate) fn new() -> Arc<Self> {
            Arc::new(Self(AtomicU64::new(1_800_000_000)))
        }

        pub(crate) fn advance(&self, seconds: u64) {
            self.0.fetch_add(seconds, Ordering::SeqCst);
        }
    }

    impl ClockSource for Still {
        fn now(&self) -> Timestamp {
            let seconds = i64::try_from(self.0.load(Ordering::SeqCst)).unwrap();
            Timestamp::from_second(seconds).unwrap()
        }

        fn sleep(&self, _: Duration) -> BoxFuture<'static, ()> {
            Box::pin(tokio::task::yield_now())
        }

        fn random(&self) -> f64 {
            0.5
        }
    }

    /// A source that counts its reads.
    #[derive(Debug)]
    pub(crate) struct Counted {
        settings: Settings,
        pub(crate) reads: AtomicUsize,
        pub(crate) conditional: AtomicUsize,
        pub(crate) fails: AtomicBool,
        text: Mutex<String>,
    }

    impl Counted {
        pub(crate) fn new() -> Arc<Self> {
            let settings = Settings::load(&Environment::from_pairs([("USER", "somebody")])).unwrap();
            let text = Mutex::new(TEXT.to_owned());
            Arc::new(Self {
                settings,
                reads: AtomicUsize::new(0),
                conditional: AtomicUsize::new(0),
                fails: AtomicBool::new(false),
                text,
            })
        }

        fn change(&self, from: &str, to: &str) {
            let mut text = self.text.lock().unwrap();
            *text = text.replace(from, to);
        }
    }

    #[async_trait]
    impl Source for Counted {
        async fn file(
            &self,
            stream: YStream,
            known: Option<&BuildDataFile>,
        ) -> Result<BuildDataFile, ConfigError> {
            self.reads.fetch_add(1, Ordering::SeqCst);
            // Others get their turn meanwhile.
            for _ in 0..20 {
                tokio::task::yield_now().await;
            }
            if self.fails.load(Ordering::SeqCst) {
                return Err(ServiceError {
                    service: Service::GithubRaw,
                    operation: "read the build data",
                    subject: None,
                    kind: ServiceErrorKind::Unavailable,
                    status: Some(503),
                    read: true,
                    detail: "down".to_owned(),
                    hint: None,
                    source: None,
                }
                .into());
            }
            let file = BuildDataFile::of_text(stream, &self.text.lock().unwrap(), "a test")?;
            match known {
                Some(known) => {
                    self.conditional.fetch_add(1, Ordering::SeqCst);
                    let release = release("4.19.1");
                    let ticket = |file| {
                        let config = self.settings.release_in(&release, file);
                        config.ok().and_then(|config| config.jira_ticket().map(ToString::to_string))
                    };
                    Ok(if ticket(known) == ticket(&file) { known.clone() } else { file })
                }
                None => Ok(file),
            }
        }

        fn release(
            &self,
            release: &ReleaseVersion,
            file: &BuildDataFile,
        ) -> Result<ConfigStore, ConfigError> {
            self.settings.release_in(release, file)
        }
    }

    pub(crate) fn release(text: &str) -> ReleaseVersion {
        text.parse().unwrap()
    }

    fn setup() -> (Arc<Counted>, Arc<Still>, Cache) {
        let (source, still) = (Counted::new(), Still::new());
        let clock = Clock::new(Arc::<Still>::clone(&still));
        let cache = Cache::new(Arc::<Counted>::clone(&source), clock);
        (source, still, cache)
    }

    fn ticket(cached: &CachedRelease) -> String {
        cached.config.jira_ticket().unwrap().to_string()
    }

    #[tokio::test]
    async fn a_hundred_who_ask_at_once_cost_one_request() {
        let (source, _, cache) = setup();
        let (one, two) = (release("4.19.1"), release("4.19.2"));
        let asked = (0..100).map(|number| cache.get(if number % 2 == 0 { &one } else { &two }));
        for answer in join_all(asked).await {
            assert!(answer.is_ok());
        }
        assert_eq!(source.reads.load(Ordering::SeqCst), 1);
        let statistics = cache.statistics().await;
        assert_eq!(statistics["metrics"]["total_requests"], 100);
        assert_eq!(statistics["cache_size"], 2);
    }

    #[tokio::test]
    async fn a_failure_is_shared_and_remembered_for_a_short_time() {
        let (source, still, cache) = setup();
        source.fails.store(true, Ordering::SeqCst);
        let one = release("4.19.1");
        for answer in join_all((0..100).map(|_| cache.get(&one))).await {
            assert!(answer.unwrap_err().to_string().contains("down"));
        }
        assert_eq!(source.reads.load(Ordering::SeqCst), 1);
        source.fails.store(false, Ordering::SeqCst);
        still.advance(9);
        assert!(cache.get(&one).await.is_err());
        still.advance(2);
        assert_eq!(ticket(&cache.get(&one).await.unwrap()), "ART-1");
        assert_eq!(source.reads.load(Ordering::SeqCst), 2);
        assert_eq!(cache.size().await, 1);
    }

    #[tokio::test]
    async fn an_old_entry_is_asked_for_conditionally_and_a_change_replaces_it() {
        let (source, still, cache) = setup();
        let one = release("4.19.1");
        let first = cache.get(&one).await.unwrap();
        still.advance(299);
        assert!(Arc::ptr_eq(&first, &cache.get(&one).await.unwrap()));
        assert_eq!(source.reads.load(Ordering::SeqCst), 1);
        still.advance(2);
        assert!(Arc::ptr_eq(&first, &cache.get(&one).await.unwrap()), "an unchanged file keeps its entries");
        assert_eq!(source.conditional.load(Ordering::SeqCst), 1);
        source.change("ART-1", "ART-7");
        still.advance(301);
        assert_eq!(ticket(&cache.get(&one).await.unwrap()), "ART-7");
        assert_eq!(ticket(&first), "ART-1", "what was given out never changes");
    }

    #[tokio::test]
    async fn an_absent_release_is_looked_for_again_after_a_short_time() {
        let (source, still, cache) = setup();
        let new = release("4.19.3");
        assert!(cache.get(&new).await.is_err());
        assert!(cache.get(&new).await.is_err());
        assert_eq!(source.reads.load(Ordering::SeqCst), 1);
        source.change("ART-1", "ART-5");
        source.change("4.19.2:", "4.19.3:");
        still.advance(11);
        assert_eq!(ticket(&cache.get(&new).await.unwrap()), "ART-2");
        assert_eq!(source.reads.load(Ordering::SeqCst), 2);
        let error = cache.get(&release("1.2.3")).await.unwrap_err();
        assert!(matches!(*error, ConfigError::Unsupported { .. }), "{error}");
    }

    #[tokio::test]
    async fn statistics_have_the_keys_and_numbers_of_the_tool() {
        let (source, still, cache) = setup();
        let (one, two) = (release("4.19.1"), release("4.19.2"));
        for release in [&one, &one, &one, &two] {
            cache.get(release).await.unwrap();
        }
        still.advance(60);
        let statistics = cache.statistics().await;
        let metrics = json!({
            "hits": 2, "misses": 2, "evictions": 0, "manual_invalidations": 0, "hit_rate": "50.00%",
            "total_requests": 4,
        });
        assert_eq!(statistics["metrics"], metrics);
        let entry = |release: &str| {
            json!({
                "release": release, "cached": true, "ttl_human": "4m", "age_seconds": 60,
                "expires_in_seconds": 240,
            })
        };
        assert_eq!(statistics["entries"], json!([entry("4.19.1"), entry("4.19.2")]));
        assert_eq!(
            (&statistics["max_size"], &statistics["ttl_seconds"], &statistics["ttl_human"]),
            (&json!(50), &json!(300), &json!("5m"))
        );
        assert_eq!(cache.invalidate(Some(&release("4.19.9"))).await, 0);
        assert_eq!(cache.invalidate(Some(&one)).await, 1);
        assert_eq!(cache.invalidate(None).await, 1);
        assert_eq!(cache.statistics().await["metrics"]["manual_invalidations"], 2);
        assert_eq!(cache.size().await, 0);
        cache.get(&two).await.unwrap();
        assert_eq!(source.reads.load(Ordering::SeqCst), 2);
        assert_eq!(source.conditional.load(Ordering::SeqCst), 0, "what was dropped is read whole");
    }

    #[tokio::test]
    async fn what_is_at_hand_is_what_would_be_read_without_a_request() {
        let (source, clock, cache) = setup();
        let one = release("4.19.1");
        assert!(cache.at_hand(&one).is_none());
        let read = cache.get(&one).await.unwrap();
        assert!(Arc::ptr_eq(&cache.at_hand(&one).unwrap(), &read));
        assert!(cache.at_hand(&release("4.19.2")).is_none(), "it is in the file, but was never asked for");
        let metrics = &cache.statistics().await["metrics"];
        assert_eq!((&metrics["hits"], &metrics["misses"]), (&json!(1), &json!(1)));
        clock.advance(301);
        assert!(cache.at_hand(&one).is_none(), "its file has to be asked for again");
        cache.get(&one).await.unwrap();
        assert!(cache.at_hand(&one).is_some());
        cache.invalidate(Some(&one)).await;
        assert!(cache.at_hand(&one).is_none());
        assert_eq!(source.reads.load(Ordering::SeqCst), 2);
    }

    #[tokio::test]
    async fn a_document_is_redacted_once() {
        let (source, _, cache) = setup();
        source.change("ART-1", "ART-10000");
        let cached = cache.get(&release("4.19.1")).await.unwrap();
        assert!(cached.document.to_string().contains("ART-10000"));
        let redactor = Redactor::new([secrecy::SecretString::from("ART-10000")]);
        let first = cached.redacted(&redactor);
        assert!(!first.to_string().contains("ART-10000"), "{first}");
        assert!(std::ptr::eq(first, cached.redacted(&redactor)));
    }

    #[tokio::test]
    async fn at_most_fifty_releases_are_kept() {
        let (source, _, cache) = setup();
        let more: Vec<String> =
            (3..70).map(|patch| format!("  4.19.{patch}: {{assembly: {{group: {{}}}}}}\n")).collect();
        source.text.lock().unwrap().push_str(&more.concat());
        for patch in 1..70 {
            cache.get(&release(&format!("4.19.{patch}"))).await.unwrap();
        }
        assert_eq!(cache.size().await, CAPACITY);
        assert_eq!(cache.statistics().await["metrics"]["evictions"], 19);
    }

    #[tokio::test]
    async fn warming_says_what_became_of_each_release() {
        let (_, _, cache) = setup();
        let warmed = cache.warm(vec![release("4.19.1"), release("4.19.9")]).await;
        let became: Vec<(String, bool)> =
            warmed.iter().map(|(release, result)| (release.to_string(), result.is_ok())).collect();
        assert_eq!(became, [("4.19.1".to_owned(), true), ("4.19.9".to_owned(), false)]);
    }

    #[test]
    fn rates_and_durations_are_exact() {
        assert_eq!(
            (rate(0, 0).as_str(), rate(2, 3).as_str(), rate(3, 3).as_str()),
            ("0.00%", "66.66%", "100.00%")
        );
        let texts = [0, 59, 300, 250, 3600, 90_061].map(human);
        assert_eq!(texts, ["0s", "59s", "5m", "4m 10s", "1h", "1d 1h"]);
    }
}
