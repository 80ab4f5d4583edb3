//! What the runs of a build say: the result of each job, whether the build is accepted, and what is to be done next.
//!
//! Everything here is a pure function of a record, a registry and what was observed.
//!
//! **Which jobs count.** A build is accepted only when every enabled required job of the registry that it was started
//! with is in the record and succeeded (spec 04 §7.6.4). Records that this program made carry that registry
//! ([`super::record::StartedWith`]), so a later change of the registry neither adds nor removes a condition. For records
//! of the Python tooling, which carry none, the current registry stands in; while there is none, or none that can be read,
//! they are neither accepted nor rejected. Jobs of a record that neither knows (renamed ones, spec 04 §12) count as required:
//! their success is needed, they are read until they end, and they are never started again. One that differs from a job of
//! the current registry in the frequency at its end only is that job's evidence. So a renamed job neither keeps a record
//! open for ever nor is it passed over, and no build is rejected because its jobs have other names today.

mod build;
mod job;
mod rules;
mod steps;
#[cfg(test)]
mod tests;

pub use build::{BuildOutcome, BuildVerdict, judge};
pub use job::{JobOutcome, JobVerdict, needed};
pub use rules::{JobRule, RuleSource, Rules};
pub use steps::{AvailableRegistry, Label, Observed, Policy, Step, is_lost, next_steps, report_is_due};
