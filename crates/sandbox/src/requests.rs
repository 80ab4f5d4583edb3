//! The log of all requests to the sandbox.

use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use serde::Serialize;

/// Bytes of a request's body that the log keeps.
pub const BODY_EXCERPT: usize = 16 * 1024;
/// Requests that the log keeps; later ones are only counted.
pub const LOG_LIMIT: usize = 200_000;

/// One request as a service saw it.
#[derive(Clone, Debug, Serialize)]
pub struct RecordedRequest {
    /// Number of the request, from 1, in order of arrival.
    pub seq: u64,
    /// `github`, `github-raw`, `errata`, `jira`, `gitlab`, `slack`, `release-controller`, or `unknown`.
    pub service: String,
    /// HTTP method.
    pub method: String,
    /// Path inside the service, as sent (percent-encoding kept): `/repos/openshift/release-tests`.
    pub path: String,
    /// Query as sent, without the question mark; empty when there was none.
    pub query: String,
    /// Status of the answer; `None` until it is answered, and always when the connection was cut.
    pub status: Option<u16>,
    /// When it arrived, by the sandbox's clock.
    pub at: Timestamp,
    /// The body, as text, cut at [`BODY_EXCERPT`] bytes.
    pub body_excerpt: String,
    /// Whether the service itself ran: false if a fault answered instead.
    pub acted: bool,
    /// Name of the fault that hit it.
    pub fault: Option<String>,
    /// Number of the connection that carried it.
    pub connection: u64,
}

impl RecordedRequest {
    /// Whether the request is a write, by its meaning and not by its method: Slack's and Jira's reads with
    /// POST are not.
    pub fn is_write(&self) -> bool {
        if matches!(self.method.as_str(), "GET" | "HEAD" | "OPTIONS") {
            return false;
        }
        match self.service.as_str() {
            "slack" => {
                ["/chat.", "/reactions.", "/files.complete"].iter().any(|start| self.path.starts_with(start))
            }
            "jira" => !self.path.ends_with("/search/jql") && !self.path.ends_with("/bulkfetch"),
            "github" => self.path != "/graphql",
            // Signing in changes nothing.
            "google-oauth" => false,
            _ => true,
        }
    }

    /// `PUT github /repos/…`, for messages of failed assertions.
    pub fn line(&self) -> String {
        format!("{} {} {}", self.method, self.service, self.path)
    }
}

#[derive(Debug, Default)]
struct Entries {
    kept: Vec<RecordedRequest>,
    count: u64,
}

/// All requests so far.
#[derive(Debug, Default)]
pub struct RequestLog {
    entries: Mutex<Entries>,
}

impl RequestLog {
    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Everything recorded, in order of arrival.
    pub fn all(&self) -> Vec<RecordedRequest> {
        self.entries().kept.clone()
    }

    /// Forgets what was recorded; numbers go on.
    pub fn clear(&self) {
        self.entries().kept.clear();
    }

    /// Everything recorded, which is forgotten; only requests that have not reached their service yet stay.
    pub fn take(&self) -> Vec<RecordedRequest> {
        let mut entries = self.entries();
        let is_open =
            |entry: &RecordedRequest| !entry.acted && entry.status.is_none() && entry.fault.is_none();
        let (open, taken) = std::mem::take(&mut entries.kept).into_iter().partition(is_open);
        entries.kept = open;
        taken
    }

    /// Requests since the start, forgotten ones too.
    pub fn count(&self) -> u64 {
        self.entries().count
    }

    /// Records a request and gives it its number.
    pub(crate) fn begin(&self, mut request: RecordedRequest) -> u64 {
        let mut entries = self.entries();
        entries.count += 1;
        request.seq = entries.count;
        if entries.kept.len() < LOG_LIMIT {
            entries.kept.push(request);
        }
        entries.count
    }

    /// Changes the record of a request that is still known.
    pub(crate) fn change(&self, seq: u64, change: impl FnOnce(&mut RecordedRequest)) {
        if let Some(entry) = self.entries().kept.iter_mut().rev().find(|entry| entry.seq == seq) {
            change(entry);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_is_forgotten_and_what_is_on_its_way_stays() {
        let log = RequestLog::default();
        let request = || RecordedRequest {
            seq: 0,
            service: "jira".to_owned(),
            method: "PUT".to_owned(),
            path: "/".to_owned(),
            query: String::new(),
            status: None,
            at: Timestamp::UNIX_EPOCH,
            body_excerpt: String::new(),
            acted: false,
            fault: None,
            connection: 1,
        };
        let (acted, open) = (log.begin(request()), log.begin(request()));
        log.change(acted, |request| request.acted = true);
        let taken = || log.take().into_iter().map(|request| request.seq).collect::<Vec<_>>();
        assert_eq!(taken(), [acted]);
        log.change(open, |request| request.acted = true);
        assert_eq!((taken(), taken()), (vec![open], Vec::new()));
        assert_eq!(log.count(), 2);
    }
}
