//! change-advisory-status on both flows: what it does, what it refuses, and that it does nothing twice.

use end_to_end::approval::{PREDECESSORS, acts, approved_by, is_closed, publish, ready, state_of};
use end_to_end::{ERRATA, Harness, KONFLUX};
use sandbox::scenario::brew::{ERRATA_IMAGE, KERNEL};
use sandbox::scenario::registry::PAYLOADS;
use sandbox::services::errata::AdvisoryState;
use sandbox::services::gitlab::MergeRequestState;
use sandbox::services::registry::Payload;

const APPROVE: [&str; 2] = ["change-advisory-status", "--yes"];
const APPROVE_ONLY: [&str; 3] = ["change-advisory-status", "--yes", "--no-watch"];

#[test]
fn an_errata_release_is_approved_and_a_second_run_does_nothing() {
    let harness = ready(ERRATA);
    let run = harness.oar(ERRATA, &APPROVE).expect(0);
    let count = harness.sandbox.requests().len();
    assert!(count <= 50, "{count} requests:\n{}", harness.request_lines());
    assert!(run.stderr.contains("task [Change Advisory Status] status is changed to [Pass]"), "{run:?}");
    for id in [140_001, 140_002, 140_004, 140_005] {
        assert_eq!(state_of(&harness, id), AdvisoryState::RelPrep, "{id}");
    }
    assert_eq!(state_of(&harness, 140_003), AdvisoryState::DroppedNoShip);
    assert!(is_closed(&harness, ERRATA));
    harness.sandbox.assert_no_unexpected();
    assert!(harness.statebox(ERRATA).unwrap().contains("- name: change-advisory-status\n  status: Pass\n"));
    harness.sandbox.clear_requests();
    let again = harness.oar(ERRATA, &APPROVE).expect(0);
    assert!(again.stdout.contains("nothing to do"), "{again:?}");
    assert_eq!(acts(&harness), Vec::<String>::new());
}

#[test]
fn a_konflux_release_waits_for_its_own_metadata_url_and_goes_on_when_it_is_up() {
    let harness = ready(KONFLUX);
    let run = harness.oar(KONFLUX, &APPROVE_ONLY).expect(0);
    assert!(run.stdout.contains("approve shipment merge request"), "{run:?}");
    let state = harness.statebox(KONFLUX).unwrap();
    assert!(
        state.contains("for: the metadata URL of quay.io/openshift-release-dev/ocp-release:4.19.1-x86_64"),
        "{state}"
    );
    assert!(state.contains("status: In Progress") && state.contains("is not up (HTTP 404)"), "{state}");
    assert_eq!(approved_by(&harness).len(), 1);
    assert_eq!(state_of(&harness, 150_001), AdvisoryState::Qe);
    assert!(!is_closed(&harness, KONFLUX), "subtasks close when all is done");
    let status = harness.oar(KONFLUX, &["status"]).expect(0);
    assert!(status.stdout.contains("waits for the metadata URL"), "{}", status.stdout);

    harness.sandbox.clear_requests();
    harness.oar(KONFLUX, &APPROVE_ONLY).expect(0);
    assert_eq!(acts(&harness), Vec::<String>::new(), "a look changes nothing");
    assert_eq!(harness.statebox(KONFLUX).unwrap(), state);

    publish(&harness);
    harness.oar(KONFLUX, &APPROVE_ONLY).expect(0);
    for id in [150_001, 150_002] {
        assert_eq!(state_of(&harness, id), AdvisoryState::RelPrep, "{id}");
    }
    assert_eq!(approved_by(&harness).len(), 1, "approved once");
    assert!(is_closed(&harness, KONFLUX));
    let state = harness.statebox(KONFLUX).unwrap();
    assert!(
        !state.contains("  wait:\n") && state.contains("- name: change-advisory-status\n  status: Pass\n"),
        "{state}"
    );
    harness.sandbox.assert_no_unexpected();
    harness.sandbox.clear_requests();
    assert!(harness.oar(KONFLUX, &APPROVE_ONLY).expect(0).stdout.contains("nothing to do"));
    assert_eq!(acts(&harness), Vec::<String>::new());
}

