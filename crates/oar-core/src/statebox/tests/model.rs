use proptest::prelude::*;
use secrecy::SecretString;

use super::super::*;
use super::{at, blocker, end, fresh, start};
use crate::error::{Classified, ErrorClass};
use crate::redact::Redactor;

fn task(state: &State, name: TaskName) -> TaskView {
    state.task(name).unwrap()
}

fn manual(id: &str, status: TaskStatus, time: &str) -> ManualStatus {
    ManualStatus {
        id: id.into(),
        at: at(time),
        by: "lead".into(),
        status,
        reason: "seen by hand".into(),
        result: None,
        force: false,
    }
}

fn note(key: &str, state: NotificationState) -> Notification {
    Notification {
        key: key.into(),
        state,
        channel: "#team".into(),
        ts: (state == NotificationState::Sent).then(|| "1.2".to_owned()),
        at: "2026-07-02T10:06:00Z".into(),
        thread: None,
        text: None,
    }
}

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
    let errata = State::new(&"4.14.60".parse().unwrap(), &Metadata::default(), at("10:00:00"));
    assert!(errata.to_yaml().contains(
        "  jira_ticket: null\n  advisory_ids: {}\n  release_date: null\n  candidate_builds: {}\n  shipment_mr: null\n"
    ));
    assert_eq!(errata.metadata(), Metadata::default());
}

#[test]
fn a_run_is_recorded_from_start_to_end() {
    let mut state = fresh();
    let run = start("run-1", "10:05:00");
    assert_eq!(state.start_run(TaskName::TakeOwnership, &run), Change::Changed);
    let open = task(&state, TaskName::TakeOwnership);
    assert_eq!(open.status, TaskStatus::InProgress);
    assert_eq!(open.last_run().unwrap().outcome, None);
    let done = RunEnd {
        links: vec!["https://example.com/mr/1".into()],
        notifications: vec![note("owner", NotificationState::Pending)],
        ..end(&run, "10:06:00", TaskStatus::Pass, Some("all\nwell"))
    };
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
        links:
        - https://example.com/mr/1
        notifications:
        - key: owner
          state: pending
          channel: '#team'
          at: '2026-07-02T10:06:00Z'
    issues: []
    ");
    let before = state.clone();
    assert_eq!(state.start_run(TaskName::TakeOwnership, &run), Change::Unchanged);
    assert_eq!(state.finish_run(TaskName::TakeOwnership, &done), Change::Unchanged);
    assert_eq!(state, before);
    assert_eq!(State::parse(&state.to_yaml()).unwrap(), state);
}

#[test]
fn an_end_without_a_recorded_start_is_a_whole_run() {
    let (mut whole, mut parts) = (fresh(), fresh());
    let run = start("run-1", "10:05:00");
    let done = end(&run, "10:06:00", TaskStatus::Fail, Some("no"));
    let _ = whole.finish_run(TaskName::StageTesting, &done);
    let _ = parts.start_run(TaskName::StageTesting, &run);
    let _ = parts.finish_run(TaskName::StageTesting, &done);
    assert_eq!(whole, parts);
    assert_eq!(task(&whole, TaskName::StageTesting).started_at.as_deref(), Some("2026-07-02T10:05:00Z"));
}

#[test]
fn a_pass_is_lost_only_by_force() {
    let mut state = fresh();
    let name = TaskName::StageTesting;
    let first = start("run-1", "10:05:00");
    let _ = state.finish_run(name, &end(&first, "10:06:00", TaskStatus::Pass, Some("passed")));
    let second = start("run-2", "12:00:00");
    let _ = state.start_run(name, &second);
    let _ = state.finish_run(name, &end(&second, "12:01:00", TaskStatus::Fail, Some("nothing to do")));
    let passed = task(&state, name);
    assert_eq!(passed.status, TaskStatus::Pass);
    assert_eq!(passed.completed_at.as_deref(), Some("2026-07-02T10:06:00Z"));
    assert_eq!(passed.result.as_deref(), Some("passed"));
    let outcomes: Vec<_> = passed.history.iter().map(|run| run.outcome).collect();
    assert_eq!(outcomes, [Some(RunOutcome::Pass), Some(RunOutcome::Fail)]);

    let repeat = start("run-3", "13:00:00");
    let _ = state.finish_run(name, &end(&repeat, "13:01:00", TaskStatus::Pass, None));
    assert_eq!(task(&state, name).completed_at.as_deref(), Some("2026-07-02T10:06:00Z"));
    let again = start("run-4", "14:00:00");
    let _ = state.finish_run(name, &end(&again, "14:01:00", TaskStatus::Pass, Some("passed again")));
    let renewed = task(&state, name);
    assert_eq!(renewed.started_at.as_deref(), Some("2026-07-02T14:00:00Z"));
    assert_eq!(renewed.result.as_deref(), Some("passed again"));

    let forced = RunStart { force: true, ..start("run-5", "15:00:00") };
    let _ = state.start_run(name, &forced);
    assert_eq!(task(&state, name).status, TaskStatus::InProgress);
    let _ = state.finish_run(name, &end(&forced, "15:01:00", TaskStatus::Fail, Some("failed")));
    assert_eq!(task(&state, name).status, TaskStatus::Fail);
}

