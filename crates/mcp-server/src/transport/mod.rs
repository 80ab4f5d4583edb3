//! The server's side of the network: HTTP with its limits, health and metrics; standard input and output.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::routing::get;
use axum::{Json, Router, middleware};
use cli_support::CliError;
use oar_core::clock::Clock;
use oar_core::error::ErrorClass;
use oar_core::flow::interrupt::Interrupt;
use oar_core::redact::Redactor;
use rmcp::ServerHandler;
use rmcp::transport::{StreamableHttpServerConfig, StreamableHttpService};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::audit::Audit;
use crate::caller::Access;
use crate::dashboard::{self, Dashboard};
use crate::settings::Settings;

pub(crate) mod authorisation;
pub(crate) mod connections;
pub(crate) mod gate;
mod health;
mod limits;
mod metrics;
pub(crate) mod refusal;
mod sessions;
mod stdio;
#[cfg(test)]
mod tests;

pub use health::{
    CacheReport, EnvironmentReport, HealthReport, HealthSource, ThreadPool, TicketStatus, ToolCounts,
};
pub(crate) use metrics::Counted;
pub use metrics::{Metrics, Outcome};
pub use stdio::serve_stdio;

use connections::Connections;
use gate::Gate;
use limits::CallerLimits;
use sessions::Sessions;

/// The path of the protocol.
pub const PATH: &str = "/mcp";
/// The path of the description of the protected resource (RFC 9728).
const METADATA: &str = "/.well-known/oauth-protected-resource";
/// How long connections may take to end after their streams were ended.
const END: Duration = Duration::from_secs(2);

/// What the server's parts share.
#[derive(Clone)]
pub struct ServerState {
    metrics: Metrics,
    health: Arc<dyn HealthSource>,
    last_check: health::LastCheck,
    readiness: health::Readiness,
    access: fn(&str) -> Option<Access>,
    version: &'static str,
    clock: Clock,
    redactor: Redactor,
    dashboard: Option<Dashboard>,
}

impl ServerState {
    /// `health` finds out how the server is; `access` says who may use a tool, `None` of a tool that does not exist.
    pub fn new(
        health: Arc<dyn HealthSource>,
        access: fn(&str) -> Option<Access>,
        version: &'static str,
        clock: Clock,
        redactor: Redactor,
    ) -> Self {
        Self {
            metrics: Metrics::new(&clock),
            health,
            last_check: health::LastCheck::default(),
            readiness: health::Readiness::default(),
            access,
            version,
            clock,
            redactor,
            dashboard: None,
        }
    }

    /// The same, with the pages of `dashboard` beside the protocol.
    #[must_use]
    pub(crate) fn with_dashboard(self, dashboard: Dashboard) -> Self {
        Self { dashboard: Some(dashboard), ..self }
    }

    /// The metrics, for the handler to count calls.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }
}

/// A server that listens.
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    settings: Arc<Settings>,
    state: ServerState,
}

/// Serves the protocol, health and metrics over HTTP until `stop`, then lets the running calls end within a bound.
///
/// # Errors
///
/// The server cannot listen at its address.
pub async fn serve<H, F>(
    handler_factory: F,
    settings: Arc<Settings>,
    state: ServerState,
    stop: Interrupt,
) -> Result<(), CliError>
where
    H: ServerHandler,
    F: Fn() -> H + Send + Sync + 'static,
{
    let server = Server::bind(settings, state).await?;
    let address = server.address();
    tracing::info!(
        "dashboard: http://{address}/; MCP: http://{address}{PATH}; health: http://{address}/health, /livez, /readyz and /metrics"
    );
    server.run(handler_factory, stop).await;
    Ok(())
}

