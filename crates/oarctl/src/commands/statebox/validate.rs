use std::path::PathBuf;

use cli_support::{CliError, ExitCode, Session, exit_code};
use oar_core::operations::files::{Content, File};
use oar_core::operations::statebox_validate::StateboxValidate;

use super::report;

/// Check StateBox files and name the line and field of each problem
///
/// An error is anything that one of the programs that share these files refuses, including the Python
/// tooling. In a file with a release's name (4.19.1.yaml), the key `release` must be that release. Exits with
/// 1 if a file has an error; warnings alone exit with 0.
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
        .perform(StateboxValidate { files: args.files.iter().map(read).collect() }, &session.local_call()?)
        .await?;
    let files = &answer.files;
    let mut lines: Vec<String> =
        files.iter().flat_map(|file| report::lines(&file.file, &file.problems)).collect();
    let bad = files.iter().filter(|file| !file.valid).count();
    let files = cli_support::counted(files.len(), "file");
    lines.push(if bad == 0 { format!("{files}, no errors") } else { format!("{files}, {bad} with errors") });
    session.ui.json(&answer);
    session.ui.text(lines.iter().map(|line| session.redactor.redact(line)).collect::<Vec<_>>().join("\n"));
    Ok(exit_code(&answer))
}
