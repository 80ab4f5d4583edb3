//! The table: every command in every flow in which it has something to do or to refuse.

use sandbox::scenario::records::{NIGHTLY_JOB, UPGRADE_JOB};
use sandbox::scenario::release_controller::NEW_NIGHTLY;

use super::Kind::{CarriesOn, Change, Look, Refused, Task};
use super::prepare::{NEW_RUN, PAYLOAD, RECORDED_RUN};
use super::{Kind, People, Scenario, prepare};
use crate::{ERRATA, Harness, KONFLUX, LEAD, slack_bot};

const PASS: &str = "Pass";
const IN_PROGRESS: &str = "In Progress";
const FAIL: &str = "Fail";

/// A line of the table: nothing was measured for the reference.
const fn line(
    name: &'static str,
    release: &'static str,
    command: &'static [&'static str],
    kind: Kind,
    requests: usize,
    prepare: fn(Harness) -> Harness,
) -> Scenario {
    let code = match kind {
        Refused(_) => 6,
        _ => 0,
    };
    Scenario {
        name,
        release,
        command,
        kind,
        code,
        prepare,
        requests,
        reference: None,
        resume: command,
        people: None,
    }
}

impl Scenario {
    const fn code(mut self, code: i32) -> Self {
        self.code = code;
        self
    }

    const fn resumed_by(mut self, command: &'static [&'static str]) -> Self {
        self.resume = command;
        self
    }

    const fn asked_by(mut self, people: People) -> Self {
        self.people = Some(people);
        self
    }

    const fn reference(mut self, requests: usize) -> Self {
        self.reference = Some(requests);
        self
    }
}

/// Every command in every flow.
pub fn table() -> Vec<Scenario> {
    let mut all = first();
    all.extend(checks());
    all.extend(last());
    all.extend(builds());
    all.extend(agents());
    all
}

/// The scenario with this name.
///
/// # Panics
/// When there is none.
pub fn scenario(name: &str) -> Scenario {
    let found = table().into_iter().find(|scenario| scenario.name == name);
    found.unwrap_or_else(|| panic!("no scenario {name}"))
}

const CREATE: &[&str] = &["create-test-report"];
const TAKE: &[&str] = &["take-ownership", "-e", LEAD];
const BUGS: &[&str] = &["update-bug-list"];
const GREENWAVE: &[&str] = &["check-greenwave-cvp-tests"];
const CVE: &[&str] = &["check-cve-tracker-bug"];
const PUSH: &[&str] = &["push-to-cdn-staging", "--yes"];
const CONSENT: &[&str] = &["consent", "push-to-cdn-staging", "--yes"];
const CONSISTENCY: &[&str] = &["image-consistency-check"];
const STAGE: &[&str] = &["stage-testing"];
const SIGNED: &[&str] = &["image-signed-check"];
const DROP: &[&str] = &["drop-bugs", "--yes"];
const APPROVE: &[&str] = &["change-advisory-status", "--yes", "--no-watch"];
/// One look; what is left then is done by a watcher, which waits until a look is due.
const VALIDATE: &[&str] = &["oarctl", "statebox", "validate", "../tools/4.19.1.yaml"];
const COMPARE: &[&str] = &[
    "oarctl",
    "image-consistency-check",
    "-p",
    "quay.io/openshift-release-dev/ocp-release:4.19.1-x86_64",
    "-m",
    "612",
];
const CARRY_ON: &[&str] = &["change-advisory-status", "--yes", "--carry-on"];
const APPROVAL: &[&str] = &["add-qe-approval", "--yes"];
const SHIPPED: &[&str] = &["is-shipped"];
const DRIVE: &[&str] = &["drive", "--plan"];
const ONCE: &[&str] = &["drive", "--once"];
const DRIVE_ALL: &[&str] = &["oarctl", "drive", "--release", KONFLUX];
const OFFLINE: &[&str] = &["drive", "--offline", "../tools/4.19.1.yaml"];

const EVIDENCE: &str = "https://prow.example.com/view/1";