#[test]
fn a_run_whose_end_was_lost_is_interrupted_until_it_reports() {
    let mut state = fresh();
    let name = TaskName::ImageConsistencyCheck;
    let (lost, next) = (start("lost", "10:00:00"), start("next", "11:00:00"));
    let _ = state.start_run(name, &lost);
    let _ = state.start_run(name, &next);
    let view = task(&state, name);
    assert_eq!(view.history[0].outcome, Some(RunOutcome::Interrupted));
    assert_eq!(view.history[0].class, Some(ReasonClass::Interrupted));
    assert_eq!(view.started_at.as_deref(), Some("2026-07-02T10:00:00Z"), "the age counts from the first run");
    // It was alive after all; the task is the later run's now.
    let _ = state.finish_run(name, &end(&lost, "11:30:00", TaskStatus::Pass, Some("late")));
    let view = task(&state, name);
    assert_eq!((view.history[0].outcome, view.history[0].class), (Some(RunOutcome::Pass), None));
    assert_eq!((view.status, view.result), (TaskStatus::InProgress, None));
    // A person who says that it is in progress does not take it from the run.
    let _ = state.set_task(name, &manual("hand", TaskStatus::InProgress, "11:40:00"));
    let _ = state.finish_run(name, &end(&next, "12:00:00", TaskStatus::Fail, Some("it failed")));
    assert_eq!(task(&state, name).status, TaskStatus::Fail);
}

#[test]
fn a_blocked_run_leaves_the_status() {
    let mut state = fresh();
    let name = TaskName::PushToCdnStaging;
    let _ = state
        .finish_run(name, &end(&start("run-1", "10:00:00"), "10:01:00", TaskStatus::Fail, Some("it failed")));
    let blocked = RunEnd {
        outcome: RunOutcome::Blocked,
        status: Some(TaskStatus::Fail),
        class: Some(ReasonClass::Precondition),
        reason: Some("stage is not released".into()),
        ..end(&start("run-2", "11:00:00"), "11:01:00", TaskStatus::Fail, None)
    };
    let _ = state.finish_run(name, &blocked);
    let view = task(&state, name);
    assert_eq!((view.status, view.result.as_deref()), (TaskStatus::Fail, Some("it failed")));
    let last = view.last_run().unwrap();
    assert_eq!((last.outcome, last.class), (Some(RunOutcome::Blocked), Some(ReasonClass::Precondition)));
    assert_eq!(last.reason.as_deref(), Some("stage is not released"));
}

#[test]
fn a_status_set_by_hand_says_who_and_why_and_respects_a_pass() {
    let mut state = fresh();
    let name = TaskName::AnalyzeCandidateBuild;
    assert_eq!(state.set_task(name, &manual("a", TaskStatus::Pass, "10:00:00")), Ok(Change::Changed));
    assert_eq!(state.set_task(name, &manual("b", TaskStatus::Pass, "10:00:30")), Ok(Change::Unchanged));
    let view = task(&state, name);
    assert_eq!(view.started_at, view.completed_at);
    // Later it is said of what has changed since.
    assert_eq!(state.set_task(name, &manual("later", TaskStatus::Pass, "11:00:00")), Ok(Change::Changed));
    let view = task(&state, name);
    assert_eq!(view.completed_at.as_deref(), Some("2026-07-02T11:00:00Z"));
    assert_eq!(view.last_run().unwrap().reason.as_deref(), Some("seen by hand"));
    let error = state.set_task(name, &manual("c", TaskStatus::Fail, "12:00:00")).unwrap_err();
    assert_eq!(error.to_string(), "analyze-candidate-build has passed; it is not set to Fail");
    assert_eq!(error.class(), ErrorClass::Blocked);
    assert!(error.hint().unwrap().contains("--force"));
    let forced = ManualStatus { force: true, ..manual("c", TaskStatus::Fail, "12:00:00") };
    assert_eq!(state.set_task(name, &forced), Ok(Change::Changed));
    assert_eq!(state.set_task(name, &forced), Ok(Change::Unchanged));
    let view = task(&state, name);
    assert_eq!(view.status, TaskStatus::Fail);
    assert_eq!(view.completed_at.as_deref(), Some("2026-07-02T12:00:00Z"));
    assert_eq!(view.history.len(), 3);
    let reset = manual("d", TaskStatus::NotStarted, "13:00:00");
    assert_eq!(state.set_task(name, &reset), Ok(Change::Changed));
    assert_eq!(task(&state, name).completed_at.as_deref(), Some("2026-07-02T12:00:00Z"));
}

