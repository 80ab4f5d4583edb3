//! drop-bugs in both flows: what leaves the release and what stays, refusals, repetition, kills and faults; and the
//! branch that it makes, seen by git itself.
#![expect(clippy::unwrap_used, reason = "tests say what they expect by failing")]

mod git_server;

use std::collections::BTreeMap;

use end_to_end::effects::Effects;
use end_to_end::{ERRATA, Fault, FaultKind, Harness, KONFLUX, Run};
use git_server::{GitServer, git, output};
use sandbox::services::errata::AdvisoryState;
use serde_json::json;

const BRANCH: &str = "prepare-shipment-4.19.1-20260625080910";
const SHIPMENT: u64 = 5150;
const FORK: u64 = 5151;

fn drop_bugs(harness: &Harness, release: &str, more: &[&str]) -> Run {
    harness.oar(release, &[&["drop-bugs", "--yes"], more].concat())
}

fn prepared(release: &str) -> Harness {
    let harness = Harness::new();
    if let Some(metadata) = harness.sandbox.world().errata.lock().advisory_mut(140_004) {
        metadata.security_approved = Some(true);
        metadata.doc_complete = true;
    }
    harness.oar(release, &["create-test-report"]).expect(0);
    harness.sandbox.clear_requests();
    harness
}

fn control(harness: &Harness, operation: &str, body: &serde_json::Value) {
    let now = harness.sandbox.clock().now();
    let changed = harness.sandbox.world().with_service("gitlab", |state| state.change(operation, body, now));
    changed.unwrap().unwrap();
}

fn files(harness: &Harness) -> BTreeMap<String, String> {
    harness.sandbox.world().gitlab.lock().project_mut(SHIPMENT).unwrap().branches[BRANCH].files.clone()
}

