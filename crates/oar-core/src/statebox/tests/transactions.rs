use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use super::super::*;
use super::{at, blocker, fresh, start};
use crate::clock::Clock;
use crate::error::{Classified, ErrorClass};
use crate::permit::WritePermit;
use crate::redact::Redactor;
use crate::store::memory::{Fault, MemoryStore, SteppingClock};
use crate::store::{Revision, Store, StoreError, Stored};

const MESSAGE: &str = "Update task: take-ownership";

fn permit() -> WritePermit {
    WritePermit::granted_by_user_interface()
}

fn handle_with(store: &Arc<MemoryStore>, clock: Clock) -> StateBox {
    StateBox::new("4.19.1".parse().unwrap(), store.clone(), clock, Redactor::default())
}

fn handle(store: &Arc<MemoryStore>) -> StateBox {
    handle_with(store, SteppingClock::start().0)
}

fn stored() -> Arc<MemoryStore> {
    Arc::new(MemoryStore::with(&fresh().to_yaml()))
}

fn begin(id: &str) -> impl FnMut(&mut State) -> Result<Change, StateError> + Send + use<> {
    let run = start(id, "10:05:00");
    move |state| Ok(state.start_run(TaskName::TakeOwnership, &run))
}

/// The ids in the history of the task that these tests change.
fn runs(store: &MemoryStore) -> Vec<String> {
    let state = State::parse(&store.text().unwrap()).unwrap();
    let task = state.task(TaskName::TakeOwnership);
    task.map(|task| task.history.into_iter().map(|run| run.id).collect()).unwrap_or_default()
}

#[tokio::test]
async fn an_update_costs_one_read_and_one_write_and_the_next_only_a_write() {
    let store = stored();
    let statebox = handle(&store);
    for (number, requests) in [(1, (1, 1)), (2, (1, 2))] {
        let updated = statebox.update(&permit(), MESSAGE, begin(&format!("run-{number}"))).await.unwrap();
        assert_eq!(updated.change, Change::Changed);
        assert_eq!(store.requests(), requests);
    }
    assert_eq!(statebox.path(), "_releases/4.19/statebox/4.19.1.yaml");
    let state = State::parse(&store.text().unwrap()).unwrap();
    assert_eq!(state.updated_at(), Some("2026-07-02T15:00:00Z"));
    assert_eq!(state.created_at(), Some("2026-07-02T10:00:00Z"));
}

#[tokio::test]
async fn an_update_after_a_load_costs_only_a_write() {
    let store = stored();
    let statebox = handle(&store);
    statebox.load().await.unwrap();
    statebox.update(&permit(), MESSAGE, begin("run-1")).await.unwrap();
    assert_eq!(store.requests(), (1, 1));
}

#[tokio::test]
async fn nothing_is_written_when_nothing_changes() {
    // Not written as we would write it: still no reason for a commit.
    let by_hand = fresh().to_yaml().replace("'1.0'", "\"1.0\"");
    let store = Arc::new(MemoryStore::with(&by_hand));
    let updated = handle(&store).update(&permit(), MESSAGE, |_| Ok(Change::Unchanged)).await.unwrap();
    assert_eq!(updated.change, Change::Unchanged);
    assert_eq!(store.requests(), (1, 0));
    assert_eq!(store.text(), Some(by_hand));
}

#[tokio::test]
async fn somebody_elses_change_is_kept() {
    let store = stored();
    let statebox = handle(&store);
    statebox.load().await.unwrap();
    handle(&store).update(&permit(), MESSAGE, begin("theirs")).await.unwrap();
    let updated = statebox.update(&permit(), MESSAGE, begin("ours")).await.unwrap();
    assert_eq!(updated.change, Change::Changed);
    assert_eq!(runs(&store), ["theirs", "ours"]);
}

#[tokio::test]
async fn a_write_whose_answer_was_lost_is_looked_up() {
    for (fault, writes) in [(Fault::LostAfter, 1), (Fault::LostBefore, 2)] {
        let store = stored();
        store.plan([Fault::None, fault]);
        let updated = handle(&store).update(&permit(), MESSAGE, begin("run-1")).await.unwrap();
        assert_eq!(updated.change, Change::Changed, "{fault:?}");
        assert_eq!(store.requests().1, writes, "{fault:?}");
        assert_eq!(runs(&store), ["run-1"]);
    }
}

#[tokio::test]
async fn a_stale_read_after_a_conflict_is_read_again() {
    let store = stored();
    handle(&store).update(&permit(), MESSAGE, begin("theirs")).await.unwrap();
    store.plan([Fault::StaleRead, Fault::None, Fault::StaleRead, Fault::None, Fault::None]);
    handle(&store).update(&permit(), MESSAGE, begin("ours")).await.unwrap();
    assert_eq!(runs(&store), ["theirs", "ours"]);
}

