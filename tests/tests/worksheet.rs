//! Worksheets of the Errata flow's old releases: found, kept up to date beside the StateBox, and never an
//! obstacle.
#![expect(clippy::unwrap_used, reason = "tests say what they expect by failing")]

use std::time::{Duration, Instant};

use end_to_end::approval::make_ready;
use end_to_end::{ERRATA, Fault, FaultKind, Harness, KONFLUX, Run, wait};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use sandbox::scenario::google::ACCOUNT;
use sandbox::scenario::sheets::{OLD_RELEASE, SPREADSHEET};
use sandbox::services::errata::ExternalTest;

const UPDATE: &[&str] = &["update-bug-list", "--no-notify"];
const CHECK: &[&str] = &["check-greenwave-cvp-tests"];

/// A sandbox whose Errata release was started with a worksheet.
fn harness() -> Harness {
    let harness = Harness::new().env("OAR_HTTP_TIMEOUT", "1").env("OAR_HTTP_RETRY_DELAY", "1");
    spreadsheet(&harness, |spreadsheet| spreadsheet.duplicate("template", ERRATA).unwrap());
    harness
}

fn spreadsheet<T>(
    harness: &Harness,
    work: impl FnOnce(&mut sandbox::services::sheets::Spreadsheet) -> T,
) -> T {
    work(harness.sandbox.world().sheets.lock().spreadsheets.get_mut(SPREADSHEET).unwrap())
}

fn cell(harness: &Harness, name: &str) -> String {
    spreadsheet(harness, |spreadsheet| spreadsheet.sheet(ERRATA).unwrap().shown(name))
}

/// The list of bugs: key and status of each row.
fn bugs(harness: &Harness) -> Vec<(String, String)> {
    let row = |row: u32| (cell(harness, &format!("C{row}")), cell(harness, &format!("E{row}")));
    (8..1000).map(row).take_while(|(key, _)| !key.is_empty()).collect()
}

fn set_status(harness: &Harness, key: &str, status: &str) {
    let mut jira = harness.sandbox.world().jira.lock();
    status.clone_into(&mut jira.issue_mut(key).unwrap().status);
}

fn share(harness: &Harness, shared: bool) {
    spreadsheet(harness, |spreadsheet| {
        spreadsheet.editors.clear();
        if shared {
            spreadsheet.editors.insert(ACCOUNT.to_owned());
        }
    });
}

/// The requests to Google's services, as lines.
fn google(harness: &Harness) -> Vec<String> {
    let requests = harness.sandbox.requests();
    let ours =
        requests.iter().filter(|request| ["sheets", "google-oauth"].contains(&request.service.as_str()));
    ours.map(|request| format!("{} {} {}", request.service, request.method, request.path)).collect()
}

fn sheet_writes(harness: &Harness) -> usize {
    google(harness).iter().filter(|line| line.contains("values:batchUpdate")).count()
}

#[test]
fn a_release_that_has_a_worksheet_gets_no_second_report() {
    let harness = Harness::new();
    for _ in 0..2 {
        harness.sandbox.clear_requests();
        let run = harness.oar(OLD_RELEASE, &["create-test-report", "--output", "json"]).expect(0);
        let report = run.json();
        let url = report["data"]["worksheet"].as_str().unwrap();
        assert!(url.starts_with("https://docs.google.com/spreadsheets/d/") && url.contains("#gid="), "{url}");
        assert_eq!((&report["data"]["created"], &report["changed"]), (&false.into(), &false.into()));
        assert!(run.stderr.contains(url), "{run:?}");
        assert_eq!(harness.statebox(OLD_RELEASE), None);
        let count = harness.sandbox.requests().len();
        assert!(count <= 6, "{count} requests:\n{}", harness.request_lines());
    }
    assert!(harness.sandbox.world().slack.lock().messages.is_empty());
    harness.sandbox.assert_no_unexpected();
}

