//! The work of the agents, which run without a person. The crate `agent` has their schedule, leader election,
//! health and metrics.

pub mod bot;
pub mod detector;
pub mod notificator;
pub mod result_checker;
