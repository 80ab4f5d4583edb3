//! image-consistency-check in both flows: one Prow job for one intent, its result, and everything between.

use end_to_end::{ERRATA, Fault, FaultKind, Harness, KONFLUX, Run};
use sandbox::scenario::prow::IMAGE_CONSISTENCY_JOB;
use sandbox::services::prow::JobState;
use std::time::Duration;

fn check(harness: &Harness, release: &str) -> Run {
    harness.oar(release, &["image-consistency-check"])
}

fn advance(harness: &Harness, seconds: i64) {
    harness.sandbox.clock().advance(jiff::SignedDuration::from_secs(seconds));
}

fn jobs(harness: &Harness) -> usize {
    harness.sandbox.world().prow.lock().jobs.len()
}

fn started(harness: &Harness, release: &str) -> String {
    let envs = [(
        "MULTISTAGE_PARAM_OVERRIDE_PAYLOAD_URL".to_owned(),
        format!("quay.io/openshift-release-dev/ocp-release:{release}-x86_64"),
    )];
    let now = harness.sandbox.clock().now();
    let none = std::collections::BTreeMap::new();
    let mut prow = harness.sandbox.world().prow.lock();
    prow.start(IMAGE_CONSISTENCY_JOB, envs.into(), none.clone(), none, now).id
}

fn messages(harness: &Harness) -> usize {
    let slack = harness.sandbox.world().slack.lock();
    slack.messages.iter().filter(|message| message.text.contains("image consistency check")).count()
}

#[test]
fn a_job_is_started_within_the_budget_followed_and_its_images_decide() {
    let harness = Harness::on_staging(KONFLUX);
    let run = check(&harness, KONFLUX).expect(0);
    let count = harness.sandbox.requests().len();
    assert!(count <= 12, "image-consistency-check made {count} requests:\n{}", harness.request_lines());
    let id = harness.sandbox.world().prow.lock().jobs[0].id.clone();
    assert!(run.stderr.contains(&format!("Triggered image consistency check Prow job: {id}\n")), "{run:?}");
    let job = harness.sandbox.world().prow.lock().jobs[0].clone();
    let env = |name: &str| job.envs.get(name).cloned().unwrap_or_default();
    assert_eq!(
        env("MULTISTAGE_PARAM_OVERRIDE_PAYLOAD_URL"),
        "quay.io/openshift-release-dev/ocp-release:4.19.1-x86_64"
    );
    assert_eq!(env("MULTISTAGE_PARAM_OVERRIDE_MERGE_REQUEST_ID"), "612");
    let state = harness.statebox(KONFLUX).unwrap();
    assert!(state.contains("- name: image-consistency-check\n  status: In Progress\n"), "{state}");
    assert!(state.contains(&format!("Triggered image consistency check Prow job: {id}")), "{state}");

    // Its page is known when its pod runs; after that a look changes nothing.
    advance(&harness, 60);
    check(&harness, KONFLUX).expect(0);
    let state = harness.statebox(KONFLUX).unwrap();
    assert!(state.contains("/view/gs/test-platform-results/logs/"), "{state}");
    harness.sandbox.clear_requests();
    check(&harness, KONFLUX).expect(0);
    assert!(harness.sandbox.writes().is_empty(), "{:#?}", harness.sandbox.writes());
    assert_eq!(harness.statebox(KONFLUX).unwrap(), state);

    advance(&harness, 3600);
    let run = check(&harness, KONFLUX);
    assert!(matches!(run.code, Some(0 | 1 | 4)), "{run:?}");
    let state = harness.statebox(KONFLUX).unwrap();
    assert!(state.contains("    state: success\n"), "{state}\n{run:?}");
    assert_eq!((jobs(&harness), messages(&harness)), (1, 1), "{run:?}");
    harness.sandbox.assert_no_unexpected();

    // Whatever the images' health is, the job is not started again for it.
    check(&harness, KONFLUX);
    assert_eq!(jobs(&harness), 1);
}

