use std::path::PathBuf;

use cli_support::{CliError, ExitCode, Session};
use oar_core::error::ErrorClass;

use crate::clients::Clients;
use crate::csv::Rows;
use crate::shown::{self, RunView};

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
    let clients = Clients::new(session)?;
    let mut rows = args.csv.as_deref().map(Rows::open).transpose()?;
    let prow = clients.prow();
    let found = if args.poll {
        shown::with_page(&prow, session, &args.id).await?
    } else {
        prow.job(&args.id).await?
    };
    let Some(job) = found else {
        return Err(CliError::new(
            ErrorClass::Failed,
            format!("Could not get job results for job ID: {}: Prow does not have it", args.id),
        )
        .with_hint("Prow forgets finished jobs after about a day; their pages stay. A new job appears within seconds."));
    };
    let run = RunView::of(&job);
    session.ui.text(run.lines());
    session.ui.json(&run);
    // The run is told already; what went wrong beside it must not be a second document.
    let mut code = ExitCode::Done;
    let written = rows.as_mut().map_or(Ok(()), |rows| rows.append(std::slice::from_ref(&run)));
    for problem in [written.err(), without_page(&run).filter(|_| args.poll)].into_iter().flatten() {
        session.ui.explain(&problem);
        code = if code == ExitCode::Done { problem.code } else { code };
    }
    Ok(code)
}

/// What is missing of a run that goes on. One that ended without a page gets none any more.
fn without_page(run: &RunView) -> Option<CliError> {
    let state = run.state.as_deref().filter(|_| run.page.is_none() && !run.ended)?;
    let error =
        CliError::new(ErrorClass::Unavailable, format!("{} is {state} and has no page after 25 s", run.id));
    Some(error.with_hint("The job goes on. Run the same command again."))
}