#[test]
fn a_status_that_is_set_may_bring_its_result() {
    let mut state = fresh();
    let name = TaskName::AnalyzeCandidateBuild;
    let with = |id: &str, result: &str| ManualStatus {
        result: Some(result.into()),
        ..manual(id, TaskStatus::Pass, "10:00:00")
    };
    assert_eq!(state.set_task(name, &with("a", "two jobs failed, both waived\n")), Ok(Change::Changed));
    assert_eq!(task(&state, name).result.as_deref(), Some("two jobs failed, both waived"));
    assert_eq!(state.set_task(name, &with("b", "two jobs failed, both waived")), Ok(Change::Unchanged));
    assert_eq!(state.set_task(name, &with("c", "\n")), Ok(Change::Unchanged), "an empty one is none");
    assert_eq!(state.set_task(name, &with("d", "all passed")), Ok(Change::Changed));
    assert_eq!(task(&state, name).result.as_deref(), Some("all passed"));
}

#[test]
fn an_issue_is_found_by_its_text_and_the_open_one_comes_first() {
    let mut state = fresh();
    let issue = |text: &str, time: &str| NewIssue {
        text: text.into(),
        blocker: false,
        related_tasks: Vec::new(),
        at: at(time),
    };
    let _ = state.add_issue(&issue("A bug", "10:00:00")).unwrap();
    let _ = state.resolve_issue("A bug", "fixed", at("10:01:00")).unwrap();
    assert!(state.issue_with("a bug ").unwrap().resolved);
    let _ = state.add_issue(&issue("a bug", "10:02:00")).unwrap();
    assert!(!state.issue_with("A bug").unwrap().resolved);
    assert_eq!(state.issue_with("bug"), None);
}

#[test]
fn an_outbox_moves_only_forward() {
    let mut state = fresh();
    let name = TaskName::TakeOwnership;
    let run = start("run-1", "10:05:00");
    let unknown = state.record_notifications(name, "run-1", &[note("owner", NotificationState::Pending)]);
    assert_eq!(unknown, Err(StateError::UnknownRun { task: name, run: "run-1".into() }));
    let _ = state.start_run(name, &run);
    let states = |state: &State| -> Vec<_> {
        let run = task(state, name).history.remove(0);
        run.notifications.into_iter().map(|entry| (entry.key, entry.state)).collect()
    };
    for (recorded, expected) in [
        (NotificationState::Pending, NotificationState::Pending),
        (NotificationState::Unclear, NotificationState::Unclear),
        (NotificationState::Sent, NotificationState::Sent),
        (NotificationState::Pending, NotificationState::Sent),
    ] {
        let _ = state.record_notifications(name, "run-1", &[note("owner", recorded)]).unwrap();
        assert_eq!(states(&state), [("owner".to_owned(), expected)]);
    }
    // The end of the run does not send it back either, and adds the rest.
    let done = RunEnd {
        notifications: vec![
            note("owner", NotificationState::Pending),
            note("forum", NotificationState::Unclear),
        ],
        ..end(&run, "10:06:00", TaskStatus::Pass, None)
    };
    let _ = state.finish_run(name, &done);
    let open = state.pending_notifications();
    assert_eq!(open.len(), 1);
    assert_eq!((open[0].task.as_str(), open[0].run.as_str()), ("take-ownership", "run-1"));
    assert_eq!(open[0].notification, note("forum", NotificationState::Unclear));
}

