//! check-cve-tracker-bug with the real program and an elliott of the test's own: what is missing, where it belongs, who
//! hears of it, and that nothing happens twice.
#![expect(clippy::unwrap_used, reason = "tests say what they expect by failing")]

use std::path::PathBuf;

use end_to_end::elliott::{self, NOTHING};
use end_to_end::{ERRATA, Fault, FaultKind, Harness, KONFLUX, Run};

struct Bench {
    harness: Harness,
    folder: PathBuf,
}

impl Bench {
    fn new() -> Self {
        let (harness, folder) = elliott::install(Harness::new());
        Self { harness, folder }
    }

    fn answers(&self, brew: &str, konflux: &str) {
        elliott::answers(&self.folder, brew, konflux);
    }

    fn before(&self, system: &str, script: &str) {
        std::fs::write(self.folder.join(format!("{system}.sh")), script).unwrap();
    }

    fn calls(&self) -> usize {
        std::fs::read_to_string(self.folder.join("calls")).map_or(0, |text| text.lines().count())
    }

    fn check(&self, release: &str) -> Run {
        self.harness.oar(release, &["check-cve-tracker-bug"])
    }

    fn messages(&self) -> Vec<String> {
        let slack = self.harness.sandbox.world().slack.lock();
        slack.messages_in("#forum-ocp-release-demo").into_iter().map(|message| message.text).collect()
    }

    fn state(&self, release: &str) -> String {
        self.harness.statebox(release).unwrap_or_default()
    }
}

