//! change-advisory-status on both flows: what it does, what it refuses, and that it does nothing twice.

use end_to_end::approval::{PREDECESSORS, acts, approved_by, is_closed, publish, ready, state_of};
use end_to_end::{ERRATA, Fault, FaultKind, Harness, KONFLUX};
use sandbox::scenario::brew::{ERRATA_IMAGE, KERNEL};
use sandbox::scenario::gitlab::PROJECT;
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
    assert!(count <= 40, "{count} requests:\n{}", harness.request_lines());
    // No payload is waited for.
    assert!(harness.sandbox.requests().iter().all(|request| request.service != "registry"));
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
fn effects_come_in_their_order_and_nothing_is_asked_for_twice() {
    for release in [KONFLUX, ERRATA] {
        let harness = ready(release);
        publish(&harness);
        harness.oar(release, &APPROVE_ONLY).expect(0);
        let effects = acts(&harness);
        let is_token = |line: &&String| line.contains("google-oauth");
        let mut stages: Vec<&str> =
            effects.iter().filter(|line| !is_token(line)).map(|line| stage(line)).collect();
        stages.dedup();
        let expected = if release == KONFLUX {
            ["state", "approve", "move", "close and tell", "state"]
        } else {
            ["state", "alerts", "move", "close and tell", "state"]
        };
        assert_eq!(stages, expected, "{effects:#?}");
        // The registry answers the first request for a manifest with where its tokens are; the state is written twice.
        let requests = harness.sandbox.requests();
        let others =
            requests.iter().filter(|request| !["registry", "github"].contains(&request.service.as_str()));
        let mut lines: Vec<String> = others.map(end_to_end::RecordedRequest::line).collect();
        let count = lines.len();
        lines.sort();
        lines.dedup();
        assert_eq!(lines.len(), count, "{}", harness.request_lines());
    }
}