#[test]
fn history_is_bounded_and_keeps_what_matters() {
    let mut state = fresh();
    let name = TaskName::StageTesting;
    for number in 0..HISTORY_LIMIT + 20 {
        let run = start(&format!("run-{number}"), "10:00:00");
        let status = if number == 3 { TaskStatus::Fail } else { TaskStatus::InProgress };
        let _ = state.finish_run(name, &end(&run, "10:01:00", status, None));
    }
    let ids: Vec<_> = task(&state, name).history.into_iter().map(|run| run.id).collect();
    assert_eq!(ids.len(), HISTORY_LIMIT);
    assert_eq!(ids[..3], ["run-0", "run-3", "run-22"]);
    assert_eq!(ids.last().unwrap(), &format!("run-{}", HISTORY_LIMIT + 19));
}

#[test]
fn jobs_and_waivers_are_set_and_taken_back() {
    let mut state = fresh();
    let name = TaskName::StageTesting;
    let job =
        Job { triggered_at: Some("2026-07-02T10:00:00Z".into()), ..Job::new(JobSystem::Jenkins, "stage") };
    let waiver = Waiver {
        by: "lead".into(),
        reason: "known".into(),
        scope: None,
        at: "2026-07-02T10:00:00Z".into(),
        expires: None,
    };
    for expected in [Change::Changed, Change::Unchanged] {
        let change = state.set_job(name, Some(&job));
        assert_eq!(change.or(state.set_waiver(name, Some(&waiver))), expected);
    }
    let read = State::parse(&state.to_yaml()).unwrap();
    let view = task(&read, name);
    assert_eq!((view.job, view.waiver), (Some(job), Some(waiver)));
    assert_eq!(state.set_job(name, None), Change::Changed);
    assert_eq!(task(&state, name).job, None);
}

#[test]
fn a_waiver_counts_until_its_end() {
    let now: jiff::Timestamp = "2026-07-02T10:00:00Z".parse().unwrap();
    let waiver = |expires: Option<&str>| Waiver {
        by: "lead".into(),
        reason: "known".into(),
        scope: None,
        at: "2026-07-01T10:00:00Z".into(),
        expires: expires.map(str::to_owned),
    };
    for good in [None, Some("2026-07-02"), Some("2027-01-01"), Some("2026-07-02T10:00:01Z")] {
        assert!(waiver(good).counts_at(now), "{good:?}");
    }
    for over in ["2026-07-01", "2026-07-02T10:00:00Z", "2026-07-02T09:59:59Z", "next week", ""] {
        assert!(!waiver(Some(over)).counts_at(now), "{over:?}");
    }
}

