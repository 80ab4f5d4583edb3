//! Runs a command as an agent: a schedule of passes, leader election among replicas, health and metrics, signs of life for a
//! service manager, and a supervisor of several agents.
//!
//! An agent is a command whose work is a [`Pass`] that may be repeated. The command flattens [`Schedule`]
//! into its options, describes itself as an [`Agent`], and gives its pass to [`Schedule::run`]. Without
//! `--interval` the agent makes one pass and ends, so that cron can start it; with it, it makes a pass at
//! every interval until it is told to stop. Passes never overlap.
//!
//! This crate does not know the work of an agent or its services; the client for leader election comes as
//! [`Leases`].
//!
//! [`supervise`] runs several agents, each as a process of its own: one that panics, blocks its thread or eats the memory
//! cannot touch the others, and one that hangs can be ended, which no thread can be. An agent tells its supervisor that it
//! lives as it tells any service manager.

mod leader;
mod metrics;
mod pass;
mod progress;
mod record;
mod schedule;
mod service_manager;
mod supervisor;

pub use leader::Leases;
pub use pass::Pass;
pub use record::{AgentRecord, Problem, records};
pub use schedule::{Agent, Schedule, Service, Work};
pub use supervisor::{Supervised, SupervisedRecord, check, supervise, supervised_record};
