//! `oar-sandbox demo`: the first thing that a newcomer runs.

use std::process::{Command, Stdio};

use end_to_end::{Run, finish, release_tests, root};

fn demo(options: &[&str]) -> Run {
    let program = release_tests().with_file_name("oar-sandbox");
    assert!(program.exists(), "{} is missing: build the programs first", program.display());
    let mut command = Command::new(program);
    command.arg("demo").args(options).env_clear().current_dir(root());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    finish(command)
}

#[test]
fn both_releases_get_their_owner_and_everything_is_shown() {
    let run = demo(&[]).expect(0);
    for expected in [
        "$ oar -r 4.19.1 create-test-report",
        "$ oar -r 4.14.60 take-ownership -e demo-lead@example.com",
        "take-ownership of 4.19.1: Pass",
        "take-ownership of 4.14.60: Pass",
        "1 of 9 tasks are done. Next:",
        "\nrelease: 4.19.1\n",
        "\nrelease: 4.14.60\n",
        "    by: demo\n",
        "@demo-leads-4-14 Release 4.14.60 has a new owner: @Robin Lead.",
        "Both releases are owned: 6 commands",
    ] {
        assert!(run.stdout.contains(expected), "`{expected}` is missing in\n{}", run.all());
    }
}

#[test]
fn a_command_that_fails_stops_it_and_is_named() {
    let run = demo(&["--tickets", "none"]).expect(1);
    assert!(run.stderr.contains("kinit"), "{}", run.stderr);
    let last = run.stderr.lines().last().unwrap_or_default();
    assert!(
        last.starts_with("oar-sandbox: the demonstration stopped: `oar -r 4.19.1 take-ownership")
            && last.contains("exit status: 3"),
        "{last}"
    );
    assert!(!run.stdout.contains("Done"), "{}", run.stdout);
}
