//! `/health`, `/livez`, `/readyz` and `/metrics`.

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use futures::FutureExt as _;
use serde::Serialize;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::ServerState;
use super::metrics::OPENMETRICS;

/// The server's name in `/health` (`interop-exact`, spec 05 §7.2).
const NAME: &str = "release-tests-mcp";
/// How long the check may take.
const CHECK_LIMIT: Duration = Duration::from_secs(5);
/// How often the environment is looked at, also when nobody asks.
const LOOK: Duration = Duration::from_mins(1);
/// How long a result of the check is used again, so that nobody can make the server check without end.
const FRESH: Duration = Duration::from_secs(2);

/// Finds out how the server is.
#[async_trait]
pub trait HealthSource: Send + Sync {
    /// How it is; an error when the check itself fails.
    async fn check(&self) -> Result<HealthReport, String>;
}

/// How the server is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthReport {
    /// How many tools it offers.
    pub tools: ToolCounts,
    /// What of the environment is missing.
    pub environment: EnvironmentReport,
    /// The Kerberos ticket.
    pub kerberos: TicketStatus,
    /// The cache.
    pub cache: CacheReport,
    /// The threads.
    pub thread_pool: ThreadPool,
}

/// How many tools the server offers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ToolCounts {
    /// All.
    pub total: usize,
    /// Those that run a command line.
    pub cli: usize,
    /// Those that answer with a document.
    pub api: usize,
}

/// The variables of the environment that are missing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EnvironmentReport {
    /// Without these the server is degraded.
    pub missing_required: Vec<String>,
    /// Without these only some tools fail.
    pub missing_optional: Vec<String>,
}

/// The state of the Kerberos ticket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TicketStatus {
    /// There is a ticket that has not expired.
    Valid,
    /// There is none.
    NoTicket,
    /// Nothing here can look at tickets.
    CannotLook,
    /// It took too long to find out.
    TimedOut,
    /// It cannot be determined, and why.
    Error(String),
}

impl TicketStatus {
    fn text(&self) -> String {
        match self {
            Self::Valid => "valid".to_owned(),
            Self::NoTicket => "no_ticket".to_owned(),
            Self::CannotLook => "klist_not_found".to_owned(),
            Self::TimedOut => "timeout".to_owned(),
            Self::Error(why) => format!("error: {why}"),
        }
    }
}

/// The cache.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CacheReport {
    /// Whether there is one.
    pub enabled: bool,
    /// Its entries.
    pub size: u64,
    /// The most entries.
    pub max_size: u64,
    /// The share of hits, as `12.50%`.
    pub hit_rate: String,
    /// How long an entry is kept.
    pub ttl_days: u64,
}

/// The threads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct ThreadPool {
    /// Those that run calls.
    pub size: usize,
    /// The processors.
    pub cpu_count: usize,
}

impl HealthReport {
    fn is_healthy(&self) -> bool {
        self.environment.missing_required.is_empty() && self.kerberos == TicketStatus::Valid
    }

    /// What is missing, a line for each kind.
    fn missing(&self) -> String {
        let EnvironmentReport { missing_required, missing_optional } = &self.environment;
        let mut lines = String::new();
        let mut add = |what: &str, found: &str| lines.extend([what, ": ", found, "\n"]);
        for (what, names) in [("missing", missing_required), ("missing, optional", missing_optional)] {
            if !names.is_empty() {
                add(what, &names.join(", "));
            }
        }
        if self.kerberos != TicketStatus::Valid {
            add("Kerberos", &self.kerberos.text());
        }
        lines
    }

    fn document(&self, version: &str, now: &str) -> Value {
        json!({
            "status": if self.is_healthy() { "healthy" } else { "degraded" },
            "server": NAME,
            "version": version,
            "transport": "http",
            "tools": self.tools,
            "environment": {
                "valid": self.environment.missing_required.is_empty(),
                "missing_required": self.environment.missing_required,
                "missing_optional": self.environment.missing_optional,
            },
            "kerberos": {"valid": self.kerberos == TicketStatus::Valid, "status": self.kerberos.text()},
            "cache": self.cache,
            "thread_pool": self.thread_pool,
            "timestamp": now,
        })
    }
}

/// Whether the server takes calls, and what it found of its environment. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct Readiness(Arc<Mutex<Ready>>);

#[derive(Debug, Default)]
enum Ready {
    #[default]
    Starting,
    /// With what is said of the environment.
    Yes(String),
    Stopping,
}

impl Readiness {
    fn set(&self, environment: String) {
        let mut ready = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !matches!(*ready, Ready::Stopping) {
            *ready = Ready::Yes(environment);
        }
    }

    /// The server listens, and has not looked at its environment yet.
    pub(super) fn listens(&self) {
        self.set("the environment has not been looked at yet\n".to_owned());
    }

