//! The commands' work, one file each; both flows are visible in it.

pub mod check_cve_tracker_bug;
pub mod create_test_report;
pub mod drop_bugs;
mod health;
pub mod image_signed_check;
pub mod is_shipped;
pub mod push_to_cdn_staging;
mod services;
mod signatures;
pub mod status;
pub mod take_ownership;
pub mod update_bug_list;

pub use services::Services;