/// What a run left behind.
#[derive(Debug, PartialEq, Eq)]
struct Facts {
    issues: BTreeMap<u32, Vec<String>>,
    removals: BTreeMap<u32, u32>,
    security: Option<bool>,
    files: BTreeMap<String, String>,
    requests: Vec<(String, &'static str)>,
    notes: usize,
    fork_branches: usize,
    messages: usize,
}

fn facts(harness: &Harness) -> Facts {
    let world = harness.sandbox.world();
    let (issues, removals, security) = {
        let errata = world.errata.lock();
        let ids = || errata.advisories.keys().copied();
        (
            errata.advisories.iter().map(|(id, advisory)| (*id, advisory.jira_issues.clone())).collect(),
            ids().map(|id| (id, errata.times_sent(id, "jira_issue"))).collect(),
            errata.advisory(140_004).unwrap().security_approved,
        )
    };
    let files = files(harness);
    // Before GitLab is locked: it looks there too.
    let messages = Effects::of(harness).messages();
    let mut gitlab = world.gitlab.lock();
    let ours = gitlab.merge_requests.iter().filter(|request| request.title.ends_with("drop bugs"));
    let requests = ours.map(|request| (request.title.clone(), request.state.name())).collect();
    let notes = gitlab.note_bodies(SHIPMENT, 612).len();
    let fork_branches = gitlab.project_mut(FORK).unwrap().branches.len();
    Facts { issues, removals, security, files, requests, notes, fork_branches, messages }
}

#[test]
fn a_konflux_release_loses_the_bug_in_advisory_and_shipment() {
    let harness = prepared(KONFLUX);
    let before = files(&harness);
    let run = drop_bugs(&harness, KONFLUX, &["--output", "json"]).expect(0);
    let count = harness.sandbox.requests().len();
    assert!(count <= 45, "{count} requests:\n{}", harness.request_lines());
    harness.sandbox.assert_no_unexpected();
    let report = run.json();
    assert_eq!((&report["status"], &report["data"]["dropped"]), (&json!("Pass"), &json!(["OCPBUGS-60010"])));
    assert_eq!(report["data"]["kept_cve_trackers"], json!(["OCPBUGS-60011"]));
    let facts = facts(&harness);
    assert_eq!(facts.issues[&150_001], ["OCPBUGS-60011"]);
    assert_eq!(facts.requests, [("4.19.1 drop bugs".to_owned(), "merged")]);
    assert_eq!((facts.notes, facts.fork_branches, facts.messages), (1, 1, 2));
    let entry = "          - id: OCPBUGS-60010\n            source: redhat.atlassian.net\n";
    for (path, content) in &before {
        assert_eq!(facts.files[path], content.replace(entry, ""), "{path}");
    }
    assert!(harness.statebox(KONFLUX).unwrap().contains("- name: drop-bugs\n  status: Pass\n"));

    harness.sandbox.clear_requests();
    let again = drop_bugs(&harness, KONFLUX, &[]).expect(0);
    assert!(again.stdout.contains("nothing to do"), "{again:?}");
    assert!(harness.sandbox.writes().is_empty(), "{:#?}", harness.sandbox.writes());
    let wrong = drop_bugs(&harness, KONFLUX, &["--include", "OCPBUGS-60010"]).expect(2);
    assert!(wrong.stdout.contains("refused, the task stays Pass"), "{wrong:?}");
}

#[test]
fn an_errata_release_loses_its_bugs_and_asks_for_the_lost_approval() {
    let harness = prepared(ERRATA);
    let run = drop_bugs(&harness, ERRATA, &["--output", "json"]).expect(0);
    let count = harness.sandbox.requests().len();
    assert!(count <= 40, "{count} requests:\n{}", harness.request_lines());
    harness.sandbox.assert_no_unexpected();
    let report = run.json();
    assert_eq!(report["data"]["dropped"], json!(["OCPBUGS-61010", "OCPBUGS-61040"]), "{report:#}");
    assert_eq!(report["data"]["unknown"], json!(["OCPBUGS-61050", "OCPBUGS-61051"]));
    assert_eq!(report["data"]["security_requested"], json!([140_004]));
    let facts = facts(&harness);
    assert_eq!(facts.issues[&140_001], ["OCPBUGS-61011"]);
    assert_eq!(facts.issues[&140_004], ["OCPBUGS-61041"]);
    assert_eq!(facts.issues[&140_005].len(), 2, "what cannot be read stays");
    assert_eq!(facts.security, Some(false), "asked for again");
    assert_eq!(facts.messages, 3);
    assert!(harness.sandbox.requests().iter().all(|request| request.service != "gitlab"));

    harness.sandbox.clear_requests();
    let again = drop_bugs(&harness, ERRATA, &[]).expect(0);
    assert!(again.stdout.contains("nothing to do"), "{again:?}");
    assert!(harness.sandbox.writes().is_empty(), "{:#?}", harness.sandbox.writes());
}

#[test]
fn a_dry_run_and_a_missing_consent_write_nothing() {
    for release in [KONFLUX, ERRATA] {
        let harness = prepared(release);
        let plan = harness.oar(release, &["drop-bugs", "--dry-run"]).expect(0);
        assert!(plan.stdout.contains("remove from advisory"), "{plan:?}");
        assert!(plan.stdout.contains("stays: it tracks a CVE"), "{plan:?}");
        assert_eq!(plan.stdout.contains("make merge request `4.19.1 drop bugs`"), release == KONFLUX);
        let refused = harness.oar(release, &["drop-bugs"]).expect(6);
        assert!(refused.stderr.contains("--yes"), "{refused:?}");
        assert!(harness.sandbox.writes().is_empty(), "{:#?}", harness.sandbox.writes());
    }
}

#[test]
fn a_bug_of_high_severity_leaves_only_when_it_is_named() {
    let harness = prepared(ERRATA);
    for key in ["OCPBUGS-61010", "OCPBUGS-61040"] {
        let mut jira = harness.sandbox.world().jira.lock();
        jira.issue_mut(key).unwrap().priority = Some("Blocker".to_owned());
    }
    let plan = harness.oar(ERRATA, &["drop-bugs", "--dry-run"]).expect(0);
    assert!(plan.stdout.contains("OCPBUGS-61010 stays: it is critical"), "{plan:?}");
    assert!(plan.stdout.contains("nothing would be changed"), "{plan:?}");
    for (key, words) in [
        ("OCPBUGS-61011", "tracks a CVE"),
        ("OCPBUGS-61020", "is finished"),
        ("OCPBUGS-1", "is not among"),
        ("OCPBUGS-61050", "cannot be read"),
    ] {
        let refused = drop_bugs(&harness, ERRATA, &["--include", key]).expect(2);
        assert!(refused.stderr.contains(words), "{refused:?}");
    }
    drop_bugs(&harness, ERRATA, &["--include", "OCPBUGS-61040"]).expect(0);
    let facts = facts(&harness);
    assert_eq!((facts.issues[&140_001].len(), facts.issues[&140_004].len()), (2, 1));
}

#[test]
fn a_shipment_that_is_not_open_is_refused() {
    for state in ["merged", "closed", "locked"] {
        let harness = prepared(KONFLUX);
        control(&harness, "set-state", &json!({"project": SHIPMENT, "iid": 612, "state": state}));
        let refused = drop_bugs(&harness, KONFLUX, &[]).expect(6);
        assert!(refused.stderr.contains(&format!("is {state}, not open")), "{refused:?}");
        let effects: Vec<_> =
            harness.sandbox.writes().into_iter().filter(|write| write.service != "github").collect();
        assert!(effects.is_empty(), "{effects:#?}");
    }
}

#[test]
fn a_broken_file_is_named_and_nothing_is_changed() {
    let harness = prepared(KONFLUX);
    let push = json!({"project": SHIPMENT, "branch": BRANCH, "path": "shipment/broken.yaml", "content": "shipment:\n  data: [\n"});
    control(&harness, "push", &push);
    let before = facts(&harness);
    let refused = drop_bugs(&harness, KONFLUX, &[]).expect(1);
    assert!(refused.stderr.contains("shipment/broken.yaml, line"), "{refused:?}");
    assert_eq!(facts(&harness), before);
}

#[test]
fn keys_are_matched_whole_and_an_emptied_list_stays_valid() {
    let harness = prepared(KONFLUX);
    let entry = |key: &str| format!("          - id: {key}\n            source: redhat.atlassian.net\n");
    let file = |entries: &str| {
        format!(
            "shipment:\n  data:\n    releaseNotes:\n      issues:\n        fixed:{entries}      topic: x\n"
        )
    };
    let both = file(&format!("\n{}{}", entry("OCPBUGS-60010"), entry("OCPBUGS-6001")));
    let alone = file(&format!("\n{}", entry("OCPBUGS-60010")));
    for (path, content) in [("shipment/both.yaml", &both), ("shipment/alone.yaml", &alone)] {
        control(
            &harness,
            "push",
            &json!({"project": SHIPMENT, "branch": BRANCH, "path": path, "content": content}),
        );
    }
    // OCPBUGS-6001 is unknown to Jira, so it stays.
    drop_bugs(&harness, KONFLUX, &[]).expect(0);
    let files = files(&harness);
    assert_eq!(files["shipment/both.yaml"], file(&format!("\n{}", entry("OCPBUGS-6001"))));
    assert_eq!(files["shipment/alone.yaml"], file(" []\n"));
}

#[test]
fn the_branch_is_what_git_sees_and_a_running_pipeline_is_waited_for() {
    let harness = prepared(KONFLUX);
    control(&harness, "new-requests", &json!({"checking_reads": 2, "pipeline": "running"}));
    let before = files(&harness);
    let head = harness.sandbox.world().gitlab.lock().project_mut(SHIPMENT).unwrap().branches[BRANCH].sha();
    let run = drop_bugs(&harness, KONFLUX, &["--output", "json"]).expect(0).json();
    assert_eq!((&run["status"], &run["data"]["waits_for"]), (&json!("In Progress"), &json!("its pipeline")));
    assert_eq!(facts(&harness).messages, 1, "nobody is told before it is merged");

    let (stream, branch, sha) = {
        let mut gitlab = harness.sandbox.world().gitlab.lock();
        let fork = gitlab.project_mut(FORK).unwrap();
        let branch =
            fork.branches.keys().find(|name| name.starts_with("drop-bugs-for-4.19.1-")).unwrap().clone();
        (fork.fast_import(), branch.clone(), fork.branches[&branch].sha())
    };
    assert!(
        branch.trim_start_matches("drop-bugs-for-4.19.1-").bytes().all(|byte| byte.is_ascii_digit()),
        "{branch}"
    );
    let server = GitServer::start(&stream);
    let clone = server.clone_branch(&branch);
    let mut log = git(&clone);
    log.args(["log", "-1", "--format=%H %P"]);
    let log = String::from_utf8(output(log)).unwrap();
    assert_eq!(log.trim(), format!("{sha} {head}"), "git computes the same names");
    let mut changed = git(&clone);
    changed.args(["diff", "--name-only", "HEAD~1", "HEAD"]);
    let changed = String::from_utf8(output(changed)).unwrap();
    assert_eq!(changed.lines().count(), 1, "{changed}");
    let entry = "          - id: OCPBUGS-60010\n            source: redhat.atlassian.net\n";
    for (path, content) in &before {
        assert_eq!(std::fs::read_to_string(clone.join(path)).unwrap(), content.replace(entry, ""), "{path}");
    }

    // A second run finds everything done and waits on; after the merge it passes and tells people.
    let waiting = facts(&harness);
    drop_bugs(&harness, KONFLUX, &[]).expect(0);
    assert_eq!(facts(&harness), waiting);
    let pipeline = harness.sandbox.world().gitlab.lock().newest_pipeline(SHIPMENT, 614).unwrap().id;
    control(&harness, "pipeline", &json!({"pipeline": pipeline, "status": "success"}));
    let run = drop_bugs(&harness, KONFLUX, &["--output", "json"]).expect(0).json();
    assert_eq!((&run["status"], &run["data"]["dropped"]), (&json!("Pass"), &json!(["OCPBUGS-60010"])));
    let facts = facts(&harness);
    assert_eq!((facts.messages, facts.notes), (2, 1));
    assert_eq!(facts.requests, [("4.19.1 drop bugs".to_owned(), "merged")]);
}

fn state(harness: &Harness, advisory: u32, state: AdvisoryState) {
    harness.sandbox.world().errata.lock().advisory_mut(advisory).unwrap().state = state;
}

#[test]
fn a_bug_that_was_moved_leaves_by_the_key_that_the_release_names() {
    let harness = prepared(KONFLUX);
    harness.sandbox.world().jira.lock().move_issue("OCPBUGS-60010", "CORENET-77").unwrap();
    let run = drop_bugs(&harness, KONFLUX, &["--output", "json"]).expect(0);
    assert_eq!(run.json()["data"]["dropped"], json!(["OCPBUGS-60010"]), "{run:?}");
    assert_eq!(facts(&harness).issues[&150_001], ["OCPBUGS-60011"]);
    let plan = harness.oar(KONFLUX, &["drop-bugs", "--dry-run"]).expect(0);
    assert!(!plan.stdout.contains("cannot be read"), "{plan:?}");
}

#[test]
fn a_bug_that_the_release_names_by_both_its_keys_is_dropped_from_both_places_and_told_once() {
    let harness = prepared(KONFLUX);
    harness.sandbox.world().jira.lock().move_issue("OCPBUGS-60010", "CORENET-77").unwrap();
    for key in &mut harness.sandbox.world().errata.lock().advisory_mut(150_001).unwrap().jira_issues {
        if key == "OCPBUGS-60010" {
            "CORENET-77".clone_into(key);
        }
    }
    let plan = harness.oar(KONFLUX, &["drop-bugs", "--dry-run"]).expect(0);
    assert_eq!(plan.stdout.matches("is the same bug as").count(), 1, "{plan:?}");
    // The first run gets no further than the advisory.
    harness.sandbox.faults().add(
        Fault::on("gitlab", FaultKind::Status { code: 500, body: None, headers: Vec::new() })
            .method("POST")
            .forever(),
    );
    drop_bugs(&harness, KONFLUX, &[]).expect(4);
    harness.sandbox.faults().clear();
    let report = drop_bugs(&harness, KONFLUX, &["--output", "json"]).expect(0).json();
    assert_eq!(report["data"]["dropped"], json!(["OCPBUGS-60010"]), "{report:#}");
    assert_eq!(report["data"]["other_keys"], json!({"OCPBUGS-60010": ["CORENET-77"]}));
    let facts = facts(&harness);
    assert_eq!(facts.issues[&150_001], ["OCPBUGS-60011"]);
    assert!(facts.files.values().all(|file| !file.contains("OCPBUGS-60010")), "{:?}", facts.files);
    let messages = harness.sandbox.world().slack.lock().messages.clone();
    let told = messages.iter().find(|message| message.text.contains("Bugs were dropped")).unwrap();
    assert!(told.text.contains("|OCPBUGS-60010>") && !told.text.contains("CORENET-77"), "{}", told.text);
}

#[test]
fn bugs_leave_an_advisory_only_in_the_states_in_which_errata_tool_lets_them() {
    let harness = prepared(ERRATA);
    state(&harness, 140_001, AdvisoryState::RelPrep);
    let plan = harness.oar(ERRATA, &["drop-bugs", "--dry-run"]).expect(0);
    assert!(plan.stdout.contains("advisory 140001 (rpm) is in REL_PREP"), "{plan:?}");
    let run = drop_bugs(&harness, ERRATA, &["--output", "json"]).expect(6);
    let report = run.json();
    let locked = json!([{"advisory": 140_001, "state": "REL_PREP", "bugs": ["OCPBUGS-61010"]}]);
    assert_eq!(report["data"]["locked"], locked, "{report:#}");
    assert!(report["hint"].as_str().unwrap().contains("moved back to QE"), "{report:#}");
    let after = facts(&harness);
    assert_eq!((after.issues[&140_001].len(), after.issues[&140_004].len()), (2, 1), "the rest is done");
    assert_eq!(after.removals[&140_001], 0, "nothing is sent that would be refused");

    // What is left cannot be done: nothing is started.
    harness.sandbox.clear_requests();
    let again = drop_bugs(&harness, ERRATA, &[]).expect(6);
    assert!(again.stderr.contains("OCPBUGS-61010 cannot be dropped from it"), "{again:?}");
    assert!(harness.sandbox.writes().iter().all(|write| write.service == "jira"), "only reads");
    state(&harness, 140_001, AdvisoryState::Qe);
    drop_bugs(&harness, ERRATA, &[]).expect(0);
    assert_eq!(facts(&harness).issues[&140_001], ["OCPBUGS-61011"]);
}

#[test]
fn a_security_labelled_bug_is_product_securitys() {
    let harness = prepared(ERRATA);
    harness.sandbox.world().jira.lock().issue_mut("OCPBUGS-61010").unwrap().labels =
        vec!["SecurityTracking".to_owned()];
    let run = drop_bugs(&harness, ERRATA, &["--output", "json"]).expect(0);
    let report = run.json();
    assert_eq!(report["data"]["kept_security_labelled"], json!(["OCPBUGS-61010"]), "{report:#}");
    assert_eq!(facts(&harness).removals[&140_001], 0);
    let plan = harness.oar(ERRATA, &["drop-bugs", "--dry-run"]).expect(0);
    assert!(plan.stdout.contains("OCPBUGS-61010 stays: it has a security label"), "{plan:?}");
}

#[test]
fn what_dropping_costs_of_approvals_is_read_and_not_promised() {
    let harness = prepared(ERRATA);
    harness.sandbox.world().errata.lock().keeps_approvals = true;
    let plan = harness.oar(ERRATA, &["drop-bugs", "--dry-run"]).expect(0);
    assert!(!plan.stdout.contains("ask product security"), "{plan:?}");
    assert!(plan.stdout.contains("whether that is lost shows when the bugs are removed"), "{plan:?}");
    let report = drop_bugs(&harness, ERRATA, &["--output", "json"]).expect(0).json();
    assert_eq!(report["data"]["security_requested"], json!([]), "{report:#}");
    assert_eq!(report["data"]["docs_requested"], json!([]), "{report:#}");
    let facts = facts(&harness);
    assert_eq!((facts.security, facts.messages), (Some(true), 2), "nobody is asked for what stands");
}

#[test]
fn one_unknown_is_unknown_and_one_refusal_is_a_failure_and_both_say_what_to_do() {
    let status = |code| FaultKind::Status { code, body: None, headers: Vec::new() };
    let removal = |advisory: u32| format!("/api/v1/erratum/{advisory}/remove_jira_issue");
    for (second, code) in [(None, 4), (Some(422), 1)] {
        let harness = prepared(ERRATA).env("OAR_HTTP_RETRY_DELAY", "1");
        let faults = harness.sandbox.faults();
        faults.add(Fault::on("errata", status(503)).path(&removal(140_001)).forever());
        if let Some(refused) = second {
            faults.add(Fault::on("errata", status(refused)).path(&removal(140_004)).forever());
        }
        let report = drop_bugs(&harness, ERRATA, &["--output", "json"]).expect(code).json();
        let failures = report["data"]["failures"].as_array().unwrap();
        assert_eq!(failures.len(), 1 + usize::from(second.is_some()), "{report:#}");
        assert!(
            failures[0]["hint"].as_str().unwrap().starts_with("Run the same command again"),
            "{report:#}"
        );
        assert!(report["hint"].as_str().unwrap().contains("Run the same command again"), "{report:#}");
        harness.sandbox.faults().clear();
        drop_bugs(&harness, ERRATA, &[]).expect(0);
    }
}

/// Writes of a kind that the sandbox got.
fn writes(harness: &Harness, method: &str, part: &str) -> usize {
    let requests = harness.sandbox.requests();
    requests.iter().filter(|request| request.method == method && request.path.contains(part)).count()
}

#[test]
fn a_comment_whose_answer_is_lost_is_written_again_by_the_next_run_only() {
    let harness = prepared(KONFLUX);
    let lost = Fault::on("gitlab", FaultKind::DropBefore).method("POST").path("*/notes");
    harness.sandbox.faults().add(lost);
    drop_bugs(&harness, KONFLUX, &[]).expect(4);
    assert_eq!(writes(&harness, "POST", "/notes"), 1, "{}", harness.request_lines());
    assert_eq!(facts(&harness).notes, 0);
    drop_bugs(&harness, KONFLUX, &[]).expect(0);
    let facts = facts(&harness);
    assert_eq!((facts.notes, facts.fork_branches), (1, 1));
    assert_eq!(facts.requests, [("4.19.1 drop bugs".to_owned(), "merged")]);
}

#[test]
fn a_commit_whose_answer_is_lost_is_made_again_by_the_next_run_only() {
    let harness = prepared(KONFLUX);
    let down = || Fault::on("gitlab", FaultKind::DropBefore).method("POST").path("*/notes");
    harness.sandbox.faults().add(down());
    drop_bugs(&harness, KONFLUX, &[]).expect(4);
    // Somebody puts the bugs back into the branch of the merge request that is open now.
    let before = files(&harness);
    for branch in harness.sandbox.world().gitlab.lock().project_mut(FORK).unwrap().branches.values_mut() {
        branch.files.clone_from(&before);
    }
    harness.sandbox.clear_requests();
    let lost = Fault::on("gitlab", FaultKind::DropBefore).method("POST").path("*/repository/commits");
    harness.sandbox.faults().add(lost);
    drop_bugs(&harness, KONFLUX, &[]).expect(4);
    assert_eq!(writes(&harness, "POST", "/repository/commits"), 1, "{}", harness.request_lines());
    drop_bugs(&harness, KONFLUX, &[]).expect(0);
    let facts = facts(&harness);
    assert_eq!((facts.notes, facts.fork_branches), (1, 1));
    assert!(facts.files.values().all(|file| !file.contains("OCPBUGS-60010")), "{:#?}", facts.files);
}
