//! `oar drive`: the plan at each step of both flows, from the services and from the StateBox alone.
#![expect(clippy::unwrap_used, reason = "tests say what they expect by failing")]

use end_to_end::approval::{make_ready, publish};
use end_to_end::effects::Effects;
use end_to_end::{ERRATA, Fault, FaultKind, Harness, KONFLUX, LEAD, many_releases};
use jiff::SignedDuration;
use sandbox::services::gitlab::Commit;
use sandbox::services::release_controller::Phase;
use serde_json::Value;

fn plan(harness: &Harness, release: &str) -> Value {
    let plan = harness.oar(release, &["drive", "--plan", "--output", "json"]).expect(0).json();
    assert_eq!(plan["defects"], serde_json::json!([]), "{plan:#}");
    for node in plan["nodes"].as_array().unwrap() {
        let state = node["verdict"]["state"].as_str().unwrap();
        let settled = ["done", "not_applicable"].contains(&state);
        let followed = !node["next_look"].is_null() || !node["person"].is_null();
        assert!(settled || followed, "{node:#}");
    }
    plan
}

fn node<'a>(plan: &'a Value, name: &str) -> &'a Value {
    plan["nodes"].as_array().unwrap().iter().find(|node| node["node"] == name).unwrap()
}

fn state<'a>(plan: &'a Value, name: &str) -> &'a str {
    node(plan, name)["verdict"]["state"].as_str().unwrap()
}

/// Whether each line of the plan fits, and nothing was written.
fn looks_well(harness: &Harness, release: &str) -> String {
    let before = harness.statebox(release);
    harness.sandbox.clear_requests();
    let text = harness.oar(release, &["drive"]).expect(0).stdout;
    for line in text.lines() {
        assert!(line.chars().count() <= 100, "{line}");
    }
    let writes = harness.sandbox.writes();
    assert!(writes.is_empty(), "{writes:?}");
    assert_eq!(harness.statebox(release), before);
    text
}

#[test]
fn a_release_without_a_statebox_can_be_created() {
    for (release, flow) in [(KONFLUX, "konflux"), (ERRATA, "errata")] {
        let harness = Harness::new();
        let plan = plan(&harness, release);
        assert_eq!(plan["flow"], flow);
        assert_eq!(state(&plan, "create-test-report"), "ready");
        assert_eq!(state(&plan, "take-ownership"), "waiting");
        assert_eq!(plan["now"][0]["node"], "create-test-report");
        let text = looks_well(&harness, release);
        assert!(text.contains(&format!("oar -r {release} create-test-report")), "{text}");
        harness.sandbox.assert_no_unexpected();
    }
}

#[test]
fn the_plan_follows_a_release_through_both_flows() {
    for release in [KONFLUX, ERRATA] {
        let konflux = release == KONFLUX;
        let harness = Harness::announced(release);
        let now = plan(&harness, release);
        assert_eq!((state(&now, "create-test-report"), state(&now, "take-ownership")), ("done", "ready"));
        assert_eq!(state(&now, "stage-release"), if konflux { "waiting" } else { "not_applicable" });
        assert_eq!(
            state(&now, "check-greenwave-cvp-tests"),
            if konflux { "not_applicable" } else { "waiting" }
        );

        harness.oar(release, &["take-ownership", "-e", LEAD]).expect(0);
        let now = plan(&harness, release);
        assert_eq!((state(&now, "take-ownership"), state(&now, "check-cve-tracker-bug")), ("done", "ready"));
        // Advisories in a state that blocks the push block the approval as well.
        let blocks = harness.statebox(release).unwrap().contains("blocker: true");
        assert_eq!(state(&now, "change-advisory-status"), if blocks { "blocked" } else { "waiting" });

        harness.pass(release, "check-cve-tracker-bug");
        let now = plan(&harness, release);
        let alerts = state(&now, "check-rhcos-security-alerts");
        assert!(["done", "not_applicable"].contains(&alerts), "{now:#}");
        assert_eq!(state(&now, "promotion"), "done", "{now:#}");
        looks_well(&harness, release);

        harness.pass(release, "push-to-cdn-staging");
        for issue in ["Advisories in", "state"] {
            let _ = harness.oar(release, &["issue", "resolve", issue, "--resolution", "moved"]);
        }
        let now = plan(&harness, release);
        if konflux {
            assert_eq!(state(&now, "stage-release"), "done", "{now:#}");
            let check = node(&now, "image-consistency-check");
            assert_eq!(
                (&check["verdict"]["state"], &check["to_do"]["do"]),
                (&"ready".into(), &"consent".into())
            );
        } else {
            assert_eq!(state(&now, "image-consistency-check"), "asks", "{now:#}");
        }
        assert_eq!(state(&now, "stage-testing"), "ready", "{now:#}");
        looks_well(&harness, release);
        harness.sandbox.assert_no_unexpected();
    }
}

