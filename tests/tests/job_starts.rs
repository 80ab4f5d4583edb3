//! What `job` starts: each run once, whatever becomes of an answer, and its id told whatever comes after.
#![expect(clippy::unwrap_used, reason = "tests say what they expect by failing")]

use std::io::{BufRead, BufReader};

use end_to_end::{Fault, FaultKind, Harness, Run, finish, wait};
use jiff::SignedDuration;
use sandbox::scenario::prow::IMAGE_CONSISTENCY_JOB;
use sandbox::scenario::records::{NIGHTLY_JOB, UPGRADE_JOB};
use sandbox::services::prow::JobState;

const PAYLOAD: &str = "quay.io/openshift-release-dev/ocp-release:4.20.5-x86_64";
const RUN: [&str; 4] = ["run", NIGHTLY_JOB, "--payload", PAYLOAD];
const CHECK: [&str; 5] = ["run_image_consistency_check", "-p", PAYLOAD, "-m", "7"];
const STAGE: [&str; 3] = ["run_stage_testing", "-p", PAYLOAD];
const REQUIRED: [&str; 7] =
    ["run_required", "--channel", "4.20", "--file", "required.json", "--version", "4.20.5"];
const HEADER: &str =
    "jobName,payload,upgrade_from,upgrade_to,jobStartTime,jobID,jobURL,jobState,jobCompletionTime";

/// The harness with a file of required jobs for 4.20.
fn requiring(harness: Harness, jobs: &[&str]) -> Harness {
    let jobs = serde_json::json!({ "4.20": jobs });
    std::fs::write(harness.home().join("required.json"), jobs.to_string()).unwrap();
    harness
}

fn status(code: u16) -> FaultKind {
    FaultKind::Status { code, body: None, headers: Vec::new() }
}

/// The next start loses its answer, and nothing can be looked up.
fn lose_answer_and_looks(harness: &Harness) {
    harness.sandbox.faults().add(Fault::on("gangway", FaultKind::DropAfter).method("POST"));
    harness.sandbox.faults().add(Fault::on("gangway", status(503)).method("GET").forever());
}

/// The key in the hint of a failure, ready to copy.
fn hinted_key(run: &Run) -> String {
    let hint = run.stderr.split("next:").nth(1).unwrap_or_default();
    let key = hint.split("`--key ").nth(1).and_then(|rest| rest.split('`').next());
    assert!(key.is_some(), "no key: {run:#?}");
    key.unwrap().to_owned()
}

#[test]
fn a_lost_answer_is_looked_up_and_the_job_started_once() {
    let harness = Harness::with_prompt_pages();
    harness.sandbox.faults().add(Fault::on("gangway", FaultKind::DropAfter).times(1));
    let run = harness.run("job", ["run", NIGHTLY_JOB]).expect(0);
    assert_eq!(harness.prow_jobs().len(), 1);
    assert!(run.stdout.contains(&harness.prow_jobs()[0].id), "{run:?}");
}

#[test]
fn a_rate_limit_is_waited_out() {
    let harness = Harness::with_prompt_pages();
    let limited =
        FaultKind::Status { code: 429, body: None, headers: vec![("Retry-After".into(), "0".into())] };
    harness.sandbox.faults().add(Fault::on("gangway", limited).times(1));
    harness.run("job", ["run", NIGHTLY_JOB]).expect(0);
    assert_eq!(harness.prow_jobs().len(), 1);
}

