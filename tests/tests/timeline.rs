//! `oar timeline` and `oarctl lead-time`: files of our programs and of the Python tooling.
#![expect(clippy::unwrap_used, reason = "tests say what they expect by failing")]

use end_to_end::{Harness, KONFLUX, LEAD};
use serde_json::Value;

/// A StateBox as the Python tooling leaves it.
fn of_python(release: &str, approval: &str) -> String {
    format!(
        "schema_version: '1.0'\nrelease: {release}\ncreated_at: '2026-06-01T00:00:00Z'\nupdated_at: \
         '2026-06-03T00:00:00Z'\nmetadata:\n  jira_ticket: ART-14191\n  advisory_ids:\n    rpm: 150001\n  release_date: \
         2026-Jul-07\n  candidate_builds: {{}}\n  shipment_mr: \
         https://gitlab.example.com/g/p/-/merge_requests/612\ntasks:\n- name: take-ownership\n  status: Pass\n  started_at: \
         '2026-06-01T01:00:00Z'\n  completed_at: '2026-06-01T01:01:00Z'\n  result: done\n{approval}issues:\n- issue: the \
         stage is down\n  reported_at: '2026-06-01T02:00:00Z'\n  resolved: true\n  resolution: up\n  blocker: true\n  \
         related_tasks:\n  - stage-testing\n  resolved_at: '2026-06-01T05:00:00Z'\n"
    )
}

const APPROVED: &str = "- name: change-advisory-status\n  status: Pass\n  started_at: '2026-06-02T00:00:00Z'\n  \
    completed_at: '2026-06-03T00:00:00Z'\n  result: done\n";

fn seconds(document: &Value, share: &str) -> i64 {
    let totals = document["totals"].as_array().unwrap();
    totals.iter().find(|total| total["share"] == share).unwrap()["seconds"].as_i64().unwrap()
}

#[test]
fn a_release_of_the_python_tooling_is_divided_and_what_is_not_known_is_said() {
    let harness = Harness::new();
    harness.put_statebox(KONFLUX, &of_python(KONFLUX, APPROVED));
    let document = harness.oar(KONFLUX, &["timeline", "--output", "json"]).expect(0).json();
    assert_eq!(document["release"], KONFLUX);
    assert_eq!(document["approved"], "2026-06-03T00:00:00Z");
    assert_eq!(seconds(&document, "tools"), 60);
    assert_eq!(seconds(&document, "person"), 3 * 3600);
    assert_eq!(seconds(&document, "systems"), 24 * 3600);
    let whole: i64 =
        ["tools", "person", "systems", "nobody"].iter().map(|share| seconds(&document, share)).sum();
    assert_eq!(whole, 48 * 3600);
    assert!(!document["not_known"].as_array().unwrap().is_empty());
    let text = harness.oar(KONFLUX, &["timeline"]).expect(0).stdout;
    assert!(text.contains("2 d 0 h since 2026-06-01T00:00:00Z, approved"), "{text}");
    assert!(text.contains("nobody looking") && text.contains("##") && text.contains("not known:"), "{text}");
}

/// A StateBox as our programs leave it: a job of two hours whose result a person decided an hour after its failure.
const HISTORY: &str = "- name: stage-testing
  status: Pass
  started_at: '2026-06-01T02:00:00Z'
  completed_at: '2026-06-01T05:02:00Z'
  result: done
  history:
  - id: a
    started: '2026-06-01T02:00:00Z'
    finished: '2026-06-01T02:01:00Z'
    by: lead
    command: stage-testing
    outcome: In Progress
  - id: b
    started: '2026-06-01T04:01:00Z'
    finished: '2026-06-01T04:02:00Z'
    by: lead
    command: stage-testing
    outcome: Fail
  - id: c
    started: '2026-06-01T05:02:00Z'
    finished: '2026-06-01T05:03:00Z'
    by: lead
    command: stage-testing
    outcome: Pass
- name: change-advisory-status
  status: Pass
  started_at: '2026-06-01T06:03:00Z'
  completed_at: '2026-06-01T06:04:00Z'
  result: done
  history:
  - id: d
    started: '2026-06-01T06:03:00Z'
    finished: '2026-06-01T06:04:00Z'
    by: lead
    command: change-advisory-status
    outcome: Pass
";

#[test]
fn runs_of_our_programs_are_counted_by_their_history() {
    let harness = Harness::new();
    let file = of_python(KONFLUX, "");
    let (head, _) = file.split_once("- name: take-ownership").unwrap();
    harness.put_statebox(KONFLUX, &format!("{head}{HISTORY}issues: []\n"));
    let document = harness.oar(KONFLUX, &["timeline", "--output", "json"]).expect(0).json();
    assert_eq!(document["approved"], "2026-06-01T06:04:00Z");
    let shares = ["tools", "person", "systems", "nobody"].map(|share| seconds(&document, share));
    assert_eq!(shares, [4 * 60, 3600, 2 * 3600, 3 * 3600], "{document:#}");
    assert_eq!(
        document["not_known"].as_array().unwrap().len(),
        0,
        "a history tells everything: {document:#}"
    );

    let harness = Harness::announced(KONFLUX);
    harness.oar(KONFLUX, &["take-ownership", "-e", LEAD]).expect(0);
    let document = harness.oar(KONFLUX, &["timeline", "--output", "json"]).expect(0).json();
    assert_eq!(document["not_known"].as_array().unwrap().len(), 0, "{document:#}");
    assert_eq!(document["approved"], Value::Null);
}

#[test]
fn finished_releases_are_added_up_and_a_damaged_file_is_named() {
    let harness = Harness::new();
    harness.put_statebox(KONFLUX, &of_python(KONFLUX, APPROVED));
    harness.put_statebox("4.19.2", &of_python("4.19.2", ""));
    let document = harness.run("oarctl", ["lead-time", "--output", "json"]).expect(0).json();
    assert_eq!(document["releases"][0]["release"], KONFLUX);
    assert_eq!((&document["median"], &document["unfinished"]), (&(48 * 3600).into(), &1.into()));
    let later =
        harness.run("oarctl", ["lead-time", "--since", "2026-06-04", "--output", "json"]).expect(0).json();
    assert_eq!(later["releases"].as_array().unwrap().len(), 0);
    harness.run("oarctl", ["lead-time", "--since", "June"]).expect(2);
    let text = harness.run("oarctl", ["lead-time"]).expect(0).stdout;
    assert!(text.contains("1 release: median 2 d 0 h"), "{text}");
    harness.put_statebox("4.19.3", "tasks: 3\n");
    let run = harness.run("oarctl", ["lead-time"]).expect(4);
    assert!(run.stderr.contains("error: 4.19.3: it is damaged"), "{run:#?}");
    harness.sandbox.assert_no_unexpected();
}
