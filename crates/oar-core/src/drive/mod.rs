//! The engine: what stands where in a release, what can be done now, what waits, until when, and who must act.
//!
//! [`look`] reads the facts that are needed now, [`evaluate`](evaluate::evaluate) says what follows from the StateBox and the
//! facts, for each node of the table ([`crate::flow::nodes`]), and [`plan`] puts it together. Nothing here writes, but for a file
//! of plans in the cache.

pub mod case;
pub mod evaluate;
pub mod facts;
mod kept;
pub mod look;
pub mod plan;
pub mod verdict;

#[cfg(test)]
mod tests;
