//! Changes a stored text without losing other writers' changes: read, apply, write against the revision that
//! was read; on a conflict read again and apply *again*.
//!
//! Nothing is merged, so no update is lost. A write without an answer is handled the same way: the change is
//! applied to the present text, and a change that takes its ids and times from its caller recognises itself
//! there.

use std::time::Duration;

use super::{Revision, Store, StoreError, Stored, read_file};
use crate::clock::Clock;
use crate::error::{ServiceError, ServiceErrorKind};
use crate::permit::WritePermit;

/// How often a read is repeated that does not find a file which existed a moment ago.
const ABSENT_READS: u32 = 3;

/// How many writes in a row may be refused because a file exists that reads do not find: a replica that lags behind
/// has it by then.
const CONTRADICTIONS: u32 = 10;
/// After how many writes it is reported that others change the file at the same time.
const REPORTED_AFTER: u32 = 5;

/// The limits of a transaction.
#[derive(Debug, Clone, Copy)]
pub struct Policy {
    /// The most writes.
    pub attempts: u32,
    /// The time after which no further write is tried.
    pub total: Duration,
    /// The pause after the first failed write; it doubles with each further one.
    pub first_pause: Duration,
    /// The longest pause. It is short, because a writer that waits long meets as many others again.
    pub longest_pause: Duration,
    /// The most writes in a row that may fail because the service is unavailable.
    pub unavailable: u32,
    /// The most writes in a row that may get no answer.
    pub unanswered: u32,
}

impl Default for Policy {
    /// Enough for eight writers that write one file continuously.
    fn default() -> Self {
        Self {
            attempts: 60,
            total: Duration::from_mins(2),
            first_pause: Duration::from_millis(100),
            longest_pause: Duration::from_secs(2),
            unavailable: 4,
            unanswered: 6,
        }
    }
}

impl Policy {
    fn pause(&self, attempts: u32) -> Duration {
        let doubled = 1u32.checked_shl(attempts.saturating_sub(1)).unwrap_or(u32::MAX);
        self.first_pause.saturating_mul(doubled).min(self.longest_pause)
    }
}

/// The file to change.
#[derive(Debug, Clone, Copy)]
pub struct Target<'a> {
    /// Its store.
    pub store: &'a dyn Store,
    /// Its path there.
    pub path: &'a str,
    /// Describes the change, for the store's history.
    pub message: &'a str,
}

/// The text that the change is applied to first.
#[derive(Debug, Clone)]
pub enum Start {
    /// The result of a read.
    Read,
    /// The text that the caller has just read for this transaction (`None`: there is no file).
    JustRead(Option<Stored>),
    /// The text that the caller read or wrote before (`None`: there was no file). It costs no read; when it
    /// is outdated, the write fails with a conflict and the file is read.
    Known {
        /// The file as the caller knows it.
        stored: Option<Stored>,
        /// Whether this is recent enough to conclude that there is nothing to change. A refusal by the change
        /// is always confirmed by a read.
        recent: bool,
    },
}

/// The result of a successful transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committed {
    /// The file as it is now, as far as it is known.
    pub stored: Option<Stored>,
    /// Whether this transaction wrote (or may have written, when an answer was lost and the change is there).
    pub written: bool,
    /// The revision that was written over, if this transaction wrote and there was one.
    pub replaced: Option<Revision>,
    /// Number of writes that were tried.
    pub attempts: u32,
}

/// The error of a transaction.
#[derive(Debug, thiserror::Error)]
pub enum TransactionError<E> {
    /// The store failed. [`StoreError::Unclear`]: the change may have been written.
    #[error(transparent)]
    Store(StoreError),
    /// The change refused the file as it is; nothing was written.
    #[error("{0}")]
    Apply(E),
    /// Others changed the file at every attempt; nothing was written.
    #[error("{location} was changed by others at each of {attempts} attempts in {seconds} s")]
    Contended {
        /// The file.
        location: String,
        /// Number of writes that were tried.
        attempts: u32,
        /// The time it took, in seconds.
        seconds: u64,
    },
}

