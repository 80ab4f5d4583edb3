//! Runs a command as an agent: a schedule of passes, leader election among replicas, health and metrics.
//!
//! An agent is a command whose work is a [`Pass`] that may be repeated. The command flattens [`Schedule`]
//! into its options, describes itself as an [`Agent`], and gives its pass to [`Schedule::run`]. Without
//! `--interval` the agent makes one pass and ends, so that cron can start it; with it, it makes a pass at
//! every interval until it is told to stop. Passes never overlap.
//!
//! This crate does not know the work of an agent or its services; the client for leader election comes as
//! [`Leases`].

mod leader;
mod metrics;
mod pass;
mod schedule;

pub use leader::Leases;
pub use pass::Pass;
pub use schedule::{Agent, Schedule};
