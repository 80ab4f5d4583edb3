//! `oarctl start-release-detector`: every announced release gets its StateBox, and nothing is told twice.
#![expect(clippy::unwrap_used, reason = "tests say what they expect by failing")]

use std::time::{Duration, Instant};

use end_to_end::{ERRATA, Fault, FaultKind, Harness, KONFLUX, Run, finish, release_tests, wait};
use jiff::{SignedDuration, Timestamp};
use sandbox::scenario::github::STATE_BRANCH;
use sandbox::scenario::sheets::SPREADSHEET;
use sandbox::services::github::STATE_REPOSITORY;
use sandbox::services::release_controller::Phase;

/// A sandbox in which 4.19.1 is announced and not accepted yet.
fn announced() -> Harness {
    let harness = Harness::new();
    set_phase(&harness, KONFLUX, Phase::Ready);
    harness
}

/// A sandbox in which 4.19.1 is accepted and was never announced.
fn behind() -> Harness {
    let harness = Harness::new();
    put_tracking(&harness, "4.19", "releases: {4.19.0: {}}\n");
    set_created(&harness, KONFLUX, SignedDuration::from_hours(2));
    harness
}

fn set_phase(harness: &Harness, release: &str, phase: Phase) {
    let mut controller = harness.sandbox.world().release_controller.lock();
    let tags = controller.streams.get_mut("4-stable").unwrap();
    tags.iter_mut().filter(|tag| tag.name == release).for_each(|tag| tag.phase = phase);
}

fn set_created(harness: &Harness, release: &str, before: SignedDuration) {
    let mut controller = harness.sandbox.world().release_controller.lock();
    let tags = controller.streams.get_mut("4-stable").unwrap();
    let created = Timestamp::now().checked_sub(before).unwrap();
    tags.iter_mut().filter(|tag| tag.name == release).for_each(|tag| tag.created = created);
}

fn put_tracking(harness: &Harness, stream: &str, text: &str) {
    let path = format!("_releases/{stream}/{stream}.z.yaml");
    let now = harness.sandbox.clock().now();
    let mut github = harness.sandbox.world().github.lock();
    github.put(STATE_REPOSITORY, STATE_BRANCH, &path, text.to_owned(), "announce", now).unwrap();
}

fn detect(harness: &Harness, arguments: &[&str]) -> Run {
    harness.run("oarctl", ["start-release-detector"].iter().chain(arguments))
}

fn messages(harness: &Harness) -> Vec<String> {
    harness.sandbox.world().slack.lock().messages.iter().map(|message| message.text.clone()).collect()
}

fn answer(code: u16) -> FaultKind {
    FaultKind::Status { code, body: None, headers: Vec::new() }
}

#[test]
fn an_announced_release_gets_its_statebox_and_its_message_once() {
    let harness = announced();
    let run = detect(&harness, &["-r", "4.19"]).expect(0);
    assert!(
        run.stdout.starts_with("4.19: new release; announced 4.19.1, stable 4.19.0\n  4.19.1: created "),
        "{run:?}"
    );
    let state = harness.statebox(KONFLUX).unwrap();
    assert_eq!(messages(&harness).len(), 1);
    harness.sandbox.clear_requests();
    let run = detect(&harness, &["-r", "4.19"]).expect(0);
    assert_eq!(run.stdout, "4.19: nothing new; announced 4.19.1, stable 4.19.0\n");
    // The list of files, the stable build, the StateBox of 4.19.1, and how old the image of 4.19.0 is, which has none.
    assert_eq!(harness.sandbox.requests().len(), 4, "{}", harness.request_lines());
    assert_eq!((harness.statebox(KONFLUX), messages(&harness).len()), (Some(state), 1));
    harness.sandbox.assert_no_unexpected();
}

#[test]
fn the_statebox_is_the_one_that_create_test_report_makes() {
    let harness = announced();
    detect(&harness, &["--minor-release", "4.19"]).expect(0);
    let other = announced();
    other.oar(KONFLUX, &["create-test-report"]).expect(0);
    let commit = |harness: &Harness| {
        let writes = harness.sandbox.writes().into_iter();
        writes.filter(|write| write.service == "github").map(|write| write.path).collect::<Vec<_>>()
    };
    assert_eq!(commit(&harness), commit(&other));
    // The last part of the key is the run's.
    let message = |harness: &Harness| {
        let message = harness.sandbox.world().slack.lock().messages[0].clone();
        let key = message.metadata.unwrap()["event_payload"]["key"].as_str().unwrap().to_owned();
        (key.rsplit_once('/').unwrap().0.to_owned(), message.channel)
    };
    assert_eq!(message(&harness), message(&other));
}