#[tokio::test]
async fn a_load_does_not_go_back_behind_our_own_write() {
    let store = stored();
    let statebox = handle(&store);
    statebox.update(&permit(), MESSAGE, begin("run-1")).await.unwrap();
    store.plan([Fault::StaleRead, Fault::StaleRead]);
    let state = statebox.load().await.unwrap();
    assert_eq!(state.task(TaskName::TakeOwnership).unwrap().history.len(), 1);

    let store = Arc::new(MemoryStore::default());
    let statebox = handle(&store);
    statebox.create(&permit(), "Initialize", fresh()).await.unwrap();
    store.plan([Fault::StaleRead, Fault::StaleRead]);
    assert!(statebox.find().await.unwrap().is_some());
}

#[tokio::test]
async fn a_file_does_not_vanish_within_a_transaction() {
    let store = stored();
    // The conflict was a busy branch; the replica that is asked then has not seen the file yet.
    store.plan([Fault::None, Fault::Conflict, Fault::StaleRead, Fault::StaleRead]);
    handle(&store).update(&permit(), MESSAGE, begin("run-1")).await.unwrap();
    assert_eq!(runs(&store), ["run-1"]);
}

#[tokio::test]
async fn an_outdated_state_is_not_believed_when_it_refuses_or_changes_nothing() {
    let store = stored();
    let (clock, hands) = SteppingClock::start();
    let statebox = handle_with(&store, clock);
    let issue = blocker("The stage is down", &[TaskName::StageTesting]);
    statebox.update(&permit(), "Add issue", |state| state.add_issue(&issue)).await.unwrap();
    // Somebody resolves the blocker; this handle still knows it as open.
    handle(&store)
        .update(&permit(), "Resolve issue", |state| state.resolve_issue("stage", "up again", at("12:00:00")))
        .await
        .unwrap();
    let second = NewIssue { at: at("13:00:00"), ..blocker("The stage is slow", &[TaskName::StageTesting]) };
    let updated = statebox.update(&permit(), "Add issue", |state| state.add_issue(&second)).await.unwrap();
    assert_eq!(updated.change, Change::Changed);

    handle(&store)
        .update(&permit(), "Resolve issue", |state| state.resolve_issue("slow", "fast", at("14:00:00")))
        .await
        .unwrap();
    hands.advance(Duration::from_mins(1));
    let third = NewIssue { at: at("15:00:00"), ..second };
    let updated = statebox.update(&permit(), "Add issue", |state| state.add_issue(&third)).await.unwrap();
    assert_eq!(updated.change, Change::Changed);
    assert_eq!(updated.state.issues().len(), 3);
}

#[tokio::test]
async fn a_refused_change_writes_nothing() {
    let store = stored();
    let before = store.text();
    let error = handle(&store)
        .update(&permit(), "Resolve issue", |state| state.resolve_issue("x", "y", at("10:00:00")))
        .await
        .unwrap_err();
    assert_eq!(error.to_string(), "no open issue matches `x`");
    assert_eq!(error.class(), ErrorClass::Usage);
    assert_eq!((store.text(), store.requests()), (before, (1, 0)));
}

#[tokio::test]
async fn a_state_is_created_once() {
    let store = Arc::new(MemoryStore::default());
    let statebox = handle(&store);
    let absent = statebox.load().await.unwrap_err();
    assert_eq!(absent.class(), ErrorClass::Blocked);
    assert!(absent.hint().unwrap().contains("oar -r 4.19.1 create-test-report"));
    assert!(statebox.update(&permit(), MESSAGE, begin("run-1")).await.is_err());
    store.plan([Fault::LostAfter]);
    assert!(matches!(statebox.create(&permit(), "Initialize", fresh()).await, Ok(Created::Now(_))));
    assert!(matches!(statebox.create(&permit(), "Initialize", fresh()).await, Ok(Created::Before(_))));
    assert_eq!(store.messages(), ["Initialize"]);
}

#[tokio::test]
async fn the_first_update_of_a_release_is_one_write() {
    let store = Arc::new(MemoryStore::default());
    let statebox = handle(&store);
    let updated = statebox.update_or_create(&permit(), MESSAGE, fresh(), begin("run-1")).await.unwrap();
    assert_eq!((updated.change, store.requests()), (Change::Changed, (1, 1)));
    assert_eq!(runs(&store), ["run-1"]);
    // Two that create at once: the second finds the file.
    let other = Arc::new(MemoryStore::default());
    let late = handle(&other);
    late.find().await.unwrap();
    other.replace(&fresh().to_yaml());
    late.update_or_create(&permit(), MESSAGE, fresh(), begin("run-2")).await.unwrap();
    assert_eq!(runs(&other), ["run-2"]);
}

