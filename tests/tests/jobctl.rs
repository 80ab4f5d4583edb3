//! Builds from their arrival to their acceptance, by the real `jobctl`: each job started once, each result counted, the
//! payload labelled once.
#![expect(clippy::unwrap_used, reason = "tests say what they expect by failing")]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use end_to_end::{Fault, FaultKind, Harness, Run, wait};
use jiff::SignedDuration;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use sandbox::scenario::records::{self, NIGHTLY_JOB, UPGRADE_JOB};
use sandbox::scenario::release_controller::{NEW_NIGHTLY, RECORDED_NIGHTLY};
use sandbox::services::prow::JobState;
use sandbox::services::release_controller::Phase;

const REPOSITORY: &str = "openshift/release-tests";
const STREAM: &str = "4.20.0-0.nightly";
const CONTROLLER: [&str; 3] = ["start-controller", "-r", "4.20"];
const AGGREGATOR: [&str; 1] = ["start-aggregator"];
const STABLE_LATEST: &str = "_releases/ocp-latest-4.20-stable-amd64.json";
const LABEL: &str = "release.openshift.io/qe_state";

/// What a dead program leaves behind may be taken over at once.
fn harness() -> Harness {
    let harness = Harness::new().env("OAR_INTENT_LEASE", "0");
    harness.sandbox.world().gcs.lock().clutter = 0;
    harness
}

fn jobctl(harness: &Harness, arguments: &[&str]) -> Run {
    harness.run("jobctl", arguments)
}

fn path(build: &str) -> String {
    format!("_releases/ocp-test-result-{build}-amd64.json")
}

fn text(harness: &Harness, path: &str) -> Option<String> {
    harness.sandbox.world().github.lock().text(REPOSITORY, "record", path)
}

fn record(harness: &Harness, build: &str) -> serde_json::Value {
    serde_json::from_str(&text(harness, &path(build)).unwrap()).unwrap()
}

fn latest(harness: &Harness) -> String {
    let file = text(harness, "_releases/ocp-latest-4.20-nightly-amd64.json").unwrap();
    serde_json::from_str::<serde_json::Value>(&file).unwrap()["name"].as_str().unwrap().to_owned()
}

fn script(harness: &Harness, job: &str, outcomes: &[JobState]) {
    let mut prow = harness.sandbox.world().prow.lock();
    for outcome in outcomes {
        prow.script(job, *outcome, SignedDuration::from_hours(3));
    }
}

fn later(harness: &Harness, hours: i64) {
    harness.sandbox.clock().advance(SignedDuration::from_hours(hours));
}

fn is_labelled(harness: &Harness, build: &str) -> bool {
    harness.sandbox.world().kubernetes.lock().payloads_with("amd64", LABEL, "Accepted").contains(build)
}

fn labels_written(harness: &Harness) -> usize {
    harness
        .sandbox
        .requests()
        .iter()
        .filter(|request| request.service == "kubernetes" && request.method == "PATCH")
        .count()
}

/// The runs that the record of `build` has, by job.
fn recorded(harness: &Harness, build: &str) -> BTreeMap<String, Vec<String>> {
    let file = record(harness, build);
    let id = |run: &serde_json::Value| run["jobID"].as_str().unwrap().to_owned();
    file["result"]
        .as_array()
        .unwrap()
        .iter()
        .map(|job| {
            let retried = job["retriedJobs"].as_array().cloned().unwrap_or_default();
            let runs = std::iter::once(&job["firstJob"]).chain(&retried).map(id).collect();
            (job["jobName"].as_str().unwrap().to_owned(), runs)
        })
        .collect()
}

/// Every run that was started is recorded under its job, and nothing else is.
fn assert_all_recorded(harness: &Harness, build: &str, context: &str) {
    let mut started: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for job in harness.prow_jobs() {
        started.entry(job.job).or_default().push(job.id);
    }
    let mut recorded = recorded(harness, build);
    for runs in started.values_mut().chain(recorded.values_mut()) {
        runs.sort();
    }
    assert_eq!(started, recorded, "{context}");
}

/// A nightly arrives; two of its six jobs fail first, and end so in their retries.
fn tested(retries: [JobState; 2]) -> Harness {
    let harness = harness();
    script(&harness, NIGHTLY_JOB, &[JobState::Failure, JobState::Success, JobState::Success]);
    script(&harness, UPGRADE_JOB, &[JobState::Aborted, retries[0], retries[1]]);
    jobctl(&harness, &CONTROLLER).expect(0);
    assert_eq!(harness.prow_jobs().len(), 6);
    assert_eq!(latest(&harness), NEW_NIGHTLY);
    later(&harness, 4);
    jobctl(&harness, &AGGREGATOR).expect(0);
    assert_eq!(harness.prow_jobs().len(), 6 + 4);
    assert!(!is_labelled(&harness, NEW_NIGHTLY));
    later(&harness, 4);
    harness
}

