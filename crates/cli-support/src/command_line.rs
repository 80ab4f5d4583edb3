//! A program's command line, for another program that runs its commands in its own process on somebody's behalf.

use std::any::TypeId;
use std::io::{self, Write};
use std::path::PathBuf;
use std::pin::Pin;

use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, ColorChoice, Command};
use oar_core::operations::slack_bot::{CommandLines, Order, ReadCommand, Unusable};
use oar_core::operations::{Program, Row, row_of_line};

use crate::run::{attended, failed};
use crate::{ExitCode, OutputFormat, Session, Ui, plain};

/// Options of a command that keeps running, which belongs to nobody's conversation.
const OF_A_SERVICE: [&str; 2] = ["interval", "listen"];

/// How a command ends, in the process of its caller.
type Running = Pin<Box<dyn Future<Output = ExitCode>>>;

/// The command line of one program.
#[derive(Clone, Copy)]
pub struct CommandLine {
    program: Program,
    definition: fn() -> Command,
    start: fn(&ArgMatches, Session) -> Running,
}

impl CommandLine {
    /// The command line `P` of this program.
    pub const fn of<P: crate::Program + 'static>(program: Program) -> Self {
        Self { program, definition: P::command, start: start::<P> }
    }
}

impl std::fmt::Debug for CommandLine {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_tuple("CommandLine").field(&self.program.name()).finish()
    }
}

fn start<P: crate::Program + 'static>(matches: &ArgMatches, session: Session) -> Running {
    let parsed = P::from_arg_matches(matches);
    Box::pin(async move {
        match parsed {
            Ok(program) => attended(program, session, || ()).await,
            Err(error) => failed(&session.ui, &error.to_string()),
        }
    })
}

/// The command lines whose commands a session runs for others.
#[derive(Debug)]
pub struct SessionCommands {
    session: Session,
    includes_those_for_people: bool,
}

impl SessionCommands {
    /// The commands of all programs that the session knows; each runs with a session of its own.
    pub fn new(session: Session) -> Self {
        Self { session, includes_those_for_people: true }
    }

    /// The same for callers that are no people: without the commands by which a person decides something
    /// ([`About::for_people`](oar_core::operations::About::for_people)), whatever way leads to them.
    #[must_use]
    pub fn without_those_for_people(self) -> Self {
        Self { includes_those_for_people: false, ..self }
    }
}

impl CommandLines for SessionCommands {
    fn read(&self, program: &str, arguments: &[String]) -> Result<Box<dyn ReadCommand>, Unusable> {
        let line = self.session.command_lines.iter().find(|line| line.program.name() == program);
        let Some(line) = line.copied() else {
            let own: Vec<_> = self.session.command_lines.iter().map(|line| line.program.name()).collect();
            let has = if own.is_empty() {
                "none".to_owned()
            } else {
                format!("only those of {}", own.join(" and "))
            };
            return Err(Unusable::Refused(format!(
                "this program was built without the commands of {program} (it has {has}); start it through `release-tests`"
            )));
        };
        let mut definition = (line.definition)().color(ColorChoice::Never);
        let words = std::iter::once(program).chain(arguments.iter().map(String::as_str));
        let matches = definition.try_get_matches_from_mut(words).map_err(|error| {
            let text = plain(&error.render().to_string());
            if error.use_stderr() { Unusable::Wrong(text) } else { Unusable::Help(text) }
        })?;
        let row = operation(line.program, &definition, &matches)?;
        if row.about.for_people && !self.includes_those_for_people {
            return Err(Unusable::Refused(format!(
                "{program} {} is for people: a person runs it at a terminal or in Slack",
                row.about.command
            )));
        }
        Ok(Box::new(SessionCommand { row, line, matches, session: self.session.clone() }))
    }

