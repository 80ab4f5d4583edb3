use std::path::PathBuf;

use cli_support::{CliError, ExitCode, Session};
use oar_core::prow::jobs::JobRun;

use crate::csv::Rows;
use crate::display;

/// Show a run of a job
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The id that the start printed
    #[arg(value_name = "JOB_ID", value_parser = job_id)]
    id: String,
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

fn job_id(text: &str) -> Result<String, String> {
    let id = text.trim();
    let good = (1..=253).contains(&id.len())
        && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_'));
    if good {
        return Ok(id.to_owned());
    }
    Err("expected the id of a Prow job, such as 0b8e7c1a-1111-4222-8333-944455556666".to_owned())
}

pub(crate) async fn run(args: Args, session: &Session) -> Result<ExitCode, CliError> {
    let clients = session.clients()?;
    let rows = args.csv.as_deref().map(Rows::open).transpose()?;
    let run = JobRun::look(&clients.prow(), clients.clock(), &args.id, args.poll).await?;
    session.ui.text(display::lines(&run));
    session.ui.json(&run);
    // The run is told already; what went wrong beside it must not be a second document.
    let unwritten = display::append(rows, std::slice::from_ref(&run));
    let without_page = run.without_page().filter(|_| args.poll).map(CliError::from);
    Ok(display::explained(session, unwritten.into_iter().chain(without_page)))
}