#[test]
fn a_job_under_way_is_followed_by_its_id() {
    let harness = Harness::on_staging(KONFLUX);
    harness.oar(KONFLUX, &["image-consistency-check"]).expect(0);
    let now = plan(&harness, KONFLUX);
    let check = node(&now, "image-consistency-check");
    assert_eq!(check["verdict"]["state"], "running", "{check:#}");
    assert!(check["evidence"][0]["address"].as_str().unwrap().contains("prowjob"), "{check:#}");
}

#[test]
fn the_approval_needs_consent_then_waits_and_then_there_is_nothing_to_do() {
    let harness = Harness::new();
    make_ready(&harness, KONFLUX);
    harness.pass(KONFLUX, "drop-bugs");
    let now = plan(&harness, KONFLUX);
    // The promoted build of the scenario has no record; the tests are looked at again before the approval.
    let approval = node(&now, "change-advisory-status");
    assert_eq!(approval["verdict"]["state"], "ready", "{approval:#}");
    assert_eq!((&approval["to_do"]["do"], &approval["person"]), (&"consent".into(), &"leads".into()));
    harness.oar(KONFLUX, &["change-advisory-status", "--yes", "--no-watch"]).expect(0);
    let now = plan(&harness, KONFLUX);
    assert_eq!(state(&now, "change-advisory-status"), "running", "{now:#}");
    publish(&harness);
    harness.oar(KONFLUX, &["change-advisory-status", "--yes", "--no-watch"]).expect(0);
    let now = plan(&harness, KONFLUX);
    assert_eq!(state(&now, "change-advisory-status"), "done");
    assert_eq!(
        (now["now"].as_array().unwrap().len(), &now["done"]),
        (0, &Value::from(now["total"].as_i64().unwrap() - 1))
    );
    assert_eq!(state(&now, "shipped"), "waiting", "{now:#}");
    looks_well(&harness, KONFLUX);
}

#[test]
fn a_service_that_does_not_answer_is_unknown_and_the_others_are_read() {
    let harness = Harness::announced(KONFLUX);
    harness.pass(KONFLUX, "take-ownership");
    harness.pass(KONFLUX, "check-cve-tracker-bug");
    let down = FaultKind::Status { code: 503, body: None, headers: Vec::new() };
    harness.sandbox.faults().add(Fault::on("errata", down).forever());
    let now = plan(&harness, KONFLUX);
    let alerts = node(&now, "check-rhcos-security-alerts");
    assert_eq!(
        (&alerts["verdict"]["state"], &alerts["verdict"]["unknown"]),
        (&"waiting".into(), &true.into())
    );
    assert_eq!(state(&now, "push-to-cdn-staging"), "waiting");
    let unknown = now["unknown"].as_array().unwrap();
    assert!(unknown.iter().any(|unknown| unknown["fact"] == "alerts"), "{now:#}");
    assert!(looks_well(&harness, KONFLUX).contains("Unknown"));
}

#[test]
fn a_release_that_is_not_accepted_waits_for_its_promotion() {
    let harness = Harness::announced(KONFLUX);
    harness.pass(KONFLUX, "take-ownership");
    harness.pass(KONFLUX, "check-cve-tracker-bug");
    for (phase, expected) in [(Phase::Ready, "waiting"), (Phase::Rejected, "asks"), (Phase::Accepted, "done")]
    {
        let mut controller = harness.sandbox.world().release_controller.lock();
        let tags = controller.streams.get_mut("4-stable").into_iter().flatten();
        tags.filter(|tag| tag.name == KONFLUX).for_each(|tag| tag.phase = phase);
        drop(controller);
        assert_eq!(state(&plan(&harness, KONFLUX), "promotion"), expected);
    }
}