impl Server {
    /// Listens at the address of the settings.
    ///
    /// # Errors
    ///
    /// The address cannot be used.
    pub async fn bind(settings: Arc<Settings>, state: ServerState) -> Result<Self, CliError> {
        let wanted = settings.listen;
        let listener = TcpListener::bind(wanted).await.map_err(|error| {
            CliError::new(ErrorClass::Configuration, format!("cannot listen at {wanted}: {error}"))
                .with_hint("Give another address with --listen; port 0 takes any free one.")
        })?;
        let address = listener.local_addr().unwrap_or(wanted);
        Ok(Self { listener, address, settings, state })
    }

    /// The address that it listens at.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `stop`, then lets the running calls end within a bound.
    pub async fn run<H, F>(self, handler_factory: F, stop: Interrupt)
    where
        H: ServerHandler,
        F: Fn() -> H + Send + Sync + 'static,
    {
        let Self { listener, address, settings, state } = self;
        let streams = CancellationToken::new();
        let sessions = Arc::new(Sessions::new(&settings.limits, state.metrics.clone()));
        let gate = Arc::new(Gate {
            settings: Arc::clone(&settings),
            state: state.clone(),
            limits: CallerLimits::new(&settings),
            audit: Audit::new(state.redactor.clone()),
            sessions: Arc::clone(&sessions),
            metadata: settings.address_of(&format!("{METADATA}{PATH}"), address),
            stopping: CancellationToken::new(),
        });
        let config = protocol_config(&settings, streams.clone());
        let service = StreamableHttpService::new(move || Ok(handler_factory()), sessions, config);
        let router = router(service, &gate, &settings.address_of(PATH, address));
        let connections = Arc::new(Connections::new(&settings.limits, state.metrics.clone()));
        state.readiness.listens();
        let looking = AbortOnDropHandle::new(tokio::spawn(health::look(state.clone())));
        {
            let accepting = connections.accept(listener, &router);
            tokio::select! {
                biased;
                _ = stop.wait() => {}
                () = accepting => {}
            }
        }
        drop(looking);
        // The listener is closed.
        state.readiness.stop();
        gate.stopping.cancel();
        if let Some(dashboard) = &state.dashboard {
            dashboard.stop();
        }
        connections.drain.cancel();
        let limit = settings.limits.drain_time;
        if tokio::time::timeout(limit, gate.limits.calls_ended()).await.is_err() {
            tracing::warn!(
                "calls still ran {} s after the server was told to stop; they are cancelled",
                limit.as_secs()
            );
        }
        streams.cancel();
        if tokio::time::timeout(END, connections.ended()).await.is_err() {
            connections.abort.cancel();
            connections.ended().await;
        }
    }
}

fn protocol_config(settings: &Settings, streams: CancellationToken) -> StreamableHttpServerConfig {
    StreamableHttpServerConfig::default()
        .with_json_response(true)
        .with_cancellation_token(streams)
        .with_allowed_hosts(&settings.hosts)
        .with_allowed_origins(settings.origins.iter().map(ToString::to_string))
        .enforce_origin_validation()
        .with_max_request_body_bytes(settings.limits.body)
}

fn router<H: ServerHandler>(
    service: StreamableHttpService<H, Sessions>,
    gate: &Arc<Gate>,
    resource: &str,
) -> Router {
    let description = authorisation::metadata(resource);
    let describe = get(move || std::future::ready(Json(description.clone())));
    let pages = gate.state.dashboard.clone().map(|pages| dashboard::router(&pages, &gate.audit));
    // `route_service`, because `nest_service` serves the paths below it as well.
    let router = Router::new()
        .route_service(PATH, service)
        .route_layer(middleware::from_fn_with_state(Arc::clone(gate), gate::pass))
        .route("/health", get(health::health))
        .route("/livez", get(health::lives))
        .route("/readyz", get(health::ready))
        .route("/metrics", get(health::metrics))
        .route(METADATA, describe.clone())
        .route(&format!("{METADATA}{PATH}"), describe)
        .with_state(gate.state.clone());
    match pages {
        Some(pages) => router.merge(pages),
        None => router,
    }
}