#[test]
fn an_errata_release_is_refused_before_a_job_and_takes_one_that_is_named() {
    let harness = Harness::on_staging(ERRATA);
    let before = harness.statebox(ERRATA);
    let run = check(&harness, ERRATA).expect(6);
    assert!(run.stderr.contains("no shipment merge request") && run.stderr.contains("-i JOB_ID"), "{run:?}");
    assert_eq!((harness.statebox(ERRATA), jobs(&harness)), (before, 0));
    let id = started(&harness, ERRATA);
    advance(&harness, 3600);
    let run = harness.oar(ERRATA, &["image-consistency-check", "--job_id", &id]);
    assert!(matches!(run.code, Some(0 | 1 | 4)), "{run:?}");
    assert!(harness.statebox(ERRATA).unwrap().contains("    state: success\n"), "{run:?}");
}

#[test]
fn bad_ends_are_told_apart_and_the_next_run_starts_anew() {
    for (outcome, status, class) in [
        (JobState::Failure, "Fail", "product"),
        (JobState::Aborted, "Not Started", "infrastructure"),
        (JobState::Error, "Not Started", "infrastructure"),
    ] {
        let harness = Harness::on_staging(KONFLUX);
        let minute = jiff::SignedDuration::from_mins(1);
        harness.sandbox.world().prow.lock().script(IMAGE_CONSISTENCY_JOB, outcome, minute);
        check(&harness, KONFLUX).expect(0);
        advance(&harness, 120);
        check(&harness, KONFLUX).expect(1);
        let state = harness.statebox(KONFLUX).unwrap();
        assert!(state.contains(&format!("- name: image-consistency-check\n  status: {status}\n")), "{state}");
        assert!(state.contains(&format!("    class: {class}\n")), "{state}");
        assert!(state.contains("    links:\n"), "{state}");
        check(&harness, KONFLUX).expect(0);
        assert_eq!(jobs(&harness), 2, "{outcome:?}");
    }
}

#[test]
fn a_job_of_another_release_is_refused() {
    let harness = Harness::on_staging(KONFLUX);
    let before = harness.statebox(KONFLUX);
    let other = started(&harness, "4.19.12");
    let run = harness.oar(KONFLUX, &["image-consistency-check", "-i", &other]).expect(2);
    assert!(run.stderr.contains("started for 4.19.12, not for 4.19.1"), "{run:?}");
    let run = harness.oar(KONFLUX, &["image-consistency-check", "-i", "00000000-none"]).expect(2);
    assert!(run.stderr.contains("unknown to Prow"), "{run:?}");
    assert_eq!(harness.statebox(KONFLUX), before);
    harness.oar(KONFLUX, &["image-consistency-check", "-i", "../x"]).expect(2);
}

#[test]
fn a_job_that_an_older_program_recorded_is_followed() {
    // Without the push: the job was started, and is followed.
    let harness = Harness::announced(KONFLUX);
    let id = started(&harness, KONFLUX);
    let text = harness.statebox(KONFLUX).unwrap();
    let task = format!(
        "tasks:\n- name: image-consistency-check\n  status: In Progress\n  started_at: '2026-07-01T10:00:00Z'\n  \
         completed_at: null\n  result: |-\n    2026-07-01T10:00:00Z: INFO: Triggered image consistency check Prow job: \
         {id}\n    2026-07-01T10:00:01Z: INFO: https://prow.example.test/view/1\n"
    );
    harness.put_statebox(KONFLUX, &text.replace("tasks: []\n", &task));
    advance(&harness, 60);
    check(&harness, KONFLUX).expect(0);
    assert_eq!(jobs(&harness), 1);
    let state = harness.statebox(KONFLUX).unwrap();
    assert!(state.contains(&format!("    id: {id}\n")), "{state}");
    assert_eq!(messages(&harness), 0, "whoever started it has told");
}

/// Starts the job as the Python original does, with these variables.
fn started_elsewhere(harness: &Harness, release: &str, merge_request: &str) -> String {
    let envs = [
        (
            "MULTISTAGE_PARAM_OVERRIDE_PAYLOAD_URL".to_owned(),
            format!("quay.io/openshift-release-dev/ocp-release:{release}-x86_64"),
        ),
        ("MULTISTAGE_PARAM_OVERRIDE_MERGE_REQUEST_ID".to_owned(), merge_request.to_owned()),
    ];
    let now = harness.sandbox.clock().now();
    let none = std::collections::BTreeMap::new();
    let mut prow = harness.sandbox.world().prow.lock();
    prow.start(IMAGE_CONSISTENCY_JOB, envs.into(), none.clone(), none, now).id
}

