//! The operations for AI agents: MCP over HTTP and stdio.

pub mod audit;
pub mod caller;
pub mod settings;
mod stand_in;
pub mod transport;

/// The catalogue of the tools.
pub mod tools {
    pub use crate::stand_in::{Profile, Switches};
}
