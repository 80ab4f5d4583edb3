//! What is said about arguments that cannot be parsed.

use std::ffi::OsString;

use clap::error::ErrorKind;
use oar_core::redact::Redactor;

use crate::{CliError, ExitCode, OutputFormat, Ui};

/// Shows clap's answer: help and version, or an error, as JSON too when the arguments ask for JSON.
pub(crate) fn answer(error: &clap::Error, arguments: &[OsString], redactor: &Redactor) -> ExitCode {
    if !error.use_stderr() {
        // Nothing is left to be told when the streams are closed.
        let _ = error.print();
        return ExitCode::Done;
    }
    let shown = error.render().to_string();
    if redactor.redact(&shown) == shown {
        let _ = error.print();
    } else {
        Ui::new(OutputFormat::Text, redactor.clone()).note(&shown);
    }
    if asks_for_json(arguments) {
        let error =
            CliError::usage(message(error, &shown)).with_hint("`--help` shows how the program is called.");
        Ui::new(OutputFormat::Json, redactor.clone()).error_document(&error);
    }
    ExitCode::Usage
}

/// Whether the arguments hold `--output json`, as far as that can be told of arguments that are wrong.
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
        return "no command was named".into();
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
