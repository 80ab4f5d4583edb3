//! What ART's build data makes of the commands: a shipment that is being prepared, placeholders, values of another release,
//! and values that ART changes after the StateBox was made.
#![expect(clippy::unwrap_used, reason = "tests say what they expect by failing")]

use end_to_end::{Harness, KONFLUX};
use sandbox::services::errata::AdvisoryState;
use serde_json::Value;

const REPOSITORY: &str = "openshift-eng/ocp-build-data";
const BRANCH: &str = "openshift-4.19";
const FILE: &str = "releases.yml";
const OWNER: [&str; 3] = ["take-ownership", "-e", "demo-lead@example.com"];

/// Changes the build data of 4.19 as ART would.
fn art(harness: &Harness, change: impl FnOnce(&str) -> String) {
    let now = harness.sandbox.clock().now();
    let mut github = harness.sandbox.world().github.lock();
    let before = github.text(REPOSITORY, BRANCH, FILE).unwrap();
    let after = change(&before);
    assert_ne!(after, before, "the change changes something");
    github.put(REPOSITORY, BRANCH, FILE, after, "by ART", now).unwrap();
}

fn replace(harness: &Harness, from: &str, to: &str) {
    art(harness, |text| text.replacen(from, to, 1));
}

/// A scenario in which the shipment has its kinds and no merge request yet.
fn being_prepared() -> Harness {
    let harness = Harness::new();
    art(&harness, |text| {
        let url = text.lines().find(|line| line.trim_start().starts_with("url:")).unwrap();
        text.replacen(&format!("{url}\n"), "", 1)
    });
    harness
}

fn header(harness: &Harness) -> String {
    harness.oar(KONFLUX, &["status"]).expect(0).stdout.lines().take(2).collect::<Vec<_>>().join("\n")
}

fn metadata(harness: &Harness) -> Value {
    harness.oar(KONFLUX, &["status", "--output", "json"]).expect(0).json()["metadata"].clone()
}

#[test]
fn a_shipment_without_merge_request_is_a_konflux_release_being_prepared() {
    let harness = being_prepared();
    for id in [150_001, 150_002, 150_003] {
        harness.sandbox.world().errata.lock().advisory_mut(id).unwrap().state = AdvisoryState::ShippedLive;
    }
    let run = harness.oar(KONFLUX, &["metadata"]).expect(0);
    assert!(run.stdout.contains("flow              konflux"), "{run:?}");
    assert!(run.stdout.contains("shipment MR       not there yet"), "{run:?}");
    assert!(run.stdout.contains("image      no live advisory yet"), "{run:?}");
    let shipped = harness.oar(KONFLUX, &["is-shipped", "--output", "json"]).expect(1).json();
    assert_eq!(shipped["flow_type"], "konflux");
    assert!(
        shipped["details"]["shipment_mr_status"].as_str().unwrap().starts_with("not there yet"),
        "{shipped:#}"
    );
    for command in [
        &OWNER[..],
        &["add-qe-approval", "--yes"],
        &["change-advisory-status", "--yes"],
        &["check-cve-tracker-bug"],
        &["update-bug-list"],
        &["drop-bugs", "--yes"],
        &["image-consistency-check"],
        &["stage-testing"],
    ] {
        let run = harness.oar(KONFLUX, command).expect(6);
        let words = "the shipment merge request of 4.19.1 is not there yet: ART prepares the shipment (image, extras, \
                     metadata, fbc)";
        assert!(run.stderr.contains(words), "{command:?}: {run:?}");
    }
    let run = harness.oar(KONFLUX, &["check-greenwave-cvp-tests"]).expect(6);
    assert!(run.stderr.contains("is a Konflux release"), "{run:?}");
    assert!(harness.sandbox.writes().is_empty(), "{:#?}", harness.sandbox.writes());
    harness.sandbox.assert_no_unexpected();
}

