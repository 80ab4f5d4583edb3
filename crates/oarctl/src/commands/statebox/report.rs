//! Findings about files, for people and as JSON.

use std::path::Path;

use cli_support::{CliError, ExitCode, Session, files};
use oar_core::operations::statebox_validate::Finding;

/// The findings of a file as lines that editors can parse.
pub(super) fn lines(file: &str, findings: &[Finding]) -> Vec<String> {
    let line = |finding: &Finding| {
        let Finding { line, column, field, severity, message } = finding;
        let field = if field.is_empty() { String::new() } else { format!("{field}: ") };
        let severity = if *severity == "warning" { "warning: " } else { "" };
        format!("{file}:{line}:{column}: {field}{severity}{message}")
    };
    findings.iter().map(line).collect()
}

/// The content of a file, or of standard input for `-`. A file that cannot be read is reported and does not
/// affect the others.
pub(super) fn read(path: &Path, session: &Session) -> Result<Vec<u8>, String> {
    files::read_bytes(path).map_err(|reason| {
        let message = format!("cannot read {}: {reason}", path.display());
        session.ui.explain(&CliError::usage(message).with_hint(files::UNREADABLE_HINT));
        reason
    })
}

/// The exit code for several files: a wrong call takes precedence over a finding.
pub(super) fn exit_code(unreadable: bool, found: bool) -> ExitCode {
    match (unreadable, found) {
        (true, _) => ExitCode::Usage,
        (false, true) => ExitCode::Failed,
        (false, false) => ExitCode::Done,
    }
}
