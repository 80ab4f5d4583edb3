//! The file in which the bot remembers: in the store of the `StateBox` files, which all replicas share.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;

use crate::agents::bot::{ATTEMPTS, IncomingMessage, Memory};
use crate::clock::Clock;
use crate::error::{ErrorClass, classified};
use crate::permit::WritePermit;
use crate::store::transaction::{Policy, Start, Target, TransactionError, transact};
use crate::store::{Store, StoreError, Stored};

/// Where it is.
pub const PATH: &str = "_releases/slack-bot.json";
/// Messages answered without a command that wait to be written down; the oldest go first.
const MOST_ANSWERED: usize = 500;

/// Why nothing could be remembered.
#[derive(Debug, thiserror::Error)]
pub enum NotebookError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The file is damaged.
    #[error("{location} cannot be read: {why}")]
    Damaged {
        /// Its location, for people.
        location: String,
        /// What is wrong.
        why: String,
    },
    /// Others changed the file at every attempt.
    #[error("{0}")]
    Contended(String),
    /// The write failed that was made for several changes.
    #[error(transparent)]
    Shared(Arc<NotebookError>),
}

classified! {
    NotebookError through Store;
    class {
        Self::Damaged { .. } => ErrorClass::Blocked,
        Self::Contended(_) => ErrorClass::Conflict,
        Self::Shared(error) => error.class(),
    }
    hint {
        Self::Shared(error) => error.hint(),
        Self::Damaged { .. } => Some(
            "Restore the file from an earlier version, or remove it while no command runs: then the bot forgets which \
             messages it handled."
                .to_owned(),
        ),
        Self::Contended(_) => Some("Only one replica may work: look for a second bot.".to_owned()),
    }
}

/// Reads and changes the file. Clones are the same notebook.
#[derive(Debug, Clone)]
pub struct Notebook {
    store: Arc<dyn Store>,
    clock: Clock,
    /// Changes of one process take turns. Whose turn it is, knows the file as the last change left it: a change that writes
    /// costs no read then, and after another process's write the store refuses it, and the file is read.
    turn: Arc<tokio::sync::Mutex<Option<Known>>>,
    /// What waits for a turn: one write makes several changes.
    waiting: Arc<Mutex<Waiting>>,
}

/// The file after a change.
#[derive(Debug)]
struct Known {
    /// `None`: there is no file.
    stored: Option<Stored>,
    memory: Memory,
}

#[derive(Default)]
struct Waiting {
    changes: VecDeque<Arc<dyn Change>>,
    /// Messages that were answered without a command, the oldest first: the next change writes them down as well.
    answered: VecDeque<(IncomingMessage, Timestamp)>,
}

impl fmt::Debug for Waiting {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Waiting").field("changes", &self.changes.len()).finish_non_exhaustive()
    }
}

/// A change of what is remembered.
trait Change: Send + Sync {
    /// Makes it; the last answer counts.
    fn apply(&self, memory: &mut Memory);

    /// It is written.
    fn done(&self);

    /// It could not be written.
    fn failed(&self, error: Arc<NotebookError>);

    /// Whether it is written, or could not be.
    fn is_over(&self) -> bool;
}

struct OneChange<F, T> {
    change: F,
    state: Mutex<ChangeState<T>>,
}

struct ChangeState<T> {
    /// The answer of the last time.
    answer: Option<T>,
    /// Whether it was written; none while that is not known.
    end: Option<Result<(), Arc<NotebookError>>>,
}

impl<F: Fn(&mut Memory) -> T + Send + Sync, T: Send> Change for OneChange<F, T> {
    fn apply(&self, memory: &mut Memory) {
        locked(&self.state).answer = Some((self.change)(memory));
    }

    fn done(&self) {
        locked(&self.state).end = Some(Ok(()));
    }

    fn failed(&self, error: Arc<NotebookError>) {
        locked(&self.state).end = Some(Err(error));
    }

    fn is_over(&self) -> bool {
        locked(&self.state).end.is_some()
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes a change out of those that wait.
struct Waits<'a> {
    waiting: &'a Mutex<Waiting>,
    own: Arc<dyn Change>,
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        locked(self.waiting).changes.retain(|change| !Arc::ptr_eq(change, &self.own));
    }
}

impl Notebook {
    /// The file in this store.
    pub fn new(store: Arc<dyn Store>, clock: Clock) -> Self {
        Self { store, clock, turn: Arc::default(), waiting: Arc::default() }
    }