#[test]
fn a_statebox_made_while_the_shipment_was_prepared_is_corrected_later() {
    let harness = being_prepared();
    harness.oar(KONFLUX, &["create-test-report"]).expect(0);
    assert!(header(&harness).contains("Konflux, being prepared") && header(&harness).contains("shipment_mr"));
    assert!(metadata(&harness)["shipment_mr"].is_null());

    let url = sandbox::scenario::shipment_url(harness.sandbox.world());
    replace(&harness, "          - kind: fbc\n", &format!("          - kind: fbc\n          url: {url}\n"));
    let run = harness.oar(KONFLUX, &OWNER).expect(0);
    assert!(run.stderr.contains("ART has changed the build data: shipment_mr: "), "{run:?}");
    assert_eq!(metadata(&harness)["shipment_mr"], url.as_str());
    assert!(metadata(&harness).get("pending").is_none());
    assert!(header(&harness).contains("· Konflux ·"), "{}", header(&harness));
    let history = harness.oar(KONFLUX, &["history", "--output", "json"]).expect(0).json();
    assert!(
        history["metadata"][0]["values"][0].as_str().unwrap().starts_with("shipment_mr: "),
        "{history:#}"
    );
}

#[test]
fn placeholders_block_what_needs_them_and_nothing_is_recorded_as_failed() {
    let harness = Harness::new();
    replace(&harness, "release_jira: ART-14191", "release_jira: ART-0");
    replace(&harness, "microshift: 150003", "microshift: -1");
    let run = harness.oar(KONFLUX, &["metadata"]).expect(0);
    assert!(run.stdout.contains("ART ticket        not there yet"), "{run:?}");
    assert!(run.stdout.contains("microshift not there yet"), "{run:?}");
    harness.oar(KONFLUX, &["create-test-report"]).expect(0);
    assert!(!harness.statebox(KONFLUX).unwrap().contains("ART-0"));
    assert!(
        header(&harness).ends_with("not there yet: advisory_ids.microshift, jira_ticket"),
        "{}",
        header(&harness)
    );
    let run = harness.oar(KONFLUX, &OWNER).expect(6);
    assert!(run.stderr.contains("the ART ticket of 4.19.1 is not there yet"), "{run:?}");
    let status = harness.oar(KONFLUX, &["status", "--output", "json"]).expect(0).json();
    assert!(
        status["tasks"].as_array().unwrap().iter().all(|task| task["status"] == "Not Started"),
        "{status:#}"
    );
    // What needs no ticket goes on, and MicroShift ships on its own.
    harness.oar(KONFLUX, &["image-signed-check"]).expect(0);

    replace(&harness, "rpm: 150001", "rpm: -1");
    let run = harness.oar(KONFLUX, &["push-to-cdn-staging", "--yes"]).expect(6);
    assert!(run.stderr.contains("the rpm advisory of 4.19.1 is not there yet"), "{run:?}");
    assert!(harness.oar(KONFLUX, &["is-shipped"]).expect(1).stdout.contains("not there yet"));
}

#[test]
fn placeholders_that_another_program_stored_are_shown_as_such() {
    let harness = Harness::announced(KONFLUX);
    let text = harness.statebox(KONFLUX).unwrap();
    let text = text.replace("ART-14191", "ART-0").replace("microshift: 150003", "microshift: -1");
    harness.put_statebox(KONFLUX, &text);
    assert!(
        header(&harness).contains("not there yet: jira_ticket, advisory_ids.microshift"),
        "{}",
        header(&harness)
    );
    harness.oar(KONFLUX, &OWNER).expect(0);
    let now = harness.statebox(KONFLUX).unwrap();
    assert!(now.contains("jira_ticket: ART-14191") && now.contains("microshift: 150003"), "{now}");
}

#[test]
fn identifiers_of_another_release_are_refused_and_their_origin_named() {
    let harness = Harness::new();
    art(&harness, |text| {
        format!(
            "{text}  4.19.2:\n    assembly:\n      basis:\n        assembly: 4.19.1\n        reference_releases!: {{}}\n      group:\n        release_date: 2026-Jul-14\n"
        )
    });
    for command in
        [&["create-test-report"][..], &OWNER[..], &["is-shipped"], &["push-to-cdn-staging", "--yes"]]
    {
        let run = harness.oar("4.19.2", command).expect(6);
        let words = "belongs to another release: advisory_ids.rpm 150001 of 4.19.1";
        assert!(
            run.stderr.contains(words) && run.stderr.contains("jira_ticket ART-14191 of 4.19.1"),
            "{run:?}"
        );
    }
    let run = harness.oar("4.19.2", &["metadata"]).expect(0);
    assert!(run.stdout.contains("not its own") && run.stdout.contains("150001 of 4.19.1"), "{run:?}");
    assert!(harness.sandbox.writes().is_empty() && harness.statebox("4.19.2").is_none());
    // ART's markers end the inheritance.
    art(&harness, |text| format!("{text}        advisories-:\n        release_jira-:\n        shipment-:\n"));
    let json = harness.oar("4.19.2", &["metadata", "--output", "json"]).expect(0).json();
    assert_eq!((&json["flow"], &json["advisories"]), (&"errata".into(), &serde_json::json!({})));
    harness.oar("4.19.2", &["create-test-report"]).expect(0);
}

