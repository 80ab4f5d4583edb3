//! Fourteen active releases, each with build data, a record of its tests and a place in the controller of its own: some wait for
//! people, some for their tests.
#![expect(clippy::unwrap_used, reason = "what cannot be prepared fails the test")]

use jiff::{SignedDuration, Timestamp};
use sandbox::scenario::github::RECORD_BRANCH;
use sandbox::scenario::records::{Runs, result_file, stable_jobs};
use sandbox::services::github::{BUILD_DATA_REPOSITORY, STATE_REPOSITORY};
use sandbox::services::release_controller::Payload;

use crate::{Harness, KONFLUX};

/// The releases beside the scenario's own one.
const OTHERS: [&str; 13] = [
    "4.12.2", "4.13.2", "4.14.2", "4.15.2", "4.16.2", "4.17.2", "4.18.2", "4.18.3", "4.19.2", "4.20.2",
    "4.20.3", "4.21.2", "4.21.3",
];

/// How many of them wait for the tests of their promoted build.
pub const TESTED: usize = 8;

/// A sandbox with all of them, and the lines of what was changed since.
///
/// # Panics
/// When they cannot be prepared.
pub fn fourteen() -> Harness {
    let harness = Harness::announced(KONFLUX);
    harness.pass(KONFLUX, "check-cve-tracker-bug");
    harness.oar(KONFLUX, &["drive", "--once"]).expect(0);
    let today = Timestamp::now().strftime("%Y-%b-%d").to_string();
    let dated = |text: String| {
        let date = text.lines().find(|line| line.contains("release_date:")).unwrap().to_owned();
        let indent = date.split("release_date").next().unwrap();
        text.replace(&date, &format!("{indent}release_date: {today}"))
    };
    let asking = dated(harness.statebox(KONFLUX).unwrap());
    for advisory in harness.sandbox.world().errata.lock().advisories.values_mut() {
        if advisory.state == sandbox::services::errata::AdvisoryState::NewFiles {
            advisory.state = sandbox::services::errata::AdvisoryState::Qe;
        }
    }
    for task in ["take-ownership", "push-to-cdn-staging"] {
        harness.pass(KONFLUX, task);
    }
    put_record(&harness, KONFLUX, ("pending", &[]), &[]);
    harness.oar(KONFLUX, &["drive", "--once"]).expect(0);
    let tested = dated(harness.statebox(KONFLUX).unwrap());
    let build_data = build_data(&harness, "4.19").unwrap();
    let entry =
        build_data.split_once("  4.19.1:\n").unwrap().1.split_once("  4.19.0:\n").unwrap().0.to_owned();
    let entry = dated(entry);
    put_build_data(&harness, KONFLUX, &entry);
    harness.put_statebox(KONFLUX, &tested);
    for (place, release) in OTHERS.iter().enumerate() {
        put_build_data(&harness, release, &entry);
        put_record(&harness, release, ("pending", &[]), &[]);
        let own = {
            let mut controller = harness.sandbox.world().release_controller.lock();
            controller.payload_mut("4-stable", KONFLUX).unwrap().clone()
        };
        promote(&harness, Payload { name: (*release).to_owned(), ..own });
        let text = if place + 1 < TESTED { &tested } else { &asking };
        harness.put_statebox(release, &text.replace(KONFLUX, release));
    }
    harness
}

/// Puts `payload` into the stable stream, as the only one of its name.
pub(crate) fn promote(harness: &Harness, payload: Payload) {
    let mut controller = harness.sandbox.world().release_controller.lock();
    let stable = controller.streams.get_mut("4-stable").unwrap();
    stable.retain(|known| known.name != payload.name);
    stable.push(payload);
}

/// ART's build data of a y-stream.
pub(crate) fn build_data(harness: &Harness, stream: &str) -> Option<String> {
    let github = harness.sandbox.world().github.lock();
    github.text(BUILD_DATA_REPOSITORY, &format!("openshift-{stream}"), "releases.yml")
}

/// Makes `text` the build data of a y-stream.
pub(crate) fn put_build_data_file(harness: &Harness, stream: &str, text: String) {
    let (branch, now) = (format!("openshift-{stream}"), harness.sandbox.clock().now());
    let mut github = harness.sandbox.world().github.lock();
    github.put(BUILD_DATA_REPOSITORY, &branch, "releases.yml", text, "Update releases.yml", now).unwrap();
}

/// Makes `entry` the build data of `release`.
pub(crate) fn put_build_data(harness: &Harness, release: &str, entry: &str) {
    let stream = release.rsplit_once('.').unwrap().0;
    let before = build_data(harness, stream).unwrap_or_else(|| "releases:\n".to_owned());
    let before = before.replacen(&format!("  {release}:\n"), &format!("  {release}-before:\n"), 1);
    let text = before.replacen("releases:\n", &format!("releases:\n  {release}:\n{entry}"), 1);
    put_build_data_file(harness, stream, text);
}

/// A record in which every test of `release` has `runs`.
pub(crate) fn put_record(harness: &Harness, release: &str, runs: Runs<'_>, flags: &[(&str, bool)]) {
    let stream = release.rsplit_once('.').unwrap().0;
    let now = harness.sandbox.clock().now();
    let runs: Vec<_> = stable_jobs(stream).into_iter().map(|(job, _)| (job, runs)).collect();
    let text = result_file("4-stable", release, now - SignedDuration::from_mins(10), &runs, flags);
    put_record_text(harness, release, text);
}

/// Makes `text` the record of `release`.
pub(crate) fn put_record_text(harness: &Harness, release: &str, text: String) {
    let now = harness.sandbox.clock().now();
    let path = format!("_releases/ocp-test-result-{release}-amd64.json");
    let mut github = harness.sandbox.world().github.lock();
    github.put(STATE_REPOSITORY, RECORD_BRANCH, &path, text, "the tests run", now).unwrap();
}
