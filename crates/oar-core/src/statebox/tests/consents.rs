//! A consent is for one plan, one run and one day, and nothing makes it valid again.

use std::sync::Arc;

use jiff::SignedDuration;

use super::super::check::validate_text;
use super::super::*;
use super::{at, end, fresh, start};
use crate::clock::Clock;
use crate::error::{Classified as _, ErrorClass};
use crate::permit::WritePermit;
use crate::redact::Redactor;
use crate::store::memory::{Fault, MemoryStore, SteppingClock};

const TASK: TaskName = TaskName::PushToCdnStaging;
const COMMAND: &str = "push-to-cdn-staging";
const PLAN: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
const OTHER: &str = "60303ae22b998861bce3b28f33eec1be758a213c86c93c076dbe9f558c11c752";

fn consent(id: &str, plan: &str, time: &str) -> NewConsent {
    NewConsent { id: id.into(), command: COMMAND.into(), plan: plan.into(), by: "lead".into(), at: at(time) }
}

fn consented() -> State {
    let mut state = fresh();
    assert_eq!(state.record_consent(TASK, &consent("a", PLAN, "10:00:00")), Change::Changed);
    state
}

fn why(state: &mut State, plan: &str, run: &str, time: &str) -> String {
    let error = state.use_consent(TASK, plan, run, at(time)).unwrap_err();
    let used = matches!(error, StateError::ConsentUsed { .. });
    assert_eq!(error.class(), if used { ErrorClass::Conflict } else { ErrorClass::Blocked });
    error.to_string()
}