#[test]
fn a_nightly_is_tested_retried_accepted_and_labelled() {
    let harness = tested([JobState::Success, JobState::Success]);
    let upgrade = harness.prow_jobs().into_iter().find(|job| job.job == UPGRADE_JOB).unwrap();
    let source = "quay.io/openshift-release-dev/ocp-release:4.20.5-x86_64";
    assert_eq!(upgrade.envs.get("RELEASE_IMAGE_LATEST").map(String::as_str), Some(source));
    let run = jobctl(&harness, &AGGREGATOR).expect(0);
    assert!(run.stdout.contains(&format!("{NEW_NIGHTLY}: accepted")), "{run:?}");
    let counts = run.stdout.lines().last().unwrap().to_owned();
    let (records, finals) = counts.split_once(" records, ").unwrap();
    assert_eq!(finals, format!("{records} of them final"), "what this pass completed is final");
    let file = record(&harness, NEW_NIGHTLY);
    assert_eq!((&file["aggregated"], &file["accepted"]), (&true.into(), &true.into()));
    assert!(file["result"][0]["retriedJobs"][1]["testResultSummary"].is_object(), "{file:#}");
    assert_all_recorded(&harness, NEW_NIGHTLY, "accepted");
    assert!(is_labelled(&harness, NEW_NIGHTLY));
    assert_eq!(labels_written(&harness), 1);
    let before = harness.sandbox.writes().len();
    let idle = jobctl(&harness, &AGGREGATOR).expect(0);
    jobctl(&harness, &CONTROLLER).expect(0);
    assert_eq!(harness.sandbox.writes().len(), before, "{idle:?}");
    let shown = jobctl(&harness, &["show", NEW_NIGHTLY]).expect(0);
    assert!(shown.stdout.contains("accepted") && shown.stdout.contains(NIGHTLY_JOB), "{shown:?}");
    harness.sandbox.assert_no_unexpected();
}

#[test]
fn the_image_to_upgrade_from_is_read_while_the_intents_are_recorded() {
    let harness = harness();
    jobctl(&harness, &CONTROLLER).expect(0);
    let requests = harness.sandbox.requests();
    let place = |method: &str, path: &str| {
        requests.iter().position(|request| request.method == method && request.path.contains(path)).unwrap()
    };
    let (recorded, latest) = (place("PUT", "/ocp-test-result-"), place("PUT", "/ocp-latest-4.20-nightly-"));
    assert!(recorded < latest && latest < place("POST", "/v1/executions/"), "{}", harness.request_lines());
    // It waits for no write, and no write waits for it.
    assert!(place("GET", STABLE_LATEST) < latest, "{}", harness.request_lines());
}

#[test]
fn a_nightly_without_a_majority_is_rejected_and_may_be_promoted_by_hand() {
    let harness = tested([JobState::Success, JobState::Failure]);
    let run = jobctl(&harness, &AGGREGATOR).expect(0);
    assert!(run.stdout.contains(&format!("{NEW_NIGHTLY}: rejected")), "{run:?}");
    assert!(run.stdout.contains("1 of 2 retries succeeded, 2 needed"), "{run:?}");
    assert!(!is_labelled(&harness, NEW_NIGHTLY));
    let promote = ["promote-test-results", "--build", NEW_NIGHTLY];
    jobctl(&harness, &[&promote[..], &["--dry-run"]].concat()).expect(0);
    assert!(record(&harness, NEW_NIGHTLY).get("manual_promotion").is_none());
    jobctl(&harness, &promote).expect(0);
    let again = jobctl(&harness, &promote).expect(0);
    assert!(again.stdout.contains("nothing to do"), "{again:?}");
    jobctl(&harness, &AGGREGATOR).expect(0);
    let file = record(&harness, NEW_NIGHTLY);
    let flags = (&file["aggregated"], &file["accepted"], &file["manual_promotion"]);
    assert_eq!(flags, (&true.into(), &false.into(), &true.into()));
    assert!(is_labelled(&harness, NEW_NIGHTLY));
    let missing = jobctl(&harness, &["promote-test-results", "--build", "4.20.99"]).expect(2);
    assert!(missing.stderr.contains("ocp-test-result-4.20.99-amd64.json"), "{missing:?}");
}