    /// The server looked at its environment. What is missing fails the calls that need it, and only these.
    fn found(&self, report: &Result<HealthReport, String>) {
        self.set(match report {
            Ok(report) => report.missing(),
            Err(why) => format!("the environment cannot be determined: {why}\n"),
        });
    }

    /// The server was told to stop.
    pub(super) fn stop(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Ready::Stopping;
    }

    fn words(&self) -> Result<String, &'static str> {
        match &*self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            Ready::Yes(environment) => Ok(format!("ok\n{environment}")),
            Ready::Starting => Err("starting\n"),
            Ready::Stopping => Err("stopping\n"),
        }
    }
}

/// Looks at the environment of a server that listens, again and again: a ticket expires, and is renewed.
pub(super) async fn look(state: ServerState) {
    loop {
        let report = state.last_check.get(state.health.as_ref()).await;
        state.readiness.found(&report);
        tokio::time::sleep(LOOK).await;
    }
}

/// The last result of the check.
#[derive(Debug, Clone, Default)]
pub(super) struct LastCheck(Arc<tokio::sync::Mutex<Option<Checked>>>);

type Checked = (Instant, Result<HealthReport, String>);

impl LastCheck {
    async fn get(&self, source: &dyn HealthSource) -> Result<HealthReport, String> {
        let mut last = self.0.lock().await;
        if let Some((when, result)) = last.as_ref()
            && when.elapsed() < FRESH
        {
            return result.clone();
        }
        // What it has changed by then is not used any more. Where it happened it was reported.
        let check = AssertUnwindSafe(source.check()).catch_unwind();
        let result = match tokio::time::timeout(CHECK_LIMIT, check).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err("a defect of this server, which its log names".to_owned()),
            Err(_) => Err(format!("the check took longer than {} s", CHECK_LIMIT.as_secs())),
        };
        *last = Some((Instant::now(), result.clone()));
        result
    }
}

pub(super) async fn health(State(state): State<ServerState>) -> Response {
    let now = state.clock.stamp();
    match state.last_check.get(state.health.as_ref()).await {
        Ok(report) => {
            let status = if report.is_healthy() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
            (status, Json(report.document(state.version, &now))).into_response()
        }
        Err(error) => {
            let error = state.redactor.redact(&error).into_owned();
            let document = json!({"status": "unhealthy", "error": error, "timestamp": now});
            (StatusCode::INTERNAL_SERVER_ERROR, Json(document)).into_response()
        }
    }
}

/// It answers, so it lives. A missing ticket is no reason to restart it.
pub(super) async fn lives() -> &'static str {
    "ok\n"
}

pub(super) async fn ready(State(state): State<ServerState>) -> Response {
    match state.readiness.words() {
        Ok(words) => (StatusCode::OK, state.redactor.redact(&words).into_owned()).into_response(),
        Err(why) => (StatusCode::SERVICE_UNAVAILABLE, why).into_response(),
    }
}

