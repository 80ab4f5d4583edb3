//! Writes whose answer may not tell whether they were done.

use super::Effect;
use crate::error::{ServiceError, ServiceErrorKind};

/// How it is known that what was to be written stands there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Written<T> {
    /// The answer to the write says so.
    Answered(T),
    /// A look says so, after a failure of this kind.
    Seen(T, ServiceErrorKind),
}

impl<T> Written<T> {
    /// What stands there.
    pub fn into_inner(self) -> T {
        match self {
            Self::Answered(value) | Self::Seen(value, _) => value,
        }
    }

    /// Whether the write did it: one without an answer that can be read did, a refused one did not; somebody was faster.
    pub fn effect(&self) -> Effect {
        match self {
            Self::Seen(_, kind) if !may_have_acted(*kind) => Effect::AlreadySo,
            Self::Answered(_) | Self::Seen(..) => Effect::Changed,
        }
    }
}

/// Whether a write that failed so may be done: its answer never came, or cannot be read.
fn may_have_acted(kind: ServiceErrorKind) -> bool {
    matches!(kind, ServiceErrorKind::Unclear | ServiceErrorKind::Malformed)
}

/// What became of one attempt to write.
#[derive(Debug)]
pub enum Attempt<T, E> {
    /// It stands there.
    Done(Written<T>),
    /// It failed, and certainly does not stand there: the write may be repeated.
    Absent(ServiceError),
    /// It failed, and whether it stands there could not be seen.
    Unseen(ServiceError, E),
    /// It failed, and nothing was done.
    Failed(ServiceError),
}

impl<T, E: From<ServiceError>> Attempt<T, E> {
    /// What stands there, or the error that the caller is to tell.
    ///
    /// When nobody could see it, an unclear write stays one: the next run looks first. A refusal is no verdict then, so that
    /// the look's own error is the answer.
    pub fn settled(self) -> Result<Written<T>, E> {
        match self {
            Self::Done(written) => Ok(written),
            Self::Unseen(failure, look) if !may_have_acted(failure.kind) => Err(look),
            Self::Absent(failure) | Self::Unseen(failure, _) | Self::Failed(failure) => Err(failure.into()),
        }
    }
}

/// Writes once, and looks whether it is done when the answer does not tell.
///
/// - An answer to `write` counts as it is.
/// - A failure of one of the `doubtful` kinds is followed by a `look`: the service may have acted
///   ([`ServiceErrorKind::Unclear`], [`ServiceErrorKind::Malformed`]), or it refuses because it is so already. `Some` is what
///   stands there, which is good; `None` is that it certainly does not stand there.
/// - After any other failure nothing was done, and nobody looks.
pub async fn attempt<T, E>(
    write: impl Future<Output = Result<T, ServiceError>>,
    doubtful: &[ServiceErrorKind],
    look: impl Future<Output = Result<Option<T>, E>>,
) -> Attempt<T, E> {
    let failure = match write.await {
        Ok(value) => return Attempt::Done(Written::Answered(value)),
        Err(failure) if doubtful.contains(&failure.kind) => failure,
        Err(failure) => return Attempt::Failed(failure),
    };
    match look.await {
        Ok(Some(value)) => Attempt::Done(Written::Seen(value, failure.kind)),
        Ok(None) => Attempt::Absent(failure),
        Err(look) => Attempt::Unseen(failure, look),
    }
}

/// One [`attempt`], settled.
pub async fn write_or_look<T, E: From<ServiceError>>(
    write: impl Future<Output = Result<T, ServiceError>>,
    doubtful: &[ServiceErrorKind],
    look: impl Future<Output = Result<Option<T>, E>>,
) -> Result<Written<T>, E> {
    attempt(write, doubtful, look).await.settled()
}

#[cfg(test)]
mod tests {
    use std::future::ready;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::service::Service;
    use ServiceErrorKind::{Conflict, Rejected, Unavailable, Unclear};

    fn error(kind: ServiceErrorKind) -> ServiceError {
        ServiceError::new(Service::Gitlab, "write", kind, "")
    }

    /// What came of a write that failed so and a look that found this: the value and the effect, or the kind of the error;
    /// and how often was looked.
    async fn tried(
        write: Result<u8, ServiceErrorKind>,
        look: Result<Option<u8>, ServiceErrorKind>,
    ) -> (Result<(u8, Effect), ServiceErrorKind>, usize) {
        let looks = AtomicUsize::new(0);
        let written = write_or_look(ready(write.map_err(error)), &[Unclear, Conflict], async {
            looks.fetch_add(1, Ordering::Relaxed);
            look.map_err(error)
        })
        .await;
        let told = written.map(|written| (written.effect(), written.into_inner()));
        let told = told.map(|(effect, value)| (value, effect)).map_err(|error| error.kind);
        (told, looks.into_inner())
    }

    #[tokio::test]
    async fn only_a_doubtful_answer_is_followed_by_a_look() {
        assert_eq!(tried(Ok(1), Ok(Some(2))).await, (Ok((1, Effect::Changed)), 0));
        assert_eq!(tried(Err(Rejected), Ok(Some(2))).await, (Err(Rejected), 0));
        assert_eq!(tried(Err(Unavailable), Ok(Some(2))).await, (Err(Unavailable), 0));
    }

    #[tokio::test]
    async fn what_stands_there_is_good_whoever_wrote_it() {
        assert_eq!(tried(Err(Unclear), Ok(Some(2))).await, (Ok((2, Effect::Changed)), 1));
        assert_eq!(tried(Err(Conflict), Ok(Some(2))).await, (Ok((2, Effect::AlreadySo)), 1));
        assert_eq!(tried(Err(Unclear), Ok(None)).await, (Err(Unclear), 1));
        assert_eq!(tried(Err(Conflict), Ok(None)).await, (Err(Conflict), 1));
    }

    #[tokio::test]
    async fn only_what_certainly_is_not_there_may_be_written_again() {
        let tried = |kind, look: Result<Option<u8>, ServiceErrorKind>| {
            attempt(ready(Err(error(kind))), &[Unclear], ready(look.map_err(error)))
        };
        assert!(matches!(tried(Unclear, Ok(None)).await, Attempt::Absent(_)));
        assert!(matches!(tried(Unclear, Err(Unavailable)).await, Attempt::Unseen(..)));
        assert!(matches!(tried(Rejected, Ok(None)).await, Attempt::Failed(_)));
    }

    #[tokio::test]
    async fn a_failed_look_leaves_an_unclear_write_unclear_and_makes_no_verdict_of_a_refusal() {
        assert_eq!(tried(Err(Unclear), Err(Rejected)).await, (Err(Unclear), 1));
        assert_eq!(tried(Err(Conflict), Err(Unavailable)).await, (Err(Unavailable), 1));
    }
}
