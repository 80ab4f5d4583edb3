//! `oar-sandbox demo`: takes both releases from announced to shipped, and a nightly to accepted, with the
//! real programs.

use std::{
    env,
    io::{self, Write},
    path::{Path, PathBuf},
    process::{Command, ExitCode},
    time::{Duration, Instant},
};

use tempfile::TempDir;

use super::{Demo, Failure, running::Running, unexpected_lines};
use crate::scenario::PEOPLE;
use conversation::Bot;
use script::{Step, scripts};

mod agent;
mod conversation;
mod script;

/// The user in the history of the commands.
const USER: &str = "demo";

/// The MCP server, as the multi-call program knows it.
const SERVER: &str = "mcp";

/// The programs of the demonstration, as the multi-call program knows them, and their own files.
pub(super) const PROGRAMS: [(&str, &str); 4] =
    [("oar", "oar"), ("oarctl", "oarctl"), ("jobctl", "jobctl"), (SERVER, "release-tests-mcp")];

/// The longest excerpt of a command's reason, in characters; the whole reason is shown above.
const LONGEST_REASON: usize = 400;

/// Runs the demonstration.
pub(super) fn demo(arguments: &Demo) -> Result<ExitCode, Failure> {
    let started = Instant::now();
    let running = arguments.common.start()?;
    let mut stage = Stage {
        programs: PROGRAMS.map(Program::find).into_iter().collect::<Result<_, _>>()?,
        running: &running,
        home: tempfile::Builder::new().prefix("oar-demo-").tempdir()?,
        log: arguments.log,
        bot: None,
    };
    let sandbox = &running.sandbox;
    let [lead, ..] = PEOPLE;
    print(&format!(
        "GitHub, Errata Tool, Jira, GitLab, Jenkins, Prow, Slack and the others are simulated on {}.\n\
         Nothing leaves this machine. Two made-up releases are taken from announced to shipped by {}, and a nightly\n\
         is tested and accepted by what runs from cron.\n\
         `$` is a command, `*` is what others do and time that passes in the sandbox.\n",
        sandbox.base_url(),
        lead.name,
    ))?;
    let mut commands = 0;
    for story in scripts() {
        heading(&story.title)?;
        for step in &story.steps {
            commands += u32::from(matches!(step, Step::Run(..) | Step::Tick(_) | Step::Ask(..)));
            stage.play(story.subject, step)?;
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
        "\nBoth releases are shipped, the nightly is accepted: {commands} commands, {} requests, {:.1} s.\n\
         `oar-sandbox demo --log` shows the log of each command as well. To do it yourself, follow\n\
         docs/tutorial.md from its first line.\n",
        sandbox.requests().len(),
        started.elapsed().as_secs_f64(),
    ))?;
    Ok(ExitCode::SUCCESS)
}

fn heading(text: &str) -> io::Result<()> {
    print(&format!("\n=== {text} ===\n"))
}

fn print(text: &str) -> io::Result<()> {
    let mut out = anstream::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// The environment of the demonstration.
struct Stage<'a> {
    programs: Vec<Program>,
    running: &'a Running,
    home: TempDir,
    log: bool,
    bot: Option<Bot>,
}

