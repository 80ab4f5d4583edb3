//! The pause that a service asks for before a request is repeated.

use std::time::Duration;

use http::header::{HeaderMap, RETRY_AFTER};
use jiff::Timestamp;

/// The pause that the service asks for: `Retry-After`, in seconds or as a date, or the reset of an exhausted
/// rate limit.
///
/// The reset is a Unix time in GitHub and GitLab, a number of seconds in the IETF draft, a date in Jira Cloud
/// (spec 02 §5.6). A small number cannot be a Unix time.
pub(super) fn asked_pause(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = |name: &str| headers.get(name)?.to_str().ok().map(str::trim);
    let number = |text: &str| text.parse::<u64>().ok();
    let until = |then: Timestamp| Duration::try_from(then.duration_since(now)).unwrap_or_default();
    if let Some(after) = text(RETRY_AFTER.as_str()) {
        if let Some(seconds) = number(after) {
            return Some(Duration::from_secs(seconds));
        }
        if let Ok(date) = jiff::fmt::rfc2822::parse(after) {
            return Some(until(date.timestamp()));
        }
    }
    for (remaining, reset) in
        [("x-ratelimit-remaining", "x-ratelimit-reset"), ("ratelimit-remaining", "ratelimit-reset")]
    {
        if text(remaining).and_then(number) != Some(0) {
            continue;
        }
        let Some(reset) = text(reset) else { continue };
        let wait = match number(reset) {
            Some(seconds) if seconds < SMALLEST_UNIX_TIME => Some(Duration::from_secs(seconds)),
            Some(time) => {
                i64::try_from(time).ok().and_then(|time| Timestamp::from_second(time).ok()).map(until)
            }
            None => reset.parse().ok().map(until),
        };
        if let Some(wait) = wait {
            // The clocks may differ by a fraction of a second.
            return Some(wait.saturating_add(Duration::from_secs(1)));
        }
    }
    None
}

/// A reset below this (the year 2001) is a number of seconds and not a Unix time.
const SMALLEST_UNIX_TIME: u64 = 1_000_000_000;