/// Applies a change to a file, exactly once if the change recognises its own work.
///
/// `apply` gets the file's text (`None`: there is no file) and returns the new text, or `None` when there is
/// nothing to change; then nothing is written. It is called again, with the newest text, after every conflict
/// and after every write whose answer was lost, so it must recognise its own work.
pub async fn transact<E>(
    target: Target<'_>,
    permit: &WritePermit,
    clock: &Clock,
    policy: &Policy,
    start: Start,
    mut apply: impl FnMut(Option<&str>) -> Result<Option<String>, E> + Send,
) -> Result<Committed, TransactionError<E>> {
    let begun = clock.now();
    let mut attempts = 0;
    let (mut unavailable, mut unanswered, mut contradictions) = (0, 0, 0);
    let mut lost_answer: Option<ServiceError> = None;
    let mut replaced = None;
    let (mut current, mut believed, mut was_read) = match start {
        Start::Read => (read(target, clock, &mut lost_answer).await?, true, true),
        Start::JustRead(stored) => (stored, true, true),
        Start::Known { stored, recent } => (stored, recent, false),
    };
    loop {
        let applied = apply(current.as_ref().map(|stored| stored.text.as_str()));
        let settled = match &applied {
            Ok(next) => next.is_none() || next.as_ref() == current.as_ref().map(|stored| &stored.text),
            Err(_) => true,
        };
        if settled && !(was_read || believed && applied.is_ok()) {
            current = read(target, clock, &mut lost_answer).await?;
            (was_read, believed) = (true, true);
            continue;
        }
        let text = match applied.map_err(TransactionError::Apply)? {
            Some(text) if !settled => text,
            _ => {
                return Ok(Committed { stored: current, written: lost_answer.is_some(), replaced, attempts });
            }
        };
        attempts += 1;
        let expected = current.as_ref().map(|stored| &stored.revision);
        let Target { store, path, message } = target;
        match store.write(path, &text, expected, message, permit).await {
            Ok(revision) => {
                let stored = Some(Stored { text, revision });
                let replaced = expected.cloned();
                return Ok(Committed { stored, written: true, replaced, attempts });
            }
            Err(StoreError::Conflict { .. }) => {
                (unavailable, unanswered) = (0, 0);
                contradictions = if expected.is_none() { contradictions + 1 } else { 0 };
                if contradictions >= CONTRADICTIONS {
                    let location = store.describe(path);
                    return Err(failure(StoreError::Contradictory { location }, lost_answer));
                }
            }
            Err(StoreError::Unclear(error)) => {
                unanswered += 1;
                if unanswered >= policy.unanswered {
                    return Err(TransactionError::Store(StoreError::Unclear(error)));
                }
                lost_answer = Some(error);
                replaced = expected.cloned();
            }
            Err(StoreError::Service(error))
                if error.kind == ServiceErrorKind::Unavailable && unavailable + 1 < policy.unavailable =>
            {
                unavailable += 1;
            }
            Err(error) => return Err(failure(error, lost_answer)),
        }
        let elapsed = Duration::try_from(clock.now().duration_since(begun)).unwrap_or_default();
        if attempts >= policy.attempts || elapsed >= policy.total {
            return Err(lost_answer.map_or_else(
                || TransactionError::Contended {
                    location: store.describe(path),
                    attempts,
                    seconds: elapsed.as_secs(),
                },
                |error| TransactionError::Store(StoreError::Unclear(error)),
            ));
        }
        if attempts == REPORTED_AFTER {
            tracing::info!("{}: writing it has failed {attempts} times; trying again", store.describe(path));
        }
        clock.sleep(clock.jittered(policy.pause(attempts))).await;
        let existed = current.is_some() || lost_answer.is_some();
        current = read(target, clock, &mut lost_answer).await?;
        for repeated in 1..=ABSENT_READS {
            if current.is_some() || !existed {
                break;
            }
            // The answer may come from a replica that does not have the file yet; a removed file remains
            // absent.
            clock.sleep(clock.jittered(policy.pause(repeated))).await;
            current = read(target, clock, &mut lost_answer).await?;
        }
        (was_read, believed) = (true, true);
    }
}

async fn read<E>(
    target: Target<'_>,
    clock: &Clock,
    lost_answer: &mut Option<ServiceError>,
) -> Result<Option<Stored>, TransactionError<E>> {
    read_file(target.store, target.path, clock).await.map_err(|error| failure(error, lost_answer.take()))
}

/// After a write whose answer was lost, a failure leaves unknown whether that write took effect.
fn failure<E>(error: StoreError, lost_answer: Option<ServiceError>) -> TransactionError<E> {
    TransactionError::Store(lost_answer.map_or(error, StoreError::Unclear))
}
