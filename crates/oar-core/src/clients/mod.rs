//! One folder per external system: typed requests and answers, no workflow decisions.
//!
//! Every client is built on [`crate::http::Http`]; none decides what a release needs. A client module may not
//! import `tasks`, `operators` or `statebox`. [`Clients`] makes all clients.

pub mod access;
pub mod advisory_content;
pub mod brewroot;
pub mod catalog;
pub mod elliott;
pub(crate) mod empty;
pub mod errata;
mod factory;
pub mod gangway;
pub mod gcs;
pub mod github;
pub mod gitlab;
pub mod google;
pub mod jenkins;
pub mod jira;
pub mod kerberos;
pub mod koji;
pub mod kube;
pub mod ldap;
pub mod mirror;
mod program;
pub mod prow;
pub mod pyxis;
mod reach;
mod recent;
mod records;
pub mod registry;
pub mod release_controller;
pub mod sheets;
pub mod slack;
#[cfg(test)]
pub(crate) mod testing;
mod ticket_cache;
mod transport;
mod write;

pub use factory::{ClientError, Clients};
pub use reach::Reached;
pub use write::{Attempt, Written, attempt, attempt_again, ensure, write_or_look};
/// The effect of a write that reads before it writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// The service changed.
    Changed,
    /// The value was set already; nothing was written.
    AlreadySo,
}
