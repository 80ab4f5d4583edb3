//! The command line as scripts and people meet it: exit codes, spellings, errors with a next step.

use end_to_end::{ERRATA, Fault, FaultKind, Harness, KONFLUX, LEAD, Options, SECOND_LEAD};
use serde_json::json;

#[test]
fn usage_errors_exit_2_and_name_the_input_and_an_example() {
    let harness = Harness::new();
    for (arguments, expected) in [
        (&["status"][..], "oar -r 4.19.1 status"),
        (&["-r", "4.19", "status"], "4.19.1 or 4.22.0-rc.0"),
        (&["-r", "4.11.3", "status"], "4.12"),
        (&["-r", KONFLUX, "no-such-command"], "no-such-command"),
        (&["-r", KONFLUX, "take-ownership"], "--email"),
        (&["-r", KONFLUX, "take-ownership", "-e", "not an address"], "example.com"),
        (&["-r", KONFLUX, "task", "set", "stage-test", "Pass", "--reason", "x"], "stage-testing"),
        (&["-r", KONFLUX, "task", "set", "stage-testing", "Done", "--reason", "x"], "in-progress"),
        (&["-r", KONFLUX], "Usage"),
        (&[], "Usage"),
    ] {
        let run = harness.run("oar", arguments).expect(2);
        assert!(run.stderr.contains(expected), "{arguments:?}:\n{}", run.stderr);
        assert_eq!(run.stdout, "", "{arguments:?}");
    }
    assert!(harness.sandbox.requests().is_empty(), "a wrong call sends nothing");
}

#[test]
fn help_and_version_need_nothing() {
    for program in ["oar", "oarctl", "job", "jobctl"] {
        let harness = Harness::new();
        for arguments in [&["--help"][..], &["-h"], &["--version"], &["-V"]] {
            let mut command = harness.command(program, arguments);
            command.env_clear();
            let run = end_to_end::finish(command).expect(0);
            assert!(run.stdout.contains(program), "{run:?}");
        }
        let version = harness.run(program, ["-V"]).stdout;
        assert!(version.starts_with(&format!("{program} v")), "{version}");
        assert!(version.contains("(commit ") && version.contains(", built 20"), "{version}");
    }
}

#[test]
fn help_of_a_command_is_its_help_option_and_commands_stand_in_groups() {
    let harness = Harness::new();
    for (program, command) in [
        ("oar", &["stage-testing"][..]),
        ("oar", &["task", "set"]),
        ("oarctl", &["config", "edit"]),
        ("job", &["run_required"]),
        ("jobctl", &["start-controller"]),
    ] {
        let help = harness.run(program, [&["help"], command].concat()).expect(0).stdout;
        let option = harness.run(program, [command, &["--help"]].concat()).expect(0).stdout;
        assert_eq!(help, option, "{program} {command:?}");
        assert!(help.contains("\nGlobal options:\n"), "{help}");
    }
    harness.run("oar", ["help", "no-such-command"]).expect(2);
    let help = harness.run("oar", ["help"]).expect(0).stdout;
    let places: Vec<Option<usize>> = [
        "Usage:",
        "\nRelease tasks, in their order:\n",
        "\n  take-ownership ",
        "\n  change-advisory-status ",
        "\nState:\n",
        "\nInformation:\n",
        "\n  status ",
        "\nGlobal options:\n",
        "-r, --release",
        "Exit codes:",
    ]
    .map(|words| help.find(words))
    .to_vec();
    assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{places:?}\n{help}");
}

#[test]
fn the_environment_names_the_release_where_the_command_line_does_not() {
    let harness = Harness::new().env("OAR_RELEASE", ERRATA);
    let named = harness.run("oar", ["metadata", "--output", "json"]).expect(0).json();
    assert_eq!(named["release"], ERRATA);
    let other = harness.run("oar", ["-r", KONFLUX, "metadata", "--output", "json"]).expect(0).json();
    assert_eq!(other["release"], KONFLUX);
    let harness = harness.env("OAR_RELEASE", "4.19");
    let wrong = harness.run("oar", ["metadata"]).expect(3);
    assert!(wrong.stderr.contains("OAR_RELEASE") && wrong.stderr.contains("4.19.1"), "{wrong:?}");
    harness.run("oar", ["-r", KONFLUX, "metadata"]).expect(0);
    let checked = harness.run("oarctl", ["config", "check"]).expect(1);
    assert!(checked.all().contains("OAR_RELEASE"), "{checked:?}");
    let harness = harness.env("OAR_RELEASE", "").env("OAR_RELEAS", KONFLUX);
    let misspelt = harness.run("oar", ["-r", KONFLUX, "metadata"]).expect(3);
    assert!(misspelt.stderr.contains("OAR_RELEASE"), "{misspelt:?}");
    let harness = harness.env("OAR_RELEAS", "");
    let none = harness.run("oar", ["metadata"]).expect(2);
    assert!(none.stderr.contains("-r") && none.stderr.contains("OAR_RELEASE"), "{none:?}");
}

