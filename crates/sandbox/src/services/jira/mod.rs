//! Jira Cloud, under `/jira` (spec 02 §5, §11.5).
//!
//! Tests read it through [`State`]: `world.jira.lock().issue("ART-14192")`, then [`Issue::writes`].

mod asked;
mod comments;
mod create;
mod edit;
mod fields;
mod front;
mod histories;
mod issues;
mod jql;
mod model;
mod people;
mod properties;
mod refusal;
mod search;
mod state;
#[cfg(test)]
mod tests;
mod text;
mod transitions;
mod views;

pub use front::router;
pub use model::{
    Account, ChangelogEntry, ChangelogItem, Comment, Issue, Login, Project, RemoteLink, Right, Status,
    Transition, Write,
};
pub use state::{BadToken, RateLimit, State};