#[test]
fn a_file_alone_gives_a_plan_without_any_request() {
    let harness = Harness::announced(KONFLUX);
    harness.oar(KONFLUX, &["take-ownership", "-e", LEAD]).expect(0);
    std::fs::create_dir_all(harness.tools()).unwrap();
    let path = harness.tools().join("4.19.1.yaml");
    std::fs::write(&path, harness.statebox(KONFLUX).unwrap()).unwrap();
    harness.sandbox.clear_requests();
    let file = path.to_str().unwrap();
    let run = harness.oar(KONFLUX, &["drive", "--offline", file, "--output", "json"]).expect(0);
    let now = run.json();
    assert_eq!((&now["offline"], state(&now, "check-cve-tracker-bug")), (&true.into(), "ready"));
    assert!(!now["unknown"].as_array().unwrap().is_empty(), "{now:#}");
    assert!(harness.sandbox.requests().is_empty());
    let run = harness.oar("4.19.2", &["drive", "--offline", file]).expect(2);
    assert!(run.stderr.contains("is the StateBox of 4.19.1, not of 4.19.2"), "{run:?}");
    std::fs::write(&path, "release: [").unwrap();
    harness.oar(KONFLUX, &["drive", "--offline", file]).expect(2);
    harness.oar(KONFLUX, &["drive", "--offline", "/nowhere"]).expect(2);
}

/// One pass of the engine.
fn once(harness: &Harness, release: &str) -> Value {
    harness.oar(release, &["drive", "--once", "--output", "json"]).expect(0).json()
}

/// How each step ended that was run.
fn runs(pass: &Value) -> Vec<(&str, &str)> {
    pass["runs"].as_array().unwrap().iter().map(run_of).collect()
}

fn run_of(run: &Value) -> (&str, &str) {
    (run["node"].as_str().unwrap(), run["result"].as_str().unwrap())
}

/// What the engine told people: the text of each message, and whether it stands in a thread.
fn told(harness: &Harness) -> Vec<(String, bool)> {
    let slack = harness.sandbox.world().slack.lock();
    let ours = slack.messages.iter().filter(|message| {
        message.text.contains("waits for people") || message.text.contains("is driven automatically")
    });
    ours.map(|message| (message.text.clone(), message.thread_ts.is_some())).collect()
}

fn pushes(harness: &Harness) -> usize {
    harness.sandbox.writes().iter().filter(|request| request.line().contains("/push")).count()
}

#[test]
fn a_pass_begins_a_release_and_asks_each_question_once() {
    for release in [KONFLUX, ERRATA] {
        let harness = Harness::announced(release);
        harness.pass(release, "check-cve-tracker-bug");
        if release == ERRATA {
            // The configured owner has no account in the sandbox's Jira.
            harness.oar(release, &["take-ownership", "-e", LEAD]).expect(0);
        }
        let pass = once(&harness, release);
        let owned = runs(&pass).contains(&("take-ownership", "done"));
        assert_eq!(owned, release == KONFLUX, "{pass:#}");
        assert!(harness.prow_jobs().is_empty() && pushes(&harness) == 0, "{}", harness.request_lines());
        let now = &pass["plan"];
        let push = node(now, "push-to-cdn-staging");
        let asks = push["to_do"]["do"] == "consent" || push["verdict"]["state"] == "blocked";
        assert!(asks, "{push:#}");
        let messages = told(&harness);
        // The thread, and each question in it.
        let questions = pass["told"].as_u64().unwrap();
        assert!(questions > 0 && messages.len() as u64 == questions + 1, "{pass:#}\n{messages:?}");
        assert!(!messages[0].1 && messages[1..].iter().all(|(_, threaded)| *threaded), "{messages:?}");
        assert!(messages.iter().any(|(text, _)| text.contains("push-to-cdn-staging")), "{messages:?}");

        // Nothing has changed, so nothing is done, written or said.
        let before = harness.statebox(release);
        harness.sandbox.clear_requests();
        let again = once(&harness, release);
        assert_eq!((runs(&again), &again["told"]), (Vec::new(), &Value::from(0)), "{again:#}");
        assert!(harness.sandbox.writes().is_empty(), "{:?}", harness.sandbox.writes());
        assert_eq!((harness.statebox(release), told(&harness)), (before, messages));
        harness.sandbox.assert_no_unexpected();
    }
}

