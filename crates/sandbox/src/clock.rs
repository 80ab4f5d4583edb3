//! The sandbox's clock: all services use it, and tests move it.

use std::sync::atomic::{AtomicI64, Ordering};

use jiff::{SignedDuration, Timestamp};

/// Where the clock starts and whether it runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClockStart {
    /// Runs with the real time.
    #[default]
    Real,
    /// Frozen at this instant until it is advanced.
    Frozen(Timestamp),
}

/// The time is out of range: services could not add durations to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the sandbox's clock must be between the years 1971 and 2999")]
pub struct OutOfRange;

/// Unix times of the years 1971 and 3000.
const RANGE: std::ops::Range<i64> = 31_536_000..32_503_680_000;

/// Checks that `time` is in range.
pub fn in_range(time: Timestamp) -> Result<(), OutOfRange> {
    if RANGE.contains(&time.as_second()) { Ok(()) } else { Err(OutOfRange) }
}

/// Checks that the time of this machine is in range.
pub(crate) fn check_system_clock() -> Result<(), OutOfRange> {
    Timestamp::try_from(std::time::SystemTime::now()).map_err(|_| OutOfRange).and_then(in_range)
}

/// The clock of all services.
#[derive(Debug)]
pub struct Clock {
    start: ClockStart,
    /// Milliseconds by which the clock was advanced.
    advanced: AtomicI64,
}

impl Clock {
    /// A clock that starts at `start`.
    pub fn new(start: ClockStart) -> Self {
        Self { start, advanced: AtomicI64::new(0) }
    }

    /// The present instant in the sandbox.
    pub fn now(&self) -> Timestamp {
        let base = self.base();
        let advanced = SignedDuration::from_millis(self.advanced.load(Ordering::SeqCst));
        base.saturating_add(advanced).unwrap_or(base)
    }

    fn base(&self) -> Timestamp {
        match self.start {
            ClockStart::Real => Timestamp::now(),
            ClockStart::Frozen(instant) => instant,
        }
    }

    /// Moves the clock forward, but never out of its range. It does not end sleeps: services only compare
    /// instants.
    pub fn advance(&self, by: SignedDuration) {
        // The clock stays where it is rather than leave its range.
        let _ = self.try_advance(by);
    }

    /// Moves the clock forward, unless it would leave its range.
    pub fn try_advance(&self, by: SignedDuration) -> Result<(), OutOfRange> {
        let milliseconds = i64::try_from(by.as_millis()).map_err(|_| OutOfRange)?;
        let sum = self.advanced.load(Ordering::SeqCst).checked_add(milliseconds).ok_or(OutOfRange)?;
        let then = self.base().checked_add(SignedDuration::from_millis(sum)).map_err(|_| OutOfRange)?;
        in_range(then)?;
        self.advanced.store(sum, Ordering::SeqCst);
        Ok(())
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
        for far in [SignedDuration::MAX, SignedDuration::MIN, SignedDuration::from_hours(24 * 365 * 1000)] {
            assert_eq!(clock.try_advance(far), Err(OutOfRange));
        }
        assert_eq!(clock.now().to_string(), "2026-07-02T10:01:30Z");
    }
}