#[test]
fn a_job_that_somebody_else_started_with_our_parameters_is_followed() {
    let harness = Harness::on_staging(KONFLUX);
    let id = started_elsewhere(&harness, KONFLUX, "612");
    advance(&harness, 60);
    let run = check(&harness, KONFLUX).expect(0);
    assert_eq!(jobs(&harness), 1, "{run:?}");
    let state = harness.statebox(KONFLUX).unwrap();
    assert!(state.contains(&format!("    id: {id}\n")), "{state}");
    assert_eq!(messages(&harness), 0, "whoever started it has told");
}

#[test]
fn a_job_that_ended_or_tests_something_else_is_not_ours() {
    let harness = Harness::on_staging(KONFLUX);
    started_elsewhere(&harness, KONFLUX, "612");
    advance(&harness, 6 * 3600);
    started_elsewhere(&harness, KONFLUX, "613");
    started_elsewhere(&harness, "4.19.12", "612");
    check(&harness, KONFLUX).expect(0);
    assert_eq!(jobs(&harness), 4);
}

#[test]
fn when_it_cannot_be_seen_whether_the_job_runs_none_is_started() {
    let outage = FaultKind::Status { code: 503, body: None, headers: Vec::new() };
    for service in ["gangway", "prow"] {
        let harness = Harness::on_staging(KONFLUX).env("OAR_HTTP_RETRY_DELAY", "1");
        started_elsewhere(&harness, KONFLUX, "612");
        advance(&harness, 60);
        harness.sandbox.faults().add(Fault::on(service, outage.clone()).forever());
        check(&harness, KONFLUX).expect(4);
        assert_eq!(jobs(&harness), 1, "{service}");
        let state = harness.statebox(KONFLUX).unwrap();
        assert!(!state.contains("status: Fail"), "{service}: {state}");
        harness.sandbox.faults().clear();
        check(&harness, KONFLUX).expect(0);
        assert_eq!(jobs(&harness), 1, "{service}");
    }
}

#[test]
fn a_dry_run_prints_the_job_and_sends_nothing() {
    let harness = Harness::on_staging(KONFLUX);
    let run = harness.oar(KONFLUX, &["image-consistency-check", "--dry-run"]).expect(0);
    assert!(run.stdout.contains(&format!("start the Prow job {IMAGE_CONSISTENCY_JOB}")), "{run:?}");
    assert!(run.stdout.contains("4.19.1-x86_64") && run.stdout.contains("612"), "{run:?}");
    assert!(harness.sandbox.writes().is_empty());
    assert_eq!(jobs(&harness), 0);
}

#[test]
fn a_missing_token_is_named_and_changes_nothing() {
    let harness = Harness::new().env("APITOKEN", "");
    harness.oar(KONFLUX, &["create-test-report"]).expect(0);
    harness.pass(KONFLUX, "push-to-cdn-staging");
    let run = check(&harness, KONFLUX).expect(3);
    assert!(run.stderr.contains("APITOKEN"), "{run:?}");
    assert_eq!(jobs(&harness), 0);
}

#[test]
fn an_answer_that_never_came_starts_one_job() {
    for annotations in [true, false] {
        for kind in [FaultKind::DropAfter, FaultKind::DropBefore, FaultKind::HangAfter, FaultKind::Garbage] {
            let harness = Harness::on_staging(KONFLUX).env("OAR_HTTP_TIMEOUT", "0.5");
            harness.sandbox.world().prow.lock().drops_annotations = !annotations;
            harness.sandbox.faults().add(Fault::on("gangway", kind.clone()).method("POST"));
            let run = check(&harness, KONFLUX);
            assert!(matches!(run.code, Some(0 | 4)), "{kind:?}: {run:?}");
            check(&harness, KONFLUX).expect(0);
            assert_eq!(jobs(&harness), 1, "{kind:?}");
        }
    }
}

