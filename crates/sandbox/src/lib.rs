//! Simulated external services on one port, for tests, for the demonstration and for experiments.
//!
//! Each service is state behind real HTTP: it answers like the real one, including refusals, so that
//! third-party clients work with it. It is an independent reading of the protocols: this crate depends on no
//! product crate.
//!
//! | Prefix | Service | Module |
//! |---|---|---|
//! | `/github` | GitHub's REST interface | [`services::github`] |
//! | `/github-raw` | files of repositories for everybody, build data too | [`services::github`] |
//! | `/errata` | Errata Tool behind HTTP Negotiate | [`services::errata`] |
//! | `/jira` | Jira Cloud | [`services::jira`] |
//! | `/gitlab` | GitLab | [`services::gitlab`] |
//! | `/slack/api` | Slack's Web API | [`services::slack`] |
//! | `/release-controller` | release streams and payloads | [`services::release_controller`] |
//! | `/_sandbox` | faults, clock, log of requests, state | [`control`] |
//!
//! It has two made-up releases ([`scenario`]): 4.19.1 of the Konflux flow and 4.14.60 of the Errata flow.
//!
//! # In a test
//!
//! ```
//! use sandbox::{Fault, FaultKind, Options, Sandbox};
//!
//! # fn main() -> Result<(), sandbox::StartError> {
//! let sandbox = Sandbox::start(&Options::default())?;
//! // The second write to GitHub takes effect, but its answer is lost.
//! sandbox.faults().add(Fault::on("github", FaultKind::DropAfter).method("PUT").skip(1));
//! // … run a program with `sandbox.environment()` …
//! assert!(sandbox.writes().is_empty());
//! let messages = sandbox.world().slack.lock().messages_in("#team-qe-release-demo");
//! assert!(messages.is_empty());
//! sandbox.assert_no_unexpected();
//! # Ok(())
//! # }
//! ```
//!
//! The server has its own thread and runtime, so tests need none; it ends with the last copy of the handle.
//! Requests that no service supports get 501 and fail [`Sandbox::assert_no_unexpected`].
//!
//! # In a shell
//!
//! ```text
//! oar-sandbox run -- oar -r 4.19.1 status        the command finds the sandbox by its environment
//! eval "$(oar-sandbox start)"                    one in the background, until `oar-sandbox stop`
//! curl -s $OAR_SANDBOX/_sandbox/requests
//! curl -s $OAR_SANDBOX/_sandbox/faults -H 'content-type: application/json' \
//!   -d '{"service": "jira", "path": "/rest/api/*", "times": 2, "kind": {"type": "rate_limited", "retry_after": 1}}'
//! ```
//!
//! # Faults
//!
//! A [`Fault`] says which requests it is for (service, method, pattern of the path), how many it lets pass, how
//! many it hits or at which rate, and what happens ([`FaultKind`]). Rates draw from a seeded generator
//! ([`faults::Faults::seed`]). Dropping really closes the TCP connection, before a byte of the status line.
//!
//! # Kerberos
//!
//! The environment names a ticket cache and a configuration from which the real MIT library makes real tokens
//! without a KDC ([`kerberos`]); a cache with expired tickets and none at all can be chosen.

pub mod cli;
pub mod clock;
pub mod connection;
pub mod control;
pub mod credentials;
pub mod elliott;
pub mod environment;
pub mod faults;
pub mod intercept;
pub mod kerberos;
mod place;
pub mod requests;
mod sandbox;
pub mod scenario;
pub mod services;
pub mod snapshot;
pub mod stop;
#[cfg(test)]
mod testing;
pub mod unexpected;
pub mod world;

pub use crate::{
    clock::ClockStart,
    faults::{Fault, FaultKind},
    kerberos::Tickets,
    requests::RecordedRequest,
    sandbox::{Options, Sandbox, StartError},
    snapshot::Snapshot,
    unexpected::Unexpected,
    world::{Shared, World},
};
