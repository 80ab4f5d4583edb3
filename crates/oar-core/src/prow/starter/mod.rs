//! Starts the intended runs of a record, each of them once.
//!
//! An intent is recorded before anything is started, so every reader of the record knows of it. Its UUID
//! contains the time: while it is fresh, the process that recorded it is working on it, and others do not
//! touch it. An old one is taken over: first its run is looked for, and only if that certainly does not exist
//! is another one started, under a new intent (spec 04 §7.6). An intent for which certainly nothing was sent
//! is marked as such.

mod look;
mod prepare;
mod send;
mod start_result;
mod write;

use indexmap::IndexMap;
use jiff::{SignedDuration, Timestamp};

pub use self::prepare::PrepareError;
pub(super) use self::prepare::{Recorded, Sources, environment_of, latest_file, latest_of};
use self::send::Ready;
pub(super) use self::start_result::StartResult;
pub use self::start_result::{JobStart, StartError};
use self::write::{Change, IntentError};
use super::names::ResultName;
use super::record::{Intent, ResultFile, RunId, Stage};
use super::registry::TestJob;
use super::world::World;
use crate::permit::WritePermit;
use crate::prow::runs::RunIntent;
use crate::store::Stored;

/// How long before others may take an intent over its last request may be sent: the time of the longest
/// request, and until a new run is listed.
const ROOM: SignedDuration = SignedDuration::from_mins(1);

/// A run to start.
#[derive(Debug)]
pub(super) struct Wanted {
    /// The job.
    job: String,
    /// Its variables, or why they are not known. Without them the run can be looked for, but not started.
    envs: Result<IndexMap<String, String>, PrepareError>,
    /// The intent in the record.
    intent: Intent,
    /// Since when the start is intended.
    since: Timestamp,
    /// Whether it may be started; otherwise it is only looked for, and given up if it certainly does not
    /// exist.
    may_start: bool,
    /// Whether certainly nothing was sent for the intent.
    unsent: bool,
    /// Whether it follows a first run that failed.
    retried: bool,
}

/// Who recorded the intents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum IntentOrigin {
    /// This process, a moment ago.
    Ours,
    /// Old intents of any process.
    LeftBehind,
}

/// Starts the runs of one record, and tracks its stored state.
pub(super) struct Starter<'a> {
    world: World<'a>,
    permit: &'a WritePermit,
    name: &'a ResultName,
    file: ResultFile,
    stored: Option<Stored>,
}

impl<'a> Starter<'a> {
    /// A starter for the record `file` with this stored state.
    pub(super) fn new(
        world: World<'a>,
        permit: &'a WritePermit,
        name: &'a ResultName,
        file: ResultFile,
        stored: Option<Stored>,
    ) -> Self {
        Self { world, permit, name, file, stored }
    }

    /// The record after the starts.
    pub(super) fn into_record(self) -> (ResultFile, Option<Stored>) {
        (self.file, self.stored)
    }

    /// The record as it is now.
    pub(super) fn file(&self) -> &ResultFile {
        &self.file
    }

    /// Prepares jobs to be started under their intents. A job that cannot be prepared does not affect the
    /// others: it is looked for all the same, and not started.
    pub(super) fn prepare(&self, jobs: Vec<(TestJob, Intent, bool)>, sources: &Sources) -> Vec<Wanted> {
        let arch = self.name.arch;
        let wanted = jobs.into_iter().map(|(job, intent, may_start)| {
            let stands = intents(&self.file).find(|standing| standing.intent == intent);
            let since = stands.as_ref().map(|standing| standing.since).or_else(|| intent.recorded());
            Wanted {
                envs: environment_of(&job, self.file.build(), arch, sources),
                job: job.name,
                intent,
                since: since.unwrap_or(Timestamp::UNIX_EPOCH),
                may_start,
                unsent: stands.as_ref().is_some_and(|standing| standing.unsent),
                retried: stands.is_some_and(|standing| standing.retried),
            }
        });
        wanted.collect()
    }

    /// Starts runs whose intents this process has just recorded.
    pub(super) async fn start(&mut self, wanted: Vec<Wanted>) -> Vec<JobStart> {
        self.each(wanted, IntentOrigin::Ours).await
    }

    /// Takes over runs whose intents are old, whoever recorded them.
    pub(super) async fn take_over(&mut self, wanted: Vec<Wanted>) -> Vec<JobStart> {
        self.each(wanted, IntentOrigin::LeftBehind).await
    }

