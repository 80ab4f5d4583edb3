//! Writes whose answer may not show whether they took effect.

use super::Effect;
use crate::error::{ServiceError, ServiceErrorKind};

/// The written value, and how it is known to be there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Written<T> {
    /// By the answer to the write.
    Answered(T),
    /// By a look, after a failure of this kind.
    Seen(T, ServiceErrorKind),
}

impl<T> Written<T> {
    /// The value.
    pub fn into_inner(self) -> T {
        match self {
            Self::Answered(value) | Self::Seen(value, _) => value,
        }
    }

    /// Whether this write caused it. A write without a readable answer counts as the cause; after a refusal
    /// somebody else was faster.
    pub fn effect(&self) -> Effect {
        match self {
            Self::Seen(_, kind) if !may_have_acted(*kind) => Effect::AlreadySo,
            Self::Answered(_) | Self::Seen(..) => Effect::Changed,
        }
    }
}

/// Whether a write that failed with this kind may have taken effect: no answer arrived, or it cannot be read.
pub(super) fn may_have_acted(kind: ServiceErrorKind) -> bool {
    matches!(kind, ServiceErrorKind::Unclear | ServiceErrorKind::Malformed)
}

/// The result of one attempt to write.
#[derive(Debug)]
pub enum Attempt<T, E> {
    /// The value is written.
    Done(Written<T>),
    /// It failed, and the value is certainly not there: the write may be repeated.
    Absent(ServiceError),
    /// It failed, and the look failed too, so the result is unknown.
    Unseen(ServiceError, E),
    /// It failed without an effect.
    Failed(ServiceError),
}

impl<T> Attempt<T, ServiceError> {
    /// The value, or the error for the caller.
    ///
    /// When the look failed too, an unclear write remains unclear: the next run looks first. After a refusal
    /// the look's error is returned, because the refusal proves nothing then; it also says what was refused.
    pub fn settled(self) -> Result<Written<T>, ServiceError> {
        match self {
            Self::Done(written) => Ok(written),
            Self::Unseen(refusal, look) if !may_have_acted(refusal.kind) => {
                Err(look.with_other("looked up after this refusal", &refusal))
            }
            Self::Absent(failure) | Self::Unseen(failure, _) | Self::Failed(failure) => Err(failure),
        }
    }
}

/// Writes once, and looks whether it took effect when the answer does not show it.
///
/// - An answer to `write` counts as it is.
/// - A failure of one of the `doubtful` kinds is followed by a `look`: the service may have acted
///   ([`ServiceErrorKind::Unclear`], [`ServiceErrorKind::Malformed`]), or it refuses because the value is set
///   already. `Some` is the value, which counts as success; `None` means that it is certainly not there.
/// - After any other failure the write had no effect, and there is no look.
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
    if may_have_acted(failure.kind) {
        tracing::info!("{failure}; looking whether it was done");
    }
    match look.await {
        Ok(Some(value)) => Attempt::Done(Written::Seen(value, failure.kind)),
        Ok(None) => Attempt::Absent(failure),
        Err(look) => Attempt::Unseen(failure, look),
    }
}

/// One [`attempt`], as a `Result` ([`Attempt::settled`]).
pub async fn write_or_look<T>(
    write: impl Future<Output = Result<T, ServiceError>>,
    doubtful: &[ServiceErrorKind],
    look: impl Future<Output = Result<Option<T>, ServiceError>>,
) -> Result<Written<T>, ServiceError> {
    attempt(write, doubtful, look).await.settled()
}

/// Calls [`attempt`] at most `times` times; it repeats only while the value is certainly not there.
pub async fn attempt_again<T, E, W, L>(
    times: usize,
    write: impl Fn() -> W,
    doubtful: &[ServiceErrorKind],
    look: impl Fn() -> L,
) -> Attempt<T, E>
where
    W: Future<Output = Result<T, ServiceError>>,
    L: Future<Output = Result<Option<T>, E>>,
{
    for _ in 1..times {
        match attempt(write(), doubtful, look()).await {
            Attempt::Absent(_) => {}
            tried => return tried,
        }
    }
    attempt(write(), doubtful, look()).await
}

