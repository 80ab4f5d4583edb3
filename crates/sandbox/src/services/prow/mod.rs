//! Prow: its deck under `/prow`, and Gangway, which starts jobs, under `/gangway` (spec 04 §2.3, §2.4, §11).
//!
//! A job walks from scheduling to its end by the sandbox's clock. Tests read `world.prow.lock().jobs`, and choose how
//! the next jobs end with [`State::script`].

mod deck;
mod gangway;
mod model;
#[cfg(test)]
mod tests;

pub use deck::{router, yaml};
pub use gangway::router as gangway_router;
pub use model::{JobState, KnownJob, Pace, ProwJob, QE_BUCKET, RateLimit, State, Token};
