//! is-shipped: the truth table of both flows.
#![expect(clippy::unwrap_used, reason = "tests say what they expect by failing")]

use end_to_end::{ERRATA, Fault, FaultKind, Harness, KONFLUX};
use sandbox::services::errata::AdvisoryState::{
    self, DroppedNoShip, InPush, PushReady, Qe, RelPrep, ShippedLive,
};
use sandbox::services::gitlab::{MergeRequest, MergeRequestState};
use serde_json::{Value, json};

const KONFLUX_COUNTED: [u32; 2] = [150_001, 150_002];
const ERRATA_COUNTED: [u32; 4] = [140_001, 140_002, 140_004, 140_005];

fn set(harness: &Harness, ids: &[u32], state: AdvisoryState) {
    let mut errata = harness.sandbox.world().errata.lock();
    for id in ids {
        errata.advisory_mut(*id).unwrap().state = state;
    }
}

fn merge_request(harness: &Harness, change: impl FnOnce(&mut MergeRequest)) {
    let mut gitlab = harness.sandbox.world().gitlab.lock();
    let shipment = gitlab.merge_requests.iter_mut().find(|request| request.iid == 612).unwrap();
    change(shipment);
}

fn prod_pipeline(harness: &Harness, status: &str) {
    let mut gitlab = harness.sandbox.world().gitlab.lock();
    for pipeline in &mut gitlab.pipelines {
        for job in pipeline.bridges.iter_mut().filter(|job| job.stage == "prod-release-triggers") {
            status.clone_into(&mut job.status);
        }
    }
}

fn ask(harness: &Harness, release: &str, code: i32) -> Value {
    let answer = harness.oar(release, &["is-shipped", "--output", "json"]).expect(code).json();
    let keys: Vec<&String> = answer.as_object().unwrap().keys().collect();
    let expected = ["shipped", "flow_type", "unknown", "details"];
    assert_eq!(keys, expected, "programs read these keys: {answer:#}");
    let known = (code <= 1).then_some(code == 0);
    assert_eq!(answer["shipped"], json!(known), "what is unknown is neither");
    assert_eq!(answer["unknown"], json!(code > 1));
    answer
}

#[test]
fn an_errata_release_is_shipped_when_every_advisory_has_left_qe() {
    let harness = Harness::new();
    let answer = ask(&harness, ERRATA, 1);
    assert_eq!(answer["flow_type"], "errata");
    assert_eq!(answer["details"]["rpm_advisory"], "QE");
    for (id, state) in ERRATA_COUNTED.iter().zip([RelPrep, PushReady, InPush, ShippedLive]) {
        ask(&harness, ERRATA, 1);
        set(&harness, &[*id], state);
    }
    let answer = ask(&harness, ERRATA, 0);
    assert_eq!(
        answer["details"],
        json!({
            "rpm_advisory": "REL_PREP", "image_advisory": "PUSH_READY", "extras_advisory": "DROPPED_NO_SHIP",
            "metadata_advisory": "IN_PUSH", "rhcos_advisory": "SHIPPED_LIVE",
        }),
        "the dropped one is listed as it is and does not count"
    );
}

#[test]
fn a_release_whose_advisories_are_all_dropped_is_not_shipped() {
    let harness = Harness::new();
    set(&harness, &ERRATA_COUNTED, DroppedNoShip);
    let answer = ask(&harness, ERRATA, 1);
    assert!(answer["details"]["advisories_error"].as_str().unwrap().contains("no advisory"), "{answer:#}");
}

#[test]
fn an_open_merge_request_ships_by_its_production_release() {
    for (label, pipeline, words, code) in [
        (false, "manual", "not yet", 1),
        (false, "running", "not yet", 1),
        (false, "failed", "error: ", 1),
        (false, "success", "success", 0),
        (true, "success", "success", 0),
        (true, "failed", "error: ", 1),
        // By the label production was attempted, by the pipeline it was not: unknown.
        (true, "manual", "error: ", 4),
    ] {
        let harness = Harness::new();
        set(&harness, &KONFLUX_COUNTED, RelPrep);
        prod_pipeline(&harness, pipeline);
        if label {
            merge_request(&harness, |request| request.labels.push("prod-release-success".to_owned()));
        }
        let answer = ask(&harness, KONFLUX, code);
        let details = &answer["details"];
        assert_eq!(answer["flow_type"], "konflux");
        assert!(details["prod_release"].as_str().unwrap().starts_with(words), "{answer:#}");
        assert_eq!(details["shipment_mr_merged"], "no");
        assert_eq!(details["microshift_advisory"], "QE", "microshift is listed and does not count");
        assert!(details.get("shipment_mr_status").is_none(), "{answer:#}");
        set(&harness, &KONFLUX_COUNTED, Qe);
        ask(&harness, KONFLUX, 1);
    }
}

