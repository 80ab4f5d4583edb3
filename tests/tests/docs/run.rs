//! Runs a scene: all its commands in one shell, in a sandbox of their own.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use end_to_end::{Harness, finish, release_tests, root};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use super::output;
use super::page::{Kind, Scene, Step};

/// What came of a step.
#[derive(Debug)]
pub(super) struct Ended<'a> {
    pub(super) step: &'a Step,
    /// The exit code; `None` when it was never reached.
    pub(super) code: Option<i32>,
    /// What a page shows of what it printed.
    pub(super) printed: Vec<String>,
}

impl Ended<'_> {
    /// What is wrong with it; `None` when all is as the page says.
    pub(super) fn problem(&self) -> Option<String> {
        let Step { line, command, exit, output } = self.step;
        let printed = self.printed.join("\n");
        if self.code != Some(*exit) {
            let code = self.code.map_or_else(|| "never ran".to_owned(), |code| format!("ended with {code}"));
            return Some(format!("line {line}: `{command}` {code} instead of {exit}:\n{printed}"));
        }
        let shown = output.as_ref()?;
        let differs = !output::same(shown, &self.printed);
        differs
            .then(|| format!("line {line}: `{command}` printed\n{printed}\ninstead of\n{}", shown.join("\n")))
    }
}

/// Runs `scene` to its end.
pub(super) fn run(scene: &Scene) -> Vec<Ended<'_>> {
    let folder = TempDir::new().expect("a temporary folder");
    let outputs = folder.path().join("outputs");
    fs::create_dir(&outputs).expect("a folder of outputs");
    let harness = (scene.kind != Kind::None).then(Harness::new);
    let home = harness.as_ref().map_or_else(|| folder.path().join("home"), Harness::home);
    fs::create_dir_all(&home).expect("a home");
    let programs = programs(folder.path());
    let mut command = if let Some(harness) = &harness {
        harness.shell(&script(scene, &outputs))
    } else {
        let mut command = Command::new("bash");
        command.arg("-c").arg(script(scene, &outputs)).env_clear().current_dir(&home).env("HOME", &home);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    };
    if scene.kind == Kind::WithConfig {
        let config = root().join("config");
        std::os::unix::fs::symlink(config, home.join("config")).expect("a link to the configuration");
        command.env_remove("OAR_CONFIG").env_remove("OAR_JWK");
    }
    if let Some(harness) = &harness {
        // As `oar-sandbox start` leads a shell to it.
        let sandbox = harness.sandbox.base_url();
        command.env("OAR_SANDBOX", sandbox).env("OAR_ELLIOTT", elliott(&programs, sandbox));
    }
    let path = std::env::var("PATH").unwrap_or_default();
    command.env("PATH", format!("{}:{path}", programs.display()));
    let bash = finish(command);
    assert_eq!((bash.stdout.as_str(), bash.stderr.as_str()), ("", ""), "the shell itself says something");

    let home = home.display().to_string();
    let ended = |(index, step): (usize, _)| {
        let file = |kind: &str| fs::read(outputs.join(format!("{index}.{kind}"))).unwrap_or_default();
        let printed = String::from_utf8_lossy(&file("out")).into_owned();
        end_watchers(&printed);
        let code = String::from_utf8_lossy(&file("code")).trim().parse().ok();
        Ended { step, code, printed: output::shown(&printed, &home) }
    };
    scene.steps.iter().enumerate().map(ended).collect()
}

/// A folder with the programs under their names, as `make install` and a build put them on the search path.
fn programs(folder: &Path) -> std::path::PathBuf {
    let programs = folder.join("bin");
    fs::create_dir(&programs).expect("a folder of programs");
    for name in ["release-tests", "oar", "oarctl", "job", "jobctl"] {
        std::os::unix::fs::symlink(release_tests(), programs.join(name)).expect("a link to a program");
    }
    let sandbox = release_tests().with_file_name("oar-sandbox");
    std::os::unix::fs::symlink(sandbox, programs.join("oar-sandbox")).expect("a link to oar-sandbox");
    programs
}

/// The elliott of the sandbox, as a program.
fn elliott(programs: &Path, sandbox: &str) -> std::path::PathBuf {
    let program = programs.join("elliott");
    let text = format!(
        "#!/bin/sh\nexec '{}' elliott --sandbox '{sandbox}' -- \"$@\"\n",
        programs.join("oar-sandbox").display()
    );
    fs::write(&program, text).expect("a program");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("a program that can be run");
    program
}

/// One script of all steps, so that what a command does to the shell holds for the next. Each writes its output and its
/// exit code into files of its own.
fn script(scene: &Scene, outputs: &Path) -> String {
    let mut script = String::from("code=0\n");
    for (index, step) in scene.steps.iter().enumerate() {
        let file = outputs.join(index.to_string());
        let file = file.display();
        let _ = write!(
            script,
            "{{ (exit $code)\n{}\n}} > {file}.out 2>&1 < /dev/null\ncode=$?\necho $code > {file}.code\n",
            step.command
        );
    }
    if scene.kind == Kind::None {
        script.push_str("if [ -n \"${OAR_SANDBOX:-}\" ]; then oar-sandbox stop; fi > /dev/null 2>&1\n");
    }
    script.push_str("exit 0\n");
    script
}

/// Ends the watchers that a command said it started.
fn end_watchers(printed: &str) {
    for (_, rest) in printed.match_indices("(process ").map(|(at, mark)| printed.split_at(at + mark.len())) {
        let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
        let Ok(process) = digits.parse::<i32>() else { continue };
        let called = fs::read(format!("/proc/{process}/cmdline")).unwrap_or_default();
        if String::from_utf8_lossy(&called).contains("--carry-on") {
            // One that has just ended by itself is as good.
            let _ = kill(Pid::from_raw(process), Signal::SIGTERM);
        }
    }
}
