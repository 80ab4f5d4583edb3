//! Single jobs for people and agents: names, starts, runs, and the required jobs of releases (spec 04 §1.2).
//!
//! Arguments and results are types with JSON schemas; progress is reported as [`Event`]s. Nothing here writes
//! to a terminal.

mod error;
mod names;
mod order;
mod payloads;
mod required;
mod run;
mod similar;
mod start;
mod texts;
mod turns;

pub use error::JobError;
pub use names::{BRANCH, COMPONENT, Component, JobNames, TestFile, TestList, tests};
pub use order::{JobOrder, RunJob, StartPlan};
pub use payloads::{NewestRelease, RecordChange, Recording, newest_releases};
pub use required::{
    Keys, PlannedStart, PlannedStarts, RequiredJob, RequiredJobs, RequiredReport, start_required,
};
pub use run::JobRun;
pub use start::{StartKey, Starter};
pub use texts::{Image, InvalidText, JobId, JobText, Key};

use crate::clients::Clients;
use crate::config::{ConfigError, Document, JobSettings};

/// Progress of the work. No result depends on it.
#[derive(Debug)]
pub enum Event<'a> {
    /// A note.
    Note(String),
    /// A problem; the work continues.
    Warning(String),
    /// The run was started. Its page may not be known yet.
    Started(&'a JobRun),
    /// The result for one of several jobs; if it was not started, the error.
    Required(&'a RequiredJob, Option<&'a JobError>),
    /// The result for one of several minor versions, and the error, if any.
    Newest(&'a NewestRelease, Option<&'a JobError>),
}

/// The receiver of events.
pub type EventHandler<'a> = &'a (dyn Fn(Event<'_>) + Send + Sync);

/// The names of the external jobs: the document's, or the defaults if there is no document, as in Prow's own
/// jobs.
pub fn settings(clients: &Clients) -> Result<JobSettings, ConfigError> {
    match clients.settings().document() {
        Ok(document) => document.jobs(),
        Err(_) => Document::default().jobs(),
    }
}