#[tokio::test]
async fn what_cannot_be_understood_is_never_overwritten() {
    let cases = [
        ("tasks: [unclosed\n", "not valid YAML"),
        ("schema_version: '1.0'\nrelease: 4.19.1\nmetadata: {}\ntasks: 7\nissues: []\n", "expected a list"),
        (
            "schema_version: '1.0'\nrelease: 4.19.2\nmetadata: {}\ntasks: []\nissues: []\n",
            "`4.19.2`, not 4.19.1",
        ),
        (
            "schema_version: '2.0'\nrelease: 4.19.1\nmetadata: {}\ntasks: []\nissues: []\n",
            "schema version 2.0",
        ),
    ];
    for (text, expected) in cases {
        let store = Arc::new(MemoryStore::with(text));
        let error =
            handle(&store).update_or_create(&permit(), MESSAGE, fresh(), begin("run-1")).await.unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
        assert_eq!(store.text().as_deref(), Some(text));
    }
    // A newer schema can still be read.
    let store = Arc::new(MemoryStore::with(cases[3].0));
    assert_eq!(handle(&store).load().await.unwrap().newer_schema(), Some("2.0"));
}

#[tokio::test]
async fn a_transaction_ends_and_says_how() {
    let store = stored();
    store.plan(std::iter::once(Fault::None).chain(std::iter::repeat_n(Fault::Conflict, 200)));
    let error = handle(&store).update(&permit(), MESSAGE, begin("run-1")).await.unwrap_err();
    assert!(matches!(error, StateBoxError::Contended { attempts: 10..=60, .. }), "{error}");
    assert_eq!(error.class(), ErrorClass::Conflict);
    assert!(error.to_string().ends_with("nothing was written"), "{error}");

    let silent = stored();
    silent.plan(
        std::iter::once(Fault::None).chain([Fault::LostBefore, Fault::None].into_iter().cycle().take(400)),
    );
    let error = handle(&silent).update(&permit(), MESSAGE, begin("run-1")).await.unwrap_err();
    assert!(matches!(error, StateBoxError::Store(StoreError::Unclear(_))), "{error}");

    let down = stored();
    down.plan([Fault::None, Fault::LostBefore, Fault::Unavailable]);
    let error = handle(&down).update(&permit(), MESSAGE, begin("run-1")).await.unwrap_err();
    assert!(matches!(error, StateBoxError::Store(StoreError::Unclear(_))), "{error}");

    let hidden = stored();
    hidden.plan([Fault::Absent, Fault::None].into_iter().cycle().take(400));
    let change = handle(&hidden).update_or_create(&permit(), MESSAGE, fresh(), begin("run-1")).await;
    let error = change.unwrap_err();
    assert!(matches!(error, StateBoxError::Store(StoreError::Contradictory { .. })), "{error}");
    assert_eq!((error.class(), hidden.requests().1), (ErrorClass::Unavailable, 10));
    assert!(error.hint().is_some());

    let gone = stored();
    gone.plan(
        [Fault::None].into_iter().chain([Fault::Unavailable, Fault::None].into_iter().cycle().take(40)),
    );
    let error = handle(&gone).update(&permit(), MESSAGE, begin("run-1")).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Unavailable);
    assert_eq!(gone.requests().1, 4);
}

#[tokio::test]
async fn a_message_is_one_line_without_addresses() {
    let store = stored();
    let message = "Add issue: mail\n  lead@example.com";
    handle(&store).update(&permit(), message, begin("run-1")).await.unwrap();
    assert_eq!(store.messages(), ["Add issue: mail [EMAIL_REDACTED]"]);
}

