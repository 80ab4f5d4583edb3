//! `oar hold`: nothing begins for a release, or for any, until it is withdrawn. Whatever cannot be found out of that counts
//! as held.

use std::sync::atomic::{AtomicUsize, Ordering};

use end_to_end::matrix::proofs::{self, HeldRuns};
use end_to_end::matrix::scenario;
use end_to_end::{ERRATA, Fault, FaultKind, Harness, KONFLUX, LEAD, Run};
use jiff::Timestamp;
use sandbox::services::release_controller::Phase;

const FREEZES: &str = "_releases/holds.yaml";

fn take(harness: &Harness, release: &str) -> Run {
    harness.oar(release, &["take-ownership", "-e", LEAD])
}

/// The changes at services, apart from the files of the state.
fn effects(harness: &Harness) -> Vec<String> {
    let writes = harness.sandbox.writes();
    // Reads by POST, and signing in, are no changes.
    let others = ["github", "brewhub", "google-oauth"];
    writes
        .iter()
        .filter(|write| !others.contains(&write.service.as_str()))
        .map(end_to_end::RecordedRequest::line)
        .collect()
}

fn freeze_file(harness: &Harness) -> Option<String> {
    harness.sandbox.world().github.lock().text("openshift/release-tests", "z-stream", FREEZES)
}

#[track_caller]
fn assert_says(text: &str, words: &[&str]) {
    for word in words {
        assert!(text.contains(word), "`{word}` is missing:\n{text}");
    }
}

/// Refused with `code` and these words; nothing was done.
#[track_caller]
fn assert_refused(harness: &Harness, run: &Run, code: i32, words: &[&str]) {
    assert_eq!(run.code, Some(code), "{run:#?}");
    assert_says(&run.stderr, words);
    assert_eq!(effects(harness), Vec::<String>::new(), "{run:#?}");
}

#[test]
fn a_held_release_begins_nothing_and_says_who_holds_it_why_until_when_and_how_to_go_on() {
    for (release, other) in [(KONFLUX, ERRATA), (ERRATA, KONFLUX)] {
        let harness = Harness::announced(release);
        harness.oar(other, &["create-test-report"]).expect(0);
        let hold = ["hold", "--reason", "the kernel has a defect", "--until", "2099-12-31"];
        let run = harness.oar(release, &hold).expect(0);
        assert_says(
            &run.stdout,
            &["held by ", "until 2099-12-31: the kernel has a defect", "hold --withdraw"],
        );
        let again = harness.oar(release, &hold).expect(0);
        assert_eq!(again.stdout.lines().count(), 1, "{again:#?}");
        harness.sandbox.clear_requests();

        let why = ["is held by ", " since 20", " until 2099-12-31: the kernel has a defect"];
        let next = format!("oar -r {release} hold --withdraw");
        let run = take(&harness, release);
        assert_refused(&harness, &run, 6, &[&why[..], &[next.as_str()]].concat());
        let state = harness.statebox(release).unwrap();
        assert!(!state.contains("take-ownership"), "a refusal is no run:\n{state}");
        let run = harness.oar(release, &["take-ownership", "-e", LEAD, "--output", "json"]);
        let report = run.json();
        assert_eq!((run.code, &report["exit_code"]), (Some(6), &6.into()), "{report:#}");
        assert_eq!((&report["refused"], &report["reason"]["class"]), (&true.into(), &"held".into()));

        // A plan can be made and consented to, and everything can be read and recorded.
        let dry = harness.oar(release, &["take-ownership", "-e", LEAD, "--dry-run"]).expect(0);
        assert_says(&dry.stderr, &["a run would be refused now", "the kernel has a defect"]);
        harness.oar(release, &["consent", "push-to-cdn-staging", "--yes"]).expect(0);
        harness.oar(release, &["issue", "add", "wait for the kernel", "--task", "stage-testing"]).expect(0);
        harness.oar(release, &["task", "set", "stage-testing", "Fail", "--reason", "by hand"]).expect(0);
        let status = harness.oar(release, &["status"]).expect(0);
        let words: Vec<&str> = status.stdout.split_whitespace().collect();
        assert_says(&words.join(" "), &["nothing begins:", "the kernel has a defect"]);
        for look in [&["history"][..], &["metadata"], &["issue", "list"]] {
            harness.oar(release, look).expect(0);
        }
        assert_eq!(effects(&harness), Vec::<String>::new());
        // Another release goes on.
        take(&harness, other).expect(0);

        let resumed = harness.oar(release, &["hold", "--withdraw"]).expect(0);
        assert_says(&resumed.stdout, &["the hold is withdrawn by ", "the kernel has a defect"]);
        take(&harness, release).expect(0);
        let status = harness.oar(release, &["status", "--output", "json"]).expect(0).json();
        assert_eq!(status["held"], serde_json::Value::Null);
        let state = harness.statebox(release).unwrap();
        assert_says(&state, &["kind: hold", "withdrawn:", "reason: the kernel has a defect"]);
        let nothing = harness.oar(release, &["hold", "--withdraw"]).expect(0);
        assert_says(&nothing.stdout, &["is not held"]);
    }
}