#[test]
fn every_gate_refuses_and_all_that_is_wrong_is_said_at_once() {
    type Break = fn(&Harness);
    let cases: [(&str, &str, Break); 9] = [
        (ERRATA, "has the tag early-kernel-stop-ship", |harness| {
            harness.sandbox.world().brew.lock().tags_mut(KERNEL).push("early-kernel-stop-ship".to_owned());
        }),
        (ERRATA, "names no package `kernel`", |harness| {
            harness.sandbox.world().brew.lock().put_image(ERRATA_IMAGE, &["bash-5.1.8-9.el9"]);
        }),
        (ERRATA, "OCPBUGS-61010 (ON_QA)", |harness| {
            harness.sandbox.world().jira.lock().issue_mut("OCPBUGS-61010").unwrap().status =
                "ON_QA".to_owned();
        }),
        (ERRATA, "cannot be seen with this account: OCPBUGS-61011", |harness| {
            harness.sandbox.world().jira.lock().issue_mut("OCPBUGS-61011").unwrap().hidden = true;
        }),
        (ERRATA, "security alert that blocks", |harness| {
            harness.sandbox.world().errata.lock().advisory_mut(140_004).unwrap().security_alerts_block = true;
        }),
        (ERRATA, "advisory 140001 (rpm) is in NEW_FILES", |harness| {
            harness.sandbox.world().errata.lock().advisory_mut(140_001).unwrap().state =
                AdvisoryState::NewFiles;
        }),
        (KONFLUX, "is closed, not open", |harness| {
            harness
                .sandbox
                .world()
                .gitlab
                .lock()
                .merge_requests
                .iter_mut()
                .for_each(|request| request.state = MergeRequestState::Closed);
        }),
        (KONFLUX, "says that it is 4.19.2, not 4.19.1", |harness| {
            harness.sandbox.world().registry.lock().put_payload(&Payload {
                repository: PAYLOADS.to_owned(),
                tag: "4.19.1-x86_64".to_owned(),
                version: "4.19.2".to_owned(),
                url: None,
            });
        }),
        (ERRATA, "an open issue blocks the release: everything stops", |harness| {
            harness.oar(ERRATA, &["issue", "add", "everything stops"]).expect(0);
        }),
    ];
    for (release, expected, broken) in cases {
        let harness = ready(release);
        broken(&harness);
        let before = harness.statebox(release);
        harness.sandbox.clear_requests();
        let run = harness.oar(release, &APPROVE_ONLY).expect(6);
        assert!(run.stderr.contains(expected), "{expected}:\n{}", run.stderr);
        assert_eq!(acts(&harness), Vec::<String>::new(), "{expected}");
        assert_eq!(harness.statebox(release), before, "{expected}");
    }
    let harness = Harness::new();
    harness.oar(ERRATA, &["create-test-report"]).expect(0);
    let run = harness.oar(ERRATA, &APPROVE).expect(6);
    for part in PREDECESSORS.iter().copied().chain(["things stand in the way", "OCPBUGS-61010"]) {
        assert!(run.stderr.contains(part), "{part}:\n{}", run.stderr);
    }
    for line in [
        "  ok       advisory 140001 (rpm) is in QE\n",
        "  ok       no open issue blocks the release\n",
        "  blocked  stage-testing is Not Started, and must be Pass\n           next: oar -r 4.14.60 stage-testing\n",
        "           next: judge the tests, then: oar -r 4.14.60 task set analyze-candidate-build Pass --reason TEXT\n",
    ] {
        assert!(run.stderr.contains(line), "{line}:\n{}", run.stderr);
    }
    assert_eq!(run.stderr.matches("things stand in the way").count(), 1, "said once:\n{}", run.stderr);
    assert!(run.stdout.contains("refused, the task stays Not Started"), "{run:?}");
    let json = harness.oar(ERRATA, &["change-advisory-status", "--yes", "--output", "json"]).expect(6).json();
    let verdicts: Vec<&str> = json["plan"]["checks"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|check| check["verdict"].as_str())
        .collect();
    assert!(verdicts.contains(&"ok") && verdicts.contains(&"blocked"), "{json:#}");
    assert_eq!(json["refused"], true);
}

