//! The release controller, under `/release-controller` (spec 04 §2.5): the streams' read-only interface.

mod handlers;
mod model;
#[cfg(test)]
mod tests;

pub use handlers::router;
pub use model::{Payload, Phase, State};
