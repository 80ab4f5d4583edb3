//! Time, sleeping and randomness, behind one handle, so that tests run without waiting.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use jiff::Timestamp;

/// Where a [`Clock`] takes its time from.
pub trait ClockSource: Send + Sync {
    /// The current time, UTC.
    fn now(&self) -> Timestamp;
    /// Waits for `duration` of this source's time.
    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()>;
    /// A random number in `0.0..1.0`, for jitter.
    fn random(&self) -> f64;
}

/// A cheap handle to the time source that the whole program shares.
#[derive(Clone)]
pub struct Clock(Arc<dyn ClockSource>);

impl Clock {
    /// The machine's clock, the runtime's timer, the thread's random generator.
    pub fn system() -> Self {
        Self(Arc::new(SystemClock))
    }

    /// A clock that reads from `source`.
    pub fn new(source: Arc<dyn ClockSource>) -> Self {
        Self(source)
    }

    /// The current time, UTC.
    pub fn now(&self) -> Timestamp {
        self.0.now()
    }

    /// The current time as state files and log lines write it: `2026-07-02T06:55:57Z`.
    pub fn stamp(&self) -> String {
        stamp(self.now())
    }

    /// Waits for `duration`.
    pub async fn sleep(&self, duration: Duration) {
        self.0.sleep(duration).await;
    }

    /// A random number in `0.0..1.0`.
    pub fn random(&self) -> f64 {
        self.0.random()
    }

    /// `duration` shortened by a random part of at most a half, so that many clients do not act in step.
    pub fn jittered(&self, duration: Duration) -> Duration {
        duration.mul_f64(0.5 + self.random() / 2.0)
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Clock")
    }
}

/// `time` as `YYYY-MM-DDTHH:MM:SSZ`, the only form in which we write times (spec 01 §2.2, §4.1).
pub fn stamp(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

struct SystemClock;

impl ClockSource for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(duration))
    }

    fn random(&self) -> f64 {
        rand::random()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_have_whole_seconds_and_end_in_z() {
        let time: Timestamp = "2026-07-02T06:55:57.999Z".parse().unwrap();
        assert_eq!(stamp(time), "2026-07-02T06:55:57Z");
    }

    #[test]
    fn jitter_keeps_between_half_and_whole() {
        let clock = Clock::system();
        for _ in 0..1000 {
            let jittered = clock.jittered(Duration::from_secs(10));
            assert!((5.0..=10.0).contains(&jittered.as_secs_f64()), "{jittered:?}");
        }
    }
}