pub(super) async fn metrics(State(state): State<ServerState>) -> Response {
    match state.metrics.text() {
        Ok(text) => ([(CONTENT_TYPE, OPENMETRICS)], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response(),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// A report of a server to which nothing is missing.
    pub(crate) fn healthy() -> HealthReport {
        HealthReport {
            tools: ToolCounts { total: 36, cli: 24, api: 12 },
            environment: EnvironmentReport::default(),
            kerberos: TicketStatus::Valid,
            cache: CacheReport {
                enabled: true,
                size: 1,
                max_size: 50,
                hit_rate: "50.00%".into(),
                ttl_days: 7,
            },
            thread_pool: ThreadPool { size: 4, cpu_count: 2 },
        }
    }

    #[test]
    fn the_document_has_the_keys_of_the_contract() {
        let expected = json!({
            "status": "healthy", "server": "release-tests-mcp", "version": "1.2.3", "transport": "http",
            "tools": {"total": 36, "cli": 24, "api": 12},
            "environment": {"valid": true, "missing_required": [], "missing_optional": []},
            "kerberos": {"valid": true, "status": "valid"},
            "cache": {"enabled": true, "size": 1, "max_size": 50, "hit_rate": "50.00%", "ttl_days": 7},
            "thread_pool": {"size": 4, "cpu_count": 2},
            "timestamp": "now",
        });
        assert_eq!(healthy().document("1.2.3", "now").to_string(), expected.to_string());
    }

    #[test]
    fn a_missing_variable_or_ticket_makes_it_degraded() {
        let environment =
            EnvironmentReport { missing_required: vec!["JIRA_TOKEN".into()], ..Default::default() };
        let optional = EnvironmentReport { missing_optional: vec!["APITOKEN".into()], ..Default::default() };
        assert!(HealthReport { environment: optional, ..healthy() }.is_healthy());
        assert!(!HealthReport { environment, ..healthy() }.is_healthy());
        for (kerberos, text) in [
            (TicketStatus::NoTicket, "no_ticket"),
            (TicketStatus::CannotLook, "klist_not_found"),
            (TicketStatus::TimedOut, "timeout"),
            (TicketStatus::Error("x".into()), "error: x"),
        ] {
            let document = HealthReport { kerberos, ..healthy() }.document("1", "now");
            assert_eq!(document["status"], "degraded");
            assert_eq!(document["kerberos"], json!({"valid": false, "status": text}));
        }
    }

    struct Counting(AtomicUsize, bool);

    #[async_trait]
    impl HealthSource for Counting {
        async fn check(&self) -> Result<HealthReport, String> {
            self.0.fetch_add(1, Ordering::SeqCst);
            if self.1 {
                std::future::pending::<()>().await;
            }
            Ok(healthy())
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_check_is_bounded_in_time_and_number() {
        let (last, source) = (LastCheck::default(), Counting(AtomicUsize::new(0), false));
        for _ in 0..100 {
            last.get(&source).await.unwrap();
        }
        assert_eq!(source.0.load(Ordering::SeqCst), 1);
        tokio::time::advance(FRESH).await;
        last.get(&source).await.unwrap();
        assert_eq!(source.0.load(Ordering::SeqCst), 2);
        let hanging = Counting(AtomicUsize::new(0), true);
        assert!(LastCheck::default().get(&hanging).await.unwrap_err().contains("5 s"));
    }

    /// Without a ticket at first.
    struct Renewed(AtomicUsize);

    #[async_trait]
    impl HealthSource for Renewed {
        async fn check(&self) -> Result<HealthReport, String> {
            let is_first = self.0.fetch_add(1, Ordering::SeqCst) == 0;
            let kerberos = if is_first { TicketStatus::NoTicket } else { TicketStatus::Valid };
            Ok(HealthReport { kerberos, ..healthy() })
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_ticket_that_is_renewed_is_found_within_a_minute_though_nobody_asks() {
        let source = Arc::new(Renewed(AtomicUsize::new(0)));
        let (clock, redactor) = (oar_core::clock::Clock::system(), oar_core::redact::Redactor::default());
        let state = ServerState::new(source, |_| None, "1", clock, redactor);
        state.readiness.listens();
        let words = || state.readiness.words().unwrap();
        let looks = tokio::spawn(look(state.clone()));
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(words(), "ok\nKerberos: no_ticket\n");
        tokio::time::sleep(LOOK).await;
        assert_eq!(words(), "ok\n");
        looks.abort();
    }

    /// It panics the first time.
    struct Defective(AtomicUsize);

    #[async_trait]
    impl HealthSource for Defective {
        async fn check(&self) -> Result<HealthReport, String> {
            assert!(self.0.fetch_add(1, Ordering::SeqCst) > 0, "a defect");
            Ok(healthy())
        }
    }

    #[tokio::test(start_paused = true)]
    async fn after_a_panic_of_the_check_it_is_looked_again() {
        let source = Arc::new(Defective(AtomicUsize::new(0)));
        let (clock, redactor) = (oar_core::clock::Clock::system(), oar_core::redact::Redactor::default());
        let state = ServerState::new(source, |_| None, "1", clock, redactor);
        state.readiness.listens();
        let looks = tokio::spawn(look(state.clone()));
        tokio::time::sleep(Duration::from_secs(1)).await;
        let words = state.readiness.words().unwrap();
        assert!(words.contains("cannot be determined: a defect"), "{words}");
        tokio::time::sleep(LOOK).await;
        assert_eq!(state.readiness.words().unwrap(), "ok\n");
        looks.abort();
    }

    #[test]
    fn readiness_says_what_is_missing_and_what_stops_is_not_ready_again() {
        let readiness = Readiness::default();
        assert_eq!(readiness.words(), Err("starting\n"));
        readiness.listens();
        assert_eq!(readiness.words().unwrap(), "ok\nthe environment has not been looked at yet\n");
        readiness.found(&Ok(healthy()));
        assert_eq!(readiness.words().unwrap(), "ok\n");
        let environment = EnvironmentReport {
            missing_required: vec!["JIRA_TOKEN".into(), "GCP_SA_FILE".into()],
            missing_optional: vec!["APITOKEN".into()],
        };
        let report = HealthReport { environment, kerberos: TicketStatus::NoTicket, ..healthy() };
        readiness.found(&Ok(report));
        assert_eq!(
            readiness.words().unwrap(),
            "ok\nmissing: JIRA_TOKEN, GCP_SA_FILE\nmissing, optional: APITOKEN\nKerberos: no_ticket\n"
        );
        readiness.found(&Err("it took too long".to_owned()));
        assert!(readiness.words().unwrap().contains("cannot be determined: it took too long"));
        readiness.stop();
        readiness.found(&Ok(healthy()));
        assert_eq!(readiness.words(), Err("stopping\n"));
    }
}
