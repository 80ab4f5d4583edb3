//! stage-testing in both flows: one build for one intent, its result, and everything that may come between.
#![expect(clippy::unwrap_used, reason = "tests say what they expect by failing")]

use std::time::{Duration, Instant};

use end_to_end::{ERRATA, Fault, FaultKind, Harness, KONFLUX, Run, wait};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use sandbox::scenario::gitlab::PROJECT;
use sandbox::scenario::jenkins::STAGE_JOB;
use sandbox::services::gitlab::MergeRequestState;

const POST: &str = "/job/zstreams/job/Stage-Pipeline/buildWithParameters";

fn stage(harness: &Harness, release: &str) -> Run {
    harness.oar(release, &["stage-testing"])
}

fn advance(harness: &Harness, seconds: i64) {
    harness.sandbox.clock().advance(jiff::SignedDuration::from_secs(seconds));
}

/// How many builds and waiting items of `release` there are.
fn builds(harness: &Harness, release: &str) -> usize {
    let mut state = harness.sandbox.world().jenkins.lock();
    state.advance(harness.sandbox.clock().now());
    let ours = |parameters: &[(String, serde_json::Value)]| {
        parameters.iter().any(|(name, value)| {
            name == "PULL_SPEC"
                && value.as_str().is_some_and(|value| value.ends_with(&format!(":{release}-x86_64")))
        })
    };
    let waiting = state.items.iter().filter(|item| item.left.is_none() && ours(&item.parameters)).count();
    let started =
        state.job_mut(STAGE_JOB).unwrap().builds.iter().filter(|build| ours(&build.parameters)).count();
    waiting + started
}

fn script(harness: &Harness, outcome: &str) {
    let mut state = harness.sandbox.world().jenkins.lock();
    let hour = jiff::SignedDuration::from_hours(1);
    state.job_mut(STAGE_JOB).unwrap().script.push_back((outcome.to_owned(), hour));
}

fn messages(harness: &Harness) -> usize {
    let slack = harness.sandbox.world().slack.lock();
    slack.messages.iter().filter(|message| message.text.contains("stage test")).count()
}

#[test]
fn a_build_is_started_followed_and_its_success_recorded() {
    for release in [KONFLUX, ERRATA] {
        let harness = Harness::on_staging(release);
        let run = stage(&harness, release).expect(0);
        let count = harness.sandbox.requests().len();
        assert!(count <= 15, "stage-testing made {count} requests:\n{}", harness.request_lines());
        assert!(run.stdout.contains("In Progress"), "{run:?}");
        assert!(
            !run.stderr.contains("triggered stage pipeline job:"),
            "the queue's number is no build: {run:?}"
        );

        // The build is known now; its address is told and logged for those who read it there.
        advance(&harness, 6);
        let run = stage(&harness, release).expect(0);
        let literal = "/jenkins/job/zstreams/job/Stage-Pipeline/1702/>";
        assert!(
            run.stderr.contains("triggered stage pipeline job: <http") && run.stderr.contains(literal),
            "{run:?}"
        );
        let state = harness.statebox(release).unwrap();
        assert!(state.contains("- name: stage-testing\n  status: In Progress\n"), "{state}");
        assert!(state.contains("    id: '1702'\n"), "{state}");
        let status = harness.oar(release, &["status"]).expect(0);
        assert!(status.stdout.contains("job/Stage-Pipeline/1702/"), "{status:?}");

        // While it runs, checks change nothing.
        harness.sandbox.clear_requests();
        let run = stage(&harness, release).expect(0);
        assert!(harness.sandbox.writes().is_empty(), "{:#?}", harness.sandbox.writes());
        assert_eq!(harness.statebox(release).unwrap(), state, "{run:?}");

        advance(&harness, 3 * 3600);
        stage(&harness, release).expect(0);
        let passed = harness.statebox(release).unwrap();
        assert!(passed.contains("- name: stage-testing\n  status: Pass\n"), "{passed}");
        let run = stage(&harness, release).expect(0);
        assert!(run.stdout.contains("nothing to do"), "{run:?}");
        assert_eq!(harness.statebox(release).unwrap(), passed, "a Pass is left alone");
        assert_eq!((builds(&harness, release), messages(&harness)), (1, 2));
        harness.sandbox.assert_no_unexpected();
        let checked = harness.home().join("state.yaml");
        std::fs::write(&checked, &passed).unwrap();
        harness.run("oarctl", ["statebox", "validate", checked.to_str().unwrap()]).expect(0);
    }
}