/// Looks for what is missing and writes it; a look that returns `None` found nothing missing.
///
/// When an answer does not show whether the service acted, it looks again and writes once more what is still
/// missing.
pub async fn ensure<M, E, W, L>(look: impl Fn() -> L, mut write: impl FnMut(M) -> W) -> Result<Effect, E>
where
    E: From<ServiceError>,
    W: Future<Output = Result<(), ServiceError>>,
    L: Future<Output = Result<Option<M>, E>>,
{
    let Some(missing) = look().await? else { return Ok(Effect::AlreadySo) };
    match write(missing).await {
        Ok(()) => return Ok(Effect::Changed),
        Err(failure) if may_have_acted(failure.kind) => match look().await {
            Ok(None) => {}
            Ok(Some(missing)) => write(missing).await?,
            // It is unknown whether it took effect: the next run looks first.
            Err(_) => return Err(failure.into()),
        },
        Err(failure) => return Err(failure.into()),
    }
    Ok(Effect::Changed)
}

#[cfg(test)]
mod tests {
    use std::future::ready;
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::service::Service;
    use ServiceErrorKind::{Conflict, Rejected, Unavailable, Unclear};

    fn error(kind: ServiceErrorKind) -> ServiceError {
        ServiceError::new(Service::Gitlab, "write", kind, "")
    }

    /// The result of such a write and such a look: the value and the effect, or the kind of the error; and
    /// the number of looks.
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
        let refusal = ServiceError { detail: "it is frozen".to_owned(), ..error(Conflict) };
        let look = ready(Err::<Option<u8>, _>(error(Unavailable)));
        let error = write_or_look(ready(Err(refusal)), &[Conflict], look).await.unwrap_err();
        let words = "GitLab: cannot write: unavailable: looked up after this refusal: GitLab: cannot write: changed by \
                     somebody else: it is frozen";
        assert_eq!(error.to_string(), words);
    }

    /// The result of looks that find these things missing and of such writes, and what was written.
    async fn ensured(
        looks: &[Result<Option<u8>, ServiceErrorKind>],
        writes: &[Result<(), ServiceErrorKind>],
    ) -> (Result<Effect, ServiceErrorKind>, Vec<u8>) {
        let (looks, mut writes) = (Mutex::new(looks.iter()), writes.iter());
        let mut written = Vec::new();
        let look = || ready(looks.lock().unwrap().next().unwrap().map_err(error));
        let write = |missing| {
            written.push(missing);
            ready(writes.next().unwrap().map_err(error))
        };
        (ensure(look, write).await.map_err(|error: ServiceError| error.kind), written)
    }

    #[tokio::test]
    async fn what_is_missing_is_written_and_again_only_when_it_is_missing_still() {
        use Effect::{AlreadySo, Changed};
        assert_eq!(ensured(&[Ok(None)], &[]).await, (Ok(AlreadySo), vec![]));
        assert_eq!(ensured(&[Ok(Some(1))], &[Ok(())]).await, (Ok(Changed), vec![1]));
        assert_eq!(ensured(&[Ok(Some(1))], &[Err(Rejected)]).await, (Err(Rejected), vec![1]));
        let lost = Err(Unclear);
        assert_eq!(ensured(&[Ok(Some(1)), Ok(None)], &[lost]).await, (Ok(Changed), vec![1]));
        assert_eq!(ensured(&[Ok(Some(1)), Ok(Some(2))], &[lost, Ok(())]).await, (Ok(Changed), vec![1, 2]));
        assert_eq!(
            ensured(&[Ok(Some(1)), Ok(Some(2))], &[lost, lost]).await,
            (lost.map(|()| Changed), vec![1, 2])
        );
        assert_eq!(ensured(&[Ok(Some(1)), Err(Unavailable)], &[lost]).await, (Err(Unclear), vec![1]));
        assert_eq!(ensured(&[Err(Unavailable)], &[]).await, (Err(Unavailable), vec![]));
    }

    #[tokio::test]
    async fn it_is_tried_again_only_so_often_and_only_while_it_is_not_there() {
        for (looks, expected) in
            [(vec![Ok(None), Ok(None)], 3), (vec![Ok(None), Ok(Some(7))], 2), (vec![Err(Unavailable)], 1)]
        {
            let (writes, looks) = (AtomicUsize::new(0), Mutex::new(looks.into_iter()));
            let write = || {
                writes.fetch_add(1, Ordering::Relaxed);
                ready(Err::<u8, _>(error(Unclear)))
            };
            let look = || ready(looks.lock().unwrap().next().unwrap_or(Ok(None)).map_err(error));
            drop(attempt_again(3, write, &[Unclear], look).await);
            assert_eq!(writes.into_inner(), expected);
        }
    }
}