#[test]
fn a_run_that_was_started_by_hand_takes_the_place_of_a_recorded_one() {
    let harness = tested([JobState::Success, JobState::Failure]);
    jobctl(&harness, &AGGREGATOR).expect(0);
    let failed = recorded(&harness, NEW_NIGHTLY)[UPGRADE_JOB][2].clone();
    let payload = harness.prow_jobs()[0].envs.values().next().unwrap().clone();
    let by_hand =
        harness.run("job", ["run", UPGRADE_JOB, "--upgrade_to", &payload, "--no-wait", "--output", "json"]);
    let new = by_hand.expect(0).json()["jobID"].as_str().unwrap().to_owned();
    later(&harness, 4);
    let update = |job: &str, current: &str| {
        let names = ["--job-name", job, "--current-job-id", current, "--new-job-id", &new];
        jobctl(&harness, &[&["update-retried-job-run", "--build", NEW_NIGHTLY][..], &names].concat())
    };
    let wrong = update(NIGHTLY_JOB, &failed).expect(1);
    assert!(wrong.stderr.contains("is a run of"), "{wrong:?}");
    update(UPGRADE_JOB, "no-such-run").expect(2);
    assert_eq!(record(&harness, NEW_NIGHTLY)["accepted"], false, "nothing was dropped in vain");
    update(UPGRADE_JOB, &failed).expect(0);
    assert!(record(&harness, NEW_NIGHTLY).get("accepted").is_none());
    jobctl(&harness, &AGGREGATOR).expect(0);
    assert_eq!(record(&harness, NEW_NIGHTLY)["accepted"], true);
    assert!(is_labelled(&harness, NEW_NIGHTLY));
}

#[test]
fn a_recycled_nightly_is_removed_only_when_its_stream_says_so() {
    let harness = harness();
    harness.sandbox.faults().add(Fault::on(
        "release-controller",
        FaultKind::Status { code: 404, body: None, headers: Vec::new() },
    ));
    jobctl(&harness, &AGGREGATOR);
    assert!(text(&harness, &path(RECORDED_NIGHTLY)).is_some(), "a missing stream proves nothing");
    harness.sandbox.faults().clear();
    assert!(harness.sandbox.world().release_controller.lock().remove(STREAM, RECORDED_NIGHTLY));
    let run = jobctl(&harness, &AGGREGATOR).expect(0);
    assert!(run.stdout.contains(&format!("{RECORDED_NIGHTLY}: removed")), "{run:?}");
    assert!(text(&harness, &path(RECORDED_NIGHTLY)).is_none());
}

#[test]
fn a_latest_build_that_falls_back_is_not_new() {
    let harness = harness();
    jobctl(&harness, &CONTROLLER).expect(0);
    let files = text(&harness, &path(NEW_NIGHTLY));
    harness.sandbox.world().release_controller.lock().step_back(STREAM, "4.20.").unwrap();
    let run = jobctl(&harness, &CONTROLLER).expect(0);
    assert!(run.stdout.contains("is older than the recorded"), "{run:?}");
    assert_eq!(
        (latest(&harness), text(&harness, &path(NEW_NIGHTLY)), harness.prow_jobs().len()),
        (NEW_NIGHTLY.to_owned(), files, 6)
    );
    harness.sandbox.world().release_controller.lock().add(
        STREAM,
        "4.20.0-0.nightly-2026-07-03-010101",
        Phase::Rejected,
    );
    jobctl(&harness, &CONTROLLER).expect(0);
    assert_eq!(harness.prow_jobs().len(), 6, "a rejected build is not tested");
}

#[test]
fn without_tokens_nothing_is_done_and_the_next_step_is_told() {
    for (variables, command) in [
        (&["GITHUB_TOKEN"][..], &CONTROLLER[..]),
        (&["GITHUB_TOKEN", "APITOKEN"], &CONTROLLER),
        (&["GITHUB_TOKEN", "APITOKEN", "GCS_CRED_FILE"], &AGGREGATOR),
        (&["APITOKEN", "GCS_CRED_FILE"], &AGGREGATOR),
        (&["GCS_CRED_FILE"], &AGGREGATOR),
        (&["GITHUB_TOKEN"], &["promote-test-results", "--build", "4.20.5"]),
        (&["APITOKEN"], &["trigger-jobs-for-build", "--build", "4.20.5"]),
    ] {
        let harness = variables.iter().fold(harness(), |harness, variable| harness.env(variable, ""));
        let run = jobctl(&harness, command).expect(3);
        let words = format!("Missing required environment variables: {}", variables.join(", "));
        assert!(run.stderr.contains(&words), "{run:?}");
        assert!(harness.sandbox.requests().is_empty());
    }
}

