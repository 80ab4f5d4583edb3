//! What services call their things: parsed once, where the name enters, and passed as a type from there on.

mod advisory;
mod issue;
mod repository;

pub use advisory::{AdvisoryId, InvalidAdvisoryId};
pub use issue::{InvalidIssueKey, IssueKey};
pub use repository::{InvalidRepository, Repository};
