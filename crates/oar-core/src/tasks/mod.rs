//! The commands' work, one file each; both flows are visible in it.

pub mod add_qe_approval;
pub mod approval_wait;
pub mod change_advisory_status;
pub mod check_cve_tracker_bug;
pub mod create_test_report;
mod health;
pub mod image_signed_check;
pub mod is_shipped;
pub mod push_to_cdn_staging;
mod services;
mod signatures;
pub mod status;
pub mod take_ownership;
pub mod update_bug_list;
mod workspace;

pub use services::Services;
pub use workspace::open_statebox;