#[test]
fn a_rate_limit_is_waited_out_and_an_outage_of_prow_is_no_failure() {
    let harness = Harness::on_staging(KONFLUX);
    harness
        .sandbox
        .faults()
        .add(Fault::on("gangway", FaultKind::RateLimited { retry_after: 0 }).method("POST"));
    check(&harness, KONFLUX).expect(0);
    assert_eq!(jobs(&harness), 1);
    let state = harness.statebox(KONFLUX);
    let outage = FaultKind::Status { code: 503, body: None, headers: Vec::new() };
    harness.sandbox.faults().add(Fault::on("prow", outage).forever());
    let run = check(&harness, KONFLUX).expect(4);
    assert!(run.stderr.contains("cannot be read"), "{run:?}");
    assert_eq!(harness.statebox(KONFLUX), state, "the job runs; only the look failed");
}

#[test]
fn two_hundred_and_forty_images_need_a_third_of_the_reference_s_connections() {
    let scenario = end_to_end::matrix::scenario("image_consistency_result");
    let world = scenario.prepared(Duration::ZERO);
    world.run().expect(0);
    let looked_at = world.harness.sandbox.world().catalog.lock().images.len();
    let connections = world.harness.sandbox.connections();
    assert_eq!(looked_at, 240);
    assert!(connections * 3 <= 264, "{connections} connections");
}

#[test]
fn a_pass_without_the_note_on_the_merge_request_is_none() {
    let scenario = end_to_end::matrix::scenario("image_consistency_result");
    let world = scenario.prepared(Duration::ZERO);
    let refuses = FaultKind::Status { code: 500, body: None, headers: Vec::new() };
    world.harness.sandbox.faults().add(Fault::on("gitlab", refuses).method("POST").path("*/notes").forever());
    let run = world.run().expect(4);
    assert!(run.stderr.contains("error: "), "{run:?}");
    let passed = "- name: image-consistency-check\n  status: Pass\n";
    assert!(!world.harness.statebox(KONFLUX).unwrap_or_default().contains(passed), "{run:?}");
    world.harness.sandbox.faults().clear();
    let run = world.run().expect(0);
    assert!(run.stdout.contains("write the image health on"), "{run:?}");
}

/// Messages about unhealthy images.
fn unhealthy(harness: &Harness) -> Vec<String> {
    let slack = harness.sandbox.world().slack.lock();
    let texts = slack.messages.iter().map(|message| message.text.clone());
    texts.filter(|text| text.contains("unhealthy")).collect()
}

#[test]
fn unhealthy_images_are_told_once() {
    let harness = Harness::on_staging(KONFLUX);
    let digest = sandbox::scenario::catalog::digest(3);
    assert!(harness.sandbox.world().catalog.lock().set_grade(&digest, "D"));
    check(&harness, KONFLUX).expect(0);
    advance(&harness, 3600);
    check(&harness, KONFLUX).expect(1);
    let told = unhealthy(&harness);
    assert_eq!(told.len(), 1, "{told:#?}");
    assert!(told[0].contains("1 of 32 images are unhealthy") && told[0].contains(": D"), "{told:#?}");
    check(&harness, KONFLUX).expect(1);
    assert_eq!(unhealthy(&harness).len(), 1, "nobody is told the same twice");
}

#[test]
fn unhealthy_advisories_are_told_with_their_builds() {
    let harness = Harness::on_staging(ERRATA);
    let nvr = {
        let world = harness.sandbox.world();
        let mut errata = world.errata.lock();
        let Some(advisory) = errata.advisory_mut(140_002) else { panic!("no advisory") };
        advisory.grade = Some('C');
        let nvr = advisory.builds[0].nvr.clone();
        let grades =
            Some(vec![sandbox::services::catalog::GradeWindow::since("C", "2026-01-01T00:00:00+00:00")]);
        world.pyxis.lock().builds.insert(nvr.clone(), vec![("amd64".to_owned(), grades)]);
        nvr
    };
    let id = started(&harness, ERRATA);
    advance(&harness, 3600);
    harness.oar(ERRATA, &["image-consistency-check", "--job_id", &id]).expect(1);
    let told = unhealthy(&harness);
    assert_eq!(told.len(), 1, "{told:#?}");
    assert!(told[0].contains("140002") && told[0].contains(&nvr) && !told[0].contains("140004"), "{told:#?}");
}