#[test]
fn a_dry_run_needs_no_account_for_test_reports_and_says_that_it_reads_none() {
    let harness = harness();
    jobctl(&harness, &CONTROLLER).expect(0);
    later(&harness, 4);
    let harness = harness.env("GCS_CRED_FILE", "").env("APITOKEN", "");
    let files = text(&harness, &path(NEW_NIGHTLY));
    let run = jobctl(&harness, &[&AGGREGATOR[..], &["--dry-run"]].concat()).expect(0);
    assert!(run.stderr.contains("test reports are not read: GCS_CRED_FILE is not set"), "{run:?}");
    assert!(run.stdout.contains("would complete the record: accepted"), "{run:?}");
    assert_eq!(text(&harness, &path(NEW_NIGHTLY)), files);
}

#[test]
fn without_a_login_for_the_cluster_results_are_recorded_and_the_build_is_labelled_later() {
    let without = harness().env("OAR_KUBE_TOKEN", "");
    jobctl(&without, &CONTROLLER).expect(0);
    later(&without, 4);
    let run = jobctl(&without, &AGGREGATOR).expect(3);
    assert!(run.stderr.contains("no payload is labelled in this pass"), "{run:?}");
    let file = record(&without, NEW_NIGHTLY);
    assert_eq!(file["result"][0]["firstJob"]["jobState"], "success", "{file:#}");
    assert!(file.get("aggregated").is_none(), "it is completed with its label: {file:#}");
    let with = without.env("OAR_KUBE_TOKEN", sandbox::credentials::KUBE_TOKEN);
    jobctl(&with, &AGGREGATOR).expect(0);
    assert_eq!(record(&with, NEW_NIGHTLY)["accepted"], true);
    assert!(is_labelled(&with, NEW_NIGHTLY));
}

#[test]
fn a_build_that_was_accepted_lately_and_has_no_label_gets_it() {
    const BUILD: &str = "4.20.5";
    let harness = harness();
    jobctl(&harness, &AGGREGATOR).expect(0);
    assert!(!is_labelled(&harness, BUILD), "it was accepted a week ago");
    let now = harness.sandbox.clock().now();
    let mut file = record(&harness, BUILD);
    file["result"][0]["firstJob"]["jobCompletionTime"] =
        now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string().into();
    let stored = format!("{file:#}");
    harness
        .sandbox
        .world()
        .github
        .lock()
        .put(REPOSITORY, "record", &path(BUILD), stored.clone(), "by another program", now)
        .unwrap();
    for _ in 0..2 {
        let run = jobctl(&harness, &AGGREGATOR).expect(0);
        assert!(is_labelled(&harness, BUILD), "{run:?}");
    }
    assert_eq!(labels_written(&harness), 1);
    assert_eq!(text(&harness, &path(BUILD)).unwrap(), stored, "its record stays");
}

#[test]
fn a_dry_run_says_what_would_be_done_and_writes_nothing() {
    let harness = harness();
    let run = jobctl(&harness, &[&CONTROLLER[..], &["--dry-run"]].concat()).expect(0);
    assert_eq!(run.stdout.matches("would start ").count(), 6, "{run:?}");
    let json =
        jobctl(&harness, &[&CONTROLLER[..], &["--dry-run", "--output", "json"]].concat()).expect(0).json();
    assert_eq!(json[0]["verdict"], "new");
    jobctl(&harness, &[&AGGREGATOR[..], &["--dry-run"]].concat()).expect(0);
    assert!(harness.sandbox.writes().is_empty() && harness.prow_jobs().is_empty());
}

#[test]
fn a_build_is_triggered_by_hand_and_its_runs_are_kept_or_replaced() {
    let harness = harness();
    let trigger = ["trigger-jobs-for-build", "--build", NEW_NIGHTLY];
    jobctl(&harness, &trigger).expect(0);
    assert_eq!((harness.prow_jobs().len(), latest(&harness).as_str()), (6, RECORDED_NIGHTLY));
    let again = jobctl(&harness, &trigger).expect(0);
    assert!(again.stdout.contains("nothing to do"), "{again:?}");
    jobctl(&harness, &[&trigger[..], &["--no-skip-existing"]].concat()).expect(0);
    assert_eq!(harness.prow_jobs().len(), 12);
    let unknown = jobctl(&harness, &["trigger-jobs-for-build", "--build", "4.20.99"]).expect(2);
    assert!(unknown.stderr.contains("no stream of amd64 has a build `4.20.99`"), "{unknown:?}");
}

