//! Whether requests are under way: how a watchdog tells a program that waits for an answer from one that hangs. Requests of
//! other protocols (LDAP) count in the same way.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// What the requests of a stack do. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Activity(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    under_way: AtomicUsize,
    begun: AtomicU64,
}

impl Activity {
    /// How many requests are under way, pauses before their repetitions included. Each of them ends within the limits of the
    /// stack.
    pub fn under_way(&self) -> usize {
        self.0.under_way.load(Ordering::SeqCst)
    }

    /// How many requests have begun so far.
    pub fn begun(&self) -> u64 {
        self.0.begun.load(Ordering::SeqCst)
    }

    /// Counts a request, or another wait that ends by itself, until the returned value is dropped.
    pub fn begin(&self) -> UnderWay {
        self.0.under_way.fetch_add(1, Ordering::SeqCst);
        self.0.begun.fetch_add(1, Ordering::SeqCst);
        UnderWay(Arc::clone(&self.0))
    }
}

/// A request is under way while this exists.
#[derive(Debug)]
#[must_use = "what is dropped is not under way"]
pub struct UnderWay(Arc<Counts>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_counts_until_it_ends_or_is_given_up() {
        let activity = Activity::default();
        let (one, other) = (activity.begin(), activity.clone().begin());
        assert_eq!((activity.under_way(), activity.begun()), (2, 2));
        drop(one);
        assert_eq!((activity.under_way(), activity.begun()), (1, 2));
        drop(other);
        assert_eq!((activity.under_way(), activity.begun()), (0, 2));
    }
}