#[test]
fn every_missing_release_is_made_and_one_that_fails_does_not_stop_the_others() {
    let harness = announced();
    // 4.19.2 has no build data yet, and comes last; 4.19.0 was never begun either.
    put_tracking(&harness, "4.19", "releases: {4.19.2: {}, 4.19.1: {}, 4.19.0: {}}\n");
    set_phase(&harness, "4.19.0", Phase::Rejected);
    harness.sandbox.world().release_controller.lock().add("4-stable", "4.19.0-rc.5", Phase::Accepted);
    let run = detect(&harness, &["-r", "4.19", "--output", "json"]);
    assert_ne!(run.code, Some(0), "{run:?}");
    let document = run.json();
    let results: Vec<(&str, &str)> = document[0]["releases"]
        .as_array()
        .unwrap()
        .iter()
        .map(|made| (made["release"].as_str().unwrap(), made["result"].as_str().unwrap()))
        .collect();
    assert_eq!(results.len(), 3, "{document:#}");
    assert!(
        results.contains(&("4.19.1", "created")) && results.contains(&("4.19.2", "error")),
        "{document:#}"
    );
    assert!(harness.statebox(KONFLUX).is_some() && harness.statebox("4.19.2").is_none());
    assert!(run.stderr.contains("4.19: 4.19.2: "), "{run:?}");
}

#[test]
fn what_cannot_be_fetched_is_an_error_and_never_nothing_new() {
    for (service, path) in [
        ("github", "/repos/*/git/trees/*"),
        ("github", "/repos/*/git/blobs/*"),
        ("release-controller", "*/releasestream/4-stable/latest"),
    ] {
        // A refused credential is to be set right by a person.
        for (code, exit) in [(500, 4), (403, 3)] {
            let harness = announced();
            harness.sandbox.faults().add(Fault::on(service, answer(code)).path(path).forever());
            let run = detect(&harness, &["-r", "4.19"]).expect(exit);
            assert!(run.stderr.contains("error: ") && !run.stdout.contains("nothing new"), "{run:?}");
            assert_eq!(harness.statebox(KONFLUX), None);
        }
    }
}

#[test]
fn a_file_that_is_no_map_could_not_be_read_and_the_other_streams_are_looked_at() {
    let harness = announced();
    let run = detect(&harness, &["-r", "4.18", "-r", "4.19"]).expect(4);
    assert!(run.stderr.contains("_releases/4.18/4.18.z.yaml cannot be read"), "{run:?}");
    assert!(harness.statebox(KONFLUX).is_some());
}

#[test]
fn a_release_with_a_typing_error_is_ignored_and_named() {
    let harness = Harness::new();
    put_tracking(&harness, "4.19", "releases: {4.19.0: {}, 4.19.1: {}, v4.19.2: {}, 4.20.2: {}}\n");
    let run = detect(&harness, &["-r", "4.19", "--dry-run"]).expect(0);
    assert!(run.stdout.contains("announced 4.19.1, "), "{run:?}");
    for key in ["`v4.19.2`", "`4.20.2`"] {
        assert!(run.stderr.contains("_releases/4.19/4.19.z.yaml") && run.stderr.contains(key), "{run:?}");
    }
}

#[test]
fn streams_without_announcements_or_without_a_stable_build_are_said() {
    let harness = announced();
    let run = detect(&harness, &["-r", "5.0,4.12,4.20"]).expect(0);
    assert_eq!(
        run.stdout,
        "4.12: no release is announced\n4.20: nothing new; announced 4.20.5, stable 4.20.5\n5.0: no release is announced\n"
    );
    put_tracking(&harness, "4.12", "releases: {4.12.90: {}}\n");
    let run = detect(&harness, &["-r", "4.12"]).expect(0);
    assert!(
        run.stdout
            .starts_with("4.12: 4.12.90 is announced, and the release controller shows no stable build")
    );
    assert_eq!(harness.statebox("4.12.90"), None);
}