#[test]
fn results_are_told_apart_and_the_next_run_starts_anew() {
    for (outcome, class, words) in [
        ("FAILURE", "product", "ended with FAILURE"),
        ("UNSTABLE", "product", "UNSTABLE"),
        ("ABORTED", "infrastructure", "ABORTED"),
        ("NOT_BUILT", "infrastructure", "NOT_BUILT"),
    ] {
        let harness = Harness::on_staging(ERRATA);
        script(&harness, outcome);
        stage(&harness, ERRATA).expect(0);
        advance(&harness, 2 * 3600);
        let run = stage(&harness, ERRATA).expect(1);
        assert!(run.stderr.contains(words), "{run:?}");
        let state = harness.statebox(ERRATA).unwrap();
        assert!(state.contains("- name: stage-testing\n  status: Fail\n"), "{state}");
        assert!(state.contains(&format!("    class: {class}\n")), "{state}");
        assert!(state.contains("    links:\n"), "{state}");
        stage(&harness, ERRATA).expect(0);
        assert_eq!(builds(&harness, ERRATA), 2, "{outcome}");
    }
}

#[test]
fn a_cancelled_item_puts_the_task_back() {
    let harness = Harness::on_staging(ERRATA);
    harness.sandbox.world().jenkins.lock().busy = true;
    stage(&harness, ERRATA).expect(0);
    for item in &mut harness.sandbox.world().jenkins.lock().items {
        item.cancelled = true;
    }
    let run = stage(&harness, ERRATA).expect(1);
    assert!(run.stderr.contains("taken out of the queue"), "{run:?}");
    assert!(harness.statebox(ERRATA).unwrap().contains("- name: stage-testing\n  status: Not Started\n"));
}

#[test]
fn a_release_that_is_not_on_stage_yet_waits_without_a_job_and_without_a_failure() {
    let harness = Harness::on_staging(KONFLUX);
    {
        let mut gitlab = harness.sandbox.world().gitlab.lock();
        gitlab.merge_request_mut(5150, 612).unwrap().labels.clear();
        gitlab.pipelines.clear();
    }
    let before = harness.statebox(KONFLUX);
    let run = stage(&harness, KONFLUX).expect(6);
    assert!(run.stderr.contains("to stage"), "{run:?}");
    assert_eq!(harness.statebox(KONFLUX), before, "a wait is no Fail");
    assert_eq!(builds(&harness, KONFLUX), 0);
    assert!(harness.sandbox.writes().is_empty());
}

#[test]
fn a_build_of_another_release_is_refused_and_one_of_ours_is_taken() {
    let harness = Harness::on_staging(KONFLUX);
    let before = harness.statebox(KONFLUX);
    let run = harness.oar(KONFLUX, &["stage-testing", "-n", "1700"]).expect(2);
    assert!(run.stderr.contains("started for 4.19.12, not for 4.19.1"), "{run:?}");
    let run = harness.oar(KONFLUX, &["stage-testing", "--build-number", "99999"]).expect(2);
    assert!(run.stderr.contains("no build 99999"), "{run:?}");
    assert_eq!(harness.statebox(KONFLUX), before);
    harness.oar(KONFLUX, &["stage-testing", "-n", "0"]).expect(2);

    // Somebody started it by hand: named, or found because its parameters are ours.
    let now = harness.sandbox.clock().now();
    harness.sandbox.world().jenkins.lock().enqueue(STAGE_JOB, parameters(KONFLUX, ""), now);
    advance(&harness, 6);
    stage(&harness, KONFLUX).expect(0);
    assert_eq!(builds(&harness, KONFLUX), 1, "the running build is followed, none is started");
    advance(&harness, 4 * 3600);
    harness.oar(KONFLUX, &["stage-testing", "--build_number", "1702"]).expect(0);
    assert!(harness.statebox(KONFLUX).unwrap().contains("- name: stage-testing\n  status: Pass\n"));
}