#[test]
fn a_release_with_a_worksheet_is_no_dead_end() {
    let harness = Harness::new();
    let run = harness.oar(OLD_RELEASE, &["create-test-report"]).expect(0);
    assert!(run.stdout.contains("https://docs.google.com/spreadsheets/d/"), "{run:?}");
    assert!(run.stdout.contains("create-test-report --beside-worksheet"), "{run:?}");
    let run = harness.oar(OLD_RELEASE, &["status"]).expect(0);
    assert!(run.stdout.contains("https://docs.google.com/spreadsheets/d/"), "{run:?}");
    assert!(run.stdout.contains("create-test-report --beside-worksheet"), "{run:?}");
    assert_eq!(harness.statebox(OLD_RELEASE), None, "a look makes no file");
    let json = harness.oar(OLD_RELEASE, &["status", "--output", "json"]).expect(0).json();
    assert!(json["worksheet"].as_str().unwrap().contains("#gid="), "{json}");
    assert_eq!(json["statebox"], serde_json::Value::Null);
    // What it names works, and ends the matter.
    harness.oar(OLD_RELEASE, &["create-test-report", "--beside-worksheet"]).expect(0);
    let run = harness.oar(OLD_RELEASE, &["status"]).expect(0);
    assert!(run.stdout.contains("take-ownership"), "{run:?}");
    let again = harness.oar(OLD_RELEASE, &["create-test-report", "--beside-worksheet"]).expect(0);
    assert!(again.stdout.contains("nothing to do"), "{again:?}");
}

#[test]
fn where_no_worksheet_can_be_seen_status_says_so_and_what_comes_first() {
    let harness = Harness::new().env("OAR_HTTP_RETRY_DELAY", "1");
    let run = harness.oar(ERRATA, &["status"]).expect(6);
    assert!(run.stderr.contains("create-test-report` first"), "{run:?}");
    let outage = FaultKind::Status { code: 503, body: None, headers: Vec::new() };
    harness.sandbox.faults().add(Fault::on("sheets", outage).forever());
    let run = harness.oar(OLD_RELEASE, &["status"]).expect(6);
    assert!(run.stderr.contains("whether the release has a worksheet cannot be seen"), "{run:?}");
}

#[test]
fn a_release_without_one_gets_its_statebox_within_the_budget() {
    for (release, budget) in [(KONFLUX, 7), (ERRATA, 9)] {
        let harness = Harness::announced(release);
        let count = harness.sandbox.requests().len();
        assert!(count <= budget, "{count} requests:\n{}", harness.request_lines());
        assert!(harness.statebox(release).is_some());
        harness.sandbox.clear_requests();
        harness.oar(release, &["create-test-report"]).expect(0);
        assert_eq!(google(&harness), Vec::<String>::new(), "with a StateBox there is nothing to look for");
    }
}

#[test]
fn the_list_of_bugs_is_entered_refreshed_and_dropped_in_few_requests() {
    let harness = harness();
    set_status(&harness, "OCPBUGS-61010", "ON_QA");
    set_status(&harness, "OCPBUGS-61011", "ON_QA");
    let run = harness.oar(ERRATA, UPDATE).expect(0);
    assert!(run.stdout.contains("update the worksheet 4.14.60: "), "{run:?}");
    assert!(!run.all().contains('@'), "{run:?}");
    let listed = bugs(&harness);
    let on_qa = |key: &str| (key.to_owned(), "ON_QA".to_owned());
    assert!(
        listed.contains(&on_qa("OCPBUGS-61010")) && listed.contains(&on_qa("OCPBUGS-61011")),
        "{listed:?}"
    );
    assert!(listed.iter().all(|(_, status)| status == "ON_QA"), "only such bugs are added: {listed:?}");
    assert_eq!((cell(&harness, "B9"), cell(&harness, "B1")), ("In Progress".into(), "Green".into()));
    let entered =
        spreadsheet(&harness, |spreadsheet| spreadsheet.sheet(ERRATA).unwrap().cells[&(7, 2)].clone());
    let key = &listed[0].0;
    assert_eq!(
        entered.entered,
        format!("=HYPERLINK(\"https://redhat.atlassian.net/browse/{key}\",\"{key}\")")
    );
    // Sign in, find the sheet, read it, and once more before writing, and write.
    assert_eq!(google(&harness).len(), 5, "{:#?}", google(&harness));
    assert!(harness.statebox(ERRATA).unwrap().contains("OCPBUGS-61010"), "the StateBox has the list too");

    let before = harness.statebox(ERRATA);
    harness.sandbox.clear_requests();
    harness.oar(ERRATA, UPDATE).expect(0);
    assert_eq!((sheet_writes(&harness), google(&harness).len()), (0, 3), "{:#?}", google(&harness));
    assert_eq!((harness.statebox(ERRATA), bugs(&harness)), (before, listed));

    set_status(&harness, "OCPBUGS-61010", "Verified");
    for advisory in harness.sandbox.world().errata.lock().advisories.values_mut() {
        advisory.jira_issues.retain(|key| key != "OCPBUGS-61011");
    }
    harness.oar(ERRATA, UPDATE).expect(0);
    let listed = bugs(&harness);
    let has = |key: &str, status: &str| listed.contains(&(key.to_owned(), status.to_owned()));
    assert!(has("OCPBUGS-61010", "Verified") && has("OCPBUGS-61011", "Dropped"), "{listed:?}");
    harness.sandbox.assert_no_unexpected();
}

