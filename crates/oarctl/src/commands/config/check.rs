use std::path::PathBuf;

use cli_support::{CliError, ExitCode, Session, TextStyle};
use oar_core::config::{Problem, Severity, SupportedVersions, check_environment, find_document, jwe};
use oar_core::operators::doctor::document_problems;
use secrecy::ExposeSecret;
use serde::Serialize;

use super::input;

/// Check every section of a document against the keys that the programs read
///
/// Files that the document names are read too. Without FILE, the environment variables are checked as well.
/// Exits with 1 if a command would fail; warnings alone exit with 0.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The document, plain or encrypted; by default the one that the programs use
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
}

/// The JSON output of `check`.
#[derive(Debug, Serialize)]
struct Report<'a> {
    document: String,
    errors: usize,
    warnings: usize,
    problems: &'a [Problem],
}

pub(super) fn run(args: &Args, session: &Session) -> Result<ExitCode, CliError> {
    let path = match &args.file {
        Some(path) => path.clone(),
        None => find_document(&session.environment)?,
    };
    let text = input::text_of(&path)?;
    let is_plain =
        text.expose_secret().trim_start().starts_with(['{', '[']) && !jwe::is_encrypted(text.expose_secret());
    let plain = if is_plain { text } else { input::decrypted(&text, &path, session)? };
    let versions = SupportedVersions::beside(Some(&path))?;
    let directory = Some(input::directory_of(&path));
    let mut problems = document_problems(plain.expose_secret(), &versions, directory, session.clock.now());
    if args.file.is_none() {
        problems.extend(check_environment(&session.environment));
    }
    let count = |severity: Severity| problems.iter().filter(|problem| problem.severity == severity).count();
    let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
    let document = path.display().to_string();
    session.ui.json(&Report { document: document.clone(), errors, warnings, problems: &problems });
    let mut lines: Vec<String> = problems.iter().map(line).collect();
    lines.push(match (errors, warnings) {
        (0, 0) => format!("{document}: no problem found"),
        _ => format!(
            "{document}: {} and {}",
            cli_support::counted(errors, "error"),
            cli_support::counted(warnings, "warning")
        ),
    });
    session.ui.text(lines.join("\n"));
    Ok(if errors > 0 { ExitCode::Failed } else { ExitCode::Done })
}

/// A problem as one line.
pub(super) fn line(problem: &Problem) -> String {
    let tone = match problem.severity {
        Severity::Error => TextStyle::Bad,
        Severity::Warning => TextStyle::Attention,
    };
    let severity = tone.paint(format!("{}:", problem.severity));
    if problem.path.is_empty() {
        return format!("{severity} {}", problem.message);
    }
    format!("{severity} {}: {}", TextStyle::Strong.paint(&problem.path), problem.message)
}