#[test]
fn a_job_that_an_older_program_recorded_is_followed() {
    let harness = Harness::on_staging(KONFLUX);
    stage(&harness, KONFLUX).expect(0);
    advance(&harness, 6);
    stage(&harness, KONFLUX).expect(0);
    // The state as the Python reference leaves it: no job, the address in the result.
    let text = harness.statebox(KONFLUX).unwrap();
    let (before, after) = text.split_once("  job:\n").unwrap();
    let rest: Vec<&str> = after.lines().skip_while(|line| line.starts_with("    ")).collect();
    harness.put_statebox(KONFLUX, &format!("{before}{}\n", rest.join("\n")));
    let run = stage(&harness, KONFLUX).expect(0);
    assert_eq!(builds(&harness, KONFLUX), 1, "{run:?}");
    assert!(harness.statebox(KONFLUX).unwrap().contains("    id: '1702'\n"));
}

#[test]
fn a_dry_run_prints_the_build_and_sends_nothing() {
    for release in [KONFLUX, ERRATA] {
        let harness = Harness::on_staging(release);
        let before = harness.statebox(release);
        let run = harness.oar(release, &["stage-testing", "--dry-run"]).expect(0);
        assert!(run.stdout.contains("start the Jenkins job zstreams/Stage-Pipeline"), "{run:?}");
        assert!(run.stdout.contains(&format!("ocp-release:{release}-x86_64")), "{run:?}");
        assert!(run.stdout.contains("METADATA_AD") == (release == ERRATA), "{run:?}");
        assert!(harness.sandbox.writes().is_empty());
        assert_eq!(harness.statebox(release), before);
    }
}

#[test]
fn an_answer_that_never_came_starts_one_build() {
    for kind in [FaultKind::DropAfter, FaultKind::DropBefore, FaultKind::HangAfter, FaultKind::Garbage] {
        let harness = Harness::on_staging(ERRATA).env("OAR_HTTP_TIMEOUT", "0.5");
        harness.sandbox.faults().add(Fault::on("jenkins", kind.clone()).method("POST").path(POST));
        let run = stage(&harness, ERRATA);
        assert!(matches!(run.code, Some(0 | 4)), "{kind:?}: {run:?}");
        stage(&harness, ERRATA).expect(0);
        stage(&harness, ERRATA).expect(0);
        assert_eq!(builds(&harness, ERRATA), 1, "{kind:?}");
    }
}

#[test]
fn a_refused_trigger_is_a_failure_that_leaves_nothing_behind() {
    let harness = Harness::on_staging(ERRATA);
    harness.sandbox.world().jenkins.lock().accounts[0].may_build = false;
    let run = stage(&harness, ERRATA).expect(3);
    assert!(run.stderr.contains("Job/Build"), "{run:?}");
    let state = harness.statebox(ERRATA).unwrap();
    assert!(
        state.contains("- name: stage-testing\n  status: Not Started\n") && !state.contains("  job:\n"),
        "{state}"
    );
    harness.sandbox.world().jenkins.lock().accounts[0].may_build = true;
    stage(&harness, ERRATA).expect(0);
    assert_eq!(builds(&harness, ERRATA), 1);
}

/// The parameters of a build of `release` as somebody else would give them.
fn parameters(release: &str, metadata: &str) -> Vec<(String, serde_json::Value)> {
    let pull_spec = format!("quay.io/openshift-release-dev/ocp-release:{release}-x86_64");
    [("VERSION", &release[..4]), ("PULL_SPEC", &pull_spec), ("METADATA_AD", metadata)]
        .map(|(name, value)| (name.to_owned(), serde_json::json!(value)))
        .into_iter()
        .chain([("DRY_RUN".to_owned(), false.into()), ("CREDENTIAL".to_owned(), serde_json::Value::Null)])
        .collect()
}