#[test]
fn a_freeze_holds_every_release_also_one_without_a_statebox() {
    let harness = Harness::new();
    let all = |arguments: &[&str]| harness.run("oar", [&["hold", "--all"][..], arguments].concat());
    let dry = all(&["--reason", "the registry moves", "--dry-run"]).expect(0);
    assert_says(&dry.stdout, &["dry run: every release would be held by "]);
    assert_eq!(freeze_file(&harness), None);
    all(&["--reason", "the registry moves"]).expect(0);
    let frozen = freeze_file(&harness).unwrap();
    assert_says(&frozen, &["kind: hold", "reason: the registry moves"]);
    all(&["--reason", "the registry moves"]).expect(0);
    assert_eq!(freeze_file(&harness).unwrap(), frozen, "the same hold is recorded once");
    harness.sandbox.clear_requests();

    for release in [KONFLUX, ERRATA] {
        let run = harness.oar(release, &["create-test-report"]);
        let words = ["every release is held by ", "the registry moves", "oar hold --all --withdraw"];
        assert_refused(&harness, &run, 6, &words);
        assert_eq!(harness.statebox(release), None);
    }
    // What announces releases by itself begins nothing either.
    let mut controller = harness.sandbox.world().release_controller.lock();
    let tags = controller.streams.get_mut("4-stable").into_iter().flatten();
    tags.filter(|tag| tag.name == KONFLUX).for_each(|tag| tag.phase = Phase::Ready);
    drop(controller);
    let detect = || harness.run("oarctl", ["start-release-detector", "-r", "4.19"]);
    let run = detect().expect(6);
    assert_says(&run.stderr, &["every release is held by ", "the registry moves"]);
    assert_eq!(harness.statebox(KONFLUX), None);

    let resumed = all(&["--withdraw"]).expect(0);
    assert_says(&resumed.stdout, &["the hold is withdrawn by ", "every release was held by "]);
    assert_says(&freeze_file(&harness).unwrap(), &["withdrawn:"]);
    detect().expect(0);
    assert!(harness.statebox(KONFLUX).is_some(), "what was held is made up for");
    harness.oar(KONFLUX, &["create-test-report"]).expect(0);
}

#[test]
fn a_freeze_that_cannot_be_read_is_one() {
    let harness = Harness::announced(KONFLUX);
    harness.sandbox.clear_requests();
    let path = format!("*{FREEZES}");
    for (kind, code) in [
        (FaultKind::Status { code: 500, body: None, headers: Vec::new() }, 4),
        (FaultKind::Garbage, 4),
        (FaultKind::Status { code: 403, body: None, headers: Vec::new() }, 3),
    ] {
        harness.sandbox.faults().add(Fault::on("github", kind).path(&path).forever());
        let run = take(&harness, KONFLUX);
        assert_refused(
            &harness,
            &run,
            code,
            &["whether every release is held cannot be found out, so nothing begins"],
        );
        harness.sandbox.faults().clear();
    }
    let put = |text: &str| {
        let mut github = harness.sandbox.world().github.lock();
        let now = Timestamp::now();
        github.put("openshift/release-tests", "z-stream", FREEZES, text.to_owned(), "by hand", now).unwrap();
    };
    for text in ["holds: none\n", "holds:\n- kind: hold\n  withdrawn: yes\n", "{"] {
        put(text);
        assert_refused(&harness, &take(&harness, KONFLUX), 6, &["holds.yaml", "cannot be used"]);
        let run = harness.run("oar", ["hold", "--all", "--withdraw"]);
        assert_eq!(run.code, Some(6), "what cannot be understood is never written over: {run:#?}");
    }
    put("holds: []\n");
    take(&harness, KONFLUX).expect(0);
}

