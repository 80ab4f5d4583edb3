//! The command lines and the table of operations say the same.

use std::collections::{BTreeMap, BTreeSet};

use clap::Command;
use oar_core::operations::{Effect, Program, Row, Scope, TABLE, row};

use crate::ProgramName;

/// Commands that are no operations: they work on files and keys of the machine that they run on, for the person at it,
/// or run on as a service.
const LOCAL: &[&str] = &["oarctl config", "oarctl statebox"];

/// Options that belong to the caller and not to an operation: who consents, which form the result has.
const OF_THE_CALLER: &[&str] =
    &["yes", "no_watch", "carry_on", "notify", "release", "output", "debug", "help", "version"];

fn program(name: ProgramName) -> Program {
    match name {
        ProgramName::Oar => Program::Oar,
        ProgramName::Oarctl => Program::Oarctl,
        ProgramName::Job => Program::Job,
        ProgramName::Jobctl => Program::Jobctl,
    }
}

/// Every command without subcommands, by program and words.
fn leaves() -> BTreeMap<(&'static str, String), (Program, Command)> {
    fn below(
        program: ProgramName,
        words: &str,
        command: &Command,
        all: &mut BTreeMap<(&'static str, String), (Program, Command)>,
    ) {
        let subcommands: Vec<&Command> =
            command.get_subcommands().filter(|sub| sub.get_name() != "help").collect();
        if subcommands.is_empty() {
            all.insert((program.name(), words.to_owned()), (self::program(program), command.clone()));
        }
        for sub in subcommands {
            below(program, format!("{words} {}", sub.get_name()).trim(), sub, all);
        }
    }
    let mut all = BTreeMap::new();
    for name in ProgramName::ALL {
        below(name, "", &name.definition(), &mut all);
    }
    all.retain(|(program, words), _| {
        !LOCAL.iter().any(|local| format!("{program} {words}").starts_with(local))
    });
    all
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
        leaves().keys().map(|(program, words)| format!("{program} {words}")).collect();
    let rows: BTreeSet<String> =
        TABLE.iter().map(|row| format!("{} {}", row.about.program.name(), row.about.command)).collect();
    assert_eq!(commands, rows);
}

#[test]
fn the_help_of_a_command_begins_with_the_summary_of_its_row() {
    for ((name, words), (program, command)) in leaves() {
        let row = row(program, &words).unwrap();
        let about = command.get_about().map(ToString::to_string).unwrap_or_default();
        assert_eq!(about, row.about.summary, "{name} {words}");
    }
}

#[test]
fn the_options_of_a_command_are_the_arguments_of_its_row() {
    for ((name, words), (program, command)) in leaves() {
        let row = row(program, &words).unwrap();
        let options: BTreeMap<String, String> = command
            .get_arguments()
            .map(|argument| {
                let id = argument
                    .get_long()
                    .map_or_else(|| argument.get_id().to_string(), |long| long.replace('-', "_"));
                (id, argument.get_help().map(ToString::to_string).unwrap_or_default())
            })
            .filter(|(id, _)| !OF_THE_CALLER.contains(&id.as_str()))
            .collect();
        let names = |map: &BTreeMap<String, String>| map.keys().cloned().collect::<BTreeSet<_>>();
        assert_eq!(names(&options), names(&properties(row)), "{name} {words}");
    }
}

#[test]
fn only_critical_operations_ask_for_consent() {
    for ((name, words), (program, command)) in leaves() {
        let row = row(program, &words).unwrap();
        let asks = command.get_arguments().any(|argument| argument.get_long() == Some("yes"));
        assert_eq!(asks, row.about.effect == Effect::Critical, "{name} {words}");
    }
}

#[test]
fn commands_of_one_release_are_oar_s() {
    for row in TABLE {
        assert_eq!(row.about.scope == Scope::Release, row.about.program == Program::Oar, "{:?}", row.about);
    }
}
