//! The two tasks on both flows: what they do, that a second run does nothing, and what they cost.

use end_to_end::effects::Effects;
use end_to_end::{ERRATA, Harness, KONFLUX, LEAD, SECOND_LEAD};

#[test]
fn a_konflux_release_is_announced_and_owned_within_its_budgets() {
    let harness = Harness::announced(KONFLUX);
    let count = harness.sandbox.requests().len();
    assert!(count <= 7, "create-test-report made {count} requests:\n{}", harness.request_lines());

    harness.sandbox.clear_requests();
    let run = harness.oar(KONFLUX, &["take-ownership", "-e", LEAD]).expect(0);
    let count = harness.sandbox.requests().len();
    assert!(count <= 32, "take-ownership made {count} requests:\n{}", harness.request_lines());
    assert!(
        run.stderr.contains("task [Take Ownership] status is changed to [In Progress]"),
        "{}",
        run.stderr
    );
    assert!(run.stderr.contains("task [Take Ownership] status is changed to [Pass]"), "{}", run.stderr);

    harness.sandbox.clear_requests();
    harness.oar(KONFLUX, &["status"]).expect(0);
    let count = harness.sandbox.requests().len();
    assert!(count <= 2, "status made {count} requests:\n{}", harness.request_lines());
    harness.sandbox.assert_no_unexpected();

    let state = harness.statebox(KONFLUX).unwrap();
    assert!(state.contains("- name: take-ownership\n  status: Pass\n"), "{state}");
    assert!(state.contains("150002"), "the advisory in NEW_FILES is recorded as a blocker:\n{state}");
}

#[test]
fn an_errata_release_is_announced_and_owned() {
    let harness = Harness::announced(ERRATA);
    let run = harness.oar(ERRATA, &["take-ownership", "--email", LEAD, "--output", "json"]).expect(0);
    let report = run.json();
    assert_eq!(report["status"], "Pass");
    assert_eq!(report["exit_code"], 0);
    assert_eq!(report["data"]["advisories"].as_array().unwrap().len(), 4, "{report:#}");
    harness.sandbox.assert_no_unexpected();
    assert!(harness.sandbox.requests().iter().all(|request| request.service != "gitlab"));
    assert!(harness.statebox(ERRATA).unwrap().contains("- name: take-ownership\n  status: Pass\n"));
}

#[test]
fn a_second_run_changes_nothing_and_says_so() {
    for release in [KONFLUX, ERRATA] {
        let harness = Harness::announced(release);
        harness.oar(release, &["take-ownership", "-e", LEAD]).expect(0);
        let (state, effects) = (harness.statebox(release), Effects::of(&harness));
        harness.sandbox.clear_requests();
        for command in [&["create-test-report"][..], &["take-ownership", "-e", LEAD]] {
            let run = harness.oar(release, command).expect(0);
            assert!(run.stdout.contains("nothing to do"), "{run:?}");
        }
        assert!(harness.sandbox.writes().is_empty(), "{:#?}", harness.sandbox.writes());
        assert_eq!(harness.statebox(release), state);
        Effects::of(&harness).assert_same(&effects, "a second run");
    }
}

#[test]
fn another_owner_is_a_new_run_with_its_own_note_and_message() {
    let harness = Harness::new();
    harness.oar(KONFLUX, &["take-ownership", "-e", LEAD]).expect(0);
    let before = Effects::of(&harness);
    harness.oar(KONFLUX, &["take-ownership", "-e", SECOND_LEAD]).expect(0);
    harness.oar(KONFLUX, &["take-ownership", "-e", LEAD]).expect(0);
    let after = Effects::of(&harness);
    assert_eq!(after.notes(), before.notes() + 2);
    assert_eq!(after.transitions(), before.transitions(), "subtasks are started once");
    assert!(after.messages() >= before.messages() + 2);
}

#[test]
fn a_dry_run_prints_the_plan_and_sends_nothing() {
    for release in [KONFLUX, ERRATA] {
        let harness = Harness::new();
        let run = harness.oar(release, &["create-test-report", "--dry-run"]).expect(0);
        assert!(run.stdout.contains("dry run: 1 change would be made"), "{run:?}");
        let run = harness.oar(release, &["take-ownership", "-e", LEAD, "--dry-run"]).expect(0);
        assert!(run.stdout.contains("set QE owner of advisory"), "{run:?}");
        assert!(harness.sandbox.writes().is_empty(), "{:#?}", harness.sandbox.writes());
        assert_eq!(harness.statebox(release), None);

        harness.oar(release, &["create-test-report"]).expect(0);
        let state = harness.statebox(release);
        harness.sandbox.clear_requests();
        for arguments in [
            &["task", "set", "stage-testing", "Pass", "--reason", "by hand", "--dry-run"][..],
            &["issue", "add", "something", "--dry-run"],
            &["take-ownership", "-e", LEAD, "--dry-run", "--output", "json"],
        ] {
            harness.oar(release, arguments).expect(0);
        }
        assert!(harness.sandbox.writes().is_empty(), "{:#?}", harness.sandbox.writes());
        assert_eq!(harness.statebox(release), state);
    }
}