#[test]
fn a_start_of_which_nothing_is_known_is_carried_on_under_its_key() {
    for command in [&RUN[..], &CHECK, &STAGE] {
        let harness = Harness::with_prompt_pages();
        lose_answer_and_looks(&harness);
        let unclear = harness.run("job", command).expect(4);
        let key = hinted_key(&unclear);
        assert!(unclear.stderr.contains(&format!("under the key {key}")), "told before it too: {unclear:?}");
        harness.sandbox.faults().clear();
        let run = harness.run("job", [command, &["--key", &key]].concat()).expect(0);
        assert_eq!(harness.prow_jobs().len(), 1, "{command:?}");
        assert!(run.stdout.contains(&harness.prow_jobs()[0].id), "{run:?}");
        assert!(run.stderr.contains("found by its key"), "{run:?}");
        // A key is for one job with its variables, and a call without one starts another run.
        let other = PAYLOAD.replace("4.20.5", "4.20.4");
        let changed: Vec<&str> =
            command.iter().map(|word| if *word == PAYLOAD { other.as_str() } else { word }).collect();
        harness.run("job", [&changed[..], &["--key", &key]].concat()).expect(0);
        harness.run("job", command).expect(0);
        assert_eq!(harness.prow_jobs().len(), 3, "{command:?}");
    }
}

#[test]
fn a_key_of_nonsense_is_refused() {
    let harness = Harness::new();
    harness.run("job", [&RUN[..], &["--key", "again"]].concat()).expect(2);
    assert!(harness.prow_jobs().is_empty());
}

#[test]
fn an_outage_is_not_told_as_an_unknown_job() {
    for command in [&CHECK[..], &STAGE] {
        let harness = Harness::with_prompt_pages();
        harness.sandbox.faults().add(Fault::on("gangway", status(500)).method("POST"));
        let run = harness.run("job", command).expect(4);
        assert!(!run.stderr.contains("there is no periodic job"), "{run:?}");
        hinted_key(&run);
    }
    // Names that are not looked up are unknown when Gangway says so.
    let harness = Harness::with_prompt_pages();
    let foreign = IMAGE_CONSISTENCY_JOB.replace("check", "chekc");
    let run = harness.run("job", ["run", &foreign]).expect(2);
    assert!(run.stderr.contains("there is no periodic job"), "{run:?}");
}

#[test]
fn an_unknown_job_is_told_as_one() {
    let harness = Harness::with_prompt_pages();
    let misspelt = NIGHTLY_JOB.replace("aws-demo", "aws-dmeo");
    let run = harness.run("job", ["run", &misspelt]).expect(2);
    assert!(run.stderr.contains("there is no periodic job") && run.stderr.contains(NIGHTLY_JOB), "{run:?}");
    // Without the token by which names are read none is proposed.
    let harness = harness.env("GITHUB_TOKEN", "");
    let run = harness.run("job", ["run", &misspelt]).expect(2);
    assert!(run.stderr.contains("there is no periodic job") && !run.stderr.contains(NIGHTLY_JOB), "{run:?}");
    // A Gangway that does not say it in its words may have had a fault.
    harness.sandbox.faults().add(Fault::on("gangway", status(500)).method("POST"));
    let run = harness.run("job", ["run", &misspelt]).expect(4);
    assert!(run.stderr.contains("with GITHUB_TOKEN it is looked up"), "{run:?}");
    assert!(harness.prow_jobs().is_empty());
}

#[test]
fn the_id_is_told_before_the_page_is_waited_for() {
    let harness = Harness::new();
    harness.sandbox.world().prow.lock().pace.pending_after = SignedDuration::from_hours(1);
    let mut child = harness.command("job", RUN).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let looks = harness.sandbox.requests().iter().filter(|request| request.service == "prow").count();
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(line, format!("Returned job id: {}\n", harness.prow_jobs()[0].id));
    assert!(looks <= 1, "{}", harness.request_lines());
}

