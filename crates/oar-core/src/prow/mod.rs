//! Test jobs on Prow: which jobs a build is tested with, what is recorded of their runs, and when a build is accepted.
//!
//! Everything here is data and decisions: nothing is sent, and nothing is read from disk or the clock. The controller and
//! the aggregator read the world, ask [`outcome`] what to do, do it, and record it in a [`record::ResultFile`].

pub mod environment;
pub mod json;
pub mod names;
pub mod outcome;
mod problem;
pub mod record;
pub mod registry;
pub mod report;
pub mod stream;
pub mod verify;
pub mod view;

pub use problem::{FileProblems, Problem, Severity};
