//! Shows runs, and events while they are started.

use cli_support::{CliError, Session, Ui};
use oar_core::operations::{Call, Part};
use oar_core::prow::jobs::{JobError, JobRun, NewestRelease, RecordChange};

use crate::csv::Rows;

/// A run as text, one line per fact.
pub(crate) fn lines(run: &JobRun) -> String {
    let mut lines = vec![format!("Job       {}", run.name), format!("Id        {}", run.id)];
    let mut line = |label: &str, value: &Option<String>| {
        if let Some(value) = value {
            lines.push(format!("{label:<9} {value}"));
        }
    };
    line("State", &run.state);
    line("Started", &run.started);
    line("Ended", &run.completed);
    line("Page", &run.page);
    for (name, value) in &run.envs {
        lines.push(format!("With      {name}={value}"));
    }
    lines.join("\n")
}

/// The text of most commands for a run that was just started.
pub(crate) fn job_id(run: &JobRun) -> String {
    format!("Returned job id: {}", run.id)
}

/// A call that shows the parts of its result when they arrive; `started` makes the text for a run that was
/// just started.
pub(crate) fn call(session: &Session, started: fn(&JobRun) -> String) -> Result<Call, CliError> {
    Ok(session.showing_parts(session.call(false)?, move |ui, part| show(ui, part, started)))
}

fn show(ui: &Ui, part: Part<'_>, started: fn(&JobRun) -> String) {
    let explain = |failure: Option<&JobError>| ui.explain_all(failure.cloned().map(CliError::from));
    match part {
        Part::Started(run) => {
            let text = started(run);
            if ui.is_json() {
                // The JSON document comes last; a user who interrupts the wait for the page needs the id.
                ui.note(&text);
            }
            ui.text(text);
        }
        Part::Required(row, failure) => {
            explain(failure);
            let id = row.id.as_ref().map(|id| format!(" {id}")).unwrap_or_default();
            ui.text(format!("{:<7}{id} {}", row.result, row.job));
        }
        Part::Newest(row, failure) => {
            newest(ui, row);
            explain(failure);
        }
        Part::Controlled(_) | Part::Notified(_) => {}
    }
}

fn newest(ui: &Ui, row: &NewestRelease) {
    let Some(latest) = &row.latest else { return };
    ui.text(format!("The latest version of {} is: {latest}", row.release));
    match &row.change {
        None => {}
        Some(RecordChange::None { path }) => ui.text(format!("{path} has no older release; nothing to do.")),
        Some(RecordChange::Planned { path, recorded }) => {
            let old = recorded.as_deref().unwrap_or("nothing");
            ui.text(format!("Would record {latest} in {path}, replacing {old}."));
        }
        Some(RecordChange::Written { path }) => ui.text(format!("Recorded in {path}.")),
    }
}

/// Appends runs to the user's CSV file, if one was given. The runs have been shown already, so a failure is
/// returned and not fatal.
pub(crate) fn append(rows: Option<Rows>, runs: &[JobRun]) -> Option<CliError> {
    rows.and_then(|rows| rows.append(runs).err())
}
