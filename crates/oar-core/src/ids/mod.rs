//! What people and services call their things: parsed once, where the name enters, and passed as a type from there on.

mod advisory;
mod build;
mod digest;
mod issue;
mod job_path;
mod nvr;
mod pull_spec;
mod repository;

pub use advisory::{AdvisoryId, InvalidAdvisoryId};
pub use build::{BuildKind, BuildName};
pub use digest::{Digest, InvalidDigest};
pub use issue::{InvalidIssueKey, IssueKey};
pub use job_path::{JobPath, ParseJobPathError};
pub use nvr::{InvalidNvr, Nvr};
pub use pull_spec::{InvalidReference, PullSpec, Reference};
pub use repository::{InvalidRepository, Repository};
