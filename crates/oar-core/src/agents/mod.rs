//! What runs without a person: the agents' work. When it runs, who leads and how it is watched is the crate `agent`'s.

pub mod detector;
pub mod notificator;
