//! `oar-sandbox demo`: the first thing that a newcomer runs. Every step checks its own result.
#![expect(
    clippy::disallowed_methods,
    reason = "the environment says how a test runs, and where programs are"
)]

use std::process::{Command, Stdio};

use end_to_end::{Run, finish, release_tests, root};

fn demo(options: &[&str]) -> Run {
    let program = release_tests().with_file_name("oar-sandbox");
    assert!(program.exists(), "{} is missing: build the programs first", program.display());
    let mut command = Command::new(program);
    command.arg("demo").args(options).env_clear().current_dir(root());
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    finish(command)
}

#[test]
fn both_releases_are_shipped_the_nightly_is_accepted_and_everything_is_shown() {
    let run = demo(&[]).expect(0);
    for expected in [
        "* ART announced 4.19.1; the release controller has not accepted it yet.",
        "$ oarctl start-release-detector -r 4.19\n4.19: new release; announced 4.19.1",
        "$ oarctl start-release-detector -r 4.14\n4.14: new release; announced 4.14.60",
        "\n$ oarctl drive\n4.14.60: ",
        "  take-ownership: done\n",
        "* In Slack, #team-qe-release-demo:\n    4.19.1: waits for people\n",
        "    `oar -r 4.19.1 consent change-advisory-status`\n",
        "    `oar -r 4.14.60 consent drop-bugs`\n",
        "    `oar -r 4.14.60 image-consistency-check -i JOB_ID`\n",
        "* ART finished the files of advisory 150002 (rhcos) and moved it to QE.",
        "> oar -r 4.19.1 issue resolve \"Advisories in NEW_FILES: 150002.\" --resolution \"ART moved it to QE\"",
        "* ART promoted 4.14.60: the release controller has accepted it.",
        "    allowed by the standing consent of the configuration document: drive.stage-testing is auto",
        "* 2h 30m later: the tests on stage have ended.",
        "* Quinn Contact writes in #qe-demo: @oar oar -r 4.19.1 consent change-advisory-status\n    only members of",
        "[Approve] [Reject]",
        "* Sam Lead clicks Approve.\n    Approved by @Sam Lead; the result is in this thread.\n    oar consent: done",
        "    allowed by the consent of ",
        "  change-advisory-status: done",
        "* ART released the shipment to production, merged !612 and shipped the advisories 150001, 150002.",
        "4.19.1 (konflux): shipped",
        "4.14.60 (errata): shipped",
        "$ jobctl start-controller -r 4.20",
        "told the QA contact; asked the QA contact for information",
        "$ jobctl show 4.20.0-0.nightly-2026-07-02-091500",
        "* An AI agent asks the server where 4.19.1 stands: oar_get_release_status\n    take-ownership: Pass\n",
        "* An AI agent asks the server where 4.14.60 stands: oar_get_release_status\n    take-ownership: Pass\n",
        "Both releases are shipped, the nightly is accepted: ",
        "People were asked 2 questions about 4.19.1 and 3 about 4.14.60.",
        "Everything was done once: ",
        ", 2 Prow jobs of the releases, 2 tests on stage, 6 moves of advisories, 1 approval of the shipment, ",
    ] {
        assert!(run.stdout.contains(expected), "`{expected}` is missing in\n{}", run.all());
    }
    // What people decide is theirs alone; everything else is done by what cron runs.
    let answers = run.stdout.lines().filter(|line| line.starts_with("> oar "));
    assert_eq!(answers.count(), 4, "{}", run.stdout);
    let own = run.stdout.lines().filter(|line| line.starts_with("$ oar -r "));
    assert!(own.into_iter().all(|line| line.ends_with(" is-shipped")), "{}", run.stdout);
    assert!(!run.stdout.contains(": INFO: "), "the log is shown on demand only\n{}", run.stdout);
    assert_eq!(run.stderr, "");
}

#[test]
fn a_command_that_fails_stops_it_and_is_named_with_its_reason() {
    let run = demo(&["--tickets", "none"]).expect(1);
    let (before, said) = run.stdout.rsplit_once("\n$ ").unwrap_or_default();
    assert!(before.contains("$ oarctl start-release-detector -r 4.19"), "{}", run.stdout);
    assert!(said.starts_with("oarctl drive"), "it is the last one:\n{}", run.stdout);
    assert!(said.contains("credential missing"), "{}", run.stdout);
    let last = run.stderr.lines().last().unwrap_or_default();
    assert!(
        last.starts_with("oar-sandbox: the demonstration stopped: `oarctl drive`")
            && last.contains("exit status: 3, and exit code 0")
            && last.split_once("it says: ").is_some_and(|(_, why)| why.contains("credential missing")),
        "{last}"
    );
    assert!(!run.stdout.contains("=== Done"), "{}", run.stdout);
}
