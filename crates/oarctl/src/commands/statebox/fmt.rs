use std::path::{Path, PathBuf};

use cli_support::{ExitCode, Session, files};
use oar_core::operations::statebox_validate::Finding;
use oar_core::statebox::check::{Formatted, decode, format_text};
use serde::Serialize;

use super::report;
use crate::private;

/// Format StateBox files as the programs write them
///
/// Values, unknown keys and their order are kept; quoting and folding become those of the Python tooling.
/// Comments are lost, and a warning names each. A file with errors is not changed.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Write nothing; exit with 1 if a file would change
    #[arg(long)]
    check: bool,
    /// Write nothing; only list the files that would change
    #[arg(long)]
    dry_run: bool,
    /// StateBox files; `-` formats standard input to standard output
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
}

/// The result for one file.
#[derive(Debug, Default, Serialize)]
struct Report {
    file: String,
    changed: bool,
    written: bool,
    /// The lines of the comments that are lost.
    lost_comments: Vec<usize>,
    problems: Vec<Finding>,
    /// The new text of standard input, which is not written to a file.
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    /// Why the file cannot be read or written.
    #[serde(skip_serializing_if = "Option::is_none")]
    unusable: Option<String>,
    #[serde(skip)]
    failed: bool,
}

pub(super) fn run(args: &Args, session: &Session) -> ExitCode {
    let reports: Vec<Report> = args.files.iter().map(|path| format_file(args, path, session)).collect();
    let changed = reports.iter().filter(|report| report.changed).count();
    let unusable = reports.iter().any(|report| report.unusable.is_some());
    let failed = reports.iter().any(|report| report.failed);
    session.ui.json(&serde_json::json!({ "files": reports }));
    let keeps = args.check || args.dry_run;
    let verb = if keeps { "would change" } else { "changed" };
    for report in reports.iter().filter(|report| report.changed && report.file != "-") {
        session.ui.text(format!("{}: {verb}", report.file));
    }
    session.ui.note(format!("{}, {changed} {verb}", cli_support::counted(reports.len(), "file")));
    report::exit_code(unusable, failed || (args.check && changed > 0))
}

fn format_file(args: &Args, path: &Path, session: &Session) -> Report {
    let mut report = Report { file: path.display().to_string(), ..Report::default() };
    let bytes = match report::read(path, session) {
        Ok(bytes) => bytes,
        Err(reason) => return Report { unusable: Some(reason), ..report },
    };
    let formatted = match decode(bytes).and_then(|text| format_text(&text)) {
        Ok(formatted) => formatted,
        Err(found) => {
            report.problems = Finding::all(&found, &session.redactor);
            tell(&report, session);
            return Report { failed: true, ..report };
        }
    };
    report.problems = Finding::all(&formatted.warnings, &session.redactor);
    tell(&report, session);
    report.lost_comments = formatted.lost_comments.iter().map(|position| position.line).collect();
    for position in &formatted.lost_comments {
        session.ui.note(format!("{}:{position}: warning: this comment cannot be kept", report.file));
    }
    report.changed = formatted.changed;
    if !args.check && !args.dry_run {
        write(&formatted, path, &mut report, session);
    }
    report
}

fn tell(report: &Report, session: &Session) {
    for line in report::lines(&report.file, &report.problems) {
        session.ui.note(line);
    }
}

fn write(formatted: &Formatted, path: &Path, report: &mut Report, session: &Session) {
    if path == Path::new(files::STANDARD_INPUT) {
        if session.ui.is_json() {
            report.text = Some(formatted.text.clone());
        } else {
            session.ui.raw(&formatted.text);
        }
    } else if formatted.changed {
        match private::replace(path, formatted.text.as_bytes(), 0o644) {
            Ok(()) => report.written = true,
            Err(error) => {
                session.ui.warn(format!("cannot write {}: {error}", path.display()));
                report.unusable = Some(error.to_string());
            }
        }
    }
}
