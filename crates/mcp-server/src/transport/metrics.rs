//! Metrics of the server (the text format of Prometheus, `OpenMetrics` 1.0). No label has values that a caller chooses.

use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::time::Duration;

use axum::http::StatusCode;
use oar_core::clock::Clock;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use super::refusal::Reason;

/// The media type of the metrics.
pub(super) const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// The prefix of the names of the metrics.
const PREFIX: &str = "release_tests_mcp";
/// The upper bounds of the durations of calls, in seconds.
const SECONDS: [f64; 9] = [0.001, 0.01, 0.1, 0.5, 1.0, 5.0, 20.0, 60.0, 600.0];

/// How a call of a tool ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// It did what it was asked to.
    Done,
    /// It failed.
    Failed,
    /// It goes on; the caller has the id of the run.
    Continues,
    /// It waits for a person's consent.
    WaitsForConsent,
    /// It was cancelled.
    Cancelled,
    /// It took longer than it may.
    TimedOut,
    /// It was refused: unknown tool, wrong arguments, missing scope, full queue.
    Refused,
}

impl Outcome {
    /// Its name in metrics and in the audit log.
    pub fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Continues => "continues",
            Self::WaitsForConsent => "waits-for-consent",
            Self::Cancelled => "cancelled",
            Self::TimedOut => "timed-out",
            Self::Refused => "refused",
        }
    }
}

type ByLabel = Family<[(&'static str, &'static str); 1], Counter>;
type Durations = Family<[(&'static str, &'static str); 1], Histogram, fn() -> Histogram>;

/// Counts what the server does. Cheap to clone.
#[derive(Clone)]
pub struct Metrics(Arc<Inner>);

struct Inner {
    registry: Registry,
    calls: Family<[(&'static str, &'static str); 2], Counter>,
    durations: Durations,
    requests: Family<[(&'static str, u64); 1], Counter>,
    refused: ByLabel,
    sessions: Gauge<i64, AtomicI64>,
    connections: Gauge<i64, AtomicI64>,
    running: Gauge<i64, AtomicI64>,
    viewers: Gauge<i64, AtomicI64>,
}

/// While this exists, one more session, connection or viewer is counted.
pub(crate) struct Counted(Gauge<i64, AtomicI64>);

impl Counted {
    fn one_of(gauge: &Gauge<i64, AtomicI64>) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl Metrics {
    /// Metrics of a process that starts now.
    pub fn new(clock: &Clock) -> Self {
        let mut whole = Registry::default();
        let started = Gauge::<i64, AtomicI64>::default();
        started.set(clock.now().as_second());
        whole.register_with_unit("process_start_time", "When the process started", Unit::Seconds, started);
        let registry = whole.sub_registry_with_prefix(PREFIX);
        let calls = Family::default();
        registry.register("calls", "Calls of tools, by how they ended", calls.clone());
        let durations = Durations::new_with_constructor(|| Histogram::new(SECONDS));
        registry.register_with_unit(
            "call_duration",
            "Duration of calls of tools",
            Unit::Seconds,
            durations.clone(),
        );
        let requests = Family::default();
        registry.register("requests", "Requests, by the status of the answer", requests.clone());
        let refused = ByLabel::default();
        registry.register(
            "refused",
            "Requests and connections that were refused, by reason",
            refused.clone(),
        );
        let sessions = Gauge::default();
        registry.register("sessions", "Open sessions", sessions.clone());
        let connections = Gauge::default();
        registry.register("connections", "Open connections", connections.clone());
        let running = Gauge::default();
        registry.register(
            "calls_running",
            "Calls of tools that run, also those whose run id was handed out",
            running.clone(),
        );
        let viewers = Gauge::default();
        registry.register("viewers", "Open pages of the dashboard that hear of changes", viewers.clone());
        for reason in Reason::ALL {
            // A reason that never occurred is 0, not absent.
            drop(refused.get_or_create(&[("reason", reason.name())]));
        }
        Self(Arc::new(Inner {
            registry: whole,
            calls,
            durations,
            requests,
            refused,
            sessions,
            connections,
            running,
            viewers,
        }))
    }

    /// Counts a call of `tool`, which is a name of the catalogue.
    pub fn called(&self, tool: &'static str, outcome: Outcome, duration: Duration) {
        self.0.calls.get_or_create(&[("tool", tool), ("outcome", outcome.name())]).inc();
        self.0.durations.get_or_create(&[("tool", tool)]).observe(duration.as_secs_f64());
    }

    /// How many runs go on.
    pub(crate) fn running(&self) -> Gauge<i64, AtomicI64> {
        self.0.running.clone()
    }

    pub(super) fn answered(&self, status: StatusCode) {
        self.0.requests.get_or_create(&[("status", u64::from(status.as_u16()))]).inc();
    }

    pub(crate) fn refused(&self, reason: Reason) {
        self.0.refused.get_or_create(&[("reason", reason.name())]).inc();
    }

    pub(super) fn session(&self) -> Counted {
        Counted::one_of(&self.0.sessions)
    }

    pub(super) fn connection(&self) -> Counted {
        Counted::one_of(&self.0.connections)
    }

    pub(crate) fn viewer(&self) -> Counted {
        Counted::one_of(&self.0.viewers)
    }

    /// All metrics as text.
    pub(super) fn text(&self) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.0.registry)?;
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_counted_under_its_name() {
        let metrics = Metrics::new(&Clock::system());
        metrics.called("oar_drop_bugs", Outcome::Done, Duration::from_millis(5));
        metrics.called("oar_drop_bugs", Outcome::TimedOut, Duration::from_mins(20));
        metrics.answered(StatusCode::UNAUTHORIZED);
        metrics.refused(Reason::WrongToken);
        let open = (metrics.session(), metrics.session(), metrics.connection());
        drop(open.1);
        let text = metrics.text().unwrap();
        for line in [
            "release_tests_mcp_calls_total{tool=\"oar_drop_bugs\",outcome=\"done\"} 1",
            "release_tests_mcp_calls_total{tool=\"oar_drop_bugs\",outcome=\"timed-out\"} 1",
            "release_tests_mcp_call_duration_seconds_bucket{le=\"0.01\",tool=\"oar_drop_bugs\"} 1",
            "release_tests_mcp_call_duration_seconds_count{tool=\"oar_drop_bugs\"} 2",
            "release_tests_mcp_requests_total{status=\"401\"} 1",
            "release_tests_mcp_refused_total{reason=\"wrong-token\"} 1",
            "release_tests_mcp_refused_total{reason=\"connections\"} 0",
            "release_tests_mcp_sessions 1",
            "release_tests_mcp_connections 1",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}: {text}");
        }
        assert!(text.contains("\nprocess_start_time_seconds 1"), "{text}");
    }
}
