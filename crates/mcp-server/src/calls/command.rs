//! Runs a command line for a caller: in this process, with a log, a stop and a consent of its own.

use std::sync::Arc;

use cli_support::SessionCommands;
use oar_core::error::{Classified as _, ErrorClass};
use oar_core::operations::slack_bot::{CommandLines as _, Order, Output, ReadCommand, Unusable};
use oar_core::operations::{Call, Effect, NoConsent, Program, Row, Scope};
use oar_core::version::ReleaseVersion;
use serde_json::{Value, json};

use super::runs::Run;
use super::{CallContext, Inner};
use crate::caller::AccessScope;
use crate::consent::{CallerConsent, Said};
use crate::result::{Answer, LONGEST_RESULT, ToolFailure, bounded};
use crate::tools::{Arguments, Kind, Tool, catalogue, shown};
use crate::transport::Outcome;

/// The most words of a command line.
const MOST_WORDS: usize = 200;
/// The most of a plan that is shown, in bytes.
const LONGEST_PLAN: usize = 12 * 1024;

/// A command line to run.
#[derive(Debug, Clone)]
pub(super) struct CommandLine {
    pub(super) tool: &'static Tool,
    pub(super) program: Program,
    pub(super) words: Vec<String>,
    pub(super) release: Option<ReleaseVersion>,
    /// Whether it follows a job that exists, and starts none.
    pub(super) follows: bool,
}

impl CommandLine {
    /// That of a tool's call.
    ///
    /// # Errors
    ///
    /// The caller's words are none, or give consent.
    pub(super) fn of(tool: &'static Tool, arguments: &Arguments) -> Result<Self, ToolFailure> {
        let release = arguments.text("release").and_then(|text| text.parse().ok());
        let (program, words) = match tool.kind {
            Kind::Command { program, .. } => (program, tool.words(arguments)),
            Kind::Generic(program) => (program, generic_words(tool, program, arguments)?),
            Kind::Operation | Kind::Document(_) | Kind::Help | Kind::GetRun => {
                return Err(ToolFailure::new(ErrorClass::Failed, tool.name, "it runs no command", ""));
            }
        };
        let follows = tool.starts_jobs.is_some_and(|id| !id.is_empty() && arguments.text(id).is_some())
            || tool.name == "jobctl_start_controller" && !arguments.flag("trigger_prow_job");
        Ok(Self { tool, program, words, release, follows })
    }

    /// The line, as a person would write it.
    fn shown(&self) -> String {
        line_of(self.program, &self.words)
    }

    /// The same, as a dry run.
    fn dry(&self) -> Vec<String> {
        let mut words = self.words.clone();
        let end = words.iter().position(|word| word == "--").unwrap_or(words.len());
        words.insert(end, "--dry-run".to_owned());
        words
    }
}

/// A command line, as a person would write it.
pub(super) fn line_of(program: Program, words: &[String]) -> String {
    let words = words.iter().map(String::as_str);
    let line = shlex::try_join(std::iter::once(program.name()).chain(words));
    line.unwrap_or_else(|_| program.name().to_owned())
}

/// The words of a caller that names the command.
fn generic_words(tool: &Tool, program: Program, arguments: &Arguments) -> Result<Vec<String>, ToolFailure> {
    let what = || format!("{} was called wrongly, so nothing was done", tool.name);
    let mut words: Vec<String> =
        arguments.text("release").map(|release| format!("--release={release}")).into_iter().collect();
    for name in ["command", "args"] {
        let Some(text) = arguments.text(name) else { continue };
        let Some(split) = shlex::split(text) else {
            return Err(ToolFailure::usage(
                what(),
                format!("`{name}` has a quote without its end"),
                "Quote it as for a shell.",
            ));
        };
        words.extend(split);
    }
    if words.len() > MOST_WORDS {
        return Err(ToolFailure::usage(
            what(),
            format!("it has {} words; at most {MOST_WORDS} are accepted", words.len()),
            "",
        ));
    }
    if tool.kind == Kind::Generic(Program::Oar)
        && let Some(word) = words.iter().skip(1).find(|word| names_release(word))
    {
        return Err(ToolFailure::usage(
            what(),
            format!("`{}` names a release, and the argument `release` does", shown(word)),
            "Leave it out, and give the release as `release`.",
        ));
    }
    if let Some(word) = words.iter().find(|word| gives_consent(word)) {
        return Err(ToolFailure::new(
            ErrorClass::Blocked,
            what(),
            format!("`{}` gives consent, which only a person can do", shown(word)),
            format!(
                "Leave it out: the answer is the plan of {} then, for a person to look at.",
                program.name()
            ),
        ));
    }
    Ok(words)
}