#[test]
fn a_bug_is_answered_for_by_name() {
    let harness = ready(ERRATA);
    harness.sandbox.world().jira.lock().issue_mut("OCPBUGS-61010").unwrap().status = "ON_QA".to_owned();
    harness.oar(ERRATA, &APPROVE).expect(6);
    harness.oar(ERRATA, &["change-advisory-status", "--yes", "--accept-bug", "OCPBUGS-61010"]).expect(0);
    assert!(harness.statebox(ERRATA).unwrap().contains("--accept-bug OCPBUGS-61010"), "the history says so");
}

#[test]
fn consent_is_needed_and_a_dry_run_sends_nothing() {
    for release in [ERRATA, KONFLUX] {
        let harness = ready(release);
        let run = harness.oar(release, &["change-advisory-status", "--dry-run"]).expect(0);
        assert!(run.stdout.contains("QE -> REL_PREP"), "{run:?}");
        let run = harness.oar(release, &["change-advisory-status"]).expect(6);
        assert!(run.stderr.contains("--yes"), "{run:?}");
        assert_eq!(acts(&harness), Vec::<String>::new());
    }
    let harness = Harness::new();
    let run = harness.oar(ERRATA, &["change-advisory-status", "--yes", "-s", "SHIPPED_LIVE"]).expect(2);
    assert!(run.stderr.contains("to REL_PREP and to no other state"), "{run:?}");
    assert!(harness.sandbox.requests().is_empty());
}

#[test]
fn one_advisory_that_cannot_move_does_not_stop_the_others_and_nothing_is_closed() {
    let harness = ready(ERRATA);
    harness.sandbox.world().errata.lock().advisory_mut(140_001).unwrap().stage_targets =
        vec!["cdn_stage".to_owned()];
    let run = harness.oar(ERRATA, &APPROVE);
    assert_ne!(run.code, Some(0), "{run:?}");
    assert!(run.stderr.contains("not moved: 140001"), "{run:?}");
    assert!(run.stderr.contains("Staging push jobs not complete"), "{run:?}");
    assert_eq!(state_of(&harness, 140_001), AdvisoryState::Qe);
    assert_eq!(state_of(&harness, 140_002), AdvisoryState::RelPrep);
    assert!(!is_closed(&harness, ERRATA));
    assert!(harness.statebox(ERRATA).unwrap().contains("- name: change-advisory-status\n  status: Fail\n"));
    harness.sandbox.world().errata.lock().advisory_mut(140_001).unwrap().stage_targets.clear();
    harness.oar(ERRATA, &APPROVE).expect(0);
    assert!(is_closed(&harness, ERRATA));
}

#[test]
fn the_merge_request_alone_is_approved_once_and_an_errata_release_has_none() {
    let harness = ready(KONFLUX);
    harness.oar(KONFLUX, &["add-qe-approval", "--yes"]).expect(0);
    assert_eq!(approved_by(&harness).len(), 1);
    assert_eq!(state_of(&harness, 150_001), AdvisoryState::Qe);
    harness.sandbox.clear_requests();
    let again = harness.oar(KONFLUX, &["add-qe-approval", "--yes"]).expect(0);
    assert!(again.stdout.contains("nothing to do"), "{again:?}");
    assert_eq!(acts(&harness), Vec::<String>::new());
    let harness = ready(ERRATA);
    let run = harness.oar(ERRATA, &["add-qe-approval", "--yes"]).expect(6);
    assert!(run.stderr.contains("oar -r 4.14.60 change-advisory-status"), "{run:?}");
    assert!(run.all().contains("add-qe-approval of 4.14.60") && !run.all().contains("Fail"), "{run:?}");
    assert_eq!(acts(&harness), Vec::<String>::new());
}
