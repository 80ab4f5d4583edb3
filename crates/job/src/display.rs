//! How runs, and what happens on the way to them, are shown.

use std::sync::Arc;

use cli_support::{CliError, ExitCode, Session, Ui};
use oar_core::operations::{Call, Observer, Part};
use oar_core::prow::jobs::{JobRun, NewestRelease, RecordChange};

use crate::csv::Rows;

/// A run for people, a line per fact.
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

/// Tells the person how an operation goes, and the parts of its result as they come.
#[derive(Debug)]
pub(crate) struct Teller {
    ui: Ui,
    /// How a run is told that was started a moment ago.
    started: fn(&JobRun) -> String,
}

impl Teller {
    pub(crate) fn of(session: &Session) -> Self {
        Self { ui: session.ui.clone(), started: |run| format!("Returned job id: {}", run.id) }
    }

    /// One that tells a run so, as soon as it is started.
    pub(crate) fn saying(session: &Session, started: fn(&JobRun) -> String) -> Self {
        Self { started, ..Self::of(session) }
    }

    /// A call that is told so.
    pub(crate) fn call(self, session: &Session) -> Result<Call, CliError> {
        Ok(session.call(false)?.observed_by(Arc::new(self)))
    }

    fn newest(&self, row: &NewestRelease) {
        let Some(latest) = &row.latest else { return };
        self.ui.text(format!("The latest version of {} is: {latest}", row.release));
        match &row.change {
            None => {}
            Some(RecordChange::None { path }) => {
                self.ui.text(format!("{path} has no older release; nothing to do."));
            }
            Some(RecordChange::Planned { path, recorded }) => {
                let old = recorded.as_deref().unwrap_or("nothing");
                self.ui.text(format!("Would record {latest} in {path}, where {old} stands."));
            }
            Some(RecordChange::Written { path }) => self.ui.text(format!("Recorded in {path}.")),
        }
    }
}

impl Observer for Teller {
    fn note(&self, text: &str) {
        self.ui.note(text);
    }

    fn warn(&self, text: &str) {
        self.ui.warn(text);
    }

    fn part(&self, part: Part<'_>) {
        match part {
            Part::Started(run) => {
                let text = (self.started)(run);
                if self.ui.is_json() {
                    // The document comes last; whoever interrupts the wait for the page is to know the id.
                    self.ui.note(&text);
                }
                self.ui.text(text);
            }
            Part::Required(row, failure) => {
                if let Some(failure) = failure {
                    self.ui.explain(&failure.clone().into());
                }
                self.ui.text(match &row.id {
                    Some(id) => format!("{:<7} {id} {}", row.result, row.job),
                    None => format!("{:<7} {}", row.result, row.job),
                });
            }
            Part::Newest(row, failure) => {
                self.newest(row);
                if let Some(failure) = failure {
                    self.ui.explain(&failure.clone().into());
                }
            }
            Part::Controlled(_) | Part::Notified(_) => {}
        }
    }
}

/// The exit code of several problems that are told already, each on its own: the first one's, as they come.
pub(crate) fn explained(session: &Session, problems: impl IntoIterator<Item = CliError>) -> ExitCode {
    let mut code = ExitCode::Done;
    for problem in problems {
        session.ui.explain(&problem);
        code = if code == ExitCode::Done { problem.code } else { code };
    }
    code
}

/// Appends runs to the file that the user named, if any. The runs are told already, whatever becomes of their rows.
pub(crate) fn append(rows: Option<Rows>, runs: &[JobRun]) -> Option<CliError> {
    rows.and_then(|mut rows| rows.append(runs).err())
}