    /// What is remembered now.
    ///
    /// # Errors
    ///
    /// The store failed, or the file is damaged.
    pub async fn read(&self) -> Result<Memory, NotebookError> {
        let stored = crate::store::read_file(&*self.store, PATH, &self.clock).await?;
        self.parse(stored.as_ref().map(|stored| stored.text.as_str()))
    }

    /// The same, as what the next change begins with.
    ///
    /// # Errors
    ///
    /// As for [`Notebook::read`].
    pub async fn learn(&self) -> Result<Memory, NotebookError> {
        let mut turn = self.turn.lock().await;
        let stored = crate::store::read_file(&*self.store, PATH, &self.clock).await?;
        let memory = self.parse(stored.as_ref().map(|stored| stored.text.as_str()))?;
        *turn = Some(Known { stored, memory: memory.clone() });
        Ok(memory)
    }

    /// What this process knows to be remembered, which is all as long as it is the only one that works; read where it knows nothing.
    ///
    /// # Errors
    ///
    /// As for [`Notebook::read`].
    pub async fn known(&self) -> Result<Memory, NotebookError> {
        let known = self.turn.lock().await.as_ref().map(|known| known.memory.clone());
        match known {
            Some(memory) => Ok(memory),
            None => self.read().await,
        }
    }

    /// Writes down that a message was answered that ran no command, with the next change: it is worth no write of its own.
    pub fn answered(&self, message: &IncomingMessage) {
        let mut waiting = locked(&self.waiting);
        if waiting.answered.len() >= MOST_ANSWERED {
            waiting.answered.pop_front();
        }
        waiting.answered.push_back((message.clone(), self.clock.now()));
    }

