//! What runs without a person: what the agents decide. An operation reads what they need and does what follows; when it runs,
//! who leads and how it is watched is the crate `agent`'s.

pub mod detector;
pub mod notificator;
pub mod result_checker;
