//! Starting one job for a person.

use std::path::PathBuf;

use cli_support::{CliError, ExitCode, Session};
use indexmap::IndexMap;
use jiff::Timestamp;
use oar_core::clients::gangway::GangwayClient;
use oar_core::error::{ServiceError, ServiceErrorKind};
use oar_core::permit::WritePermit;
use oar_core::prow::environment::JobImages;
use oar_core::prow::runs::{RunIntent, Runs, StartedRun};
use oar_core::targets::LASTING_TARGET;
use uuid::Uuid;

use crate::clients::Clients;
use crate::csv::Rows;
use crate::names::{Existence, JobNames};
use crate::shown::{self, RunView};

/// The options of every command that starts one job.
#[derive(Debug, clap::Args)]
pub(crate) struct Begin {
    /// Print what would be started without starting it
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Do not wait for the page of the run
    #[arg(long)]
    pub(crate) no_wait: bool,
    /// Append the run to this file as CSV
    #[arg(long, value_name = "FILE")]
    pub(crate) csv: Option<PathBuf>,
    /// Look for the run that was started under this key before starting one
    ///
    /// Every start has a key, which is printed when a start fails without an answer or is interrupted. With
    /// it, the same command starts nothing twice. Without a key, each call starts a new run.
    #[arg(long, value_name = "UUID", value_parser = key)]
    pub(crate) key: Option<Uuid>,
}

/// A job that is to be started, and how its run is told.
pub(crate) struct Order {
    pub(crate) job: String,
    /// What it is to test.
    pub(crate) images: JobImages,
    pub(crate) envs: IndexMap<String, String>,
    /// What is said as soon as it is started.
    pub(crate) begun: fn(&RunView) -> String,
    /// What is said when its page was waited for.
    pub(crate) known: fn(&RunView) -> Option<String>,
}

/// Starts a job and shows its run, or says what would be started.
pub(crate) async fn start(
    clients: &Clients,
    session: &Session,
    order: Order,
    begin: &Begin,
) -> Result<ExitCode, CliError> {
    let Order { job, images, envs, begun, known } = order;
    if begin.dry_run {
        session.ui.text(plan(&job, &envs));
        session.ui.json(&serde_json::json!({ "dry_run": true, "job": job, "envs": envs }));
        return Ok(ExitCode::Done);
    }
    let gangway = clients.gangway()?;
    let mut rows = begin.csv.as_deref().map(Rows::open).transpose()?;
    let key = begin.key.unwrap_or_else(Uuid::now_v7);
    let id = begun_once(clients, session, &gangway, (&job, &envs), key, begin.key.is_some()).await?;
    let mut run = RunView::started(&job, &id, &images, envs);
    if session.ui.is_json() {
        // The document comes last; whoever interrupts the wait for the page is to know the id.
        session.ui.note(begun(&run));
    }
    session.ui.text(begun(&run));
    if !begin.no_wait {
        run = wait_for_page(clients, session, run).await;
    }
    if let Some(text) = known(&run) {
        session.ui.text(text);
    }
    session.ui.json(&run);
    // The run is told already, whatever becomes of its row.
    let written = rows.as_mut().map_or(Ok(()), |rows| rows.append(std::slice::from_ref(&run)));
    Ok(written.err().map_or(ExitCode::Done, |error| {
        session.ui.explain(&error);
        error.code
    }))
}

/// What would be started.
pub(crate) fn plan(job: &str, envs: &IndexMap<String, String>) -> String {
    let mut lines = vec![format!("Would start {job}")];
    if envs.is_empty() {
        lines.push("  with the images of its configuration".to_owned());
    }
    lines.extend(envs.iter().map(|(name, value)| format!("  with {name}={value}")));
    lines.join("\n")
}

/// Starts the run of `key`; its id. `looked_for` is whether an earlier call may have started it.
async fn begun_once(
    clients: &Clients,
    session: &Session,
    gangway: &GangwayClient,
    (job, envs): (&str, &IndexMap<String, String>),
    key: Uuid,
    looked_for: bool,
) -> Result<String, CliError> {
    let intent = intent(job, envs, key, session.clock.now(), looked_for);
    tracing::info!(target: LASTING_TARGET, "starting {job} under the key {key}");
    let permit = WritePermit::granted_by_user_interface();
    match Runs::new(gangway, &clients.prow()).start_once(&intent, &permit).await {
        Ok(StartedRun::New { id }) => Ok(id),
        Ok(StartedRun::Found { id }) => {
            session.ui.note("The run was found by its key; no other was started.");
            Ok(id)
        }
        Err(error) => {
            let again = format!(
                "Run the same command with `--key {key}` again: it looks for the run first and starts none twice."
            );
            Err(explained(&mut JobNames::new(clients, session), job, error, &again).await)
        }
    }
}

