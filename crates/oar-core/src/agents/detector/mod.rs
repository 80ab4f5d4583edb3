//! The release detector: finds announced releases that nobody has started (spec 05 §2).
//!
//! [`ReleaseFiles`] is what the names of files say, [`Announced`] what a tracking file says, [`Comparison`] what follows from it
//! beside the newest stable build. All are pure; what they need is read by the operation.

mod comparison;
mod files;
mod tracking;

pub use comparison::{Comparison, out_without_statebox};
pub use files::ReleaseFiles;
pub use tracking::{Announced, InvalidTracking};
