use cli_support::{CliError, ExitCode, Session, TextStyle};
use oar_core::config::masked;
use serde_json::Value;

use super::input;

/// Show the document with secrets and addresses masked
///
/// The document is the one of `OAR_CONFIG`, otherwise `config/config_store.json` beside the program or in the
/// working tree; `OAR_JWK` opens it. Each line is a key with its value; `config get KEY` prints a single
/// value.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Show e-mail addresses too
    #[arg(long)]
    show_addresses: bool,
}

pub(super) fn run(args: &Args, session: &Session) -> Result<ExitCode, CliError> {
    let document = input::configured(session)?;
    let root = Value::Object(document.root().clone());
    let shown = masked(&root, &session.redactor, args.show_addresses);
    session.ui.json(&shown);
    session.ui.text(lines(&shown));
    Ok(ExitCode::Done)
}

/// One line per value: its path and the value, in two columns.
fn lines(document: &Value) -> String {
    let mut rows = Vec::new();
    collect(document, String::new(), &mut rows);
    let width = rows.iter().map(|(path, _)| path.chars().count()).max().unwrap_or(0);
    let line = |(path, value): &(String, String)| {
        format!("{}  {value}", TextStyle::Strong.paint(format!("{path:width$}")))
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn collect(value: &Value, path: String, rows: &mut Vec<(String, String)>) {
    match value {
        Value::Object(entries) if !entries.is_empty() => {
            for (name, value) in entries {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                collect(value, path, rows);
            }
        }
        Value::String(text) => rows.push((path, text.clone())),
        other => rows.push((path, other.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_has_a_line_with_its_path() {
        let document = serde_json::json!({"a": {"b": "x y", "c.d": 1}, "long_name": [1, 2], "e": {}});
        assert_eq!(
            cli_support::plain(&lines(&document)),
            "a.b        x y\na.c.d      1\nlong_name  [1,2]\ne          {}"
        );
    }
}