/// Whether a word is the option that gives consent beforehand. It would have no effect: consent is asked for all the same.
fn gives_consent(word: &str) -> bool {
    let is_cluster =
        |letters: &str| letters.len() <= 4 && letters.chars().all(|letter| letter.is_ascii_lowercase());
    word == "--yes"
        || word.starts_with("--yes=")
        || word.strip_prefix('-').is_some_and(|letters| letters.contains('y') && is_cluster(letters))
}

/// Whether a word is the option of the release. A second one would count, and everything else would look at the first.
fn names_release(word: &str) -> bool {
    word == "--release"
        || word.starts_with("--release=")
        || word.strip_prefix('-').is_some_and(|letters| letters.trim_start_matches('v').starts_with('r'))
}

/// What a caller needs for an operation, whichever tool leads to it.
fn scope_of(row: &Row) -> AccessScope {
    match (row.about.effect, row.about.program) {
        (Effect::Reads, _) => AccessScope::Read,
        (Effect::Critical, _) => AccessScope::Critical,
        (Effect::Writes, Program::Job | Program::Jobctl) => AccessScope::Jobs,
        (Effect::Writes, Program::Oar | Program::Oarctl) => AccessScope::Write,
    }
}

/// Whether an operation starts test jobs.
fn starts_jobs(row: &'static Row) -> bool {
    let is_of_a_tool = |tool: &Tool| {
        tool.starts_jobs.is_some() && tool.operation().is_some_and(|other| std::ptr::eq(other, row))
    };
    (row.about.program == Program::Job && row.about.effect == Effect::Writes)
        || catalogue().iter().any(is_of_a_tool)
}

/// What the program says instead of running.
fn unusable(line: &CommandLine, why: Unusable) -> Answer {
    let what = format!("{} was not run", line.program.name());
    match why {
        Unusable::Help(text) => Answer::Text { text: text.trim_end().to_owned(), ok: true, untrusted: false },
        Unusable::Wrong(text) => {
            let is_for_people =
                |line: &&str| !line.starts_with("For more information") && !line.starts_with("Usage:");
            let text: Vec<&str> = text.lines().filter(is_for_people).collect();
            let next = "Look at its help with get_command_help.";
            ToolFailure::usage(what, text.join("\n").trim().to_owned(), next).into()
        }
        Unusable::Refused(why) => {
            ToolFailure::new(ErrorClass::Blocked, what, why, "A person can run it at a terminal.").into()
        }
    }
}

/// The help of a program or a command.
pub(super) fn help(inner: &Inner, arguments: &Arguments) -> Answer {
    let program = arguments.text("cli").unwrap_or_default();
    let command = arguments.text("command").unwrap_or_default();
    // Words alone: an option in their place could ask for something else.
    let mut words: Vec<String> = command.split_whitespace().map(str::to_owned).collect();
    if let Some(option) = words.iter().find(|word| word.starts_with('-')) {
        let why = format!("`{}` is an option", shown(option));
        return ToolFailure::usage(
            "there is no help of that",
            why,
            "Give the words of a command: `issue list`.",
        )
        .into();
    }
    words.push("--help".to_owned());
    match SessionCommands::new(inner.session.clone()).read(program, &words) {
        Err(Unusable::Help(text)) => {
            let text = inner.redacted(&text).trim_end().to_owned();
            Answer::Text { text: bounded(&text, LONGEST_RESULT, None), ok: true, untrusted: false }
        }
        Err(Unusable::Wrong(why) | Unusable::Refused(why)) => {
            let what = format!("there is no help of `{program} {}`", shown(command));
            let next = format!("Leave `command` out to see the commands of {program}.");
            ToolFailure::usage(what, inner.redacted(why.trim()), next).into()
        }
        Ok(_) => {
            let why = "it was read as a command, which was not run";
            ToolFailure::usage("there is no help of that", why, "Give the words of a command: `issue list`.")
                .into()
        }
    }
}