    async fn each(&mut self, wanted: Vec<Wanted>, whose: IntentOrigin) -> Vec<JobStart> {
        let seen = self.look(&wanted, whose).await;
        let jobs: Vec<String> = wanted.iter().map(|wanted| wanted.job.clone()).collect();
        let mut results: Vec<Option<StartResult>> = Vec::new();
        let (mut changes, mut ready, mut unsent) = (Vec::new(), Vec::new(), Vec::new());
        let now = self.world.clock.now();
        for (place, (wanted, seen)) in wanted.into_iter().zip(seen).enumerate() {
            results.push(None);
            let mut end = |result: StartResult| *results.last_mut().unwrap_or(&mut None) = Some(result);
            let (job, intent) = (wanted.job.clone(), wanted.intent);
            let change = |change: Change| (place, job.clone(), intent, change);
            let certain = whose == IntentOrigin::Ours || wanted.unsent;
            match seen {
                Err(error) => {
                    unsent.extend(certain.then(|| change(Change::Unsent)));
                    end(StartResult::Not(error));
                }
                Ok(Some(id)) => changes.push(change(Change::Record(id))),
                Ok(None) if !wanted.may_start => changes.push(change(Change::GiveUp)),
                Ok(None) => {
                    let run = self.run_intent(&wanted, intent);
                    if let Err(error) = wanted.envs {
                        unsent.push(change(Change::Unsent));
                        end(StartResult::Not(error.into()));
                        continue;
                    }
                    if whose == IntentOrigin::LeftBehind || self.is_late(intent) {
                        changes.push(change(Change::Renew(Intent::at(now))));
                    }
                    ready.push(Ready { place, intent, run });
                }
            }
        }
        let settled = self.write(&changes).await;
        for ((place, _, _, change), written) in changes.iter().zip(settled) {
            let Some(result) = results.get_mut(*place) else { continue };
            match (change, written) {
                (Change::Record(id), Ok(())) => *result = Some(StartResult::Found(id.clone())),
                (Change::GiveUp, Ok(())) => *result = Some(StartResult::GivenUp),
                (Change::Renew(new), Ok(())) => {
                    for ready in ready.iter_mut().filter(|ready| ready.place == *place) {
                        self.renewed(ready, *new);
                    }
                }
                (Change::Unsent, Ok(())) => {}
                // Another process was faster.
                (Change::Renew(_) | Change::GiveUp, Err(IntentError::Replaced(_))) => {
                    *result = Some(StartResult::Elsewhere);
                }
                (Change::Record(id), Err(error)) => {
                    *result = Some(StartResult::Not(StartError::unrecorded(id, error)));
                }
                (_, Err(IntentError::Replaced(error) | IntentError::Failed(error))) => {
                    *result = Some(StartResult::Not(error.into()));
                }
            }
        }
        ready.retain(|ready| results.get(ready.place).is_some_and(Option::is_none));
        self.send(ready, &mut results, &mut unsent).await;
        // A process that takes these over need not look for their runs.
        let noted = self.write(&unsent).await;
        if let Some(error) = noted.into_iter().find_map(Result::err) {
            tracing::debug!("{}: that nothing was sent is not noted: {error}", self.name.build);
        }
        let starts = jobs.into_iter().zip(results);
        starts.map(|(job, result)| self.report(job, &result.unwrap_or(StartResult::Elsewhere))).collect()
    }

    fn report(&self, job: String, result: &StartResult) -> JobStart {
        let build = &self.name.build;
        match result {
            StartResult::Started(id) | StartResult::Found(id) => {
                tracing::info!("{build}: {job} runs as {id}");
            }
            StartResult::GivenUp => tracing::warn!("{build}: {job} is given up, it could not be started"),
            StartResult::Elsewhere => tracing::info!("{build}: {job} is started by another program"),
            StartResult::Not(error) => tracing::debug!("{build}: {job}: {error}"),
        }
        JobStart::new(job, result)
    }

    /// The run to request from Gangway under `intent`.
    fn run_intent(&self, wanted: &Wanted, intent: Intent) -> RunIntent {
        RunIntent {
            key: intent.key(),
            job: wanted.job.clone(),
            envs: wanted.envs.as_ref().cloned().unwrap_or_default(),
            since: wanted.since,
            until: self.until(intent),
            may_be_started: false,
            others: known_runs(&self.file, &wanted.job),
        }
    }

    /// The deadline for requests under `intent`, before others may take it over; `None` with a lease of zero,
    /// when no other program starts jobs.
    fn until(&self, intent: Intent) -> Option<Timestamp> {
        let lease = self.world.intent_lease;
        intent.recorded().filter(|_| !lease.is_zero())?.checked_add(lease - ROOM).ok()
    }

    /// Whether so much of the time has passed that the start may miss the deadline while it waits for the
    /// rate limit.
    fn is_late(&self, intent: Intent) -> bool {
        let half = (self.world.intent_lease - ROOM) / 2;
        self.until(intent).is_some_and(|until| until.duration_since(self.world.clock.now()) < half)
    }

    fn renewed(&self, ready: &mut Ready, new: Intent) {
        ready.intent = new;
        ready.run.key = new.key();
        ready.run.until = self.until(new);
    }
}

/// The ids of the started runs of `job`.
fn known_runs(file: &ResultFile, job: &str) -> Vec<String> {
    file.entries(job)
        .flat_map(|entry| entry.runs().collect::<Vec<_>>())
        .filter(|run| !matches!(run.stage(), Stage::Intended(_) | Stage::Absent))
        .filter_map(|run| Some(run.id()?.into_owned()))
        .collect()
}

fn run_id(text: &str) -> Result<RunId, StartError> {
    text.parse().map_err(|_| StartError::BadId(text.chars().take(80).flat_map(char::escape_debug).collect()))
}

/// An intent in a record.
#[derive(Debug, Clone)]
pub(super) struct RecordedIntent {
    pub(super) intent: Intent,
    /// Since when the start is intended.
    pub(super) since: Timestamp,
    /// Whether certainly nothing was sent for it.
    pub(super) unsent: bool,
    /// Whether it follows a first run that failed.
    pub(super) retried: bool,
}

/// All intents of a record.
pub(super) fn intents(file: &ResultFile) -> impl Iterator<Item = RecordedIntent> {
    file.jobs().flat_map(|job| {
        let first = job.first().map(|run| (run, false));
        let runs: Vec<_> = first.into_iter().chain(job.retried().map(|run| (run, true))).collect();
        runs.into_iter().filter_map(|(run, retried)| match run.stage() {
            Stage::Intended(intent) => {
                let since = run.intended_since().or_else(|| intent.recorded());
                let since = since.unwrap_or(Timestamp::UNIX_EPOCH);
                Some(RecordedIntent { intent, since, unsent: run.is_unsent(), retried })
            }
            _ => None,
        })
    })
}
