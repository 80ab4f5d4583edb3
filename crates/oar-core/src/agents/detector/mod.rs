//! The release detector: finds announced releases that nobody has started (spec 05 §2).
//!
//! [`Announced`] is the content of a tracking file, [`Comparison`] compares it with the newest stable build.
//! Both are pure; the agent reads their input.

mod comparison;
mod tracking;

pub use comparison::Comparison;
pub use tracking::{Announced, InvalidTracking};
