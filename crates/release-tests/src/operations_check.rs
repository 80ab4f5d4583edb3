//! Checks that the command lines and the table of operations agree.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use clap::Command;
use cli_support::{OutputFormat, Session, SessionCommands, Ui};
use oar_core::clock::Clock;
use oar_core::config::{AGENT_COMMANDS, Environment};
use oar_core::flow::interrupt::Interrupt;
use oar_core::operations::slack_bot::{CommandLines as _, Unusable};
use oar_core::operations::{Effect, Program, Row, Scope, TABLE, row};
use oar_core::redact::Redactor;

/// Commands that are not operations, and why.
const LOCAL: &[(&str, &str)] = &[
    (
        "oarctl config",
        "the person at the machine opens its configuration document with its key; it must work where the document is \
         damaged, and so where no operation can be called; and what it shows is for whoever has the key",
    ),
    (
        "oarctl agents",
        "it keeps processes on this machine running, and reads what they left there; what they do are operations themselves",
    ),
    (
        "oarctl slack-bot",
        "it listens to people and calls operations for them, as a command line does; what it does itself is to answer",
    ),
    ("oarctl statebox fmt", "it writes the files of the person at the machine anew"),
];

/// Options of the caller, not of an operation: consent, format and files of the result, schedule.
const OF_THE_CALLER: &[&str] = &[
    "yes", "no_watch", "carry_on", "notify", "output", "debug", "csv", "once", "watch", "interval", "listen",
];

/// Options that select the default, for scripts that set it explicitly.
const SAYS_THE_DEFAULT: &[&str] = &["nightly", "skip_existing", "no_poll", "plan"];

/// Options with other names than their arguments: they name a file, whose content the arguments get. The command line reads
/// files, operations do not.
const OTHER_NAMES: &[(&str, &str, &[&str])] = &[
    ("job run_required", "file", &["jobs"]),
    ("jobctl show", "build", &["build", "record"]),
    ("oarctl check-test-results", "notified_file_path", &["notified"]),
];

/// Every command without subcommands that is an operation, by program and name.
fn leaves() -> BTreeMap<(Program, String), Command> {
    let mut all = all_leaves();
    all.retain(|(program, words), _| {
        !LOCAL.iter().any(|(local, _)| format!("{} {words}", program.name()).starts_with(local))
    });
    all
}

/// Every command without subcommands, by program and name.
fn all_leaves() -> BTreeMap<(Program, String), Command> {
    fn below(
        program: Program,
        words: &str,
        command: &Command,
        all: &mut BTreeMap<(Program, String), Command>,
    ) {
        let subcommands: Vec<&Command> =
            command.get_subcommands().filter(|sub| sub.get_name() != "help").collect();
        if subcommands.is_empty() {
            all.insert((program, words.to_owned()), command.clone());
        }
        for sub in subcommands {
            below(program, format!("{words} {}", sub.get_name()).trim(), sub, all);
        }
    }
    let mut all = BTreeMap::new();
    for program in Program::ALL {
        let binary = crate::binary(program.name()).unwrap();
        below(program, "", &(binary.definition)(), &mut all);
    }
    all
}

/// The name of an option among an operation's arguments.
fn name_of(argument: &clap::Arg) -> String {
    argument.get_long().map_or_else(|| argument.get_id().to_string(), |long| long.replace('-', "_"))
}

/// Whether it is `--help` or `--version`, and not an option with such a name and a value.
fn asks_about_the_program(argument: &clap::Arg) -> bool {
    use clap::ArgAction::{Help, HelpLong, HelpShort, Version};
    matches!(argument.get_action(), Help | HelpLong | HelpShort | Version)
        || (!argument.get_action().takes_values() && argument.get_id() == "version")
}

fn properties(row: &Row) -> BTreeMap<String, String> {
    let schema = row.arguments();
    let properties = schema.pointer("/properties").and_then(serde_json::Value::as_object).cloned();
    let described = |value: &serde_json::Value| value["description"].as_str().unwrap_or_default().to_owned();
    properties.into_iter().flatten().map(|(name, value)| (name, described(&value))).collect()
}

#[test]
fn every_command_is_a_row_and_every_row_a_command() {
    let commands: BTreeSet<String> =
        leaves().keys().map(|(program, words)| format!("{} {words}", program.name())).collect();
    let words = |row: &Row| format!("{} {}", row.about.program.name(), row.about.words_and_option().0);
    assert_eq!(commands, TABLE.iter().map(words).collect());
    // An option that selects an operation is one of the command, which has an operation without it.
    for row in TABLE {
        let (words, Some(option)) = row.about.words_and_option() else { continue };
        let command = &leaves()[&(row.about.program, words.to_owned())];
        assert!(command.get_arguments().any(|argument| argument.get_long() == Some(option)), "{row:?}");
        assert!(self::row(row.about.program, words).is_some(), "{row:?}");
    }
}