#[test]
fn an_issue_is_added_once_and_resolved_once() {
    let mut state = fresh();
    let issue = blocker("Advisory 100001 is in NEW_FILES", &[TaskName::PushToCdnStaging]);
    assert_eq!(state.add_issue(&issue), Ok(Change::Changed));
    assert_eq!(state.add_issue(&issue), Ok(Change::Unchanged));
    let shouted = NewIssue { text: " ADVISORY 100001 is in new_files ".into(), ..issue.clone() };
    assert_eq!(state.add_issue(&shouted), Ok(Change::Unchanged));
    let other = blocker("another", &[TaskName::StageTesting, TaskName::PushToCdnStaging]);
    let error = state.add_issue(&other).unwrap_err();
    assert_eq!(
        error.to_string(),
        "push-to-cdn-staging has an open blocker already: Advisory 100001 is in NEW_FILES"
    );
    assert_eq!(error.class(), ErrorClass::Blocked);
    assert!(state.task_blocker(TaskName::PushToCdnStaging).is_some());
    assert_eq!(state.general_blockers(), []);
    assert_eq!(state.resolve_issue("new_files", "moved", at("12:00:00")), Ok(Change::Changed));
    assert_eq!(state.resolve_issue("new_files", "moved", at("12:00:00")), Ok(Change::Unchanged));
    assert_eq!(state.task_blocker(TaskName::PushToCdnStaging), None);
    // The report itself, applied again after somebody resolved it, is no new issue; a later one is.
    assert_eq!(state.add_issue(&issue), Ok(Change::Unchanged));
    let again = NewIssue { at: at("13:00:00"), ..issue };
    assert_eq!(state.add_issue(&again), Ok(Change::Changed));
    insta::assert_snapshot!(state.to_yaml().split_once("issues:").unwrap().1, @r"

    - issue: Advisory 100001 is in NEW_FILES
      reported_at: '2026-07-02T11:00:00Z'
      resolved: true
      resolution: moved
      blocker: true
      related_tasks:
      - push-to-cdn-staging
      resolved_at: '2026-07-02T12:00:00Z'
    - issue: Advisory 100001 is in NEW_FILES
      reported_at: '2026-07-02T13:00:00Z'
      resolved: false
      resolution: null
      blocker: true
      related_tasks:
      - push-to-cdn-staging
    ");
}

#[test]
fn an_issue_is_found_by_its_text_or_a_part_that_is_its_alone() {
    let mut state = fresh();
    for text in ["stage is slow", "stage is slow again", "general trouble"] {
        let _ = state.add_issue(&blocker(text, &[])).unwrap();
    }
    assert_eq!(state.general_blockers().len(), 3);
    let error = state.resolve_issue("stage", "x", at("12:00:00")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "`stage` matches more than one open issue: `stage is slow`, `stage is slow again`"
    );
    let error = state.resolve_issue("nothing", "x", at("12:00:00")).unwrap_err();
    assert!(error.to_string().starts_with("no open issue matches `nothing`; open are `stage is slow`, "));
    assert_eq!(state.resolve_issue(" Stage is SLOW ", "x", at("12:00:00")), Ok(Change::Changed));
    assert_eq!(state.resolve_issue("stage is slow", "x", at("13:00:00")), Ok(Change::Changed), "the other");
    assert_eq!(state.resolve_issue("stage is slow", "x", at("14:00:00")), Ok(Change::Unchanged));
    let open = IssueFilter { open: Some(true), ..IssueFilter::default() };
    let texts: Vec<_> = state.issues_where(open).into_iter().map(|issue| issue.issue).collect();
    assert_eq!(texts, ["general trouble"]);
    assert_eq!(state.resolve_issue("  ", "x", at("14:00:00")), Err(StateError::EmptyIssue));
    assert_eq!(state.add_issue(&blocker(" \n", &[])), Err(StateError::EmptyIssue));
    let long = state.add_issue(&blocker(&"ö".repeat(ISSUE_LIMIT + 1), &[])).unwrap_err();
    assert!(long.to_string().contains("1001 characters; at most 1000"), "{long}");
    assert_eq!(state.add_issue(&blocker(&"ö".repeat(ISSUE_LIMIT), &[])), Ok(Change::Changed));
}

#[test]
fn metadata_is_taken_over_entry_by_entry() {
    let mut state = fresh();
    let more = Metadata {
        advisory_ids: [("microshift".to_owned(), 7), ("rpm".to_owned(), 8)].into_iter().collect(),
        release_date: Some("2026-Jul-14".into()),
        ..Metadata::default()
    };
    assert_eq!(state.update_metadata(&more), Change::Changed);
    assert_eq!(state.update_metadata(&more), Change::Unchanged);
    let metadata = state.metadata();
    let ids: Vec<_> = metadata.advisory_ids.iter().map(|(key, id)| (key.as_str(), *id)).collect();
    assert_eq!(ids, [("rpm", 8), ("rhcos", 100_002), ("microshift", 7)]);
    assert_eq!(metadata.jira_ticket.as_deref(), Some("ART-1"));
    assert_eq!(metadata.release_date.as_deref(), Some("2026-Jul-14"));
}

#[test]
fn everything_stored_is_masked() {
    let secret = "s3cret-value-of-a-test";
    let planted = format!("mail lead@example.com, key {secret}, ghp_{}", "a1B2c3D4e5".repeat(4));
    let mut state = fresh().with_redactor(Redactor::new([SecretString::from(secret)]));
    let name = TaskName::TakeOwnership;
    let run = RunStart { by: planted.clone(), command: planted.clone(), ..start("run-1", "10:00:00") };
    let done = RunEnd {
        reason: Some(planted.clone()),
        links: vec![planted.clone()],
        done: vec![planted.clone()],
        notifications: vec![Notification {
            channel: planted.clone(),
            text: Some(planted.clone()),
            ..note("x", NotificationState::Pending)
        }],
        ..end(&run, "10:01:00", TaskStatus::Fail, Some(&planted))
    };
    let _ = state.finish_run(name, &done);
    let _ = state.set_task(
        TaskName::StageTesting,
        &ManualStatus {
            reason: planted.clone(),
            by: planted.clone(),
            ..manual("m", TaskStatus::Fail, "11:00:00")
        },
    );
    let _ = state.add_issue(&blocker(&planted, &[])).unwrap();
    let _ = state.resolve_issue(&planted, &planted, at("12:00:00")).unwrap();
    let parameters = [("PULL_SPEC".to_owned(), planted.clone())].into();
    let job = Job {
        url: Some(planted.clone()),
        intent: Some(JobIntent {
            by: Some(planted.clone()),
            ..JobIntent::new(planted.clone(), at("10:00:00"), parameters)
        }),
        ..Job::new(JobSystem::Other(planted.clone()), planted)
    };
    let _ = state.set_job(name, Some(&job));
    let text = state.to_yaml();
    for leaked in ["lead@", secret, "ghp_"] {
        assert!(!text.contains(leaked), "{leaked} in {text}");
    }
    assert!(text.contains("[EMAIL_REDACTED]") && text.contains("[SECRET_REDACTED]"));
}

#[test]
fn a_secret_that_reaches_over_the_end_of_a_step_is_masked_before_the_step_is_cut() {
    let secret = "s3cret-value-of-a-test";
    let mut state = fresh().with_redactor(Redactor::new([SecretString::from(secret)]));
    let run = start("run-1", "10:00:00");
    for cut in 1..secret.len() {
        let before = "x".repeat(300 - cut);
        let id = format!("run-{cut}");
        let run = RunStart { id, ..run.clone() };
        let done = vec![format!("{before}{secret}")];
        let _ = state.finish_run(
            TaskName::TakeOwnership,
            &RunEnd { done, ..end(&run, "10:01:00", TaskStatus::Fail, None) },
        );
        let text = state.to_yaml();
        assert!(!text.contains(&format!("x{}", &secret[..cut])), "the first {cut} characters are in {text}");
    }
    let last = task(&state, TaskName::TakeOwnership).history.pop().unwrap();
    assert!(last.done[0].ends_with("[SECRET_REDACTED]"), "{last:?}");
}

/// Operations as a plan of numbers, so that any order of them can be tried.
fn apply(state: &mut State, step: (u8, u8, u8)) -> Change {
    let (kind, which, variant) = step;
    let name = TaskName::WORKFLOW[usize::from(which % 3)];
    let status = TaskStatus::ALL[usize::from(variant % 4)];
    let run = RunStart { force: variant > 200, ..start(&format!("run-{which}"), "10:00:00") };
    match kind % 8 {
        0 => state.start_run(name, &run),
        1 | 2 => {
            let result = (variant % 2 == 0).then_some("a result");
            let done = RunEnd {
                notifications: vec![note("k", NotificationState::Pending)],
                ..end(&run, "10:10:00", status, result)
            };
            state.finish_run(name, &done)
        }
        3 => {
            let manual =
                ManualStatus { force: variant > 200, ..manual(&format!("m-{which}"), status, "11:00:00") };
            state.set_task(name, &manual).unwrap_or(Change::Unchanged)
        }
        4 => state.add_issue(&blocker(&format!("issue {}", which % 4), &[name])).unwrap_or(Change::Unchanged),
        5 => state
            .resolve_issue(&format!("issue {}", which % 4), "done", at("12:00:00"))
            .unwrap_or(Change::Unchanged),
        6 => state
            .record_notifications(name, &run.id, &[note("k", NotificationState::Sent)])
            .unwrap_or(Change::Unchanged),
        _ => state.update_metadata(&Metadata { jira_ticket: Some("ART-9".into()), ..Metadata::default() }),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn applying_twice_is_applying_once(steps in prop::collection::vec(any::<(u8, u8, u8)>(), 1..24)) {
        let mut state = fresh();
        for step in steps {
            let before = state.clone();
            let change = apply(&mut state, step);
            prop_assert_eq!(change.is_changed(), state != before, "{:?}", step);
            let once = state.clone();
            prop_assert_eq!(apply(&mut state, step), Change::Unchanged, "{:?}", step);
            prop_assert_eq!(&state, &once);
            // The file holds all of it.
            let read = State::parse(&state.to_yaml()).unwrap();
            prop_assert!(read.warnings().is_empty(), "{}", read.warnings());
            prop_assert_eq!(&read, &state);
        }
    }
}

#[test]
fn an_issue_is_resolved_by_the_text_as_it_is_shown() {
    for (text, shown) in [
        ("ev\u{202e}il is down", r"EV\u{202e}il is"),
        ("one\r\ntwo", "one\ntwo"),
        (r"C:\u{zz} is full", r"c:\u{zz} is full"),
        (r"\u{202e} was typed", "\u{202e} was typed"),
    ] {
        let mut state = fresh();
        let issue = NewIssue { blocker: false, text: text.into(), ..blocker("", &[]) };
        assert_eq!(state.add_issue(&issue), Ok(Change::Changed));
        assert_eq!(state.resolve_issue(shown, "done", at("12:00:00")), Ok(Change::Changed), "{shown}");
    }
}
