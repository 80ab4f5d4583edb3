//! Worlds in which commands have work to do.

use jiff::SignedDuration;
use sandbox::scenario::notificator::{moved, notice};
use sandbox::scenario::records::{NIGHTLY_JOB, UPGRADE_JOB};
use sandbox::scenario::release_controller::NEW_NIGHTLY;
use sandbox::services::errata::{AdvisoryState, ExternalTest};
use sandbox::services::jira::RemoteLink;
use sandbox::services::release_controller::Phase;

use crate::{ERRATA, Harness, KONFLUX, LEAD, approval, elliott, slack_bot};

/// Number of images of the Konflux release when their health is checked.
pub(super) const IMAGES: usize = 240;
/// The run that a line asks for, or puts in the place of [`RECORDED_RUN`].
pub(super) const NEW_RUN: &str = "0b8e7c1a-1111-4222-8333-944455556666";
/// A run in a record.
pub(super) const RECORDED_RUN: &str = "0b8e7c1a-1111-4222-8333-944455557777";
/// A payload to test.
pub(super) const PAYLOAD: &str = "quay.io/openshift-release-dev/ocp-release:4.20.5-x86_64";

/// Nothing has happened yet.
pub(super) fn nothing(harness: Harness) -> Harness {
    harness
}

/// An elliott of the tests' own is installed.
pub(super) fn examined(harness: Harness) -> Harness {
    elliott::install(harness).0
}

fn announce(harness: Harness, release: &str) -> Harness {
    harness.oar(release, &["create-test-report"]).expect(0);
    harness
}

/// The Konflux release has its StateBox.
pub(super) fn konflux(harness: Harness) -> Harness {
    announce(harness, KONFLUX)
}

/// The Errata release has its StateBox.
pub(super) fn errata(harness: Harness) -> Harness {
    announce(harness, ERRATA)
}

/// The Konflux release is owned.
pub(super) fn owned(harness: Harness) -> Harness {
    let harness = konflux(harness);
    harness.oar(KONFLUX, &["take-ownership", "-e", LEAD]).expect(0);
    harness
}

/// An issue blocks a task of the Konflux release.
pub(super) fn blocked(harness: Harness) -> Harness {
    let harness = konflux(harness);
    harness.oar(KONFLUX, &["issue", "add", "stage is down", "--task", "stage-testing"]).expect(0);
    harness
}

/// People decided on the Konflux release.
pub(super) fn decided(harness: Harness) -> Harness {
    let harness = konflux(harness);
    for command in
        [&["decide", "analyze-promoted-build", "accept"][..], &["waive", "analyze-candidate-build"]]
    {
        harness.oar(KONFLUX, &[command, &["--reason", "known flakes"]].concat()).expect(0);
    }
    harness
}

/// The Konflux release is held.
pub(super) fn held(harness: Harness) -> Harness {
    let harness = konflux(harness);
    harness.oar(KONFLUX, &["hold", "--reason", "a defect was found"]).expect(0);
    harness
}

/// Greenwave tests of the Errata release are not good.
pub(super) fn greenwave(harness: Harness) -> Harness {
    let harness = errata(harness);
    if let Some(advisory) = harness.sandbox.world().errata.lock().advisory_mut(140_002) {
        advisory.external_tests = ["PASSED", "FAILED", "NEEDS_INSPECTION"]
            .into_iter()
            .zip(240_001..)
            .map(|(status, id)| ExternalTest {
                id,
                test_type: "greenwave_cvp".to_owned(),
                active: true,
                status: status.to_owned(),
                nvr: format!("ose-demo-{id}-container-v4.14.60-1"),
            })
            .collect();
    }
    harness
}

