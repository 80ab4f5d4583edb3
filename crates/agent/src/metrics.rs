//! Health and metrics of a long-running program: `/healthz`, `/livez`, `/readyz` and `/metrics` (the text
//! format of Prometheus, `OpenMetrics` 1.0).

use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use cli_support::CliError;
use jiff::SignedDuration;
use oar_core::clock::Clock;
use oar_core::error::ErrorClass;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::leader::Leadership;
use crate::pass::Pass;
use crate::progress::{Progress, Since};
use crate::schedule::Agent;

/// The media type of the answer to `/metrics`.
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// The number of intervals without a pass after which the program counts as hanging.
const LATE: u32 = 3;
/// The time that a pass may take in any case, however short the interval.
const PASS_LIMIT: Duration = Duration::from_mins(30);

/// Counts the results of passes. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Metrics(Arc<Inner>);

struct Inner {
    registry: Registry,
    passes: Family<Vec<(String, String)>, Counter>,
    started: Counter,
    problems: Counter,
    seconds: Gauge<f64, AtomicU64>,
    last: Gauge<i64, AtomicI64>,
    leads: Gauge<i64, AtomicI64>,
    records: Family<Vec<(String, String)>, Gauge<i64, AtomicI64>>,
    /// When the program last made a pass or checked the leadership.
    alive: Since,
    /// The time without activity after which it counts as hanging.
    longest_silence: Duration,
    progress: Progress,
    clock: Clock,
}

impl Metrics {
    pub(crate) fn new(agent: &Agent<'_>, interval: Duration, clock: Clock, progress: Progress) -> Self {
        let labels = [(Cow::Borrowed("role"), Cow::Borrowed(agent.role))];
        let mut registry = Registry::with_prefix_and_labels(agent.program, labels.into_iter());
        let passes = Family::<Vec<(String, String)>, Counter>::default();
        registry.register("passes", "Passes, by how they ended", passes.clone());
        let started = Counter::default();
        registry.register("jobs_started", "Jobs that were started", started.clone());
        let problems = Counter::default();
        registry.register("problems", "Things that went wrong in passes", problems.clone());
        let seconds = Gauge::<f64, AtomicU64>::default();
        registry.register_with_unit(
            "last_pass_duration",
            "Duration of the last pass",
            Unit::Seconds,
            seconds.clone(),
        );
        let last = Gauge::<i64, AtomicI64>::default();
        registry.register(
            "last_good_pass_timestamp_seconds",
            "When a pass last ended without a problem",
            last.clone(),
        );
        let leads = Gauge::<i64, AtomicI64>::default();
        registry.register("leader", "Whether this program is the leader", leads.clone());
        let records = Family::<Vec<(String, String)>, Gauge<i64, AtomicI64>>::default();
        registry.register("records", "Records, by state", records.clone());
        Self(Arc::new(Inner {
            registry,
            passes,
            started,
            problems,
            seconds,
            last,
            leads,
            records,
            alive: Since::now(),
            longest_silence: interval.saturating_mul(LATE).max(PASS_LIMIT),
            progress,
            clock,
        }))
    }

    /// Counts a pass.
    pub(crate) fn passed(&self, pass: &Pass, duration: SignedDuration) {
        let result = if pass.class().is_none() { "good" } else { "problem" };
        self.0.passes.get_or_create(&vec![("result".to_owned(), result.to_owned())]).inc();
        self.0.started.inc_by(pass.started as u64);
        self.0.problems.inc_by(pass.problem_count() as u64);
        self.0.seconds.set(duration.as_secs_f64());
        let now = self.0.clock.now().as_second();
        if pass.class().is_none() {
            self.0.last.set(now);
        }
        if let Some((all, open)) = pass.records {
            for (state, count) in [("open", open), ("final", all.saturating_sub(open))] {
                let labels = vec![("state".to_owned(), state.to_owned())];
                self.0.records.get_or_create(&labels).set(i64::try_from(count).unwrap_or(i64::MAX));
            }
        }
        self.0.alive.again();
    }

    /// Work that never pauses goes on without a problem.
    pub(crate) fn goes_on(&self) {
        self.0.last.set(self.0.clock.now().as_second());
        self.0.alive.again();
    }

