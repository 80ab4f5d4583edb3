//! The operations of `oarctl` that run without a person, one file each. What they decide is in [`crate::agents`].

pub mod check_test_results;
pub mod drive;
pub mod lead_time;
pub mod start_release_detector;
