use std::sync::Arc;

use super::super::*;
use super::{at, fresh};
use crate::error::{Classified, ErrorClass};
use crate::permit::WritePermit;
use crate::redact::Redactor;
use crate::store::memory::{MemoryStore, SteppingClock};

const TASK: TaskName = TaskName::ChangeAdvisoryStatus;

fn metadata_url() -> NewWait {
    NewWait {
        condition: "metadata URL of 4.19.1".into(),
        since: at("10:00:00"),
        until: "2026-07-04T10:00:00Z".parse().unwrap(),
        next_check: at("10:30:00"),
    }
}

fn claim(who: &str, time: &str, lease: &str) -> WaitClaim {
    WaitClaim { who: who.into(), at: at(time), lease_until: at(lease), eager: false }
}

fn eager(who: &str, time: &str, lease: &str) -> WaitClaim {
    WaitClaim { eager: true, ..claim(who, time, lease) }
}

fn looked(who: &str, time: &str, next: &str, lease: Option<&str>) -> WaitCheck {
    WaitCheck {
        who: who.into(),
        at: at(time),
        result: "not there (HTTP 404)".into(),
        next_check: at(next),
        lease_until: lease.map(at),
    }
}

fn waiting() -> State {
    let mut state = fresh();
    assert_eq!(state.begin_wait(TASK, &metadata_url()), Change::Changed);
    state
}

fn holder(state: &State) -> Option<String> {
    state.wait(TASK).and_then(|wait| wait.holder).map(|holder| holder.who)
}

