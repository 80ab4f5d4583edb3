//! The table of all operations that a person, an agent or an AI may run.
//!
//! Each operation is one file: its [`About`], its typed arguments and result, and how it runs. Command lines,
//! tools for AI agents, permissions, the generated reference and the tests of the matrix are made from, or
//! checked against, [`TABLE`]. An operation runs with its own [`Call`] and without process-wide state.

pub mod add_qe_approval;
pub mod advance;
mod call;
pub mod change_advisory_status;
pub mod check_cve_tracker_bug;
pub mod check_greenwave_cvp_tests;
pub mod consent;
pub mod create_test_report;
pub mod decide;
pub mod doctor;
pub mod drive;
pub mod drop_bugs;
pub mod files;
pub mod history;
pub mod hold;
pub mod image_consistency_check;
pub mod image_signed_check;
pub mod is_shipped;
pub mod issue;
pub mod jira_notificator;
pub mod job;
pub mod jobctl;
pub mod log;
pub mod metadata;
mod metadata_changes;
pub mod oarctl;
pub mod overview;
mod part;
pub mod payload_consistency;
pub mod push_to_cdn_staging;
pub mod releases;
mod row;
pub mod slack_bot;
pub mod stage_testing;
pub mod statebox_validate;
pub mod status;
mod table;
pub mod take_ownership;
mod task_run;
pub mod task_set;
#[cfg(test)]
mod tests;
pub mod timeline;
pub mod update_bug_list;

pub use call::{Call, NoConsent, NoObserver, Observer};
pub use part::Part;
pub use row::{
    About, Conclusion, Effect, Flows, Interruption, Operation, Outcome, PlanOrResult, Program, RESULT_LIMIT,
    Row, Scope,
};
pub use table::{TABLE, row, row_of_line};
pub use task_run::{Change, Options, Prepared, TaskRow, Waits};

use std::time::Duration;

use crate::error::ErrorClass;
use crate::flow::outcome::{Refusal, TaskError};

/// How long an operation may take to record where it stopped after its time limit.
const TO_STOP: Duration = Duration::from_secs(2);

/// Calls an operation. Its log lines are collected in the call, and a call with a time limit is stopped by it as by a
/// signal.
///
/// # Errors
///
/// The operation failed before it had a result. A task that fails has a result, its report.
pub async fn perform<O: Operation>(operation: O, call: &Call) -> Result<O::Answer, TaskError> {
    // Boxed, because the future of all clients is too large for a caller's stack.
    let work = call.capture().observe(Box::pin(operation.run(call)));
    let Some(limit) = call.time_limit() else { return work.await };
    tokio::pin!(work);
    tokio::select! {
        answer = &mut work => answer,
        () = call.clock().sleep(limit) => {
            call.stop();
            tokio::select! {
                answer = &mut work => answer,
                () = call.clock().sleep(TO_STOP) => {
                    let words = format!("it did not end within {} s", limit.as_secs());
                    let refusal = Refusal::new(ErrorClass::Unavailable, words);
                    Err(match call.resumption() {
                        Some(how) => refusal.with_hint(how),
                        None => refusal,
                    }
                    .into())
                }
            }
        }
    }
}
