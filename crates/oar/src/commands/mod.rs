//! One file per command.

pub(crate) mod add_qe_approval;
pub(crate) mod change_advisory_status;
pub(crate) mod check_cve_tracker_bug;
pub(crate) mod check_greenwave_cvp_tests;
pub(crate) mod consent;
pub(crate) mod create_test_report;
pub(crate) mod decide;
pub(crate) mod drop_bugs;
pub(crate) mod history;
pub(crate) mod hold;
pub(crate) mod image_consistency_check;
pub(crate) mod image_signed_check;
pub(crate) mod is_shipped;
pub(crate) mod issue;
pub(crate) mod log;
pub(crate) mod metadata;
pub(crate) mod push_to_cdn_staging;
pub(crate) mod releases;
pub(crate) mod stage_testing;
pub(crate) mod status;
pub(crate) mod take_ownership;
pub(crate) mod task;
pub(crate) mod update_bug_list;
pub(crate) mod waive;
