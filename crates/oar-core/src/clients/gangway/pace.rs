//! Spaces requests so that they stay below a rate limit.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::clock::Clock;
use crate::config::RateLimit;

/// Assigns a time to each request of one process (a leaky bucket).
#[derive(Debug)]
pub(super) struct Pace {
    interval: SignedDuration,
    burst: SignedDuration,
    /// When the bucket will be empty again.
    drained: Mutex<Option<Timestamp>>,
}

impl Pace {
    pub(super) fn new(limit: RateLimit) -> Self {
        let interval =
            SignedDuration::from_mins(1) / i32::try_from(limit.per_minute.max(1)).unwrap_or(i32::MAX);
        let burst = interval * i32::try_from(limit.burst).unwrap_or(i32::MAX);
        Self { interval, burst, drained: Mutex::new(None) }
    }

    /// Waits until the next request may be sent.
    pub(super) async fn turn(&self, clock: &Clock) {
        let wait = self.reserve(clock.now());
        if !wait.is_zero() {
            tracing::debug!("waiting {} ms for a turn at Gangway", wait.as_millis());
            clock.sleep(wait).await;
        }
    }

    /// Reserves the next slot and returns the time until it.
    fn reserve(&self, now: Timestamp) -> Duration {
        let mut drained = self.drained.lock().unwrap_or_else(PoisonError::into_inner);
        let start = drained.unwrap_or(now).max(now);
        *drained = Some(start.saturating_add(self.interval).unwrap_or(start));
        Duration::try_from(start.duration_since(now) - self.burst).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_the_rest_is_spread() {
        let pace = Pace::new(RateLimit { per_minute: 20, burst: 2 });
        let start: Timestamp = "2026-07-02T12:00:00Z".parse().unwrap();
        let waits: Vec<u64> = (0..5).map(|_| pace.reserve(start).as_secs()).collect();
        assert_eq!(waits, [0, 0, 0, 3, 6]);
        let later = start.saturating_add(SignedDuration::from_mins(1)).unwrap();
        assert_eq!(pace.reserve(later), Duration::ZERO, "an idle minute drains the bucket");
    }
}
