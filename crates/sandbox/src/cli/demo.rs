//! `oar-sandbox demo`: both releases from announced to shipped, with the real programs.

use std::{
    env,
    io::{self, Write},
    path::{Path, PathBuf},
    process::{Command, ExitCode},
    time::{Duration, Instant},
};

use jiff::SignedDuration;
use tempfile::TempDir;

use super::{Demo, Failure, running::Running, unexpected_lines};
use crate::scenario::{
    ERRATA_RELEASE, KONFLUX_RELEASE, PEOPLE,
    parties::{CONSISTENCY_JOB_ID, Deed},
};

/// Who the history says ran the commands.
const USER: &str = "demo";

/// One step of the demonstration.
enum Step {
    /// A paragraph for the reader.
    Say(&'static str),
    /// A command of `oar`, its exit code, and words that it prints.
    Oar(Vec<&'static str>, i32, &'static str),
    /// `oarctl tick`, once the wait is due, and words that it prints.
    Tick(&'static str),
    /// Another party does something.
    Do(Deed),
    /// Time passes.
    Pass(SignedDuration, &'static str),
}

fn oar(line: &'static str, words: &'static str) -> Step {
    refused(line, 0, words)
}

fn refused(line: &'static str, code: i32, words: &'static str) -> Step {
    Step::Oar(line.split(' ').collect(), code, words)
}

/// A task that is done by hand.
fn by_hand(task: &'static str, reason: &'static str) -> Step {
    Step::Oar(vec!["task", "set", task, "Pass", "--reason", reason], 0, "Not Started -> Pass")
}

fn minutes(count: i64, why: &'static str) -> Step {
    Step::Pass(SignedDuration::from_mins(count), why)
}

fn konflux() -> Vec<Step> {
    vec![
        Step::Say("ART has announced the release. Robin takes it."),
        oar("create-test-report", "create-test-report of 4.19.1: Pass"),
        oar("take-ownership -e demo-lead@example.com", "take-ownership of 4.19.1: Pass"),
        Step::Say("What is in it, and is it complete?"),
        oar("update-bug-list", "In Progress"),
        oar("check-cve-tracker-bug", "check-cve-tracker-bug of 4.19.1: Pass"),
        oar("image-signed-check", "image-signed-check of 4.19.1: Pass"),
        oar("image-consistency-check", "In Progress"),
        minutes(30, "the Prow job has ended"),
        oar("image-consistency-check", "image-consistency-check of 4.19.1: Pass"),
        Step::Say("To staging. One advisory is not ready, so nothing is pushed."),
        refused("push-to-cdn-staging --yes", 6, ""),
        Step::Do(Deed::ArtMovesAdvisories),
        Step::Oar(
            vec![
                "issue",
                "resolve",
                "Advisories in NEW_FILES: 150002.",
                "--resolution",
                "ART moved it to QE",
            ],
            0,
            "issue resolved",
        ),
        oar("push-to-cdn-staging --yes", "In Progress"),
        minutes(60, "the pushes have ended"),
        oar("push-to-cdn-staging --yes", "push-to-cdn-staging of 4.19.1: Pass"),
        oar("stage-testing", "In Progress"),
        minutes(150, "the stage pipeline has ended"),
        oar("stage-testing", "stage-testing of 4.19.1: Pass"),
        by_hand("analyze-candidate-build", "all failures are known"),
        by_hand("analyze-promoted-build", "no failures"),
        Step::Do(Deed::ContactsVerifyCves),
        oar("drop-bugs --yes", "drop-bugs of 4.19.1: Pass"),
        oar("update-bug-list", "update-bug-list of 4.19.1: Pass"),
        Step::Say("The approval. It waits until the release's metadata URL is up; a timer looks for it."),
        oar("change-advisory-status --yes --no-watch", "In Progress"),
        oar("status", "waits for"),
        minutes(6 * 60, "the portal has published the advisory"),
        Step::Tick("4.19.1: done"),
        refused("is-shipped", 1, "not shipped"),
        Step::Do(Deed::ArtShips),
        oar("is-shipped", "4.19.1 (konflux): shipped"),
        oar("status", "9 of 9 tasks are done"),
    ]
}

fn errata() -> Vec<Step> {
    vec![
        oar("create-test-report", "create-test-report of 4.14.60: Pass"),
        oar("take-ownership -e demo-lead@example.com", "take-ownership of 4.14.60: Pass"),
        oar("update-bug-list", "In Progress"),
        oar("check-greenwave-cvp-tests", "check-greenwave-cvp-tests of 4.14.60: Pass"),
        oar("check-cve-tracker-bug", "check-cve-tracker-bug of 4.14.60: Pass"),
        oar("image-signed-check", "image-signed-check of 4.14.60: Pass"),
        Step::Do(Deed::ArtRunsConsistencyJob),
        oar("push-to-cdn-staging --yes", "In Progress"),
        minutes(60, "the job and the first pushes have ended"),
        Step::Oar(vec!["image-consistency-check", "-i", CONSISTENCY_JOB_ID], 0, "Pass"),
        Step::Say("The metadata advisory follows those that it lists."),
        oar("push-to-cdn-staging --yes", "In Progress"),
        minutes(60, "the last push has ended"),
        oar("push-to-cdn-staging --yes", "push-to-cdn-staging of 4.14.60: Pass"),
        oar("stage-testing", "In Progress"),
        minutes(150, "the stage pipeline has ended"),
        oar("stage-testing", "stage-testing of 4.14.60: Pass"),
        by_hand("analyze-candidate-build", "all failures are known"),
        by_hand("analyze-promoted-build", "no failures"),
        Step::Do(Deed::ContactsVerifyCves),
        oar("drop-bugs --yes", "drop-bugs of 4.14.60: Pass"),
        Step::Say("Two bugs are hidden from Robin's account, so nobody knows whether they are done."),
        refused("change-advisory-status --yes", 6, ""),
        Step::Say("Product security looked at them. Robin answers for both."),
        oar(
            "change-advisory-status --yes --accept-bug OCPBUGS-61050 --accept-bug OCPBUGS-61051",
            "change-advisory-status of 4.14.60: Pass",
        ),
        Step::Do(Deed::ArtShips),
        oar("is-shipped", "4.14.60 (errata): shipped"),
        oar("status", "9 of 9 tasks are done"),
    ]
}

/// Runs the demonstration.
pub(super) fn demo(arguments: &Demo) -> Result<ExitCode, Failure> {
    let started = Instant::now();
    let running = arguments.common.start()?;
    let stage = Stage {
        oar: Program::find("oar")?,
        oarctl: Program::find("oarctl")?,
        running: &running,
        home: tempfile::Builder::new().prefix("oar-demo-").tempdir()?,
        log: arguments.log,
    };
    let sandbox = &running.sandbox;
    let [lead, ..] = PEOPLE;
    print(&format!(
        "GitHub, Errata Tool, Jira, GitLab, Jenkins, Prow, Slack and the others are simulated on {}.\n\
         Nothing leaves this machine. Two made-up releases are taken from announced to shipped by {}.\n\
         `$` is a command, `*` is what others do and time that passes in the sandbox.\n",
        sandbox.base_url(),
        lead.name,
    ))?;
    let mut commands = 0;
    for (release, flow, steps) in
        [(KONFLUX_RELEASE, "Konflux", konflux()), (ERRATA_RELEASE, "Errata", errata())]
    {
        heading(&format!("Release {release}, {flow} flow"))?;
        for step in &steps {
            commands += u32::from(matches!(step, Step::Oar(..) | Step::Tick(_)));
            stage.play(release, step)?;
        }
    }
    heading("What the teams read in Slack")?;
    print("\n")?;
    {
        let slack = sandbox.world().slack.lock();
        for message in &slack.messages {
            let text = slack.readable(&message.text);
            let first = text.lines().next().unwrap_or_default();
            let more = match text.lines().count() {
                0 | 1 => String::new(),
                2 => " (and a line more)".to_owned(),
                count => format!(" (and {} lines more)", count - 1),
            };
            print(&format!("{:<23} {first}{more}\n", format!("#{}", message.channel_name)))?;
        }
    }
    if let Some(lines) = unexpected_lines(sandbox) {
        return Err(Failure::Unexpected(lines));
    }
    heading("Done")?;
    print(&format!(
        "\nBoth releases are shipped: {commands} commands, {} requests, {:.1} s.\n\
         `oar-sandbox demo --log` shows the log of each command as well. To do it yourself, see\n\
         \"Run a whole release in the sandbox\" in README.md; it begins with\n\n  \
         {} serve --port 8765 > /tmp/sandbox.sh &\n",
        sandbox.requests().len(),
        started.elapsed().as_secs_f64(),
        shown(&env::current_exe()?),
    ))?;
    Ok(ExitCode::SUCCESS)
}

fn heading(text: &str) -> io::Result<()> {
    print(&format!("\n=== {text} ===\n"))
}

/// A path as short as a user in the current directory can type it.
fn shown(path: &Path) -> String {
    let current = env::current_dir().unwrap_or_default();
    path.strip_prefix(current).unwrap_or(path).display().to_string()
}

fn print(text: &str) -> io::Result<()> {
    let mut out = anstream::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// Where the demonstration is played.
struct Stage<'a> {
    oar: Program,
    oarctl: Program,
    running: &'a Running,
    home: TempDir,
    log: bool,
}

impl Stage<'_> {
    fn play(&self, release: &str, step: &Step) -> Result<(), Failure> {
        match step {
            Step::Say(text) => Ok(print(&format!("\n{text}\n"))?),
            Step::Oar(arguments, code, words) => {
                let mut line = vec!["-r", release];
                line.extend(arguments);
                self.run(&self.oar, "oar", &line, *code, words)
            }
            Step::Tick(words) => {
                // A wait is looked at when it is due, by the programs' own clock: a second later, here.
                std::thread::sleep(Duration::from_millis(1100));
                self.run(&self.oarctl, "oarctl", &["tick"], 0, words)
            }
            Step::Do(deed) => {
                let world = self.running.sandbox.world();
                let done =
                    deed.carry_out(world, release).map_err(|why| Failure::Deed { deed: deed.name(), why })?;
                Ok(print(&format!("\n* {done}\n"))?)
            }
            Step::Pass(by, why) => {
                self.running.sandbox.clock().advance(*by);
                Ok(print(&format!("\n* {by:#} later: {why}.\n"))?)
            }
        }
    }

    /// Shows a command as a user types it, runs it, and fails when it ends otherwise than it should.
    fn run(
        &self,
        program: &Program,
        name: &str,
        arguments: &[&str],
        code: i32,
        words: &str,
    ) -> Result<(), Failure> {
        let typed: Vec<String> = arguments
            .iter()
            .map(|word| if word.contains(' ') { format!("\"{word}\"") } else { (*word).to_owned() })
            .collect();
        let line = format!("{name} {}", typed.join(" "));
        print(&format!("\n$ {line}\n"))?;
        let output = Command::new(&program.path)
            .args(&program.before)
            .args(arguments)
            .envs(self.running.environment())
            .env("OAR_USER", USER)
            .env("HOME", self.home.path())
            .env_remove("XDG_STATE_HOME")
            .env_remove("XDG_CACHE_HOME")
            .env("OAR_WAIT_INTERVAL", "1")
            .output()
            .map_err(|source| Failure::Spawn { program: program.path.display().to_string(), source })?;
        let out = String::from_utf8_lossy(&output.stdout);
        let err = String::from_utf8_lossy(&output.stderr);
        let as_expected = output.status.code() == Some(code) && out.contains(words);
        for text in err.lines().filter(|text| self.log || !as_expected || !is_log(text)) {
            print(&format!("{text}\n"))?;
        }
        print(&out)?;
        if as_expected {
            return Ok(());
        }
        let expected = match words {
            "" => format!("exit code {code}"),
            words => format!("exit code {code} with `{words}`"),
        };
        Err(Failure::Step { line, status: output.status.to_string(), expected })
    }
}

/// Whether a line of standard error is of the log: it begins with a time.
fn is_log(line: &str) -> bool {
    line.split_once(": ").is_some_and(|(time, _)| time.parse::<jiff::Timestamp>().is_ok())
}

/// One of the programs, by itself or inside the one program that is installed.
#[derive(Debug)]
struct Program {
    path: PathBuf,
    /// Words before the arguments.
    before: Vec<&'static str>,
}

impl Program {
    /// Beside this program.
    fn find(name: &'static str) -> Result<Self, Failure> {
        let own = env::current_exe()?;
        let directory = own.parent().unwrap_or(Path::new("."));
        for (file, before) in [(name, vec![]), ("release-tests", vec![name])] {
            let path = directory.join(file);
            if path.is_file() {
                return Ok(Self { path, before });
            }
        }
        Err(Failure::NoPrograms(own))
    }
}
