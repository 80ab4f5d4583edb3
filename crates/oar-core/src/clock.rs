//! Time, sleeping and randomness behind one handle, so that tests run without waiting.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures::future::BoxFuture;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use crate::error::{Classified, ErrorClass};
use crate::schema::{read_from_text, text_schema};

/// How far the clocks of two machines may differ, when what one of them did is looked for by its time.
pub const CLOCK_SKEW: SignedDuration = SignedDuration::from_mins(5);

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

    /// `duration` shortened by a random part of at most a half, so that many clients do not act at the same
    /// time.
    pub fn jittered(&self, duration: Duration) -> Duration {
        duration.mul_f64(0.5 + self.random() / 2.0)
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Clock")
    }
}

/// `time` as `YYYY-MM-DDTHH:MM:SSZ`, the only format in which times are written (spec 01 §2.2, §4.1).
pub fn stamp(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// A length of time for people, in two units at most: `2 d 3 h`, `3 h 20 min`, `5 min`, `12 s`.
pub fn duration_words(seconds: i64) -> String {
    match (seconds / 86_400, seconds % 86_400 / 3600, seconds % 3600 / 60) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, minutes) => format!("{minutes} min"),
        (0, hours, minutes) => format!("{hours} h {minutes} min"),
        (days, hours, _) => format!("{days} d {hours} h"),
    }
}

/// The clock of the machine is wrong.
#[derive(Debug, thiserror::Error)]
#[error("the clock of this machine is wrong: it says {says}, expected a time from 2020 to 2199")]
pub struct WrongClock {
    says: String,
}

impl Classified for WrongClock {
    fn class(&self) -> ErrorClass {
        ErrorClass::Configuration
    }

    fn hint(&self) -> Option<String> {
        Some("Set the clock (`timedatectl` shows it), then run the command again.".to_owned())
    }
}

/// Unix times of the years 2020 and 2200. Wrong times in stored data cannot be corrected later, and
/// arithmetic fails with times at the limits of the calendar.
const RANGE: std::ops::Range<i64> = 1_577_836_800..7_258_118_400;

/// Checks that the clock of this machine is plausible.
pub fn check_system_clock() -> Result<(), WrongClock> {
    is_in_range(SystemTime::now())
}

fn is_in_range(time: SystemTime) -> Result<(), WrongClock> {
    let timestamp = Timestamp::try_from(time);
    match timestamp {
        Ok(timestamp) if RANGE.contains(&timestamp.as_second()) => Ok(()),
        Ok(timestamp) => Err(WrongClock { says: stamp(timestamp) }),
        Err(_) => Err(WrongClock { says: "a time outside all calendars".to_owned() }),
    }
}

struct SystemClock;

impl ClockSource for SystemClock {
    fn now(&self) -> Timestamp {
        let time = SystemTime::now();
        // The clock may have been set wrongly since the program started.
        Timestamp::try_from(time).unwrap_or(if time < SystemTime::UNIX_EPOCH {
            Timestamp::MIN
        } else {
            Timestamp::MAX
        })
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(duration))
    }

    fn random(&self) -> f64 {
        rand::random()
    }
}

/// A day or a moment that a person names: `2026-07-31`, `2026-07-31T12:00:00Z`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// The whole day, UTC.
    Day(Date),
    /// This moment.
    At(Timestamp),
}

/// A text that is neither a day nor a moment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is neither a day such as 2026-07-31 nor a time such as 2026-07-31T12:00:00Z")]
pub struct NoMoment(String);

impl Moment {
    /// Whether it has begun at `now`.
    pub fn has_begun(self, now: Timestamp) -> bool {
        match self {
            Self::Day(day) => day <= now.to_zoned(TimeZone::UTC).date(),
            Self::At(moment) => moment <= now,
        }
    }

