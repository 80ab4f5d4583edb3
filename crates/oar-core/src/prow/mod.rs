//! Test jobs on Prow: which jobs a build is tested with, what is recorded of their runs, and when a build is accepted.
//!
//! The modules up to [`verify`] are data and decisions: nothing is sent, and nothing is read from disk or the clock. The
//! [`controller`] and the [`aggregator`] read the [`world`], ask [`outcome`] what to do, do it, and record it in a
//! [`record::ResultFile`].

pub mod aggregator;
pub mod by_hand;
pub mod change;
pub mod controller;
pub mod live;
pub mod starter;
pub mod world;