    /// Records whether this program is the leader or on standby. If that cannot be determined, it does not
    /// count as alive.
    pub(crate) fn turn(&self, turn: Leadership) {
        self.0.leads.set(i64::from(turn == Leadership::Ours));
        if turn != Leadership::Failed {
            self.0.alive.again();
        }
    }

    /// Serves health and metrics.
    pub(crate) async fn serve(&self, address: SocketAddr) -> Result<Server, CliError> {
        let listener = TcpListener::bind(address).await.map_err(|error| {
            CliError::new(ErrorClass::Configuration, format!("cannot listen at {address}: {error}"))
                .with_hint("Give another address with --listen; port 0 takes any free one.")
        })?;
        let address = listener.local_addr().unwrap_or(address);
        tracing::info!("health and metrics: http://{address}/healthz, /livez, /readyz and /metrics");
        let router = Router::new()
            .route("/healthz", get(health))
            .route("/livez", get(lives))
            .route("/readyz", get(ready))
            .route("/metrics", get(metrics))
            .with_state(self.clone());
        let (stop, stopped) = oneshot::channel::<()>();
        let task = tokio::spawn(async move {
            let ended = axum::serve(listener, router).with_graceful_shutdown(async {
                let _ = stopped.await;
            });
            if let Err(error) = ended.await {
                tracing::error!("health and metrics are not served any more: {error}");
            }
        });
        Ok(Server { stop, task })
    }
}