#[test]
fn an_announcement_that_is_missing_is_told_once_by_whichever_machine() {
    let harness = behind();
    let run = detect(&harness, &["-r", "4.19"]).expect(0);
    assert!(run.stderr.contains("an announcement is missing (the release channel: told)"), "{run:?}");
    let told = messages(&harness);
    assert_eq!(told.len(), 1, "{told:?}");
    // Another machine knows nothing of the first one's home.
    let elsewhere = harness.tools().join("elsewhere");
    std::fs::create_dir_all(&elsewhere).unwrap();
    let mut command = harness.command("oarctl", ["start-release-detector", "-r", "4.19"]);
    command.env("HOME", &elsewhere);
    let run = finish(command).expect(0);
    assert!(run.stderr.contains("told before"), "{run:?}");
    assert_eq!(messages(&harness), told);
    harness.sandbox.world().release_controller.lock().add("4-stable", "4.19.2", Phase::Accepted);
    set_created(&harness, "4.19.2", SignedDuration::from_hours(1));
    detect(&harness, &["-r", "4.19"]).expect(0);
    assert_eq!(messages(&harness).len(), 2, "another build is another matter");
}

#[test]
fn a_message_that_cannot_be_sent_is_a_problem_and_is_sent_by_the_next_pass() {
    let harness = behind();
    let fault = Fault::on("slack", answer(500)).path("*/chat.postMessage").forever();
    harness.sandbox.faults().add(fault);
    detect(&harness, &["-r", "4.19"]).expect(4);
    harness.sandbox.faults().clear();
    detect(&harness, &["-r", "4.19"]).expect(0);
    detect(&harness, &["-r", "4.19"]).expect(0);
    assert_eq!(messages(&harness).len(), 1);
}

#[test]
fn a_release_that_nobody_has_begun_is_told_after_a_day_and_once() {
    let harness = Harness::new();
    for (age, told) in [(20, 0), (26, 1), (27, 1)] {
        set_created(&harness, KONFLUX, SignedDuration::from_hours(age));
        let run = detect(&harness, &["-r", "4.19"]).expect(0);
        assert_eq!(messages(&harness).len(), told, "{age} h: {run:?}");
    }
    assert!(messages(&harness)[0].contains("oar -r 4.19.1 create-test-report"));
    let begun = Harness::new();
    begun.oar(KONFLUX, &["create-test-report"]).expect(0);
    set_created(&begun, KONFLUX, SignedDuration::from_hours(26));
    detect(&begun, &["-r", "4.19"]).expect(0);
    assert_eq!(messages(&begun).len(), 1, "the message of create-test-report");
}

#[test]
fn a_dry_run_changes_nothing_and_takes_no_lock() {
    let harness = announced();
    put_tracking(&harness, "4.20", "releases: {4.20.4: {}}\n");
    harness.sandbox.clear_requests();
    let run = detect(&harness, &["-r", "4.19", "-r", "4.20", "--dry-run"]).expect(0);
    assert!(run.stdout.contains("  4.19.1: would create "), "{run:?}");
    assert!(run.stderr.contains("INFO: dry run: the release leads are notified in Slack"), "{run:?}");
    assert!(run.stderr.contains("would be told"), "{run:?}");
    assert!(harness.sandbox.writes().is_empty(), "{}", harness.request_lines());
    assert_eq!((harness.statebox(KONFLUX), messages(&harness).len()), (None, 0));
    assert!(!harness.home().join(".local/state/release-tests").exists(), "no lock, no record");
}

#[test]
fn a_pass_whose_record_cannot_be_kept_says_so_once() {
    let harness = Harness::new();
    let program = release_tests();
    // As a full disk: files can be made, and take nothing.
    let script = format!(
        "trap '' XFSZ; ulimit -f 0; exec '{}' oarctl start-release-detector -r 4.19",
        program.display()
    );
    let run = finish(harness.shell(&script)).expect(0);
    assert_eq!(
        run.stderr.matches("`oarctl agents list` will not show this agent's passes").count(),
        1,
        "{run:?}"
    );
}

#[test]
fn one_makes_a_pass_at_a_time() {
    let harness = announced();
    let folder = harness.home().join(".local/state/release-tests");
    std::fs::create_dir_all(&folder).unwrap();
    let lock = std::fs::File::create(folder.join("oarctl-release-detector-4.19.lock")).unwrap();
    lock.lock().unwrap();
    let run = detect(&harness, &["-r", "4.19"]).expect(5);
    assert!(run.stderr.contains("another instance of oarctl-release-detector-4.19 is running"), "{run:?}");
    assert_eq!(harness.statebox(KONFLUX), None);
    drop(lock);
    detect(&harness, &["-r", "4.19"]).expect(0);
    assert!(harness.statebox(KONFLUX).is_some());
}

#[test]
fn without_a_y_stream_or_with_a_wrong_one_nothing_is_asked() {
    let harness = announced();
    for (arguments, code, words) in [
        (&[][..], 2, "--all"),
        (&["--all", "-r", "4.19"], 2, "--minor-release"),
        (&["-r", "4.19.1"], 2, "two numbers"),
        (&["-r", "4.99"], 2, "4.99"),
    ] {
        let run = detect(&harness, arguments).expect(code);
        assert!(run.stderr.contains(words), "{arguments:?}: {run:?}");
    }
    assert!(harness.sandbox.requests().is_empty());
}

