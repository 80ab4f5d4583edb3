//! The StateBox under outages, damage, other programs and impatient people.
#![expect(clippy::unwrap_used, reason = "tests say what they expect by failing")]

use std::fs::File;
use std::io::{BufRead as _, BufReader};

use end_to_end::approval::{acts, ready};
use end_to_end::{ERRATA, Fault, FaultKind, Harness, KONFLUX, LEAD, wait};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

const TAKE: [&str; 3] = ["take-ownership", "-e", LEAD];

/// A release whose StateBox is a file of this machine, and the file's folder.
fn local() -> (Harness, std::path::PathBuf) {
    let harness = Harness::new();
    let folder = harness.home().join("states");
    std::fs::create_dir(&folder).unwrap();
    let harness = harness.env("OAR_STATE", &format!("local:{}", folder.display()));
    harness.oar(KONFLUX, &["create-test-report"]).expect(0);
    (harness, folder)
}

#[test]
fn an_outage_is_no_fail_of_the_task() {
    for arguments in [&TAKE[..], &["push-to-cdn-staging", "--yes"], &["update-bug-list"]] {
        let harness = Harness::announced(KONFLUX).env("OAR_HTTP_RETRY_DELAY", "1");
        let down = FaultKind::Status { code: 503, body: None, headers: Vec::new() };
        harness.sandbox.faults().add(Fault::on("errata", down).forever());
        let run = harness.oar(KONFLUX, arguments).expect(4);
        assert!(!run.all().contains("[Fail]") && run.stdout.contains("no verdict"), "{run:?}");
        let state = harness.statebox(KONFLUX).unwrap();
        let entry = format!("- name: {}\n  status: Not Started\n", arguments[0]);
        assert!(state.contains(&entry), "{state}");
        assert!(state.contains("    outcome: Unknown\n    class: infrastructure\n"), "{state}");
        let report = harness.oar(KONFLUX, &["status", "--output", "json"]).expect(0).json();
        let rows = report["tasks"].as_array().unwrap().iter().chain(report["others"].as_array().unwrap());
        let row = rows.into_iter().find(|row| row["name"] == arguments[0]).unwrap();
        assert!(row["waits"].as_str().unwrap().contains("had no result"), "{row:#}");
    }
}

