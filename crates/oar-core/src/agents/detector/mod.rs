//! The release detector: finds releases that ART announced and nobody has begun (spec 05 §2).
//!
//! [`Announced`] is what a tracking file says, [`Comparison`] what follows from it beside the newest stable build. Both
//! are pure; what they need is read by the agent.

mod comparison;
mod tracking;

pub use comparison::Comparison;
pub use tracking::{Announced, InvalidTracking};
