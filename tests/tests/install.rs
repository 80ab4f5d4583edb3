//! `make install` and `make uninstall` in a folder, and what a shell completes then.

#![expect(
    clippy::disallowed_methods,
    reason = "the environment says how a test runs, and where programs are"
)]
#![expect(clippy::unwrap_used, reason = "tests say what they expect by failing")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use end_to_end::{ERRATA, Harness, KONFLUX, Run, finish, release_tests, root};
use tempfile::TempDir;

/// `make` with the programs of this build, installed below `folder`.
fn make(folder: &Path, target: &str) -> Run {
    let mut command = Command::new("make");
    command.arg("--silent").arg("--no-print-directory").arg(target).current_dir(root());
    command.arg(format!("PROGRAM={}", release_tests().display()));
    command.arg(format!("DESTDIR={}", folder.display())).arg("PREFIX=/usr");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    finish(command).expect(0)
}

/// Every file and directory below `folder`.
fn everything(folder: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.is_symlink() {
            all.extend(everything(&path));
        }
        all.push(path);
    }
    all.sort();
    all
}

/// What bash offers for the last of `words`, with the installed script and program.
fn completions(folder: &Path, home: &Path, words: &[&str]) -> Vec<String> {
    let (program, last) = (words[0], words[words.len() - 1]);
    let script = folder.join("usr/share/bash-completion/completions").join(program);
    let line = format!(
        "source {}\nCOMP_WORDS=(\"$@\") COMP_CWORD={} COMP_TYPE=9\n\
         _clap_complete_{program} {program} '{last}' ''\nprintf '%s\\n' \"${{COMPREPLY[@]}}\"",
        script.display(),
        words.len() - 1
    );
    let mut command = Command::new("bash");
    command.args(["--norc", "-c", &line, "bash"]).args(words).env_clear().env("HOME", home);
    let path = std::env::var("PATH").unwrap_or_default();
    command.env("PATH", format!("{}:{path}", folder.join("usr/bin").display()));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let run = finish(command).expect(0);
    assert_eq!(run.stderr, "", "{words:?}");
    run.stdout.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

#[test]
fn what_was_installed_works_and_nothing_of_it_stays_behind() {
    let folder = TempDir::new().unwrap();
    make(folder.path(), "install");
    let at = |path: &str| folder.path().join("usr").join(path);
    for program in ["oar", "oarctl", "job", "jobctl"] {
        let mut command = Command::new(at("bin").join(program));
        command.arg("--version").env_clear().stdout(Stdio::piped()).stderr(Stdio::piped());
        let run = finish(command).expect(0);
        assert!(run.stdout.starts_with(&format!("{program} v")), "{run:?}");
        assert!(run.stdout.contains("(commit ") && run.stdout.contains("built 20"), "{run:?}");
        for script in [
            format!("bash-completion/completions/{program}"),
            format!("zsh/site-functions/_{program}"),
            format!("fish/vendor_completions.d/{program}.fish"),
        ] {
            let text = fs::read_to_string(at("share").join(script)).unwrap();
            assert!(text.contains("OAR_COMPLETE") && text.contains(program), "{text}");
        }
    }
    let page = fs::read_to_string(at("share/man/man1/oar-stage-testing.1")).unwrap();
    assert!(page.starts_with(".ie") && page.contains("oar\\-stage\\-testing"), "{page}");
    assert!(at("share/man/man1/oarctl-config-edit.1").exists());

    // A second installation changes nothing, and removes what the last one had and this one has not.
    let before = everything(folder.path());
    let (list, old) = (at("share/release-tests/installed"), at("share/man/man1/oar-abandoned.1"));
    fs::write(&old, "").unwrap();
    let listed = fs::read_to_string(&list).unwrap();
    fs::write(&list, format!("{listed}f share/man/man1/oar-abandoned.1\n")).unwrap();
    let run = make(folder.path(), "install");
    assert!(run.stdout.contains("kept "), "{run:?}");
    assert_eq!(everything(folder.path()), before);
    assert_eq!(fs::read_to_string(&list).unwrap(), listed);

    let run = make(folder.path(), "uninstall");
    assert!(run.stdout.contains("removed what was installed below"), "{run:?}");
    assert_eq!(everything(folder.path()), Vec::<PathBuf>::new());
    let run = make(folder.path(), "uninstall");
    assert!(run.stdout.contains("nothing is installed below"), "{run:?}");
}

#[test]
fn a_changed_configuration_and_what_others_installed_stay() {
    let folder = TempDir::new().unwrap();
    let others = folder.path().join("usr/share/man/man1/other.1");
    fs::create_dir_all(others.parent().unwrap()).unwrap();
    fs::write(&others, "").unwrap();
    make(folder.path(), "install");
    let config = folder.path().join("usr/share/release-tests/config/config_store.json");
    let mut text = fs::read_to_string(&config).unwrap();
    text.push('\n');
    fs::write(&config, &text).unwrap();
    make(folder.path(), "clean-install");
    assert_eq!(fs::read_to_string(&config).unwrap(), text, "the changed one is kept");
    let run = make(folder.path(), "uninstall");
    assert!(run.stdout.contains("kept ") && run.stdout.contains("config_store.json"), "{run:?}");
    let files: Vec<PathBuf> = everything(folder.path()).into_iter().filter(|path| path.is_file()).collect();
    assert_eq!(files, [others, config]);
}

#[test]
fn a_shell_completes_commands_tasks_statuses_y_streams_and_the_last_releases() {
    let (folder, harness) = (TempDir::new().unwrap(), Harness::new());
    make(folder.path(), "install");
    let home = harness.home();
    let offered = |words: &[&str]| completions(folder.path(), &home, words);
    assert_eq!(offered(&["oar", "stage"]), ["stage-testing"]);
    assert_eq!(offered(&["oar", "history", "image-c"]), ["image-consistency-check"]);
    let statuses = offered(&["oar", "task", "set", "stage-testing", ""]);
    for status in ["not-started", "in-progress", "pass", "fail"] {
        assert!(statuses.contains(&status.to_owned()), "{statuses:?}");
    }
    assert!(offered(&["jobctl", "start-controller", "-r", "4.2"]).contains(&"4.20".to_owned()));
    assert!(offered(&["job", "run_required", "--channel", ""]).contains(&"4.19".to_owned()));

    assert_eq!(offered(&["oar", "-r", ""]), Vec::<String>::new(), "nothing was worked on yet");
    for release in [ERRATA, KONFLUX] {
        harness.oar(release, &["metadata"]).expect(0);
    }
    harness.oar("4.19.99", &["metadata"]);
    let releases = offered(&["oar", "-r", ""]);
    assert_eq!(releases, [KONFLUX, ERRATA], "the last one first, and none that is not there");
    assert_eq!(offered(&["oarctl", "drive", "--release", "4.14"]), [ERRATA]);
    assert!(harness.home().join(".cache/release-tests/releases").exists());
}

#[test]
fn zsh_and_fish_get_what_a_command_does_as_well() {
    let harness = Harness::new();
    for shell in ["zsh", "fish"] {
        let mut command = harness.command("oar", ["--", "oar", "task", "set", "drop"]);
        command.env("OAR_COMPLETE", shell).env("_CLAP_COMPLETE_INDEX", "3").env("_CLAP_IFS", "\n");
        let run = finish(command).expect(0);
        assert_eq!((run.stdout.trim_end(), run.stderr.as_str()), ("drop-bugs", ""), "{shell}");
    }
    let mut command = harness.command("oar", ["--", "oar", "push"]);
    command.env("OAR_COMPLETE", "fish");
    let run = finish(command).expect(0);
    assert!(run.stdout.starts_with("push-to-cdn-staging\tPush"), "{run:?}");
    // The variable alone asks for nothing.
    for shell in ["nosuch", "bash"] {
        let mut command = harness.command("oar", ["--version"]);
        command.env("OAR_COMPLETE", shell);
        let run = finish(command).expect(0);
        assert!(run.stdout.starts_with("oar v"), "{run:?}");
    }
    assert!(harness.sandbox.requests().is_empty());
}
