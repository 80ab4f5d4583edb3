use std::path::PathBuf;

use cli_support::{CliError, ExitCode, Session};
use oar_core::error::ErrorClass;

use crate::clients::Clients;
use crate::csv;
use crate::shown::{self, RunView};

/// Show a run of a job
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The run's id, as the start answered it
    #[arg(value_name = "JOB_ID", value_parser = job_id)]
    id: String,
    /// Look again for up to 25 seconds, until the run has a page
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
    let run = RunView::of(&job, shown::is_parameter);
    if let Some(path) = &args.csv {
        csv::append(path, std::slice::from_ref(&run))?;
    }
    session.ui.text(run.lines());
    session.ui.json(&run);
    if args.poll && run.page.is_none() {
        return Err(CliError::new(
            ErrorClass::Unavailable,
            format!("{} is {} and has no page after 25 s", run.id, job.state.text()),
        )
        .with_hint("The job goes on. Run the same command again."));
    }
    Ok(ExitCode::Done)
}
