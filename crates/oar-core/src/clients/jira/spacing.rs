//! Writes to one issue do not follow each other at once.
//!
//! Jira Cloud refuses more than 20 writes to one issue within 2 seconds, and more than 100 within 30 seconds, with 429 and
//! `RateLimit-Reason: jira-per-issue-on-write` (spec 02 §5.6, Rate limiting). A pause between two writes keeps one process below
//! the first limit. No operation makes as many writes to one issue as the second allows; when others write as well,
//! [`crate::http::Http`] waits as long as Jira asks.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

use crate::clock::Clock;

/// The least time between the beginnings of two writes to one issue: 16 in 2 seconds, because some are longer on their way.
pub(super) const SPACING: Duration = Duration::from_millis(125);

/// When the next write to each issue may begin; shared by all clients of a process.
#[derive(Debug, Default)]
pub(crate) struct WriteSpacing(Mutex<Turns>);

#[derive(Debug, Default)]
struct Turns {
    /// When somebody asked last.
    asked: Timestamp,
    free: HashMap<String, Timestamp>,
}

impl WriteSpacing {
    /// Waits until a write to `issue` may begin. Writes to other issues are not held up.
    pub(super) async fn turn(&self, issue: &str, clock: &Clock) {
        let now = clock.now();
        let begin = self.reserve(issue, now);
        if let Some(pause) = Duration::try_from(begin.duration_since(now)).ok().filter(|it| !it.is_zero()) {
            clock.sleep(pause).await;
        }
    }

    /// When the write begins; the next one to the same issue begins [`SPACING`] later.
    fn reserve(&self, issue: &str, now: Timestamp) -> Timestamp {
        let mut turns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // By a clock that was set back, what was reserved may be far away.
        let is_set_back = now < turns.asked;
        turns.asked = now;
        turns.free.retain(|_, from| *from > now && !is_set_back);
        let begin = turns.free.get(issue).copied().unwrap_or(now);
        turns.free.insert(issue.to_owned(), begin.saturating_add(SPACING).unwrap_or(begin));
        begin
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::memory::SteppingClock;

    const NOW: Timestamp = Timestamp::constant(1_783_004_400, 0);

    #[test]
    fn writes_to_one_issue_take_turns_and_others_go_on() {
        let spacing = WriteSpacing::default();
        assert_eq!(spacing.reserve("ART-1", NOW), NOW);
        assert_eq!(spacing.reserve("ART-1", NOW), NOW + SPACING);
        assert_eq!(spacing.reserve("ART-1", NOW), NOW + 2 * SPACING);
        assert_eq!(spacing.reserve("ART-2", NOW), NOW);
        let later = NOW + 5 * SPACING;
        assert_eq!(spacing.reserve("ART-1", later), later);
        assert_eq!(spacing.0.lock().unwrap().free.len(), 1, "what is over is forgotten");
        let earlier = NOW - Duration::from_hours(1);
        assert_eq!(spacing.reserve("ART-1", earlier), earlier, "the clock was set back");
        assert_eq!(spacing.reserve("ART-1", earlier), earlier + SPACING);
    }

    #[tokio::test]
    async fn no_more_begin_than_jira_takes() {
        let (spacing, (clock, _)) = (WriteSpacing::default(), SteppingClock::start());
        let mut begun = Vec::new();
        for _ in 0..100 {
            spacing.turn("ART-1", &clock).await;
            begun.push(clock.now());
        }
        for first in &begun {
            let within = |begin: &&Timestamp| *begin >= first && **begin < *first + Duration::from_secs(2);
            assert!(begun.iter().filter(within).count() <= 16);
        }
        assert_eq!(*begun.last().unwrap(), begun[0] + 99 * SPACING, "and no fewer");
    }
}
