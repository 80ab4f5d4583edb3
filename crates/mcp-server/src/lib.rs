//! The operations for AI agents: MCP over HTTP and stdio.

pub mod cache;
pub mod content;
pub mod documents;
mod stand_in;

mod tools {
    pub(crate) use crate::stand_in::{Arguments, DocumentTool};
}
