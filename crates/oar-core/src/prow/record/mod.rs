//! The record of a build's tests, and of the newest build of a stream (spec 04 §6).
//!
//! Records are written byte-exact, and unknown keys are kept at every level: this program and the Python
//! tooling may write the same file within an hour. This program adds:
//!
//! - `started_with` at file level: when the build was started, and the registry's enabled jobs at that time.
//!   The acceptance depends on it.
//! - a run whose `jobID` is `intent-<uuid>`: its start is intended, but not known to have happened.
//!   `intentSince` beside it is the time of the first attempt.
//! - `knownSince` in a run that was not read from Prow yet: when its start was intended, or when somebody
//!   added it. The first read removes it.
//! - `withoutReport` in a run that has ended: it has no test report.

mod build;
mod file;
mod latest;
mod operations;
mod run;
#[cfg(test)]
pub(crate) mod tests;

pub use build::{Build, BuildError};
pub use file::{Form, Job, ResultFile, StartedWith};
pub use latest::LatestFile;
pub use operations::{Place, RecordError};
pub use run::{INTENT_PREFIX, Intent, Observation, Run, RunId, Stage};
