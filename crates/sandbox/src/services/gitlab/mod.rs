//! GitLab, under `/gitlab` (spec 03 §2, §13.1). Git itself is not served, but commits have git's own names, and
//! [`Project::fast_import`] makes the real repository for a test to serve.
//!
//! Tests read it through [`State`]: `world.gitlab.lock().merge_request(5150, 612)`, then
//! [`MergeRequest::notes`] and [`State::mentioned`].

mod approvals;
mod asked;
mod commits;
mod front;
mod git;
mod merge_requests;
mod merging;
mod model;
mod notes;
mod pagination;
mod pipelines;
mod projects;
mod refusal;
mod repository;
mod state;
#[cfg(test)]
mod tests;
mod users;
mod views;

pub use front::router;
pub use git::Commit;
pub use model::{
    AccessLevel, ApprovalRule, Branch, Job, MergeRequest, MergeRequestState, Note, Pipeline, Project, Scope,
    Token, User,
};
pub use state::{RateLimit, State};
