//! GitHub's rate limits: requests per hour, and changes per minute (the "secondary" limit).

use std::collections::{HashMap, VecDeque};

use axum::http::{HeaderMap, HeaderValue};
use serde_json::{Value, json};

/// Length of the primary limit's window in seconds.
const WINDOW: i64 = 3600;

/// The limits and what was used of them.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Requests per hour with a token.
    pub authenticated: u64,
    /// Requests per hour without.
    pub anonymous: u64,
    /// Changes per minute of one account; `None`: no limit.
    pub writes_per_minute: Option<usize>,
    /// Whether the answer to too many changes names no wait, as it happens.
    pub silent_about_waits: bool,
    windows: HashMap<String, Window>,
    writes: HashMap<String, VecDeque<i64>>,
}

#[derive(Clone, Copy, Debug)]
struct Window {
    start: i64,
    used: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            authenticated: 5000,
            anonymous: 60,
            writes_per_minute: None,
            silent_about_waits: false,
            windows: HashMap::new(),
            writes: HashMap::new(),
        }
    }
}

/// How an account stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccountQuota {
    /// Requests per hour.
    pub limit: u64,
    /// Used in this window.
    pub used: u64,
    /// When the window ends, in seconds since 1970.
    pub reset: i64,
}

impl AccountQuota {
    fn remaining(self) -> u64 {
        self.limit.saturating_sub(self.used)
    }

    /// As `GET /rate_limit` shows it.
    pub fn json(self) -> Value {
        json!({"limit": self.limit, "used": self.used.min(self.limit), "remaining": self.remaining(), "reset": self.reset})
    }

    /// As every answer carries it.
    pub fn write(self, headers: &mut HeaderMap) {
        headers.insert("x-ratelimit-limit", HeaderValue::from(self.limit));
        headers.insert("x-ratelimit-remaining", HeaderValue::from(self.remaining()));
        headers.insert("x-ratelimit-used", HeaderValue::from(self.used.min(self.limit)));
        headers.insert("x-ratelimit-reset", HeaderValue::from(self.reset));
        headers.insert("x-ratelimit-resource", HeaderValue::from_static("core"));
    }
}

impl Limits {
    fn window(&mut self, account: Option<&str>, now: i64) -> (&mut Window, u64) {
        let limit = if account.is_some() { self.authenticated } else { self.anonymous };
        let window = self
            .windows
            .entry(account.unwrap_or_default().to_owned())
            .or_insert(Window { start: now, used: 0 });
        if now >= window.start + WINDOW {
            *window = Window { start: now, used: 0 };
        }
        (window, limit)
    }

    /// How an account (`None`: all callers without a token) stands.
    pub fn standing(&mut self, account: Option<&str>, now: i64) -> AccountQuota {
        let (window, limit) = self.window(account, now);
        AccountQuota { limit, used: window.used, reset: window.start + WINDOW }
    }

    /// Counts a request; false when the limit is used up.
    pub fn take(&mut self, account: Option<&str>, now: i64) -> bool {
        let (window, limit) = self.window(account, now);
        let free = window.used < limit;
        window.used += 1;
        free
    }

    /// Gives a request back: an answer 304 to a caller with a token costs nothing.
    pub fn give_back(&mut self, account: Option<&str>, now: i64) {
        let (window, _) = self.window(account, now);
        window.used = window.used.saturating_sub(1);
    }

    /// Counts a change; false when there were too many in the last minute.
    pub fn take_write(&mut self, account: &str, now: i64) -> bool {
        let Some(limit) = self.writes_per_minute else { return true };
        let recent = self.writes.entry(account.to_owned()).or_default();
        recent.retain(|at| now - at < 60);
        if recent.len() >= limit {
            return false;
        }
        recent.push_back(now);
        true
    }
}