/// Runs a command line.
pub(super) async fn run(inner: Arc<Inner>, run: Arc<Run>, line: CommandLine, context: CallContext) -> Answer {
    let lines = SessionCommands::new(inner.session.clone()).without_those_for_people();
    let command = match lines.read(line.program.name(), &line.words) {
        Ok(command) => command,
        Err(why) => return unusable(&line, why),
    };
    let row = command.row();
    let needed = scope_of(row);
    let is_generic = matches!(line.tool.kind, Kind::Generic(_));
    if is_generic && !context.caller.scopes.contains(&needed) {
        return ToolFailure::new(
            ErrorClass::Blocked,
            format!("{} {} was not run", line.program.name(), row.about.command),
            format!("{} lacks the scope {}", context.caller.name, needed.name()),
            "A person with that right can run it.",
        )
        .into();
    }
    let consent = Arc::new(CallerConsent {
        caller: Arc::clone(&context.caller),
        // Standing consent is for what the tool does, not for any options of its command.
        tool: (!is_generic).then_some(line.tool.name),
        run: Arc::clone(&run),
        clients: inner.clients.clone(),
        elicit: context.elicit.clone(),
    });
    if inner.settings.paid_jobs_ask
        && starts_jobs(row)
        && !line.follows
        && !line.words.iter().any(|word| word == "--dry-run")
        && let Err(answer) = may_start(&inner, &line, row, &consent).await
    {
        return *answer;
    }
    let order = order(&run, consent, run.output.clone());
    let code = run.log.observe(command.run(order)).await;
    finished(&run, &line, code)
}

fn order(run: &Run, consent: Arc<dyn oar_core::flow::consent::Consent>, output: Output) -> Order {
    Order {
        user: user(&run.caller),
        thread: None,
        run: run.id.clone(),
        consent,
        interrupt: run.interrupt.clone(),
        output,
    }
}

/// A caller's name in histories.
pub(super) fn user(caller: &str) -> String {
    format!("mcp:{caller}")
}

/// Whether jobs may be started, which cost money: otherwise the answer is the plan.
async fn may_start(
    inner: &Inner,
    line: &CommandLine,
    row: &'static Row,
    consent: &Arc<CallerConsent>,
) -> Result<(), Box<Answer>> {
    let run = &consent.run;
    if row.about.scope == Scope::Release && !would_start(inner, line, row, run).await? {
        return Ok(());
    }
    let lines = SessionCommands::new(inner.session.clone()).without_those_for_people();
    let dry: Box<dyn ReadCommand> =
        lines.read(line.program.name(), &line.dry()).map_err(|why| Box::new(unusable(line, why)))?;
    let output = Output::default();
    let code = dry.run(order(run, Arc::new(NoConsent), output.clone())).await;
    let plan = bounded(output.text().trim(), LONGEST_PLAN, None);
    if code != 0 {
        let text = format!("✗ Command failed (exit code {code})\n\n{plan}");
        return Err(Box::new(Answer::Text { text, ok: false, untrusted: line.tool.is_untrusted }));
    }
    if consent.is_standing() {
        return Ok(());
    }
    let name = format!("{} {}", line.program.name(), row.about.command);
    let why = match consent.said(&format!("{plan}\n\nStart these test jobs ({name})? They cost money.")).await
    {
        Said::Yes => return Ok(()),
        Said::No => "a person declined it".to_owned(),
        Said::NotAsked(why) => {
            run.ends_as(Outcome::WaitsForConsent);
            let why = why.map(|why| format!(" ({why})")).unwrap_or_default();
            format!("it starts test jobs, which cost money, and waits for consent{why}")
        }
    };
    let next = format!("A person runs it themselves: `{}`.", line.shown());
    let failure = ToolFailure::new(ErrorClass::Blocked, format!("{name} was not run"), why, next);
    let text = format!("{failure}\n\nThe plan:\n{plan}");
    Err(Box::new(Answer::Text { text, ok: false, untrusted: line.tool.is_untrusted }))
}

/// Whether a task of the release would start a job now, rather than follow one.
async fn would_start(
    inner: &Inner,
    line: &CommandLine,
    row: &'static Row,
    run: &Run,
) -> Result<bool, Box<Answer>> {
    let what = || format!("{} was not run", row.about.command);
    let Some(release) = line.release.clone() else { return Ok(true) };
    let call = Call::new(inner.clients.clone(), run.interrupt.clone()).by(user(&run.caller)).about(release);
    let failed = |class, why: String, next: String| {
        Box::new(Answer::quoting(&ToolFailure::new(class, what(), why, next)))
    };
    let call = call.map_err(|error| failed(error.class(), error.to_string(), String::new()))?;
    let outcome = row.perform(json!({ "dry_run": true }), &call).await.map_err(|error| {
        let next = error.inner().hint().unwrap_or_default();
        failed(error.inner().class(), error.inner().to_string(), next)
    })?;
    let steps = outcome.document.pointer("/plan/steps").and_then(Value::as_array);
    Ok(steps.is_none_or(|steps| !steps.is_empty()))
}

