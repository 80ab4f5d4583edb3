//! An image registry, under `/registry`: the OCI Distribution API's pull side as quay.io answers it.
//!
//! Everything but the token service wants a token; anybody gets one, but what is private is only for an account's, and
//! what is not there looks private. Blobs lie elsewhere, where a second proof of identity is refused. Identity tokens,
//! which quay.io has not, are exchanged as other registries do it.

mod handlers;
mod images;
mod model;
#[cfg(test)]
mod tests;

pub use handlers::router;
pub use images::{Built, BuiltDigests};
pub use model::{Packing, Payload, Repository, Spelling, State, digest_of};