#[test]
fn what_a_person_wrote_stays() {
    let harness = harness();
    harness.oar(ERRATA, UPDATE).expect(0);
    let rows = bugs(&harness).len();
    spreadsheet(&harness, |spreadsheet| {
        let sheet = spreadsheet.sheet_mut(ERRATA).unwrap();
        sheet.put(7 + rows, 2, "see the mail of Monday");
        sheet.put(8, 1, "Fail");
        sheet.put(9, 1, "Fail");
        sheet.put(0, 1, "Red");
    });
    harness.oar(ERRATA, UPDATE).expect(0);
    assert_eq!(cell(&harness, &format!("C{}", 8 + rows)), "see the mail of Monday");
    // Our own cell is ours; another task's Fail keeps the release red.
    assert_eq!((cell(&harness, "B9"), cell(&harness, "B10")), ("In Progress".into(), "Fail".into()));
    assert_eq!(cell(&harness, "B1"), "Red");
}

#[test]
fn greenwave_failures_turn_the_release_red_and_name_the_issue_until_they_are_gone() {
    let harness = harness();
    let tests = |status: &str| {
        let mut errata = harness.sandbox.world().errata.lock();
        errata.advisory_mut(140_002).unwrap().external_tests = vec![ExternalTest {
            id: 240_001,
            test_type: "greenwave_cvp".to_owned(),
            active: true,
            status: status.to_owned(),
            nvr: "ose-demo-container-v4.14.60-1".to_owned(),
        }];
    };
    tests("FAILED");
    let report = harness.oar(ERRATA, &[CHECK, &["--output", "json"]].concat()).expect(1).json();
    let key = report["data"]["issue"].as_str().unwrap();
    assert_eq!((cell(&harness, "B13"), cell(&harness, "B1")), ("Fail".into(), "Red".into()));
    assert_eq!(cell(&harness, "H8"), key);
    harness.sandbox.clear_requests();
    harness.oar(ERRATA, CHECK).expect(1);
    assert_eq!((sheet_writes(&harness), cell(&harness, "H9")), (0, String::new()));
    tests("PASSED");
    harness.oar(ERRATA, CHECK).expect(0);
    assert_eq!((cell(&harness, "B13"), cell(&harness, "B1")), ("Pass".into(), "Green".into()));
    harness.sandbox.assert_no_unexpected();
}

#[test]
fn dropping_and_approving_are_entered_and_other_verdicts_stay() {
    let harness = harness();
    harness.oar(ERRATA, UPDATE).expect(0);
    let run = harness.oar(ERRATA, &["drop-bugs", "--yes", "--output", "json"]);
    let report = run.json();
    assert_eq!(report["status"], "Pass", "{run:?}");
    let dropped = report["data"]["dropped"].as_array().unwrap();
    assert!(!dropped.is_empty(), "{report:#}");
    for key in dropped {
        let row = (key.as_str().unwrap().to_owned(), "Dropped".to_owned());
        assert!(bugs(&harness).contains(&row), "{key}: {:?}", bugs(&harness));
    }
    assert_eq!(cell(&harness, "B18"), "Pass");

    make_ready(&harness, ERRATA);
    // The approval stands, whatever becomes of the worksheet.
    harness.sandbox.faults().add(Fault::on("sheets", FaultKind::Garbage).forever());
    let run = harness.oar(ERRATA, &["change-advisory-status", "--yes"]).expect(0);
    assert!(run.stderr.contains("the worksheet is not up to date"), "{run:?}");
    harness.sandbox.faults().clear();
    assert_eq!(cell(&harness, "B19"), "Not Started");

    let harness = self::harness();
    harness.oar(ERRATA, UPDATE).expect(0);
    make_ready(&harness, ERRATA);
    harness.oar(ERRATA, &["change-advisory-status", "--yes"]).expect(0);
    assert_eq!(cell(&harness, "B19"), "Pass");
    // The builds' tests are judged by those who read them.
    assert_eq!((cell(&harness, "B11"), cell(&harness, "B12")), ("Not Started".into(), "Not Started".into()));
    harness.sandbox.assert_no_unexpected();
}