#[test]
fn a_hold_in_the_file_that_cannot_be_read_is_no_hold_that_is_over() {
    let harness = Harness::announced(KONFLUX);
    harness.oar(KONFLUX, &["hold", "--reason", "wait", "--until", "2099-12-31"]).expect(0);
    let state = harness.statebox(KONFLUX).unwrap();
    harness.sandbox.clear_requests();
    harness.put_statebox(KONFLUX, &state.replace("2099-12-31", "next week"));
    assert_refused(&harness, &take(&harness, KONFLUX), 6, &["is held by ", " until next week: wait"]);
    harness.put_statebox(KONFLUX, &state.replace("kind: hold", "kind: halt"));
    assert_refused(&harness, &take(&harness, KONFLUX), 6, &["`halt` is not a kind of decision"]);
}

#[test]
fn a_dated_freeze_of_the_document_holds_every_release_while_it_lasts() {
    let day = |days: i64| {
        let now = Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date();
        now.saturating_add(jiff::Span::new().days(days)).to_string()
    };
    let harness = Harness::announced(KONFLUX);
    harness.sandbox.clear_requests();
    let with = |harness: Harness, from: &str, until: &str| {
        harness.with_document(|document| {
            document["freezes"] = serde_json::json!({
                "moving": { "from": from, "until": until, "why": "the data centre moves" }
            });
        })
    };
    let harness = with(harness, &day(-1), &day(1));
    let run = take(&harness, KONFLUX);
    assert_refused(&harness, &run, 6, &["`freezes.moving`", "the data centre moves", &day(1)]);
    let status = harness.oar(KONFLUX, &["status"]).expect(0);
    assert_says(&status.stdout, &["nothing begins:"]);
    let harness = with(harness, "soon", &day(1));
    assert_refused(&harness, &take(&harness, KONFLUX), 3, &["`freezes.moving.from`", "so nothing begins"]);
    assert_ne!(harness.run("oarctl", ["config", "check"]).code, Some(0));
    for (from, until) in [(day(1), day(2)), (day(-2), day(-1))] {
        let harness = with(Harness::announced(KONFLUX), &from, &until);
        take(&harness, KONFLUX).expect(0);
    }
}

#[test]
fn what_cannot_be_recorded_is_refused() {
    let harness = Harness::announced(KONFLUX);
    for (arguments, words) in [
        (&["hold", "--reason", "  "][..], "--reason is empty"),
        (&["hold"], "--reason"),
        (&["hold", "--reason", "x", "--until", "2020-01-01"], "2020-01-01 is over"),
        (&["hold", "--reason", "x", "--until", "tomorrow"], "neither a day such as"),
        (&["hold", "--withdraw", "--reason", "x"], "cannot be used with"),
        (&["hold", "--all", "--reason", "x"], "one of them"),
    ] {
        let run = harness.oar(KONFLUX, arguments);
        assert_eq!(run.code, Some(2), "{run:#?}");
        assert_says(&run.stderr, &[words]);
    }
    let run = harness.oar("4.19.99", &["hold", "--reason", "x"]);
    assert_eq!(run.code, Some(6), "{run:#?}");
    assert_says(&run.stderr, &["has no StateBox"]);
}

/// Commands that are held at the same time: more would make their moments less certain.
const WORKERS: usize = 2;
/// Commands with many changes, and such whose changes cannot be undone.
const HELD: [&str; 12] = [
    "take_ownership_konflux",
    "take_ownership_errata",
    "update_bug_list_errata",
    "push_errata",
    "stage_testing_konflux",
    "drop_bugs_errata",
    "change_advisory_status_konflux",
    "change_advisory_status_errata",
    "change_advisory_status_carried_on",
    "drive_once_konflux",
    "drive_once_errata",
    "drive_all",
];

#[test]
fn held_at_any_moment_nothing_begins_any_more_and_the_next_run_finishes_with_each_effect_once() {
    // The commands mostly wait, so several are tried at the same time.
    let next = AtomicUsize::new(0);
    let work = || {
        let names = std::iter::from_fn(|| HELD.get(next.fetch_add(1, Ordering::Relaxed)));
        names.map(|name| proofs::held(&scenario(name), 3, HELD.len())).sum::<HeldRuns>()
    };
    let runs: HeldRuns = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..WORKERS).map(|_| scope.spawn(work)).collect();
        let ended = workers.into_iter().map(std::thread::ScopedJoinHandle::join);
        ended.map(|runs| runs.unwrap_or_else(|why| std::panic::resume_unwind(why))).sum()
    });
    println!("{runs:?}");
    assert!(runs.are_most(), "{runs:?}");
}
