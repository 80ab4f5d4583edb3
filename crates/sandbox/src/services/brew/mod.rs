//! Koji's hub under `/brewhub` (XML-RPC) and its download root under `/brewroot` (spec 02 §4, §11.4).

mod model;
mod root;
#[cfg(test)]
mod tests;
mod xmlrpc;

pub use model::{BrewBuild, State};
pub use root::router as root_router;
pub use xmlrpc::{hub, router as hub_router};
