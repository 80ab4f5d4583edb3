//! `jobctl verify` and `jobctl show`, as a user runs them.

#![expect(
    clippy::disallowed_methods,
    reason = "the environment says how a test runs, and where programs are"
)]
#![expect(
    clippy::unwrap_used,
    reason = "a test says what it expects by failing; clippy does not see helpers as tests"
)]

use std::process::Output;

use assert_cmd::Command;
use serde_json::Value;
use tempfile::TempDir;

const JOB: &str = "periodic-ci-demo-release-4.99-aws";
const OTHER: &str = "periodic-ci-demo-release-4.99-upgrade-gcp";
const RECORD: &str = "ocp-test-result-4.99.1-amd64.json";
const REGISTRY: &str = "ocp-4.99-test-jobs-amd64.json";
const LATEST: &str = "ocp-latest-4.99-stable-amd64.json";

/// A complete record as the programs write it; one letter per run, `S`uccess or `F`ailure.
fn record(jobs: &[(&str, &str)], accepted: bool) -> String {
    let run = |indent: &str, index: usize, state: char| {
        let state = if state == 'S' { "success" } else { "failure" };
        [
            "{".to_owned(),
            format!("  \"jobStartTime\": \"2026-01-02T0{index}:00:00Z\","),
            format!("  \"jobID\": \"run-{index}\","),
            format!("  \"jobURL\": \"https://deck.example.test/view/gs/demo/logs/job/{index}\","),
            format!("  \"jobState\": \"{state}\","),
            format!("  \"jobCompletionTime\": \"2026-01-02T0{index}:42:00Z\""),
            "}".to_owned(),
        ]
        .join(&format!("\n{indent}"))
    };
    let entries: Vec<String> = jobs
        .iter()
        .map(|(job, runs)| {
            let first = run("      ", 0, runs.chars().next().unwrap());
            let retried: Vec<String> =
                runs.chars().enumerate().skip(1).map(|(index, state)| run("        ", index, state)).collect();
            let retried = if retried.is_empty() {
                "[]".to_owned()
            } else {
                format!("[\n        {}\n      ]", retried.join(",\n        "))
            };
            format!(
                "    {{\n      \"jobName\": \"{job}\",\n      \"firstJob\": {first},\n      \"retriedJobs\": {retried}\n    }}"
            )
        })
        .collect();
    format!(
        "{{\n  \"result\": [\n{}\n  ],\n  \"build\": {},\n  \"aggregated\": true,\n  \"accepted\": {accepted}\n}}",
        entries.join(",\n"),
        build("  ")
    )
}

fn build(indent: &str) -> String {
    let image = "quay.io/openshift-release-dev/ocp-release:4.99.1-x86_64";
    [
        "{".to_owned(),
        "  \"name\": \"4.99.1\",".to_owned(),
        "  \"phase\": \"Accepted\",".to_owned(),
        format!("  \"pullSpec\": \"{image}\","),
        "  \"downloadURL\": \"https://artifacts.example.test/4.99.1\"".to_owned(),
        "}".to_owned(),
    ]
    .join(&format!("\n{indent}"))
}

fn registry(jobs: &[&str]) -> String {
    let jobs: Vec<String> =
        jobs.iter().map(|job| format!("    {{\n      \"prowJob\": \"{job}\"\n    }}")).collect();
    format!("{{\n  \"nightly\": [],\n  \"stable\": [\n{}\n  ]\n}}\n", jobs.join(",\n"))
}

fn place(files: &[(&str, String)]) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(directory.path().join(name), text).unwrap();
    }
    directory
}

