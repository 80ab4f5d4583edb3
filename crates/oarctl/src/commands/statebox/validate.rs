use std::path::PathBuf;

use cli_support::{ExitCode, Session};
use oar_core::statebox::check::{decode, validate_text};
use serde::Serialize;

use super::report::{self, Finding};

/// Check StateBox files and name the line and field of each problem
///
/// An error is what one of the programs that share these files refuses, the Python tooling among them. In a file that is
/// named like a release (4.19.1.yaml), the key `release` must say that release. Ends with 1 when a file has an error;
/// warnings alone end with 0.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// StateBox files; `-` for standard input
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
}

/// What is found out about one file.
#[derive(Debug, Serialize)]
struct Validated {
    file: String,
    valid: bool,
    problems: Vec<Finding>,
    /// Why the file cannot be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    unreadable: Option<String>,
}

pub(super) fn run(args: &Args, session: &Session) -> ExitCode {
    let (mut reports, mut lines) = (Vec::new(), Vec::new());
    for path in &args.files {
        let file = path.display().to_string();
        reports.push(match report::read(path, session) {
            Err(reason) => Validated { file, valid: false, problems: Vec::new(), unreadable: Some(reason) },
            Ok(bytes) => {
                let named = path.file_stem().and_then(|stem| stem.to_str()?.parse().ok());
                let diagnostics =
                    decode(bytes).map_or_else(|found| found, |text| validate_text(&text, named.as_ref()));
                lines.extend(report::lines(&diagnostics, path, &session.redactor));
                let problems = report::findings(&diagnostics, &session.redactor);
                Validated { file, valid: !diagnostics.has_errors(), problems, unreadable: None }
            }
        });
    }
    let unreadable = reports.iter().any(|report| report.unreadable.is_some());
    let bad = reports.iter().filter(|report| !report.valid).count();
    let files = report::counted(reports.len(), "file");
    lines.push(if bad == 0 { format!("{files}, no errors") } else { format!("{files}, {bad} with errors") });
    session.ui.json(&serde_json::json!({ "files": reports }));
    session.ui.text(lines.join("\n"));
    report::exit_code(unreadable, bad > 0)
}