/// Announced, owned, read; and manual changes of the state.
fn first() -> Vec<Scenario> {
    let owned = Task("take-ownership", PASS);
    let bugs = Task("update-bug-list", IN_PROGRESS);
    let add = &["issue", "add", "stage is down", "--task", "stage-testing"];
    let resolve = &["issue", "resolve", "stage is down", "--resolution", "it is up"];
    let accept =
        &["decide", "analyze-promoted-build", "accept", "--reason", "known flakes", "--evidence", EVIDENCE];
    let undecide = &["decide", "analyze-promoted-build", "--withdraw"];
    let waive = &["waive", "analyze-candidate-build", "--reason", "hurried fix", "--until", "2099-12-31"];
    let unwaive = &["waive", "analyze-candidate-build", "--withdraw"];
    let hold = &["hold", "--reason", "a defect was found", "--until", "2099-12-31"];
    let hold_all = &["hold", "--all", "--reason", "a defect was found"];
    let resume = &["hold", "--withdraw"];
    let set = &["task", "set", "stage-testing", "Pass", "--reason", "by hand"];
    vec![
        line("create_test_report_konflux", KONFLUX, CREATE, Change, 7, prepare::nothing),
        line("create_test_report_errata", ERRATA, CREATE, Change, 9, prepare::nothing),
        line("take_ownership_konflux", KONFLUX, TAKE, owned, 31, prepare::konflux),
        line("take_ownership_errata", ERRATA, TAKE, owned, 36, prepare::errata),
        line("take_ownership_first_of_all", KONFLUX, TAKE, owned, 32, prepare::nothing),
        line("update_bug_list_konflux", KONFLUX, BUGS, bugs, 18, prepare::konflux),
        line("update_bug_list_errata", ERRATA, BUGS, bugs, 19, prepare::errata),
        line("status", KONFLUX, &["status"], Look, 2, prepare::owned),
        line("drive_konflux", KONFLUX, DRIVE, Look, 6, prepare::owned),
        line("drive_errata", ERRATA, DRIVE, Look, 6, prepare::errata),
        line("drive_on_staging", KONFLUX, DRIVE, Look, 6, prepare::on_staging),
        line("drive_to_approve", KONFLUX, DRIVE, Look, 38, prepare::approvable),
        line("drive_once_konflux", KONFLUX, ONCE, Change, 91, prepare::checked),
        line("drive_once_errata", ERRATA, ONCE, Change, 67, prepare::checked_errata),
        line("drive_all", KONFLUX, DRIVE_ALL, Change, 91, prepare::checked),
        line("drive_offline", KONFLUX, OFFLINE, Look, 0, prepare::state_on_disk),
        line("history", KONFLUX, &["history"], Look, 2, prepare::owned),
        line("log", KONFLUX, &["log", "take-ownership"], Look, 2, prepare::owned),
        line("timeline", KONFLUX, &["timeline"], Look, 1, prepare::owned),
        line("metadata_konflux", KONFLUX, &["metadata"], Look, 2, prepare::nothing),
        line("metadata_errata", ERRATA, &["metadata"], Look, 2, prepare::nothing),
        line("issue_list", KONFLUX, &["issue", "list"], Look, 2, prepare::blocked),
        line("issue_add", KONFLUX, add, Change, 4, prepare::konflux),
        line("issue_resolve", KONFLUX, resolve, Change, 4, prepare::blocked),
        line("releases", KONFLUX, &["releases"], Look, 4, prepare::blocked),
        line("decide_konflux", KONFLUX, accept, Change, 2, prepare::konflux),
        line("decide_errata", ERRATA, accept, Change, 2, prepare::errata),
        line("decide_withdrawn", KONFLUX, undecide, Change, 2, prepare::decided),
        line("waive_konflux", KONFLUX, waive, Change, 2, prepare::konflux),
        line("waive_errata", ERRATA, waive, Change, 2, prepare::errata),
        line("waive_withdrawn", KONFLUX, unwaive, Change, 2, prepare::decided),
        line("hold_konflux", KONFLUX, hold, Change, 2, prepare::konflux),
        line("hold_errata", ERRATA, hold, Change, 2, prepare::errata),
        line("hold_all", KONFLUX, hold_all, Change, 2, prepare::nothing),
        line("hold_withdrawn", KONFLUX, resume, Change, 3, prepare::held),
        line("task_set", KONFLUX, set, Change, 4, prepare::konflux),
        line("statebox_validate", KONFLUX, VALIDATE, Look, 0, prepare::state_on_disk),
        line("operations", KONFLUX, &["oarctl", "operations"], Look, 0, prepare::nothing),
        line("lead_time", KONFLUX, &["oarctl", "lead-time"], Look, 3, prepare::owned),
        line("doctor_konflux", KONFLUX, &["doctor"], Look, 29, prepare::examined),
        line("doctor_errata", ERRATA, &["doctor"], Look, 30, prepare::examined),
        line("doctor_releases", KONFLUX, &["oarctl", "doctor"], Look, 35, prepare::examined),
    ]
}