#[test]
fn the_help_of_a_command_begins_with_the_summary_of_its_row() {
    for ((program, words), command) in leaves() {
        let name = program.name();
        let row = row(program, &words).unwrap();
        let about = command.get_about().map(ToString::to_string).unwrap_or_default();
        assert_eq!(about, row.about.summary, "{name} {words}");
    }
}

#[test]
fn the_options_of_a_command_are_the_arguments_of_its_row() {
    for ((program, words), command) in leaves() {
        let name = program.name();
        let whole = format!("{name} {words}");
        let options: BTreeSet<String> = command
            .get_arguments()
            .filter(|argument| !argument.is_hide_set() && !asks_about_the_program(argument))
            .map(name_of)
            // The release is an option of every command of `oar`.
            .filter(|id| !(program == Program::Oar && id == "release"))
            .filter(|id| {
                let has_arguments = OTHER_NAMES.iter().any(|(of, option, _)| *of == whole && *option == id);
                let is_none = OF_THE_CALLER.contains(&id.as_str()) || SAYS_THE_DEFAULT.contains(&id.as_str());
                has_arguments || !is_none
            })
            .flat_map(|id| match OTHER_NAMES.iter().find(|(of, file, _)| *of == whole && *file == id) {
                Some((.., arguments)) => arguments.iter().map(|&name| name.to_owned()).collect(),
                None => vec![id],
            })
            .collect();
        let rows = TABLE
            .iter()
            .filter(|other| other.about.program == program && other.about.words_and_option().0 == words);
        let arguments: BTreeSet<String> = rows.flat_map(|row| properties(row).into_keys()).collect();
        assert_eq!(options, arguments, "{whole}");
    }
}

/// The options that tools stand for exist, with these letters; and whatever is said of an option of their commands, a tool
/// says it of its parameter, or that a person does it.
#[test]
fn tools_know_the_options_of_their_commands() {
    use mcp_server::tools::{Kind, Vocabulary, Word, catalogue};
    let leaves = all_leaves();
    for tool in catalogue() {
        let Some(row) = tool.operation() else { continue };
        let program = (crate::binary(row.about.program.name()).unwrap().definition)();
        let (words, _) = row.about.words_and_option();
        let command = &leaves[&(row.about.program, words.to_owned())];
        let options = || command.get_arguments().chain(program.get_arguments());
        let names: BTreeSet<&str> = tool.parameters.iter().map(|parameter| parameter.name).collect();
        for parameter in &tool.parameters {
            let (Word::Option(long) | Word::ProgramOption(long) | Word::When(long) | Word::Unless(long)) =
                parameter.word
            else {
                continue;
            };
            let is_it = |option: &&clap::Arg| option.get_long() == long.strip_prefix("--");
            let option = options().find(is_it).unwrap_or_else(|| panic!("{}: {long}", tool.name));
            assert_eq!(option.get_short(), parameter.short, "{}: {long}", tool.name);
        }
        let offers = |tool: &mcp_server::tools::Tool| !matches!(tool.kind, Kind::Generic(_));
        let vocabulary = Vocabulary::new(tool, &offers);
        for long in options().filter_map(clap::Arg::get_long) {
            for text in [
                format!("Use --{long} for it."),
                format!("Run `{} {} --{long}`.", row.about.program.name(), row.about.command),
            ] {
                let said = vocabulary.put(&text);
                let is_a_parameter = !said.contains("--") && names.iter().any(|name| said.contains(name));
                assert!(is_a_parameter || said.contains("A person does that"), "{}: {said}", tool.name);
            }
        }
    }
}

#[test]
fn every_command_that_makes_passes_can_be_kept_running() {
    let makes_passes =
        |command: &Command| command.get_arguments().any(|argument| argument.get_long() == Some("interval"));
    let leaves = all_leaves();
    let agents: BTreeSet<(&str, &str)> = leaves
        .iter()
        .filter(|(_, command)| makes_passes(command))
        .flat_map(|((program, words), command)| {
            let names = std::iter::once(words.as_str()).chain(command.get_visible_aliases());
            names.map(|name| (program.name(), name)).collect::<Vec<_>>()
        })
        .collect();
    assert_eq!(agents, AGENT_COMMANDS.iter().copied().collect());
}