#[test]
fn what_verdicts_are_about_is_recorded_once() {
    let harness = Harness::announced(KONFLUX);
    for task in ["take-ownership", "check-cve-tracker-bug"] {
        harness.pass(KONFLUX, task);
    }
    once(&harness, KONFLUX);
    let text = harness.statebox(KONFLUX).unwrap();
    assert!(text.contains("judged:"), "{text}");
    once(&harness, KONFLUX);
    assert_eq!(harness.statebox(KONFLUX).unwrap(), text);
}

/// Changes a file of the shipment, as ART does: a commit.
fn commit(harness: &Harness, change: impl Fn(&str) -> String) -> String {
    let mut gitlab = harness.sandbox.world().gitlab.lock();
    let request = gitlab.merge_request(5150, 612).unwrap().clone();
    let branch =
        gitlab.project_mut(request.source_project).unwrap().branches.get_mut(&request.source_branch).unwrap();
    let files = branch.files.iter().map(|(path, text)| (path.clone(), change(text))).collect();
    assert_ne!(files, branch.files, "nothing was changed");
    let signature = "art bot <art-bot@example.test> 1 +0000";
    branch.push(Commit::new(files, vec![branch.sha()], signature, "Update\n"));
    branch.sha()
}

#[test]
fn a_commit_of_the_shipment_makes_a_check_stale_only_when_it_names_other_images() {
    let harness = Harness::on_staging(KONFLUX);
    for task in [
        "take-ownership",
        "check-cve-tracker-bug",
        "push-to-cdn-staging",
        "image-consistency-check",
        "stage-testing",
    ] {
        harness.pass(KONFLUX, task);
    }
    let pass = || harness.oar(KONFLUX, &["drive", "--once", "--output", "json"]).json();
    pass();
    let notes = commit(&harness, |text| text.replace("synopsis: ", "synopsis: Also "));
    let is_stale = |harness: &Harness| {
        let now = plan(harness, KONFLUX);
        ["image-consistency-check", "stage-testing"].map(|task| !node(&now, task)["stale"].is_null())
    };
    assert_eq!(is_stale(&harness), [false, false]);
    pass();
    let text = harness.statebox(KONFLUX).unwrap();
    let commits: Vec<&str> = text.lines().filter_map(|line| line.trim().strip_prefix("sha: ")).collect();
    assert!(commits.len() >= 2 && commits.iter().all(|sha| *sha == notes), "{notes}: {text}");
    let compared = |harness: &Harness| {
        harness.sandbox.requests().iter().filter(|request| request.line().contains("/compare?")).count()
    };
    let before = compared(&harness);
    pass();
    assert_eq!(compared(&harness), before, "what is recorded needs no comparison");
    commit(&harness, |text| text.replace("@sha256:", "@sha256:0"));
    assert_eq!(is_stale(&harness), [true, true]);
    harness.sandbox.assert_no_unexpected();
}

