//! One folder per external system: typed requests and answers, no workflow decisions.
//!
//! Every client is built on [`crate::http::Http`]; none decides what a release needs. A client module may not
//! import `tasks`, `operators` or `statebox`.

pub mod errata;
pub mod github;
pub mod gitlab;
pub mod jira;
pub mod slack;