/// Serves until it is stopped.
pub(crate) struct Server {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Server {
    /// Stops it; open requests get a short time to finish.
    pub(crate) async fn stop(self) {
        let _ = self.stop.send(());
        let _ = tokio::time::timeout(Duration::from_secs(1), self.task).await;
    }
}

async fn health(State(metrics): State<Metrics>) -> Response {
    let silent = metrics.0.alive.elapsed();
    if silent > metrics.0.longest_silence {
        let words =
            format!("for {} s no pass has ended, nor was it another program's turn\n", silent.as_secs());
        return (StatusCode::SERVICE_UNAVAILABLE, words).into_response();
    }
    (StatusCode::OK, "ok\n").into_response()
}

/// Whether it makes progress. One that does not is to be restarted.
async fn lives(State(metrics): State<Metrics>) -> Response {
    match metrics.0.progress.hangs_for() {
        None => (StatusCode::OK, "ok\n").into_response(),
        Some(silent) => {
            let words = format!("no progress for {} s\n", silent.as_secs());
            (StatusCode::SERVICE_UNAVAILABLE, words).into_response()
        }
    }
}

/// Whether it has begun, has what it needs, and was not told to stop. One that stands by is ready as well.
async fn ready(State(metrics): State<Metrics>) -> Response {
    if metrics.0.progress.is_ready() {
        return (StatusCode::OK, "ok\n").into_response();
    }
    (StatusCode::SERVICE_UNAVAILABLE, "starting or stopping, or what it needs cannot be reached\n")
        .into_response()
}

async fn metrics(State(metrics): State<Metrics>) -> Response {
    let mut text = String::new();
    match encode(&mut text, &metrics.0.registry) {
        Ok(()) => ([(CONTENT_TYPE, OPENMETRICS)], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use futures::future::BoxFuture;
    use jiff::Timestamp;
    use oar_core::clients::kube::LeaseHolder;
    use oar_core::clock::ClockSource;
    use oar_core::http::Activity;

    use super::*;
    use crate::leader::Leases;
    use crate::progress::Phase;

    const INTERVAL: Duration = Duration::from_hours(1);

    async fn hours_pass(hours: u64) {
        tokio::time::advance(Duration::from_hours(hours)).await;
    }

    struct ByHand(Mutex<Timestamp>);

    impl ByHand {
        fn set_forward(&self, hours: i64) {
            *self.0.lock().unwrap() += SignedDuration::from_hours(hours);
        }
    }

    impl ClockSource for ByHand {
        fn now(&self) -> Timestamp {
            *self.0.lock().unwrap()
        }

        fn sleep(&self, _: Duration) -> BoxFuture<'static, ()> {
            Box::pin(std::future::ready(()))
        }

        fn random(&self) -> f64 {
            0.5
        }
    }

    struct NoCluster;

    impl Leases for NoCluster {
        fn lease(&self, _: &str, _: &str, _: Duration) -> Result<Option<LeaseHolder>, CliError> {
            Ok(None)
        }
    }

    fn counted(role: &'static str) -> (Metrics, Arc<ByHand>) {
        let source = Arc::new(ByHand(Mutex::new(Timestamp::from_second(1_783_004_400).unwrap())));
        let clock = Clock::new(source.clone());
        let activity = Activity::default();
        let progress = Progress::new(clock.clone(), activity.clone());
        let agent = Agent {
            program: "jobctl",
            role,
            scope: "",
            about: "",
            dry_run: false,
            one_at_a_time: false,
            parts: &[],
            leases: &NoCluster,
            activity,
        };
        (Metrics::new(&agent, INTERVAL, clock, progress), source)
    }

    #[test]
    fn jobs_and_problems_are_counted_for_both_roles() {
        for role in ["controller", "aggregator"] {
            let (metrics, _) = counted(role);
            let mut pass = Pass::default();
            pass.started = 2;
            pass.add_problem("GitHub is out", ErrorClass::Unavailable);
            for _ in 0..3 {
                pass.add_problem("a record is damaged", ErrorClass::Failed);
            }
            for _ in 0..2 {
                metrics.passed(&pass, SignedDuration::from_secs(1));
            }
            metrics.passed(&Pass::default(), SignedDuration::from_secs(1));
            let mut text = String::new();
            encode(&mut text, &metrics.0.registry).unwrap();
            for line in [
                format!("jobctl_jobs_started_total{{role=\"{role}\"}} 4"),
                format!("jobctl_problems_total{{role=\"{role}\"}} 8"),
                format!("jobctl_passes_total{{role=\"{role}\",result=\"problem\"}} 2"),
                format!("jobctl_passes_total{{role=\"{role}\",result=\"good\"}} 1"),
            ] {
                assert!(text.lines().any(|found| found == line), "{line}: {text}");
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_program_that_cannot_find_out_whose_turn_it_is_is_not_healthy() {
        let status = async |metrics: &Metrics| health(State(metrics.clone())).await.status();
        let (metrics, _) = counted("controller");
        for (turn, after) in [
            (Leadership::Ours, StatusCode::OK),
            (Leadership::Theirs, StatusCode::OK),
            (Leadership::Failed, StatusCode::SERVICE_UNAVAILABLE),
            (Leadership::Theirs, StatusCode::OK),
        ] {
            hours_pass(4).await;
            metrics.turn(turn);
            assert_eq!(status(&metrics).await, after, "{turn:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_program_is_ready_once_it_knows_whose_turn_it_is_and_lives_while_it_makes_progress() {
        let (metrics, _) = counted("controller");
        let progress = metrics.0.progress.clone();
        let states = async || {
            let all = (lives(State(metrics.clone())).await, ready(State(metrics.clone())).await);
            (all.0.status().as_u16(), all.1.status().as_u16())
        };
        assert_eq!(states().await, (200, 503));
        progress.enter(Phase::Waiting);
        assert_eq!(states().await, (200, 200));
        hours_pass(1).await;
        assert_eq!(states().await.0, 503, "nobody has looked for an hour");
        assert!(progress.look());
        assert_eq!(states().await, (200, 200));
        progress.enter(Phase::Passing);
        assert!(progress.look(), "it has begun a pass");
        assert!(!progress.look(), "a pass that asks nobody makes no progress");
        hours_pass(1).await;
        assert_eq!(states().await, (503, 200));
        progress.hold_up(true);
        progress.enter(Phase::Passing);
        assert_eq!(states().await, (200, 503), "what it needs cannot be reached");
        progress.hold_up(false);
        assert_eq!(states().await, (200, 200));
        progress.enter(Phase::Stopping);
        assert_eq!(states().await, (200, 503));
    }

    #[tokio::test(start_paused = true)]
    async fn a_clock_that_is_set_makes_nobody_hang_and_hides_nobody_who_does() {
        let (metrics, clock) = counted("controller");
        let progress = metrics.0.progress.clone();
        progress.enter(Phase::Passing);
        clock.set_forward(5);
        assert_eq!(progress.hangs_for(), None);
        assert_eq!(health(State(metrics.clone())).await.status(), StatusCode::OK);
        clock.set_forward(-10);
        tokio::time::advance(Duration::from_secs(61)).await;
        assert!(progress.hangs_for().is_some());
        hours_pass(4).await;
        assert_eq!(health(State(metrics.clone())).await.status(), StatusCode::SERVICE_UNAVAILABLE);
    }
}
