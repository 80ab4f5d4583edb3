//! `oar-sandbox demo`: takes both releases from announced to shipped, and a nightly to accepted, with the
//! real programs.

use std::{
    collections::{BTreeMap, HashSet},
    env,
    io::{self, Write},
    path::{Path, PathBuf},
    process::{Command, ExitCode},
    time::{Duration, Instant},
};

use tempfile::TempDir;

use super::{Demo, Failure, running::Running, unexpected_lines};
use crate::scenario::{ERRATA_RELEASE, KONFLUX_RELEASE, PEOPLE};
use conversation::Bot;
use script::{Step, scripts};

mod agent;
mod conversation;
mod effects;
mod script;

/// The user in the history of what cron runs.
const USER: &str = "cron";
/// The prompts of what cron runs and of what a person answers.
const CRON: char = '$';
const PERSON: char = '>';

/// The MCP server, as the multi-call program knows it.
const SERVER: &str = "mcp";

/// The programs of the demonstration, as the multi-call program knows them, and their own files.
pub(super) const PROGRAMS: [(&str, &str); 4] =
    [("oar", "oar"), ("oarctl", "oarctl"), ("jobctl", "jobctl"), (SERVER, "release-tests-mcp")];

/// What the engine's questions in Slack have in common.
const QUESTION: &str = ": waits for people";
/// The most questions that the people of a release are asked.
const QUESTIONS: usize = 3;

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
        document: None,
        log: arguments.log,
        bot: None,
        shown: HashSet::new(),
        asked: BTreeMap::new(),
    };
    let document = stage.configure()?;
    stage.document = Some(document);
    let sandbox = &running.sandbox;
    let [lead, ..] = PEOPLE;
    print(&format!(
        "GitHub, Errata Tool, Jira, GitLab, Jenkins, Prow, Slack and the others are simulated on {}.\n\
         Nothing leaves this machine. Cron takes two made-up releases from announced to shipped and tests a nightly; {}\n\
         answers what only people can decide.\n\
         `$` is a command of cron, `>` what a person answers, `*` what others do and time that passes in the sandbox.\n",
        sandbox.base_url(),
        lead.name,
    ))?;
    let mut commands = 0;
    for story in scripts() {
        heading(&story.title)?;
        for step in &story.steps {
            commands +=
                u32::from(matches!(step, Step::Run(..) | Step::Drive(_) | Step::Answer(..) | Step::Ask(..)));
            stage.play(step)?;
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
    let once = effects::all_once(sandbox.world()).map_err(Failure::Twice)?;
    heading("Done")?;
    let [konflux, errata] = [KONFLUX_RELEASE, ERRATA_RELEASE]
        .map(|release| stage.asked.get(release).copied().unwrap_or_default());
    print(&format!(
        "\nBoth releases are shipped, the nightly is accepted: {commands} commands, {} requests, {:.1} s.\n\
         People were asked {konflux} questions about {KONFLUX_RELEASE} and {errata} about {ERRATA_RELEASE}. Everything was done \
         once: {once}.\n\
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
    /// The configuration document of the demonstration.
    document: Option<PathBuf>,
    /// The time stamps of the questions that were shown.
    shown: HashSet<String>,
    /// How many questions were asked about each release.
    asked: BTreeMap<String, usize>,
}

impl Stage<'_> {
    fn play(&mut self, step: &Step) -> Result<(), Failure> {
        match step {
            Step::Say(text) => Ok(print(&format!("\n{text}\n"))?),
            Step::Run(program, arguments, code, words) => self.run(CRON, program, arguments, *code, &[words]),
            Step::Drive(words) => {
                // A wait is checked when it is due by the programs' own clock: a second later here.
                std::thread::sleep(Duration::from_millis(1100));
                self.run(CRON, "oarctl", &["drive"], 0, words)?;
                self.show_questions()
            }
            Step::Answer(release, arguments, code, words) => {
                let arguments = [&["-r", *release], arguments.as_slice()].concat();
                self.run(PERSON, "oar", &arguments, *code, &[words])
            }
            Step::Do(action, subject) => {
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
        command.envs(self.document.as_ref().map(|path| ("OAR_CONFIG", path)));
        command.env_remove("XDG_STATE_HOME").env_remove("XDG_CACHE_HOME");
        command
    }

    fn program(&self, name: &str) -> Result<&Program, Failure> {
        let found = self.programs.iter().find(|program| program.name == name);
        found.ok_or_else(|| Failure::NoPrograms(name.into()))
    }

    /// Shows what people were asked since it was shown last.
    fn show_questions(&mut self) -> Result<(), Failure> {
        let slack = self.running.sandbox.world().slack.lock();
        let mut is_first = true;
        for message in slack.messages.iter().filter(|message| message.text.contains(QUESTION)) {
            if !self.shown.insert(message.ts.clone()) {
                continue;
            }
            let text = slack.readable(&message.text);
            if is_first {
                print(&format!("\n* In Slack, #{}:\n", message.channel_name))?;
            }
            is_first = false;
            for line in text.lines() {
                print(&format!("    {line}\n"))?;
            }
            let release = text.split(':').next().unwrap_or_default();
            let asked = self.asked.entry(release.to_owned()).or_default();
            *asked += 1;
            if *asked > QUESTIONS {
                let why = format!("people were asked more than {QUESTIONS} questions about {release}");
                return Err(Failure::Action { action: "a question", why });
            }
        }
        Ok(())
    }

    /// Starts the Slack bot.
    fn listen(&self) -> Result<Bot, Failure> {
        let mut command = self.command(self.program("oarctl")?);
        command.arg("slack-bot");
        Bot::start(self.running.sandbox.world(), command, self.home.path().join("slack-bot.log"))
    }

    /// Writes the configuration document of the demonstration, and returns its path: it lets people give commands in Slack, and
    /// the engine start what is done in any case.
    fn configure(&self) -> Result<PathBuf, Failure> {
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
        Ok(document)
    }

    /// Shows a command as a user types it, runs it, and fails if its exit code or output is not as expected.
    fn run(
        &self,
        prompt: char,
        name: &str,
        arguments: &[&str],
        code: i32,
        words: &[&str],
    ) -> Result<(), Failure> {
        let program = self.program(name)?;
        let typed: Vec<String> = arguments
            .iter()
            .map(|word| if word.contains(' ') { format!("\"{word}\"") } else { (*word).to_owned() })
            .collect();
        let line = format!("{name} {}", typed.join(" "));
        print(&format!("\n{prompt} {line}\n"))?;
        let mut command = self.command(program);
        if prompt == PERSON {
            let [lead, ..] = PEOPLE;
            command.env("OAR_USER", lead.login);
        }
        let output = command
            .args(arguments)
            .output()
            .map_err(|source| Failure::Spawn { program: program.path.display().to_string(), source })?;
        let out = String::from_utf8_lossy(&output.stdout);
        let err = String::from_utf8_lossy(&output.stderr);
        let missing = words.iter().find(|words| !out.contains(**words));
        let as_expected = output.status.code() == Some(code) && missing.is_none();
        for text in err.lines().filter(|text| self.log || !as_expected || !is_log(text)) {
            print(&format!("{text}\n"))?;
        }
        print(&out)?;
        if as_expected {
            return Ok(());
        }
        let expected = match missing {
            None => format!("exit code {code}"),
            Some(words) => format!("exit code {code} with `{words}`"),
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