#[test]
fn only_critical_operations_ask_for_consent() {
    for ((program, words), command) in leaves() {
        let name = program.name();
        let row = row(program, &words).unwrap();
        let asks = command.get_arguments().any(|argument| argument.get_long() == Some("yes"));
        assert_eq!(asks, row.about.effect == Effect::Critical, "{name} {words}");
    }
}

#[test]
fn commands_of_one_release_are_oar_s() {
    for row in TABLE {
        // What is active, and whether everything is there, is asked before a release is chosen.
        let names_one =
            row.about.program == Program::Oar && !["releases", "doctor"].contains(&row.about.command);
        assert_eq!(row.about.scope == Scope::Release, names_one, "{:?}", row.about);
    }
}

fn session() -> Session {
    let (redactor, (_, interrupt)) = (Redactor::default(), Interrupt::channel());
    Session {
        ui: Ui::new(OutputFormat::Text, redactor.clone()),
        environment: Environment::default(),
        clock: Clock::system(),
        redactor,
        interrupt,
        command_lines: crate::COMMAND_LINES,
        behalf: None,
    }
}

#[test]
fn who_acts_for_a_model_reaches_nothing_that_is_for_people() {
    let (people, models) =
        (SessionCommands::new(session()), SessionCommands::new(session()).without_those_for_people());
    let words = |line: &str| line.split(' ').map(str::to_owned).collect::<Vec<_>>();
    for line in [
        "-r 4.19.1 consent drop-bugs",
        "-r 4.19.1 consent drop-bugs --withdraw",
        "--output json consent -r 4.19.1 push-to-cdn-staging --yes",
    ] {
        assert!(people.read("oar", &words(line)).is_ok_and(|read| read.row().about.for_people), "{line}");
        let refused = models.read("oar", &words(line)).err();
        let Some(Unusable::Refused(why)) = refused else { panic!("{line}: {refused:?}") };
        assert!(why.contains("oar consent is for people"), "{why}");
    }
    assert!(models.read("oar", &words("-r 4.19.1 drop-bugs --dry-run")).is_ok());
    let for_people: Vec<_> =
        TABLE.iter().filter(|row| row.about.for_people).map(|row| row.about.id()).collect();
    assert_eq!(for_people, ["oar_consent", "oar_decide", "oar_waive", "oar_hold"]);
}

/// Who may only read may see the plan of a release, in Slack and as a model, and take nothing on.
#[test]
fn the_plan_of_a_release_is_read_and_its_pass_written() {
    let lines = SessionCommands::new(session());
    for (line, id, effect) in [
        ("-r 4.19.1 drive", "oar_drive", Effect::Reads),
        ("-r 4.19.1 drive --plan", "oar_drive", Effect::Reads),
        ("-r 4.19.1 drive --dry-run", "oar_drive", Effect::Reads),
        ("-r 4.19.1 drive --output json", "oar_drive", Effect::Reads),
        ("-r 4.19.1 drive --once", "oar_drive_once", Effect::Writes),
        ("drive --dry-run --once -r 4.19.1", "oar_drive_once", Effect::Writes),
        ("-r 4.19.1 doctor", "oar_doctor", Effect::Reads),
        ("doctor", "oar_doctor", Effect::Reads),
    ] {
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        let read = lines.read("oar", &words).unwrap_or_else(|why| panic!("{line}: {why:?}"));
        assert_eq!((read.row().about.id().as_str(), read.row().about.effect), (id, effect), "{line}");
        assert!(lines.offers(read.row()), "{line}");
    }
}

/// The page of `docs/` that describes a command.
fn page(row: &Row) -> &'static str {
    match (row.about.program, row.about.command) {
        (Program::Oar | Program::Oarctl, "drive" | "drive --once") => "drive.md",
        (Program::Oar, _) => "oar.md",
        (
            Program::Oarctl,
            "image-consistency-check" | "start-release-detector" | "check-test-results" | "jira-notificator",
        ) => "agents.md",
        (Program::Oarctl, "operations") => "exit-codes.md",
        (Program::Oarctl, "doctor") => "doctor.md",
        (Program::Oarctl, "lead-time") => "timeline.md",
        (Program::Oarctl, _) => "statebox.md",
        (Program::Job, _) => "job.md",
        (Program::Jobctl, _) => "jobctl.md",
    }
}

fn read(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)).unwrap()
}