#[test]
fn an_equal_item_that_waits_is_followed_and_no_failure() {
    let harness = Harness::on_staging(KONFLUX);
    // Somebody queued the same build after our look: Jenkins answers 303 with its item.
    harness.sandbox.world().jenkins.lock().busy = true;
    let now = harness.sandbox.clock().now();
    let item = harness.sandbox.world().jenkins.lock().enqueue(STAGE_JOB, parameters(KONFLUX, ""), now);
    let empty = FaultKind::Status {
        code: 200,
        body: Some(r#"{"_class": "hudson.model.Queue", "items": []}"#.to_owned()),
        headers: Vec::new(),
    };
    harness.sandbox.faults().add(Fault::on("jenkins", empty).path("/queue/api/json").times(1));
    let run = stage(&harness, KONFLUX).expect(0);
    assert_eq!(builds(&harness, KONFLUX), 1, "{run:?}");
    let state = harness.statebox(KONFLUX).unwrap();
    assert!(state.contains(&format!("    queue_item: '{item}'\n")), "{state}");
    assert!(state.contains("- name: stage-testing\n  status: In Progress\n"), "{state}");
}

#[test]
fn a_build_that_the_queue_refuses_is_said_and_leaves_nothing_behind() {
    let harness = Harness::on_staging(KONFLUX);
    harness.sandbox.world().jenkins.lock().vetoes = true;
    let run = stage(&harness, KONFLUX).expect(1);
    assert!(run.stderr.contains("nothing is queued") && run.stderr.contains("vetoed"), "{run:?}");
    assert!(!harness.statebox(KONFLUX).unwrap().contains("  job:\n"));
    harness.sandbox.world().jenkins.lock().vetoes = false;
    stage(&harness, KONFLUX).expect(0);
    assert_eq!(builds(&harness, KONFLUX), 1);
}

#[test]
fn a_job_that_would_drop_or_refuse_a_parameter_is_not_started() {
    for (change, words) in [
        (
            serde_json::json!({"operation": "undefine", "parameter": "METADATA_AD"}),
            "does not define METADATA_AD",
        ),
        (
            serde_json::json!({"operation": "define", "parameter": "VERSION", "choices": ["4.13"]}),
            "VERSION does not list `4.14`",
        ),
    ] {
        let harness = Harness::on_staging(ERRATA);
        let before = harness.statebox(ERRATA);
        {
            let mut state = harness.sandbox.world().jenkins.lock();
            let job = state.job_mut(STAGE_JOB).unwrap();
            let parameter = change["parameter"].as_str().unwrap();
            if change["operation"] == "undefine" {
                job.parameters.retain(|(name, _)| name != parameter);
            } else {
                job.choices.insert(parameter.to_owned(), vec!["4.13".to_owned()]);
            }
        }
        let run = stage(&harness, ERRATA).expect(6);
        assert!(run.stderr.contains(words), "{run:?}");
        assert_eq!((builds(&harness, ERRATA), harness.statebox(ERRATA)), (0, before));
    }
}

#[test]
fn a_build_that_runs_without_what_was_asked_for_does_not_count() {
    // A Jenkins that does not report the job's parameters: it silently drops the parameter.
    let harness = Harness::on_staging(ERRATA);
    {
        let mut state = harness.sandbox.world().jenkins.lock();
        let job = state.job_mut(STAGE_JOB).unwrap();
        job.parameters.retain(|(name, _)| name != "METADATA_AD");
    }
    let silent = FaultKind::Status {
        code: 200,
        body: Some(
            r#"{"_class": "org.jenkinsci.plugins.workflow.job.WorkflowJob", "builds": []}"#.to_owned(),
        ),
        headers: Vec::new(),
    };
    harness.sandbox.faults().add(Fault::on("jenkins", silent).path("*/Stage-Pipeline/api/json").times(1));
    let run = stage(&harness, ERRATA).expect(1);
    assert!(run.stderr.contains("no METADATA_AD") && run.stderr.contains("does not count"), "{run:?}");
    let state = harness.statebox(ERRATA).unwrap();
    assert!(state.contains("- name: stage-testing\n  status: Fail\n"), "{state}");
    assert!(state.contains("    state: OTHER_PARAMETERS\n"), "{state}");
    assert_eq!(messages(&harness), 0, "nobody is told that a test runs");
}

#[test]
fn a_job_that_is_hidden_now_is_unknown_and_not_gone() {
    let harness = Harness::on_staging(ERRATA);
    stage(&harness, ERRATA).expect(0);
    advance(&harness, 6);
    stage(&harness, ERRATA).expect(0);
    let before = harness.statebox(ERRATA);
    let visible = |visible| {
        harness.sandbox.world().jenkins.lock().job_mut(STAGE_JOB).unwrap().visible = visible;
    };
    for seen in [sandbox::services::jenkins::Visible::Nothing, sandbox::services::jenkins::Visible::Name] {
        visible(seen);
        let run = stage(&harness, ERRATA).expect(4);
        assert!(run.stderr.contains("JENKINS_USER") || run.stderr.contains("JENKINS_TOKEN"), "{run:?}");
        assert_eq!(harness.statebox(ERRATA), before, "{seen:?}");
    }
    visible(sandbox::services::jenkins::Visible::Whole);
    stage(&harness, ERRATA).expect(0);
    assert_eq!(builds(&harness, ERRATA), 1);
}

#[test]
fn an_outage_of_jenkins_is_no_failure_of_the_release() {
    for kind in [
        FaultKind::Status { code: 503, body: None, headers: Vec::new() },
        FaultKind::Status { code: 422, body: Some("{}".to_owned()), headers: Vec::new() },
        FaultKind::Status { code: 200, body: Some("{}".to_owned()), headers: Vec::new() },
        FaultKind::Garbage,
        FaultKind::DropBefore,
    ] {
        let harness = Harness::on_staging(KONFLUX).env("OAR_HTTP_RETRY_DELAY", "1");
        harness.sandbox.faults().add(Fault::on("jenkins", kind.clone()).forever());
        let run = stage(&harness, KONFLUX);
        assert_eq!(run.code, Some(4), "{kind:?}: {run:?}");
        let state = harness.statebox(KONFLUX).unwrap();
        assert!(!state.contains("status: Fail"), "{kind:?}: {state}");
        harness.sandbox.faults().clear();
        stage(&harness, KONFLUX).expect(0);
        assert_eq!(builds(&harness, KONFLUX), 1, "{kind:?}");
    }
    // A Jenkins that just starts: nothing was done at the trigger.
    let harness = Harness::on_staging(KONFLUX);
    let body = Some("<html>Please wait while Jenkins is getting ready to work ...</html>".to_owned());
    let starting = FaultKind::Status { code: 503, body, headers: Vec::new() };
    harness.sandbox.faults().add(Fault::on("jenkins", starting).method("POST"));
    stage(&harness, KONFLUX).expect(4);
    let state = harness.statebox(KONFLUX).unwrap();
    assert!(state.contains("- name: stage-testing\n  status: Not Started\n"), "{state}");
    assert!(!state.contains("  job:\n"), "{state}");
}

/// A run of ART's stage test with this payload: one that has passed, or one that runs.
fn art_test(harness: &Harness, pull_spec: &str, passed: bool) -> String {
    let job = sandbox::scenario::prow::stage_testing_job("4.19");
    let envs = [("RELEASE_IMAGE_LATEST".to_owned(), pull_spec.to_owned())];
    let now = harness.sandbox.clock().now();
    let none = std::collections::BTreeMap::new();
    let id = {
        let mut prow = harness.sandbox.world().prow.lock();
        prow.start(&job, envs.into(), none.clone(), none, now).id
    };
    advance(harness, if passed { 6 * 3600 } else { 60 });
    id
}

fn label(harness: &Harness, label: &str) {
    let mut gitlab = harness.sandbox.world().gitlab.lock();
    gitlab.merge_request_mut(5150, 612).unwrap().labels.push(label.to_owned());
}

const OURS: &str = "quay.io/openshift-release-dev/ocp-release:4.19.1-x86_64";

#[test]
fn a_stage_test_of_art_for_this_payload_is_shown_and_a_person_decides() {
    for (passed, words) in [(true, "of exactly this payload passed"), (false, "of exactly this payload is")] {
        let harness = Harness::on_staging(KONFLUX);
        let id = art_test(&harness, OURS, passed);
        let before = harness.statebox(KONFLUX);
        let run = stage(&harness, KONFLUX).expect(6);
        assert!(run.stderr.contains(words) && run.stderr.contains("stage-testing --again"), "{run:?}");
        assert!(run.stderr.contains("/view/gs/") || run.stderr.contains(&id), "{run:?}");
        assert_eq!(run.stderr.contains("task set stage-testing Pass"), passed, "{run:?}");
        assert_eq!((builds(&harness, KONFLUX), harness.statebox(KONFLUX)), (0, before));
        harness.oar(KONFLUX, &["stage-testing", "--again"]).expect(0);
        assert_eq!(builds(&harness, KONFLUX), 1);
    }
}

#[test]
fn the_label_alone_is_shown_and_another_payload_is_no_evidence() {
    let harness = Harness::on_staging(KONFLUX);
    art_test(&harness, "quay.io/openshift-release-dev/ocp-release:4.19.12-x86_64", true);
    art_test(&harness, "registry.ci.openshift.org/ocp/release:4.19.0-0.nightly-2026-06-20-101010", true);
    label(&harness, "stage-testing-success");
    let run = stage(&harness, KONFLUX).expect(6);
    assert!(run.stderr.contains("stage-testing-success") && run.stderr.contains("which payload"), "{run:?}");
    assert_eq!(builds(&harness, KONFLUX), 0);
    {
        let mut gitlab = harness.sandbox.world().gitlab.lock();
        gitlab.merge_request_mut(5150, 612).unwrap().labels.retain(|label| label != "stage-testing-success");
    }
    stage(&harness, KONFLUX).expect(0);
    assert_eq!(builds(&harness, KONFLUX), 1);
}

#[test]
fn what_cannot_be_seen_of_art_s_test_does_not_stop_ours() {
    let outage = FaultKind::Status { code: 503, body: None, headers: Vec::new() };
    for token in [true, false] {
        let harness = Harness::on_staging(KONFLUX).env("OAR_HTTP_RETRY_DELAY", "1");
        let harness = if token { harness } else { harness.env("APITOKEN", "") };
        harness.sandbox.faults().add(Fault::on("gangway", outage.clone()).forever());
        let run = stage(&harness, KONFLUX).expect(0);
        assert!(run.stderr.contains("runs of ART's stage test cannot be looked for"), "{run:?}");
        assert_eq!(builds(&harness, KONFLUX), 1);
    }
}

#[test]
fn two_runs_at_the_same_time_start_one_build() {
    let harness = Harness::on_staging(ERRATA);
    let children: Vec<_> =
        (0..4).map(|_| harness.command("oar", ["-r", ERRATA, "stage-testing"]).spawn().unwrap()).collect();
    for child in children {
        let run = wait(child);
        assert!(matches!(run.code, Some(0 | 5)), "{run:?}");
    }
    assert_eq!(builds(&harness, ERRATA), 1);
}

#[test]
fn with_wait_the_command_follows_the_build_to_its_end() {
    let harness = Harness::on_staging(KONFLUX).env("OAR_WAIT_INTERVAL", "1");
    let arguments = ["-r", KONFLUX, "stage-testing", "--wait", "--output", "json"];
    let child = harness.command("oar", arguments).spawn().unwrap();
    let started = Instant::now();
    while builds(&harness, KONFLUX) == 0 {
        assert!(started.elapsed() < Duration::from_mins(1), "no build");
        std::thread::sleep(Duration::from_millis(20));
    }
    advance(&harness, 60);
    std::thread::sleep(Duration::from_millis(1500));
    advance(&harness, 3 * 3600);
    let run = wait(child).expect(0);
    assert_eq!(run.json()["status"], "Pass", "one document, of the last look: {run:?}");
    assert_eq!(run.stderr.matches("Checking again every").count(), 1, "{run:?}");
    let told: Vec<&str> = run.stderr.lines().filter(|line| line.starts_with("stage-testing of")).collect();
    assert!(!told.is_empty() && told.windows(2).all(|pair| pair[0] != pair[1]), "changes only: {run:?}");
    assert_eq!(builds(&harness, KONFLUX), 1);
    {
        let slack = harness.sandbox.world().slack.lock();
        let mut texts: Vec<&str> = slack.messages.iter().map(|message| message.text.as_str()).collect();
        texts.sort_unstable();
        assert!(texts.windows(2).all(|pair| pair[0] != pair[1]), "told once each: {texts:#?}");
    }
    let again = stage(&harness, KONFLUX).expect(0);
    assert!(again.stdout.contains("nothing to do"), "{again:?}");
}

#[test]
fn a_wait_that_is_ended_by_ctrl_c_says_so_and_the_build_goes_on() {
    let harness = Harness::on_staging(KONFLUX);
    let child = harness.command("oar", ["-r", KONFLUX, "stage-testing", "--wait"]).spawn().unwrap();
    let started = Instant::now();
    while !harness.statebox(KONFLUX).unwrap().contains("    outcome: In Progress\n") {
        assert!(started.elapsed() < Duration::from_mins(1), "no build");
        std::thread::sleep(Duration::from_millis(20));
    }
    // What is left before the first pause takes no request.
    std::thread::sleep(Duration::from_millis(300));
    kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), Signal::SIGINT).unwrap();
    let run = wait(child).expect(130);
    assert!(run.stderr.contains("stopped waiting; the task continues"), "{run:?}");
    assert!(run.stdout.contains("stage-testing of 4.19.1: In Progress"), "{run:?}");
    assert_eq!(builds(&harness, KONFLUX), 1);
}

