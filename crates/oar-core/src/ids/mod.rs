//! What things outside are called by, parsed once and passed as types: images, jobs.
//!
//! The ids that only one service gives (an advisory's number, an issue's key) stand in that service's client.

mod digest;
mod job_path;
mod pull_spec;

pub use digest::{Digest, InvalidDigest};
pub use job_path::{JobPath, ParseJobPathError};
pub use pull_spec::{InvalidReference, PullSpec, Reference};