#[test]
fn a_build_that_is_not_accepted_is_tested_on_request_and_recorded_with_its_phase() {
    const REJECTED: &str = "4.20.0-0.nightly-2026-07-03-010101";
    let harness = harness();
    harness.sandbox.world().release_controller.lock().add(STREAM, REJECTED, Phase::Rejected);
    let run = jobctl(&harness, &["trigger-jobs-for-build", "--build", REJECTED]).expect(0);
    assert!(run.stderr.contains(&format!("the phase of {REJECTED} is Rejected, not Accepted")), "{run:?}");
    assert_eq!(
        (record(&harness, REJECTED)["build"]["phase"].as_str(), harness.prow_jobs().len()),
        (Some("Rejected"), 6)
    );
}

/// Writes the file of the latest stable build by hand.
fn put_stable(harness: &Harness, text: &str) {
    let now = harness.sandbox.clock().now();
    let mut github = harness.sandbox.world().github.lock();
    github.put(REPOSITORY, "record", STABLE_LATEST, text.to_owned(), "by hand", now).unwrap();
}

#[test]
fn a_latest_file_with_a_build_of_another_stream_stops_neither_its_stream_nor_the_nightlies() {
    let harness = harness();
    let other = r#"{"name": "4.21.0-ec.0", "phase": "Accepted", "pullSpec": "p:4.21", "downloadURL": ""}"#;
    put_stable(&harness, other);
    jobctl(&harness, &CONTROLLER).expect(0);
    let upgrade = harness.prow_jobs().into_iter().find(|job| job.job == UPGRADE_JOB).unwrap();
    assert!(upgrade.envs["RELEASE_IMAGE_LATEST"].contains(":4.20.5-"), "{upgrade:?}");
    let run = jobctl(&harness, &[&CONTROLLER[..], &["--no-nightly"]].concat()).expect(0);
    assert!(run.stderr.contains("holds 4.21.0-ec.0, and it is not a stable build of 4.20"), "{run:?}");
    assert!(text(&harness, STABLE_LATEST).unwrap().contains("\"4.20.5\""));
}

#[test]
fn a_job_that_cannot_be_prepared_keeps_no_other_from_its_start() {
    let harness = harness();
    let good = text(&harness, STABLE_LATEST).unwrap();
    put_stable(&harness, "{");
    let run = jobctl(&harness, &CONTROLLER).expect(1);
    let problem = format!("error: {UPGRADE_JOB}: not started: {STABLE_LATEST}");
    assert!(run.stderr.contains(&problem), "{run:?}");
    assert!(run.stdout.contains(&format!("{UPGRADE_JOB}: not started\n")), "{run:?}");
    assert_eq!((harness.prow_jobs().len(), latest(&harness).as_str()), (5, NEW_NIGHTLY));
    put_stable(&harness, &good);
    jobctl(&harness, &CONTROLLER).expect(0);
    assert_eq!((harness.prow_jobs().len(), latest(&harness).as_str()), (6, NEW_NIGHTLY));
    assert_all_recorded(&harness, NEW_NIGHTLY, "after the file was mended");
}

#[test]
fn a_release_that_the_other_programs_refuse_is_refused() {
    let harness = harness();
    for command in [
        &["start-controller", "-r", "4.20,4.99"][..],
        &["start-controller", "-r", "4.99", "--dry-run"],
        &["trigger-jobs-for-build", "--build", "4.99.1"],
    ] {
        let run = jobctl(&harness, command).expect(2);
        assert!(run.stderr.contains("4.99 is not a supported y-stream; supported: "), "{run:?}");
    }
    assert!(harness.sandbox.requests().is_empty());
}

#[test]
fn while_gangway_lists_nothing_no_job_is_started_again() {
    let harness = harness();
    harness.sandbox.faults().add(Fault::on("gangway", FaultKind::DropAfter).method("POST").times(6));
    harness.sandbox.world().prow.lock().lists_nothing = true;
    let started = |harness: &Harness| harness.prow_jobs().len();
    jobctl(&harness, &CONTROLLER).expect(4);
    let first = started(&harness);
    assert!(first > 0);
    for command in [&CONTROLLER[..], &AGGREGATOR] {
        let run = jobctl(&harness, command).expect(4);
        assert!(run.stderr.contains("lists no run of it at all"), "{run:?}");
        assert_eq!(started(&harness), first, "{run:?}");
    }
    harness.sandbox.world().prow.lock().lists_nothing = false;
    jobctl(&harness, &CONTROLLER).expect(0);
    assert_eq!(started(&harness), 6);
    assert_all_recorded(&harness, NEW_NIGHTLY, "after the outage");
}

