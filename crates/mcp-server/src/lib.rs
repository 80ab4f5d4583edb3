//! The operations for AI agents: the Model Context Protocol over HTTP and stdio.
//!
//! Tools are projections of [`oar_core::operations::TABLE`]: `tools` says which operation a tool is and how its arguments
//! are named, `calls` runs it in this process with a log, an interruption and a time limit of its own, and `consent` lets
//! nothing through that a person did not approve. `documents` answers what only needs to be read, `content` has resources
//! and prompts. `transport` is everything between a socket and `handler`: limits, tokens, health, metrics.

pub mod audit;
pub mod cache;
pub mod caller;
pub mod calls;
mod consent;
pub mod content;
mod dashboard;
pub mod documents;
mod elicitation;
mod handler;
mod health;
pub mod result;
pub mod settings;
pub mod tools;
pub mod transport;

use std::ffi::OsString;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::time::Duration;

use clap::Parser;
use cli_support::{Build, CliError, CommandLine, CommonArgs, ExitCode, Program, Session};

/// Serve the release tooling to AI agents over the Model Context Protocol
///
/// Without an option it listens at 127.0.0.1:8000 for callers of this machine. Whoever else shall call it needs a token, which
/// the section `mcp` of the configuration document names, and a proxy with TLS in front.
#[derive(Debug, Parser)]
#[command(
    name = "release-tests-mcp",
    version,
    after_help = "Exit codes: 0 stopped · 2 usage · 3 configuration or credentials · 130/143 interrupted"
)]
pub struct Mcp {
    #[command(flatten)]
    common: CommonArgs,
    #[command(flatten)]
    options: Options,
}

/// How the server is reached, and what it offers.
#[derive(Debug, Clone, clap::Args)]
struct Options {
    /// Where to listen; port 0 takes any free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8000", conflicts_with = "stdio")]
    listen: SocketAddr,
    /// Serve one client over standard input and output instead
    #[arg(long)]
    stdio: bool,
    /// The address of the TLS proxy in front, for example <https://mcp.example.com>; needed to listen beyond this machine
    #[arg(long, value_name = "URL")]
    public_url: Option<url::Url>,
    /// A further host name that requests may be addressed to
    #[arg(long = "host", value_name = "NAME")]
    hosts: Vec<String>,
    /// An origin whose pages may send requests, for example <https://chat.example.com>
    #[arg(long = "origin", value_name = "URL")]
    origins: Vec<String>,
    /// Offer only tools that change nothing
    #[arg(long)]
    read_only: bool,
    /// Offer only these tools
    #[arg(long = "tool", value_name = "NAME")]
    tools: Vec<String>,
    /// Also offer the tools that run any command of a program, to callers with the scope `admin:generic`
    #[arg(long)]
    generic: bool,
    /// How long one call may take, in seconds
    #[arg(long, value_name = "SECONDS", default_value = "600", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    time_limit: u64,
    /// How many requests a caller may send in a minute
    #[arg(long, value_name = "COUNT", default_value = "600")]
    requests_per_minute: NonZeroU32,
    /// How often to look for changes of releases while somebody waits for them, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = content::INTERVAL.as_secs(), value_parser = clap::value_parser!(u64).range(1..=3600))]
    poll: u64,
    /// The header in which the proxy in front names the person who looks at the dashboard, for example X-Forwarded-User
    #[arg(long, value_name = "NAME", requires = "trusted_proxies")]
    user_header: Option<String>,
    /// The address of a proxy whose --user-header is believed
    #[arg(long = "trusted-proxy", value_name = "ADDRESS", requires = "user_header")]
    trusted_proxies: Vec<IpAddr>,
}

impl Program for Mcp {
    fn common(&self) -> &CommonArgs {
        &self.common
    }

    fn drain_time(&self) -> Duration {
        settings::Limits::default().drain_time + handler::TO_RECORD
    }

    async fn dispatch(self, session: Session) -> Result<ExitCode, CliError> {
        session.environment.check_names()?;
        handler::serve(self.options, session).await
    }
}

/// Parses `arguments` and serves until it is stopped; `build` is what `--version` says, and `command_lines` are those whose
/// commands the tools run.
pub fn run(
    arguments: impl IntoIterator<Item = OsString>,
    build: Build,
    command_lines: &'static [CommandLine],
) -> ExitCode {
    cli_support::run_with::<Mcp>(arguments, build, command_lines)
}