#[test]
fn the_special_jobs_get_their_variables_and_end_well_without_a_page_too() {
    let harness = Harness::new();
    harness.sandbox.world().prow.lock().pace.pending_after = SignedDuration::from_hours(1);
    let run = harness.run("job", CHECK).expect(0);
    assert!(run.stderr.contains("has no page yet"), "{run:?}");
    let jobs = harness.prow_jobs();
    assert_eq!(jobs[0].job, IMAGE_CONSISTENCY_JOB);
    assert_eq!(jobs[0].envs.get("MULTISTAGE_PARAM_OVERRIDE_PAYLOAD_URL").unwrap(), PAYLOAD);
    assert_eq!(jobs[0].envs.get("MULTISTAGE_PARAM_OVERRIDE_MERGE_REQUEST_ID").unwrap(), "7");
    assert_eq!(jobs[0].envs.len(), 2);
    assert_eq!(run.stdout, format!("Image consistency check job id: {}\n", jobs[0].id));
    let stage = harness.run("job", [&STAGE[..], &["--no-wait"]].concat()).expect(0);
    let job = harness.prow_jobs()[1].clone();
    assert!(job.job.ends_with("release-4.20-stage-testing-e2e-aws-ipi"), "{job:?}");
    assert_eq!(
        stage.stdout,
        format!("Stage testing job name: {}\nStage testing job id: {}\n", job.job, job.id)
    );
    assert_eq!(job.envs.into_iter().collect::<Vec<_>>(), [("RELEASE_IMAGE_LATEST".into(), PAYLOAD.into())]);
    harness.run("job", ["run_stage_testing", "-p", "quay.io/other/release:4.20.5-x86_64"]).expect(2);
    harness.run("job", ["run_image_consistency_check", "-p", PAYLOAD, "-m", "none"]).expect(2);
    assert_eq!(harness.prow_jobs().len(), 2);
}

#[test]
fn the_special_jobs_are_told_as_one_document_and_with_their_pages() {
    for (command, label) in [(&CHECK[..], "Image consistency check"), (&STAGE[..], "Stage testing")] {
        let harness = Harness::with_prompt_pages();
        let run = harness.run("job", [command, &["--output", "json"]].concat()).expect(0);
        let (document, job) = (run.json(), harness.prow_jobs()[0].clone());
        assert_eq!(document["jobID"], job.id.as_str());
        assert_eq!(document["jobName"], job.job.as_str());
        assert_eq!(document["payload"], PAYLOAD);
        let envs: std::collections::BTreeMap<String, String> =
            serde_json::from_value(document["envs"].clone()).unwrap();
        assert_eq!(envs, job.envs);
        let page = document["jobURL"].as_str().unwrap();
        assert!(run.stderr.contains(&format!("{label} job id: {}", job.id)), "{run:?}");
        let text = harness.run("job", command).expect(0);
        let address = format!("{label} job url: {}", page.rsplit_once('/').unwrap().0);
        assert!(text.stdout.contains(&address), "{text:?}");
    }
}

#[test]
fn a_run_that_ends_without_a_page_is_not_said_to_run() {
    let harness = Harness::new();
    harness.sandbox.world().prow.lock().script(NIGHTLY_JOB, JobState::Error, SignedDuration::ZERO);
    let run = harness.run("job", RUN).expect(0);
    assert!(run.stderr.contains("is error and never had a page"), "{run:?}");
}

#[test]
fn rows_go_to_the_named_file_and_nowhere_else() {
    let harness = Harness::with_prompt_pages();
    harness.run("job", RUN).expect(0);
    let written: Vec<_> =
        std::fs::read_dir(harness.home()).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(
        written.iter().all(|path| path.extension().is_none_or(|extension| extension != "csv")),
        "{written:?}"
    );
    let upgrade = ["run", UPGRADE_JOB, "--upgrade_from", "p:1", "--upgrade_to", "p:2"];
    for command in [&RUN[..], &upgrade, &CHECK] {
        harness.run("job", [command, &["--csv", "runs.csv"]].concat()).expect(0);
    }
    let jobs = harness.prow_jobs();
    harness.run("job", ["get_results", &jobs[2].id, "--csv", "runs.csv"]).expect(0);
    let text = std::fs::read_to_string(harness.home().join("runs.csv")).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!((lines.len(), lines[0]), (5, HEADER), "{text}");
    for (line, job, images) in [
        (lines[1], &jobs[1], format!("{PAYLOAD},,")),
        (lines[2], &jobs[2], ",p:1,p:2".to_owned()),
        (lines[3], &jobs[3], format!("{PAYLOAD},,")),
        (lines[4], &jobs[2], ",p:1,p:2".to_owned()),
    ] {
        assert!(line.starts_with(&format!("{},{images},2", job.job)), "{line}");
        assert!(line.contains(&format!("Z,{},http", job.id)) && line.ends_with(",pending,"), "{line}");
    }
}