#[test]
fn an_outage_of_the_deck_loses_no_run() {
    let harness = harness();
    jobctl(&harness, &CONTROLLER).expect(0);
    let before = text(&harness, &path(NEW_NIGHTLY));
    harness.sandbox.world().prow.lock().lookups_fail = true;
    later(&harness, 60);
    let run = jobctl(&harness, &AGGREGATOR).expect(4);
    assert!(run.stderr.contains("context deadline exceeded"), "{run:?}");
    assert_eq!(text(&harness, &path(NEW_NIGHTLY)), before, "nothing is given up");
}

#[test]
fn a_dry_run_that_goes_on_takes_nobody_s_turn() {
    let harness = harness().env("HOME", "/proc/self/fdinfo").env("XDG_RUNTIME_DIR", "/proc/self/fdinfo");
    let arguments = [&CONTROLLER[..], &["--dry-run", "--interval", "3600"]].concat();
    let mut program = harness.command("jobctl", &arguments).spawn().unwrap();
    let mut line = String::new();
    let mut plan = BufReader::new(program.stdout.take().unwrap());
    while plan.read_line(&mut line).unwrap() > 0 && !line.contains("would start") {}
    kill(Pid::from_raw(i32::try_from(program.id()).unwrap()), Signal::SIGTERM).unwrap();
    let run = wait(program);
    assert!(line.contains("would start") && run.code == Some(143), "{line} {run:?}");
}

#[test]
fn a_lease_of_intents_that_holds_no_start_is_refused() {
    let harness = Harness::new().env("OAR_INTENT_LEASE", "60");
    let run = jobctl(&harness, &CONTROLLER).expect(3);
    assert!(run.stderr.contains("OAR_INTENT_LEASE") && run.stderr.contains("from 120 to 86400"), "{run:?}");
}

/// Requests of a pass that finds nothing new: to GitHub, and to all the others.
fn idle_requests(harness: &Harness) -> (usize, usize) {
    harness.sandbox.clear_requests();
    let run = jobctl(harness, &AGGREGATOR).expect(0);
    assert!(run.stdout.contains("530 records, "), "{run:?}");
    assert_eq!(harness.sandbox.writes().len(), 0, "{}", harness.request_lines());
    let requests = harness.sandbox.requests();
    let github = requests.iter().filter(|request| request.service == "github").count();
    (github, requests.len() - github)
}

#[test]
fn a_pass_over_five_hundred_and_thirty_records_that_finds_nothing_new_makes_few_requests() {
    const OPEN: usize = 10;
    let harness = harness();
    records::grow(harness.sandbox.world(), 530, OPEN);
    let run = jobctl(&harness, &AGGREGATOR).expect(0);
    let cold = harness.sandbox.requests().iter().filter(|request| request.service == "github").count();
    assert!(cold <= 40, "{cold} requests: {}", harness.request_lines());
    assert!(run.stdout.contains("530 records, 520 of them final"), "{run:?}");
    assert!(!harness.sandbox.writes().is_empty(), "the runs were read for the first time");
    // What the first pass wrote, the second one knows.
    let (github, others) = idle_requests(&harness);
    assert!(github <= 5, "{github} requests: {}", harness.request_lines());
    // Each open record has three runs, and each of 4.20 and 4.21 asks which nightlies there still are.
    assert!(others <= 3 * OPEN + 2, "{others} requests: {}", harness.request_lines());
}

#[test]
fn one_bad_record_stops_nobody() {
    let harness = harness();
    jobctl(&harness, &CONTROLLER).expect(0);
    let now = harness.sandbox.clock().now();
    let bad = path("4.20.3");
    harness.sandbox.world().github.lock().put(REPOSITORY, "record", &bad, "{", "by hand", now).unwrap();
    later(&harness, 4);
    let run = jobctl(&harness, &AGGREGATOR).expect(1);
    assert!(run.stderr.contains("ocp-test-result-4.20.3-amd64.json"), "{run:?}");
    assert_eq!(record(&harness, NEW_NIGHTLY)["accepted"], true);
    assert_eq!(text(&harness, &bad).unwrap(), "{");
}

#[test]
fn two_controllers_at_once_start_each_job_once() {
    let harness = Harness::new();
    let children: Vec<_> = (0..3).map(|_| harness.command("jobctl", CONTROLLER).spawn().unwrap()).collect();
    for child in children {
        wait(child).expect(0);
    }
    assert_eq!(harness.prow_jobs().len(), 6);
    assert_all_recorded(&harness, NEW_NIGHTLY, "three controllers");
    jobctl(&harness, &CONTROLLER).expect(0);
    assert_eq!(latest(&harness), NEW_NIGHTLY);
}

