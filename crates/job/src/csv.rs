//! Rows of runs in a file that the user names, in the columns of the Python tooling's hidden one (spec 04 §1.2).

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

/// A file that rows are appended to. It is opened before anything is started that a row is to tell of.
pub(crate) struct Rows {
    path: PathBuf,
    file: File,
}

impl Rows {
    /// Opens the file at `path`, or makes it. One with other columns is refused.
    pub(crate) fn open(path: &Path) -> Result<Self, CliError> {
        let refused = |why: String| {
            CliError::new(ErrorClass::Configuration, format!("cannot write {}: {why}", path.display()))
                .with_hint("Nothing was done. Name another file with --csv.")
        };
        let open = || -> io::Result<(File, bool)> {
            let file = OpenOptions::new().append(true).create(true).open(path)?;
            let found = file.metadata()?;
            Ok((file, !found.is_file() || found.len() == 0 || begins_with_header(path)?))
        };
        match open() {
            Ok((file, true)) => Ok(Self { path: path.to_owned(), file }),
            Ok((_, false)) => Err(refused(format!("its first line is not `{}`", HEADER.join(",")))),
            Err(error) => Err(refused(error.to_string())),
        }
    }

    /// Appends `runs`; a new file gets a header first.
    pub(crate) fn append(&mut self, runs: &[JobRun]) -> Result<(), CliError> {
        self.write(runs).map_err(|error| {
            CliError::new(ErrorClass::Configuration, format!("cannot write {}: {error}", self.path.display()))
                .with_hint("What was started runs; `job get_results ID --csv FILE` writes it down.")
        })
    }

    fn write(&mut self, runs: &[JobRun]) -> io::Result<()> {
        let mut rows = csv::Writer::from_writer(Vec::new());
        if self.file.metadata()?.len() == 0 {
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
        // One write, so that rows of several programs do not mix.
        self.file.write_all(&rows)
    }
}

fn begins_with_header(path: &Path) -> io::Result<bool> {
    let header = HEADER.join(",");
    let mut first = Vec::new();
    // One byte more than the header, which is the end of its line.
    File::open(path)?.take(header.len() as u64 + 1).read_to_end(&mut first)?;
    Ok(first.strip_prefix(header.as_bytes()).is_some_and(|rest| matches!(rest, [] | [b'\n' | b'\r'])))
}