/// What a request that changes something is to an approval.
fn stage(line: &str) -> &str {
    match line {
        line if line.contains("/contents/_releases/") => "state",
        line if line.contains("/security_alerts/refresh") => "alerts",
        line if line.ends_with("/merge_requests/612/approve") => "approve",
        line if line.ends_with("/change_state") => "move",
        line if line.ends_with("/transitions") || line.ends_with("/chat.postMessage") => "close and tell",
        line => line,
    }
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
    let harness = Harness::announced(ERRATA);
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

/// A fault that the registry, or what the payload names, answers with.
fn broken(service: &str, path: &str, kind: FaultKind) -> Fault {
    Fault::on(service, kind).path(path).forever()
}

#[test]
fn what_nobody_could_read_closes_the_gate_before_anything_is_sent() {
    let status =
        |code: u16, body: &str| FaultKind::Status { code, body: Some(body.to_owned()), headers: Vec::new() };
    let unknown = r#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}"#;
    let cases = [
        broken("registry", "*", FaultKind::DropBefore),
        broken("registry", "*manifests*", status(404, unknown)),
        broken("registry", "*", status(500, "oops")),
        broken("registry", "*manifests*", FaultKind::Garbage),
        broken("access", "*", status(503, "down")),
        broken("errata", "*erratum/150001", status(404, "{}")),
        broken("errata", "*builds", status(404, "{}")),
        broken("brewroot", "*", status(404, "<html></html>")),
        broken("github-raw", "*group.yml", status(404, "404: Not Found")),
        broken("github-raw", "*group.yml", status(200, "{}")),
        broken("github-raw", "*group.yml", status(200, "name: openshift-4.19\nrpm_deliveries: []\n")),
        broken("github-raw", "*group.yml", status(200, "name: openshift-4.18\n")),
        broken("brewhub", "*", status(502, "<html></html>")),
        broken("gitlab", "*merge_requests/612", status(404, "{}")),
        broken("gitlab", "*diffs", FaultKind::Garbage),
        broken("gitlab", "*approvals", status(404, "{}")),
        broken("jira", "*ART-14191", status(500, "{}")),
    ];
    let harness = ready(KONFLUX).env("OAR_HTTP_RETRY_DELAY", "1");
    let world = harness.sandbox.world().snapshot();
    for fault in cases {
        harness.sandbox.world().restore(&world);
        let words = format!("{fault:?}");
        harness.sandbox.faults().clear();
        harness.sandbox.faults().add(fault);
        harness.sandbox.clear_requests();
        let run = harness.oar(KONFLUX, &APPROVE_ONLY).expect(4);
        assert_eq!(acts(&harness), acts_on_state(&harness), "{words}:\n{run:?}");
        assert!(run.stderr.contains("  unknown  "), "{words}:\n{run:?}");
        assert!(approved_by(&harness).is_empty(), "{words}");
        if words.contains("registry") {
            assert!(!run.all().contains("the payload in the registry is of"), "{words}:\n{run:?}");
        }
    }
}

/// Of the requests that changed something, those that changed only the StateBox.
fn acts_on_state(harness: &Harness) -> Vec<String> {
    acts(harness).into_iter().filter(|line| line.contains("/contents/_releases/")).collect()
}

#[test]
fn an_approval_wants_the_push_the_owner_and_no_blocker_of_anything_before_it() {
    for release in [KONFLUX, ERRATA] {
        let harness = ready(release);
        for task in ["push-to-cdn-staging", "take-ownership"] {
            harness.oar(release, &["task", "set", task, "Fail", "--reason", "broken", "--force"]).expect(0);
        }
        harness.oar(release, &["issue", "add", "staging is down", "--task", "push-to-cdn-staging"]).expect(0);
        harness.sandbox.clear_requests();
        let run = harness.oar(release, &APPROVE_ONLY).expect(6);
        for part in [
            "push-to-cdn-staging is Fail, and must be Pass",
            "take-ownership is Fail, and must be Pass",
            "an open issue blocks push-to-cdn-staging: staging is down",
        ] {
            assert!(run.stderr.contains(part), "{part}:\n{run:?}");
        }
        assert_eq!(acts(&harness), Vec::<String>::new());
        // The candidate's tests only inform.
        let harness = ready(release);
        let failed =
            ["task", "set", "analyze-candidate-build", "Fail", "--reason", "two jobs failed", "--force"];
        harness.oar(release, &failed).expect(0);
        harness.oar(release, &APPROVE_ONLY).expect(0);
    }
}

#[test]
fn a_draft_is_not_approved_and_a_merge_request_that_moved_moves_no_advisory() {
    let change = |harness: &Harness, title: &str| {
        let world = harness.sandbox.world();
        let mut gitlab = world.gitlab.lock();
        gitlab.merge_request_mut(PROJECT, 612).unwrap().title = title.to_owned();
    };
    let harness = ready(KONFLUX);
    change(&harness, "Draft: Shipment for 4.19.1");
    let run = harness.oar(KONFLUX, &APPROVE_ONLY).expect(6);
    assert!(run.stderr.contains("!612 is a draft"), "{run:?}");
    assert_eq!(acts(&harness), Vec::<String>::new());
    harness.oar(KONFLUX, &["drop-bugs", "--yes"]).expect(6);
    assert_eq!(acts(&harness), Vec::<String>::new());
    change(&harness, "Shipment for 4.19.1");
    harness.oar(KONFLUX, &APPROVE_ONLY).expect(0);
    assert_eq!(approved_by(&harness).len(), 1);
    publish(&harness);

    // Approved, but GitLab forgets it: ART pushed, and the project resets approvals on a push.
    let forget = Fault::on(
        "gitlab",
        FaultKind::Status { code: 200, body: Some(r#"{"approved_by": []}"#.to_owned()), headers: Vec::new() },
    );
    harness.sandbox.faults().add(forget.method("GET").path("*approvals").skip(1).forever());
    let run = harness.oar(KONFLUX, &APPROVE_ONLY);
    assert_eq!(run.code, Some(6), "{run:?}");
    assert!(run.stderr.contains("does not show our approval any more: no advisory was moved"), "{run:?}");
    assert_eq!(state_of(&harness, 150_001), AdvisoryState::Qe);
    harness.sandbox.faults().clear();
    harness.oar(KONFLUX, &APPROVE_ONLY).expect(0);
    assert_eq!(state_of(&harness, 150_001), AdvisoryState::RelPrep);
}

#[test]
fn every_operating_system_image_is_looked_at_wherever_its_kernel_stands() {
    let arm = "rhcos-aarch64-4.14.9.6.20260629-0";
    let (stopped, other) = ("kernel-rt-5.14.0-570.99.1.el9_6", "kernel-5.14.0-570.99.1.el9_6");
    let harness = ready(ERRATA);
    {
        let world = harness.sandbox.world();
        let mut brew = world.brew.lock();
        // Only another architecture carries what is stopped, and only as an extension. The hub knows no build of that
        // name: the real-time kernel comes out of the kernel's build, which has the tag.
        brew.put_image_with(arm, &["bash-5.1.8-9.el9", KERNEL], &[stopped]);
        *brew.tags_mut(other) = vec!["early-kernel-stop-ship".to_owned()];
        let mut errata = world.errata.lock();
        let advisory = errata.advisory_mut(140_005).unwrap();
        let mut build = advisory.builds[0].clone();
        build.nvr = arm.to_owned();
        advisory.builds.push(build);
    }
    let run = harness.oar(ERRATA, &APPROVE).expect(6);
    assert!(
        run.stderr.contains(&format!("{stopped} of {arm} has the tag early-kernel-stop-ship")),
        "{run:?}"
    );
    assert_eq!(acts(&harness), Vec::<String>::new());
    harness.sandbox.world().brew.lock().tags_mut(other).clear();
    harness.oar(ERRATA, &APPROVE).expect(0);
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
    let asked = harness.oar(KONFLUX, &["add-qe-approval"]).expect(6);
    assert!(asked.stderr.contains("add-qe-approval cannot be undone"), "{asked:?}");
    assert!(
        !asked.all().contains("change-advisory-status"),
        "the wrong command would do far more: {asked:?}"
    );
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
