use std::path::PathBuf;

use cli_support::{CliError, ExitCode, Session};
use oar_core::prow::view::BuildView;

use crate::records::{self, Registries};
use crate::render;

/// Show a build's tests: jobs, runs, retries, the result, and why the build is accepted or not
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The record of the build's tests, a file called `ocp-test-result-<build>-<arch>.json`
    #[arg(value_name = "FILE")]
    record: PathBuf,
    /// Directory with the registries of test jobs; a record that says what it was started with needs none
    #[arg(long, value_name = "DIR")]
    registry: Option<PathBuf>,
}

pub(super) fn run(args: &Args, session: &Session) -> Result<ExitCode, CliError> {
    let file = records::read_record(&args.record)?;
    let registries = Registries::read(args.registry.as_deref())?;
    registries.warn(session);
    let view = BuildView::of(&file, registries.find(file.name().registry()));
    session.ui.json(&view);
    session.ui.text(render::build(&view));
    Ok(ExitCode::Done)
}
