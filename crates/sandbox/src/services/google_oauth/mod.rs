//! Google's token service, under `/google-oauth` (RFC 7523; spec 04 §2.7), and what its tokens are good for.
//!
//! Times are compared with the machine's clock, whatever the sandbox's shows: programs sign with the machine's.

mod handlers;
mod key;
mod model;
mod refusal;
#[cfg(test)]
mod tests;

pub use handlers::router;
pub use key::{ServiceKey, service_key};
pub use model::{Account, Grant, Spelling, State};
pub use refusal::refusal;

/// The path of the token service, relative to the sandbox's address.
pub const TOKEN_PATH: &str = "/google-oauth/token";
