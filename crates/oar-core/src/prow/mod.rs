//! Test jobs on Prow: the jobs that test a build, the records of their runs, and the acceptance of a build.
//!
//! Most of this is data and decisions, without requests, files or clock. The [`controller`] and the
//! [`aggregator`] read the [`world`], get the next steps from [`outcome`], do them, and record the results in
//! a [`record::ResultFile`].

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
