//! The transport that the product serves MCP with, at a free port of this machine, for whatever handler is mounted on it.
#![expect(clippy::print_stderr, reason = "it says where it listens, as the product does")]

use std::num::NonZeroU32;
use std::process::ExitCode;
use std::sync::Arc;

use async_trait::async_trait;
use mcp_server::settings::{Limits, ServerOptions, Settings, TIME_LIMIT};
use mcp_server::transport::{
    CacheReport, EnvironmentReport, HealthReport, HealthSource, PATH, Server, ServerState, ThreadPool,
    TicketStatus, ToolCounts,
};
use oar_core::clock::Clock;
use oar_core::flow::interrupt::Interrupt;
use oar_core::redact::Redactor;
use rmcp::ServerHandler;

/// Nothing but fixtures, which need nothing.
struct Fixtures;

#[async_trait]
impl HealthSource for Fixtures {
    async fn check(&self) -> Result<HealthReport, String> {
        Ok(HealthReport {
            tools: ToolCounts { total: 0, cli: 0, api: 0 },
            environment: EnvironmentReport::default(),
            kerberos: TicketStatus::Valid,
            cache: CacheReport {
                enabled: false,
                size: 0,
                max_size: 0,
                hit_rate: "0.00%".to_owned(),
                ttl_days: 0,
            },
            thread_pool: ThreadPool { size: 0, cpu_count: 0 },
        })
    }
}

/// Serves `handler` until it is killed.
pub(super) async fn serve<H: ServerHandler>(handler: impl Fn() -> H + Send + Sync + 'static) -> ExitCode {
    // The suite asks as fast as it can.
    let limits = Limits { requests_per_minute: NonZeroU32::MAX, ..Limits::default() };
    let options = ServerOptions {
        listen: ([127, 0, 0, 1], 0).into(),
        public_url: None,
        hosts: Vec::new(),
        // Pages of this machine, which the suite counts as good origins.
        origins: ["http://127.0.0.1:*", "http://localhost:*"].map(str::to_owned).to_vec(),
        read_only: false,
        tools: None,
        generic: false,
        time_limit: TIME_LIMIT,
        paid_jobs_ask: false,
        user_header: None,
        trusted_proxies: Vec::new(),
        limits,
    };
    let Ok(settings) = Settings::new(&options, &[], |_| true) else { return ExitCode::FAILURE };
    let state = ServerState::new(Arc::new(Fixtures), |_| None, "0", Clock::system(), Redactor::default());
    let Ok(server) = Server::bind(Arc::new(settings), state).await else { return ExitCode::FAILURE };
    eprintln!("INFO: MCP: http://{}{PATH}", server.address());
    // Nobody stops it but by a signal, which ends the process.
    let (_stop, interrupt) = Interrupt::channel();
    server.run(handler, interrupt).await;
    ExitCode::SUCCESS
}
