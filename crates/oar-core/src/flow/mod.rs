//! Running tasks: consent to write, outcomes, markers.

pub mod permit;
