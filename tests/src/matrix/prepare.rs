//! Worlds in which commands have work to do.

use jiff::SignedDuration;
use sandbox::services::errata::{AdvisoryState, ExternalTest};

use crate::{ERRATA, Harness, KONFLUX, LEAD, approval, elliott};

/// How many images the Konflux release has where their health is looked at.
pub(super) const IMAGES: usize = 240;

/// Nothing has happened yet.
pub(super) fn nothing(harness: Harness) -> Harness {
    harness
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

/// The image consistency job of the Konflux release has ended well, and 240 images are to be looked at.
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
    harness.oar(KONFLUX, &["change-advisory-status", "--yes", "--no-watch"]).expect(0);
    approval::publish(&harness);
    // The programs' clock is the real one: the next look is due from here on.
    std::thread::sleep(std::time::Duration::from_millis(1100));
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
