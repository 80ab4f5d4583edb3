//! What a pass over many releases reads once for all of them.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

/// For how long something serves: a pass over many releases.
const SERVES: Duration = Duration::from_secs(30);

/// A value and when it was read.
type Kept = (Timestamp, Arc<dyn Any + Send + Sync>);

/// One value of each type that is kept, for the next seconds.
#[derive(Debug, Default)]
pub struct Recent(Mutex<HashMap<TypeId, Kept>>);

impl Recent {
    /// Keeps `value`, which was read at `at`, in place of an earlier one of its type.
    pub fn keep<T: Any + Send + Sync>(&self, value: T, at: Timestamp) -> Arc<T> {
        let value = Arc::new(value);
        let kept = Arc::<T>::clone(&value);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(TypeId::of::<T>(), (at, kept));
        value
    }

    /// The value of this type, if it was read in the last seconds.
    pub fn get<T: Any + Send + Sync>(&self, now: Timestamp) -> Option<Arc<T>> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, value) = kept.get(&TypeId::of::<T>())?;
        let serves = Duration::try_from(now.duration_since(*at)).is_ok_and(|age| age < SERVES);
        serves.then(|| Arc::clone(value).downcast().ok())?
    }
}

#[cfg(test)]
mod tests {
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
}
