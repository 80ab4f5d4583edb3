//! Twenty releases as they are in life, for the pages of the dashboard: both flows, blocked, overdue, held, stale, failed, shipped,
//! with long and foreign and hostile texts, and one file that is damaged. The services know each of them.
#![expect(clippy::unwrap_used, reason = "what cannot be prepared fails the test")]

mod file;
mod services;
mod table;

use jiff::{SignedDuration, Timestamp};

use file::file;
use services::Numbers;
use table::CASES;
pub use table::{
    CHANGING, DAMAGED, HOSTILE, WITH_DAMAGED_RECORD, WITH_HOSTILE_TEXTS, WITH_LONG_TEXTS,
    WITH_REJECTED_TESTS, WITH_REPLACED_BUILD,
};

use crate::{ERRATA, Harness, KONFLUX};

/// How many releases there are.
pub const RELEASES: usize = CASES.len() + 3;

fn stamp(hours_ago: i64) -> String {
    (Timestamp::now() - SignedDuration::from_hours(hours_ago)).strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// A release date as ART writes it.
fn day(in_days: i64) -> String {
    (Timestamp::now() + SignedDuration::from_hours(24 * in_days)).strftime("%Y-%b-%d").to_string()
}

/// Puts the releases into the sandbox.
///
/// # Panics
/// When they cannot be prepared.
pub fn fill(harness: &Harness) {
    let line = "2026-11-26T06:55:57Z: ERROR: the build of zstreams/Stage-Pipeline is FAILURE: see its log\n";
    let long = line.repeat(30 * 1024 / line.len());
    for (place, case) in CASES.iter().enumerate() {
        let (result, note) = match case.release {
            WITH_LONG_TEXTS => (long.as_str(), "the job has not ended"),
            WITH_HOSTILE_TEXTS => (HOSTILE, HOSTILE),
            _ => (line, "the job has not ended"),
        };
        let numbers = Numbers::new(harness, case, place);
        services::announce(harness, case, &numbers);
        harness.put_statebox(case.release, &file(case, &numbers, result, note));
    }
    services::start_jobs(harness);
    harness.put_statebox(DAMAGED, "tasks: 3\n");
    for (release, days) in [(KONFLUX, 4), (ERRATA, 7)] {
        services::move_date(harness, release, &day(days));
        harness.oar(release, &["create-test-report"]).expect(0);
    }
}