/// Starts the command, lets `after` requests be answered, and kills it when the next one has acted. `false` when the
/// command made no more requests.
fn killed(harness: &Harness, command: &[&str], after: u64) -> bool {
    harness.sandbox.clear_requests();
    harness.sandbox.faults().add(Fault::anywhere(FaultKind::HangAfter).skip(after));
    let mut child = harness.command("jobctl", command).spawn().unwrap();
    let started = Instant::now();
    let hangs = loop {
        if harness.sandbox.requests().iter().any(|request| request.fault.is_some() && request.acted) {
            break true;
        }
        if child.try_wait().unwrap().is_some() {
            break false;
        }
        assert!(started.elapsed() < Duration::from_mins(1), "request {after} never came");
        std::thread::sleep(Duration::from_millis(1));
    };
    if hangs {
        kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), Signal::SIGKILL).unwrap();
    }
    wait(child);
    harness.sandbox.faults().clear();
    hangs
}

#[test]
fn killed_after_any_request_both_are_carried_on_with_each_job_started_once() {
    let mut after = 0;
    let mut more = (true, true);
    while more != (false, false) {
        let context = format!("killed after request {after}");
        let harness = harness();
        script(&harness, NIGHTLY_JOB, &[JobState::Failure, JobState::Success, JobState::Success]);
        more.0 = killed(&harness, &CONTROLLER, after);
        jobctl(&harness, &CONTROLLER).expect(0);
        assert_eq!((latest(&harness).as_str(), harness.prow_jobs().len()), (NEW_NIGHTLY, 6), "{context}");
        assert_all_recorded(&harness, NEW_NIGHTLY, &context);
        later(&harness, 4);
        more.1 = killed(&harness, &AGGREGATOR, after);
        jobctl(&harness, &AGGREGATOR).expect(0);
        later(&harness, 4);
        jobctl(&harness, &AGGREGATOR).expect(0);
        assert_eq!(record(&harness, NEW_NIGHTLY)["accepted"], true, "{context}");
        assert_eq!(harness.prow_jobs().len(), 8, "{context}");
        assert_all_recorded(&harness, NEW_NIGHTLY, &context);
        assert!(is_labelled(&harness, NEW_NIGHTLY), "{context}");
        harness.sandbox.assert_no_unexpected();
        after += 1;
    }
    assert!(after > 20, "{after}");
}

#[test]
fn whatever_a_service_does_nothing_is_started_twice_or_lost() {
    let unavailable = FaultKind::Status { code: 503, body: None, headers: Vec::new() };
    let garbage = FaultKind::Status { code: 200, body: Some("<html>".into()), headers: Vec::new() };
    let limited =
        FaultKind::Status { code: 429, body: None, headers: vec![("Retry-After".into(), "0".into())] };
    let refused = FaultKind::Status { code: 403, body: None, headers: Vec::new() };
    for service in ["github", "gangway", "prow", "release-controller", "gcs", "kubernetes", "google-oauth"] {
        for kind in
            [unavailable.clone(), garbage.clone(), limited.clone(), refused.clone(), FaultKind::DropAfter]
        {
            let context = format!("{service}: {kind:?}");
            let harness = harness();
            script(&harness, NIGHTLY_JOB, &[JobState::Failure, JobState::Success, JobState::Success]);
            for (command, hours) in [(&CONTROLLER[..], 4), (&AGGREGATOR, 4), (&AGGREGATOR, 0)] {
                harness.sandbox.faults().add(Fault::on(service, kind.clone()).skip(1).times(3));
                let run = jobctl(&harness, command);
                assert!(!run.all().contains("panicked"), "{context}: {run:?}");
                assert!([0, 1, 3, 4, 5].contains(&run.code.unwrap_or(-1)), "{context}: {run:?}");
                harness.sandbox.faults().clear();
                jobctl(&harness, command).expect(0);
                later(&harness, hours);
            }
            jobctl(&harness, &AGGREGATOR).expect(0);
            assert_eq!(record(&harness, NEW_NIGHTLY)["accepted"], true, "{context}");
            assert_eq!(harness.prow_jobs().len(), 8, "{context}");
            assert_all_recorded(&harness, NEW_NIGHTLY, &context);
            assert!(is_labelled(&harness, NEW_NIGHTLY), "{context}");
        }
    }
}

