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
}

classified! {
    NotebookError through Store;
    class {
        Self::Damaged { .. } => ErrorClass::Blocked,
        Self::Contended(_) => ErrorClass::Conflict,
    }
    hint {
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

    fn is_done(&self) -> bool;
}

struct OneChange<F, T> {
    change: F,
    /// The answer of the last time, and whether that was written.
    answer: Mutex<(Option<T>, bool)>,
}

impl<F: Fn(&mut Memory) -> T + Send + Sync, T: Send> Change for OneChange<F, T> {
    fn apply(&self, memory: &mut Memory) {
        locked(&self.answer).0 = Some((self.change)(memory));
    }

    fn done(&self) {
        locked(&self.answer).1 = true;
    }

    fn is_done(&self) -> bool {
        locked(&self.answer).1
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
        let own = Arc::new(OneChange { change, answer: Mutex::new((None, false)) });
        locked(&self.waiting).changes.push_back(own.clone());
        // Nobody makes it any more when its caller is gone.
        let _waits = Waits { waiting: &self.waiting, own: own.clone() };
        let mut turn = self.turn.lock().await;
        if !own.is_done() {
            self.write(&mut turn, &own, message, permit).await?;
        }
        let answer = locked(&own.answer).0.take();
        answer.ok_or_else(|| NotebookError::Contended("nothing was changed".to_owned()))
    }

    /// Makes this change, and with it others that wait: in one write. After a failure the others have their own turn.
    async fn write(
        &self,
        turn: &mut Option<Known>,
        own: &Arc<impl Change + 'static>,
        message: &str,
        permit: &WritePermit,
    ) -> Result<(), NotebookError> {
        let own: Arc<dyn Change> = own.clone();
        let (batch, answered) = {
            let mut waiting = locked(&self.waiting);
            waiting.changes.retain(|change| !Arc::ptr_eq(change, &own) && !change.is_done());
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
            let mut memory = before.clone();
            for change in &batch {
                change.apply(&mut memory);
            }
            let is_changed = memory != before;
            if is_changed {
                for (message, at) in &answered {
                    memory.answered(message, *at);
                }
            }
            let text = is_changed.then(|| memory.text()).transpose();
            changed = Some((memory, is_changed));
            text.map_err(|error| self.damaged(&error))
        })
        .await;
        match done {
            Ok(committed) => {
                if let Some((memory, is_changed)) = changed {
                    *turn = Some(Known { stored: committed.stored, memory });
                    let mut waiting = locked(&self.waiting);
                    if is_changed {
                        waiting.answered.retain(|known| !answered.contains(known));
                    }
                    batch.iter().for_each(|change| change.done());
                    waiting.changes.retain(|change| !change.is_done());
                }
                Ok(())
            }
            Err(TransactionError::Store(error)) => Err(NotebookError::Store(error)),
            Err(TransactionError::Apply(error)) => Err(error),
            Err(contended @ TransactionError::Contended { .. }) => {
                Err(NotebookError::Contended(contended.to_string()))
            }
        }
    }

    fn parse(&self, text: Option<&str>) -> Result<Memory, NotebookError> {
        text.map_or_else(|| Ok(Memory::default()), Memory::parse).map_err(|error| self.damaged(&error))
    }

    fn damaged(&self, why: &serde_json::Error) -> NotebookError {
        NotebookError::Damaged { location: self.store.describe(PATH), why: why.to_string() }
    }
}