#[test]
fn a_wait_is_written_so_and_begun_once() {
    let mut state = waiting();
    assert_eq!(state.begin_wait(TASK, &metadata_url()), Change::Unchanged);
    let later = NewWait { since: at("12:00:00"), ..metadata_url() };
    assert_eq!(
        state.begin_wait(TASK, &later),
        Change::Unchanged,
        "the deadline is not moved by a second run"
    );
    let _ = state.claim_wait(TASK, &claim("lead/1", "10:30:00", "10:35:00")).unwrap();
    let _ =
        state.record_wait_check(TASK, &looked("lead/1", "10:30:01", "11:00:00", Some("11:05:00"))).unwrap();
    let text = state.to_yaml();
    insta::assert_snapshot!(text.split_once("tasks:\n").unwrap().1, @r"
    - name: change-advisory-status
      status: Not Started
      started_at: null
      completed_at: null
      result: null
      wait:
        for: metadata URL of 4.19.1
        since: '2026-07-02T10:00:00Z'
        until: '2026-07-04T10:00:00Z'
        next_check: '2026-07-02T11:00:00Z'
        holder:
          who: lead/1
          lease_until: '2026-07-02T11:05:00Z'
        last_check: '2026-07-02T10:30:01Z'
        last_result: not there (HTTP 404)
    issues: []
    ");
    let read = State::parse(&text).unwrap();
    assert_eq!(read, state);
    assert!(read.warnings().is_empty());
    let other = NewWait { condition: "metadata URL of 4.19.2".into(), ..metadata_url() };
    assert_eq!(state.begin_wait(TASK, &other), Change::Changed);
    assert_eq!(holder(&state), None, "another wait has no holder yet");
}

#[test]
fn one_holder_at_a_time_and_an_expired_lease_is_taken_over() {
    let mut state = waiting();
    let first = claim("first", "10:30:00", "10:35:00");
    assert_eq!(state.claim_wait(TASK, &first), Ok(Change::Changed));
    assert_eq!(state.claim_wait(TASK, &first), Ok(Change::Unchanged), "applied to its own result");
    let error = state.claim_wait(TASK, &claim("second", "10:31:00", "10:36:00")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the wait of change-advisory-status is held by first until 2026-07-02T10:35:00Z"
    );
    assert_eq!(error.class(), ErrorClass::Conflict);
    assert!(state.claim_wait(TASK, &eager("second", "10:31:00", "10:36:00")).is_err(), "the holder acts");
    assert_eq!(
        state.claim_wait(TASK, &claim("first", "10:34:00", "10:39:00")),
        Ok(Change::Changed),
        "renewed"
    );
    assert!(state.claim_wait(TASK, &claim("second", "10:35:00", "10:40:00")).is_err());
    assert_eq!(state.claim_wait(TASK, &claim("second", "10:39:00", "10:44:00")), Ok(Change::Changed));
    // The first wakes up late: it must not act.
    for refused in [
        state.clone().record_wait_check(TASK, &looked("first", "10:40:00", "11:00:00", None)),
        state.clone().end_wait(TASK, "first"),
        state.clone().claim_wait(TASK, &claim("first", "10:40:00", "10:45:00")),
    ] {
        assert!(matches!(refused, Err(StateError::WaitHeld { .. })), "{refused:?}");
    }
    assert_eq!(state.end_wait(TASK, "second"), Ok(Change::Changed));
    assert_eq!(state.end_wait(TASK, "second"), Ok(Change::Unchanged));
    assert_eq!(
        state.claim_wait(TASK, &claim("first", "10:40:00", "10:45:00")),
        Err(StateError::NotWaiting { task: TASK })
    );
}

#[test]
fn a_person_takes_over_from_a_holder_that_sleeps() {
    let mut state = waiting();
    let _ = state.claim_wait(TASK, &claim("watcher", "10:30:00", "10:35:00")).unwrap();
    let _ =
        state.record_wait_check(TASK, &looked("watcher", "10:30:05", "11:00:00", Some("11:05:00"))).unwrap();
    assert!(
        state.claim_wait(TASK, &claim("other", "10:40:00", "10:45:00")).is_err(),
        "another watcher waits"
    );
    assert_eq!(state.claim_wait(TASK, &eager("person", "10:40:00", "10:45:00")), Ok(Change::Changed));
    assert!(
        state.claim_wait(TASK, &eager("another", "10:41:00", "10:46:00")).is_err(),
        "the person acts now"
    );
    let _ = state.record_wait_check(TASK, &looked("person", "10:40:03", "11:00:00", None)).unwrap();
    assert_eq!(holder(&state), None);
    assert_eq!(state.claim_wait(TASK, &claim("watcher", "11:00:00", "11:05:00")), Ok(Change::Changed));
}

#[test]
fn unknown_keys_and_old_forms_survive() {
    let mut state = waiting();
    let text = state.to_yaml().replace(
        "    next_check: '2026-07-02T10:30:00Z'\n",
        "    next_check: '2026-07-02T10:30:00Z'\n    colour: blue\n    holder: somebody\n",
    );
    state = State::parse(&text).unwrap();
    assert_eq!(holder(&state), Some("somebody".to_owned()));
    let _ = state.claim_wait(TASK, &claim("me", "10:30:00", "10:35:00")).unwrap();
    assert!(
        state.to_yaml().contains("    colour: blue\n    holder:\n      who: me\n"),
        "{}",
        state.to_yaml()
    );
}

#[test]
fn a_time_that_is_none_is_found() {
    let text = waiting().to_yaml().replace(
        "    next_check: '2026-07-02T10:30:00Z'\n",
        "    next_check: soon\n    holder:\n      who: me\n      lease_until: later\n",
    );
    let state = State::parse(&text).unwrap();
    let found = state.warnings().lines("file").collect::<Vec<_>>().join("\n");
    assert!(found.contains("wait.next_check") && found.contains("wait.holder.lease_until"), "{found}");
    let broken = text.replace("    holder:\n      who: me\n      lease_until: later\n", "    holder: [me]\n");
    assert!(State::parse(&broken).is_err());
}

#[tokio::test]
async fn of_many_claimants_exactly_one_wins() {
    let store = Arc::new(MemoryStore::with(&waiting().to_yaml()));
    let permit = WritePermit::granted_by_user_interface();
    let handles: Vec<StateBox> = (0..8)
        .map(|_| {
            let clock = SteppingClock::start().0;
            StateBox::new("4.19.1".parse().unwrap(), store.clone(), clock, Redactor::default())
        })
        .collect();
    // Everybody has seen the free wait before anybody writes.
    for handle in &handles {
        handle.load().await.unwrap();
    }
    let claims = handles.iter().enumerate().map(|(number, handle)| {
        let claim = claim(&format!("watcher-{number}"), "10:30:00", "10:35:00");
        let permit = &permit;
        async move { handle.update(permit, "claim", |state| state.claim_wait(TASK, &claim)).await }
    });
    let results = futures::future::join_all(claims).await;
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);
    for error in results.into_iter().filter_map(Result::err) {
        assert!(matches!(error, StateBoxError::State(StateError::WaitHeld { .. })), "{error}");
    }
}