fn get(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// The health address of a long-running program.
fn listening(log: &mut impl BufRead) -> Option<String> {
    let mut line = String::new();
    while log.read_line(&mut line).unwrap() > 0 {
        let found = line.split_once("http://").and_then(|(_, rest)| rest.split_once("/healthz"));
        if let Some((address, _)) = found {
            return Some(address.to_owned());
        }
        line.clear();
    }
    None
}

/// The metrics, once they hold `line`.
fn metrics_with(address: &str, line: &str) -> String {
    let started = Instant::now();
    loop {
        let metrics = get(address, "/metrics");
        if metrics.contains(line) {
            return metrics;
        }
        assert!(started.elapsed() < Duration::from_secs(30), "{metrics}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn the_aggregator_counts_what_it_starts_and_what_goes_wrong() {
    let harness = harness();
    script(&harness, NIGHTLY_JOB, &[JobState::Failure, JobState::Success, JobState::Success]);
    jobctl(&harness, &CONTROLLER).expect(0);
    later(&harness, 4);
    let now = harness.sandbox.clock().now();
    let bad = path("4.20.3");
    harness.sandbox.world().github.lock().put(REPOSITORY, "record", &bad, "{", "by hand", now).unwrap();
    let arguments = [&AGGREGATOR[..], &["--interval", "3600", "--listen", "127.0.0.1:0"]].concat();
    let mut program = harness.command("jobctl", &arguments).spawn().unwrap();
    let mut log = BufReader::new(program.stderr.take().unwrap());
    let address = listening(&mut log).unwrap();
    let metrics = metrics_with(&address, "jobctl_jobs_started_total{role=\"aggregator\"} 2");
    assert!(metrics.contains("jobctl_problems_total{role=\"aggregator\"} 1"), "{metrics}");
    assert!(metrics.contains("jobctl_passes_total{role=\"aggregator\",result=\"problem\"} 1"), "{metrics}");
    kill(Pid::from_raw(i32::try_from(program.id()).unwrap()), Signal::SIGTERM).unwrap();
    let mut rest = String::new();
    log.read_to_string(&mut rest).unwrap();
    assert_eq!(wait(program).code, Some(143), "{rest}");
}

#[test]
fn a_lock_file_that_cannot_be_made_ends_the_program_with_the_next_step() {
    let harness = harness().env("HOME", "/proc/self/fdinfo").env("XDG_RUNTIME_DIR", "/proc/self/fdinfo");
    let run = jobctl(&harness, &[&CONTROLLER[..], &["--interval", "3600"]].concat()).expect(3);
    assert!(run.stderr.contains("set HOME or XDG_RUNTIME_DIR to a directory"), "{run:?}");
    assert!(harness.prow_jobs().is_empty());
}

#[test]
fn a_program_that_runs_on_tells_its_health_and_stops_when_told() {
    let harness = harness();
    let arguments = [&CONTROLLER[..], &["--interval", "1", "--listen", "127.0.0.1:0"]].concat();
    let mut first = harness.command("jobctl", &arguments).spawn().unwrap();
    let mut log = BufReader::new(first.stderr.take().unwrap());
    let address = listening(&mut log).unwrap();
    let started = Instant::now();
    while latest(&harness) != NEW_NIGHTLY {
        assert!(started.elapsed() < Duration::from_mins(1), "no pass");
        std::thread::sleep(Duration::from_millis(20));
    }
    // Another one with the same work stands by.
    let second = harness.command("jobctl", &arguments).spawn().unwrap();
    std::thread::sleep(Duration::from_millis(500));
    for path in ["/healthz", "/livez", "/readyz"] {
        assert!(get(&address, path).starts_with("HTTP/1.1 200"), "{path}");
    }
    let metrics = metrics_with(&address, "jobctl_jobs_started_total{role=\"controller\"} 6");
    assert!(metrics.contains("jobctl_problems_total{role=\"controller\"} 0"), "{metrics}");
    assert!(metrics.contains("jobctl_leader{role=\"controller\"} 1"), "{metrics}");
    assert!(metrics.contains("jobctl_passes_total{role=\"controller\",result=\"good\"}"), "{metrics}");
    for child in [&first, &second] {
        kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), Signal::SIGTERM).unwrap();
    }
    let mut rest = String::new();
    log.read_to_string(&mut rest).unwrap();
    assert_eq!(wait(first).code, Some(143), "{rest}");
    let second = wait(second);
    assert_eq!(second.code, Some(143));
    assert!(second.stderr.contains("on standby"), "{second:?}");
    assert_eq!(harness.prow_jobs().len(), 6);
}