#[test]
fn what_art_changes_is_taken_over_with_the_run_and_kept() {
    let harness = Harness::announced(KONFLUX);
    replace(&harness, "release_date: 2026-Jul-07", "release_date: 2026-Jul-08");
    replace(&harness, "rpm: 150001", "rpm: 150003");
    replace(&harness, "          microshift: 150003\n", "");
    let dry = harness.oar(KONFLUX, &["take-ownership", "-e", "demo-lead@example.com", "--dry-run"]).expect(0);
    assert!(dry.stderr.contains("advisory_ids.rpm: 150001 -> 150003 (would be accepted)"), "{dry:?}");
    assert_eq!(metadata(&harness)["release_date"], "2026-Jul-07", "a dry run takes nothing over");

    // Nobody has acted on the old values: nothing is asked.
    let commits =
        || harness.sandbox.world().github.lock().commits("openshift/release-tests", "z-stream").len();
    let before = commits();
    let run = harness.oar(KONFLUX, &OWNER).expect(0);
    assert!(run.stderr.contains("release_date: 2026-Jul-07 -> 2026-Jul-08 (accepted)"), "{run:?}");
    assert_eq!(commits() - before, 2, "the start and the end of the run, and no write of its own");
    let now = metadata(&harness);
    assert_eq!((&now["release_date"], &now["advisory_ids"]["rpm"]), (&"2026-Jul-08".into(), &150_003.into()));
    let history = harness.oar(KONFLUX, &["history"]).expect(0);
    assert!(history.stdout.contains("advisory_ids.rpm: 150001 -> 150003"), "{history:?}");

    // A look that records no run takes over, too.
    replace(&harness, "release_date: 2026-Jul-08", "release_date: 2026-Jul-09");
    harness.oar(KONFLUX, &OWNER).expect(0);
    assert_eq!(metadata(&harness)["release_date"], "2026-Jul-09");
}

#[test]
fn an_identifier_that_changes_after_the_release_was_owned_is_asked_about() {
    let harness = Harness::announced(KONFLUX);
    harness.oar(KONFLUX, &OWNER).expect(0);
    replace(&harness, "rhcos: 150002", "rhcos: 150003");
    replace(&harness, "          microshift: 150003\n", "");
    let (before, sent) = (harness.statebox(KONFLUX), harness.sandbox.writes().len());
    let run = harness.oar(KONFLUX, &["update-bug-list"]).expect(6);
    assert!(
        run.stderr.contains("advisory_ids.rhcos: 150002 -> 150003")
            && run.stderr.contains("--accept-metadata"),
        "{run:?}"
    );
    assert_eq!(harness.sandbox.writes().len(), sent, "{}", harness.request_lines());
    assert_eq!(harness.statebox(KONFLUX), before);
    harness.oar(KONFLUX, &["update-bug-list", "--accept-metadata"]).expect(0);
    assert_eq!(metadata(&harness)["advisory_ids"]["rhcos"], 150_003);
    harness.oar(KONFLUX, &["update-bug-list"]).expect(0);
}

#[test]
fn a_placeholder_or_an_absent_value_never_replaces_what_the_statebox_has() {
    let harness = Harness::announced(KONFLUX);
    replace(&harness, "release_jira: ART-14191", "release_jira: ART-0");
    replace(&harness, "          microshift: 150003\n", "");
    harness.oar(KONFLUX, &["image-signed-check"]).expect(0);
    let now = metadata(&harness);
    assert_eq!(
        (&now["jira_ticket"], &now["advisory_ids"]["microshift"]),
        (&"ART-14191".into(), &150_003.into())
    );
    assert!(now.get("pending").is_none(), "{now:#}");
}