/// The checks.
fn checks() -> Vec<Scenario> {
    let missing = Task("check-cve-tracker-bug", FAIL);
    let pushing = Task("push-to-cdn-staging", IN_PROGRESS);
    let pushed = Task("push-to-cdn-staging", PASS);
    let greenwave = Task("check-greenwave-cvp-tests", FAIL);
    let consistent = Task("image-consistency-check", PASS);
    let checking = Task("image-consistency-check", IN_PROGRESS);
    let testing = Task("stage-testing", IN_PROGRESS);
    let tested = Task("stage-testing", PASS);
    let signed = Task("image-signed-check", PASS);
    vec![
        line(
            "check_greenwave_konflux",
            KONFLUX,
            GREENWAVE,
            Refused("image-consistency-check"),
            4,
            prepare::konflux,
        ),
        line("check_greenwave_errata", ERRATA, GREENWAVE, greenwave, 22, prepare::greenwave).code(1),
        line("check_cve_konflux", KONFLUX, CVE, missing, 21, prepare::cve_konflux).code(1),
        line("check_cve_errata", ERRATA, CVE, missing, 17, prepare::cve_errata).code(1).reference(48),
        line("push_konflux", KONFLUX, PUSH, pushing, 13, prepare::push_konflux).reference(39),
        line("push_errata", ERRATA, PUSH, pushing, 37, prepare::errata).reference(112),
        line("push_errata_what_was_blocked", ERRATA, PUSH, pushing, 37, prepare::push_last).reference(112),
        line("push_errata_through", ERRATA, PUSH, pushed, 37, prepare::pushed).reference(112),
        line("consent_konflux", KONFLUX, CONSENT, Change, 20, prepare::push_konflux),
        line("consent_errata", ERRATA, CONSENT, Change, 20, prepare::errata),
        line("image_consistency_konflux", KONFLUX, CONSISTENCY, checking, 12, prepare::on_staging),
        line("image_consistency_result", KONFLUX, CONSISTENCY, consistent, 40, prepare::images)
            .reference(287),
        line("image_consistency_errata", ERRATA, CONSISTENCY, Refused("-i JOB_ID"), 4, prepare::errata),
        line("stage_testing_konflux", KONFLUX, STAGE, testing, 15, prepare::on_staging),
        line("stage_testing_errata", ERRATA, STAGE, testing, 11, prepare::on_staging_errata),
        line("stage_testing_result", ERRATA, STAGE, tested, 11, prepare::staged),
        line("image_signed_konflux", KONFLUX, SIGNED, signed, 19, prepare::konflux),
        line("image_signed_errata", ERRATA, SIGNED, signed, 19, prepare::errata),
    ]
}

/// From the bugs that leave the release to its approval.
fn last() -> Vec<Scenario> {
    let dropped = Task("drop-bugs", PASS);
    let approved = Task("change-advisory-status", PASS);
    let waits = Task("change-advisory-status", IN_PROGRESS);
    let carried = CarriesOn("change-advisory-status", PASS);
    vec![
        line("drop_bugs_konflux", KONFLUX, DROP, dropped, 45, prepare::konflux),
        line("drop_bugs_errata", ERRATA, DROP, dropped, 40, prepare::droppable),
        line("change_advisory_status_konflux", KONFLUX, APPROVE, approved, 39, prepare::published),
        line("change_advisory_status_errata", ERRATA, APPROVE, approved, 40, prepare::approvable_errata),
        line("change_advisory_status_waits", KONFLUX, APPROVE, waits, 33, prepare::approvable),
        line("change_advisory_status_carried_on", KONFLUX, DRIVE_ALL, carried, 66, prepare::waiting)
            .resumed_by(CARRY_ON),
        line("add_qe_approval_konflux", KONFLUX, APPROVAL, Change, 31, prepare::approvable),
        line(
            "add_qe_approval_errata",
            ERRATA,
            APPROVAL,
            Refused("change-advisory-status"),
            30,
            prepare::approvable_errata,
        ),
        line("payload_consistency", KONFLUX, COMPARE, Look, 26, prepare::nothing),
        line("is_shipped_konflux", KONFLUX, SHIPPED, Look, 8, prepare::konflux).code(1),
        line("is_shipped_errata", ERRATA, SHIPPED, Look, 6, prepare::errata).code(1),
    ]
}

