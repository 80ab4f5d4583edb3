//! The one HTTP stack under every client: TLS, timeouts, retries, rate limits, redaction, tracing, per-host budgets.
//!
//! A request is repeated only when that cannot do anything twice: a [`Repeat::Safe`] request after any passing
//! fault, any other request only when the service said that it did not act (429, or 503 with `Retry-After`, or
//! GitHub's 403 rate limits, or what a client knows as such a refusal) or when no connection was made.

mod activity;
mod address;
mod call;
mod client;
mod failure;
mod reply;
mod retry_after;
mod slow;
#[cfg(test)]
pub(crate) mod tests;

pub use activity::Activity;
pub(crate) use address::as_folder;
pub use address::{join, join_segments};
pub use call::{Authorize, Call, Repeat};
pub use client::{Http, HttpSettings, HttpSetupError};
pub use reply::Reply;