    /// Changes what is remembered. The change is applied again after a conflict and after a lost answer, so it recognises its
    /// own work.
    ///
    /// # Errors
    ///
    /// As for [`Notebook::read`]; nothing was changed then, or ([`StoreError::Unclear`]) perhaps.
    pub async fn change<T: Send + 'static>(
        &self,
        message: &str,
        permit: &WritePermit,
        change: impl Fn(&mut Memory) -> T + Send + Sync + 'static,
    ) -> Result<T, NotebookError> {
        let own = Arc::new(OneChange { change, state: Mutex::new(ChangeState { answer: None, end: None }) });
        locked(&self.waiting).changes.push_back(own.clone());
        // Nobody makes it any more when its caller is gone.
        let _waits = Waits { waiting: &self.waiting, own: own.clone() };
        let mut turn = self.turn.lock().await;
        if !own.is_over() {
            self.write(&mut turn, &own, message, permit).await;
        }
        let mut state = locked(&own.state);
        if let Some(Err(error)) = state.end.take() {
            return Err(NotebookError::Shared(error));
        }
        state.answer.take().ok_or_else(|| NotebookError::Contended("nothing was changed".to_owned()))
    }

    /// Makes this change, and with it others that wait: in one write, of which all share the end when the store is out. Otherwise each would
    /// wait for it, one after the other.
    async fn write(
        &self,
        turn: &mut Option<Known>,
        own: &Arc<impl Change + 'static>,
        message: &str,
        permit: &WritePermit,
    ) {
        let own: Arc<dyn Change> = own.clone();
        let (batch, answered) = {
            let mut waiting = locked(&self.waiting);
            waiting.changes.retain(|change| !Arc::ptr_eq(change, &own) && !change.is_over());
            let others = waiting.changes.iter().take(ATTEMPTS - 1).cloned();
            let batch: Vec<Arc<dyn Change>> = std::iter::once(own).chain(others).collect();
            (batch, waiting.answered.clone())
        };
        let known = turn.as_ref();
        let start =
            known.map_or(Start::Read, |known| Start::Known { stored: known.stored.clone(), recent: false });
        let message = match batch.len() {
            1 => message.to_owned(),
            count => format!("{message}, and {} more", count - 1),
        };
        let target = Target { store: &*self.store, path: PATH, message: &message };
        let mut changed = None;
        let done = transact(target, permit, &self.clock, &Policy::default(), start, |text| {
            let before = match known {
                Some(Known { stored: Some(stored), memory }) if text == Some(stored.text.as_str()) => {
                    memory.clone()
                }
                _ => self.parse(text)?,
            };
            let mut base = before;
            // Before the changes: only the newest messages are recognised after a lost answer.
            for (message, at) in &answered {
                base.answered(message, *at);
            }
            let mut memory = base.clone();
            for change in &batch {
                change.apply(&mut memory);
            }
            let is_changed = memory != base;
            let text = is_changed.then(|| memory.text()).transpose();
            changed = Some((memory, is_changed));
            text.map_err(|error| self.damaged(&error))
        })
        .await;
        let error = match done {
            Ok(committed) => {
                if let Some((memory, is_changed)) = changed {
                    *turn = Some(Known { stored: committed.stored, memory });
                    if is_changed {
                        locked(&self.waiting).answered.retain(|known| !answered.contains(known));
                    }
                }
                None
            }
            Err(TransactionError::Store(error)) => Some(NotebookError::Store(error)),
            Err(TransactionError::Apply(error)) => Some(error),
            Err(contended @ TransactionError::Contended { .. }) => {
                Some(NotebookError::Contended(contended.to_string()))
            }
        };
        let error = error.map(Arc::new);
        // What else is wrong may be wrong with this change alone.
        let is_shared = matches!(error.as_deref(), None | Some(NotebookError::Store(_)));
        for change in batch.iter().take(if is_shared { batch.len() } else { 1 }) {
            match &error {
                None => change.done(),
                Some(error) => change.failed(Arc::clone(error)),
            }
        }
        locked(&self.waiting).changes.retain(|change| !change.is_over());
    }

    fn parse(&self, text: Option<&str>) -> Result<Memory, NotebookError> {
        text.map_or_else(|| Ok(Memory::default()), Memory::parse).map_err(|error| self.damaged(&error))
    }

    fn damaged(&self, why: &serde_json::Error) -> NotebookError {
        NotebookError::Damaged { location: self.store.describe(PATH), why: why.to_string() }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;
    use futures::future::join_all;

    use super::*;
    use crate::agents::bot::{MessageKey, RunningCommand};
    use crate::clients::slack::UserId;
    use crate::error::Classified as _;
    use crate::store::memory::{Fault, MemoryStore, SteppingClock};

    fn message(number: usize) -> IncomingMessage {
        IncomingMessage {
            key: MessageKey { channel: "C0AAA".into(), ts: format!("{number:04}.0") },
            user: UserId("U0ANN".into()),
            text: "oar status".into(),
            thread: None,
            client_id: None,
        }
    }

    fn notebook() -> (Notebook, Arc<MemoryStore>) {
        let store = Arc::new(MemoryStore::default());
        (Notebook::new(store.clone(), SteppingClock::start().0), store)
    }

    async fn take(notebook: &Notebook, number: usize) -> Result<bool, NotebookError> {
        take_as(notebook, number, format!("attempt-{number}")).await
    }

    async fn take_as(notebook: &Notebook, number: usize, attempt: String) -> Result<bool, NotebookError> {
        let (message, now) = (message(number), notebook.clock.now());
        let run = RunningCommand {
            command: message.key.clone(),
            thread: message.key.ts.clone(),
            words: "oar status".into(),
            instance: "one".into(),
            since: now,
        };
        let permit = WritePermit::granted_by_user_interface();
        let change = move |memory: &mut Memory| memory.take(&attempt, &message, Some(&run), now);
        notebook.change("a command was taken", &permit, change).await
    }

    async fn knows(notebook: &Notebook, number: usize) -> bool {
        notebook.read().await.unwrap().handled().contains(&message(number))
    }

    #[tokio::test]
    async fn changes_that_wait_are_one_write_and_each_has_its_own_answer() {
        let (notebook, store) = notebook();
        let taken = join_all((0..20).map(|number| take(&notebook, number % 19))).await;
        let refused: Vec<usize> = taken
            .iter()
            .enumerate()
            .filter(|(_, taken)| !*taken.as_ref().unwrap())
            .map(|(at, _)| at)
            .collect();
        assert_eq!(refused, [19], "the last one is the first message again, long after it was taken");
        assert_eq!(
            store.requests().1,
            3,
            "the first, those that came meanwhile, and what was too much: {:?}",
            store.messages()
        );
        assert_eq!(notebook.read().await.unwrap().interrupted("two").len(), 19);
    }

    #[tokio::test]
    async fn a_lost_answer_loses_none_of_the_changes() {
        let (notebook, store) = notebook();
        for number in 100..100 + ATTEMPTS {
            notebook.answered(&message(number));
        }
        store.plan([Fault::None, Fault::None, Fault::LostAfter]);
        let taken = join_all((0..=ATTEMPTS).map(|number| take(&notebook, number))).await;
        assert!(taken.into_iter().all(|taken| taken.unwrap()), "{:?}", store.messages());
    }

    #[tokio::test]
    async fn of_two_replicas_one_takes_a_message() {
        for (has_file, knows_it) in [(false, false), (false, true), (true, false), (true, true)] {
            // The answer to one of the requests is lost, each in turn; what is lost of a read comes anyway.
            for lost in 0..6 {
                let (first, store) = notebook();
                let second = Notebook::new(store.clone(), first.clock.clone());
                if has_file {
                    assert!(take(&first, 7).await.unwrap());
                }
                if knows_it {
                    first.learn().await.unwrap();
                    second.learn().await.unwrap();
                }
                let before = store.requests().1;
                store.plan(std::iter::repeat_n(Fault::None, lost).chain([Fault::LostAfter]));
                let (one, other) =
                    tokio::join!(take_as(&first, 1, "one".into()), take_as(&second, 1, "other".into()));
                let taken = [one.unwrap(), other.unwrap()];
                assert_eq!(
                    taken.iter().filter(|taken| **taken).count(),
                    1,
                    "{has_file} {knows_it} {lost}: {:?}",
                    store.messages()
                );
                assert!(store.requests().1 >= before + 2, "both wrote");
                assert!(knows(&second, 1).await);
            }
        }
    }

    #[tokio::test]
    async fn a_failure_is_of_one_change_and_the_others_have_their_turn() {
        let (notebook, store) = notebook();
        // The read, and all writes of the first turn.
        store.plan([Fault::None, Fault::Unavailable, Fault::None, Fault::Unavailable, Fault::None]);
        store.plan([Fault::Unavailable, Fault::None, Fault::Unavailable]);
        let taken = join_all((0..3).map(|number| take(&notebook, number))).await;
        let failed: Vec<bool> = taken.iter().map(Result::is_err).collect();
        assert_eq!(failed, [true, false, false], "{:?}", store.messages());
        assert!(!knows(&notebook, 0).await && knows(&notebook, 1).await && knows(&notebook, 2).await);
    }

    #[tokio::test]
    async fn what_was_answered_is_written_with_the_next_change_only() {
        let (notebook, store) = notebook();
        notebook.answered(&message(7));
        assert!(!knows(&notebook, 7).await);
        assert_eq!(store.requests().1, 0);
        assert!(take(&notebook, 1).await.unwrap());
        assert!(knows(&notebook, 7).await);
        assert_eq!(store.requests().1, 1);
        for number in 0..2 * MOST_ANSWERED {
            notebook.answered(&message(number));
        }
        assert_eq!(locked(&notebook.waiting).answered.len(), MOST_ANSWERED);
    }

    #[tokio::test]
    async fn nobody_makes_a_change_whose_caller_is_gone() {
        let (notebook, _) = notebook();
        let turn = notebook.turn.lock().await;
        let mut gone = Box::pin(take(&notebook, 1));
        assert!(gone.as_mut().now_or_never().is_none());
        drop((gone, turn));
        assert!(take(&notebook, 2).await.unwrap());
        assert!(!knows(&notebook, 1).await && knows(&notebook, 2).await);
    }

    #[tokio::test]
    async fn a_store_that_is_out_is_out_for_all_that_waited_for_the_write() {
        let (notebook, store) = notebook();
        // The read, and all writes of one turn; then it is well again.
        store.plan([Fault::None, Fault::Unavailable, Fault::None, Fault::Unavailable, Fault::None]);
        store.plan([Fault::Unavailable, Fault::None, Fault::Unavailable]);
        let turn = notebook.turn.lock().await;
        let mut waiting: Vec<_> = (0..3).map(|number| Box::pin(take(&notebook, number))).collect();
        assert!(waiting.iter_mut().all(|take| take.as_mut().now_or_never().is_none()));
        drop(turn);
        let taken = join_all(waiting).await;
        assert!(taken.iter().all(Result::is_err), "{taken:?}");
        assert!(
            taken.iter().filter_map(|it| it.as_ref().err()).all(|it| it.class() == ErrorClass::Unavailable)
        );
        assert!(take(&notebook, 4).await.unwrap(), "{:?}", store.messages());
    }
}
