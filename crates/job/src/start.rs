//! Starting one job for a person.

use std::path::PathBuf;

use cli_support::{CliError, Session};
use indexmap::IndexMap;
use oar_core::clients::gangway::RunIntent;
use oar_core::error::ServiceErrorKind;
use oar_core::flow::permit::WritePermit;
use uuid::Uuid;

use crate::clients::Clients;
use crate::shown::{self, RunView};
use crate::{csv, names};

/// The options of every command that starts jobs.
#[derive(Debug, clap::Args)]
pub(crate) struct Begin {
    /// Print what would be started, and start nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Do not wait for the page of the run
    #[arg(long)]
    pub(crate) no_wait: bool,
    /// Append the run to this file as CSV
    #[arg(long, value_name = "FILE")]
    pub(crate) csv: Option<PathBuf>,
}

/// Starts `job`; `None` when it was only to be said what would be started.
pub(crate) async fn start(
    clients: &Clients,
    session: &Session,
    job: &str,
    envs: IndexMap<String, String>,
    begin: &Begin,
) -> Result<Option<RunView>, CliError> {
    if begin.dry_run {
        let mut lines = vec![format!("Would start {job}")];
        lines.extend(envs.iter().map(|(name, value)| format!("  with {name}={value}")));
        session.ui.text(lines.join("\n"));
        session.ui.json(&serde_json::json!({ "dry_run": true, "job": job, "envs": envs }));
        return Ok(None);
    }
    let run = started(clients, session, job, envs).await?;
    Ok(Some(finish(clients, session, run, begin).await?))
}

/// Starts `job` and answers at once.
pub(crate) async fn started(
    clients: &Clients,
    session: &Session,
    job: &str,
    envs: IndexMap<String, String>,
) -> Result<RunView, CliError> {
    let permit = WritePermit::granted_by_user_interface();
    let intent = RunIntent {
        key: Uuid::now_v7().simple().to_string(),
        job: job.to_owned(),
        envs,
        since: session.clock.now(),
        until: None,
        may_be_started: false,
        others: Vec::new(),
    };
    match clients.gangway()?.start_once(&clients.prow(), &intent, &permit).await {
        Ok(run) => Ok(RunView::started(job, run.id(), intent.envs)),
        // Gangway answers to an unknown job as to an outage (spec 04 §2.3).
        Err(error) if error.kind == ServiceErrorKind::Unclear && error.status == Some(500) => {
            Err(names::explain_unknown(clients, job, error.into()).await)
        }
        Err(error) => Err(error.into()),
    }
}

/// Waits for the page of a run that was started, and writes the run down where that was asked.
pub(crate) async fn finish(
    clients: &Clients,
    session: &Session,
    run: RunView,
    begin: &Begin,
) -> Result<RunView, CliError> {
    let mut run = run;
    if !begin.no_wait {
        match shown::with_page(&clients.prow(), session, &run.id).await {
            Ok(Some(job)) => run = RunView { envs: run.envs, ..RunView::of(&job, |_| false) },
            Ok(None) => {}
            // It runs; that its page cannot be read now is no failure of the start.
            Err(error) => {
                session.ui.warn(format!("the page of {} is not known yet: {}", run.id, error.message));
            }
        }
        if run.page.is_none() {
            session
                .ui
                .note(format!("{} runs and has no page yet; see `job get_results {}`.", run.name, run.id));
        }
    }
    if let Some(path) = &begin.csv {
        csv::append(path, std::slice::from_ref(&run))?;
    }
    Ok(run)
}
