//! Running tasks: consent of a person, the log and its capture, interruption, outcomes, the runner, the table of nodes.

pub mod consent;
pub mod gates;
pub mod holder;
pub mod interrupt;
pub mod log;
pub mod nodes;
pub mod outcome;
pub mod reason;
pub mod recorder;
pub mod runner;
pub mod task;
pub mod wait;
