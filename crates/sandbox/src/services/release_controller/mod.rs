//! The release controllers, under `/release-controller` (amd64) and `/release-controller/<architecture>` (spec 04 §2.5):
//! the streams' read-only interface.

mod handlers;
mod model;
mod range;
#[cfg(test)]
mod tests;

pub use handlers::router;
pub use model::{Payload, Phase, State, architecture};
