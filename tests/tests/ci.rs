//! `.ci/deps`, `.ci/run` and `.ci/mutants` with programs that stand in for `dnf`, `make`, `date` and `cargo`.

#![expect(
    clippy::disallowed_methods,
    reason = "the environment says how a test runs, and where programs are"
)]
#![expect(clippy::unwrap_used, reason = "tests say what they expect by failing")]

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::process::{Command, Stdio};

use end_to_end::{Run, finish, root};
use tempfile::TempDir;

/// A search path with nothing but these scripts and a few real programs.
struct Programs(TempDir);

impl Programs {
    fn new(scripts: &[(&str, &str)]) -> Self {
        let folder = TempDir::new().unwrap();
        for (name, text) in scripts {
            let path = folder.path().join(name);
            fs::write(&path, format!("#!/bin/bash\n{text}\n")).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        for name in ["bash", "env", "dirname", "cat"] {
            let found = std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())
                .map(|directory| directory.join(name))
                .find(|path| path.exists());
            symlink(found.unwrap(), folder.path().join(name)).unwrap();
        }
        Self(folder)
    }

    fn run(&self, program: &str, arguments: &[&str]) -> Run {
        let mut command = Command::new(root().join(program));
        command.args(arguments).env_clear().env("PATH", self.0.path()).env("LOG", self.0.path().join("log"));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        finish(command)
    }

    fn log(&self) -> String {
        fs::read_to_string(self.0.path().join("log")).unwrap_or_default()
    }
}

/// A Fedora machine on which only gcc is installed; its dnf ends with `code`.
fn fedora(code: i32) -> Programs {
    Programs::new(&[
        ("cargo", ""),
        ("id", "echo 0"),
        ("rpm", "[ \"${!#}\" = gcc ]"),
        ("dnf", &format!("echo \"$*\" >>\"$LOG\"; exit {code}")),
    ])
}

#[test]
fn on_fedora_the_demo_installs_what_the_build_needs_and_no_server() {
    let programs = fedora(0);
    let run = programs.run(".ci/deps", &["build"]).expect(0);
    let asked = programs.log();
    let packages = asked.trim_end().rsplit_once("install ").unwrap().1;
    assert_eq!(packages, "make pkgconf-pkg-config ca-certificates krb5-devel clang-devel openssl-devel");
    assert!(!run.stdout.contains(".venv"), "{run:?}");
}

#[test]
fn on_fedora_the_tests_get_their_servers_too_and_a_failure_ends_it() {
    let programs = fedora(7);
    let run = programs.run(".ci/deps", &[]).expect(7);
    for package in ["krb5-devel", "krb5-server", "mod_auth_gssapi", "openldap-servers", "/usr/bin/script"] {
        assert!(programs.log().contains(package), "{package}: {run:?}");
    }
    assert!(!run.stdout.contains("installed"), "{run:?}");
}

#[test]
fn elsewhere_it_says_what_is_needed_and_a_wrong_purpose_is_refused() {
    let programs = Programs::new(&[("cargo", "")]);
    let run = programs.run(".ci/deps", &["build"]).expect(0);
    assert!(run.stdout.contains("neither apt nor dnf") && run.stdout.contains("libkrb5-dev"), "{run:?}");
    assert!(!run.stdout.contains("slapd"), "{run:?}");
    let run = programs.run(".ci/deps", &["demo"]).expect(1);
    assert!(run.stderr.contains("expected `build` or `test`"), "{run:?}");
}

/// The packages that `.ci/deps` installs with this package manager.
fn packages(manager: &str) -> BTreeSet<String> {
    let script = fs::read_to_string(root().join(".ci/deps")).unwrap();
    let branch = script.split(&format!("    {manager})\n")).nth(1).unwrap();
    let branch = branch.split("        ;;").next().unwrap();
    let lists = branch.lines().filter_map(|line| line.trim().strip_prefix("packages"));
    let names =
        lists.flat_map(|list| list.trim_start_matches(['+', '=', '(']).trim_end_matches(')').split(' '));
    names.map(str::to_owned).collect()
}

#[test]
fn the_page_names_every_package_that_is_installed() {
    let page = fs::read_to_string(root().join("docs/quality.md")).unwrap();
    let table = page.split("| Debian (`apt`) |").nth(1).unwrap().split("\n\n").next().unwrap();
    for (column, manager) in [(1, "apt"), (2, "dnf")] {
        let cells = table.lines().skip(2).filter_map(|row| row.split('|').nth(column));
        let named: BTreeSet<String> =
            cells.flat_map(|cell| cell.split('`').skip(1).step_by(2)).map(str::to_owned).collect();
        assert_eq!(named, packages(manager), "{manager}");
        assert!(named.len() > 15, "{named:?}");
    }
}