#[test]
fn what_people_decide_about_a_build_is_recorded_once_by_a_pass() {
    let harness = Harness::announced(KONFLUX);
    for task in ["take-ownership", "check-cve-tracker-bug"] {
        harness.pass(KONFLUX, task);
    }
    let decide = |verdict: &str| {
        let arguments = ["decide", "analyze-promoted-build", verdict, "--reason", "seen", "--evidence"];
        harness.oar(KONFLUX, &[&arguments[..], &["https://prow.example.com/view/1"]].concat()).expect(0);
    };
    let result = || {
        let status = harness.oar(KONFLUX, &["status", "--output", "json"]).expect(0).json();
        let rows = status["tasks"].as_array().unwrap();
        let row = rows.iter().find(|row| row["name"] == "analyze-promoted-build").unwrap();
        row["status"].as_str().unwrap().to_owned()
    };
    decide("wait");
    let waiting = once(&harness, KONFLUX);
    assert_eq!(state(&waiting["plan"], "analyze-promoted-build"), "waiting", "{waiting:#}");
    for (verdict, status) in [("reject", "Fail"), ("accept", "Pass"), ("reject", "Fail")] {
        decide(verdict);
        let now = plan(&harness, KONFLUX);
        assert_eq!(state(&now, "analyze-promoted-build"), "ready", "{now:#}");
        let pass = once(&harness, KONFLUX);
        assert!(runs(&pass).contains(&("analyze-promoted-build", "done")), "{pass:#}");
        assert_eq!(result(), status);
        let text = harness.statebox(KONFLUX).unwrap();
        assert!(
            text.contains(&format!("{verdict} by tester: seen (https://prow.example.com/view/1)")),
            "{text}"
        );
        let again = once(&harness, KONFLUX);
        assert!(!runs(&again).iter().any(|(node, _)| *node == "analyze-promoted-build"), "{again:#}");
        assert_eq!(result(), status);
    }
    // A waiver needs no result.
    harness.oar(KONFLUX, &["waive", "analyze-promoted-build", "--reason", "a hurried fix"]).expect(0);
    let now = plan(&harness, KONFLUX);
    assert_eq!(state(&now, "analyze-promoted-build"), "not_applicable", "{now:#}");
    assert_eq!(node(&now, "analyze-promoted-build")["evidence"][0]["field"], "decisions");
    assert_eq!(result(), "Fail");
}

#[test]
fn a_recorded_consent_lets_one_run_through() {
    let harness = Harness::announced(ERRATA);
    for task in ["take-ownership", "check-cve-tracker-bug"] {
        harness.pass(ERRATA, task);
    }
    for advisory in harness.sandbox.world().errata.lock().advisories.values_mut() {
        if advisory.state == sandbox::services::errata::AdvisoryState::NewFiles {
            advisory.state = sandbox::services::errata::AdvisoryState::Qe;
        }
    }
    once(&harness, ERRATA);
    assert_eq!(pushes(&harness), 0);
    harness.oar(ERRATA, &["consent", "push-to-cdn-staging", "--yes"]).expect(0);
    let pass = once(&harness, ERRATA);
    let run =
        pass["runs"].as_array().unwrap().iter().find(|run| run["node"] == "push-to-cdn-staging").unwrap();
    assert!(run["allowed_by"].as_str().unwrap().starts_with("the consent of tester of "), "{run:#}");
    let started = pushes(&harness);
    assert!(started > 0, "{run:#}");
    once(&harness, ERRATA);
    assert_eq!(pushes(&harness), started);
    // What follows the images to staging is in the consent.
    for advisory in harness.sandbox.world().errata.lock().advisories.values_mut() {
        for job in &mut advisory.push_jobs {
            job.made = job.made.map(|made| made - SignedDuration::from_mins(10));
        }
    }
    let mut passes = (0..6).map(|_| once(&harness, ERRATA));
    let pass = passes.find(|_| pushes(&harness) > started).unwrap();
    let run =
        pass["runs"].as_array().unwrap().iter().find(|run| run["node"] == "push-to-cdn-staging").unwrap();
    assert!(run["allowed_by"].as_str().unwrap().starts_with("the consent of tester of "), "{run:#}");
}

#[test]
fn people_are_told_once_that_the_statebox_of_a_release_cannot_be_made() {
    let harness = Harness::new();
    let refused = FaultKind::Status { code: 403, body: None, headers: Vec::new() };
    harness.sandbox.faults().add(Fault::on("github", refused).method("PUT").forever());
    for told in [1, 0] {
        let run = harness.oar(KONFLUX, &["drive", "--once", "--output", "json"]);
        assert_ne!(run.code, Some(0), "{run:?}");
        assert_eq!(run.json()["told"], told, "{run:?}");
    }
    let messages = told(&harness);
    assert_eq!(messages.len(), 1, "{messages:#?}");
    let (text, _) = &messages[0];
    assert!(text.contains("has no StateBox") && text.contains("oar -r 4.19.1 create-test-report"), "{text}");
}