#[test]
fn the_parameters_of_a_job_are_no_changes_of_their_own() {
    let harness = Harness::on_staging(KONFLUX);
    let run = harness.oar(KONFLUX, &["stage-testing", "--dry-run"]).expect(0);
    assert!(run.stdout.contains("dry run: 1 change would be made\n  1. start the"), "{run:?}");
    assert!(run.stdout.contains("\n     with VERSION: 4.19\n"), "{run:?}");
}

#[test]
fn nothing_starts_before_the_push_and_the_stage_release() {
    let harness = Harness::announced(KONFLUX);
    let status = harness.oar(KONFLUX, &["status"]).expect(0).stdout;
    assert!(status.contains("waits for push-to-cdn-staging"), "{status}");
    for command in ["stage-testing", "image-consistency-check"] {
        let run = harness.oar(KONFLUX, &[command]).expect(6);
        assert!(run.stderr.contains("push-to-cdn-staging is Not Started, and must be Pass"), "{run:?}");
    }
    // What would be done can be seen before.
    let run = harness.oar(KONFLUX, &["stage-testing", "--dry-run"]).expect(0);
    assert!(
        run.stdout.contains("start the Jenkins job") && run.stdout.contains("not started yet"),
        "{run:?}"
    );
    harness.pass(KONFLUX, "push-to-cdn-staging");
    let merge_request = |title: &str, state: MergeRequestState| {
        let world = harness.sandbox.world();
        let mut gitlab = world.gitlab.lock();
        let request = gitlab.merge_request_mut(PROJECT, 612).unwrap();
        title.clone_into(&mut request.title);
        request.state = state;
    };
    let stage_job = |status: &str| {
        let world = harness.sandbox.world();
        let mut gitlab = world.gitlab.lock();
        for job in gitlab.pipelines.iter_mut().flat_map(|pipeline| &mut pipeline.bridges) {
            if job.name == "stage-job" {
                status.clone_into(&mut job.status);
            }
        }
    };
    let refused = |words: &str| {
        for command in ["stage-testing", "image-consistency-check"] {
            let run = harness.oar(KONFLUX, &[command]).expect(6);
            assert!(run.stderr.contains(words), "{command}, {words}: {run:?}");
        }
        assert_eq!((builds(&harness, KONFLUX), harness.prow_jobs().len()), (0, 0));
    };
    merge_request("Draft: Shipment for 4.19.1", MergeRequestState::Opened);
    refused("is a draft");
    merge_request("Shipment for 4.19.1", MergeRequestState::Closed);
    refused("is closed, not open");
    merge_request("Shipment for 4.19.1", MergeRequestState::Opened);
    // The label is there, and older than what runs now.
    for status in ["running", "created", "failed", "manual"] {
        stage_job(status);
        refused(&format!("stage-job of pipeline 910002 is {status}"));
    }
    stage_job("success");
    stage(&harness, KONFLUX).expect(0);
    harness.oar(KONFLUX, &["image-consistency-check"]).expect(0);
    harness.sandbox.assert_no_unexpected();
}
