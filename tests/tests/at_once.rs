//! Every command that has effects, twice at the same moment: each effect happens once. A sample here, with a seed that is
//! printed; a hundred meetings of each with `make test-deep`.

use end_to_end::matrix::{Kind, Scenario, scenario, table, two_at_once};

/// A test for each scenario, by its name; and the names, to see that none is forgotten.
macro_rules! at_once {
    ($($name:ident),+ $(,)?) => {
        const NAMES: &[&str] = &[$(stringify!($name)),+];

        $(#[test]
        fn $name() {
            two_at_once(&scenario(stringify!($name)));
        })+
    };
}

at_once!(
    create_test_report_konflux,
    create_test_report_errata,
    take_ownership_konflux,
    take_ownership_errata,
    take_ownership_first_of_all,
    update_bug_list_konflux,
    update_bug_list_errata,
    drive_once_konflux,
    drive_once_errata,
    drive_all,
    issue_add,
    issue_resolve,
    decide_konflux,
    decide_errata,
    decide_withdrawn,
    waive_konflux,
    waive_errata,
    waive_withdrawn,
    hold_konflux,
    hold_errata,
    hold_all,
    hold_withdrawn,
    task_set,
    check_greenwave_errata,
    check_cve_konflux,
    check_cve_errata,
    push_konflux,
    push_errata,
    push_errata_what_was_blocked,
    push_errata_through,
    consent_konflux,
    consent_errata,
    image_consistency_konflux,
    image_consistency_result,
    stage_testing_konflux,
    stage_testing_errata,
    stage_testing_result,
    image_signed_konflux,
    image_signed_errata,
    drop_bugs_konflux,
    drop_bugs_errata,
    change_advisory_status_konflux,
    change_advisory_status_errata,
    change_advisory_status_waits,
    change_advisory_status_carried_on,
    add_qe_approval_konflux,
    start_controller,
    trigger_jobs_for_build,
    start_aggregator,
    promote_test_results,
    update_retried_job_run,
    job_run,
    job_run_required,
    job_run_image_consistency_check,
    job_run_stage_testing,
    job_get_payloads,
    start_release_detector,
    check_test_results,
    start_release_detector_behind,
    jira_notificator,
    slack_bot,
);

#[test]
fn every_command_that_changes_something_has_its_test() {
    let changes =
        |scenario: &Scenario| matches!(scenario.kind, Kind::Task(..) | Kind::Change | Kind::CarriesOn(..));
    let names: Vec<&str> = table().iter().filter(|line| changes(line)).map(|line| line.name).collect();
    assert_eq!(names, NAMES);
}