#[test]
fn the_policy_starts_paid_jobs_once_and_is_named() {
    let harness = Harness::new().with_document(|document| {
        document["drive"] = serde_json::json!({"image-consistency-check": "auto", "stage-testing": "auto"});
    });
    harness.oar(KONFLUX, &["create-test-report"]).expect(0);
    for task in ["take-ownership", "check-cve-tracker-bug", "push-to-cdn-staging"] {
        harness.pass(KONFLUX, task);
    }
    let pass = once(&harness, KONFLUX);
    for task in ["image-consistency-check", "stage-testing"] {
        let run = pass["runs"].as_array().unwrap().iter().find(|run| run["node"] == task).unwrap();
        assert_eq!(run["result"], "running", "{run:#}");
        assert!(run["allowed_by"].as_str().unwrap().ends_with(&format!("drive.{task} is auto")), "{run:#}");
    }
    assert_eq!(harness.prow_jobs().len(), 1);
    // The file's lines are wrapped.
    let text = harness.statebox(KONFLUX).unwrap();
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(text.contains("drive.stage-testing is auto"), "{text}");
    once(&harness, KONFLUX);
    assert_eq!(harness.prow_jobs().len(), 1);
}

#[test]
fn each_release_is_for_itself() {
    let harness = Harness::announced(KONFLUX);
    harness.put_statebox("4.18.9", "release: 4.18.9\ntasks: [\n");
    let run = harness.run("oarctl", ["drive", "-r", KONFLUX, "-r", "4.18.9", "--output", "json"]);
    assert_ne!(run.code, Some(0), "{run:?}");
    let rows = run.json();
    let row = |release: &str| rows.as_array().unwrap().iter().find(|row| row["release"] == release).unwrap();
    assert!(!row("4.18.9")["problems"].as_array().unwrap().is_empty(), "{rows:#}");
    let ran = row(KONFLUX)["runs"].as_array().unwrap();
    assert!(ran.iter().any(|run| run["node"] == "take-ownership" && run["result"] == "done"), "{rows:#}");
}

#[test]
fn of_a_file_that_cannot_be_read_it_is_not_known_whether_it_is_active_and_the_others_are_advanced() {
    let harness = Harness::announced(KONFLUX);
    harness.pass(KONFLUX, "check-cve-tracker-bug");
    harness.put_statebox("4.18.9", "release: 4.18.9\ntasks: [\n");
    let run = harness.run("oarctl", ["drive", "--output", "json"]).expect(4);
    let rows = run.json();
    let row = |release: &str| rows.as_array().unwrap().iter().find(|row| row["release"] == release).unwrap();
    let why = "it is not known whether it is active: it is damaged";
    assert_eq!(row("4.18.9")["problems"], serde_json::json!([why]), "{rows:#}");
    assert_eq!(run.stderr.matches(&format!("4.18.9: {why}")).count(), 1, "{run:?}");
    let ran = row(KONFLUX)["runs"].as_array().unwrap();
    assert!(ran.iter().any(|run| run["node"] == "take-ownership" && run["result"] == "done"), "{rows:#}");
}

#[test]
fn without_the_list_of_releases_nothing_is_done_and_the_reason_is_said_once() {
    let harness = Harness::announced(KONFLUX);
    for (status, code) in [(403, 3), (503, 4)] {
        let kind = FaultKind::Status { code: status, body: None, headers: Vec::new() };
        harness.sandbox.faults().add(Fault::on("github", kind).path("*/git/trees/*").forever());
        harness.sandbox.clear_requests();
        let run = harness.run("oarctl", ["drive"]).expect(code);
        assert_eq!((run.stdout.as_str(), run.stderr.matches("error: ").count()), ("", 1), "{run:?}");
        assert!(run.stderr.contains("cannot list a folder (_releases"), "{run:?}");
        assert!(harness.sandbox.writes().is_empty(), "{:?}", harness.sandbox.writes());
        harness.sandbox.faults().clear();
    }
    let mut command = harness.command("oarctl", ["drive"]);
    command.env_remove("GITHUB_TOKEN");
    let run = end_to_end::finish(command).expect(3);
    assert_eq!((run.stdout.as_str(), run.stderr.matches("error: ").count()), ("", 1), "{run:?}");
    assert!(run.stderr.contains("GITHUB_TOKEN"), "{run:?}");
    assert_eq!(run.stderr.matches("next:").count(), 1, "{run:?}");
}

