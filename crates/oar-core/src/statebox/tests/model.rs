use super::super::*;
use super::{at, blocker, end, fresh, start};

#[test]
fn a_new_state_is_written_as_the_reference_writes_it() {
    insta::assert_snapshot!(fresh().to_yaml(), @r"
    schema_version: '1.0'
    release: 4.19.1
    created_at: '2026-07-02T10:00:00Z'
    updated_at: '2026-07-02T10:00:00Z'
    metadata:
      jira_ticket: ART-1
      advisory_ids:
        rpm: 100001
        rhcos: 100002
      release_date: 2026-Jul-07
      candidate_builds:
        x86_64: 4.19.0-0.nightly-2026-07-01-000000
      shipment_mr: https://gitlab.example.com/g/p/-/merge_requests/1
    tasks: []
    issues: []
    ");
}

#[test]
fn a_run_is_recorded_from_start_to_end() {
    let mut state = fresh();
    let run = start("run-1", "10:05:00");
    assert_eq!(state.start_run(TaskName::TakeOwnership, &run), Change::Changed);
    let open = state.task(TaskName::TakeOwnership).unwrap();
    assert_eq!(open.status, TaskStatus::InProgress);
    assert_eq!(open.last_run().unwrap().outcome, None);
    let done = end(&run, "10:06:00", TaskStatus::Pass, Some("all\nwell"));
    assert_eq!(state.finish_run(TaskName::TakeOwnership, &done), Change::Changed);
    insta::assert_snapshot!(state.to_yaml().split_once("tasks:").unwrap().1, @r"

    - name: take-ownership
      status: Pass
      started_at: '2026-07-02T10:05:00Z'
      completed_at: '2026-07-02T10:06:00Z'
      result: |-
        all
        well
      history:
      - id: run-1
        started: '2026-07-02T10:05:00Z'
        finished: '2026-07-02T10:06:00Z'
        by: lead
        command: oar take-ownership
        outcome: Pass
    issues: []
    ");
    let before = state.clone();
    assert_eq!(state.start_run(TaskName::TakeOwnership, &run), Change::Unchanged);
    assert_eq!(state.finish_run(TaskName::TakeOwnership, &done), Change::Unchanged);
    assert_eq!(state, before);
}

#[test]
fn a_pass_is_not_lost_to_a_later_run() {
    let mut state = fresh();
    let first = start("run-1", "10:05:00");
    let _ =
        state.finish_run(TaskName::StageTesting, &end(&first, "10:06:00", TaskStatus::Pass, Some("passed")));
    let second = start("run-2", "12:00:00");
    let _ = state.start_run(TaskName::StageTesting, &second);
    let _ = state.finish_run(
        TaskName::StageTesting,
        &end(&second, "12:01:00", TaskStatus::Fail, Some("nothing to do")),
    );
    let task = state.task(TaskName::StageTesting).unwrap();
    assert_eq!(task.status, TaskStatus::Pass);
    assert_eq!(task.completed_at.as_deref(), Some("2026-07-02T10:06:00Z"));
    assert_eq!(task.result.as_deref(), Some("passed"));
    let outcomes: Vec<_> = task.history.iter().map(|run| run.outcome).collect();
    assert_eq!(outcomes, [Some(RunOutcome::Pass), Some(RunOutcome::Fail)]);
}

#[test]
fn an_issue_is_added_once_and_resolved_once() {
    let mut state = fresh();
    let issue = blocker("Advisory 100001 is in NEW_FILES", &[TaskName::PushToCdnStaging]);
    assert_eq!(state.add_issue(&issue), Ok(Change::Changed));
    assert_eq!(state.add_issue(&issue), Ok(Change::Unchanged));
    let other = blocker("another", &[TaskName::PushToCdnStaging]);
    assert!(matches!(state.add_issue(&other), Err(StateError::BlockerExists { .. })));
    assert!(state.task_blocker(TaskName::PushToCdnStaging).is_some());
    assert_eq!(state.resolve_issue("new_files", "moved", at("12:00:00")), Ok(Change::Changed));
    assert_eq!(state.resolve_issue("new_files", "moved", at("12:00:00")), Ok(Change::Unchanged));
    assert_eq!(state.task_blocker(TaskName::PushToCdnStaging), None);
}
