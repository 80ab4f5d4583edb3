use cli_support::{CliError, ExitCode, Session};
use oar_core::error::ErrorClass;
use serde_json::Value;

use super::input;

/// Print one value of the document, unchanged
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The key's path with dots, for example owners.default or contacts.slack.qe-release.4.19
    #[arg(value_name = "KEY")]
    key: String,
}

pub(super) fn run(args: &Args, session: &Session) -> Result<ExitCode, CliError> {
    let document = input::configured(session)?;
    let value = document.lookup(&args.key).ok_or_else(|| {
        CliError::new(ErrorClass::Configuration, format!("the configuration document has no `{}`", args.key))
            .with_hint("`oarctl config view` lists every key.")
    })?;
    if session.ui.is_json() {
        session.ui.json(value);
        return Ok(ExitCode::Done);
    }
    // Unchanged, because scripts read it.
    session.ui.raw(match value {
        Value::String(text) => format!("{text}\n"),
        Value::Object(_) | Value::Array(_) => format!("{value:#}\n"),
        other => format!("{other}\n"),
    });
    Ok(ExitCode::Done)
}