#[test]
fn a_step_that_failed_is_said_once_with_what_comes_next() {
    for (code, next) in [(503, "It is due again at "), (400, "the release owner: oar -r")] {
        let harness = Harness::announced(KONFLUX);
        harness.pass(KONFLUX, "check-cve-tracker-bug");
        let down = FaultKind::Status { code, body: None, headers: Vec::new() };
        harness.sandbox.faults().add(Fault::on("jira", down).method("PUT").forever());
        let run = harness.run("oarctl", ["drive", "-r", KONFLUX]);
        assert_ne!(run.code, Some(0), "{run:?}");
        let begin = format!("{KONFLUX}: take-ownership: ");
        let failure = run.stderr.lines().find_map(|line| line.split_once(&begin)).unwrap().1;
        assert!(!run.stdout.contains(failure) && run.stderr.matches(&begin).count() == 1, "{run:#?}");
        let after = run.stderr.split_once(failure).unwrap().1;
        let line = after.lines().nth(1).unwrap();
        assert!(line.contains("next:") && line.contains(next), "{line}: {run:#?}");
        println!("{}\n{}", run.stdout, run.stderr);
    }
}

#[test]
fn a_dry_run_of_all_releases_changes_nothing() {
    let harness = Harness::announced(KONFLUX);
    let before = harness.statebox(KONFLUX);
    harness.sandbox.clear_requests();
    let run = harness.run("oarctl", ["drive", "--dry-run", "-r", KONFLUX]).expect(0);
    assert!(run.stdout.contains(&format!("would run oar -r {KONFLUX} take-ownership")), "{run:?}");
    assert!(harness.sandbox.writes().is_empty());
    assert_eq!(harness.statebox(KONFLUX), before);
    // Without a name it is every unfinished release, also long after its date.
    let all = harness.run("oarctl", ["drive", "--dry-run"]).expect(0);
    assert!(all.stdout.contains(&format!("would run oar -r {KONFLUX} take-ownership")), "{all:?}");
}

#[test]
fn a_held_release_is_left_alone_and_the_plan_says_why() {
    let harness = Harness::announced(KONFLUX);
    harness.pass(KONFLUX, "check-cve-tracker-bug");
    harness.oar(KONFLUX, &["hold", "--reason", "wait for the audit"]).expect(0);
    let before = harness.statebox(KONFLUX);
    harness.sandbox.clear_requests();
    for _ in 0..3 {
        let pass = once(&harness, KONFLUX);
        assert_eq!((runs(&pass), &pass["told"]), (Vec::new(), &Value::from(0)), "{pass:#}");
        assert!(pass["plan"]["held"][0].as_str().unwrap().contains("wait for the audit"), "{pass:#}");
    }
    let all = harness.run("oarctl", ["drive", "--release", KONFLUX]).expect(0);
    assert!(all.stdout.contains("wait for the audit"), "{all:?}");
    assert!(harness.sandbox.writes().is_empty(), "{:?}", harness.sandbox.writes());
    assert_eq!((harness.statebox(KONFLUX), told(&harness)), (before, Vec::new()));
    assert!(harness.oar(KONFLUX, &["drive"]).expect(0).stdout.contains("wait for the audit"));
    harness.oar(KONFLUX, &["hold", "--withdraw"]).expect(0);
    assert!(runs(&once(&harness, KONFLUX)).contains(&("take-ownership", "done")));
}

/// For so many seconds a look at what is held counts.
const LOOK_AGE: u64 = 5;
/// How many requests a pass over fourteen releases makes in which nothing changed, apart from the looks at what is held.
const REQUESTS_OF_FOURTEEN: usize = 86;

