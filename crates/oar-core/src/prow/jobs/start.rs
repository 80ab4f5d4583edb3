//! Starts one job, once.

use indexmap::IndexMap;
use jiff::Timestamp;
use uuid::Uuid;

use super::names::Existence;
use super::run::with_page;
use super::turns::StartTurns;
use super::{Event, EventHandler, JobError, JobNames, JobOrder, JobRun, Key};
use crate::clients::Clients;
use crate::clients::gangway::GangwayClient;
use crate::clients::prow::ProwClient;
use crate::clock::Clock;
use crate::error::{Classified as _, ErrorClass, ServiceError, ServiceErrorKind};
use crate::permit::WritePermit;
use crate::prow::runs::{AdoptableRuns, RunIntent, Runs, StartedRun};
use crate::targets::LASTING_TARGET;

/// The key of a start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartKey {
    /// Nothing was started under it yet.
    New(Uuid),
    /// An earlier start printed it: the run is looked for first.
    Earlier(Uuid),
}

impl StartKey {
    /// The key that was given, or a new one.
    pub fn of(given: Option<Key>) -> Self {
        given.map_or_else(|| Self::New(Uuid::now_v7()), |Key(key)| Self::Earlier(key))
    }

    fn key(self) -> Uuid {
        match self {
            Self::New(key) | Self::Earlier(key) => key,
        }
    }

    /// How to continue after a start that may have succeeded.
    pub fn repeated(self) -> String {
        let key = self.key();
        format!(
            "Run the same command with `--key {key}` again: it looks for the run first and starts none twice."
        )
    }
}

/// Starts jobs, and follows them until they have a page.
pub struct Starter<'a> {
    gangway: GangwayClient,
    prow: ProwClient,
    pub(super) clock: Clock,
    turns: StartTurns,
    names: JobNames<'a>,
    pub(super) tell: EventHandler<'a>,
}

impl<'a> Starter<'a> {
    /// A starter with `clients`.
    ///
    /// # Errors
    ///
    /// Gangway's token is missing, or a setting is wrong.
    pub fn new(clients: &'a Clients, tell: EventHandler<'a>) -> Result<Self, JobError> {
        Ok(Self {
            gangway: clients.gangway()?,
            prow: clients.prow(),
            clock: clients.clock().clone(),
            turns: StartTurns::new(clients),
            names: JobNames::new(clients, tell),
            tell,
        })
    }

    /// Starts a job and returns its run; with `waits` as soon as it has a page, or after a bounded time.
    ///
    /// Every start has a key, which is reported if the start got no answer or was interrupted.
    pub async fn start(
        &mut self,
        order: JobOrder,
        key: StartKey,
        waits: bool,
        permit: &WritePermit,
    ) -> Result<JobRun, JobError> {
        let JobOrder { job, images, envs } = order;
        let id = Box::pin(self.start_once(&job, &envs, key, permit)).await?;
        let run = JobRun::started(&job, &id, &images, envs);
        (self.tell)(Event::Started(&run));
        Ok(if waits { self.wait_for_page(run).await } else { run })
    }

    /// Starts the run of `key`; its id.
    async fn start_once(
        &mut self,
        job: &str,
        envs: &IndexMap<String, String>,
        start: StartKey,
        permit: &WritePermit,
    ) -> Result<String, JobError> {
        let key = start.key();
        let may_be_started = matches!(start, StartKey::Earlier(_));
        let intent = intent(job, envs, key, self.clock.now(), may_be_started);
        tracing::info!(target: LASTING_TARGET, "starting {job} under the key {key}");
        match self.once(&intent, None, &start.repeated(), permit).await? {
            StartedRun::New { id } => Ok(id),
            StartedRun::Found { id } => {
                (self.tell)(Event::Note("The run was found by its key; no other was started.".to_owned()));
                Ok(id)
            }
        }
    }

    /// Starts the intended run unless it exists already; with `strangers` a run of theirs that is under way stands for it.
    /// `again` says how to go on after a start that may have been done.
    pub(super) async fn once(
        &mut self,
        intent: &RunIntent,
        strangers: Option<AdoptableRuns>,
        again: &str,
        permit: &WritePermit,
    ) -> Result<StartedRun, JobError> {
        let turn = self.turns.turn(intent).await?;
        if let Some(id) = turn.known() {
            return Ok(StartedRun::Found { id: id.to_owned() });
        }
        let runs = Runs::new(&self.gangway, &self.prow);
        let result = match strangers {
            Some(strangers) => runs.start_unless_under_way(intent, strangers, permit).await,
            None => runs.start_once(intent, permit).await,
        };
        match result {
            Ok(run) => {
                turn.end(run.id(), self.clock.now());
                Ok(run)
            }
            Err(error) => Err(self.explained(&intent.job, error, again).await),
        }
    }

    /// The error for a failed start: for an unknown job it says so, and for a start that may have succeeded
    /// it says how to continue.
    async fn explained(&mut self, job: &str, error: ServiceError, again: &str) -> JobError {
        // Gangway's message says so; nothing was started.
        if error.kind == ServiceErrorKind::NotFound {
            return match self.names.existence(job).await {
                Existence::Unknown(unknown) => unknown,
                Existence::Known | Existence::Untold(_) => {
                    let message = format!("there is no periodic job `{job}` that Gangway could start");
                    JobError::usage(message).with_hint("Check the name; `job list` shows those of the tests.")
                }
            };
        }
        // An older Gangway's answer to an unknown job looks like an outage (spec 04 §2.3).
        let may_be_unknown = error.kind == ServiceErrorKind::Unclear && error.status == Some(500);
        let error = JobError::from(error);
        if error.class() != ErrorClass::Unavailable {
            return error;
        }
        if !may_be_unknown {
            return error.with_hint(again);
        }
        match self.names.existence(job).await {
            Existence::Unknown(unknown) => unknown,
            Existence::Known => error.with_hint(again),
            Existence::Untold(hint) => error.with_hint(format!("{hint} {again}")),
        }
    }

    /// The same run with its page, if Prow shows it within the time limit.
    async fn wait_for_page(&self, run: JobRun) -> JobRun {
        let run = match with_page(&self.prow, &self.clock, &run.id).await {
            Ok(Some(job)) => run.seen(&job),
            Ok(None) => run,
            // It is running; a page that cannot be read now is not a failure of the start.
            Err(error) => {
                let words = format!("the page of {} is not known yet: {error}", run.id);
                (self.tell)(Event::Warning(words));
                run
            }
        };
        if run.page.is_none() {
            let state = run.state.as_deref().unwrap_or("started");
            (self.tell)(Event::Note(if run.ended {
                format!("{} is {state} and never had a page.", run.name)
            } else {
                format!("{} is {state} and has no page yet; see `job get_results {}`.", run.name, run.id)
            }));
        }
        run
    }
}

/// The intent to start a job under `key`. The run's own key is derived from job, variables and `key`, so that
/// the same key with another job starts that job.
pub(super) fn intent(
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

/// When a key was made, if it contains a time, as this program's keys do.
fn made_at(key: Uuid) -> Option<Timestamp> {
    let (seconds, nanoseconds) = key.get_timestamp()?.to_unix();
    Timestamp::new(i64::try_from(seconds).ok()?, i32::try_from(nanoseconds).ok()?).ok()
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
