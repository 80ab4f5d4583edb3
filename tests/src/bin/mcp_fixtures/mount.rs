//! A stand-in for the product's transport, until that is there: `rmcp`'s service with the settings that the product uses.
#![expect(clippy::print_stderr, reason = "it says where it listens, as the product does")]

use std::process::ExitCode;
use std::sync::Arc;

use axum::serve::ListenerExt as _;
use rmcp::ServerHandler;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::{StreamableHttpServerConfig, StreamableHttpService};

/// Serves `handler`, also to pages of this machine, which the suite counts as good origins, until a signal comes.
pub(super) async fn serve<H: ServerHandler>(handler: impl Fn() -> H + Send + Sync + 'static) -> ExitCode {
    let config = StreamableHttpServerConfig::default()
        .with_json_response(true)
        .with_allowed_origins(["http://127.0.0.1:*", "http://localhost:*"])
        .enforce_origin_validation();
    let sessions = Arc::new(LocalSessionManager::default());
    let service = StreamableHttpService::new(move || Ok(handler()), sessions, config);
    let Ok(listener) = tokio::net::TcpListener::bind("127.0.0.1:0").await else { return ExitCode::FAILURE };
    let Ok(address) = listener.local_addr() else { return ExitCode::FAILURE };
    eprintln!("INFO: MCP: http://{address}/mcp");
    let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
    let router = axum::Router::new().route_service("/mcp", service);
    let served = axum::serve(listener, router).with_graceful_shutdown(async {
        let _ = tokio::signal::ctrl_c().await;
    });
    if served.await.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
