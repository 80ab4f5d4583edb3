//! `job` as its users run it: what it starts, once, and what it says of it.

use end_to_end::{Fault, FaultKind, Harness};
use jiff::SignedDuration;
use sandbox::scenario::records::{NIGHTLY_JOB, UPGRADE_JOB};
use sandbox::services::prow::{JobState, ProwJob};

const PAYLOAD: &str = "quay.io/openshift-release-dev/ocp-release:4.20.5-x86_64";

fn started(harness: &Harness) -> Vec<ProwJob> {
    harness.sandbox.world().prow.lock().jobs.clone()
}

/// Pages appear at once, so that nobody waits for them.
fn prompt() -> Harness {
    let harness = Harness::new();
    harness.sandbox.world().prow.lock().pace.pending_after = SignedDuration::ZERO;
    harness
}

#[test]
fn a_job_is_started_with_its_payload_and_shown() {
    let harness = prompt();
    let run = harness.run("job", ["run", NIGHTLY_JOB, "--payload", PAYLOAD]).expect(0);
    let jobs = started(&harness);
    assert_eq!(jobs.len(), 1);
    assert_eq!(jobs[0].envs.get("RELEASE_IMAGE_LATEST").unwrap(), PAYLOAD);
    assert!(run.stdout.starts_with(&format!("Returned job id: {}\n", jobs[0].id)), "{run:?}");
    assert!(run.stdout.contains("/view/gs/qe-private-deck/logs/"), "{run:?}");
    let shown = harness.run("job", ["get_results", &jobs[0].id, "--output", "json"]).expect(0).json();
    assert_eq!(
        (shown["jobName"].as_str(), shown["jobID"].as_str()),
        (Some(NIGHTLY_JOB), Some(jobs[0].id.as_str()))
    );
    assert_eq!(shown["envs"]["RELEASE_IMAGE_LATEST"], PAYLOAD);
    harness.sandbox.assert_no_unexpected();
}

#[test]
fn a_dry_run_starts_nothing_and_three_images_are_refused() {
    let harness = Harness::new();
    let upgrade = ["--upgrade_from", PAYLOAD, "--upgrade_to", PAYLOAD];
    let run = harness.run("job", [&["run", UPGRADE_JOB, "--dry-run"][..], &upgrade].concat()).expect(0);
    assert!(run.stdout.contains("RELEASE_IMAGE_TARGET="), "{run:?}");
    harness.run("job", [&["run", UPGRADE_JOB, "--payload", PAYLOAD][..], &upgrade].concat()).expect(2);
    assert!(started(&harness).is_empty() && harness.sandbox.writes().is_empty());
}

#[test]
fn a_lost_answer_is_looked_up_and_the_job_started_once() {
    let harness = prompt();
    harness.sandbox.faults().add(Fault::on("gangway", FaultKind::DropAfter).times(1));
    let run = harness.run("job", ["run", NIGHTLY_JOB]).expect(0);
    assert_eq!(started(&harness).len(), 1);
    assert!(run.stdout.contains(&started(&harness)[0].id), "{run:?}");
}

#[test]
fn a_rate_limit_is_waited_out() {
    let harness = prompt();
    let limited =
        FaultKind::Status { code: 429, body: None, headers: vec![("Retry-After".into(), "0".into())] };
    harness.sandbox.faults().add(Fault::on("gangway", limited).times(1));
    harness.run("job", ["run", NIGHTLY_JOB]).expect(0);
    assert_eq!(started(&harness).len(), 1);
}

#[test]
fn a_part_of_a_name_must_be_part_of_one_job_and_close_names_are_told() {
    let harness = prompt();
    let several = harness.run("job", ["run", "4.20-automated-release"]).expect(2);
    assert!(
        several.stderr.contains("is part of the names of 9 jobs") && several.stderr.contains(NIGHTLY_JOB)
    );
    let none = harness.run("job", ["run", "no-such-thing"]).expect(2);
    assert!(none.stderr.contains("there is no periodic job `no-such-thing`"), "{none:?}");
    let misspelt = NIGHTLY_JOB.replace("aws-demo", "aws-dmeo");
    let close = harness.run("job", ["run", &misspelt]).expect(2);
    assert!(close.stderr.contains("come close") && close.stderr.contains(NIGHTLY_JOB), "{close:?}");
    assert!(started(&harness).is_empty());
    harness.run("job", ["run", "4.20-automated-release-gcp-demo"]).expect(0);
    assert_eq!(started(&harness).len(), 1);
}

