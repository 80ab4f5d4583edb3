use std::path::PathBuf;

use cli_support::{CliError, ExitCode, Session};
use oar_core::operations::job::get_results::GetResults;
use oar_core::prow::jobs::JobId;

use crate::csv::Rows;
use crate::display;

/// Show a run of a job
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The id that the start printed
    #[arg(value_name = "JOB_ID")]
    id: JobId,
    /// Look again for up to 25 seconds, until the run has a page or has ended
    #[arg(long, overrides_with = "no_poll")]
    poll: bool,
    /// Look once; the default
    #[arg(long, overrides_with = "poll")]
    no_poll: bool,
    /// Append the run to this file as CSV
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
}

pub(crate) async fn run(args: Args, session: &Session) -> Result<ExitCode, CliError> {
    let rows = args.csv.as_deref().map(Rows::of).transpose()?;
    let call = session.call(false)?;
    let answer = session.perform(GetResults { id: args.id, poll: args.poll }, &call).await?;
    session.ui.text(display::lines(&answer.run));
    session.ui.json(&answer);
    // The run has been shown already; a problem must not become a second JSON document.
    let unwritten = display::append(rows, std::slice::from_ref(&answer.run));
    Ok(session.ui.explain_all(unwritten.into_iter().chain(answer.missing.map(CliError::from))))
}