#[test]
fn nothing_missing_is_a_pass_within_the_budget() {
    for (release, brew, konflux, calls) in [
        (KONFLUX, NOTHING, r#"{"image": ["OCPBUGS-60010"]}"#, 2),
        (ERRATA, r#"{"metadata": ["OCPBUGS-61040"], "image": []}"#, "unused", 1),
    ] {
        let bench = Bench::new();
        bench.answers(brew, konflux);
        bench.harness.oar(release, &["create-test-report"]).expect(0);
        bench.harness.sandbox.clear_requests();
        bench.check(release).expect(0);
        let count = bench.harness.sandbox.requests().len();
        assert!(count <= 17, "{count} requests:\n{}", bench.harness.request_lines());
        assert_eq!(bench.calls(), calls, "the Errata flow has no Konflux builds");
        assert!(bench.state(release).contains("- name: check-cve-tracker-bug\n  status: Pass\n"));
        assert!(bench.messages().is_empty());

        bench.harness.sandbox.clear_requests();
        let again = bench.check(release).expect(0);
        assert!(again.stdout.contains("nothing to do"), "{again:?}");
        assert!(bench.harness.sandbox.writes().is_empty(), "{:#?}", bench.harness.sandbox.writes());
        bench.harness.sandbox.assert_no_unexpected();
    }
}

#[test]
fn missing_trackers_fail_the_task_once_and_the_blocker_follows_what_is_missing() {
    let bench = Bench::new();
    bench.answers(
        r#"{"rpm": ["OCPBUGS-60500"], "image": ["OCPBUGS-1"]}"#,
        r#"{"image": ["OCPBUGS-60010", "OCPBUGS-60501"], "rpm": ["OCPBUGS-60500"]}"#,
    );
    bench.harness.oar(KONFLUX, &["create-test-report"]).expect(0);
    bench.harness.sandbox.clear_requests();
    let run = bench.check(KONFLUX).expect(1);
    let count = bench.harness.sandbox.requests().len();
    assert!(count <= 23, "{count} requests:\n{}", bench.harness.request_lines());
    assert!(
        run.stderr
            .contains("missing: OCPBUGS-60500 (rpm), belongs to advisory 150001: in no advisory and in no"),
        "{run:?}"
    );
    assert!(
        run.stderr.contains("missing: OCPBUGS-60501 (image), belongs to shipment file 4.19.1.image."),
        "{run:?}"
    );
    assert!(!run.all().contains("OCPBUGS-1 "), "brew's images are Konflux's business: {run:?}");
    let state = bench.state(KONFLUX);
    assert!(state.contains("- name: check-cve-tracker-bug\n  status: Fail\n"), "{state}");
    assert_eq!(state.matches("Missing CVE trackers (2)").count(), 1, "{state}");
    let messages = bench.messages();
    assert_eq!(messages.len(), 1, "{messages:?}");
    assert!(messages[0].contains("4.19.1") && messages[0].contains("OCPBUGS-60501"), "{messages:?}");

    bench.harness.sandbox.clear_requests();
    bench.check(KONFLUX).expect(1);
    assert!(bench.harness.sandbox.writes().is_empty(), "{:#?}", bench.harness.sandbox.writes());
    assert_eq!((bench.state(KONFLUX), bench.messages().len()), (state, 1), "a second run changes nothing");

    bench.answers(NOTHING, r#"{"image": ["OCPBUGS-60501"]}"#);
    bench.check(KONFLUX).expect(1);
    let state = bench.state(KONFLUX);
    assert!(
        !state.contains("trackers (2)") && state.matches("Missing CVE trackers (1)").count() == 1,
        "{state}"
    );
    assert_eq!(bench.messages().len(), 2);

    bench.answers(NOTHING, NOTHING);
    bench.check(KONFLUX).expect(0);
    let state = bench.state(KONFLUX);
    assert!(state.contains("- name: check-cve-tracker-bug\n  status: Pass\n"), "{state}");
    assert!(state.contains("finds no missing CVE tracker any more"), "{state}");
    assert_eq!(bench.messages().len(), 2);
    bench.harness.sandbox.assert_no_unexpected();
}

#[test]
fn every_kind_of_an_errata_release_is_looked_at_and_routed() {
    let bench = Bench::new();
    bench.answers(r#"{"image": ["OCPBUGS-61020"], "metadata": ["OCPBUGS-61999"]}"#, "unused");
    let run =
        bench.harness.oar(ERRATA, &["check-cve-tracker-bug", "--no-notify", "--output", "json"]).expect(1);
    let report = run.json();
    let missing = report["data"]["missing"].as_array().unwrap();
    assert_eq!(missing.len(), 2, "{report:#}");
    assert_eq!(missing[0]["belongs_to"], "advisory 140002");
    assert!(missing[0]["why"].as_str().unwrap().contains("only RHSA publishes CVEs"), "{report:#}");
    assert_eq!(missing[1]["belongs_to"], "advisory 140004");
    assert_eq!(report["exit_code"], 1);
    assert!(bench.messages().is_empty(), "--no-notify");
    assert!(bench.harness.sandbox.requests().iter().all(|request| request.service != "gitlab"));
}

#[test]
fn however_many_are_missing_the_blocker_fits() {
    let bench = Bench::new();
    let keys: Vec<String> = (70_000..70_300).map(|number| format!("\"OCPBUGS-{number}\"")).collect();
    bench.answers(&format!("{{\"rpm\": [{}]}}", keys.join(", ")), NOTHING);
    bench.check(KONFLUX).expect(1);
    let state = bench.state(KONFLUX);
    assert!(state.contains("Missing CVE trackers (300)"), "{state}");
    let listed = bench.harness.oar(KONFLUX, &["issue", "list"]).expect(0);
    assert!(listed.stdout.contains("more: run check-cve-tracker-bug for all"), "{listed:?}");
}

#[test]
fn an_elliott_that_does_not_answer_is_an_error_and_never_a_pass() {
    for (system, script, answer, code, words) in [
        ("brew", "", "", 4, "printed nothing for build system brew"),
        ("konflux", "", " ", 4, "printed nothing for build system konflux"),
        ("brew", "echo 'no ticket for jdoe@example.com' >&2; exit 1", "{}", 4, "no ticket for"),
        ("konflux", "", "[]", 4, "not an object"),
        ("konflux", "", r#"{"rpm": {"a": 1}}"#, 4, "is not a list"),
        ("brew", "sleep 100", "{}", 4, "was stopped"),
    ] {
        let mut bench = Bench::new();
        bench.harness = bench.harness.env("OAR_ELLIOTT_TIMEOUT", "2");
        std::fs::write(bench.folder.join(system), answer).unwrap();
        bench.before(system, script);
        let run = bench.check(KONFLUX).expect(code);
        assert!(run.stderr.contains(words), "{run:?}");
        assert!(!run.all().contains("jdoe@example.com"), "{run:?}");
        let state = bench.state(KONFLUX);
        assert!(!state.contains("Missing CVE") && !state.contains("status: Pass"), "{state}");
        bench.before(system, "");
        bench.answers(NOTHING, NOTHING);
        bench.check(KONFLUX).expect(0);
    }
    let bench = Bench::new();
    let harness = bench.harness.env("OAR_ELLIOTT", "/nonexistent/elliott");
    let run = harness.oar(ERRATA, &["check-cve-tracker-bug"]).expect(3);
    assert!(run.stderr.contains("OAR_ELLIOTT"), "{run:?}");
}

#[test]
fn a_dry_run_shows_what_is_missing_and_writes_nothing() {
    for release in [KONFLUX, ERRATA] {
        let bench = Bench::new();
        bench.answers(r#"{"rpm": ["OCPBUGS-60500"]}"#, NOTHING);
        let run = bench.harness.oar(release, &["check-cve-tracker-bug", "--dry-run"]).expect(0);
        assert!(run.stdout.contains("missing: OCPBUGS-60500 (rpm)"), "{run:?}");
        assert!(run.stdout.contains("add a blocker to check-cve-tracker-bug"), "{run:?}");
        assert!(bench.harness.sandbox.writes().is_empty(), "{:#?}", bench.harness.sandbox.writes());
        assert_eq!(bench.harness.statebox(release), None);
    }
}

#[test]
fn a_blocker_of_somebody_else_refuses_the_run() {
    let bench = Bench::new();
    bench.harness.oar(KONFLUX, &["create-test-report"]).expect(0);
    let blocker = ["issue", "add", "ART rebuilds", "--task", "check-cve-tracker-bug"];
    bench.harness.oar(KONFLUX, &blocker).expect(0);
    let run = bench.check(KONFLUX).expect(6);
    assert!(run.stderr.contains("ART rebuilds"), "{run:?}");
    assert_eq!(bench.calls(), 0);
}

#[test]
fn a_slack_outage_changes_nothing_but_the_time_of_the_message() {
    let bench = Bench::new();
    bench.answers(r#"{"rpm": ["OCPBUGS-60500"]}"#, NOTHING);
    let down = FaultKind::Status { code: 503, body: None, headers: Vec::new() };
    bench.harness.sandbox.faults().add(Fault::on("slack", down).forever());
    bench.check(KONFLUX).expect(1);
    assert!(bench.messages().is_empty());
    bench.harness.sandbox.faults().clear();
    bench.check(KONFLUX).expect(1);
    assert_eq!(bench.messages().len(), 1);
    bench.check(KONFLUX).expect(1);
    assert_eq!(bench.messages().len(), 1);
    assert_eq!(bench.state(KONFLUX).matches("Missing CVE trackers (1)").count(), 1);
}

#[test]
fn the_result_says_what_elliott_cannot_see() {
    let bench = Bench::new();
    bench.harness.oar(KONFLUX, &["create-test-report"]).expect(0);
    bench.before(
        "brew",
        "echo \"WARNING Tracker Bug(s) ['OCPBUGS-60777'] have invalid summary. Ignoring them.\" >&2",
    );
    let run = bench.harness.oar(KONFLUX, &["check-cve-tracker-bug", "--output", "json"]).expect(0);
    let report = run.json();
    let data = &report["data"];
    assert!(data["limits"].as_str().unwrap().contains("VERIFIED only"), "{report:#}");
    assert_eq!(data["not_verified"][0]["tracker"], "OCPBUGS-60011", "{report:#}");
    assert_eq!(data["not_verified"][0]["status"], "ON_QA", "{report:#}");
    assert!(data["left_out"][0].as_str().unwrap().contains("OCPBUGS-60777"), "{report:#}");
    let finding = report["finding"].as_str().unwrap();
    assert!(
        finding.contains("of those that elliott names") && finding.contains("not verified: OCPBUGS-60011")
    );

    let bench = Bench::new();
    let run = bench.harness.oar(ERRATA, &["check-cve-tracker-bug", "--output", "json"]).expect(0);
    let unknown = serde_json::json!(["OCPBUGS-61050", "OCPBUGS-61051"]);
    assert_eq!(run.json()["data"]["unknown"], unknown, "{run:?}");
}

#[test]
fn trackers_that_elliott_refuses_to_place_are_a_finding_and_no_outage() {
    let bench = Bench::new();
    bench.harness.oar(KONFLUX, &["create-test-report"]).expect(0);
    let words = "ValueError: No attached builds found in shipment advisories for image tracker bugs (bug, package): \
                 [('OCPBUGS-60778', 'openshift4/ose-demo')]. Either attach builds or exclude the bug";
    bench.before("konflux", &format!("echo \"{words}\" >&2; exit 1"));
    let run = bench.check(KONFLUX).expect(1);
    assert!(run.stderr.contains("elliott refuses for build system konflux"), "{run:?}");
    assert!(run.stderr.contains("OCPBUGS-60778") && run.stderr.contains("Ask ART to attach"), "{run:?}");
    assert!(bench.state(KONFLUX).contains("- name: check-cve-tracker-bug\n  status: Fail\n"));
}

#[test]
fn a_tracker_whose_key_has_changed_is_not_missing() {
    let bench = Bench::new();
    {
        let mut jira = bench.harness.sandbox.world().jira.lock();
        "Verified".clone_into(&mut jira.issue_mut("OCPBUGS-61041").unwrap().status);
        jira.move_issue("OCPBUGS-61041", "CORENET-77").unwrap();
    }
    bench.answers(r#"{"metadata": ["CORENET-77"]}"#, "unused");
    let run = bench.check(ERRATA).expect(0);
    assert!(run.stdout.contains("1 tracker is attached"), "{run:?}");
}

#[test]
fn the_blocker_of_the_python_tooling_is_resolved_when_nothing_is_missing_any_more() {
    let bench = Bench::new();
    bench.harness.oar(KONFLUX, &["create-test-report"]).expect(0);
    let text = "Found 1 missed CVE tracker bugs in shipments\n\nMissed CVE tracker bugs:\n- OCPBUGS-60501\n";
    bench.harness.oar(KONFLUX, &["issue", "add", text, "--task", "check-cve-tracker-bug"]).expect(0);
    bench.answers(NOTHING, r#"{"image": ["OCPBUGS-60501"]}"#);
    bench.check(KONFLUX).expect(1);
    let state = bench.state(KONFLUX);
    assert!(state.contains("Missing CVE trackers (1)") && !state.contains("Found 1 missed"), "{state}");

    bench.answers(NOTHING, NOTHING);
    bench.check(KONFLUX).expect(0);
    let state = bench.state(KONFLUX);
    assert!(state.contains("- name: check-cve-tracker-bug\n  status: Pass\n"), "{state}");
    assert!(
        state.contains("resolved: true") && state.contains("finds no missing CVE tracker any more"),
        "{state}"
    );
}

#[test]
fn what_cannot_be_looked_at_is_unknown_and_no_verdict() {
    for (service, path, code) in [
        ("errata", "/api/v1/erratum/150001", 404),
        ("errata", "/api/v1/erratum/150001", 503),
        ("jira", "/rest/api/2/issue/bulkfetch", 500),
        ("jira", "/rest/api/2/issue/bulkfetch", 400),
    ] {
        let mut bench = Bench::new();
        bench.harness = bench.harness.env("OAR_HTTP_RETRY_DELAY", "1");
        bench.harness.oar(KONFLUX, &["create-test-report"]).expect(0);
        let kind = FaultKind::Status { code, body: None, headers: Vec::new() };
        bench.harness.sandbox.faults().add(Fault::on(service, kind).path(path).forever());
        let run = bench.harness.oar(KONFLUX, &["check-cve-tracker-bug", "--output", "json"]).expect(4);
        assert_eq!(run.json()["reason"]["class"], "infrastructure", "{service} {code}: {run:?}");
        assert!(!bench.state(KONFLUX).contains("Missing CVE"));
    }
}