/// A CVE tracker is missing.
pub(super) fn cve_konflux(harness: Harness) -> Harness {
    let (harness, folder) = elliott::install(konflux(harness));
    elliott::answers(&folder, r#"{"rpm": ["OCPBUGS-60500"]}"#, elliott::NOTHING);
    harness
}

/// A CVE tracker is missing.
pub(super) fn cve_errata(harness: Harness) -> Harness {
    let (harness, folder) = elliott::install(errata(harness));
    elliott::answers(&folder, r#"{"image": ["OCPBUGS-61999"]}"#, "unused");
    harness
}

/// Every advisory of the Konflux release can be pushed.
pub(super) fn push_konflux(harness: Harness) -> Harness {
    let harness = konflux(harness);
    if let Some(advisory) = harness.sandbox.world().errata.lock().advisory_mut(150_002) {
        advisory.state = AdvisoryState::Qe;
    }
    harness
}

/// The CVE trackers of the Konflux release are checked, so that the engine needs no elliott.
pub(super) fn checked(harness: Harness) -> Harness {
    // What was not told may be told by the next run at once.
    let harness = harness.env("OAR_INTENT_LEASE", "0");
    let harness = konflux(harness);
    harness.pass(KONFLUX, "check-cve-tracker-bug");
    harness
}

/// The same of the Errata release.
pub(super) fn checked_errata(harness: Harness) -> Harness {
    // What was not told may be told by the next run at once.
    let harness = harness.env("OAR_INTENT_LEASE", "0");
    let harness = errata(harness);
    harness.pass(ERRATA, "check-cve-tracker-bug");
    // The configured owner has no account in the sandbox's Jira.
    harness.oar(ERRATA, &["take-ownership", "-e", LEAD]).expect(0);
    harness
}

/// What blocks an advisory of the Errata release is on staging, so the last push can begin.
pub(super) fn push_last(harness: Harness) -> Harness {
    let harness = errata(harness);
    harness.oar(ERRATA, &["push-to-cdn-staging", "--yes"]).expect(0);
    harness.sandbox.clock().advance(SignedDuration::from_mins(5));
    harness
}

/// All pushes of the Errata release are through.
pub(super) fn pushed(harness: Harness) -> Harness {
    let harness = push_last(harness);
    harness.oar(ERRATA, &["push-to-cdn-staging", "--yes"]).expect(0);
    harness.sandbox.clock().advance(SignedDuration::from_mins(5));
    harness
}

/// The advisories of the Konflux release are on staging.
pub(super) fn on_staging(harness: Harness) -> Harness {
    let harness = konflux(harness);
    harness.pass(KONFLUX, "push-to-cdn-staging");
    harness
}

/// The advisories of the Errata release are on staging.
pub(super) fn on_staging_errata(harness: Harness) -> Harness {
    let harness = errata(harness);
    harness.pass(ERRATA, "push-to-cdn-staging");
    harness
}

/// The image consistency job of the Konflux release has succeeded, and the health of 240 images must be
/// checked.
pub(super) fn images(harness: Harness) -> Harness {
    let harness = on_staging(harness);
    sandbox::scenario::catalog::fill_release(harness.sandbox.world(), IMAGES);
    harness.oar(KONFLUX, &["image-consistency-check"]).expect(0);
    harness.sandbox.clock().advance(SignedDuration::from_mins(1));
    harness.oar(KONFLUX, &["image-consistency-check"]).expect(0);
    harness.sandbox.clock().advance(SignedDuration::from_hours(1));
    harness
}

/// The stage pipeline of the Errata release has ended well.
pub(super) fn staged(harness: Harness) -> Harness {
    let harness = on_staging_errata(harness);
    harness.oar(ERRATA, &["stage-testing"]).expect(0);
    harness.sandbox.clock().advance(SignedDuration::from_secs(6));
    harness.oar(ERRATA, &["stage-testing"]).expect(0);
    harness.sandbox.clock().advance(SignedDuration::from_hours(3));
    harness
}

/// Bugs of the Errata release can be dropped, and its metadata advisory loses product security's approval by it.
pub(super) fn droppable(harness: Harness) -> Harness {
    let harness = errata(harness);
    if let Some(metadata) = harness.sandbox.world().errata.lock().advisory_mut(140_004) {
        metadata.security_approved = Some(true);
        metadata.doc_complete = true;
    }
    harness
}

/// The Errata release can be approved.
pub(super) fn approvable_errata(harness: Harness) -> Harness {
    approval::make_ready(&harness, ERRATA);
    harness
}

/// The Konflux release can be approved, but its metadata URL is not up.
pub(super) fn approvable(harness: Harness) -> Harness {
    approval::make_ready(&harness, KONFLUX);
    harness
}

/// The Konflux release can be approved to the end.
pub(super) fn published(harness: Harness) -> Harness {
    let harness = approvable(harness);
    approval::publish(&harness);
    harness
}

/// The Konflux release waits, and what it waits for is there. Looks are due every second.
pub(super) fn waiting(harness: Harness) -> Harness {
    let harness = approvable(harness).env("OAR_WAIT_INTERVAL", "1").env("OAR_WAIT_LEASE", "1");
    // Otherwise `oarctl drive` lists the bugs.
    harness.oar(KONFLUX, &["update-bug-list"]).expect(0);
    harness.oar(KONFLUX, &["change-advisory-status", "--yes", "--no-watch"]).expect(0);
    approval::publish(&harness);
    // The programs' clock is the real one: the next look is due from here on.
    std::thread::sleep(std::time::Duration::from_millis(1100));
    harness
}

/// Bugs wait in `ON_QA`: one of them with a fix that was verified, one for which nobody answered. What a dead program leaves
/// behind may be taken over at once.
pub(super) fn waiting_for_qe(harness: Harness) -> Harness {
    let harness = harness.env("OAR_INTENT_LEASE", "0");
    let long_ago = jiff::Timestamp::now() - SignedDuration::from_hours(20 * 24);
    {
        let world = harness.sandbox.world();
        let link = |number: u64| RemoteLink {
            id: number,
            url: format!("https://github.com/openshift/demo-operator/pull/{number}"),
            title: "the fix".to_owned(),
        };
        let labels = [(1, "lgtm"), (2, "verified")].map(|(number, label)| (number, vec![label.to_owned()]));
        let mut github = world.github.lock();
        github.pull_requests.insert("openshift/demo-operator".to_owned(), labels.into_iter().collect());
        drop(github);
        let mut jira = world.jira.lock();
        for (key, number) in [("OCPBUGS-60010", 1), ("OCPBUGS-60011", 2)] {
            jira.issue_mut(key).unwrap().remote_links.push(link(number));
        }
        let unanswered = jira.issue_mut("OCPBUGS-61010").unwrap();
        unanswered.changelog = vec![moved(1, "ON_QA", long_ago)];
        for (place, label) in (0_u32..).zip(["QA Contact", "Team Lead", "Manager"]) {
            let at = long_ago + SignedDuration::from_hours(100 * (i64::from(place) + 1));
            unanswered.comments.push(notice(u64::from(place) + 1, label, 24, "712020:qcontact", at));
        }
    }
    harness
}

/// A nightly has come. What a dead program leaves behind may be taken over at once.
pub(super) fn untested(harness: Harness) -> Harness {
    let harness = harness.env("OAR_INTENT_LEASE", "0");
    harness.sandbox.world().gcs.lock().clutter = 0;
    // While the clock stands the limit would never be lifted again.
    harness.sandbox.world().prow.lock().limit.burst = 1_000.0;
    harness
}

/// The nightly's jobs have ended well.
pub(super) fn tested(harness: Harness) -> Harness {
    let harness = untested(harness);
    harness.run("jobctl", ["start-controller", "-r", "4.20"]).expect(0);
    harness.sandbox.clock().advance(SignedDuration::from_hours(1));
    harness
}

/// Gives the run of `job` that was started last an id that the lines know.
fn name_run(harness: &Harness, job: &str, id: &str) {
    let world = harness.sandbox.world();
    let mut old = String::new();
    if let Some(run) = world.prow.lock().jobs.iter_mut().rev().find(|run| run.job == job) {
        old = std::mem::replace(&mut run.id, id.to_owned());
    }
    assert!(!old.is_empty(), "{job} was never started");
    for (name, text) in harness.records().into_iter().filter(|(_, text)| text.contains(&old)) {
        let (path, text) = (format!("_releases/{name}"), text.replace(&old, id));
        let now = harness.sandbox.clock().now();
        let mut github = world.github.lock();
        github.put("openshift/release-tests", "record", &path, text, "another id", now).unwrap();
    }
}

/// A file of this machine, as the lines name it: `../tools/<name>`.
fn put_file(harness: &Harness, name: &str, text: &str) {
    std::fs::create_dir_all(harness.tools()).unwrap();
    std::fs::write(harness.tools().join(name), text).unwrap();
}

/// A job was started, and goes on.
pub(super) fn started(harness: Harness) -> Harness {
    let harness = untested(harness);
    harness.run("job", ["run", NIGHTLY_JOB, "--payload", PAYLOAD, "--no-wait"]).expect(0);
    name_run(&harness, NIGHTLY_JOB, NEW_RUN);
    harness.sandbox.clock().advance(SignedDuration::from_mins(1));
    harness
}

/// A file says which jobs 4.20 requires.
pub(super) fn requiring(harness: Harness) -> Harness {
    let harness = untested(harness);
    let jobs = serde_json::json!({ "4.20": [NIGHTLY_JOB, UPGRADE_JOB] });
    put_file(&harness, "required.json", &jobs.to_string());
    harness
}

/// Somebody has started a job of the nightly once more by hand.
pub(super) fn replaceable(harness: Harness) -> Harness {
    let harness = tested(harness);
    name_run(&harness, UPGRADE_JOB, RECORDED_RUN);
    harness.run("job", ["run", UPGRADE_JOB, "--upgrade_to", PAYLOAD, "--no-wait"]).expect(0);
    name_run(&harness, UPGRADE_JOB, NEW_RUN);
    harness.sandbox.clock().advance(SignedDuration::from_mins(1));
    harness
}

/// The nightly's record is a file on this machine.
pub(super) fn record_on_disk(harness: Harness) -> Harness {
    let harness = tested(harness);
    let name = format!("ocp-test-result-{NEW_NIGHTLY}-amd64.json");
    let text = harness.records().remove(&name).unwrap();
    put_file(&harness, &name, &text);
    harness
}

/// The Konflux release's StateBox is a file on this machine.
pub(super) fn state_on_disk(harness: Harness) -> Harness {
    let harness = konflux(harness);
    let text = harness.statebox(KONFLUX).unwrap();
    put_file(&harness, &format!("{KONFLUX}.yaml"), &text);
    harness
}

/// The Konflux release is announced, and the release controller has not accepted it.
pub(super) fn announced(harness: Harness) -> Harness {
    let mut controller = harness.sandbox.world().release_controller.lock();
    let tags = controller.streams.get_mut("4-stable").into_iter().flatten();
    tags.filter(|tag| tag.name == KONFLUX).for_each(|tag| tag.phase = Phase::Ready);
    drop(controller);
    harness
}

/// The Konflux release is accepted, and was never announced.
pub(super) fn behind(harness: Harness) -> Harness {
    let now = harness.sandbox.clock().now();
    let mut github = harness.sandbox.world().github.lock();
    let path = "_releases/4.19/4.19.z.yaml";
    github
        .put("openshift/release-tests", "z-stream", path, "releases: {4.19.0: {}}\n", "announce", now)
        .unwrap();
    drop(github);
    let mut controller = harness.sandbox.world().release_controller.lock();
    let tags = controller.streams.get_mut("4-stable").into_iter().flatten();
    let created = jiff::Timestamp::now() - SignedDuration::from_hours(2);
    tags.filter(|tag| tag.name == KONFLUX).for_each(|tag| tag.created = created);
    drop(controller);
    harness
}

/// A nightly of yesterday was rejected.
pub(super) fn rejected(harness: Harness) -> Harness {
    let made = jiff::Timestamp::now() - SignedDuration::from_hours(24);
    let name = made.strftime("ocp-test-result-4.20.0-0.nightly-%Y-%m-%d-120000-amd64.json");
    let text = r#"{"accepted": false, "aggregated": true, "result": []}"#;
    let now = harness.sandbox.clock().now();
    let mut github = harness.sandbox.world().github.lock();
    // The scenario's own rejected build is settled, so that there is one.
    let older = "ocp-test-result-4.19.0-0.nightly-2026-06-29-100000-amd64.json";
    for (name, text) in [(name.to_string().as_str(), text), (older, r#"{"accepted": true}"#)] {
        let path = format!("_releases/{name}");
        github.put("openshift/release-tests", "record", &path, text, "decided", now).unwrap();
    }
    drop(github);
    harness
}

/// The release leads may give commands, and Slack knows that the bot listens: from then on it keeps what nobody acknowledged.
pub(super) fn listening(harness: Harness) -> Harness {
    let harness = slack_bot::with_permissions(konflux(harness));
    harness.run("oarctl", ["slack-bot", "--once"]).expect(0);
    harness
}