/// The intent to start a job under `key`. The run's own key is made of all three, so that a key that is used for something
/// else starts that.
pub(crate) fn intent(
    job: &str,
    envs: &IndexMap<String, String>,
    key: Uuid,
    now: Timestamp,
    may_be_started: bool,
) -> RunIntent {
    let name = serde_json::json!([job, envs]).to_string();
    RunIntent {
        key: Uuid::new_v5(&key, name.as_bytes()).simple().to_string(),
        job: job.to_owned(),
        envs: envs.clone(),
        since: made_at(key).map_or(now, |made| made.min(now)),
        until: None,
        may_be_started,
        others: Vec::new(),
    }
}

/// When a key was made, where it tells: ours do.
fn made_at(key: Uuid) -> Option<Timestamp> {
    let (seconds, nanoseconds) = key.get_timestamp()?.to_unix();
    Timestamp::new(i64::try_from(seconds).ok()?, i32::try_from(nanoseconds).ok()?).ok()
}

/// What a failed start is told as: an unknown job as such, and a start that may have been done with how to go on from it.
pub(crate) async fn explained(
    names: &mut JobNames<'_>,
    job: &str,
    error: ServiceError,
    again: &str,
) -> CliError {
    // Gangway's own words; nothing was started.
    if error.kind == ServiceErrorKind::NotFound {
        return match names.existence(job).await {
            Existence::Unknown(unknown) => unknown,
            Existence::Known | Existence::Untold(_) => {
                let message = format!("there is no periodic job `{job}` that Gangway could start");
                CliError::usage(message).with_hint("Check the name; `job list` shows those of the tests.")
            }
        };
    }
    // An older Gangway answers to an unknown job as to an outage (spec 04 §2.3).
    let may_be_unknown = error.kind == ServiceErrorKind::Unclear && error.status == Some(500);
    let error = CliError::from(error);
    if error.code != ExitCode::Unavailable {
        return error;
    }
    if !may_be_unknown {
        return error.with_hint(again);
    }
    match names.existence(job).await {
        Existence::Unknown(unknown) => unknown,
        Existence::Known => error.with_hint(again),
        Existence::Untold(hint) => error.with_hint(format!("{hint} {again}")),
    }
}

/// The same run with its page, as far as Prow shows it within the time that is waited.
async fn wait_for_page(clients: &Clients, session: &Session, run: RunView) -> RunView {
    let run = match shown::with_page(&clients.prow(), session, &run.id).await {
        Ok(Some(job)) => run.seen(&job),
        Ok(None) => run,
        // It runs; that its page cannot be read now is no failure of the start.
        Err(error) => {
            session.ui.warn(format!("the page of {} is not known yet: {}", run.id, error.message));
            run
        }
    };
    if run.page.is_none() {
        let state = run.state.as_deref().unwrap_or("started");
        session.ui.note(if run.ended {
            format!("{} is {state} and never had a page.", run.name)
        } else {
            format!("{} is {state} and has no page yet; see `job get_results {}`.", run.name, run.id)
        });
    }
    run
}

/// A key as a failure told it.
pub(crate) fn key(text: &str) -> Result<Uuid, String> {
    let expected =
        "expected the key that an earlier start told, such as 0198c0de-7000-7000-8000-000000000001";
    text.trim().parse().map_err(|_| expected.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_stands_for_one_job_with_one_set_of_variables_and_tells_its_time() {
        let key = Uuid::now_v7();
        let now: Timestamp = "2100-01-01T00:00:00Z".parse().unwrap();
        let envs = |value: &str| IndexMap::from([("RELEASE_IMAGE_LATEST".to_owned(), value.to_owned())]);
        let one = intent("job-a", &envs("p:1"), key, now, true);
        assert_eq!(one, intent("job-a", &envs("p:1"), key, now, true));
        for other in [
            intent("job-b", &envs("p:1"), key, now, true),
            intent("job-a", &envs("p:2"), key, now, true),
            intent("job-a", &envs("p:1"), Uuid::now_v7(), now, true),
        ] {
            assert_ne!(one.key, other.key);
        }
        assert!(one.since < now, "the time of the key: {}", one.since);
        let unix = "1970-01-01T00:00:00Z".parse().unwrap();
        assert_eq!(intent("job-a", &envs("p:1"), key, unix, true).since, unix, "no later than now");
        assert_eq!(intent("job-a", &envs("p:1"), Uuid::nil(), now, true).since, now);
    }
}
