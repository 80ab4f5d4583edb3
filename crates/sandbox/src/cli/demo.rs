//! `oar-sandbox demo`: both releases from announced to owned, with the real programs.

use std::{
    env,
    io::{self, Write},
    path::{Path, PathBuf},
    process::{Command, ExitCode},
    time::Instant,
};

use super::{Common, Failure, unexpected_lines};
use crate::{
    sandbox::Sandbox,
    scenario::{ERRATA_RELEASE, KONFLUX_RELEASE, PEOPLE, github::STATE_BRANCH},
    services::github::STATE_REPOSITORY,
};

/// Who the history says ran the commands.
const USER: &str = "demo";

/// Runs the demonstration.
pub(super) fn demo(common: &Common) -> Result<ExitCode, Failure> {
    let started = Instant::now();
    let program = Program::find()?;
    let sandbox = common.start()?;
    let [lead, ..] = PEOPLE;
    print(&format!(
        "GitHub, Errata Tool, Jira, GitLab and Slack are simulated on {}.\n\
         Nothing leaves this machine. Two made-up releases go from announced to owned by {}.\n\
         Lines with a time are the log (standard error), the others are results (standard output).\n",
        sandbox.base_url(),
        lead.name,
    ))?;
    for (release, flow) in [(KONFLUX_RELEASE, "Konflux"), (ERRATA_RELEASE, "Errata")] {
        heading(&format!("Release {release}, {flow} flow"))?;
        for command in [&["create-test-report"][..], &["take-ownership", "-e", lead.email], &["status"]] {
            let mut arguments = vec!["-r", release];
            arguments.extend(command);
            program.run(&sandbox, &arguments)?;
        }
    }
    for release in [KONFLUX_RELEASE, ERRATA_RELEASE] {
        let path = statebox_path(release);
        let text = sandbox.world().github.lock().text(STATE_REPOSITORY, STATE_BRANCH, &path);
        let text = text.ok_or_else(|| Failure::NoState(path.clone()))?;
        heading(&format!("StateBox of {release}: {STATE_REPOSITORY}, branch {STATE_BRANCH}, {path}"))?;
        print(&format!("\n{text}"))?;
    }
    heading("What the team reads in Slack")?;
    {
        let slack = sandbox.world().slack.lock();
        for message in &slack.messages {
            let text = slack.readable(&message.text).replace('\n', "\n  ");
            print(&format!("\n#{}\n  {text}\n", message.channel_name))?;
        }
    }
    if let Some(lines) = unexpected_lines(&sandbox) {
        return Err(Failure::Unexpected(lines));
    }
    heading("Done")?;
    print(&format!(
        "\nBoth releases are owned: 6 commands, {} requests, {} of them changes, in {:.1} s.\n\
         To try more, give any command a fresh sandbox of its own:\n\n  \
         {} run -- {} -r {KONFLUX_RELEASE} metadata\n",
        sandbox.requests().len(),
        sandbox.writes().len(),
        started.elapsed().as_secs_f64(),
        shown(&env::current_exe()?),
        program.line(),
    ))?;
    Ok(ExitCode::SUCCESS)
}

fn statebox_path(release: &str) -> String {
    let stream = release.rsplit_once('.').map_or(release, |(stream, _)| stream);
    format!("_releases/{stream}/statebox/{release}.yaml")
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

/// `oar`, as a program of its own or inside the one program that is installed.
#[derive(Debug)]
struct Program {
    path: PathBuf,
    /// Words before the arguments.
    before: Vec<&'static str>,
}

impl Program {
    /// Beside this program.
    fn find() -> Result<Self, Failure> {
        let own = env::current_exe()?;
        let directory = own.parent().unwrap_or(Path::new("."));
        for (name, before) in [("oar", vec![]), ("release-tests", vec!["oar"])] {
            let path = directory.join(name);
            if path.is_file() {
                return Ok(Self { path, before });
            }
        }
        Err(Failure::NoPrograms(own))
    }

    /// How a shell starts it.
    fn line(&self) -> String {
        let words: Vec<String> = std::iter::once(shown(&self.path))
            .chain(self.before.iter().map(|word| (*word).to_owned()))
            .collect();
        words.join(" ")
    }

    /// Shows the command as a user types it, runs it, and fails when it fails.
    fn run(&self, sandbox: &Sandbox, arguments: &[&str]) -> Result<(), Failure> {
        let line = format!("oar {}", arguments.join(" "));
        print(&format!("\n$ {line}\n"))?;
        let status = Command::new(&self.path)
            .args(&self.before)
            .args(arguments)
            .envs(sandbox.environment())
            .env("OAR_USER", USER)
            .status()
            .map_err(|source| Failure::Spawn { program: self.path.display().to_string(), source })?;
        if status.success() { Ok(()) } else { Err(Failure::Step { line, status: status.to_string() }) }
    }
}
