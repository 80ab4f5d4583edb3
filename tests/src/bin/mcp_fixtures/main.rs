//! The fixtures that the conformance suite of MCP calls by name (`tests/mcp/fixtures.json`), mounted on the transport that the product
//! serves MCP with. It listens on a free port of this machine, says which, and ends with a signal. It is no part of what is installed.

mod fixtures;
mod mount;

#[tokio::main]
async fn main() -> std::process::ExitCode {
    mount::serve(fixtures::Fixtures::new).await
}
