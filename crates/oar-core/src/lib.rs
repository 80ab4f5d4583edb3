//! The release tooling's library: everything that is not a command line.
//!
//! The crate never prints, prompts, or reads the environment outside [`config`]; a command line or a server is a
//! user interface on it. Arrows point one way: [`tasks`] use [`operators`], operators use [`clients`], clients use
//! [`http`]. State lives in [`statebox`], and every task runs through [`flow`].

pub mod agents;
pub mod clients;
pub mod clock;
pub mod config;
pub mod email;
pub mod error;
pub mod failures;
pub mod flow;
#[cfg(test)]
mod hostile;
pub mod http;
pub mod ids;
pub mod notify;
pub mod operations;
pub mod operators;
pub mod permit;
pub mod prow;
pub mod redact;
mod schema;
pub mod service;
pub mod signature;
pub mod statebox;
pub mod store;
pub mod targets;
pub mod tasks;
pub mod version;
pub mod yaml;