#[test]
fn a_consent_is_written_in_the_task_and_read_back() {
    let mut state = consented();
    let _ = state.use_consent(TASK, PLAN, "run-1", at("11:00:00")).unwrap();
    let _ = state.record_consent(TASK, &consent("b", OTHER, "12:00:00"));
    let _ = state.withdraw_consents(TASK, COMMAND, "boss", at("13:00:00"));
    insta::assert_snapshot!(state.to_yaml().split_once("tasks:").unwrap().1, @r"

    - name: push-to-cdn-staging
      status: Not Started
      started_at: null
      completed_at: null
      result: null
      consents:
      - id: a
        command: push-to-cdn-staging
        plan: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
        by: lead
        at: '2026-07-02T10:00:00Z'
        until: '2026-07-03T10:00:00Z'
        run: run-1
        used_at: '2026-07-02T11:00:00Z'
      - id: b
        command: push-to-cdn-staging
        plan: 60303ae22b998861bce3b28f33eec1be758a213c86c93c076dbe9f558c11c752
        by: lead
        at: '2026-07-02T12:00:00Z'
        until: '2026-07-03T12:00:00Z'
        withdrawn:
          by: boss
          at: '2026-07-02T13:00:00Z'
    issues: []
    ");
    let text = state.to_yaml();
    assert_eq!(State::parse(&text).unwrap(), state);
    assert_eq!(State::parse(&text).unwrap().to_yaml(), text);
    assert_eq!(validate_text(&text, None).lines("x.yaml").collect::<Vec<_>>(), Vec::<String>::new());
    let now = at("14:00:00");
    let all = state.consents(TASK);
    let standing: Vec<String> = all.iter().map(|consent| consent.standing(now).to_string()).collect();
    assert_eq!(
        standing,
        ["used by run run-1 at 2026-07-02T11:00:00Z", "withdrawn by boss at 2026-07-02T13:00:00Z"]
    );
}

#[test]
fn one_run_uses_a_consent_and_may_say_so_again() {
    let mut state = consented();
    assert_eq!(state.use_consent(TASK, PLAN, "run-1", at("11:00:00")), Ok(Change::Changed));
    let used = state.clone();
    assert_eq!(state.use_consent(TASK, PLAN, "run-1", at("11:05:00")), Ok(Change::Unchanged));
    assert_eq!(
        why(&mut state, PLAN, "run-2", "11:05:00"),
        "the consent to this plan by lead is no longer valid: used by run run-1 at 2026-07-02T11:00:00Z"
    );
    assert_eq!(state.withdraw_consents(TASK, COMMAND, "boss", at("11:06:00")), Change::Unchanged);
    assert_eq!(state, used);
    // Another run is at it for some minutes, or as long as it holds its claim; then people are asked again.
    let is_in_use = |state: &State, time: &str| {
        let error = state.clone().use_consent(TASK, PLAN, "run-2", at(time)).unwrap_err();
        matches!(error, StateError::ConsentUsed { .. })
    };
    assert!(is_in_use(&state, "11:09:59") && !is_in_use(&state, "11:10:00"));
    for (run, expected) in [("run-1", true), ("run-3", false)] {
        let mut state = state.clone();
        let lease = SignedDuration::from_mins(20);
        let claim = TaskClaim {
            run: run.to_owned(),
            by: "engine".to_owned(),
            process: None,
            since: at("11:00:00"),
            lease_until: at("11:00:00") + lease,
        };
        let _ = state.claim_task(TASK, &claim, |_| false).unwrap();
        assert_eq!(is_in_use(&state, "11:19:59"), expected, "{run}");
        assert!(!is_in_use(&state, "11:20:00"), "{run}");
    }
    // Whoever consents again allows one more run.
    assert_eq!(state.record_consent(TASK, &consent("b", PLAN, "12:00:00")), Change::Changed);
    assert_eq!(state.use_consent(TASK, PLAN, "run-2", at("12:01:00")), Ok(Change::Changed));
}

#[test]
fn a_used_consent_covers_what_comes_later_for_its_day_and_nothing_else() {
    let mut state = fresh();
    let later = ["a1", "b2"];
    let _ = state.record_consent_with(TASK, &consent("a", PLAN, "10:00:00"), &later);
    let text = state.to_yaml();
    assert_eq!(validate_text(&text, None).lines("x.yaml").collect::<Vec<_>>(), Vec::<String>::new());
    let covers = |state: &State, command: &str, steps: &[&str], time| {
        state.consent_to_later(TASK, command, steps, time).is_some()
    };
    let now = at("12:00:00");
    assert!(!covers(&state, COMMAND, &["a1"], now), "its own plan comes first");
    let mut unused = state.clone();
    let _ = unused.withdraw_consents(TASK, COMMAND, "boss", at("10:30:00"));
    let _ = state.use_consent(TASK, PLAN, "run-1", at("11:00:00")).unwrap();
    assert!(!covers(&state, COMMAND, &["a1"], now), "the run has not begun");
    let run = start("run-1", "11:00:00");
    let _ = state.start_run(TASK, &run);
    assert!(!covers(&state, COMMAND, &["a1"], now), "the run has no end");
    for (outcome, expected) in [
        (RunOutcome::Pass, true),
        (RunOutcome::InProgress, true),
        (RunOutcome::Fail, false),
        (RunOutcome::Blocked, false),
        (RunOutcome::Interrupted, false),
    ] {
        let ended = ended(&state, &run, outcome);
        assert_eq!(covers(&ended, COMMAND, &["a1"], now), expected, "{outcome:?}");
    }
    let state = ended(&state, &run, RunOutcome::InProgress);
    let state = State::parse(&state.to_yaml()).unwrap();
    assert!(covers(&state, COMMAND, &["a1"], now) && covers(&state, COMMAND, &["b2", "a1"], now));
    for steps in [&[][..], &["c3"], &["a1", "c3"]] {
        assert!(!covers(&state, COMMAND, steps, now), "{steps:?}");
    }
    assert!(!covers(&state, "part", &["a1"], now) && !covers(&unused, COMMAND, &["a1"], now));
    let end = at("10:00:00") + CONSENT_LIFETIME;
    assert!(!covers(&state, COMMAND, &["a1"], end));
    assert!(covers(&state, COMMAND, &["a1"], end - SignedDuration::from_secs(1)));
    // It ends when it is withdrawn, and when somebody consents anew.
    let standing = |state: &State, time| state.consents(TASK)[0].standing(time).to_string();
    let used = "used by run run-1 at 2026-07-02T11:00:00Z";
    assert_eq!(standing(&state, now), format!("{used}, and covers what follows until 2026-07-03T10:00:00Z"));
    assert_eq!(standing(&state, end), used);
    assert!(state.consents(TASK)[0].may_still_serve(now) && !state.consents(TASK)[0].is_valid_at(now));
    let mut withdrawn = state.clone();
    assert_eq!(withdrawn.withdraw_consents(TASK, COMMAND, "boss", now), Change::Changed);
    let mut replaced = state.clone();
    let _ = replaced.record_consent(TASK, &consent("b", OTHER, "12:00:00"));
    for (state, by) in [(withdrawn, "boss"), (replaced, "lead")] {
        let mut state = State::parse(&state.to_yaml()).unwrap();
        assert!(!covers(&state, COMMAND, &["a1"], now), "{by}");
        let expected = format!("{used}, withdrawn by {by} at 2026-07-02T12:00:00Z");
        assert_eq!(standing(&state, now), expected);
        let mut later = state.clone();
        let _ = later.withdraw_consents(TASK, COMMAND, "somebody", at("13:00:00"));
        assert_eq!(later.consents(TASK)[0], state.consents(TASK)[0], "it is withdrawn once");
        let again = state.use_consent(TASK, PLAN, "run-2", now).unwrap_err().to_string();
        assert!(again.contains(used), "{again}");
    }
}

/// The state after `run` has ended like this.
fn ended(state: &State, run: &RunStart, outcome: RunOutcome) -> State {
    let mut state = state.clone();
    let end = RunEnd { outcome, ..end(run, "11:10:00", TaskStatus::InProgress, None) };
    let _ = state.finish_run(TASK, &end);
    state
}

#[test]
fn only_the_plan_of_that_task_counts_and_only_for_a_day() {
    let mut state = consented();
    assert_eq!(
        why(&mut state, OTHER, "run-1", "11:00:00"),
        "the consent by lead of 2026-07-02T10:00:00Z is to another plan, and the plan has changed"
    );
    let nobody = state.use_consent(TaskName::DropBugs, PLAN, "run-1", at("11:00:00")).unwrap_err();
    assert_eq!(nobody.to_string(), "nobody has consented to this plan");
    let end = at("10:00:00") + CONSENT_LIFETIME;
    let late = state.clone().use_consent(TASK, PLAN, "run-1", end).unwrap_err().to_string();
    assert!(late.ends_with("expired at 2026-07-03T10:00:00Z"), "{late}");
    assert!(state.use_consent(TASK, PLAN, "run-1", end - SignedDuration::from_secs(1)).is_ok());
}

#[test]
fn a_withdrawn_consent_says_by_whom_and_another_command_of_the_task_keeps_its_own() {
    let mut state = consented();
    let of_part = NewConsent { command: "part".into(), ..consent("b", OTHER, "10:00:00") };
    let _ = state.record_consent(TASK, &of_part);
    assert_eq!(state.withdraw_consents(TASK, COMMAND, "boss", at("11:00:00")), Change::Changed);
    assert_eq!(state.withdraw_consents(TASK, COMMAND, "boss", at("11:00:01")), Change::Unchanged);
    assert!(
        why(&mut state, PLAN, "run-1", "12:00:00").ends_with("withdrawn by boss at 2026-07-02T11:00:00Z")
    );
    assert!(state.use_consent(TASK, OTHER, "run-1", at("12:00:00")).is_ok());
}

#[test]
fn a_second_consent_to_the_same_plan_changes_nothing_while_the_first_is_valid() {
    let mut state = consented();
    let before = state.clone();
    for id in ["a", "b"] {
        assert_eq!(state.record_consent(TASK, &consent(id, PLAN, "11:00:00")), Change::Unchanged);
    }
    assert_eq!(state, before);
}

#[test]
fn a_consent_to_another_plan_replaces_the_one_before() {
    let mut state = consented();
    let new = consent("b", OTHER, "11:00:00");
    assert_eq!(state.record_consent(TASK, &new), Change::Changed);
    assert!(
        why(&mut state, PLAN, "run-1", "12:00:00").ends_with("withdrawn by lead at 2026-07-02T11:00:00Z")
    );
    let once = state.clone();
    assert_eq!((state.record_consent(TASK, &new), state == once), (Change::Unchanged, true));
    assert!(state.use_consent(TASK, OTHER, "run-1", at("12:00:00")).is_ok());
}

#[test]
fn the_list_is_bounded_and_drops_what_is_over_first() {
    let mut state = fresh();
    let _ =
        state.record_consent(TASK, &NewConsent { command: "part".into(), ..consent("a", PLAN, "10:00:00") });
    for number in 0..2 * CONSENT_LIMIT {
        let (id, plan) = (format!("b{number}"), format!("{number:064x}"));
        let _ = state.record_consent(TASK, &consent(&id, &plan, "11:00:00"));
        let _ = state.use_consent(TASK, &plan, "run", at("11:00:01")).unwrap();
    }
    let all = state.consents(TASK);
    assert_eq!((all.len(), all[0].id.as_str()), (CONSENT_LIMIT, "a"));
}

#[test]
fn a_file_cannot_make_a_consent_last_longer_and_one_without_an_id_is_none() {
    let text = consented().to_yaml();
    let later = at("10:00:00") + SignedDuration::from_hours(25);
    for (from, to) in [
        ("until: '2026-07-03T10:00:00Z'", "until: '2099-07-03T10:00:00Z'"),
        ("until: '2026-07-03T10:00:00Z'", "until: soon"),
        ("    at: '2026-07-02T10:00:00Z'\n", ""),
    ] {
        let changed = text.replace(from, to);
        assert_ne!(changed, text);
        let mut state = State::parse(&changed).unwrap();
        assert!(state.use_consent(TASK, PLAN, "run-1", later).is_err(), "{changed}");
    }
    for broken in
        [text.replace("  - id: a\n    command", "  - command"), text.replace("  - id: a\n", "  - x\n")]
    {
        assert!(State::parse(&broken).is_err(), "{broken}");
    }
}

#[test]
fn an_older_file_stays_as_it_is_and_unknown_keys_survive() {
    let mut state = State::parse(include_str!("reference.yaml")).unwrap();
    assert!(state.tasks().iter().all(|task| task.consents.is_empty()));
    assert_eq!(state.to_yaml(), include_str!("reference.yaml"));
    let _ = state.record_consent(TASK, &consent("a", PLAN, "10:00:00"));
    let text = state.to_yaml().replace("    command: push", "    x_consent: 1\n    command: push");
    let mut state = State::parse(&text).unwrap();
    let _ = state.use_consent(TASK, PLAN, "run-1", at("11:00:00")).unwrap();
    assert!(state.to_yaml().contains("    x_consent: 1\n"), "{}", state.to_yaml());
}

#[test]
fn a_consent_makes_no_plan_outdated() {
    let mut state = fresh();
    let _ = state.start_run(TASK, &start("run-1", "09:00:00"));
    let planned = state.clone();
    let _ = state.record_consent(TASK, &consent("a", PLAN, "10:00:00"));
    assert!(state.has_same_task(&planned, TASK) && planned.has_same_task(&state, TASK));
    let _ = state.start_run(TASK, &start("run-2", "11:00:00"));
    assert!(!state.has_same_task(&planned, TASK));
}

fn handle(store: &Arc<MemoryStore>, clock: &Clock) -> StateBox {
    StateBox::new("4.19.1".parse().unwrap(), Arc::clone(store) as _, clock.clone(), Redactor::default())
}

async fn used(statebox: &StateBox, run: &str) -> Result<Updated, StateBoxError> {
    let permit = WritePermit::granted_by_user_interface();
    let change = |state: &mut State| state.use_consent(TASK, PLAN, run, at("11:00:00"));
    statebox.update(&permit, "Use the consent", change).await
}

#[tokio::test]
async fn of_two_runs_that_know_of_one_consent_exactly_one_uses_it() {
    let store = Arc::new(MemoryStore::with(&consented().to_yaml()));
    let (clock, _) = SteppingClock::start();
    let (one, other) = (handle(&store, &clock), handle(&store, &clock));
    for statebox in [&one, &other] {
        assert!(statebox.load().await.unwrap().consents(TASK)[0].is_valid_at(at("11:00:00")));
    }
    let both = [used(&one, "run-1").await, used(&other, "run-2").await];
    assert!(both[0].is_ok());
    let StateBoxError::State(StateError::ConsentUsed { why, .. }) = both[1].as_ref().unwrap_err() else {
        panic!("{both:?}");
    };
    assert!(why.contains("used by run run-1"), "{why}");
}

#[tokio::test]
async fn a_use_whose_answer_was_lost_is_still_that_run_s() {
    for fault in [Fault::LostAfter, Fault::LostBefore] {
        let store = Arc::new(MemoryStore::with(&consented().to_yaml()));
        store.plan([Fault::None, fault]);
        let (clock, _) = SteppingClock::start();
        used(&handle(&store, &clock), "run-1").await.unwrap();
        let state = State::parse(&store.text().unwrap()).unwrap();
        assert_eq!(state.consents(TASK)[0].run.as_deref(), Some("run-1"), "{fault:?}");
    }
}
