//! The HTTP stack of all clients: TLS, timeouts, retries, rate limits, redaction, tracing, per-host budgets.
//!
//! A request is repeated only when that cannot have an effect twice: a [`Repeat::Safe`] request after any
//! temporary failure; any other request only when the service says that it did not act (429, 503 with
//! `Retry-After`, GitHub's 403 rate limits, or a refusal that the client recognises, [`Call::refusal_wait`]),
//! or when no connection was made.

mod activity;
mod address;
mod call;
mod certificate;
mod client;
mod failure;
mod reply;
mod retry_after;
mod slow;
#[cfg(test)]
pub(crate) mod tests;

pub use activity::{Activity, UnderWay};
pub(crate) use address::as_folder;
pub use address::{join, join_segments};
pub use call::{Authorize, Call, Repeat};
pub use certificate::Certificates;
pub use client::{Http, HttpSettings, HttpSetupError, Upgrade};
pub use reply::Reply;