#[test]
fn the_stored_log_of_a_task_is_shown_with_its_run() {
    let harness = Harness::announced(KONFLUX);
    let nothing = harness.oar(KONFLUX, &["log", "take-ownership"]).expect(0);
    assert!(nothing.stdout.contains("no log is stored; the task is Not Started"), "{nothing:?}");
    harness.oar(KONFLUX, &["take-ownership", "-e", LEAD]).expect(0);
    let json = harness.oar(KONFLUX, &["log", "take-ownership", "--output", "json"]).expect(0).json();
    assert_eq!((&json["status"], &json["run"]["outcome"]), (&json!("Pass"), &json!("Pass")), "{json:#}");
    let (id, log) = (json["run"]["id"].as_str().unwrap(), json["log"].as_str().unwrap());
    assert!(log.contains(": INFO: "), "{log}");
    let text = harness.oar(KONFLUX, &["log", "take-ownership", "--run", id]).expect(0).stdout;
    let head = format!("take-ownership of 4.19.1: Pass, run {id} by tester, from 20");
    assert!(text.starts_with(&head) && text.trim_end().ends_with(log.trim_end()), "{text}");

    // Of a run that found out nothing the StateBox keeps why, and no log.
    harness.sandbox.faults().add(Fault::on("gitlab", FaultKind::DropBefore).forever());
    harness.oar(KONFLUX, &["take-ownership", "-e", SECOND_LEAD]).expect(4);
    let history = harness.oar(KONFLUX, &["history", "take-ownership", "--output", "json"]).expect(0).json();
    let last = history["runs"].as_array().unwrap().last().unwrap()["run"].clone();
    assert_eq!(last["outcome"], "Unknown", "{history:#}");
    let run = last["id"].as_str().unwrap();
    let text = harness.oar(KONFLUX, &["log", "take-ownership", "--run", run]).expect(0).stdout;
    assert!(text.contains("Unknown, run ") && text.contains("  reason: "), "{text}");
    assert!(text.contains("The log of this run is not kept"), "{text}");
    let again = harness.oar(KONFLUX, &["log", "take-ownership", "--output", "json"]).expect(0).json();
    assert_eq!(again["log"], json["log"]);
    let unknown = harness.oar(KONFLUX, &["log", "take-ownership", "--run", "0"]).expect(2);
    assert!(unknown.stderr.contains("no run `0`") && unknown.stderr.contains(run), "{unknown:?}");
}

#[test]
fn a_missing_credential_exits_3_and_is_named_with_its_purpose() {
    let harness = Harness::new();
    for (variable, arguments) in [
        ("GITHUB_TOKEN", &["status"][..]),
        ("OAR_JWK", &["metadata"]),
        ("GITLAB_TOKEN", &["take-ownership", "-e", LEAD]),
        ("JIRA_TOKEN", &["take-ownership", "-e", LEAD]),
    ] {
        let mut command = harness.command("oar", ["-r", KONFLUX].iter().chain(arguments));
        command.env_remove(variable);
        let run = end_to_end::finish(command).expect(3);
        assert!(run.stderr.contains(variable), "{run:?}");
    }
    // Only what a command needs is asked for.
    let mut command = harness.command("oar", ["-r", KONFLUX, "metadata"]);
    for variable in ["GITHUB_TOKEN", "JIRA_TOKEN", "GITLAB_TOKEN", "SLACK_BOT_TOKEN", "KRB5CCNAME"] {
        command.env_remove(variable);
    }
    end_to_end::finish(command).expect(0);
}

