//! The Errata Tool, under `/errata` (spec 02 §1, §2, §11.1, §11.2).
//!
//! Tests read it through [`State`]: `world.errata.lock().owner(150_001)`.

mod asked;
mod front;
mod handlers;
mod issues;
mod model;
mod params;
mod push;
mod refusal;
mod spnego;
mod state;
#[cfg(test)]
mod tests;
mod transitions;
mod update;
mod views;

pub use front::router;
pub use model::{
    Advisory, AdvisoryState, AdvisoryType, Build, ErrataUser, ExternalTest, FieldEdits, PushJob, PushScript,
    Role, StateChange, TpsJob,
};
pub(super) use spnego::is_initial_token;
pub use state::{Negotiate, State};