/// A machine on which every part takes ten minutes.
const TEN_MINUTES: &str = "times=0; [ ! -e \"$LOG.time\" ] || times=$(<\"$LOG.time\"); \
                           echo $((times + 1)) >\"$LOG.time\"; echo $((times * 600))";

#[test]
fn ci_says_how_long_each_part_took_and_which_one_took_longer_than_it_has() {
    let programs = Programs::new(&[("make", "echo \"$2\" >>\"$LOG\""), ("date", TEN_MINUTES)]);
    let run = programs.run(".ci/run", &[]).expect(0);
    let parts = ["deps", "fmt-check", "lint", "docs", "policy", "build-tests", "run-tests"];
    assert_eq!(programs.log().lines().collect::<Vec<_>>(), parts);
    for part in parts {
        let row = run.stdout.lines().find(|line| line.starts_with(&format!("ci: {part} ")));
        assert!(row.is_some_and(|row| row.contains(" 10:00 ") && row.ends_with(" min")), "{part}: {run:?}");
    }
    assert!(run.stdout.contains("ci: warning: fmt-check took longer than its 1 minutes"), "{run:?}");
    assert!(!run.stdout.contains("warning: run-tests"), "{run:?}");
    let minutes = |line: &str| line.strip_suffix(" min")?.rsplit(' ').next()?.parse::<u32>().ok();
    let all: u32 = run.stdout.lines().filter(|line| line.starts_with("ci: ")).filter_map(minutes).sum();
    assert!((1..50).contains(&all), "all parts together have {all} minutes");
}

#[test]
fn a_part_that_fails_ends_ci_with_its_exit_code_and_the_times_so_far() {
    let programs = Programs::new(&[
        ("make", "echo \"$2\" >>\"$LOG\"; [ \"$2\" != docs ] || exit 2"),
        ("date", TEN_MINUTES),
    ]);
    let run = programs.run(".ci/run", &[]).expect(2);
    assert!(run.stdout.contains("ci: docs ") && run.stderr.contains("ci: docs failed"), "{run:?}");
    assert!(!programs.log().contains("policy"), "{run:?}");
}

/// `.ci/mutants` after a `cargo mutants` that ends with `code` and says `outcomes`.
fn mutants(code: i32, outcomes: &str, arguments: &[&str]) -> (Run, String) {
    let said = format!(
        "echo \"$*\" >>\"$LOG\"; mkdir -p \"$CARGO_TARGET_DIR/mutants/mutants.out\"; \
         echo '{outcomes}' >\"$CARGO_TARGET_DIR/mutants/mutants.out/outcomes.json\"; exit {code}"
    );
    let programs = Programs::new(&[("cargo", &said)]);
    for name in ["rm", "mkdir", "grep", "head"] {
        let found = std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())
            .map(|directory| directory.join(name))
            .find(|path| path.exists());
        symlink(found.unwrap(), programs.0.path().join(name)).unwrap();
    }
    let mut command = Command::new(root().join(".ci/mutants"));
    let target = programs.0.path().join("target");
    command.args(arguments).env_clear().env("PATH", programs.0.path()).env("CARGO_TARGET_DIR", target);
    command.env("LOG", programs.0.path().join("log"));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    (finish(command), programs.log())
}

#[test]
fn of_a_hundred_changes_of_the_engine_ninety_five_must_be_noticed() {
    let outcomes = |caught: u32, missed: u32, timeout: u32| {
        format!(
            "{{\"outcomes\": [], \"total_mutants\": 300, \"missed\": {missed}, \"caught\": {caught}, \
             \"timeout\": {timeout}, \"unviable\": 9, \"success\": 0}}"
        )
    };
    for (caught, missed, timeout, code, expected) in [
        (100, 0, 0, 0, 0),
        (95, 5, 0, 2, 0),
        (94, 5, 1, 2, 0),
        (94, 6, 0, 2, 1),
        (0, 0, 0, 0, 1),
        // The tests fail without any change, or the tool does not work.
        (100, 0, 0, 4, 4),
        (100, 0, 0, 1, 1),
    ] {
        let (run, _) = mutants(code, &outcomes(caught, missed, timeout), &[]);
        assert_eq!(run.code, Some(expected), "{caught} {missed} {timeout} {code}: {run:?}");
    }
    let (_, asked) = mutants(0, &outcomes(1, 0, 0), &["--shard", "0/8"]);
    assert!(
        asked.contains("--file crates/oar-core/src/drive/**/*.rs") && asked.contains("--shard 0/8"),
        "{asked}"
    );
    let (_, asked) = mutants(0, &outcomes(1, 0, 0), &["--file", "crates/oar-core/src/drive/case.rs"]);
    assert!(!asked.contains("drive/**"), "{asked}");
}
