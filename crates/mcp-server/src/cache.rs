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
pub(crate) mod tests;
