//! Parts of results that are told before the whole is there.

use super::jobctl::start_controller::StreamPass;
use crate::agents::result_checker::Notified;
use crate::prow::jobs::{JobError, JobRun, NewestRelease, RequiredJob};

/// A part of a result.
#[derive(Debug, Clone, Copy)]
pub enum Part<'a> {
    /// A job was started. The page of its run may not be known yet.
    Started(&'a JobRun),
    /// What became of one of several jobs; of one that was not started, why.
    Required(&'a RequiredJob, Option<&'a JobError>),
    /// What was found, and done, for one of several minor versions; what went wrong.
    Newest(&'a NewestRelease, Option<&'a JobError>),
    /// Something was told; this is all that was told so far.
    Notified(&'a Notified),
    /// What the controller did for one minor version.
    Controlled(&'a StreamPass),
}
