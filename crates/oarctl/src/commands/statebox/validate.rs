use std::path::PathBuf;

use cli_support::{CliError, ExitCode, Session, exit_code};
use oar_core::operations::files::{Content, File};
use oar_core::operations::statebox_validate::StateboxValidate;

use super::report;

/// Check StateBox files and name the line and field of each problem
///
/// An error is what one of the programs that share these files refuses, the Python tooling among them. In a file that is
/// named like a release (4.19.1.yaml), the key `release` must say that release. Ends with 1 when a file has an error;
/// warnings alone end with 0.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// StateBox files; `-` for standard input
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
}

pub(super) async fn run(args: &Args, session: &Session) -> Result<ExitCode, CliError> {
    let read = |path: &PathBuf| File {
        name: path.display().to_string(),
        content: Content(report::read(path, session)),
    };
    let answer = session
        .perform(StateboxValidate { files: args.files.iter().map(read).collect() }, &session.call(false)?)
        .await?;
    let files = &answer.files;
    let mut lines: Vec<String> =
        files.iter().flat_map(|file| report::lines(&file.file, &file.problems)).collect();
    let bad = files.iter().filter(|file| !file.valid).count();
    let files = report::counted(files.len(), "file");
    lines.push(if bad == 0 { format!("{files}, no errors") } else { format!("{files}, {bad} with errors") });
    session.ui.json(&answer);
    session.ui.text(lines.iter().map(|line| session.redactor.redact(line)).collect::<Vec<_>>().join("\n"));
    Ok(exit_code(&answer))
}
