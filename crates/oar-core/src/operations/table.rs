//! The table itself: one line per operation.

use super::job::start::{RunImageConsistencyCheck, RunStageTesting, StartOne};
use super::row::{Program, Row};
use super::{
    add_qe_approval, change_advisory_status, check_cve_tracker_bug, check_greenwave_cvp_tests, consent,
    create_test_report, decide, doctor, drive, drop_bugs, history, hold, image_consistency_check,
    image_signed_check, is_shipped, issue, jira_notificator, job, jobctl, log, metadata, oarctl, overview,
    payload_consistency, push_to_cdn_staging, releases, stage_testing, statebox_validate, status,
    take_ownership, task_set, timeline, update_bug_list,
};
use crate::prow::jobs::RunJob;

/// Every operation: first those of releases, in the order of a release's work, then those of test jobs and
/// builds.
pub const TABLE: &[Row] = &[
    Row::of::<create_test_report::CreateTestReport>(),
    Row::of::<take_ownership::TakeOwnership>(),
    Row::of::<update_bug_list::UpdateBugList>(),
    Row::of::<check_greenwave_cvp_tests::CheckGreenwaveCvpTests>(),
    Row::of::<check_cve_tracker_bug::CheckCveTrackerBug>(),
    Row::of::<push_to_cdn_staging::PushToCdnStaging>(),
    Row::of::<image_consistency_check::ImageConsistencyCheck>(),
    Row::of::<stage_testing::StageTesting>(),
    Row::of::<image_signed_check::ImageSignedCheck>(),
    Row::of::<drop_bugs::DropBugs>(),
    Row::of::<add_qe_approval::AddQeApproval>(),
    Row::of::<change_advisory_status::ChangeAdvisoryStatus>(),
    Row::of::<is_shipped::IsShipped>(),
    Row::of::<releases::Releases>(),
    Row::of::<status::Status>(),
    Row::of::<drive::Drive>(),
    Row::of::<drive::DriveOnce>(),
    Row::of::<history::History>(),
    Row::of::<log::Log>(),
    Row::of::<timeline::ReleaseTimeline>(),
    Row::of::<metadata::Metadata>(),
    Row::of::<doctor::ReleaseDoctor>(),
    Row::of::<consent::GiveConsent>(),
    Row::of::<decide::Decide>(),
    Row::of::<decide::Waive>(),
    Row::of::<hold::Hold>(),
    Row::of::<task_set::TaskSet>(),
    Row::of::<issue::IssueAdd>(),
    Row::of::<issue::IssueResolve>(),
    Row::of::<issue::IssueList>(),
    Row::of::<oarctl::drive::DriveReleases>(),
    Row::of::<jira_notificator::JiraNotificator>(),
    Row::of::<oarctl::start_release_detector::StartReleaseDetector>(),
    Row::of::<oarctl::check_test_results::CheckTestResults>(),
    Row::of::<statebox_validate::StateboxValidate>(),
    Row::of::<payload_consistency::PayloadConsistency>(),
    Row::of::<oarctl::lead_time::LeadTime>(),
    Row::of::<overview::Operations>(),
    Row::of::<doctor::ReleasesDoctor>(),
    Row::of::<StartOne<RunJob>>(),
    Row::of::<job::run_required::RunRequired>(),
    Row::of::<StartOne<RunImageConsistencyCheck>>(),
    Row::of::<StartOne<RunStageTesting>>(),
    Row::of::<job::list::List>(),
    Row::of::<job::get_results::GetResults>(),
    Row::of::<job::get_payloads::GetPayloads>(),
    Row::of::<jobctl::start_controller::StartController>(),
    Row::of::<jobctl::start_aggregator::StartAggregator>(),
    Row::of::<jobctl::trigger_jobs_for_build::TriggerJobsForBuild>(),
    Row::of::<jobctl::promote_test_results::PromoteTestResults>(),
    Row::of::<jobctl::update_retried_job_run::UpdateRetriedJobRun>(),
    Row::of::<jobctl::show::Show>(),
    Row::of::<jobctl::verify::Verify>(),
    Row::of::<doctor::BuildsDoctor>(),
];

/// The row of a program's command.
pub fn row(program: Program, command: &str) -> Option<&'static Row> {
    TABLE.iter().find(|row| row.about.program == program && row.about.command == command)
}

/// The row of a command line: that of the option that is given, otherwise that of the command alone.
pub fn row_of_line(
    program: Program,
    words: &str,
    is_given: impl Fn(&'static str) -> bool,
) -> Option<&'static Row> {
    let option = |row: &&'static Row| row.about.words_and_option().1;
    let of_command =
        |row: &&'static Row| row.about.program == program && row.about.words_and_option().0 == words;
    let all = || TABLE.iter().filter(of_command);
    all().find(|row| option(row).is_some_and(&is_given)).or_else(|| all().find(|row| option(row).is_none()))
}