#[tokio::test]
async fn eight_writers_lose_nothing_in_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let store: Arc<dyn Store> =
        Arc::new(crate::store::local::LocalStore::new(folder.path(), Clock::system()));
    let statebox = |store: &Arc<dyn Store>| {
        let release = "4.19.1".parse().unwrap();
        StateBox::new(release, store.clone(), Clock::system(), Redactor::default())
    };
    statebox(&store).create(&permit(), "Initialize", fresh()).await.unwrap();
    let writers = (0..8).map(|writer| {
        let mine = statebox(&store);
        tokio::spawn(async move {
            for number in 0..5 {
                let change = begin(&format!("{writer}-{number}"));
                mine.update(&permit(), MESSAGE, change).await.unwrap();
            }
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap();
    }
    let state = statebox(&store).load().await.unwrap();
    let mut ids: Vec<_> =
        state.task(TaskName::TakeOwnership).unwrap().history.into_iter().map(|run| run.id).collect();
    ids.sort();
    let mut expected: Vec<_> =
        (0..8).flat_map(|writer| (0..5).map(move |number| format!("{writer}-{number}"))).collect();
    expected.sort();
    assert_eq!(ids, expected);
}

fn faults() -> impl Strategy<Value = Vec<Fault>> {
    let fault = prop_oneof![
        4 => Just(Fault::None),
        2 => Just(Fault::StaleRead),
        2 => Just(Fault::Conflict),
        2 => Just(Fault::LostAfter),
        2 => Just(Fault::LostBefore),
        1 => Just(Fault::Unavailable),
    ];
    proptest::collection::vec(fault, 0..60)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn every_acknowledged_update_is_there_once(
        plan in faults(),
        writers in 1usize..6,
        updates in 1usize..6,
        pauses in proptest::collection::vec(0usize..6, 36),
        reuse in any::<bool>(),
        exists in any::<bool>(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let (acknowledged, store) = runtime.block_on(async move {
            let store = if exists { stored() } else { Arc::new(MemoryStore::default()) };
            store.plan(plan);
            let tasks: Vec<_> = (0..writers).map(|writer| {
                let store = store.clone();
                let pauses = pauses.clone();
                tokio::spawn(async move {
                    let mut acknowledged = Vec::new();
                    let mut mine = handle(&store);
                    for number in 0..updates {
                        for _ in 0..pauses[(writer * 6 + number) % pauses.len()] {
                            tokio::task::yield_now().await;
                        }
                        if !reuse {
                            mine = handle(&store);
                        }
                        let id = format!("{writer}-{number}");
                        let change = begin(&id);
                        if mine.update_or_create(&permit(), MESSAGE, fresh(), change).await.is_ok() {
                            acknowledged.push(id);
                        }
                    }
                    acknowledged
                })
            }).collect();
            let mut acknowledged = Vec::new();
            for task in tasks {
                acknowledged.extend(task.await.unwrap());
            }
            (acknowledged, store)
        });
        let present = if store.text().is_some() { runs(&store) } else { Vec::new() };
        for id in &acknowledged {
            prop_assert_eq!(present.iter().filter(|run| *run == id).count(), 1, "{}", id);
        }
        let mut unique = present.clone();
        unique.sort();
        unique.dedup();
        prop_assert_eq!(unique.len(), present.len());
    }
}

/// Requests that take their time, so that writers meet.
#[derive(Debug)]
struct Slow(MemoryStore);

#[async_trait::async_trait]
impl Store for Slow {
    async fn read(&self, path: &str) -> Result<Option<Stored>, StoreError> {
        tokio::time::sleep(Duration::from_millis(30)).await;
        let read = self.0.read(path).await;
        tokio::time::sleep(Duration::from_millis(30)).await;
        read
    }

    async fn list(&self, folder: &str) -> Result<Vec<String>, StoreError> {
        self.0.list(folder).await
    }

    async fn write(
        &self,
        path: &str,
        text: &str,
        expected: Option<&Revision>,
        message: &str,
        permit: &WritePermit,
    ) -> Result<Revision, StoreError> {
        tokio::time::sleep(Duration::from_millis(60)).await;
        let written = self.0.write(path, text, expected, message, permit).await;
        tokio::time::sleep(Duration::from_millis(60)).await;
        written
    }

    fn describe(&self, path: &str) -> String {
        self.0.describe(path)
    }
}

#[tokio::test(start_paused = true)]
async fn eight_busy_writers_on_a_bad_day_lose_nothing() {
    let store = Arc::new(Slow(MemoryStore::with(&fresh().to_yaml().replace("ART-1", "ART-0"))));
    store.0.replace(&fresh().to_yaml());
    let faults = [Fault::None, Fault::None, Fault::LostAfter, Fault::None, Fault::StaleRead, Fault::Conflict];
    store.0.plan(faults.into_iter().cycle().take(300));
    let writers: Vec<_> = (0..8)
        .map(|writer| {
            let store: Arc<dyn Store> = store.clone();
            tokio::spawn(async move {
                for number in 0..8 {
                    // A handle per update, as a process per update has it.
                    let release = "4.19.1".parse().unwrap();
                    let mine = StateBox::new(release, store.clone(), Clock::system(), Redactor::default());
                    let issue = NewIssue { blocker: false, ..blocker(&format!("{writer}-{number}."), &[]) };
                    mine.update(&permit(), MESSAGE, |state| state.add_issue(&issue)).await.unwrap();
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    let state = State::parse(&store.0.text().unwrap()).unwrap();
    let mut texts: Vec<_> = state.issues().into_iter().map(|issue| issue.issue).collect();
    assert_eq!(texts.len(), 64);
    texts.sort();
    texts.dedup();
    assert_eq!(texts.len(), 64);
}