impl Stage<'_> {
    fn play(&mut self, subject: &str, step: &Step) -> Result<(), Failure> {
        match step {
            Step::Say(text) => Ok(print(&format!("\n{text}\n"))?),
            Step::Run(program, arguments, code, words) => self.run(program, arguments, *code, words),
            Step::Tick(words) => {
                // A wait is checked when it is due by the programs' own clock: a second later here.
                std::thread::sleep(Duration::from_millis(1100));
                self.run("oarctl", &["tick"], 0, words)
            }
            Step::Do(action) => {
                let world = self.running.sandbox.world();
                let done = action
                    .carry_out(world, subject)
                    .map_err(|why| Failure::Action { action: action.name(), why })?;
                Ok(print(&format!("\n* {done}\n"))?)
            }
            Step::Listen => {
                self.bot = Some(self.listen()?);
                Ok(())
            }
            Step::Ask(person, text, words) => match &mut self.bot {
                Some(bot) => bot.ask(self.running.sandbox.world(), person, text, words),
                None => Err(nobody_listens()),
            },
            Step::Click(person, button, words) => match &mut self.bot {
                Some(bot) => bot.click(self.running.sandbox.world(), person, button, words),
                None => Err(nobody_listens()),
            },
            Step::StopListening => self.bot.take().ok_or_else(nobody_listens)?.stop(),
            Step::AskAgent(release, words) => {
                let command = self.command(self.program(SERVER)?);
                agent::ask_where(release, command, &self.home.path().join("mcp.log"), words)
            }
            Step::Pass(by, why) => {
                self.running.sandbox.clock().advance(*by);
                Ok(print(&format!("\n* {by:#} later: {why}.\n"))?)
            }
        }
    }

    /// A program in the environment of the demonstration.
    fn command(&self, program: &Program) -> Command {
        let mut command = Command::new(&program.path);
        command.args(&program.before).envs(self.running.environment());
        command.env("OAR_USER", USER).env("HOME", self.home.path()).env("OAR_WAIT_INTERVAL", "1");
        command.env_remove("XDG_STATE_HOME").env_remove("XDG_CACHE_HOME");
        command
    }

    fn program(&self, name: &str) -> Result<&Program, Failure> {
        let found = self.programs.iter().find(|program| program.name == name);
        found.ok_or_else(|| Failure::NoPrograms(name.into()))
    }

    /// Starts the Slack bot, with a configuration document that lets people give it commands.
    fn listen(&self) -> Result<Bot, Failure> {
        let oarctl = self.program("oarctl")?;
        let [plain, document] = ["plain.json", "config_store.json"].map(|name| self.home.path().join(name));
        let environment = self.running.environment();
        let given =
            environment.iter().find(|(name, _)| name == "OAR_CONFIG").map(|(_, path)| Path::new(path));
        let given = given.ok_or_else(|| {
            let why = "there is no configuration document (OAR_CONFIG)".to_owned();
            Failure::Action { action: "to give permissions", why }
        })?;
        let convert = |words: [&str; 2], from: &Path, to: &Path| {
            let mut command = self.command(oarctl);
            let output = command.args(words).arg(from).arg("-o").arg(to).output();
            let program = oarctl.path.display().to_string();
            let output = output.map_err(|source| Failure::Spawn { program, source })?;
            if output.status.success() {
                return Ok(());
            }
            let why = reason("", &String::from_utf8_lossy(&output.stderr));
            let line = format!("oarctl {}", words.join(" "));
            let (status, expected) = (output.status.to_string(), "exit code 0".to_owned());
            Err(Failure::Step { line, status, expected, why })
        };
        convert(["config", "decrypt"], given, &plain)?;
        conversation::permit(&plain)?;
        convert(["config", "encrypt"], &plain, &document)?;
        let mut command = self.command(oarctl);
        command.arg("slack-bot").env("OAR_CONFIG", document);
        Bot::start(self.running.sandbox.world(), command, self.home.path().join("slack-bot.log"))
    }

    /// Shows a command as a user types it, runs it, and fails if its exit code or output is not as expected.
    fn run(&self, name: &str, arguments: &[&str], code: i32, words: &str) -> Result<(), Failure> {
        let program = self.program(name)?;
        let typed: Vec<String> = arguments
            .iter()
            .map(|word| if word.contains(' ') { format!("\"{word}\"") } else { (*word).to_owned() })
            .collect();
        let line = format!("{name} {}", typed.join(" "));
        print(&format!("\n$ {line}\n"))?;
        let output = self
            .command(program)
            .args(arguments)
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
        let why = reason(&out, &err);
        Err(Failure::Step { line, status: output.status.to_string(), expected, why })
    }
}

fn nobody_listens() -> Failure {
    Failure::Action { action: "a message to the bot", why: "no bot listens".to_owned() }
}

/// Why a command failed: its error, otherwise the first line of its result.
fn reason(out: &str, err: &str) -> String {
    let error = err.lines().find_map(|line| line.strip_prefix("error: "));
    let line = error.or_else(|| out.lines().find(|line| !line.trim().is_empty())).unwrap_or("nothing");
    line.trim().chars().take(LONGEST_REASON).collect()
}

/// Whether a line of standard error is a log line: it starts with a time.
fn is_log(line: &str) -> bool {
    line.split_once(": ").is_some_and(|(time, _)| time.parse::<jiff::Timestamp>().is_ok())
}

/// One of the programs: in the multi-call program, whose bot runs the commands of all, or as a separate executable.
#[derive(Debug)]
struct Program {
    name: &'static str,
    path: PathBuf,
    /// Arguments before the program's own.
    before: Vec<&'static str>,
}

impl Program {
    /// Finds it beside this program.
    fn find((name, own_file): (&'static str, &str)) -> Result<Self, Failure> {
        let own = env::current_exe()?;
        let directory = own.parent().unwrap_or(Path::new("."));
        for (file, before) in [("release-tests", vec![name]), (own_file, vec![])] {
            let path = directory.join(file);
            if path.is_file() {
                return Ok(Self { name, path, before });
            }
        }
        Err(Failure::NoPrograms(own))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_of_a_failure_is_the_command_s_own() {
        let log = "2026-07-02T12:00:00Z: ERROR: of the log\n";
        assert_eq!(reason("a result\n", &format!("{log}error: no ticket\n  next: kinit\n")), "no ticket");
        assert_eq!(reason("\n4.19.1: refused\nmore\n", log), "4.19.1: refused");
        assert_eq!(reason("", ""), "nothing");
    }
}
