//! Google Cloud Storage, under `/gcs` (spec 04 §2.7, §11): the JSON interface, for reading.
//!
//! The bucket `qe-private-deck` holds the artifacts of QE's finished Prow jobs, which are made from the jobs when they
//! are asked for, and what tests put there.

mod artifacts;
mod checksum;
mod front;
mod glob;
mod handlers;
mod model;
#[cfg(test)]
mod tests;

pub use handlers::router;
pub use model::{Object, Report, State};
