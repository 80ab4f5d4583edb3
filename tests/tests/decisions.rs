//! What people decide about a release (`oar decide`, `oar waive`), and the overview of all active ones (`oar releases`).

use end_to_end::approval::{make_ready, ready};
use end_to_end::{ERRATA, Fault, FaultKind, Harness, KONFLUX};
use serde_json::Value;

const BUILDS: [&str; 2] = ["analyze-candidate-build", "analyze-promoted-build"];
const APPROVE: [&str; 3] = ["change-advisory-status", "--yes", "--no-watch"];

#[track_caller]
fn assert_says(text: &str, words: &[&str]) {
    for word in words {
        assert!(text.contains(word), "`{word}` is missing:\n{text}");
    }
}

#[test]
fn a_decision_is_recorded_once_shown_for_ever_and_taken_back_by_a_mark() {
    let harness = Harness::announced(KONFLUX);
    let decide = |arguments: &[&str]| {
        harness.oar(KONFLUX, &[&["decide", "analyze-promoted-build"][..], arguments].concat())
    };
    let accept = [
        "accept",
        "--reason",
        "known flakes, says lead@example.com",
        "--evidence",
        "https://prow.example.com/view/1",
    ];
    let dry = decide(&[&accept[..], &["--dry-run"]].concat()).expect(0);
    assert_says(&dry.stdout, &["dry run: would be recorded", "analyze-promoted-build: accept by "]);
    let before = harness.statebox(KONFLUX);
    assert!(!before.unwrap().contains("decisions"));
    decide(&accept).expect(0);
    let state = harness.statebox(KONFLUX).unwrap();
    assert_says(&state, &["kind: verdict", "node: analyze-promoted-build", "verdict: accept", "view/1"]);
    assert!(!state.contains("lead@example.com"), "{state}");
    assert_says(&decide(&accept).expect(0).stdout, &["recorded already"]);
    assert_eq!(harness.statebox(KONFLUX).unwrap(), state);
    // It is no status: the engine and people act on it.
    assert!(!state.contains("name: analyze-promoted-build"), "{state}");

    decide(&["wait", "--reason", "one more look"]).expect(0);
    let status = harness.oar(KONFLUX, &["status", "--output", "json"]).expect(0).json();
    let rows: Vec<(&Value, bool)> = status["decisions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| (&row["decision"]["verdict"], row["counts"].as_bool().unwrap()))
        .collect();
    let (accepted, waits) = (Value::from("accept"), Value::from("wait"));
    assert_eq!(rows, [(&accepted, false), (&waits, true)], "a newer one replaces it, and both are shown");
    let back = decide(&["--withdraw"]).expect(0);
    assert_says(&back.stdout, &["taken back by ", "analyze-promoted-build: wait by "]);
    assert_says(&decide(&["--withdraw"]).expect(0).stdout, &["nothing about analyze-promoted-build"]);
    let shown = harness.oar(KONFLUX, &["status"]).expect(0).stdout.replace("\n    ", " ");
    assert_says(&shown, &["Decisions", "one more look (taken back by "]);
    let history = harness.oar(KONFLUX, &["history", "analyze-promoted-build"]).expect(0).stdout;
    assert_says(&history, &["known flakes", "one more look", "taken back by "]);
    assert!(!harness.oar(KONFLUX, &["history", "stage-testing"]).expect(0).stdout.contains("one more look"));
}

#[test]
fn what_cannot_be_decided_is_refused() {
    let harness = Harness::announced(KONFLUX);
    let state = harness.statebox(KONFLUX);
    for (arguments, words) in [
        (&["decide", "promotions", "accept", "--reason", "x"][..], "did you mean `promotion`?"),
        (&["decide", "promotion", "yes", "--reason", "x"], "use accept, reject or wait"),
        (&["decide", "promotion", "accept"], "--reason"),
        (&["decide", "promotion", "accept", "--reason", ""], "--reason is empty"),
        (
            &["decide", "promotion", "accept", "--reason", "x", "--evidence", "job 7"],
            "no address of a web page",
        ),
        (&["waive", "promotion", "--reason", "x"], "is not a task name"),
        (&["waive", "change-advisory-status", "--reason", "x"], "cannot be waived"),
        (&["waive", "stage-testing", "--reason", "x", "--until", "2020-01-01"], "is over"),
        (&["waive", "stage-testing"], "--reason"),
    ] {
        let run = harness.oar(KONFLUX, arguments);
        assert_eq!(run.code, Some(2), "{run:#?}");
        assert_says(&run.stderr, &[words]);
    }
    assert_eq!(harness.statebox(KONFLUX), state);
}

#[test]
fn a_waived_task_counts_for_the_approval_until_the_waiver_ends_or_is_taken_back() {
    for release in [KONFLUX, ERRATA] {
        let harness = ready(release);
        for task in BUILDS {
            let set = ["task", "set", task, "Not Started", "--reason", "a hurried fix", "--force"];
            harness.oar(release, &set).expect(0);
        }
        let refused = harness.oar(release, &APPROVE).expect(6);
        assert_says(&refused.stderr, &BUILDS);
        for task in BUILDS {
            harness.oar(release, &["waive", task, "--reason", "a hurried fix"]).expect(0);
        }
        let dry = harness.oar(release, &["change-advisory-status", "--dry-run"]).expect(0);
        for task in BUILDS {
            assert_says(&dry.stdout, &[&format!("{task} is waived by "), ": a hurried fix"]);
        }
        harness.oar(release, &["waive", BUILDS[1], "--withdraw"]).expect(0);
        let refused = harness.oar(release, &APPROVE).expect(6);
        assert_says(&refused.stderr, &["analyze-promoted-build is Not Started"]);
        harness.oar(release, &["waive", BUILDS[1], "--reason", "again", "--until", "2099-12-31"]).expect(0);
        harness.oar(release, &APPROVE).expect(0);
        let status = harness.oar(release, &["status", "--output", "json"]).expect(0).json();
        let task =
            status["tasks"].as_array().unwrap().iter().find(|row| row["name"] == BUILDS[0]).unwrap().clone();
        assert_eq!(task["status"], "Not Started", "a waiver is no Pass");
    }
}

#[test]
fn an_approved_release_is_listed_as_shipped_once_it_has() {
    let harness = Harness::new();
    make_ready(&harness, KONFLUX);
    harness.oar(ERRATA, &["create-test-report"]).expect(0);
    // Approved releases are listed until the day after their date.
    let text = harness.statebox(KONFLUX).unwrap();
    let date = text.lines().find(|line| line.contains("release_date:")).unwrap();
    let today = jiff::Timestamp::now().strftime("%Y-%b-%d");
    harness.put_statebox(KONFLUX, &text.replace(date, &format!("  release_date: {today}")));
    let set = ["task", "set", "change-advisory-status", "Pass", "--force", "--reason", "approved by hand"];
    harness.oar(KONFLUX, &set).expect(0);
    let standing = || {
        let run = harness.run("oar", ["releases", "--output", "json"]).expect(0);
        let rows = run.json()["releases"].as_array().unwrap().clone();
        assert_eq!(rows.last().unwrap()["release"], KONFLUX, "what is approved stands last");
        let row = rows.last().unwrap().clone();
        (row["status"].as_str().unwrap().to_owned(), row["concerns"].as_array().unwrap().len())
    };
    assert_eq!(standing(), ("complete".to_owned(), 0));
    for request in &mut harness.sandbox.world().gitlab.lock().merge_requests {
        request.state = sandbox::services::gitlab::MergeRequestState::Merged;
    }
    let down = FaultKind::Status { code: 503, body: None, headers: Vec::new() };
    harness.sandbox.faults().add(Fault::on("errata", down).forever());
    assert_eq!(standing(), ("complete".to_owned(), 1), "unknown is not shipped");
    let shown = harness.run("oar", ["releases"]).expect(0).stdout;
    assert_says(&shown, &["COMPLETE", "[UNKNOWN] whether it has shipped cannot be determined"]);
    harness.sandbox.faults().clear();
    for id in [150_001, 150_002] {
        harness.sandbox.world().errata.lock().advisory_mut(id).unwrap().state =
            sandbox::services::errata::AdvisoryState::ShippedLive;
    }
    assert_eq!(standing(), ("shipped".to_owned(), 0));
    assert_says(&harness.run("oar", ["releases"]).expect(0).stdout, &["SHIPPED"]);
}

#[test]
fn the_active_releases_stand_in_one_list_what_is_blocked_first() {
    let harness = Harness::new();
    let empty = harness.run("oar", ["releases"]).expect(0);
    assert_says(&empty.stdout, &["no release is active"]);
    for release in [KONFLUX, ERRATA] {
        harness.oar(release, &["create-test-report"]).expect(0);
    }
    harness.oar(ERRATA, &["issue", "add", "the stage pipeline is down", "--task", "stage-testing"]).expect(0);
    harness.oar(KONFLUX, &["hold", "--reason", "the kernel has a defect"]).expect(0);
    let list = harness.run("oar", ["releases", "--output", "json"]).expect(0).json();
    let rows: Vec<(&Value, &Value)> =
        list["releases"].as_array().unwrap().iter().map(|row| (&row["release"], &row["status"])).collect();
    let [errata, konflux, blocked, not_started] =
        [ERRATA, KONFLUX, "blocked", "not_started"].map(Value::from);
    assert_eq!(rows, [(&errata, &blocked), (&konflux, &not_started)], "{list:#}");
    assert_eq!(list["releases"][1]["concerns"][0]["kind"], "held");
    let shown = harness.run("oar", ["releases"]).expect(0).stdout;
    assert_says(&shown, &["BLOCKED", "[BLOCKER] the stage pipeline is down", "[HELD]"]);
    assert!(shown.lines().all(|line| line.chars().count() <= 100), "{shown}");

    // What was read once is not read again while nothing changes.
    harness.sandbox.clear_requests();
    harness.run("oar", ["releases"]).expect(0);
    let asked = harness.sandbox.requests().len();
    assert!(asked <= 3, "{}", harness.request_lines());

    harness.run("oar", ["hold", "--all", "--reason", "the registry moves"]).expect(0);
    let shown = harness.run("oar", ["releases"]).expect(0).stdout;
    assert_says(&shown, &["nothing begins: every release is held by ", "the registry moves"]);

    // A file that cannot be read is not left out.
    harness.put_statebox(KONFLUX, "tasks: 3\n");
    let run = harness.run("oar", ["releases"]);
    assert_eq!(run.code, Some(4), "{run:#?}");
    assert_says(&run.stdout, &["UNKNOWN", "[UNKNOWN] it is damaged"]);
    assert!(run.stdout.lines().nth(1).unwrap().starts_with(KONFLUX), "{run:#?}");
}
