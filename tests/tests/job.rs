//! `job` as its users run it: what it starts, once, and what it says of it.

use end_to_end::{Fault, FaultKind, Harness};
use jiff::SignedDuration;
use sandbox::scenario::records::{NIGHTLY_JOB, UPGRADE_JOB};
use sandbox::services::prow::JobState;

const PAYLOAD: &str = "quay.io/openshift-release-dev/ocp-release:4.20.5-x86_64";

#[test]
fn a_job_is_started_with_its_payload_and_shown() {
    let harness = Harness::with_prompt_pages();
    let run = harness.run("job", ["run", NIGHTLY_JOB, "--payload", PAYLOAD]).expect(0);
    let jobs = harness.prow_jobs();
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
fn a_dry_run_starts_nothing_and_images_that_make_no_sense_are_refused() {
    let harness = Harness::new();
    let upgrade = ["--upgrade_from", PAYLOAD, "--upgrade_to", PAYLOAD];
    let run = harness.run("job", [&["run", UPGRADE_JOB, "--dry-run"][..], &upgrade].concat()).expect(0);
    assert!(run.stdout.contains("RELEASE_IMAGE_TARGET="), "{run:?}");
    harness.run("job", [&["run", UPGRADE_JOB, "--payload", PAYLOAD][..], &upgrade].concat()).expect(2);
    for option in ["--payload", "--upgrade_from", "--upgrade_to"] {
        for empty in ["", " "] {
            let run = harness.run("job", ["run", NIGHTLY_JOB, option, empty]).expect(2);
            assert!(run.stderr.contains("expected the pull spec of an image"), "{run:?}");
        }
    }
    harness.run("job", ["run", ""]).expect(2);
    assert!(harness.prow_jobs().is_empty() && harness.sandbox.writes().is_empty());
}

#[test]
fn a_part_of_a_name_must_be_part_of_one_job_and_close_names_are_told() {
    let harness = Harness::with_prompt_pages();
    let several = harness.run("job", ["run", "4.20-automated-release"]).expect(2);
    assert!(
        several.stderr.contains("is part of the names of 9 jobs") && several.stderr.contains(NIGHTLY_JOB)
    );
    let none = harness.run("job", ["run", "no-such-thing"]).expect(2);
    assert!(none.stderr.contains("there is no periodic job `no-such-thing`"), "{none:?}");
    assert!(none.stderr.contains("none of the"), "{none:?}");
    for misspelt in ["4.20-automated-release-aws-dmeo-f999", &NIGHTLY_JOB.replace("aws-demo", "aws-dmeo")] {
        let close = harness.run("job", ["run", misspelt]).expect(2);
        let nearest = close.stderr.split("Similar names:\n").nth(1).unwrap_or_default().trim_start();
        assert!(nearest.starts_with(NIGHTLY_JOB), "{close:?}");
    }
    assert!(harness.prow_jobs().is_empty());
    harness.run("job", ["run", "4.20-automated-release-gcp-demo"]).expect(0);
    assert_eq!(harness.prow_jobs().len(), 1);
}

#[test]
fn a_file_of_names_that_cannot_be_understood_keeps_nobody_from_the_others() {
    let harness = Harness::with_prompt_pages();
    let folder = "openshift/openshift-tests-private/openshift-openshift-tests-private-release-4.19";
    let put = |path: String| {
        let now = harness.sandbox.clock().now();
        let mut github = harness.sandbox.world().github.lock();
        github.put("openshift/release", "main", &path, "- broken: [", "a slip", now).unwrap();
    };
    put(format!("ci-operator/jobs/{folder}-periodics.yaml"));
    put(format!("ci-operator/config/{folder}__automated-release.yaml"));
    let list = harness.run("job", ["list", "--output", "json"]).expect(1);
    assert!(list.stderr.contains("error: 1 of 10 files"), "{list:?}");
    let files = list.json();
    let unknown = |file: &&serde_json::Value| file.get("problem").is_some();
    assert_eq!(files.as_array().unwrap().iter().filter(unknown).count(), 1, "{files:#}");
    let text = harness.run("job", ["list"]).expect(1);
    assert!(
        text.stdout.contains("tests in 9 files of") && text.stdout.contains("1 file unknown"),
        "{text:?}"
    );
    let run = harness.run("job", ["run", "4.20-automated-release-gcp-demo"]).expect(0);
    assert!(run.stderr.contains("warning: 1 of 5 files"), "{run:?}");
    let unknown = harness.run("job", ["run", "4.19-automated-release-gcp-demo"]).expect(2);
    assert!(unknown.stderr.contains("It may be in 1 file that cannot be read"), "{unknown:?}");
    assert_eq!(harness.prow_jobs().len(), 1);
}

#[test]
fn missing_tokens_are_a_matter_of_configuration_and_told_together() {
    let harness = Harness::new().env("APITOKEN", "");
    let run = harness.run("job", ["run", NIGHTLY_JOB]).expect(3);
    assert!(run.stderr.contains("APITOKEN"), "{run:?}");
    let harness = Harness::new().env("GITHUB_TOKEN", "");
    harness.run("job", ["list"]).expect(3);
    assert!(harness.sandbox.writes().is_empty());
    let harness = harness.env("APITOKEN", "");
    let run = harness.run("job", ["run", "4.20-automated-release-gcp-demo"]).expect(3);
    assert!(run.stderr.contains("Missing required environment variables: APITOKEN, GITHUB_TOKEN"), "{run:?}");
    assert!(harness.sandbox.requests().is_empty());
}

#[test]
fn of_debug_and_no_debug_the_last_one_counts() {
    let harness = Harness::new();
    let dry = ["run", NIGHTLY_JOB, "--dry-run"];
    for (options, detailed) in [(["--debug", "--no-debug"], false), (["--no-debug", "--debug"], true)] {
        let run = harness.run("job", [&options[..], &["get_payloads", "4.20.0"]].concat()).expect(0);
        assert_eq!(run.stderr.contains("DEBUG"), detailed, "{run:?}");
        harness.run("job", [&options[..], &dry].concat()).expect(0);
    }
}

#[test]
fn tests_are_listed() {
    let harness = Harness::new();
    let list = harness.run("job", ["list", "--output", "json"]).expect(0).json();
    assert_eq!(list.as_array().unwrap().len(), 10);
    assert!(list[0]["tests"].as_array().unwrap().len() > 5, "{list:#}");
    harness.run("job", ["list", "--component", "../x/y"]).expect(2);
    harness.run("job", ["list", "--component", "openshift/no-such"]).expect(2);
    assert!(harness.sandbox.writes().is_empty());
}

/// What the file of the newest release of 4.20 holds.
fn recorded(harness: &Harness) -> Option<String> {
    let github = harness.sandbox.world().github.lock();
    github.text("openshift/release-tests", "record", "_releases/Auto-OCP-4.20.txt")
}

#[test]
fn the_newest_accepted_releases_are_told_and_recorded() {
    let harness = Harness::new();
    let payloads = harness.run("job", ["get_payloads", "4.20.0, 4.21.9"]).expect(0);
    assert_eq!(
        payloads.stdout,
        "The latest version of 4.20 is: 4.20.5\nThe latest version of 4.21 is: 4.21.2\n"
    );
    assert_eq!(harness.sandbox.requests().len(), 1, "{}", harness.request_lines());
    let dry = harness.run("job", ["get_payloads", "4.20.0", "--push", "true", "--dry-run"]).expect(0);
    assert!(dry.stdout.contains("Would record 4.20.5"), "{dry:?}");
    assert!(harness.sandbox.writes().is_empty());
    for truth in ["yes", "1"] {
        harness.run("job", ["get_payloads", "4.20.0", "--push", truth]).expect(0);
    }
    assert_eq!(recorded(&harness).unwrap(), "4.20.5");
    let writes = harness.sandbox.writes().len();
    let run = harness.run("job", ["get_payloads", "4.20.0", "--push", "on", "--dry-run"]).expect(0);
    assert!(run.stdout.contains("nothing to do"), "{run:?}");
    assert_eq!((harness.sandbox.writes().len(), writes), (1, 1), "an equal release is no reason to write");
    harness.run("job", ["get_payloads", "4.20.0", "--push", "perhaps"]).expect(2);
    harness.sandbox.assert_no_unexpected();
}

#[test]
fn a_stream_or_a_file_that_fails_is_told_by_its_class_and_keeps_the_others() {
    let harness = Harness::new();
    let status = |code| FaultKind::Status { code, body: None, headers: Vec::new() };
    let fault = Fault::on("release-controller", status(503)).path("*/5-stable/*").forever();
    harness.sandbox.faults().add(fault);
    // That 4.99 has no release is a fact, and graver than what could not be found out of 5.0.
    let run = harness.run("job", ["get_payloads", "5.0.0,4.20.0,4.99.0", "--output", "json"]).expect(1);
    let rows = run.json();
    assert_eq!(rows[1]["latest"], "4.20.5", "{rows:#}");
    for failed in [0, 2] {
        assert!(rows[failed]["problem"].is_string() && rows[failed]["latest"].is_null(), "{rows:#}");
    }
    for (code, exit) in [(503, 4), (403, 3)] {
        harness.sandbox.faults().clear();
        harness.sandbox.faults().add(Fault::on("github", status(code)).method("PUT").forever());
        let run = harness.run("job", ["get_payloads", "4.20.0,4.21.0", "--push", "true"]).expect(exit);
        assert!(run.stdout.contains("4.20.5") && run.stdout.contains("4.21.2"), "{run:?}");
        assert_eq!(run.stderr.matches("error:").count(), 2, "{run:?}");
    }
    harness.sandbox.faults().clear();
    assert_eq!(recorded(&harness), None);
}

#[test]
fn a_run_that_ended_is_shown_with_its_end() {
    let harness = Harness::with_prompt_pages();
    harness.sandbox.world().prow.lock().script(NIGHTLY_JOB, JobState::Failure, SignedDuration::from_mins(5));
    harness.run("job", ["run", NIGHTLY_JOB, "--no-wait"]).expect(0);
    harness.sandbox.clock().advance(SignedDuration::from_mins(6));
    let id = harness.prow_jobs()[0].id.clone();
    let run = harness.run("job", ["get_results", &id]).expect(0);
    assert!(run.stdout.contains("State     failure") && run.stdout.contains("Ended     "), "{run:?}");
}

#[test]
fn a_poll_ends_with_one_document_whether_the_run_goes_on_or_ended_without_a_page() {
    let harness = Harness::new();
    harness.sandbox.world().prow.lock().pace.pending_after = SignedDuration::from_hours(1);
    harness.sandbox.world().prow.lock().script(NIGHTLY_JOB, JobState::Error, SignedDuration::from_mins(5));
    harness.run("job", ["run", NIGHTLY_JOB, "--no-wait"]).expect(0);
    let id = harness.prow_jobs()[0].id.clone();
    let goes_on = harness.run("job", ["get_results", &id, "--poll", "--output", "json"]).expect(4);
    assert_eq!(goes_on.json()["jobID"], id.as_str());
    assert!(goes_on.stderr.contains("The job continues"), "{goes_on:?}");
    harness.sandbox.clock().advance(SignedDuration::from_mins(6));
    let ended = harness.run("job", ["get_results", &id, "--poll", "--output", "json"]).expect(0);
    assert_eq!(ended.json()["jobState"], "error");
    assert!(!ended.stderr.contains("continues"), "{ended:?}");
}
