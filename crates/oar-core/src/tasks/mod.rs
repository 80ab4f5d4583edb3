//! The work of the `oar` commands, one file each, for both flows.

pub mod active_releases;
pub mod add_qe_approval;
pub mod approval_wait;
mod art_stage_test;
pub mod change_advisory_status;
pub mod check_cve_tracker_bug;
pub mod check_greenwave_cvp_tests;
mod context;
pub mod create_test_report;
pub mod drop_bugs;
pub mod external_job;
mod health;
pub mod holds;
mod identifiers;
pub mod image_consistency_check;
pub mod image_signed_check;
pub mod is_shipped;
pub mod push_to_cdn_staging;
mod python_checker;
mod signatures;
mod stage_release;
pub mod stage_testing;
pub mod statebox_files;
pub mod status;
pub mod take_ownership;
pub mod update_bug_list;
mod worksheet;
mod workspace;

pub use context::ReleaseContext;
pub use workspace::{freeze_file, open_statebox, open_statebox_to_create, releases_with_state, shared_store};

use crate::statebox::{RunOutcome, State, TaskName};

/// Why the last run of a task did not pass, from the StateBox. A check with the same result is not recorded
/// as a new run.
fn last_reason(state: Option<&State>, task: TaskName) -> Option<String> {
    let view = state?.task(task)?;
    let last = view.history.last()?;
    let tells = [Some(view.status.into()), Some(RunOutcome::Unknown)].contains(&last.outcome);
    last.reason.clone().filter(|_| tells)
}