#[test]
fn a_refused_start_and_an_unknown_run_are_failures() {
    let harness = Harness::new();
    let refused = harness.run("job", ["run", "periodic-ci-demo-main-other-check", "--output", "json"]);
    assert_eq!(refused.code, Some(0), "{refused:?}");
    let foreign = Harness::new().env("APITOKEN", sandbox::credentials::APITOKEN_OTHER_TENANT);
    let run = foreign.run("job", ["run", NIGHTLY_JOB, "--output", "json"]).expect(3);
    assert!(run.json()["error"]["message"].as_str().unwrap().contains("tenant"), "{run:?}");
    let unknown = harness.run("job", ["get_results", "00000000-0000-4000-8000-000000000000"]).expect(1);
    assert!(unknown.stderr.contains("Could not get job results"), "{unknown:?}");
    harness.run("job", ["get_results", "../x"]).expect(2);
}

#[test]
fn a_missing_token_is_a_matter_of_configuration() {
    let harness = Harness::new().env("APITOKEN", "");
    let run = harness.run("job", ["run", NIGHTLY_JOB]).expect(3);
    assert!(run.stderr.contains("APITOKEN"), "{run:?}");
    let harness = Harness::new().env("GITHUB_TOKEN", "");
    harness.run("job", ["list"]).expect(3);
    assert!(harness.sandbox.writes().is_empty());
}

#[test]
fn the_special_jobs_end_well_without_a_page_too() {
    let harness = Harness::new();
    harness.sandbox.world().prow.lock().pace.pending_after = SignedDuration::from_hours(1);
    let check = ["run_image_consistency_check", "-p", PAYLOAD, "-m", "7"];
    let run = harness.run("job", check).expect(0);
    assert!(run.stderr.contains("has no page yet"), "{run:?}");
    let jobs = started(&harness);
    assert_eq!(jobs[0].envs.get("MULTISTAGE_PARAM_OVERRIDE_MERGE_REQUEST_ID").unwrap(), "7");
    assert!(run.stdout.starts_with(&format!("Image consistency check job id: {}\n", jobs[0].id)), "{run:?}");
    let stage = harness.run("job", ["run_stage_testing", "-p", PAYLOAD, "--no-wait"]).expect(0);
    assert!(stage.stdout.contains("release-4.20-stage-testing-e2e-aws-ipi"), "{stage:?}");
    assert_eq!(started(&harness).len(), 2);
    harness.run("job", ["run_stage_testing", "-p", "quay.io/other/release:4.20.5-x86_64"]).expect(2);
}

#[test]
fn rows_go_to_the_named_file_and_nowhere_else() {
    let harness = prompt();
    harness.run("job", ["run", NIGHTLY_JOB]).expect(0);
    let written: Vec<_> =
        std::fs::read_dir(harness.home()).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(
        written.iter().all(|path| path.extension().is_none_or(|extension| extension != "csv")),
        "{written:?}"
    );
    for _ in 0..2 {
        harness.run("job", ["run", NIGHTLY_JOB, "--csv", "runs.csv"]).expect(0);
    }
    let text = std::fs::read_to_string(harness.home().join("runs.csv")).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 3, "{text}");
    assert_eq!(lines[0], "jobName,jobStartTime,jobID,jobURL,jobState,jobCompletionTime");
    assert!(lines[1].starts_with(NIGHTLY_JOB) && lines[2].starts_with(NIGHTLY_JOB), "{text}");
    harness.run("job", ["run", NIGHTLY_JOB, "--csv", "no/such/folder.csv"]).expect(3);
}

