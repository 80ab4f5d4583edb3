//! Running tasks: consent to write, the log and its capture, interruption, outcomes.

pub mod interrupt;
pub mod log;
pub mod permit;