#[test]
fn the_status_shows_what_nothing_waits_for_and_what_is_to_be_looked_at_again() {
    let harness = Harness::announced(KONFLUX);
    let report = harness.oar(KONFLUX, &["status", "--output", "json"]).expect(0).json();
    let names = |rows: &serde_json::Value| -> Vec<String> {
        rows.as_array().unwrap().iter().map(|row| row["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names(&report["others"]), ["update-bug-list", "drop-bugs"], "those of its flow");
    let next = |report: &serde_json::Value, task: &str| {
        report["next"].as_array().unwrap().iter().any(|name| name == task)
    };
    assert!(next(&report, "take-ownership") && !next(&report, "update-bug-list"), "{report:#}");
    harness.oar(KONFLUX, &TAKE).expect(0);
    harness.oar(KONFLUX, &["update-bug-list", "--no-notify"]).expect(0);
    let report = harness.oar(KONFLUX, &["status", "--output", "json"]).expect(0).json();
    let row = report["others"].as_array().unwrap().iter().find(|row| row["name"] == "update-bug-list");
    assert_eq!(row.unwrap()["status"], "In Progress", "{report:#}");
    assert!(next(&report, "update-bug-list"), "it is to be run again: {report:#}");
    harness.oar(ERRATA, &["create-test-report"]).expect(0);
    let report = harness.oar(ERRATA, &["status", "--output", "json"]).expect(0).json();
    assert!(names(&report["others"]).contains(&"check-greenwave-cvp-tests".to_owned()), "{report:#}");
}

#[test]
fn the_status_of_a_release_that_nobody_knows_does_not_ask_for_a_statebox() {
    let harness = Harness::new();
    let run = harness.oar("4.19.77", &["status"]).expect(6);
    assert!(run.stderr.contains("the build data of 4.19.77 is not ready"), "{run:?}");
    assert!(!run.all().contains("create-test-report"), "{run:?}");
}

#[test]
fn a_read_that_is_refused_is_no_verdict() {
    for code in [400, 409, 410, 422, 451] {
        let harness = Harness::announced(KONFLUX).env("OAR_HTTP_RETRY_DELAY", "1");
        let refused = FaultKind::Status { code, body: Some("{}".to_owned()), headers: Vec::new() };
        harness.sandbox.faults().add(Fault::on("github", refused.clone()).method("GET").forever());
        for arguments in [&["status"][..], &["history"], &TAKE] {
            harness.oar(KONFLUX, arguments).expect(4);
        }
        harness.run("oarctl", ["drive", "--release", KONFLUX]).expect(4);
        harness.sandbox.faults().clear();
        harness.sandbox.faults().add(Fault::on("errata", refused).method("GET").forever());
        harness.oar(KONFLUX, &["push-to-cdn-staging", "--yes"]).expect(4);
        let state = harness.statebox(KONFLUX).unwrap();
        assert!(state.contains("- name: push-to-cdn-staging\n  status: Not Started\n"), "{code}: {state}");
    }
}

#[test]
fn a_damaged_statebox_is_refused_by_every_command_and_stays_as_it_is() {
    let harness = Harness::announced(KONFLUX);
    let whole = harness.statebox(KONFLUX).unwrap();
    let cut = whole.split("issues:").next().unwrap().to_owned();
    let other = whole.replace("release: 4.19.1\n", "release: 4.19.2\n");
    for damaged in [cut, other] {
        harness.put_statebox(KONFLUX, &damaged);
        harness.sandbox.clear_requests();
        for arguments in [
            &["status"][..],
            &["history"],
            &["issue", "list"],
            &["issue", "add", "x"],
            &["task", "set", "stage-testing", "Pass", "--reason", "x"],
            &["create-test-report"],
            &TAKE,
        ] {
            let run = harness.oar(KONFLUX, arguments).expect(6);
            assert!(run.stderr.contains("next:"), "{run:?}");
        }
        harness.run("oarctl", ["drive", "--release", KONFLUX]).expect(6);
        assert_eq!(harness.statebox(KONFLUX).unwrap(), damaged);
        assert_eq!(acts(&harness), Vec::<String>::new());
    }
}

#[test]
fn a_statebox_that_is_no_text_is_refused_and_a_mistyped_folder_is_named() {
    let (harness, folder) = local();
    let file = folder.join("_releases/4.19/statebox/4.19.1.yaml");
    let bytes = [std::fs::read(&file).unwrap(), vec![b'#', 0xff, b'\n']].concat();
    std::fs::write(&file, &bytes).unwrap();
    for arguments in [&["status"][..], &["task", "set", "stage-testing", "Pass", "--reason", "x"]] {
        let run = harness.oar(KONFLUX, arguments).expect(6);
        assert!(run.stderr.contains("is not UTF-8 text"), "{run:?}");
    }
    assert_eq!(std::fs::read(&file).unwrap(), bytes);
    let absent = harness.home().join("staets");
    let harness = harness.env("OAR_STATE", &format!("local:{}", absent.display()));
    for arguments in [&["status"][..], &["create-test-report"]] {
        let run = harness.oar(KONFLUX, arguments).expect(3);
        assert!(run.stderr.contains(absent.to_str().unwrap()) && run.stderr.contains("mkdir -p"), "{run:?}");
    }
    assert!(!absent.exists());
}

#[test]
fn separators_of_lines_survive_the_file() {
    let harness = Harness::announced(KONFLUX);
    let text = "one\u{2028}two\u{85}three\u{2029}";
    harness.oar(KONFLUX, &["issue", "add", text]).expect(0);
    harness.oar(KONFLUX, &["task", "set", "stage-testing", "Pass", "--reason", "x"]).expect(0);
    let issues = harness.oar(KONFLUX, &["issue", "list", "--output", "json"]).expect(0).json();
    assert_eq!(issues["issues"][0]["issue"], text);
}

#[test]
fn what_another_program_wrote_over_is_shown_restored_and_told_once() {
    let harness = Harness::announced(KONFLUX);
    let before = harness.statebox(KONFLUX).unwrap();
    harness.oar(KONFLUX, &TAKE).expect(0);
    let ours = harness.statebox(KONFLUX).unwrap();
    // The Python reference writes the whole file as it read it before our run.
    harness.put_statebox(KONFLUX, &before);
    for command in ["status", "history"] {
        let run = harness.oar(KONFLUX, &[command]).expect(0);
        assert!(run.stderr.contains("another program had written over the run of take-ownership"), "{run:?}");
        assert!(run.stdout.contains("Pass") && run.stdout.contains("by tester"), "{run:?}");
    }
    harness.oar(KONFLUX, &["issue", "add", "anything"]).expect(0);
    let state = harness.statebox(KONFLUX).unwrap();
    let entry = |text: &str| {
        text.split("- name: take-ownership").nth(1).unwrap().split("\nissues:").next().unwrap().to_owned()
    };
    assert_eq!(entry(&state), entry(&ours));
    let run = harness.oar(KONFLUX, &["history"]).expect(0);
    assert!(!run.stderr.contains("another program"), "it is told once: {run:?}");
}

#[test]
fn another_machine_restores_the_log_that_another_program_wrote_over() {
    let harness = Harness::announced(KONFLUX);
    let before = harness.statebox(KONFLUX).unwrap();
    harness.oar(KONFLUX, &TAKE).expect(0);
    let ours = harness.statebox(KONFLUX).unwrap();
    let result = |text: &str| {
        let entry = text.split("- name: take-ownership").nth(1).unwrap();
        entry.split("\n  result: ").nth(1).unwrap().split("\n  history:").next().unwrap().to_owned()
    };
    assert!(result(&ours).contains("INFO"), "{ours}");
    // The reference's merge: the tasks as it read them, all other keys as they are.
    let (tasks, rest) = ours.split_once("\ntasks:").unwrap();
    let issues = rest.find("\nissues:").unwrap();
    let stale = before.split_once("\ntasks:").unwrap().1.split("\nissues:").next().unwrap();
    harness.put_statebox(KONFLUX, &format!("{tasks}\ntasks:{stale}{}", &rest[issues..]));
    let elsewhere = harness.home().join("elsewhere");
    let harness = harness.env("XDG_STATE_HOME", elsewhere.to_str().unwrap());
    let run = harness.oar(KONFLUX, &["issue", "add", "anything"]).expect(0);
    let after = harness.statebox(KONFLUX).unwrap();
    assert_eq!(result(&after), result(&ours), "{run:?}");
    let run = harness.oar(KONFLUX, &["history"]).expect(0);
    assert!(!run.stderr.contains("another program"), "nothing is left to be told: {run:?}");
    harness.sandbox.assert_no_unexpected();
}

#[test]
fn a_pass_by_another_program_is_not_credited_to_our_run() {
    let harness = Harness::announced(KONFLUX);
    harness.oar(KONFLUX, &["task", "set", "stage-testing", "Fail", "--reason", "it broke"]).expect(0);
    let ours = harness.statebox(KONFLUX).unwrap();
    harness.put_statebox(KONFLUX, &ours.replacen("status: Fail", "status: Pass", 1));
    let status = harness.oar(KONFLUX, &["status", "--output", "json"]).expect(0).json();
    let rows = status["tasks"].as_array().unwrap();
    let row = rows.iter().find(|row| row["name"] == "stage-testing").unwrap();
    assert_eq!(
        (&row["status"], &row["by"]),
        (&"Pass".into(), &"another program, or by hand".into()),
        "{row:#}"
    );
}

#[test]
fn the_python_toolings_checker_is_left_to_finish_while_it_lives() {
    let harness = ready(KONFLUX);
    let harness = {
        let home = harness.home();
        harness.env("TMPDIR", home.to_str().unwrap())
    };
    let lock = harness.home().join("oar_scheduler_4.19.lock");
    std::fs::write(&lock, std::process::id().to_string()).unwrap();
    let approve = ["change-advisory-status", "--yes", "--no-watch"];
    for arguments in [&approve[..], &["add-qe-approval", "--yes"]] {
        let run = harness.oar(KONFLUX, arguments).expect(5);
        let named = format!("process {}", std::process::id());
        assert!(run.stderr.contains(&named) && run.stderr.contains(lock.to_str().unwrap()), "{run:?}");
        assert_eq!(acts(&harness), Vec::<String>::new());
    }
    std::fs::write(&lock, "4194999").unwrap();
    harness.oar(KONFLUX, &approve).expect(0);
}

#[test]
fn no_marker_stands_before_consent_on_a_refusal_or_when_nothing_is_new() {
    let harness = Harness::announced(KONFLUX);
    let marker = "status is changed to";
    let run = harness.oar(KONFLUX, &["push-to-cdn-staging"]).expect(6);
    assert!(!run.stderr.contains(marker), "{run:?}");
    harness.oar(KONFLUX, &["issue", "add", "no", "--task", "take-ownership"]).expect(0);
    let run = harness.oar(KONFLUX, &TAKE).expect(6);
    assert!(!run.stderr.contains(marker), "{run:?}");
    harness.oar(KONFLUX, &["issue", "resolve", "no", "--resolution", "yes"]).expect(0);
    assert!(harness.oar(KONFLUX, &TAKE).expect(0).stderr.contains(marker));
    let run = harness.oar(KONFLUX, &TAKE).expect(0);
    assert!(!run.stderr.contains(marker), "{run:?}");
}

#[test]
fn the_history_is_in_the_order_of_time_and_in_columns() {
    let harness = Harness::announced(KONFLUX);
    for (task, status) in
        [("stage-testing", "Fail"), ("image-signed-check", "Pass"), ("stage-testing", "Pass")]
    {
        harness.oar(KONFLUX, &["task", "set", task, status, "--reason", "x"]).expect(0);
        std::thread::sleep(std::time::Duration::from_millis(1001));
    }
    let history = harness.oar(KONFLUX, &["history"]).expect(0).stdout;
    let lines: Vec<&str> = history.lines().filter(|line| line.starts_with("20")).collect();
    let tasks: Vec<&str> = lines.iter().map(|line| line.split_whitespace().nth(1).unwrap()).collect();
    assert_eq!(tasks, ["stage-testing", "image-signed-check", "stage-testing"], "{history}");
    let columns: Vec<_> = lines.iter().map(|line| line.find("  by ").unwrap()).collect();
    assert!(columns.windows(2).all(|pair| pair[0] == pair[1]), "{history}");
}

#[test]
fn without_user_the_history_takes_the_accounts_name() {
    let harness = Harness::announced(KONFLUX);
    let mut command =
        harness.command("oar", ["-r", KONFLUX, "task", "set", "stage-testing", "Pass", "--reason", "x"]);
    command.env_remove("OAR_USER").env_remove("USER").env_remove("LOGNAME");
    end_to_end::finish(command).expect(0);
    let account = nix::unistd::User::from_uid(nix::unistd::getuid()).unwrap().unwrap().name;
    let history = harness.oar(KONFLUX, &["history"]).expect(0).stdout;
    assert!(history.contains(&format!("by {account}")), "{history}");
}

#[test]
fn a_run_that_is_interrupted_at_a_locked_store_ends_and_its_end_is_recorded_later() {
    let (harness, folder) = local();
    let lock = File::options().create(true).truncate(false).write(true).open(folder.join(".lock")).unwrap();
    lock.lock().unwrap();
    let mut command = harness.command("oar", ["-r", KONFLUX].iter().chain(&TAKE));
    let mut child = command.spawn().unwrap();
    let stderr = BufReader::new(child.stderr.take().unwrap());
    let mut lines = stderr.lines().map(Result::unwrap);
    assert!(lines.any(|line| line.contains("waiting for its lock")), "it says that it waits");
    kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), Signal::SIGINT).unwrap();
    let rest: Vec<String> = lines.collect();
    assert_eq!(wait(child).code, Some(130), "{rest:#?}");
    lock.unlock().unwrap();
    let history = harness.oar(KONFLUX, &["history", "take-ownership"]).expect(0);
    assert!(history.stdout.contains("Interrupted"), "{history:?}");
    harness.oar(KONFLUX, &TAKE).expect(0);
    let history = harness.oar(KONFLUX, &["history", "take-ownership"]).expect(0);
    assert!(history.stdout.contains("Interrupted") && history.stdout.contains("Pass"), "{history:?}");
    assert!(!history.stderr.contains("was interrupted at"), "it is told once: {history:?}");
}
