//! Errors of arguments that cannot be parsed.

use std::ffi::OsString;
use std::io::Write as _;

use clap::error::ErrorKind;

use crate::{CliError, ExitCode, OutputFormat, Ui};

/// Shows clap's answer: help and version, or an error, as JSON too when the arguments ask for JSON.
pub(crate) fn answer(
    error: &clap::Error,
    arguments: &[OsString],
    ui: impl Fn(OutputFormat) -> Ui,
) -> ExitCode {
    let person = ui(OutputFormat::Text);
    if !error.use_stderr() {
        let written = error.print().and_then(|()| std::io::stdout().flush());
        return person.settled(ExitCode::Done, written);
    }
    let shown = error.render().to_string();
    let wrong = CliError::usage(message(error, &shown)).with_hint("Run it with `--help` to see its usage.");
    if person.writes_json_lines() {
        person.explain(&wrong);
    } else if person.is_written_as_it_is(&shown) {
        // With clap's own colours. An error of a closed stream is ignored.
        let _ = error.print();
    } else {
        person.note(&shown);
    }
    if !asks_for_json(arguments) {
        return ExitCode::Usage;
    }
    let program = ui(OutputFormat::Json);
    program.error_document(&wrong);
    program.settle(ExitCode::Usage)
}

/// Whether the arguments contain `--output json`, as far as that can be determined for wrong arguments.
fn asks_for_json(arguments: &[OsString]) -> bool {
    let before_values: Vec<&OsString> = arguments.iter().take_while(|argument| *argument != "--").collect();
    before_values.iter().any(|argument| *argument == "--output=json")
        || before_values
            .windows(2)
            .any(|pair| matches!(pair, [name, form] if *name == "--output" && *form == "json"))
}

/// The first paragraph of clap's text in one line, without its `error:`.
fn message(error: &clap::Error, shown: &str) -> String {
    if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        return "no command was given".into();
    }
    let paragraph = shown.split("\n\n").next().unwrap_or_default();
    let words: Vec<&str> = paragraph.split_whitespace().collect();
    let line = words.join(" ");
    line.strip_prefix("error: ").unwrap_or(&line).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(words: &[&str]) -> Vec<OsString> {
        words.iter().map(OsString::from).collect()
    }

    #[test]
    fn json_is_asked_for_in_either_spelling_and_only_as_an_option() {
        assert!(asks_for_json(&arguments(&["oar", "--output", "json", "nosuch"])));
        assert!(asks_for_json(&arguments(&["oar", "nosuch", "--output=json"])));
        assert!(!asks_for_json(&arguments(&["oar", "--output", "text", "json"])));
        assert!(!asks_for_json(&arguments(&["oar", "issue", "add", "--", "--output=json"])));
    }

    #[test]
    fn the_message_is_one_line() {
        let command = clap::Command::new("oar").arg(clap::Arg::new("email").long("email").required(true));
        let error = command.try_get_matches_from(["oar"]).unwrap_err();
        let said = message(&error, &error.render().to_string());
        assert_eq!(said, "the following required arguments were not provided: --email <email>");
    }
}