/// The texts in backticks.
fn code(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

#[test]
fn every_operation_stands_on_its_page_and_the_programs_in_the_readme() {
    let readme = read("README.md");
    for row in TABLE {
        let (program, command) = (row.about.program.name(), row.about.command);
        let first = command.split(' ').next().unwrap_or_default();
        let line = readme.lines().find(|line| line.starts_with(&format!("| [`{program}`]"))).unwrap();
        // The tasks of a release are not listed there.
        let is_listed = code(line).any(|word| word == first);
        assert!(is_listed || line.contains("the tasks of a release"), "README.md: {program} {command}");
        let page = read(&format!("docs/{}", page(row)));
        let is_described = [' ', '`'].iter().any(|before| page.contains(&format!("{before}{command}")));
        assert!(is_described, "docs/{}: {program} {command}", self::page(row));
    }
}

/// Whether a command has an option, written as on the command line.
fn has_option(definition: &Command, written: &str) -> bool {
    definition.get_arguments().any(|argument| match written.strip_prefix("--") {
        Some(long) => argument.get_long() == Some(long),
        None => argument.get_short().is_some_and(|short| written == format!("-{short}")),
    })
}

/// The commands that a text names, with their program.
fn named_in<'a>(text: &str, commands: &'a [(String, Command)]) -> Vec<&'a (String, Command)> {
    let text = format!(" {} ", text.replace(['`', '\n'], " "));
    commands.iter().filter(|(name, _)| text.contains(&format!(" {name} "))).collect()
}

/// A row that begins with an option belongs to the commands that the heading of its section names, or else its text.
#[test]
fn the_tables_of_options_name_options_of_the_command_of_their_section() {
    let mut commands: Vec<(String, Command)> = all_leaves()
        .into_iter()
        .map(|((program, words), definition)| (format!("{} {words}", program.name()), definition))
        .collect();
    let server = crate::binary("release-tests-mcp").unwrap();
    commands.push((server.name.to_owned(), (server.definition)()));
    let mut described = BTreeMap::new();
    let pages = TABLE.iter().map(page).chain(["mcp.md"]).collect::<BTreeSet<_>>();
    for page in pages {
        let program = page.trim_end_matches(".md");
        for section in read(&format!("docs/{page}")).split("\n## ") {
            let heading = section.lines().next().unwrap_or_default();
            let of_heading: Vec<_> =
                code(heading).flat_map(|words| named_in(&format!("{program} {words}"), &commands)).collect();
            let of_section = if of_heading.is_empty() { named_in(section, &commands) } else { of_heading };
            for row in section.lines().filter(|line| line.starts_with("| `-")) {
                let first = row.split(" | ").next().unwrap_or_default();
                for option in code(first).filter_map(|text| text.split(' ').next()) {
                    let known = of_section.iter().any(|(_, definition)| has_option(definition, option));
                    let names: Vec<&str> = of_section.iter().map(|(name, _)| name.as_str()).collect();
                    assert!(known, "docs/{page}, {heading}: {option} is no option of {names:?}");
                    *described.entry(page).or_insert(0) += 1;
                }
            }
        }
    }
    assert_eq!(described, BTreeMap::from([("jobctl.md", 1), ("mcp.md", 11), ("oar.md", 8)]));
}

#[test]
fn the_tables_of_commands_name_commands_and_their_options() {
    let leaves = all_leaves();
    let mut described = BTreeSet::new();
    for page in ["job.md", "jobctl.md", "agents.md"] {
        for line in read(&format!("docs/{page}")).lines().filter(|line| line.starts_with("| `")) {
            let cells: Vec<&str> = line.split(" | ").collect();
            let named = code(cells[0]).next().unwrap_or_default();
            let Some((program, rest)) =
                named.split_once(' ').and_then(|(program, rest)| Some((Program::of_name(program)?, rest)))
            else {
                continue;
            };
            let words = rest.split(' ').next().unwrap_or_default();
            let found = leaves.get(&(program, words.to_owned()));
            let Some(definition) = found else { panic!("docs/{page} names `{named}`") };
            described.insert(format!("{} {words}", program.name()));
            let options = cells[1..cells.len() - 1]
                .iter()
                .flat_map(|cell| code(cell))
                .flat_map(|text| text.split(['/', ' ']));
            for option in options.filter(|text| text.starts_with("--")) {
                assert!(has_option(definition, option), "docs/{page}: `{named}` has no option {option}");
            }
        }
    }
    let expected: BTreeSet<String> = TABLE
        .iter()
        .filter(|row| matches!(row.about.program, Program::Job | Program::Jobctl))
        .map(|row| format!("{} {}", row.about.program.name(), row.about.command))
        .chain(
            ["drive", "start-release-detector", "check-test-results", "jira-notificator", "slack-bot"]
                .map(|agent| format!("oarctl {agent}")),
        )
        .collect();
    assert_eq!(described, expected);
}
