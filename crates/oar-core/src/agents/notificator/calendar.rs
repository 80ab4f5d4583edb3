//! Counts the hours of weekdays (spec 05 §3.4).

use std::collections::BTreeSet;

use jiff::civil::{Date, Weekday};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};

/// The most days that are examined for one result, more than any realistic period without a working day.
const HORIZON_DAYS: usize = 400;

/// Which hours count: all hours of Monday to Friday in one time zone, except those of holidays.
#[derive(Debug, Clone)]
pub struct WeekdayCalendar {
    zone: TimeZone,
    holidays: BTreeSet<Date>,
}

impl Default for WeekdayCalendar {
    /// Weekdays in UTC, without holidays.
    fn default() -> Self {
        Self::new(TimeZone::UTC, BTreeSet::new())
    }
}

impl WeekdayCalendar {
    /// The weekdays of `zone` without `holidays`.
    pub fn new(zone: TimeZone, holidays: BTreeSet<Date>) -> Self {
        Self { zone, holidays }
    }

    /// The time after which more than `counted` hours of weekdays have passed since `since`. `None` beyond the range of
    /// dates, or when no day within a year counts.
    ///
    /// When the hours are over exactly at the end of a Friday, it is the beginning of Monday: on the weekend no more
    /// than these hours have passed.
    ///
    /// The time is exact. The Python tooling samples each hour and is up to 59 minutes late after a weekend
    /// (spec 05 §3.4, 3).
    pub fn after(&self, since: Timestamp, counted: SignedDuration) -> Option<Timestamp> {
        let mut at = since;
        let mut left = counted;
        for _ in 0..HORIZON_DAYS {
            let day = at.to_zoned(self.zone.clone());
            let next = day.date().checked_add(1.day()).ok()?.to_zoned(self.zone.clone()).ok()?.timestamp();
            if self.counts(day.date()) {
                let rest = next.duration_since(at);
                if rest > left {
                    return at.checked_add(left).ok();
                }
                left = left.checked_sub(rest)?;
            }
            at = next;
        }
        None
    }

    fn counts(&self, date: Date) -> bool {
        !matches!(date.weekday(), Weekday::Saturday | Weekday::Sunday) && !self.holidays.contains(&date)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    /// 2026-07-03 is a Friday.
    const DAY: SignedDuration = SignedDuration::from_hours(24);

    fn after(since: &str) -> Timestamp {
        WeekdayCalendar::default().after(at(since), DAY).unwrap()
    }

    #[test]
    fn a_weekday_is_a_day() {
        assert_eq!(after("2026-06-30T10:00:00Z"), at("2026-07-01T10:00:00Z"), "Tuesday");
        assert_eq!(after("2026-06-30T10:00:00.5Z"), at("2026-07-01T10:00:00.5Z"));
    }

    #[test]
    fn a_weekend_does_not_count() {
        assert_eq!(after("2026-07-03T10:00:00Z"), at("2026-07-06T10:00:00Z"), "Friday to Monday");
        assert_eq!(after("2026-07-03T00:00:00Z"), at("2026-07-06T00:00:00Z"), "the whole Friday");
        assert_eq!(after("2026-07-04T12:30:00Z"), at("2026-07-07T00:00:00Z"), "exact after a weekend");
        assert_eq!(after("2026-07-05T23:59:59Z"), at("2026-07-07T00:00:00Z"));
    }

    #[test]
    fn the_zone_says_when_a_weekend_begins() {
        let zone = TimeZone::fixed(jiff::tz::offset(5));
        let calendar = WeekdayCalendar::new(zone, BTreeSet::new());
        // Friday 23:00 at +05:00 is Friday 18:00 in UTC; one hour is left of it.
        assert_eq!(calendar.after(at("2026-07-03T18:00:00Z"), DAY), Some(at("2026-07-06T18:00:00Z")));
        assert_eq!(calendar.after(at("2026-07-03T19:30:00Z"), DAY), Some(at("2026-07-06T19:00:00Z")));
    }

    #[test]
    fn holidays_do_not_count() {
        let calendar = |days: &[&str]| {
            WeekdayCalendar::new(TimeZone::UTC, days.iter().map(|day| day.parse().unwrap()).collect())
        };
        let friday = "2026-07-03T10:00:00Z";
        assert_eq!(calendar(&["2026-07-06"]).after(at(friday), DAY), Some(at("2026-07-07T10:00:00Z")));
        let mut year = Vec::new();
        let mut day: Date = "2026-07-01".parse().unwrap();
        while year.len() < 500 {
            year.push(day.to_string());
            day = day.tomorrow().unwrap();
        }
        let year: Vec<&str> = year.iter().map(String::as_str).collect();
        assert_eq!(calendar(&year).after(at(friday), DAY), None, "no end is no time, and no endless loop");
    }

    #[test]
    fn the_end_of_time_is_no_panic() {
        assert_eq!(WeekdayCalendar::default().after(Timestamp::MAX, DAY), None);
        let first = WeekdayCalendar::default().after(Timestamp::MIN, DAY);
        assert!(first.is_none_or(|first| first > Timestamp::MIN));
    }
}