#[test]
fn merged_and_closed_are_told_apart() {
    for (state, shipped) in [(MergeRequestState::Merged, true), (MergeRequestState::Closed, false)] {
        let harness = Harness::new();
        set(&harness, &KONFLUX_COUNTED, ShippedLive);
        // What a closed one released before it was given up does not make it shipped.
        merge_request(&harness, |request| {
            request.state = state;
            request.labels.push("prod-release-success".to_owned());
        });
        let answer = ask(&harness, KONFLUX, i32::from(!shipped));
        let word = if shipped { "merged" } else { "closed" };
        assert_eq!(answer["details"]["shipment_mr_status"], word);
        assert!(answer["details"].get("prod_release").is_none(), "{answer:#}");
        set(&harness, &KONFLUX_COUNTED[..1], Qe);
        ask(&harness, KONFLUX, 1);
    }
}

#[test]
fn what_cannot_be_read_is_unknown_and_neither_shipped_nor_not() {
    let broken = FaultKind::Status { code: 500, body: None, headers: Vec::new() };
    for service in ["errata", "gitlab"] {
        let harness = Harness::new().env("OAR_HTTP_RETRY_DELAY", "1");
        set(&harness, &KONFLUX_COUNTED, ShippedLive);
        merge_request(&harness, |request| request.state = MergeRequestState::Merged);
        harness.sandbox.faults().add(Fault::on(service, broken.clone()).forever());
        let answer = ask(&harness, KONFLUX, 4);
        let details = answer["details"].as_object().unwrap();
        assert!(details.values().any(|words| words.as_str().unwrap().starts_with("error: ")), "{answer:#}");
        let run = harness.oar(KONFLUX, &["is-shipped"]).expect(4);
        assert!(run.stdout.contains("unknown"), "{run:?}");
        let part = if service == "errata" { "rpm_advisory" } else { "shipment_mr_status" };
        assert!(run.stderr.contains("is unknown") && run.stderr.contains("next:"), "{run:?}");
        assert!(run.stderr.contains(part) && !run.stderr.contains("microshift_advisory"), "{run:?}");
    }
    // What is known to stand against it decides, whatever else cannot be read.
    let harness = Harness::new().env("OAR_HTTP_RETRY_DELAY", "1");
    merge_request(&harness, |request| request.state = MergeRequestState::Closed);
    harness.sandbox.faults().add(Fault::on("errata", broken).forever());
    ask(&harness, KONFLUX, 1);
}

#[test]
fn a_refusal_or_a_redirection_is_no_answer() {
    let harness = Harness::new().env("OAR_HTTP_RETRY_DELAY", "1");
    set(&harness, &KONFLUX_COUNTED, ShippedLive);
    set(&harness, &ERRATA_COUNTED, ShippedLive);
    merge_request(&harness, |request| request.state = MergeRequestState::Merged);
    for code in [301, 302, 400, 404, 410, 422] {
        for (release, service, path) in [
            (KONFLUX, "gitlab", "*merge_requests/612"),
            (KONFLUX, "errata", "*erratum/150001*"),
            (ERRATA, "errata", "*erratum/140001*"),
        ] {
            harness.sandbox.faults().clear();
            let body = Some("{\"message\": \"404 Project Not Found\"}".to_owned());
            let broken = FaultKind::Status { code, body, headers: Vec::new() };
            harness.sandbox.faults().add(Fault::on(service, broken).path(path).forever());
            let answer = ask(&harness, release, 4);
            assert_eq!(answer["unknown"], true, "{service} {code}: {answer:#}");
        }
    }
    harness.sandbox.faults().clear();
    for code in [401, 403] {
        let broken = FaultKind::Status { code, body: None, headers: Vec::new() };
        harness.sandbox.faults().clear();
        harness.sandbox.faults().add(Fault::on("gitlab", broken).forever());
        ask(&harness, KONFLUX, 3);
    }
    harness.sandbox.faults().clear();
    assert_eq!(ask(&harness, KONFLUX, 0)["unknown"], false);
}

#[test]
fn it_only_reads_and_needs_few_requests() {
    for (release, budget) in [(KONFLUX, 8), (ERRATA, 6)] {
        let harness = Harness::new();
        for _ in 0..2 {
            harness.sandbox.clear_requests();
            let run = harness.oar(release, &["is-shipped"]).expect(1);
            assert!(run.stdout.contains("not shipped"), "{run:?}");
            let count = harness.sandbox.requests().len();
            assert!(count <= budget, "{count} requests:\n{}", harness.request_lines());
            assert!(harness.sandbox.writes().is_empty(), "{:#?}", harness.sandbox.writes());
            assert_eq!(harness.statebox(release), None);
        }
        harness.sandbox.assert_no_unexpected();
    }
}