/// The answer of a command that has ended, in the reference's form (spec 05 §7.4).
fn finished(run: &Run, line: &CommandLine, code: u8) -> Answer {
    let head = if code == 0 {
        "✓ Command succeeded".to_owned()
    } else {
        format!("✗ Command failed (exit code {code})")
    };
    let mut body = run.said();
    if let Some(why) = run.why_stopped() {
        body.push_str("\n\nStopped: ");
        body.push_str(&why);
        body.push_str(". What it had started elsewhere goes on; the same call later finds it.");
    }
    let text = if body.is_empty() { head } else { format!("{head}\n\n{body}") };
    Answer::Text { text, ok: code == 0, untrusted: line.tool.is_untrusted }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tools::tool;

    fn line(name: &str, arguments: Value) -> Result<CommandLine, ToolFailure> {
        let Value::Object(arguments) = arguments else { panic!("{arguments}") };
        let tool = tool(name).unwrap();
        CommandLine::of(tool, &tool.check(Some(arguments)).unwrap())
    }

    #[test]
    fn the_words_of_a_generic_call_are_those_of_a_shell() {
        let words = |command: &str, args: &str| {
            line("oar_run_command", json!({ "release": "4.19.1", "command": command, "args": args }))
                .map(|line| line.words)
        };
        assert_eq!(
            words("issue add", "'two words' --no-blocker").unwrap(),
            ["--release=4.19.1", "issue", "add", "two words", "--no-blocker"]
        );
        assert!(words("issue add", "'open").unwrap_err().to_string().contains("a quote without its end"));
        for args in ["--yes", "--yes=true", "-y", "-vy", "-ynv", "'--yes'", "-\\y"] {
            let error = words("change-advisory-status", args).unwrap_err();
            assert!(error.to_string().contains("only a person can do"), "{args}: {error}");
        }
        for args in [
            "-r 4.14.60",
            "-r4.14.60",
            "-vr4.14.60",
            "--release 4.14.60",
            "--release=4.14.60",
            "'-r' 4.14.60",
        ] {
            let error = words("stage-testing", args).unwrap_err();
            assert!(error.to_string().contains("names a release"), "{args}: {error}");
        }
        for args in ["--early", "-n 5", "yes", "--my-day=1", "-eanny@example.com"] {
            assert!(words("change-advisory-status", args).is_ok(), "{args}");
        }
        assert!(words("log", &"a ".repeat(300)).is_err());
    }

    #[test]
    fn what_follows_a_job_starts_none() {
        let follows = |name: &str, arguments: Value| line(name, arguments).unwrap().follows;
        assert!(!follows("oar_stage_testing", json!({ "release": "4.19.1" })));
        assert!(follows("oar_stage_testing", json!({ "release": "4.19.1", "build_number": "7" })));
        assert!(follows("oar_image_consistency_check", json!({ "release": "4.19.1", "job_id": "a" })));
        assert!(!follows("jobctl_start_controller", json!({ "release": "4.19" })));
        assert!(follows("jobctl_start_controller", json!({ "release": "4.19", "trigger_prow_job": false })));
        assert!(!follows("jobctl_start_aggregator", json!({})));
    }

    #[test]
    fn a_dry_run_is_one_before_what_is_no_option() {
        let job = line("job_run", json!({ "job_name": "periodic-ci-x", "payload": "quay.io/x:1" })).unwrap();
        assert_eq!(job.dry(), ["run", "--payload=quay.io/x:1", "--dry-run", "--", "periodic-ci-x"]);
        // As a shell reads it, these are the same words.
        let (read, words) = (shlex::split(&job.shown()).unwrap(), job.words);
        assert_eq!((read[0].as_str(), &read[1..]), ("job", &words[..]));
    }

    #[test]
    fn what_starts_jobs_is_known_whichever_tool_leads_to_it() {
        use oar_core::operations::row;
        for (program, command, expected) in [
            (Program::Job, "run", true),
            (Program::Job, "run_stage_testing", true),
            (Program::Job, "list", false),
            (Program::Jobctl, "start-aggregator", true),
            (Program::Jobctl, "promote-test-results", false),
            (Program::Oar, "stage-testing", true),
            (Program::Oar, "take-ownership", false),
        ] {
            assert_eq!(starts_jobs(row(program, command).unwrap()), expected, "{command}");
        }
    }
}