#[test]
fn all_y_streams_cost_one_list_and_only_what_changed_is_read() {
    let harness = announced();
    put_tracking(&harness, "4.18", "releases: {}\n");
    detect(&harness, &["--all"]).expect(0);
    harness.sandbox.clear_requests();
    put_tracking(&harness, "4.14", "releases: {4.14.60: {}, 4.14.59: {}}\n");
    detect(&harness, &["--all"]).expect(0);
    let requests = harness.sandbox.requests();
    let count = |part: &str| requests.iter().filter(|request| request.path.contains(part)).count();
    assert_eq!(
        (count("/git/trees/"), count("/git/blobs/"), count("/contents/")),
        // What changed, and the StateBox of 4.19.1, which is announced and not accepted yet.
        (1, 1, 1),
        "{}",
        harness.request_lines()
    );
}

#[test]
fn a_message_that_a_killed_pass_owes_is_sent_by_the_next_one() {
    let harness = announced();
    harness.sandbox.faults().add(Fault::on("slack", answer(500)).path("*/chat.postMessage").forever());
    detect(&harness, &["-r", "4.19"]);
    assert!(harness.statebox(KONFLUX).is_some() && messages(&harness).is_empty());
    harness.sandbox.faults().clear();
    for sends in [true, false] {
        let run = detect(&harness, &["-r", "4.19"]).expect(0);
        let line = "  4.19.1: sent the messages that an earlier run owed; https://";
        assert_eq!(run.stdout.contains(line), sends, "{run:?}");
        assert_eq!(messages(&harness).len(), 1);
    }
}

#[test]
fn a_statebox_that_another_machine_makes_meanwhile_is_named() {
    let other = announced();
    other.oar(KONFLUX, &["create-test-report"]).expect(0);
    let state = other.statebox(KONFLUX).unwrap();
    let harness = announced();
    let late = Fault::on("release-controller", FaultKind::Slow { ms: 4000 });
    harness.sandbox.faults().add(late.path("*/releasestream/4-stable/latest"));
    let detector = harness.command("oarctl", ["start-release-detector", "-r", "4.19"]).spawn().unwrap();
    let listed = || {
        let requests = harness.sandbox.requests();
        requests.iter().any(|request| request.path.contains("/git/trees/") && request.status.is_some())
    };
    let started = Instant::now();
    while !listed() {
        assert!(started.elapsed() < Duration::from_mins(1), "{}", harness.request_lines());
        std::thread::sleep(Duration::from_millis(20));
    }
    harness.put_statebox(KONFLUX, &state);
    let run = wait(detector).expect(0);
    assert!(run.stdout.contains("  4.19.1: nothing to do; https://"), "{run:?}");
    assert!(run.stdout.contains("/statebox/4.19.1.yaml"), "{run:?}");
}

#[test]
fn what_a_killed_pass_owes_is_named_by_a_dry_run() {
    let harness = announced();
    harness.sandbox.faults().add(Fault::on("slack", answer(500)).path("*/chat.postMessage").forever());
    detect(&harness, &["-r", "4.19"]);
    harness.sandbox.faults().clear();
    let run = detect(&harness, &["-r", "4.19", "--dry-run"]).expect(0);
    assert!(run.stdout.contains("  4.19.1: would send the messages that an earlier run owes"), "{run:?}");
    assert_eq!(messages(&harness).len(), 0);
}

#[test]
fn a_release_that_somebody_is_creating_is_left_to_them() {
    let harness = announced();
    harness.sandbox.faults().add(Fault::on("slack", FaultKind::Hang).path("*/chat.postMessage").forever());
    let mut command = harness.command("oar", ["-r", KONFLUX, "create-test-report"]);
    command.env("OAR_HTTP_TIMEOUT", "600");
    let mut person = command.spawn().unwrap();
    let started = Instant::now();
    let posts =
        || harness.sandbox.requests().iter().any(|request| request.path.ends_with("/chat.postMessage"));
    while !posts() {
        assert!(started.elapsed() < Duration::from_mins(1), "{}", harness.request_lines());
        std::thread::sleep(Duration::from_millis(20));
    }
    let run = detect(&harness, &["-r", "4.19"]).expect(0);
    assert!(
        run.stdout.contains("  4.19.1: nothing to do; ") && run.stdout.contains("is creating it"),
        "{run:?}"
    );
    person.kill().unwrap();
    person.wait().unwrap();
}

