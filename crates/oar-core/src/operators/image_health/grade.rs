//! The one rule for the grade of an image, in both flows.
//!
//! The Python reference has two rules that disagree (spec 02 §10 P1). Ours:
//!
//! * The grades are a schedule (spec 02 §3): a grade counts from its start to its end, the end excluded; without an end it
//!   counts for ever, and one that starts later says nothing yet. An end that has passed is honoured: a grade that ran
//!   out says nothing about today.
//! * A time without a zone is UTC.
//! * When several grades count now, the worst one is the image's.
//! * No grade that counts now, or one that cannot be read (null, empty, `A+`, a bad date), makes the grade unknown.
//!   Unknown is neither healthy nor unhealthy.
//! * Later grades in the schedule do not change today's verdict; [`coming_drop`] reports them.

use std::fmt;
use std::str::FromStr;

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::clients::catalog::FreshnessGrade;

/// A grade of the container catalog, the best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, schemars::JsonSchema)]
pub enum Grade {
    /// The best.
    A,
    /// Still healthy.
    B,
    /// Unhealthy from here on.
    C,
    /// Worse.
    D,
    /// Worse.
    E,
    /// The worst.
    F,
}

/// A text that is no grade.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a grade; expected a letter from A to F")]
pub struct InvalidGrade(String);

impl Grade {
    /// Whether an image of this grade may ship: `A` and `B` (spec 03 §4.4, spec 02 §2.12).
    pub fn is_healthy(self) -> bool {
        self <= Self::B
    }

    /// The letter.
    pub fn letter(self) -> char {
        match self {
            Self::A => 'A',
            Self::B => 'B',
            Self::C => 'C',
            Self::D => 'D',
            Self::E => 'E',
            Self::F => 'F',
        }
    }

    /// The grade of a letter.
    pub fn of_letter(letter: char) -> Option<Self> {
        [Self::A, Self::B, Self::C, Self::D, Self::E, Self::F]
            .into_iter()
            .find(|grade| grade.letter() == letter)
    }
}

impl fmt::Display for Grade {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.letter())
    }
}

impl FromStr for Grade {
    type Err = InvalidGrade;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut letters = text.chars();
        match (letters.next().and_then(Self::of_letter), letters.next()) {
            (Some(grade), None) => Ok(grade),
            _ => Err(InvalidGrade(text.chars().take(40).flat_map(char::escape_debug).collect())),
        }
    }
}

/// The grade that counts at `now`, or why it is unknown.
pub fn effective(grades: &[FreshnessGrade], now: Timestamp) -> Result<Grade, String> {
    if grades.is_empty() {
        return Err("the catalog has no grade of it".to_owned());
    }
    let mut worst = None;
    for entry in grades {
        if !counts(entry, now)? {
            continue;
        }
        let text = entry.grade.as_deref().ok_or("the catalog's grade of it is null")?;
        let grade: Grade = text.parse().map_err(|error: InvalidGrade| error.to_string())?;
        worst = worst.max(Some(grade));
    }
    worst.ok_or_else(|| "no grade of it counts now: all have ended or are still to come".to_owned())
}

/// A change of grade that the schedule announces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct GradeDrop {
    /// When.
    #[schemars(with = "String")]
    pub at: Timestamp,
    /// The grade from then on; `None` when the schedule has none that can be read.
    pub grade: Option<Grade>,
}

/// When an image that is healthy now stops to be so by its schedule, within `days`; `None` when it does not, or when it is
/// not healthy now.
pub fn coming_drop(grades: &[FreshnessGrade], now: Timestamp, days: u16) -> Option<GradeDrop> {
    effective(grades, now).ok().filter(|grade| grade.is_healthy())?;
    let last = now.saturating_add(SignedDuration::from_hours(24 * i64::from(days))).unwrap_or(Timestamp::MAX);
    let dates = grades.iter().flat_map(|entry| [&entry.start_date, &entry.end_date]);
    let mut changes: Vec<Timestamp> = dates
        .filter_map(|date| time(date.as_deref()?).ok())
        .filter(|date| (now..=last).contains(date))
        .collect();
    changes.sort_unstable();
    changes.into_iter().find_map(|at| {
        let grade = effective(grades, at).ok();
        (!grade.is_some_and(Grade::is_healthy)).then_some(GradeDrop { at, grade })
    })
}

fn counts(entry: &FreshnessGrade, now: Timestamp) -> Result<bool, String> {
    let end = entry.end_date.as_deref().map(time).transpose()?;
    if end.is_some_and(|end| end <= now) {
        return Ok(false);
    }
    let start = entry.start_date.as_deref().ok_or("a grade of it has no start")?;
    Ok(time(start)? <= now)
}