    fn offers(&self, row: &Row) -> bool {
        let line = self.session.command_lines.iter().find(|line| line.program == row.about.program);
        let definition = line.map(|line| (line.definition)());
        let (words, _) = row.about.words_and_option();
        let command = definition.as_ref().and_then(|definition| {
            words.split(' ').try_fold(definition, |command, word| command.find_subcommand(word))
        });
        // One that cannot do without a file is for the machine.
        let needs = |argument: &Arg| argument.is_required_set() || !argument.get_default_values().is_empty();
        command.is_some_and(|command| {
            command.get_arguments().all(|argument| !(is_file(argument) && needs(argument)))
        })
    }
}

/// Whether the argument's value is the path of a file.
fn is_file(argument: &Arg) -> bool {
    argument.get_value_parser().type_id() == TypeId::of::<PathBuf>()
}

/// The operation that a command line calls; refused where a command is only for the person at the machine.
fn operation(program: Program, definition: &Command, matches: &ArgMatches) -> Result<&'static Row, Unusable> {
    let (mut levels, mut words) = (vec![(definition, matches)], Vec::new());
    while let Some((command, matches)) = levels.last().copied()
        && let Some((name, below)) = matches.subcommand()
        && let Some(found) = command.find_subcommand(name)
    {
        words.push(found.get_name());
        levels.push((found, below));
    }
    let words = words.join(" ");
    let name = format!("{} {words}", program.name());
    let is_given = |option: &'static str| {
        let named = |argument: &&Arg| argument.get_long() == Some(option);
        levels.last().is_some_and(|(command, matches)| {
            let argument = command.get_arguments().find(named);
            argument.is_some_and(|argument| {
                matches.value_source(argument.get_id().as_str()) == Some(ValueSource::CommandLine)
            })
        })
    };
    let Some(row) = row_of_line(program, &words, is_given) else {
        return Err(Unusable::Refused(format!("{name} works only at the machine itself")));
    };
    let arguments = levels
        .into_iter()
        .flat_map(|(command, matches)| command.get_arguments().map(move |argument| (argument, matches)));
    for (argument, matches) in arguments {
        let source = matches.value_source(argument.get_id().as_str());
        let is_file = is_file(argument);
        if source.is_none() || (source != Some(ValueSource::CommandLine) && !is_file) {
            continue;
        }
        let option = argument
            .get_long()
            .map_or_else(|| argument.get_id().as_str().to_uppercase(), |long| format!("--{long}"));
        if is_file {
            return Err(Unusable::Refused(format!(
                "{name} reads or writes a file ({option}), and files of the machine that runs it are not available here"
            )));
        }
        if argument.is_hide_set() || OF_A_SERVICE.contains(&argument.get_id().as_str()) {
            return Err(Unusable::Refused(format!("{option} of {name} works only at the machine itself")));
        }
    }
    Ok(row)
}

struct SessionCommand {
    row: &'static Row,
    line: CommandLine,
    matches: ArgMatches,
    session: Session,
}

impl ReadCommand for SessionCommand {
    fn row(&self) -> &'static Row {
        self.row
    }

    fn run(self: Box<Self>, order: Order) -> Pin<Box<dyn Future<Output = u8>>> {
        let Self { line, matches, session, .. } = *self;
        let is_json = matches.subcommand().is_some_and(|(_, below)| is_json(below)) || is_json(&matches);
        let format = if is_json { OutputFormat::Json } else { OutputFormat::Text };
        let (out, err) = (Plain(order.output.results()), Plain(order.output.notes()));
        let ui = Ui::on(format, session.redactor.clone(), out, err);
        let session = Session { ui, ..session.on_behalf_of(&order) };
        let running = (line.start)(&matches, session);
        Box::pin(async move { running.await.number() })
    }
}

/// Whether JSON was asked for. `--output` belongs to every program, and may stand before or after the command.
fn is_json(matches: &ArgMatches) -> bool {
    matches!(matches.try_get_one::<OutputFormat>("output"), Ok(Some(OutputFormat::Json)))
}

/// Writes without the styles of a terminal.
struct Plain<W>(W);

impl<W: Write> Write for Plain<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(bytes);
        self.0.write_all(anstream::adapter::strip_str(&text).to_string().as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}
