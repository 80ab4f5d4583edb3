//! Evaluates the runs of a build: the result of each job, whether the build is accepted, and the next steps.
//!
//! Everything here is a pure function of a record, a registry and observations.
//!
//! **Which jobs count.** A build is accepted only when every enabled required job of the registry that it was
//! started with is in the record and succeeded (spec 04 §7.6.4). Records created by this program contain that
//! registry ([`super::record::StartedWith`]), so a later change of the registry neither adds nor removes a
//! condition. Records of the Python tooling do not; for them the current registry is used, and while there is
//! none, or it cannot be read, they are neither accepted nor rejected. Jobs of a record that neither registry
//! knows (renamed ones, spec 04 §12) count as required: they must succeed, they are read until they end, and
//! they are never started again. A job whose name differs from one in the current registry only in the
//! frequency at its end counts as that job. So a renamed job neither keeps a record open for ever nor is
//! ignored, and no build is rejected because jobs were renamed later.

mod build;
mod job;
mod rules;
mod steps;
#[cfg(test)]
mod tests;

pub use build::{BuildOutcome, BuildVerdict, judge};
pub(in crate::prow) use job::counted;
pub use job::{JobOutcome, JobVerdict, needed};
pub use rules::{JobRule, RuleSource, Rules};
pub use steps::{AvailableRegistry, Label, Observed, Policy, Step, is_lost, next_steps, report_is_due};
