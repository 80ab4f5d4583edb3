//! Writes to one issue do not follow each other at once.
//!
//! Jira Cloud refuses more than 20 writes to one issue within 2 seconds, and more than 100 within 30 seconds, with 429 and
//! `RateLimit-Reason: jira-per-issue-on-write` (checked: Atlassian's page on rate limiting). A pause between two writes keeps one
//! process below the first limit. No operation makes as many writes to one issue as the second allows; when others write as
//! well, [`crate::http::Http`] waits as long as Jira asks.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// The least time between the beginnings of two writes to one issue.
pub(super) const SPACING: Duration = Duration::from_millis(100);

/// When the next write to each issue may begin.
#[derive(Debug, Default)]
pub(super) struct WriteSpacing {
    free: Mutex<HashMap<String, Instant>>,
}

impl WriteSpacing {
    /// Waits until a write to `issue` may begin. Writes to other issues are not held up.
    pub(super) async fn turn(&self, issue: &str) {
        let begin = self.reserve(issue, Instant::now());
        tokio::time::sleep_until(begin).await;
    }

    /// When the write begins; the next one to the same issue begins [`SPACING`] later.
    fn reserve(&self, issue: &str, now: Instant) -> Instant {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        free.retain(|_, from| *from > now);
        let begin = free.get(issue).copied().unwrap_or(now);
        free.insert(issue.to_owned(), begin + SPACING);
        begin
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_to_one_issue_take_turns_and_others_go_on() {
        let (spacing, now) = (WriteSpacing::default(), Instant::now());
        assert_eq!(spacing.reserve("ART-1", now), now);
        assert_eq!(spacing.reserve("ART-1", now), now + SPACING);
        assert_eq!(spacing.reserve("ART-1", now), now + 2 * SPACING);
        assert_eq!(spacing.reserve("ART-2", now), now);
        let later = now + 5 * SPACING;
        assert_eq!(spacing.reserve("ART-1", later), later);
        assert_eq!(spacing.free.lock().unwrap().len(), 1, "what is over is forgotten");
    }

    #[test]
    fn no_more_begin_than_jira_takes() {
        let (spacing, now) = (WriteSpacing::default(), Instant::now());
        let begun: Vec<Instant> = (0..100).map(|_| spacing.reserve("ART-1", now)).collect();
        for first in &begun {
            let within = |begin: &&Instant| *begin >= first && **begin < *first + Duration::from_secs(2);
            assert!(begun.iter().filter(within).count() <= 20);
        }
    }
}