#[test]
fn a_file_that_takes_no_rows_is_refused_before_the_start_and_hides_no_run_after_it() {
    let harness = Harness::with_prompt_pages();
    std::fs::write(harness.home().join("other.csv"), "name,id\n").unwrap();
    for file in ["no/such/folder.csv", "other.csv", "."] {
        harness.run("job", [&RUN[..], &["--csv", file]].concat()).expect(3);
    }
    // What comes to no run leaves no file behind.
    harness.run("job", ["run", "no-such-job", "--csv", "runs.csv"]).expect(2);
    assert!(!harness.home().join("runs.csv").exists());
    let harness = requiring(harness, &[NIGHTLY_JOB]);
    harness.run("job", [&REQUIRED[..], &["--csv", "other.csv"]].concat()).expect(3);
    assert!(harness.prow_jobs().is_empty());
    let text = std::fs::read_to_string(harness.home().join("other.csv")).unwrap();
    assert_eq!(text, "name,id\n", "somebody else's file");
    // A device that is always full takes no row.
    let run = harness.run("job", [&RUN[..], &["--csv", "/dev/full"]].concat()).expect(3);
    let id = harness.prow_jobs()[0].id.clone();
    assert!(run.stdout.contains(&format!("Id        {id}")) && run.stdout.contains("Page "), "{run:?}");
    let json = ["get_results", &id, "--csv", "/dev/full", "--output", "json"];
    let run = harness.run("job", json).expect(3);
    assert_eq!(run.json()["jobID"], id.as_str());
    assert!(run.stderr.contains("/dev/full"), "{run:?}");
}

#[test]
fn required_jobs_are_started_once_however_often_they_are_asked_for() {
    // A job that is named twice is one job.
    let harness = requiring(Harness::with_prompt_pages(), &[NIGHTLY_JOB, UPGRADE_JOB, NIGHTLY_JOB]);
    harness.run("job", [&REQUIRED[..], &["--dry-run"]].concat()).expect(0);
    assert!(harness.prow_jobs().is_empty());
    let first = harness.run("job", REQUIRED).expect(0);
    assert_eq!(first.stdout.matches("started ").count(), 2, "{first:?}");
    assert_eq!(harness.prow_jobs()[0].envs.get("RELEASE_IMAGE_LATEST").unwrap(), PAYLOAD);
    assert_eq!(harness.prow_jobs()[1].envs.get("RELEASE_IMAGE_TARGET").unwrap(), PAYLOAD);
    let second = harness.run("job", [&REQUIRED[..], &["--csv", "runs.csv"]].concat()).expect(0);
    assert_eq!(second.stdout.matches("found ").count(), 2, "{second:?}");
    assert_eq!(harness.prow_jobs().len(), 2);
    let rows = std::fs::read_to_string(harness.home().join("runs.csv")).unwrap();
    let lines: Vec<&str> = rows.lines().collect();
    assert_eq!((lines.len(), lines[0]), (3, HEADER), "{rows}");
    assert!(lines[1].starts_with(&format!("{NIGHTLY_JOB},{PAYLOAD},,,2")), "{rows}");
    assert!(lines[2].starts_with(&format!("{UPGRADE_JOB},,,{PAYLOAD},2")), "{rows}");
    assert!(lines[2].contains(&harness.prow_jobs()[1].id) && lines[2].contains(",http"), "{rows}");
    harness.run("job", [&REQUIRED[..], &["--again"]].concat()).expect(0);
    assert_eq!(harness.prow_jobs().len(), 4);
    harness
        .run("job", ["run_required", "--channel", "4.19", "--file", "required.json", "--version", "4.19.1"])
        .expect(2);
    harness
        .run(
            "job",
            ["run_required", "--channel", "4.20, 4.21", "--file", "required.json", "--version", "4.20.5"],
        )
        .expect(2)
        .stderr
        .find("has no jobs for 4.21")
        .unwrap();
}

