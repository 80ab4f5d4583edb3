//! The result checker: tells of builds whose test results were rejected (spec 05 §5).
//!
//! [`Standing`] is what a result file says, [`Notified`] the file with what was told, which the Python tooling writes too. Both
//! are pure.

mod notified;
mod standing;

pub use notified::{Notified, accepted_mark};
pub use standing::{NotAResult, Standing};
