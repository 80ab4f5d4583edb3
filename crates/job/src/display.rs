//! How runs, and what happens on the way to them, are shown.

use cli_support::{CliError, ExitCode, Session};
use oar_core::prow::jobs::{Event, JobRun};

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

/// Tells what every command tells in the same way.
pub(crate) fn tell(session: &Session, event: Event<'_>) {
    match event {
        Event::Note(text) => session.ui.note(text),
        Event::Warning(text) => session.ui.warn(text),
        Event::Started(_) | Event::Required(..) | Event::Newest(..) => {}
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
