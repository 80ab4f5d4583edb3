//! Every command in both flows: faults, kills, a second run, a dry run, JSON, budgets, secrets. The commands stand in
//! `end_to_end::matrix::table`. Of faults, kills and answers that throw secrets back a sample is made that has some of
//! every kind, with a seed that is printed (`OAR_TEST_SEED` repeats it); `make test-deep` makes all.

use end_to_end::matrix::{proofs, table};

/// The tests of each scenario, by its name; and the names, to see that none is forgotten.
macro_rules! matrix {
    ($($name:ident),+ $(,)?) => {
        const NAMES: &[&str] = &[$(stringify!($name)),+];

        /// `make run-tests` runs these apart, more at a time: they wait more than they compute.
        mod every_command { $(mod $name {
            use end_to_end::matrix::{Kind, proofs, scenario};

            #[test]
            fn runs_keep_to_their_budget_and_a_second_one_changes_nothing() {
                proofs::runs(&scenario(stringify!($name)));
            }

            #[test]
            fn a_fault_at_any_request_is_survived_or_reported_and_healed() {
                proofs::faults(&scenario(stringify!($name)));
            }

            #[test]
            fn killed_after_any_request_the_next_run_finishes_with_each_effect_once() {
                let scenario = scenario(stringify!($name));
                // Those write nothing, which the runs show.
                if !matches!(scenario.kind, Kind::Look | Kind::Refused(_)) {
                    proofs::kills(&scenario);
                }
            }

            #[test]
            fn nothing_secret_is_written() {
                proofs::secrets(&scenario(stringify!($name)));
            }
        })+ }
    };
}

matrix!(
    create_test_report_konflux,
    create_test_report_errata,
    take_ownership_konflux,
    take_ownership_errata,
    take_ownership_first_of_all,
    update_bug_list_konflux,
    update_bug_list_errata,
    status,
    drive_konflux,
    drive_errata,
    drive_on_staging,
    drive_to_approve,
    drive_once_konflux,
    drive_once_errata,
    drive_all,
    drive_offline,
    history,
    log,
    timeline,
    metadata_konflux,
    metadata_errata,
    issue_list,
    issue_add,
    issue_resolve,
    releases,
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
    statebox_validate,
    operations,
    lead_time,
    doctor_konflux,
    doctor_errata,
    doctor_releases,
    check_greenwave_konflux,
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
    image_consistency_errata,
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
    add_qe_approval_errata,
    payload_consistency,
    is_shipped_konflux,
    is_shipped_errata,
    start_controller,
    trigger_jobs_for_build,
    start_aggregator,
    promote_test_results,
    update_retried_job_run,
    show_build,
    doctor_builds,
    verify,
    job_run,
    job_run_required,
    job_run_image_consistency_check,
    job_run_stage_testing,
    job_list,
    job_get_results,
    job_get_payloads,
    start_release_detector,
    check_test_results,
    start_release_detector_behind,
    jira_notificator,
    slack_bot,
);

#[test]
fn every_line_of_the_table_has_its_tests() {
    let lines: Vec<&str> = table().iter().map(|scenario| scenario.name).collect();
    assert_eq!(lines, NAMES);
}

#[test]
fn what_agents_leave_is_looked_at_for_secrets() {
    proofs::looks_at_what_agents_leave();
}