#[test]
fn a_dry_run_shows_the_change_and_makes_none() {
    let harness = harness();
    let run = harness.oar(ERRATA, &["update-bug-list", "--dry-run"]).expect(0);
    assert!(run.stdout.contains("update the worksheet 4.14.60: "), "{run:?}");
    assert_eq!((bugs(&harness), sheet_writes(&harness)), (Vec::new(), 0));
    assert_eq!(harness.statebox(ERRATA), None);
}

#[test]
fn a_worksheet_that_is_not_shared_stops_nothing_else_and_says_what_to_do() {
    let harness = harness();
    share(&harness, false);
    let run = harness.oar(ERRATA, UPDATE).expect(3);
    assert!(run.all().contains("The caller does not have permission"), "{run:?}");
    assert!(run.stderr.contains("Share the spreadsheet, for editing, with the service account"), "{run:?}");
    assert!(harness.statebox(ERRATA).unwrap().contains("ON_QA: OCPBUGS-"), "the list is kept all the same");
    harness.sandbox.clear_requests();
    let again = harness.oar(ERRATA, UPDATE).expect(3);
    assert!(again.stderr.contains("Share the spreadsheet"), "{again:?}");

    share(&harness, true);
    harness.oar(ERRATA, UPDATE).expect(0);
    assert!(!bugs(&harness).is_empty());

    // A report beside one that we may not see would be a second report.
    share(&harness, false);
    let run = harness.oar(OLD_RELEASE, &["create-test-report"]).expect(3);
    assert!(run.stderr.contains("Share the spreadsheet"), "{run:?}");
    assert_eq!(harness.statebox(OLD_RELEASE), None);
}

#[test]
fn without_a_key_file_nobody_asks_google() {
    let harness = harness().env("GCP_SA_FILE", "");
    let run = harness.oar(ERRATA, UPDATE).expect(0);
    assert!(run.stderr.contains("no worksheet is looked for: GCP_SA_FILE is not set"), "{run:?}");
    harness.oar(OLD_RELEASE, &["create-test-report"]).expect(0);
    assert!(google(&harness).is_empty(), "{:#?}", google(&harness));
    assert!(harness.statebox(ERRATA).is_some() && harness.statebox(OLD_RELEASE).is_some());
}

#[test]
fn a_bad_key_file_is_named_and_not_shown() {
    let harness = harness();
    let path = harness.home().join("key.json");
    for (text, words) in [
        ("{\"type\": \"service_account\", \"private_key\": \"planted-key\"}", "it has no `client_email`"),
        ("planted-key", "it is not JSON (line 1, column 1)"),
    ] {
        std::fs::write(&path, text).unwrap();
        let run = harness.run_with(&[("GCP_SA_FILE", path.to_str().unwrap())], OLD_RELEASE);
        assert!(run.stderr.contains("key.json") && run.stderr.contains(words), "{run:?}");
        assert!(
            run.stderr.contains("GCP_SA_FILE names the key file") && !run.all().contains("planted"),
            "{run:?}"
        );
    }
}

/// Programs with other variables than the harness gives.
trait RunWith {
    fn run_with(&self, variables: &[(&str, &str)], release: &str) -> Run;
}

impl RunWith for Harness {
    fn run_with(&self, variables: &[(&str, &str)], release: &str) -> Run {
        let mut command = self.command("oar", ["-r", release, "create-test-report"]);
        command.envs(variables.iter().copied());
        end_to_end::finish(command).expect(3)
    }
}