/// The key of starts, as an earlier one told it: without it every call starts a job.
const KEY: &str = "0198c0de-7000-7000-8000-000000000001";
const RUN: &[&str] = &["job", "run", NIGHTLY_JOB, "--payload", PAYLOAD, "--no-wait", "--key", KEY];
const CHECK_IMAGES: &[&str] =
    &["job", "run_image_consistency_check", "-p", PAYLOAD, "-m", "7", "--no-wait", "--key", KEY];
const TEST_ON_STAGE: &[&str] = &["job", "run_stage_testing", "-p", PAYLOAD, "--no-wait", "--key", KEY];
const REQUIRED: &[&str] =
    &["job", "run_required", "--channel", "4.20", "--file", "../tools/required.json", "--version", "4.20.5"];
const REPLACE: &[&str] = &[
    "jobctl",
    "update-retried-job-run",
    "--build",
    NEW_NIGHTLY,
    "--job-name",
    UPGRADE_JOB,
    "--current-job-id",
    RECORDED_RUN,
    "--new-job-id",
    NEW_RUN,
];

/// The tests of builds, which belong to no release.
fn builds() -> Vec<Scenario> {
    let line = |name, command, kind, requests, prepare| line(name, KONFLUX, command, kind, requests, prepare);
    vec![
        line(
            "start_controller",
            &["jobctl", "start-controller", "-r", "4.20"],
            Change,
            40,
            prepare::untested,
        ),
        line(
            "trigger_jobs_for_build",
            &["jobctl", "trigger-jobs-for-build", "--build", NEW_NIGHTLY],
            Change,
            40,
            prepare::untested,
        ),
        line("start_aggregator", &["jobctl", "start-aggregator"], Change, 40, prepare::tested),
        line(
            "promote_test_results",
            &["jobctl", "promote-test-results", "--build", NEW_NIGHTLY],
            Change,
            4,
            prepare::tested,
        ),
        line("update_retried_job_run", REPLACE, Change, 6, prepare::replaceable),
        line("show_build", &["jobctl", "show", NEW_NIGHTLY], Look, 4, prepare::tested),
        line("doctor_builds", &["jobctl", "doctor"], Look, 8, prepare::nothing),
        line("verify", &["jobctl", "verify", "../tools"], Look, 0, prepare::record_on_disk),
        line("job_run", RUN, Change, 4, prepare::untested),
        line("job_run_required", REQUIRED, Change, 8, prepare::requiring),
        line("job_run_image_consistency_check", CHECK_IMAGES, Change, 4, prepare::untested),
        line("job_run_stage_testing", TEST_ON_STAGE, Change, 4, prepare::untested),
        line("job_list", &["job", "list"], Look, 12, prepare::untested),
        line("job_get_results", &["job", "get_results", NEW_RUN], Look, 1, prepare::started),
        line(
            "job_get_payloads",
            &["job", "get_payloads", "4.20.0", "--push", "true"],
            Change,
            4,
            prepare::untested,
        ),
    ]
}

const DETECT: &[&str] = &["oarctl", "start-release-detector", "-r", "4.19"];

const CHECK_RESULTS: &[&str] = &[
    "oarctl",
    "check-test-results",
    "--repo-name",
    "openshift/release-tests",
    "--slack-channel",
    "#qe-demo",
    "--notified-file-path",
    "notified_files.txt",
];

const ANSWER: &[&str] = &["oarctl", "slack-bot", "--once"];

/// What runs without a person.
fn agents() -> Vec<Scenario> {
    let people = People { ask: slack_bot::ask, ask_again: slack_bot::ask_again };
    vec![
        line("start_release_detector", KONFLUX, DETECT, Change, 11, prepare::announced),
        line("check_test_results", KONFLUX, CHECK_RESULTS, Change, 7, prepare::rejected),
        line("start_release_detector_behind", KONFLUX, DETECT, Change, 9, prepare::behind),
        line(
            "jira_notificator",
            KONFLUX,
            &["oarctl", "jira-notificator"],
            Change,
            28,
            prepare::waiting_for_qe,
        ),
        line("slack_bot", KONFLUX, ANSWER, Change, 24, prepare::listening).asked_by(people),
    ]
}