#[test]
fn fourteen_releases_in_which_nothing_changed_cost_three_requests_to_github() {
    let harness = many_releases::fourteen();
    let drive = || harness.run("oarctl", ["drive", "--output", "json"]).expect(0);
    // What the first pass wrote is read once.
    for _ in 0..2 {
        drive();
    }
    harness.sandbox.clear_requests();
    let started = std::time::Instant::now();
    let run = drive();
    let looks_of_holds = 1 + usize::try_from(started.elapsed().as_secs() / LOOK_AGE).unwrap();
    let rows = run.json();
    let rows = rows.as_array().unwrap();
    assert_eq!(rows.len(), 14, "{run:#?}");
    for row in rows {
        let is_clean = row["problems"] == serde_json::json!([]) && row["unknown"] == 0;
        assert!(is_clean && row["runs"] == serde_json::json!([]), "{row:#}");
    }
    // They have work to look for.
    let plan =
        |release: &str| harness.oar(release, &["drive", "--plan", "--output", "json"]).expect(0).json();
    let requests = harness.sandbox.requests();
    let on_stage = rows.iter().filter(|row| {
        let plan = plan(row["release"].as_str().unwrap());
        state(&plan, "aggregated") == "waiting" && state(&plan, "push-to-cdn-staging") == "done"
    });
    assert_eq!(on_stage.count(), many_releases::TESTED, "{run:#?}");
    let github: Vec<String> = requests
        .iter()
        .filter(|request| request.service == "github")
        .map(end_to_end::RecordedRequest::line)
        .collect();
    // How often it is looked whether anything is held depends on how long the pass takes.
    let (holds, others): (Vec<_>, Vec<_>) = github.iter().partition(|line| line.ends_with("/holds.yaml"));
    assert!((1..=looks_of_holds).contains(&holds.len()) && others.len() <= 2, "{github:#?}");
    // In place of the time that it may take: two seconds with 20 ms for each answer.
    assert!(requests.len() - holds.len() <= REQUESTS_OF_FOURTEEN, "{}", requests.len());
    let writes: Vec<_> = requests.iter().filter(|request| request.is_write()).collect();
    assert!(writes.is_empty(), "{writes:#?}");
    harness.sandbox.assert_no_unexpected();
}

#[test]
fn what_the_python_tooling_writes_over_is_noticed_restored_and_nothing_is_done_or_told_twice() {
    for release in [KONFLUX, ERRATA] {
        let harness = Harness::announced(release);
        harness.pass(release, "check-cve-tracker-bug");
        if release == ERRATA {
            harness.oar(release, &["take-ownership", "-e", LEAD]).expect(0);
        }
        let before = harness.statebox(release).unwrap();
        let first = once(&harness, release);
        assert!(first["told"].as_u64().unwrap() > 0, "{first:#}");
        let effects = Effects::of(&harness);
        // The reference saves the whole file as it had read it before, with what it has done itself.
        harness.put_statebox(release, &before);
        let run = harness.oar(release, &["drive", "--once", "--output", "json"]).expect(0);
        assert!(run.stderr.contains("another program had written over"), "{run:?}");
        let again = run.json();
        assert_eq!(again["told"], 0, "{again:#}");
        Effects::of(&harness).assert_none_twice(&effects, &format!("{run:#?}"));
        let entry = |pass: &Value| state(&pass["plan"], "take-ownership").to_owned();
        assert_eq!(entry(&again), entry(&first));
        // Commands, the engine and the reference go on beside each other.
        harness.oar(release, &["issue", "add", "beside the engine", "--no-blocker"]).expect(0);
        harness.put_statebox(release, &before);
        once(&harness, release);
        Effects::of(&harness).assert_none_twice(&effects, "after a second time");
        assert!(harness.statebox(release).unwrap().contains("beside the engine"));
    }
}

#[test]
fn watching_goes_on_until_the_user_ends_it_and_leaves_the_release_to_others() {
    let harness = Harness::announced(KONFLUX);
    harness.pass(KONFLUX, "check-cve-tracker-bug");
    let child = harness.command("oar", ["-r", KONFLUX, "drive", "--watch"]).spawn().unwrap();
    let started = std::time::Instant::now();
    // The pass ends with what people are told.
    while !told(&harness).iter().any(|(_, threaded)| *threaded) {
        assert!(started.elapsed() < std::time::Duration::from_mins(1), "{}", harness.request_lines());
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    std::thread::sleep(std::time::Duration::from_millis(500));
    let id = nix::unistd::Pid::from_raw(i32::try_from(child.id()).unwrap());
    nix::sys::signal::kill(id, nix::sys::signal::Signal::SIGINT).unwrap();
    let run = end_to_end::wait(child).expect(130);
    assert!(run.stdout.contains("steps done") && run.stdout.contains("take-ownership: done"), "{run:?}");
    assert!(run.stderr.contains(&format!("{KONFLUX} is left to others")), "{run:?}");
    let refused = harness.oar(KONFLUX, &["drive", "--watch", "--output", "json"]).expect(2);
    assert!(refused.stderr.contains("--once --output json"), "{refused:?}");
}