#[test]
fn the_address_of_a_proxy_that_cannot_be_used_exits_3_and_names_its_variable() {
    let harness = Harness::new();
    for (name, address) in [("HTTPS_PROXY", ":::"), ("http_proxy", "http://lead:planted@proxy:port")] {
        for (program, arguments) in [
            ("oar", &["-r", KONFLUX, "status"][..]),
            ("job", &["list"]),
            ("jobctl", &["start-controller", "-r", "4.20"]),
        ] {
            let mut command = harness.command(program, arguments);
            command.env(name, address);
            let run = end_to_end::finish(command).expect(3);
            assert!(run.stderr.contains(name) && !run.all().contains("planted"), "{run:?}");
        }
    }
    assert!(harness.sandbox.requests().is_empty(), "{}", harness.request_lines());
}

#[test]
fn no_ticket_exits_3_with_the_kinit_line_and_is_no_fail_of_the_task() {
    let harness = Harness::announced(KONFLUX);
    let mut command = harness.command("oar", ["-r", KONFLUX, "take-ownership", "-e", LEAD]);
    command.env("KRB5CCNAME", harness.home().join("none"));
    let run = end_to_end::finish(command).expect(3);
    assert!(run.stderr.contains("kinit"), "{run:?}");
    let state = harness.statebox(KONFLUX).unwrap();
    assert!(state.contains("- name: take-ownership\n  status: Not Started\n"), "{state}");
    assert!(state.contains("    outcome: Unknown\n    class: precondition\n"), "{state}");
    assert!(!run.stderr.contains("[Fail]"), "{run:?}");
}

#[test]
fn a_dead_service_exits_4_with_the_next_step() {
    let harness = Harness::new().env("OAR_ENDPOINT_GITHUB_API", "http://127.0.0.1:9/");
    let run = harness.oar(KONFLUX, &["status"]).expect(4);
    assert!(run.stderr.contains("GitHub") && run.stderr.contains("next:"), "{run:?}");
    let run = harness.oar(KONFLUX, &["status", "--output", "json"]).expect(4);
    assert_eq!(run.json()["exit_code"], 4);
}

#[test]
fn without_a_statebox_commands_exit_6_and_say_how_to_make_one() {
    let harness = Harness::new();
    for arguments in [
        &["status"][..],
        &["history"],
        &["issue", "list"],
        &["issue", "add", "x"],
        &["task", "set", "stage-testing", "Pass", "--reason", "x"],
    ] {
        let run = harness.oar(KONFLUX, arguments).expect(6);
        assert!(run.stderr.contains("oar -r 4.19.1 create-test-report"), "{run:?}");
    }
}

#[test]
fn a_pass_is_not_taken_back_without_force() {
    let harness = Harness::announced(KONFLUX);
    let set = |status: &str, more: &[&str]| {
        let mut arguments = vec!["task", "set", "stage-testing", status, "--reason", "by hand"];
        arguments.extend(more);
        harness.oar(KONFLUX, &arguments)
    };
    set("pass", &[]).expect(0);
    let run = set("Fail", &[]).expect(6);
    assert!(run.stderr.contains("--force"), "{run:?}");
    set("Fail", &["--force"]).expect(0);
    let runs = harness.oar(KONFLUX, &["history", "stage-testing", "--output", "json"]).expect(0).json();
    assert_eq!(runs["runs"].as_array().unwrap().len(), 2, "{runs:#}");
}

#[test]
fn issues_are_added_once_listed_and_resolved() {
    let harness = Harness::announced(KONFLUX);
    let add = ["issue", "add", "stage is down", "--task", "stage-testing"];
    harness.oar(KONFLUX, &add).expect(0);
    harness.sandbox.clear_requests();
    let again = harness.oar(KONFLUX, &add).expect(0);
    assert!(again.stdout.contains("already"), "{again:?}");
    assert!(harness.sandbox.writes().is_empty());
    let status = harness.oar(KONFLUX, &["status"]).expect(0);
    assert!(status.stdout.contains("blocked: stage is down"), "{}", status.stdout);
    harness.oar(KONFLUX, &["issue", "resolve", "STAGE is down", "--resolution", "it is up"]).expect(0);
    let all = harness.oar(KONFLUX, &["issue", "list", "--all", "--output", "json"]).expect(0).json();
    assert_eq!(all["issues"][0]["resolved"], true, "{all:#}");
    let open = harness.oar(KONFLUX, &["issue", "list"]).expect(0);
    assert!(open.stdout.contains("no issue"), "{open:?}");
}