fn run(directory: &TempDir, arguments: &[&str]) -> Output {
    let mut command = Command::cargo_bin("jobctl").unwrap();
    command.env_clear().current_dir(directory.path()).args(arguments).output().unwrap()
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn good_files_of_every_kind_end_with_0() {
    let directory = place(&[
        (RECORD, record(&[(JOB, "FSS"), (OTHER, "S")], true)),
        (REGISTRY, registry(&[JOB, OTHER])),
        (LATEST, format!("{}\n", build(""))),
        ("notes.txt", "not ours".to_owned()),
    ]);
    let output = run(&directory, &["verify", ".", "--registry", ".", "--strict"]);
    assert_eq!(
        out(&output),
        format!("{REGISTRY}: good\n{LATEST}: good\n{RECORD}: accepted, as its runs say\n3 files: 3 agree\n")
    );
    assert_eq!((output.status.code(), err(&output)), (Some(0), String::new()));
}

#[test]
fn the_registry_of_no_minor_version_is_ignored() {
    let other = "ocp-4.x-test-jobs-amd64.json";
    let directory = place(&[(REGISTRY, registry(&[JOB])), (other, "{}".to_owned())]);
    let output = run(&directory, &["verify", REGISTRY, other]);
    assert_eq!(
        (output.status.code(), out(&output)),
        (Some(0), format!("{REGISTRY}: good\n1 file: 1 agree\n"))
    );
    assert!(err(&output).contains("ocp-4.x-test-jobs-amd64.json is ignored"), "{}", err(&output));
}

#[test]
fn a_disagreement_is_explained_and_ends_with_1() {
    let directory = place(&[(RECORD, record(&[(JOB, "FSF"), (OTHER, "S")], true))]);
    let output = run(&directory, &["verify", RECORD]);
    assert_eq!(output.status.code(), Some(1));
    let said = format!(
        "{RECORD}: disagrees\n    it is recorded as accepted; its runs say rejected: {JOB}: first run failed, \
         1 of 2 retries succeeded, 2 needed"
    );
    assert!(out(&output).starts_with(&said), "{}", out(&output));
    let output = run(&directory, &["verify", RECORD, "--output", "json"]);
    let document = json(&output);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        (&document["files"][0]["agreement"], &document["files"][0]["recomputed"]),
        (&"disagrees".into(), &false.into())
    );
    assert_eq!(document["summary"]["disagree"], 1);
}

#[test]
fn missing_jobs_are_named_and_count_when_it_is_strict() {
    let directory = place(&[(RECORD, record(&[(JOB, "S")], true)), (REGISTRY, registry(&[JOB, OTHER]))]);
    let output = run(&directory, &["verify", RECORD, "--registry", "."]);
    assert_eq!(output.status.code(), Some(0));
    assert!(
        out(&output).contains(&format!("    accepted without the enabled required job {OTHER}\n")),
        "{}",
        out(&output)
    );
    assert!(out(&output).ends_with("1 file: 1 agree, 1 without a required job\n"), "{}", out(&output));
    assert_eq!(run(&directory, &["verify", RECORD, "--registry", ".", "--strict"]).status.code(), Some(1));
    let document = json(&run(&directory, &["verify", RECORD, "--registry", ".", "--output", "json"]));
    assert_eq!(document["files"][0]["lacks"][0]["job"], OTHER);
    assert_eq!(document["files"][0]["judged_by"], "registry");
}

#[test]
fn a_file_edited_by_hand_is_read_and_told() {
    let directory = place(&[(RECORD, record(&[(JOB, "S")], true) + "\n")]);
    let output = run(&directory, &["verify", RECORD]);
    assert_eq!(output.status.code(), Some(0));
    assert!(out(&output).contains("edited by hand: a newline at the end"), "{}", out(&output));
    assert_eq!(run(&directory, &["verify", RECORD, "--strict"]).status.code(), Some(1));
}

