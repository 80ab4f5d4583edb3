//! Rows of runs in a file that the user names, in the columns of the Python tooling's hidden one (spec 04 §1.2).

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::Path;

use cli_support::CliError;
use oar_core::error::ErrorClass;

use crate::shown::RunView;

const HEADER: [&str; 6] = ["jobName", "jobStartTime", "jobID", "jobURL", "jobState", "jobCompletionTime"];

/// Appends `runs` to the file at `path`; a new file gets a header first.
pub(crate) fn append(path: &Path, runs: &[RunView]) -> Result<(), CliError> {
    write(path, runs).map_err(|error| {
        CliError::new(ErrorClass::Configuration, format!("cannot write {}: {error}", path.display()))
            .with_hint("What was started runs; `job get_results ID --csv FILE` writes it down.")
    })
}

fn write(path: &Path, runs: &[RunView]) -> io::Result<()> {
    let mut file = OpenOptions::new().append(true).create(true).open(path)?;
    let mut rows = csv::Writer::from_writer(Vec::new());
    if file.metadata()?.len() == 0 {
        rows.write_record(HEADER)?;
    }
    for run in runs {
        let text = |field: &Option<String>| field.clone().unwrap_or_default();
        let fields = [
            run.name.clone(),
            text(&run.started),
            run.id.clone(),
            text(&run.page),
            text(&run.state),
            text(&run.completed),
        ];
        rows.write_record(fields)?;
    }
    let rows = rows.into_inner().map_err(csv::IntoInnerError::into_error)?;
    // One write, so that rows of several programs do not mix.
    file.write_all(&rows)
}