#[test]
fn status_is_readable_at_80_columns() {
    let harness = Harness::announced(KONFLUX);
    harness.oar(KONFLUX, &["take-ownership", "-e", LEAD]).expect(0);
    let run = harness.oar(KONFLUX, &["status"]).expect(0);
    for line in run.stdout.lines().filter(|line| !line.starts_with("http")) {
        assert!(line.chars().count() <= 80, "{line}");
    }
    assert!(!run.stdout.contains('\u{1b}'), "no colour where there is no terminal");
    let report = harness.oar(KONFLUX, &["status", "--output", "json"]).expect(0).json();
    assert_eq!(report["tasks"].as_array().unwrap().len(), 9);
    assert_eq!(report["tasks"][0]["status"], "Pass");
}

#[test]
fn metadata_has_a_stable_json_shape() {
    let harness = Harness::with(Options::default());
    let konflux = harness.oar(KONFLUX, &["metadata", "--output", "json"]).expect(0).json();
    let keys: Vec<&String> = konflux.as_object().unwrap().keys().collect();
    let expected = [
        "release",
        "flow",
        "advisories",
        "jira_ticket",
        "candidate_builds",
        "release_date",
        "shipment_mr",
        "shipment_kinds",
        "pending",
        "not_ours",
        "owner",
    ];
    assert_eq!(keys, expected);
    assert_eq!(konflux["flow"], "konflux");
    assert_eq!(konflux["advisories"], json!({ "rpm": 150_001, "rhcos": 150_002, "microshift": 150_003 }));
    let errata = harness.oar("4.14.60", &["metadata", "--output", "json"]).expect(0).json();
    assert_eq!((&errata["flow"], &errata["shipment_mr"]), (&json!("errata"), &json!(null)));
    let run = harness.oar("4.19.99", &["metadata"]).expect(6);
    assert!(run.stderr.contains("4.19.99"), "{run:?}");
}

#[test]
fn logs_are_in_the_reference_format_or_json() {
    let harness = Harness::new();
    let run = harness.oar(KONFLUX, &["create-test-report"]).expect(0);
    let line = run.stderr.lines().next().unwrap();
    let (time, rest) = line.split_at(20);
    assert!(time.ends_with('Z') && time.as_bytes()[10] == b'T' && rest.starts_with(": INFO: "), "{line}");
    let harness = harness.env("OAR_LOG_FORMAT", "json");
    let run = harness.oar(KONFLUX, &["-v", "status"]).expect(0);
    let first: serde_json::Value = serde_json::from_str(run.stderr.lines().next().unwrap()).unwrap();
    assert_eq!(first["level"], "DEBUG", "{first}");
}

#[test]
fn what_only_reads_a_given_file_works_with_a_damaged_configuration() {
    let mut harness = Harness::new();
    for (name, value) in [
        ("OAR_JWK", "short"),
        ("OAR_CONFIG", "/absent/config.enc"),
        ("HTTPS_PROXY", "socks5h://127.0.0.1:1"),
        ("OAR_HTTP_TIMEOUT", "soon"),
    ] {
        harness = harness.env(name, value);
    }
    harness.oar(KONFLUX, &["status"]).expect(3);
    harness.run("oarctl", ["operations"]).expect(0);
    let file = |name: &str, text: &str| {
        let path = harness.home().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let statebox = file("4.19.1.yaml", "release: 4.19.1\n");
    let checked = harness.run("oarctl", ["statebox", "validate", &statebox]);
    assert!(checked.stdout.contains("1 file"), "{checked:?}");
    let record =
        file("ocp-test-result-4.19.1-amd64.json", r#"{"result": {}, "aggregated": true, "accepted": true}"#);
    let verified = harness.run("jobctl", ["verify", &record]);
    assert!(verified.stdout.contains("1 file"), "{verified:?}");
    let shown = harness.run("jobctl", ["show", &record]);
    assert!(!shown.all().contains("OAR_JWK"), "{shown:?}");
    let required = file("required", r#"{"4.19": ["periodic-demo"]}"#);
    let arguments =
        ["run_required", "--channel", "4.19", "--version", "4.19.1", "--dry-run", "--file", &required];
    let planned = harness.run("job", arguments).expect(0);
    assert!(planned.stdout.contains("Would start periodic-demo"), "{planned:?}");
    assert!(harness.sandbox.requests().is_empty(), "{}", harness.request_lines());
}