/// What another machine knows of the starts: nothing.
fn forget_starts(harness: &Harness) {
    std::fs::remove_dir_all(harness.home().join(".local/state/release-tests/starts")).unwrap();
}

#[test]
fn two_programs_that_start_one_key_take_turns_and_a_broken_memory_is_none() {
    let harness = Harness::with_prompt_pages();
    let key = "0198c0de-7000-7000-8000-000000000001";
    let arguments = [&RUN[..], &["--no-wait", "--key", key]].concat();
    harness.sandbox.faults().add(Fault::on("gangway", FaultKind::HangAfter).method("POST").times(1));
    let mut slow = harness.command("job", &arguments);
    slow.env("OAR_HTTP_TIMEOUT", "2").env("OAR_HTTP_RETRY_DELAY", "1");
    let first = slow.spawn().unwrap();
    let posts = |harness: &Harness| harness.sandbox.writes().len();
    let began = std::time::Instant::now();
    while posts(&harness) == 0 {
        assert!(began.elapsed() < std::time::Duration::from_secs(30), "no start");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    // A cron job beside a login: it has the same home, and no directory of a session.
    let session = harness.home().join("session");
    std::fs::create_dir(&session).unwrap();
    let mut second = harness.command("job", &arguments);
    second.env("XDG_RUNTIME_DIR", session);
    let second = finish(second).expect(0);
    assert!(second.stderr.contains("another program starts "), "{second:?}");
    wait(first);
    assert_eq!(harness.prow_jobs().len(), 1, "{}", harness.request_lines());
    // A file that a killed program left half-written names no run: the look at Prow finds it.
    let starts = harness.home().join(".local/state/release-tests/starts");
    for file in std::fs::read_dir(starts).unwrap() {
        std::fs::write(file.unwrap().path(), "{\"id\": \"").unwrap();
    }
    let third = harness.run("job", &arguments).expect(0);
    assert!(third.stderr.contains("The run was found by its key; no other was started."), "{third:?}");
    assert!(third.stdout.contains(&harness.prow_jobs()[0].id), "{third:?}");
    assert_eq!(harness.prow_jobs().len(), 1);
}

#[test]
fn a_lock_file_that_cannot_be_opened_is_looked_for_elsewhere_and_then_nothing_is_started() {
    let harness = Harness::with_prompt_pages();
    let state = harness.home().join(".local/state/release-tests");
    std::fs::create_dir_all(&state).unwrap();
    // It is there, and nobody can make a file in it.
    std::os::unix::fs::symlink("/proc/self/fdinfo", state.join("starts")).unwrap();
    let arguments = [&RUN[..], &["--no-wait"]].concat();
    let refused = harness.run("job", &arguments).expect(3);
    assert!(refused.stderr.contains("cannot open ") && refused.stderr.contains("set HOME or"), "{refused:?}");
    assert!(harness.prow_jobs().is_empty());
    let mut elsewhere = harness.command("job", &arguments);
    elsewhere.env("XDG_RUNTIME_DIR", harness.tools());
    finish(elsewhere).expect(0);
    assert_eq!(harness.prow_jobs().len(), 1);
}

#[test]
fn a_required_job_that_is_under_way_for_the_release_is_not_started_again() {
    let harness = requiring(Harness::with_prompt_pages(), &[NIGHTLY_JOB, UPGRADE_JOB]);
    // A person started one of them, and another one for another release.
    harness.run("job", RUN).expect(0);
    let other = PAYLOAD.replace("4.20.5", "4.20.4");
    harness.run("job", ["run", UPGRADE_JOB, "--upgrade_to", &other]).expect(0);
    let run = harness.run("job", REQUIRED).expect(0);
    assert_eq!(
        (run.stdout.matches("found ").count(), run.stdout.matches("started ").count()),
        (1, 1),
        "{run:?}"
    );
    assert_eq!(harness.prow_jobs().len(), 3);
    assert!(run.stdout.contains(&harness.prow_jobs()[0].id), "{run:?}");
    // This machine remembers both.
    harness.sandbox.world().prow.lock().lists_nothing = true;
    harness.sandbox.clear_requests();
    let run = harness.run("job", REQUIRED).expect(0);
    assert_eq!(run.stdout.matches("found ").count(), 2, "{run:?}");
    let asked = harness.sandbox.requests();
    assert!(asked.iter().all(|request| request.service != "gangway"), "{}", harness.request_lines());
    // Nobody knows what runs: nothing is started.
    forget_starts(&harness);
    let run = harness.run("job", REQUIRED).expect(4);
    assert!(run.stderr.contains("lists no run of it at all") && run.stderr.contains("--again"), "{run:?}");
    assert_eq!(harness.prow_jobs().len(), 3);
}

#[test]
fn required_jobs_are_told_their_images_by_the_table_of_variables() {
    let (arm, upgrade) =
        ("periodic-ci-demo-arm64-install", "periodic-ci-demo-arm64-upgrade-from-stable-4.19");
    let harness = requiring(Harness::new(), &[arm, upgrade]);
    let plan = harness.run("job", [&REQUIRED[..], &["--dry-run", "--output", "json"]].concat()).expect(0);
    let image = PAYLOAD.replace("x86_64", "aarch64");
    assert_eq!(
        plan.json()["jobs"],
        serde_json::json!([
            {"job": arm, "envs": {"RELEASE_IMAGE_LATEST": PAYLOAD, "RELEASE_IMAGE_ARM64_LATEST": image}},
            {"job": upgrade, "envs": {"RELEASE_IMAGE_LATEST": PAYLOAD, "RELEASE_IMAGE_ARM64_TARGET": image}},
        ])
    );
}

#[test]
fn required_jobs_that_are_started_again_are_carried_on_under_their_key() {
    let harness = requiring(Harness::new(), &[NIGHTLY_JOB, UPGRADE_JOB]);
    lose_answer_and_looks(&harness);
    let unclear = harness.run("job", [&REQUIRED[..], &["--again"]].concat()).expect(4);
    let key = hinted_key(&unclear);
    harness.sandbox.faults().clear();
    let run = harness.run("job", [&REQUIRED[..], &["--key", &key]].concat()).expect(0);
    assert_eq!(run.stdout.matches("found ").count(), 2, "{run:?}");
    assert_eq!(harness.prow_jobs().len(), 2);
    harness.run("job", [&REQUIRED[..], &["--key", &key, "--again"]].concat()).expect(2);
}

#[test]
fn a_required_job_that_is_unknown_does_not_stop_the_others() {
    let misspelt = |word: &str| NIGHTLY_JOB.replace("aws-demo", word);
    let (one, two) = (misspelt("aws-dmeo"), misspelt("aws-dem"));
    let harness = requiring(Harness::new(), &[&one, &two, NIGHTLY_JOB]);
    let run = harness.run("job", REQUIRED).expect(2);
    assert_eq!(run.stderr.matches("there is no periodic job").count(), 2, "{run:?}");
    assert!(!run.stderr.contains("may have acted"), "{run:?}");
    assert_eq!(run.stdout.matches("failed ").count(), 2, "{run:?}");
    assert_eq!(harness.prow_jobs().len(), 1);
    let trees = |request: &&sandbox::RecordedRequest| request.path.contains("/trees/");
    let trees = harness.sandbox.requests().iter().filter(trees).count();
    assert_eq!(trees, 1, "the names are read once: {}", harness.request_lines());
}