#[test]
fn a_write_whose_answer_is_lost_is_looked_up() {
    for kind in [FaultKind::DropAfter, FaultKind::DropBefore, FaultKind::HangAfter] {
        let harness = harness();
        let fault = Fault::on("sheets", kind.clone()).method("POST");
        harness.sandbox.faults().add(fault);
        harness.oar(ERRATA, UPDATE).expect(0);
        let listed = bugs(&harness);
        assert!(!listed.is_empty(), "{kind:?}");
        let writes = if kind == FaultKind::DropBefore { 2 } else { 1 };
        assert_eq!(sheet_writes(&harness), writes, "{kind:?}: {:#?}", google(&harness));
        harness.oar(ERRATA, UPDATE).expect(0);
        assert_eq!((bugs(&harness), sheet_writes(&harness)), (listed, writes), "{kind:?}");
    }
}

#[test]
fn one_fault_at_any_request_to_google_is_survived_or_reported() {
    let undisturbed = harness();
    undisturbed.oar(ERRATA, UPDATE).expect(0);
    let expected = bugs(&undisturbed);
    let mut requests: Vec<(String, String, String)> = Vec::new();
    for request in undisturbed.sandbox.requests() {
        let line = (request.service, request.method, request.path);
        if ["sheets", "google-oauth"].contains(&line.0.as_str()) && !requests.contains(&line) {
            requests.push(line);
        }
    }
    assert_eq!(requests.len(), 4, "{requests:#?}");
    let status = |code| FaultKind::Status { code, body: None, headers: Vec::new() };
    let kinds = [
        status(500),
        status(400),
        FaultKind::RateLimited { retry_after: 0 },
        FaultKind::DropBefore,
        FaultKind::DropAfter,
        FaultKind::Garbage,
        FaultKind::Truncate,
        FaultKind::Hang,
    ];
    for (service, method, path) in &requests {
        for kind in &kinds {
            for forever in [false, true] {
                let harness = harness();
                let fault = Fault::on(service, kind.clone()).method(method).path(path);
                harness.sandbox.faults().add(if forever { fault.forever() } else { fault });
                let context = format!("{kind:?} at {service} {method} {path}, forever: {forever}");
                let run = harness.oar(ERRATA, UPDATE);
                let text = run.all();
                assert!(!text.contains("panicked") && !text.contains("internal error"), "{context}\n{text}");
                assert!([0, 1, 3, 4].contains(&run.code.unwrap_or(-1)), "{context}\n{run:?}");
                // A write that was made is found, though its answer never came.
                let found = method == "POST" && service == "sheets";
                let found = found && matches!(kind, FaultKind::DropAfter | FaultKind::Truncate);
                if forever {
                    assert_eq!(run.code == Some(0), found, "{context}\n{text}");
                }
                let state = harness.statebox(ERRATA).unwrap();
                assert!(state.contains("ON_QA: OCPBUGS-"), "the list is kept: {context}\n{state}");
                harness.sandbox.faults().clear();
                harness.oar(ERRATA, UPDATE).expect(0);
                assert_eq!(bugs(&harness), expected, "{context}\n{text}");
            }
        }
    }
}

#[test]
fn a_run_killed_at_any_request_to_google_is_finished_by_the_next() {
    let undisturbed = harness();
    undisturbed.oar(ERRATA, UPDATE).expect(0);
    let (expected, total) = (bugs(&undisturbed), google(&undisturbed).len() as u64);
    for after in 0..total {
        let harness = harness().env("OAR_HTTP_TIMEOUT", "30");
        // The first request is the sign-in; the others go to the spreadsheet.
        let fault = if after == 0 {
            Fault::on("google-oauth", FaultKind::HangAfter)
        } else {
            Fault::on("sheets", FaultKind::HangAfter).skip(after - 1)
        };
        harness.sandbox.faults().add(fault);
        let child = harness.command("oar", ["-r", ERRATA].iter().chain(UPDATE)).spawn().unwrap();
        let started = Instant::now();
        while !harness.sandbox.requests().iter().any(|request| request.fault.is_some() && request.acted) {
            assert!(started.elapsed() < Duration::from_secs(30), "request {after} never came");
            std::thread::sleep(Duration::from_millis(1));
        }
        kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), Signal::SIGKILL).unwrap();
        assert_eq!(wait(child).code, None);
        harness.sandbox.faults().clear();
        harness.oar(ERRATA, UPDATE).expect(0);
        assert_eq!(bugs(&harness), expected, "killed after request {after}");
        assert_eq!(cell(&harness, "B9"), "In Progress");
        harness.sandbox.assert_no_unexpected();
    }
}
