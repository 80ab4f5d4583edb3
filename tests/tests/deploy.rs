//! The deployment files of `config/deploy`: what they run exists, and the tools of their systems take them.
#![expect(clippy::unwrap_used, reason = "tests say what they expect by failing")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use end_to_end::{Harness, root};

fn folder(name: &str) -> PathBuf {
    root().join("config/deploy").join(name)
}

fn files(folder: &Path) -> Vec<(String, String)> {
    let mut files: Vec<(String, String)> = std::fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().path())
        .map(|path| {
            (path.file_name().unwrap().to_string_lossy().into_owned(), std::fs::read_to_string(path).unwrap())
        })
        .collect();
    files.sort();
    files
}

/// What a program of this machine says; `None` when the machine does not have it.
fn run(program: &str, arguments: &[&str]) -> Option<Output> {
    match Command::new(program).args(arguments).output() {
        Ok(output) => Some(output),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            println!("not checked: this machine has no {program}");
            None
        }
        Err(error) => panic!("{program}: {error}"),
    }
}

/// Asks the program itself whether it has the command and its options.
fn assert_is_command(words: &[&str]) {
    let (program, arguments) = words.split_first().unwrap();
    let run = Harness::new().run(program, arguments.iter().chain(&["--help"]));
    assert_eq!(run.code, Some(0), "{words:?}: {run:?}");
}

#[test]
fn what_the_units_and_manifests_run_are_commands() {
    for (name, text) in files(&folder("systemd")).into_iter().filter(|(name, _)| name.ends_with(".service")) {
        let line = text.lines().find_map(|line| line.strip_prefix("ExecStart=/usr/local/bin/")).unwrap();
        println!("{name}: {line}");
        assert_is_command(&line.split(' ').collect::<Vec<_>>());
    }
    for (name, text) in files(&folder("kubernetes")) {
        for document in text.split("\n---\n") {
            let value: serde_yaml::Value = serde_yaml::from_str(document).unwrap();
            let spec = &value["spec"];
            let pod = if spec["jobTemplate"].is_null() {
                &spec["template"]
            } else {
                &spec["jobTemplate"]["spec"]["template"]
            };
            for container in pod["spec"]["containers"].as_sequence().into_iter().flatten() {
                let words: Vec<&str> = container["args"]
                    .as_sequence()
                    .unwrap()
                    .iter()
                    .map(|word| word.as_str().unwrap())
                    .collect();
                println!("{name}: {words:?}");
                assert_is_command(&words);
            }
            if value["kind"].as_str() == Some("CronJob") {
                assert_eq!(spec["concurrencyPolicy"].as_str(), Some("Forbid"), "{name}");
                assert_eq!(spec["jobTemplate"]["spec"]["backoffLimit"].as_u64(), Some(0), "{name}");
                assert!(spec["startingDeadlineSeconds"].as_u64().unwrap() >= 10, "{name}");
                assert!(value["metadata"]["name"].as_str().unwrap().len() <= 52, "{name}");
            }
        }
    }
}

#[test]
fn every_secret_that_a_unit_loads_is_a_variable_of_ours() {
    let page = std::fs::read_to_string(root().join("docs/configuration.md")).unwrap();
    for (name, text) in files(&folder("systemd")) {
        for credential in text.lines().filter_map(|line| line.strip_prefix("LoadCredential=")) {
            assert!(page.contains(&format!("`{credential}`")), "{name}: {credential}");
        }
    }
}

#[test]
fn systemd_takes_the_units_and_calls_their_exposure_low() {
    let copies = tempfile::tempdir().unwrap();
    let mut paths = Vec::new();
    for (name, text) in files(&folder("systemd")) {
        let path = copies.path().join(&name);
        // The programs need not be installed here.
        std::fs::write(&path, text.replace("/usr/local/bin/oarctl", "/bin/true")).unwrap();
        paths.push(path.to_string_lossy().into_owned());
    }
    let verify: Vec<&str> = ["verify"].into_iter().chain(paths.iter().map(String::as_str)).collect();
    let Some(output) = run("systemd-analyze", &verify) else { return };
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && said.trim().is_empty(), "{said}");
    for path in paths.iter().filter(|path| path.ends_with(".service")) {
        // At most 1.5 of 10.
        let output = run("systemd-analyze", &["security", "--offline=true", "--threshold=15", path]).unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{path}: {}", said.lines().last().unwrap_or_default());
    }
}

#[test]
fn kustomize_puts_the_manifests_together() {
    let path = folder("kubernetes");
    let Some(output) = run("kubectl", &["kustomize", path.to_str().unwrap()]) else { return };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(text.matches("kind: CronJob").count(), 3);
}
