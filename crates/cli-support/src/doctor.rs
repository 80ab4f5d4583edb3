//! What `doctor` shows, in each of the programs.

use oar_core::error::ErrorClass;
use oar_core::operations::{Call, Operation};
use oar_core::operators::doctor::{Diagnosis, Finding, FindingVerdict};

use crate::{CliError, ExitCode, Session, TextStyle, counted, exit_code};

/// Runs the operation and shows what it found.
pub async fn doctor<O: Operation<Answer = Diagnosis>>(
    operation: O,
    session: &Session,
    call: &Call,
) -> Result<ExitCode, CliError> {
    let diagnosis = session.perform(operation, call).await?;
    session.ui.json(&diagnosis);
    session.ui.text(lines(&diagnosis).join("\n"));
    if let Some(class) = diagnosis.class() {
        session.ui.explain(&verdict(class, &diagnosis));
    }
    Ok(exit_code(&diagnosis))
}

fn verdict(class: ErrorClass, diagnosis: &Diagnosis) -> CliError {
    let things = counted(diagnosis.count(class), "check");
    match class {
        ErrorClass::Unavailable => {
            let message = format!("{things} of what is needed could not look");
            CliError::new(class, message).with_hint("Run the same command again when the services answer.")
        }
        class => {
            let message = format!("{things} found that something is missing");
            CliError::new(class, message)
                .with_hint("Do what the lines marked `missing` say, then run it again.")
        }
    }
}

/// A line per finding, and below it the next step.
fn lines(diagnosis: &Diagnosis) -> Vec<String> {
    let width = diagnosis.findings.iter().map(|finding| finding.check.len()).max().unwrap_or(0);
    diagnosis.findings.iter().flat_map(|finding| line(finding, width)).collect()
}

fn line(finding: &Finding, width: usize) -> Vec<String> {
    let tone = match finding.verdict {
        FindingVerdict::Ok => TextStyle::Good,
        FindingVerdict::Missing => TextStyle::Bad,
        FindingVerdict::Warning | FindingVerdict::Unknown => TextStyle::Attention,
    };
    let mark = tone.paint(format!("{:<7}", finding.verdict.text()));
    let optional = if finding.needed { "" } else { " (optional)" };
    let mut lines = vec![format!("{mark}  {:<width$}  {}{optional}", finding.check, finding.text)];
    if finding.verdict != FindingVerdict::Ok {
        lines.extend(finding.next.iter().map(|next| format!("{:9}{:width$}  next: {next}", "", "")));
    }
    lines
}
