//! Appends runs to the user's CSV file, with the columns of the Python tooling's hidden file (spec 04 §1.2).

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use cli_support::CliError;
use oar_core::error::ErrorClass;
use oar_core::prow::jobs::JobRun;

const HEADER: [&str; 9] = [
    "jobName",
    "payload",
    "upgrade_from",
    "upgrade_to",
    "jobStartTime",
    "jobID",
    "jobURL",
    "jobState",
    "jobCompletionTime",
];

/// A file that rows are appended to. It is checked before the start of a run that gets a row; a missing file
/// is created with the first row.
pub(crate) struct Rows {
    path: PathBuf,
}

impl Rows {
    /// Rows for the file at `path`. One that cannot be written, or has other columns, is refused.
    pub(crate) fn of(path: &Path) -> Result<Self, CliError> {
        let refused = |why: String| {
            CliError::new(ErrorClass::Configuration, format!("cannot write {}: {why}", path.display()))
                .with_hint("Nothing was done. Name another file with --csv.")
        };
        match takes_rows(path) {
            Ok(true) => Ok(Self { path: path.to_owned() }),
            Ok(false) => Err(refused(format!("its first line is not `{}`", HEADER.join(",")))),
            Err(error) => Err(refused(error.to_string())),
        }
    }

    /// Appends `runs`; a new file gets a header first.
    pub(crate) fn append(&self, runs: &[JobRun]) -> Result<(), CliError> {
        self.write(runs).map_err(|error| {
            CliError::new(ErrorClass::Configuration, format!("cannot write {}: {error}", self.path.display()))
                .with_hint("What was started runs; `job get_results ID --csv FILE` writes it down.")
        })
    }

    fn write(&self, runs: &[JobRun]) -> io::Result<()> {
        let mut file = OpenOptions::new().append(true).create(true).open(&self.path)?;
        let mut rows = csv::Writer::from_writer(Vec::new());
        if file.metadata()?.len() == 0 {
            rows.write_record(HEADER)?;
        }
        for run in runs {
            let text = |field: &Option<String>| field.clone().unwrap_or_default();
            let fields = [
                run.name.clone(),
                text(&run.payload),
                text(&run.upgrade_from),
                text(&run.upgrade_to),
                text(&run.started),
                run.id.clone(),
                text(&run.page),
                text(&run.state),
                text(&run.completed),
            ];
            rows.write_record(fields)?;
        }
        let rows = rows.into_inner().map_err(csv::IntoInnerError::into_error)?;
        // One write, so that rows of several programs are not interleaved.
        file.write_all(&rows)
    }
}

/// Whether rows can be appended to the file at `path`: it has the same columns, or is new. The error says why
/// it cannot be written.
fn takes_rows(path: &Path) -> io::Result<bool> {
    match OpenOptions::new().append(true).open(path) {
        Ok(file) => {
            let found = file.metadata()?;
            Ok(!found.is_file() || found.len() == 0 || begins_with_header(path)?)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
            // An unnamed file as a test; the file itself is created with its first row.
            tempfile::tempfile_in(folder.unwrap_or(Path::new("."))).map(|_| true)
        }
        Err(error) => Err(error),
    }
}

fn begins_with_header(path: &Path) -> io::Result<bool> {
    let header = HEADER.join(",");
    let mut first = Vec::new();
    // One byte more than the header, for its line end.
    File::open(path)?.take(header.len() as u64 + 1).read_to_end(&mut first)?;
    Ok(first.strip_prefix(header.as_bytes()).is_some_and(|rest| matches!(rest, [] | [b'\n' | b'\r'])))
}
