//! The commands that start one job.

use std::path::PathBuf;

use cli_support::{CliError, ExitCode, Session};
use indexmap::IndexMap;
use oar_core::clients::Clients;
use oar_core::permit::WritePermit;
use oar_core::prow::jobs::{Event, JobOrder, JobRun, Starter};
use uuid::Uuid;

use crate::csv::Rows;
use crate::display;

/// The options of every command that starts one job.
#[derive(Debug, clap::Args)]
pub(crate) struct StartArgs {
    /// Print what would be started without starting it
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Do not wait for the page of the run
    #[arg(long)]
    no_wait: bool,
    /// Append the run to this file as CSV
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
    /// Look for the run that was started under this key before starting one
    ///
    /// Every start has a key, which is printed when a start fails without an answer or is interrupted. With
    /// it, the same command starts nothing twice. Without a key, each call starts a new run.
    #[arg(long, value_name = "UUID", value_parser = key)]
    key: Option<Uuid>,
}

/// How a run is told.
pub(crate) struct Words {
    /// As soon as it is started.
    pub(crate) started: fn(&JobRun) -> String,
    /// When its page was waited for.
    pub(crate) known: fn(&JobRun) -> Option<String>,
}

/// Starts a job and shows its run, or says what would be started.
pub(crate) async fn start(
    clients: &Clients,
    session: &Session,
    order: JobOrder,
    words: Words,
    start: &StartArgs,
) -> Result<ExitCode, CliError> {
    let Words { started, known } = words;
    if start.dry_run {
        session.ui.text(planned(&order.job, &order.envs));
        session.ui.json(&order.plan());
        return Ok(ExitCode::Done);
    }
    let tell = |event: Event<'_>| match event {
        Event::Started(run) => {
            if session.ui.is_json() {
                // The document comes last; whoever interrupts the wait for the page is to know the id.
                session.ui.note(started(run));
            }
            session.ui.text(started(run));
        }
        other => display::tell(session, other),
    };
    let mut starter = Starter::new(clients, &tell)?;
    let rows = start.csv.as_deref().map(Rows::open).transpose()?;
    let permit = WritePermit::granted_by_user_interface();
    let run = starter.start(order, start.key, !start.no_wait, &permit).await?;
    if let Some(text) = known(&run) {
        session.ui.text(text);
    }
    session.ui.json(&run);
    Ok(display::explained(session, display::append(rows, std::slice::from_ref(&run))))
}

/// What would be started, for people.
pub(crate) fn planned(job: &str, envs: &IndexMap<String, String>) -> String {
    let mut lines = vec![format!("Would start {job}")];
    if envs.is_empty() {
        lines.push("  with the images of its configuration".to_owned());
    }
    lines.extend(envs.iter().map(|(name, value)| format!("  with {name}={value}")));
    lines.join("\n")
}

/// A key as a failure told it.
pub(crate) fn key(text: &str) -> Result<Uuid, String> {
    let expected =
        "expected the key that an earlier start printed, such as 0198c0de-7000-7000-8000-000000000001";
    text.trim().parse().map_err(|_| expected.to_owned())
}
