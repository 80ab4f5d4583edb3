//! Test jobs on Prow: which jobs a build is tested with, what is recorded of their runs, and when a build is accepted.
//!
//! Most of this is data and decisions: nothing is sent, and nothing is read from disk or the clock. The [`controller`] and
//! the [`aggregator`] read the [`world`], ask [`outcome`] what to do, do it, and record it in a [`record::ResultFile`].

pub mod aggregator;
pub mod change;
pub mod controller;
pub mod environment;
pub mod jobs;
pub mod json;
pub mod live;
mod live_world;
pub mod manual;
pub mod names;
pub mod outcome;
mod problem;
pub mod record;
pub mod registry;
pub mod release_jobs;
pub mod report;
pub mod runs;
pub mod starter;
pub mod stream;
#[cfg(test)]
mod tests;
pub mod verification;
pub mod verify;
pub mod view;
pub mod world;

pub use live_world::LiveWorld;
pub use problem::{FileProblems, Problem, Severity};
