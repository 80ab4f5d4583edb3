//! Parts of results that are reported before the whole result is available.

use super::jobctl::start_controller::StreamPass;
use crate::agents::result_checker::Notified;
use crate::prow::jobs::{JobError, JobRun, NewestRelease, RequiredJob};

/// A part of a result.
#[derive(Debug, Clone, Copy)]
pub enum Part<'a> {
    /// A job was started. The page of its run may not be known yet.
    Started(&'a JobRun),
    /// The result for one of several jobs; if it was not started, the error.
    Required(&'a RequiredJob, Option<&'a JobError>),
    /// The result for one of several minor versions, and the error, if any.
    Newest(&'a NewestRelease, Option<&'a JobError>),
    /// Something was told; this is all that was told so far.
    Notified(&'a Notified),
    /// What the controller did for one minor version.
    Controlled(&'a StreamPass),
}
