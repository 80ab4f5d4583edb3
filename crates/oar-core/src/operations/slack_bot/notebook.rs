//! The file in which the bot remembers: in the store of the `StateBox` files, which all replicas share.

use std::sync::Arc;

use crate::agents::bot::Memory;
use crate::clock::Clock;
use crate::error::{ErrorClass, classified};
use crate::permit::WritePermit;
use crate::store::transaction::{Policy, Start, Target, TransactionError, transact};
use crate::store::{Store, StoreError, Stored};

/// Where it is.
pub const PATH: &str = "_releases/slack-bot.json";

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

/// Reads and changes the file.
#[derive(Debug, Clone)]
pub struct Notebook {
    store: Arc<dyn Store>,
    clock: Clock,
    /// Changes of one process take turns. Whose turn it is, knows the file as the last change left it: a change that writes
    /// costs no read then, and after another process's write the store refuses it, and the file is read.
    turn: Arc<tokio::sync::Mutex<Option<Known>>>,
}

/// The file after a change.
#[derive(Debug)]
struct Known {
    stored: Stored,
    memory: Memory,
}

impl Notebook {
    /// The file in this store.
    pub fn new(store: Arc<dyn Store>, clock: Clock) -> Self {
        Self { store, clock, turn: Arc::default() }
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

    /// Changes what is remembered. The change is applied again after a conflict and after a lost answer, so it recognises its
    /// own work.
    ///
    /// # Errors
    ///
    /// As for [`Notebook::read`]; nothing was changed then, or ([`StoreError::Unclear`]) perhaps.
    pub async fn change<T: Send>(
        &self,
        message: &str,
        permit: &WritePermit,
        change: impl Fn(&mut Memory) -> T + Send + Sync,
    ) -> Result<T, NotebookError> {
        let mut turn = self.turn.lock().await;
        let known = turn.take();
        let start = known
            .as_ref()
            .map_or(Start::Read, |known| Start::Known { stored: Some(known.stored.clone()), recent: false });
        let target = Target { store: &*self.store, path: PATH, message };
        let mut done_so_far = None;
        let done = transact(target, permit, &self.clock, &Policy::default(), start, |text| {
            let before = match &known {
                Some(known) if text == Some(known.stored.text.as_str()) => known.memory.clone(),
                _ => self.parse(text)?,
            };
            let mut memory = before.clone();
            let answer = change(&mut memory);
            let is_changed = memory != before;
            let text = is_changed.then(|| memory.text()).transpose();
            done_so_far = Some((answer, memory));
            text.map_err(|error| self.damaged(&error))
        })
        .await;
        match done {
            Ok(committed) => {
                let (answer, memory) =
                    done_so_far.ok_or_else(|| NotebookError::Contended("nothing was changed".to_owned()))?;
                *turn = committed.stored.map(|stored| Known { stored, memory });
                Ok(answer)
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
