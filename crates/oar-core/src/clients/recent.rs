//! What a pass over many releases reads once for all of them.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

/// For how long something serves: a pass over many releases.
const SERVES: Duration = Duration::from_secs(30);

type Shared = Arc<dyn Any + Send + Sync>;

/// The attempts to read a value. Who reads it holds the lock, so that others wait for it instead of reading, too.
#[derive(Debug, Default)]
struct Reading {
    /// How many have ended.
    ended: AtomicU64,
    /// Why the last one failed, if it did.
    failure: tokio::sync::Mutex<Option<Shared>>,
}

/// A value and when it was read.
type Kept = (Timestamp, Shared);

/// One value of each type that is kept, for the next seconds.
#[derive(Debug, Default)]
pub struct Recent {
    kept: Mutex<HashMap<TypeId, Kept>>,
    reading: Mutex<HashMap<TypeId, Arc<Reading>>>,
}

impl Recent {
    /// Keeps `value`, which was read at `at`, in place of an earlier one of its type.
    pub fn keep<T: Any + Send + Sync>(&self, value: T, at: Timestamp) -> Arc<T> {
        let value = Arc::new(value);
        let kept = Arc::<T>::clone(&value);
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).insert(TypeId::of::<T>(), (at, kept));
        value
    }

    /// The value of this type, if it was read in the last seconds.
    pub fn get<T: Any + Send + Sync>(&self, now: Timestamp) -> Option<Arc<T>> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, value) = kept.get(&TypeId::of::<T>())?;
        let serves = Duration::try_from(now.duration_since(*at)).is_ok_and(|age| age < SERVES);
        serves.then(|| Arc::clone(value).downcast().ok())?
    }

    /// The same; otherwise what `read` reads, which is kept. Of several that want it at the same time one reads.
    ///
    /// # Errors
    ///
    /// That of `read`. Whoever waited for it has the same; whoever comes later reads again.
    pub async fn get_or_read<T, E, R>(
        &self,
        now: impl Fn() -> Timestamp,
        read: impl FnOnce() -> R,
    ) -> Result<Arc<T>, Arc<E>>
    where
        T: Any + Send + Sync,
        E: Any + Send + Sync,
        R: Future<Output = Result<T, E>>,
    {
        let reading = {
            let mut reading = self.reading.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(reading.entry(TypeId::of::<T>()).or_default())
        };
        let ended = reading.ended.load(Ordering::SeqCst);
        let mut failure = reading.failure.lock().await;
        let at = now();
        if let Some(value) = self.get(at) {
            return Ok(value);
        }
        if reading.ended.load(Ordering::SeqCst) != ended
            && let Some(failure) = failure.clone().and_then(|failure| failure.downcast().ok())
        {
            return Err(failure);
        }
        let found = read().await.map(|value| self.keep(value, at)).map_err(Arc::new);
        *failure = found.as_ref().err().map(|failure| -> Shared { Arc::<E>::clone(failure) });
        reading.ended.fetch_add(1, Ordering::SeqCst);
        found
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU8, Ordering};

    use jiff::SignedDuration;

    use super::*;

    #[test]
    fn a_value_serves_for_some_seconds_and_each_type_has_its_own() {
        let (recent, start) = (Recent::default(), Timestamp::UNIX_EPOCH);
        let _ = recent.keep(7_u8, start);
        let _ = recent.keep("text".to_owned(), start + SignedDuration::from_secs(20));
        let get = |seconds| {
            let now = start + SignedDuration::from_secs(seconds);
            (recent.get::<u8>(now).map(|value| *value), recent.get::<String>(now).is_some())
        };
        assert_eq!(get(29), (Some(7), true));
        assert_eq!(get(30), (None, true));
        assert_eq!(get(50), (None, false));
        assert_eq!(get(-1), (None, false), "read later than now");
        let _ = recent.keep(8_u8, start);
        assert_eq!(get(1).0, Some(8));
    }

    #[tokio::test]
    async fn of_several_at_the_same_time_one_reads_and_a_failure_is_theirs_alone() {
        let (recent, reads) = (Recent::default(), AtomicU8::new(0));
        let reads = &reads;
        let read = |fails: bool| {
            recent.get_or_read(
                || Timestamp::UNIX_EPOCH,
                move || async move {
                    tokio::task::yield_now().await;
                    let count = reads.fetch_add(1, Ordering::SeqCst) + 1;
                    if fails { Err(count) } else { Ok(count) }
                },
            )
        };
        for count in 1..=2 {
            let failed = futures::future::join_all([read(true), read(true), read(true)]).await;
            assert!(failed.iter().all(|failed| *failed == Err(Arc::new(count))), "{failed:?}");
        }
        let found = futures::future::join_all([read(false), read(false), read(false)]).await;
        assert!(found.iter().all(|found| found.as_deref() == Ok(&3)), "{found:?}");
    }
}