#[test]
fn what_cannot_be_understood_ends_with_1_and_a_wrong_call_with_2() {
    let directory = place(&[
        (RECORD, "{\"result\": [}".to_owned()),
        (REGISTRY, registry(&[JOB]).replace("}\n  ]", ", \"upgrade\": \"false\"}\n  ]")),
        ("other.json", "{}".to_owned()),
    ]);
    let output = run(&directory, &["verify", RECORD]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        out(&output).contains("cannot be understood\n    it is not JSON: line 1, column 13"),
        "{}",
        out(&output)
    );
    let output = run(&directory, &["verify", RECORD, "--registry", "."]);
    let refused =
        format!("{REGISTRY}: stable[0] ({JOB}).upgrade: true or false was expected, not the string `false`");
    assert!(err(&output).contains(&refused), "{}", err(&output));
    for (arguments, words) in [
        (&["verify"][..], "required arguments"),
        (&["verify", "other.json"], "the name neither of a record"),
        (&["verify", "nosuch.json"], "nosuch.json: No such file"),
        (&["verify", RECORD, "--registry", "nosuch"], "cannot read the directory nosuch"),
        (&["show", "other.json"], "`other.json` is not the name of a test result file"),
        (&["show", "ocp-test-result-4.99.2-amd64.json"], "cannot read"),
    ] {
        let output = run(&directory, arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(err(&output).contains(words), "{arguments:?}: {}", err(&output));
    }
    let output = run(&directory, &["show", RECORD]);
    assert_eq!(output.status.code(), Some(1));
    assert!(err(&output).contains("line 1, column 13"), "{}", err(&output));
}

#[test]
fn of_many_files_only_those_with_news_are_listed() {
    let good = |number: usize| record(&[(JOB, "S")], true).replace("4.99.1", &format!("4.99.{number}"));
    let names: Vec<String> =
        (1..=30).map(|number| format!("ocp-test-result-4.99.{number}-amd64.json")).collect();
    let files: Vec<(&str, String)> =
        names.iter().enumerate().map(|(index, name)| (name.as_str(), good(index + 1))).collect();
    let directory = place(&files);
    assert_eq!(out(&run(&directory, &["verify", "."])), "30 files: 30 agree\n");
    std::fs::write(
        directory.path().join(&names[6]),
        good(7).replace("\"accepted\": true", "\"accepted\": false"),
    )
    .unwrap();
    let output = run(&directory, &["verify", "."]);
    assert!(out(&output).starts_with(&format!("{}: disagrees\n", names[6])), "{}", out(&output));
    assert!(out(&output).ends_with("30 files: 29 agree, 1 disagree\n"), "{}", out(&output));
}

#[test]
fn a_build_is_shown_with_its_runs_and_the_reasons() {
    let directory = place(&[(RECORD, record(&[(JOB, "FSF")], false)), (REGISTRY, registry(&[JOB, OTHER]))]);
    let output = run(&directory, &["show", RECORD, "--registry", "."]);
    assert_eq!(output.status.code(), Some(0));
    let expected = format!(
        "4.99.1 · amd64 · not accepted
quay.io/openshift-release-dev/ocp-release:4.99.1-x86_64
{RECORD}, jobs started 2026-01-02T00:00:00Z

failed   {JOB}
         first run failed, 1 of 2 retries succeeded, 2 needed
         first    failure   2026-01-02T00:00:00Z  42 min
                  https://deck.example.test/view/gs/demo/logs/job/0
         retry 1  success   2026-01-02T01:00:00Z  42 min
         retry 2  failure   2026-01-02T02:00:00Z  42 min
                  https://deck.example.test/view/gs/demo/logs/job/2

missing  {OTHER}
         required, enabled, and not in the record

Not accepted:
  {JOB}: first run failed, 1 of 2 retries succeeded, 2 needed
  {OTHER}: required, and not in the record
Judged by the current registry; the record does not keep the one it was started with.
"
    );
    assert_eq!(out(&output), expected);
    let reopened = record(&[(JOB, "S")], true)
        .replace("\"aggregated\": true,\n  \"accepted\": true", "\"aggregated\": false");
    std::fs::write(directory.path().join("ocp-test-result-4.99.1-arm64.json"), reopened).unwrap();
    let output = run(&directory, &["show", "ocp-test-result-4.99.1-arm64.json"]);
    assert!(out(&output).starts_with("4.99.1 · arm64 · accepted, not recorded yet\n"), "{}", out(&output));
    let output = run(&directory, &["verify", "ocp-test-result-4.99.1-arm64.json", "--registry", "."]);
    assert!(
        err(&output).contains("there is no ocp-4.99-test-jobs-arm64.json: its records"),
        "{}",
        err(&output)
    );
    let document = json(&run(&directory, &["show", RECORD, "--output", "json"]));
    assert_eq!((&document["outcome"], &document["judged_by"]), (&"rejected".into(), &"entries_only".into()));
    assert_eq!(document["jobs"][0]["runs"][1]["seconds"], 42 * 60);
}

/// Real files are not part of the repository.
#[test]
#[ignore = "needs real files: OAR_SAMPLES=DIR cargo test -p jobctl --test records -- --ignored"]
fn real_files_are_written_as_they_are_and_say_what_their_runs_say() {
    let samples =
        std::env::var("OAR_SAMPLES").expect("OAR_SAMPLES names a directory with record/ and registry/");
    let path = |name: &str| format!("{samples}/{name}");
    let directory = tempfile::tempdir().unwrap();
    let (records, registries) = (path("record"), path("registry"));
    let output = run(&directory, &["verify", &records, &registries, "--output", "json"]);
    let document = json(&output);
    assert_eq!(output.status.code(), Some(0), "{document:#}");
    let summary = &document["summary"];
    assert!(summary["files"].as_u64() >= Some(13), "{summary:#}");
    for wrong in ["disagree", "unreadable", "not_exact", "exceptions"] {
        assert_eq!(summary[wrong], 0, "{document:#}");
    }
    assert_eq!(document["unusable"].as_array().map(Vec::len), Some(0), "{document:#}");
}
