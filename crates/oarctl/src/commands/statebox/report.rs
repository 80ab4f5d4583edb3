//! Findings about files, for people and as JSON.

use std::path::Path;

use cli_support::{ExitCode, Session, files};
use oar_core::redact::Redactor;
use oar_core::statebox::{Diagnostic, Diagnostics, Severity};
use serde::Serialize;

/// One finding as JSON.
#[derive(Debug, Serialize)]
pub(super) struct Finding {
    /// 0 when the whole file is meant.
    line: usize,
    column: usize,
    field: String,
    severity: &'static str,
    message: String,
}

impl Finding {
    fn of(diagnostic: &Diagnostic, redactor: &Redactor) -> Self {
        Self {
            line: diagnostic.position.line,
            column: diagnostic.position.column,
            field: diagnostic.field.clone(),
            severity: match diagnostic.severity {
                Severity::Error => "error",
                Severity::Warning => "warning",
            },
            message: redactor.redact(&diagnostic.message).into_owned(),
        }
    }
}

/// All findings of a file as JSON.
pub(super) fn findings(diagnostics: &Diagnostics, redactor: &Redactor) -> Vec<Finding> {
    diagnostics.iter().map(|diagnostic| Finding::of(diagnostic, redactor)).collect()
}

/// All findings of a file as lines that editors can follow.
pub(super) fn lines(diagnostics: &Diagnostics, path: &Path, redactor: &Redactor) -> Vec<String> {
    let file = path.display().to_string();
    diagnostics.lines(&file).map(|line| redactor.redact(&line).into_owned()).collect()
}

/// What a file, or standard input for `-`, holds. A file that cannot be read is told and does not end the others.
pub(super) fn read(path: &Path, session: &Session) -> Result<Vec<u8>, String> {
    files::read_bytes(path).map_err(|reason| {
        session.ui.warn(format!("cannot read {}: {reason}", path.display()));
        reason
    })
}

/// The code of several files: a wrong call counts more than a finding.
pub(super) fn exit_code(unreadable: bool, found: bool) -> ExitCode {
    match (unreadable, found) {
        (true, _) => ExitCode::Usage,
        (false, true) => ExitCode::Failed,
        (false, false) => ExitCode::Done,
    }
}

/// `1 file`, `2 files`.
pub(super) fn counted(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}
