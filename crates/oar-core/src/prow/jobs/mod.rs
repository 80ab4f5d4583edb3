//! Single jobs, as people and agents ask for them: names, starts, runs, and what releases require (spec 04 §1.2).
//!
//! Arguments and results are types with JSON schemas; what happens meanwhile is told as [`Event`]s. Nothing here speaks
//! to anybody.

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

/// What is told while the work goes on. No result depends on it.
#[derive(Debug)]
pub enum Event<'a> {
    /// Something to know.
    Note(String),
    /// Something is not as it should be; the work goes on.
    Warning(String),
    /// The run is there. Its page may not be known yet.
    Started(&'a JobRun),
    /// What became of one of several jobs; of one that was not started, why.
    Required(&'a RequiredJob, Option<&'a JobError>),
    /// What was found, and done, for one of several minor versions; what went wrong.
    Newest(&'a NewestRelease, Option<&'a JobError>),
}

/// Who is told.
pub type EventHandler<'a> = &'a (dyn Fn(Event<'_>) + Send + Sync);

/// The external jobs' names: the document's, or the defaults where there is no document, as in Prow's own jobs.
pub fn settings(clients: &Clients) -> Result<JobSettings, ConfigError> {
    match clients.settings().document() {
        Ok(document) => document.jobs(),
        Err(_) => Document::default().jobs(),
    }
}