    /// When it is over; `None` at the limits of the calendar.
    pub fn end(self) -> Option<Timestamp> {
        match self {
            Self::Day(day) => Some(day.tomorrow().ok()?.to_zoned(TimeZone::UTC).ok()?.timestamp()),
            Self::At(moment) => Some(moment),
        }
    }

    /// Whether it is over at `now`: a day lasts to its end.
    pub fn is_over(self, now: Timestamp) -> bool {
        match self {
            Self::Day(day) => day < now.to_zoned(TimeZone::UTC).date(),
            Self::At(moment) => moment <= now,
        }
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Day(day) => day.fmt(formatter),
            Self::At(moment) => formatter.write_str(&stamp(*moment)),
        }
    }
}

impl FromStr for Moment {
    type Err = NoMoment;

    fn from_str(input: &str) -> Result<Self, Self::Err> {
        let text = input.trim();
        match (text.parse::<Timestamp>(), text.len(), text.parse::<Date>()) {
            (Ok(moment), ..) => Ok(Self::At(moment)),
            // A longer text is a time without its zone.
            (_, 10, Ok(day)) => Ok(Self::Day(day)),
            _ => Err(NoMoment(text.chars().take(80).collect::<String>().escape_debug().to_string())),
        }
    }
}

read_from_text!(Moment);
text_schema!(
    Moment,
    "Moment",
    "A day, which counts to its end (UTC), or a time",
    ["2026-07-31", "2026-07-31T12:00:00Z"]
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_two_units_at_most() {
        for (seconds, expected) in
            [(0, "0 s"), (59, "59 s"), (60, "1 min"), (3660, "1 h 1 min"), (90_000, "1 d 1 h")]
        {
            assert_eq!(duration_words(seconds), expected);
        }
    }

    #[test]
    fn a_day_lasts_to_its_end_and_a_moment_does_not() {
        let time = |text: &str| text.parse::<Timestamp>().unwrap();
        let day: Moment = " 2026-07-31 ".parse().unwrap();
        assert_eq!(day.to_string(), "2026-07-31");
        for (now, begun, over) in [
            ("2026-07-30T23:59:59Z", false, false),
            ("2026-07-31T00:00:00Z", true, false),
            ("2026-07-31T23:59:59Z", true, false),
            ("2026-08-01T00:00:00Z", true, true),
        ] {
            assert_eq!((day.has_begun(time(now)), day.is_over(time(now))), (begun, over), "{now}");
        }
        let moment: Moment = "2026-07-31T14:00:00+02:00".parse().unwrap();
        assert_eq!(moment.to_string(), "2026-07-31T12:00:00Z");
        assert!(
            !moment.is_over(time("2026-07-31T11:59:59Z")) && moment.is_over(time("2026-07-31T12:00:00Z"))
        );
        for bad in ["", "tomorrow", "2026-07-31T12:00:00", "2026-13-01", "31.07.2026", "2026-07"] {
            assert!(bad.parse::<Moment>().is_err(), "{bad}");
        }
    }

    #[test]
    fn stamps_have_whole_seconds_and_end_in_z() {
        let time: Timestamp = "2026-07-02T06:55:57.999Z".parse().unwrap();
        assert_eq!(stamp(time), "2026-07-02T06:55:57Z");
    }

    #[test]
    fn a_clock_that_nothing_can_be_dated_by_is_refused() {
        let at = |seconds: i64| {
            let distance = Duration::from_secs(seconds.unsigned_abs());
            if seconds < 0 { SystemTime::UNIX_EPOCH - distance } else { SystemTime::UNIX_EPOCH + distance }
        };
        assert!(is_in_range(at(1_800_000_000)).is_ok());
        for (seconds, says) in [
            (-1, "1969-12-31T23:59:59Z"),
            (0, "1970-01-01T00:00:00Z"),
            (7_258_118_400, "2200-01-01T00:00:00Z"),
            (300_000_000_000, "outside all calendars"),
            (-400_000_000_000, "outside all calendars"),
        ] {
            let error = is_in_range(at(seconds)).unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        }
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
