//! The sandbox's clock: every service tells the time from it, and tests move it.

use std::sync::atomic::{AtomicI64, Ordering};

use jiff::{SignedDuration, Timestamp};

/// Where the clock starts and whether it runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClockStart {
    /// Runs with the real time.
    #[default]
    Real,
    /// Stands at this instant until somebody advances it.
    Frozen(Timestamp),
}

/// The instant at which all services live.
#[derive(Debug)]
pub struct Clock {
    start: ClockStart,
    /// Milliseconds by which the clock was advanced.
    advanced: AtomicI64,
}

impl Clock {
    /// A clock that begins as `start` says.
    pub fn new(start: ClockStart) -> Self {
        Self { start, advanced: AtomicI64::new(0) }
    }

    /// The present instant in the sandbox.
    pub fn now(&self) -> Timestamp {
        let base = match self.start {
            ClockStart::Real => Timestamp::now(),
            ClockStart::Frozen(instant) => instant,
        };
        let advanced = SignedDuration::from_millis(self.advanced.load(Ordering::SeqCst));
        base.saturating_add(advanced).unwrap_or(base)
    }

    /// Moves the clock forward. Nobody's sleep ends by it: services only compare instants.
    pub fn advance(&self, by: SignedDuration) {
        let milliseconds = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
        self.advanced.fetch_add(milliseconds, Ordering::SeqCst);
    }

    /// Milliseconds by which the clock was advanced so far.
    pub(crate) fn advanced(&self) -> i64 {
        self.advanced.load(Ordering::SeqCst)
    }

    /// Goes back to a clock that was advanced by `milliseconds`.
    pub(crate) fn set_advanced(&self, milliseconds: i64) {
        self.advanced.store(milliseconds, Ordering::SeqCst);
    }

    /// Seconds since 1970, as rate limit headers and Slack time stamps count.
    pub fn epoch_seconds(&self) -> i64 {
        self.now().as_second()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frozen_clock_moves_only_when_advanced() {
        let start: Timestamp = "2026-07-02T10:00:00Z".parse().unwrap();
        let clock = Clock::new(ClockStart::Frozen(start));
        assert_eq!(clock.now(), start);
        clock.advance(SignedDuration::from_secs(90));
        assert_eq!(clock.now().to_string(), "2026-07-02T10:01:30Z");
    }
}
