//! The sandbox answers like the real services: clients that others wrote work against it, and are refused by it.
//!
//! Each service gets a sandbox of its own and one file of `tests/honesty/`, run by the Python of `.venv`.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "tests say what they expect by failing")]

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use sandbox::{Options, Sandbox, credentials, scenario};

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace is above this package").to_owned()
}

/// What the programs never use: credentials that are refused.
fn refused_credentials() -> Vec<(&'static str, String)> {
    let (reader, token) = scenario::jira::READER;
    vec![
        ("HONESTY_GITHUB_READER_TOKEN", credentials::GITHUB_TOKEN_READER.to_owned()),
        ("HONESTY_JIRA_READER", format!("{reader}:{token}")),
        ("HONESTY_GITLAB_READ_ONLY_TOKEN", scenario::gitlab::READ_ONLY_TOKEN.to_owned()),
        ("HONESTY_GITLAB_EXPIRED_TOKEN", scenario::gitlab::EXPIRED_TOKEN.to_owned()),
        ("HONESTY_GITLAB_OUTSIDER_TOKEN", scenario::gitlab::OUTSIDER_TOKEN.to_owned()),
        ("HONESTY_JENKINS_PASSWORD", scenario::jenkins::PASSWORD.to_owned()),
        ("HONESTY_GANGWAY_OTHER_TENANT", credentials::APITOKEN_OTHER_TENANT.to_owned()),
        ("HONESTY_KUBE_READER", credentials::KUBE_TOKEN_READER.to_owned()),
        ("HONESTY_SLACK_NARROW_TOKEN", credentials::SLACK_BOT_TOKEN_NARROW.to_owned()),
    ]
}

/// Runs one module of `tests/honesty/`, at least `least` tests, and answers the sandbox it ran against.
fn run(module: &str, least: usize) -> Sandbox {
    let repository = repository();
    let python = repository.join(".venv/bin/python");
    assert!(python.is_file(), "{} is missing: run `make deps`", python.display());
    let sandbox = Sandbox::start(&Options::default()).unwrap();
    let output = Command::new(&python)
        .args(["-B", "-m", "unittest", "-v", module])
        .current_dir(repository.join("tests/honesty"))
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("LC_ALL", "C.UTF-8")
        .env("SANDBOX_URL", sandbox.base_url())
        .envs(sandbox.environment())
        .envs(refused_credentials())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{module} failed:\n{said}{}", String::from_utf8_lossy(&output.stdout));
    let ran =
        said.lines().find_map(|line| line.strip_prefix("Ran ")?.split(' ').next()?.parse::<usize>().ok());
    assert!(
        ran.is_some_and(|ran| ran >= least),
        "{module} ran {ran:?} tests, expected {least} or more:\n{said}"
    );
    assert!(!said.contains("skipped"), "{module} skipped tests:\n{said}");
    sandbox
}

#[test]
fn errata_tool() {
    let sandbox = run("test_errata", 24);
    // The client refreshes bugs on a page of its own and does not look at the answer.
    let unexpected = sandbox.unexpected();
    let others = unexpected.iter().filter(|request| request.path != "/bugs/sync_bug_list").count();
    assert_eq!((unexpected.len(), others), (1, 0), "{unexpected:#?}");
}

#[test]
fn jira() {
    run("test_jira", 32).assert_no_unexpected();
}

#[test]
fn python_gitlab() {
    run("test_gitlab", 17).assert_no_unexpected();
}

#[test]
fn pygithub() {
    run("test_github", 14).assert_no_unexpected();
}

#[test]
fn slack_sdk() {
    run("test_slack", 30).assert_no_unexpected();
}

#[test]
fn slack_bolt() {
    run("test_slack_bolt", 5).assert_no_unexpected();
}

#[test]
fn gnupg_and_plain_requests() {
    run("test_signatures", 6).assert_no_unexpected();
}

#[test]
fn python_jenkins() {
    run("test_jenkins", 6).assert_no_unexpected();
}

#[test]
fn gangway_and_prow() {
    run("test_gangway", 5).assert_no_unexpected();
}

#[test]
fn gspread_and_google_auth() {
    run("test_sheets", 13).assert_no_unexpected();
}

#[test]
fn koji() {
    run("test_koji", 6).assert_no_unexpected();
}

#[test]
fn google_cloud_storage() {
    run("test_gcs", 6).assert_no_unexpected();
}

#[test]
fn kubernetes() {
    run("test_kubernetes", 4).assert_no_unexpected();
}
