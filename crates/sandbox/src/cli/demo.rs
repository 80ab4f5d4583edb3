//! `oar-sandbox demo`: both releases from announced to owned, with the real programs.

use std::{
    env,
    io::{self, Write},
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

use super::{Common, Failure, unexpected_lines};
use crate::{
    sandbox::Sandbox,
    scenario::{ERRATA_RELEASE, KONFLUX_RELEASE, PEOPLE, github::STATE_BRANCH},
    services::github::STATE_REPOSITORY,
};

/// Runs the demonstration.
pub(super) fn demo(common: &Common) -> Result<ExitCode, Failure> {
    let program = Program::find()?;
    let sandbox = common.start()?;
    let [lead, ..] = PEOPLE;
    for (release, flow) in [(KONFLUX_RELEASE, "Konflux"), (ERRATA_RELEASE, "Errata")] {
        print(&format!("\n=== Release {release}, {flow} flow ===\n"))?;
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
        print(&format!("\n=== StateBox {path} ===\n\n{text}"))?;
    }
    print("\n=== What the team reads in Slack ===\n\n")?;
    for message in &sandbox.world().slack.lock().messages {
        print(&format!("#{}: {}\n", message.channel_name, message.text))?;
    }
    match unexpected_lines(&sandbox) {
        Some(lines) => Err(Failure::Unexpected(lines)),
        None => Ok(ExitCode::SUCCESS),
    }
}

fn statebox_path(release: &str) -> String {
    let stream = release.rsplit_once('.').map_or(release, |(stream, _)| stream);
    format!("_releases/{stream}/statebox/{release}.yaml")
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

    /// Shows the command as a user types it, runs it, and fails when it fails.
    fn run(&self, sandbox: &Sandbox, arguments: &[&str]) -> Result<(), Failure> {
        let line = format!("oar {}", arguments.join(" "));
        print(&format!("\n$ {line}\n"))?;
        let status = Command::new(&self.path)
            .args(&self.before)
            .args(arguments)
            .envs(sandbox.environment())
            .status()
            .map_err(|source| Failure::Spawn { program: self.path.display().to_string(), source })?;
        if status.success() { Ok(()) } else { Err(Failure::Step { line, status: status.to_string() }) }
    }
}
