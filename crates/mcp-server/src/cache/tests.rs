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

    fn release(&self, release: &ReleaseVersion, file: &BuildDataFile) -> Result<ConfigStore, ConfigError> {
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