#[test]
fn detectors_that_share_a_y_stream_tell_of_it_once() {
    for [one, other] in [[&["--all"][..], &["-r", "4.19"]], [&["-r", "4.19", "-r", "4.14"], &["-r", "4.19"]]]
    {
        let harness = behind();
        put_tracking(&harness, "4.18", "releases: {}\n");
        harness.sandbox.set_latency(Duration::from_millis(30));
        let start = |arguments: &[&str]| {
            let mut command = harness.command("oarctl", ["start-release-detector"].iter().chain(arguments));
            command.spawn().unwrap()
        };
        let runs = [start(one), start(other)].map(wait);
        assert!(runs.iter().all(|run| matches!(run.code, Some(0 | 5))), "{runs:#?}");
        assert_eq!(messages(&harness).len(), 1, "{one:?}: {runs:#?}");
    }
}

#[test]
fn every_statebox_is_made_before_anything_else_is_asked() {
    let harness = announced();
    detect(&harness, &["-r", "4.14", "-r", "4.19"]).expect(0);
    let requests = harness.sandbox.requests();
    let place = |method: &str, part: &str| {
        let found =
            requests.iter().position(|request| request.method == method && request.path.contains(part));
        found.unwrap_or_else(|| panic!("{method} {part}: {}", harness.request_lines()))
    };
    assert!(
        place("PUT", "/4.19.1.yaml") < place("GET", "/4-stable/release/4.14."),
        "{}",
        harness.request_lines()
    );
}

#[test]
fn a_branch_without_the_folder_is_no_branch_without_announcements() {
    let harness = announced().env("OAR_STATE_BRANCH", "empty");
    let now = harness.sandbox.clock().now();
    let text = "nothing".to_owned();
    let mut github = harness.sandbox.world().github.lock();
    github.put(STATE_REPOSITORY, "empty", "README.md", text, "a new branch", now).unwrap();
    drop(github);
    let run = detect(&harness, &["-r", "4.19"]).expect(3);
    assert!(run.stderr.contains("has no folder _releases on empty"), "{run:?}");
    assert!(!run.stdout.contains("no release is announced"), "{run:?}");
}

#[test]
fn an_announcement_that_is_missing_for_too_long_is_not_told_any_more() {
    let harness = behind();
    set_created(&harness, KONFLUX, SignedDuration::from_hours(40 * 24));
    let run = detect(&harness, &["-r", "4.19"]).expect(0);
    assert!(run.stderr.contains("not told, because its image is older than 30 days"), "{run:?}");
    assert_eq!(messages(&harness).len(), 0);
    set_created(&harness, KONFLUX, SignedDuration::from_hours(20 * 24));
    for _ in 0..2 {
        detect(&harness, &["-r", "4.19"]).expect(0);
        assert_eq!(messages(&harness).len(), 1);
    }
}

/// A sandbox in which the newest release of 4.14 was begun with a worksheet.
fn with_worksheet(harness: Harness) -> Harness {
    let mut sheets = harness.sandbox.world().sheets.lock();
    sheets.spreadsheets.get_mut(SPREADSHEET).unwrap().duplicate("template", ERRATA).unwrap();
    drop(sheets);
    harness
}

#[test]
fn a_release_with_a_worksheet_is_begun() {
    let new = with_worksheet(Harness::new());
    set_phase(&new, ERRATA, Phase::Ready);
    let run = detect(&new, &["-r", "4.14"]).expect(0);
    assert!(run.stdout.contains(&format!("  {ERRATA}: nothing to do; https://")), "{run:?}");
    let out = with_worksheet(Harness::new());
    set_created(&out, ERRATA, SignedDuration::from_hours(26));
    detect(&out, &["-r", "4.14"]).expect(0);
    for harness in [new, out] {
        assert_eq!((harness.statebox(ERRATA), messages(&harness).len()), (None, 0));
    }
}

#[test]
fn worksheets_that_cannot_be_looked_for_are_no_answer() {
    let new = with_worksheet(Harness::new().env("GCP_SA_FILE", ""));
    set_phase(&new, ERRATA, Phase::Ready);
    let out = with_worksheet(Harness::new().env("GCP_SA_FILE", ""));
    set_created(&out, ERRATA, SignedDuration::from_hours(26));
    for harness in [new, out] {
        let run = detect(&harness, &["-r", "4.14"]).expect(3);
        assert!(run.stderr.contains("GCP_SA_FILE"), "{run:?}");
        assert_eq!((harness.statebox(ERRATA), messages(&harness).len()), (None, 0));
    }
}