/// A time as the catalog writes it, with a zone or, in older records, without one.
fn time(text: &str) -> Result<Timestamp, String> {
    let text = text.trim();
    if let Ok(time) = text.parse::<Timestamp>() {
        return Ok(time);
    }
    let civil = text.parse::<DateTime>().or_else(|_| text.parse::<Date>().map(DateTime::from));
    civil
        .and_then(|civil| civil.to_zoned(TimeZone::UTC))
        .map(|zoned| zoned.timestamp())
        .map_err(|_| format!("a grade of it has a date that cannot be read: `{}`", text.escape_debug()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(grade: Option<&str>, start: Option<&str>, end: Option<&str>) -> FreshnessGrade {
        let text = |value: Option<&str>| value.map(str::to_owned);
        FreshnessGrade { grade: text(grade), start_date: text(start), end_date: text(end) }
    }

    fn now() -> Timestamp {
        "2026-07-02T12:00:00Z".parse().unwrap()
    }

    #[test]
    fn the_grade_that_counts_now_is_taken() {
        let windows = [
            entry(Some("A"), Some("2026-06-01T00:00:00+00:00"), Some("2026-06-20T00:00:00+00:00")),
            entry(Some("B"), Some("2026-06-20T00:00:00+00:00"), Some("2026-07-02T12:00:00+00:00")),
            entry(Some("C"), Some("2026-07-02T12:00:00+00:00"), None),
            entry(Some("F"), Some("2026-08-01T00:00:00+00:00"), None),
        ];
        assert_eq!(effective(&windows, now()), Ok(Grade::C));
        let before = "2026-07-02T11:59:59Z".parse().unwrap();
        assert_eq!(effective(&windows, before), Ok(Grade::B), "the end is excluded");
        // The order of the entries decides nothing.
        let mut turned = windows.clone();
        turned.reverse();
        assert_eq!(effective(&turned, now()), Ok(Grade::C));
    }

    #[test]
    fn of_several_the_worst_counts() {
        let windows = [
            entry(Some("D"), Some("2026-06-01T00:00:00Z"), None),
            entry(Some("A"), Some("2026-06-30T00:00:00Z"), None),
        ];
        assert_eq!(effective(&windows, now()), Ok(Grade::D));
    }

    #[test]
    fn times_without_a_zone_are_utc() {
        for start in
            ["2026-07-02T12:00:00", "2026-07-02 12:00:00.000", "2026-07-02", "2026-07-02T14:00:00+02:00"]
        {
            assert_eq!(effective(&[entry(Some("A"), Some(start), None)], now()), Ok(Grade::A), "{start}");
        }
        let later = entry(Some("A"), Some("2026-07-02T12:00:01"), None);
        assert!(effective(&[later], now()).unwrap_err().contains("no grade of it counts now"));
    }

    #[test]
    fn what_cannot_be_read_is_unknown_and_neither_good_nor_bad() {
        let start = Some("2026-06-01T00:00:00Z");
        for (grades, words) in [
            (vec![], "has no grade"),
            (vec![entry(None, start, None)], "is null"),
            (vec![entry(Some(""), start, None)], "not a grade"),
            (vec![entry(Some("A+"), start, None)], "not a grade"),
            (vec![entry(Some("a"), start, None)], "not a grade"),
            (vec![entry(Some("G"), start, None)], "not a grade"),
            (vec![entry(Some("A"), None, None)], "no start"),
            (vec![entry(Some("A"), Some("soon"), None)], "cannot be read"),
            (vec![entry(Some("A"), start, Some("2026-06-02T00:00:00Z"))], "have ended"),
            (vec![entry(Some("A"), start, None), entry(Some("A+"), start, None)], "not a grade"),
        ] {
            let reason = effective(&grades, now()).unwrap_err();
            assert!(reason.contains(words), "{grades:?}: {reason}");
        }
        // An odd grade that does not count now changes nothing.
        let past = entry(None, None, Some("2026-06-02T00:00:00Z"));
        assert_eq!(effective(&[past, entry(Some("B"), start, None)], now()), Ok(Grade::B));
    }

    #[test]
    fn the_first_drop_that_the_schedule_announces_is_told() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let windows = [
            entry(Some("A"), Some("2026-06-01T00:00:00Z"), Some("2026-07-10T00:00:00Z")),
            entry(Some("B"), Some("2026-07-10T00:00:00Z"), Some("2026-08-01T00:00:00Z")),
            entry(Some("C"), Some("2026-08-01T00:00:00Z"), Some("2026-09-01T00:00:00Z")),
            entry(Some("F"), Some("2026-09-01T00:00:00Z"), None),
        ];
        let drop = Some(GradeDrop { at: at("2026-08-01T00:00:00Z"), grade: Some(Grade::C) });
        assert_eq!(coming_drop(&windows, now(), 30), drop, "B is healthy still");
        assert_eq!(coming_drop(&windows, now(), 29), None, "that is later");
        assert_eq!(coming_drop(&windows, at("2026-08-01T00:00:00Z"), 30), None, "it has dropped already");
        assert_eq!(coming_drop(&windows, now(), 0), None);
        // The schedule ends, and the next grade is unknown.
        let ends = &windows[..2];
        assert_eq!(
            coming_drop(ends, now(), 30),
            Some(GradeDrop { at: at("2026-08-01T00:00:00Z"), grade: None })
        );
        assert_eq!(
            coming_drop(&[entry(Some("A"), Some("2026-06-01"), None)], now(), u16::MAX),
            None,
            "for ever"
        );
        assert_eq!(coming_drop(&[], now(), 30), None);
    }

    #[test]
    fn a_and_b_are_healthy() {
        let healthy: Vec<char> =
            ('A'..='F').filter(|letter| Grade::of_letter(*letter).unwrap().is_healthy()).collect();
        assert_eq!(healthy, ['A', 'B']);
    }
}
