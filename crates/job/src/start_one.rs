//! The commands that start one job.

use std::path::PathBuf;

use cli_support::{CliError, ExitCode, Session};
use indexmap::IndexMap;
use oar_core::operations::PlanOrResult;
use oar_core::operations::job::start::{Start, StartOne, StartRow};
use oar_core::prow::jobs::{JobRun, Key};

use crate::csv::Rows;
use crate::display;

/// The options of every command that starts one job.
#[derive(Debug, clap::Args)]
pub(crate) struct StartArgs {
    /// Print what would be started without starting it
    #[arg(long)]
    dry_run: bool,
    /// Do not wait for the page of the run
    #[arg(long)]
    no_wait: bool,
    /// Append the run to this file as CSV
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
    /// Look for the run that was started under this key before starting one
    ///
    /// Every start has a key, which is printed if the start is interrupted or gets no answer. With that key,
    /// the same command starts nothing twice. Without a key, each call starts a new run.
    #[arg(long, value_name = "UUID")]
    key: Option<Key>,
}

/// The texts for a run.
pub(crate) struct Words {
    /// When it was started.
    pub(crate) started: fn(&JobRun) -> String,
    /// After the wait for its page.
    pub(crate) known: fn(&JobRun) -> Option<String>,
}

impl StartArgs {
    /// The CSV file, checked before anything is started.
    fn rows(&self) -> Result<Option<Rows>, CliError> {
        self.csv.as_deref().filter(|_| !self.dry_run).map(Rows::of).transpose()
    }
}

/// Starts a job and shows its run, or shows what would be started.
pub(crate) async fn start<R: StartRow>(
    session: &Session,
    job: R,
    words: Words,
    start: &StartArgs,
) -> Result<ExitCode, CliError> {
    let Words { started, known } = words;
    let rows = start.rows()?;
    let call = display::call(session, started)?;
    let start = Start { dry_run: start.dry_run, no_wait: start.no_wait, key: start.key };
    match session.perform(StartOne { job, start }, &call).await? {
        PlanOrResult::Plan(plan) => {
            session.ui.text(planned(&plan.job, &plan.envs));
            session.ui.json(&plan);
            Ok(ExitCode::Done)
        }
        PlanOrResult::Result(run) => {
            if let Some(text) = known(&run) {
                session.ui.text(text);
            }
            session.ui.json(&run);
            Ok(session.ui.explain_all(display::append(rows, std::slice::from_ref(&run))))
        }
    }
}

/// What would be started, as text.
pub(crate) fn planned(job: &str, envs: &IndexMap<String, String>) -> String {
    let mut lines = vec![format!("Would start {job}")];
    if envs.is_empty() {
        lines.push("  with the images of its configuration".to_owned());
    }
    lines.extend(envs.iter().map(|(name, value)| format!("  with {name}={value}")));
    lines.join("\n")
}