#[test]
fn required_jobs_are_started_once_however_often_they_are_asked_for() {
    let harness = Harness::new();
    let jobs = serde_json::json!({ "4.20": [NIGHTLY_JOB, UPGRADE_JOB] });
    std::fs::write(harness.home().join("required.json"), jobs.to_string()).unwrap();
    let required = ["run_required", "--channel", "4.20", "--file", "required.json", "--version", "4.20.5"];
    harness.run("job", [&required[..], &["--dry-run"]].concat()).expect(0);
    assert!(started(&harness).is_empty());
    let first = harness.run("job", required).expect(0);
    assert_eq!(first.stdout.matches("started ").count(), 2, "{first:?}");
    assert_eq!(started(&harness)[0].envs.get("RELEASE_IMAGE_LATEST").unwrap(), PAYLOAD);
    assert_eq!(started(&harness)[1].envs.get("RELEASE_IMAGE_TARGET").unwrap(), PAYLOAD);
    let second = harness.run("job", required).expect(0);
    assert_eq!(second.stdout.matches("found ").count(), 2, "{second:?}");
    assert_eq!(started(&harness).len(), 2);
    harness.run("job", [&required[..], &["--again"]].concat()).expect(0);
    assert_eq!(started(&harness).len(), 4);
    harness
        .run("job", ["run_required", "--channel", "4.19", "--file", "required.json", "--version", "4.19.1"])
        .expect(2);
}

#[test]
fn a_required_job_that_cannot_be_started_does_not_stop_the_others() {
    let harness = Harness::new().env("OAR_HTTP_TIMEOUT", "1");
    let jobs = serde_json::json!({ "4.20": ["periodic-ci-nobody-knows", NIGHTLY_JOB] });
    std::fs::write(harness.home().join("required.json"), jobs.to_string()).unwrap();
    let run = harness
        .run("job", ["run_required", "--channel", "4.20", "--file", "required.json", "--version", "4.20.5"])
        .expect(4);
    assert!(run.stdout.contains("failed"), "{run:?}");
    assert_eq!(started(&harness).len(), 1);
}

#[test]
fn tests_and_payloads_are_listed() {
    let harness = Harness::new();
    let list = harness.run("job", ["list", "--output", "json"]).expect(0).json();
    assert_eq!(list.as_array().unwrap().len(), 5);
    assert!(list[0]["tests"].as_array().unwrap().len() > 5, "{list:#}");
    harness.run("job", ["list", "--component", "../x/y"]).expect(2);
    harness.run("job", ["list", "--component", "openshift/no-such"]).expect(2);
    let payloads = harness.run("job", ["get_payloads", "4.20.0,4.21.0"]).expect(0);
    assert_eq!(
        payloads.stdout,
        "The latest version of 4.20 is: 4.20.5\nThe latest version of 4.21 is: 4.21.2\n"
    );
    assert!(harness.sandbox.writes().is_empty());
    let push = ["get_payloads", "4.20.0", "--push", "true"];
    harness.run("job", push).expect(0);
    let file = |harness: &Harness| {
        let github = harness.sandbox.world().github.lock();
        github.text("openshift/release-tests", "record", "_releases/Auto-OCP-4.20.txt")
    };
    assert_eq!(file(&harness).unwrap(), "4.20.5");
    let writes = harness.sandbox.writes().len();
    harness.run("job", push).expect(0);
    assert_eq!(harness.sandbox.writes().len(), writes, "an equal release is no reason to write");
    harness.sandbox.assert_no_unexpected();
}

#[test]
fn a_run_that_ended_is_shown_with_its_end() {
    let harness = prompt();
    harness.sandbox.world().prow.lock().script(NIGHTLY_JOB, JobState::Failure, SignedDuration::from_mins(5));
    harness.run("job", ["run", NIGHTLY_JOB, "--no-wait"]).expect(0);
    harness.sandbox.clock().advance(SignedDuration::from_mins(6));
    let id = started(&harness)[0].id.clone();
    let run = harness.run("job", ["get_results", &id]).expect(0);
    assert!(run.stdout.contains("State     failure") && run.stdout.contains("Ended     "), "{run:?}");
}
