//! The operations on a record. Each takes ids and times from its caller and is idempotent, because it is
//! applied again after a conflict.

use jiff::Timestamp;

use super::build::Build;
use super::file::{Job, ResultFile, STARTED_WITH, StartedWith};
use super::run::{self, Intent, Observation, Run, RunId, Stage};
use crate::clients::prow::ProwState;
use crate::clock::stamp;
use crate::error::{Classified, ErrorClass};
use crate::prow::json::{Map, Value};
use crate::prow::names::ResultName;
use crate::prow::registry::TestJob;
use crate::store::Change;

/// Why a change of a record is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// The record does not have the job.
    #[error("{file} has no job `{job}`; it has {}", listed(known))]
    NoSuchJob {
        /// The record.
        file: ResultName,
        /// The requested job.
        job: String,
        /// The jobs in the record.
        known: Vec<String>,
    },
    /// The job does not have the run.
    #[error("{job} in {file} has no run `{id}`; it has {}", listed(known))]
    NoSuchRun {
        /// The record.
        file: ResultName,
        /// The job.
        job: String,
        /// The requested run.
        id: String,
        /// The runs of the job.
        known: Vec<String>,
    },
    /// The new run is already in the record.
    #[error("the run `{id}` is in {file} already, as one of {job}")]
    RunExists {
        /// The record.
        file: ResultName,
        /// The job that has it.
        job: String,
        /// The run.
        id: String,
    },
    /// The run belongs to another job.
    #[error("the run `{id}` in {file} is recorded for {job} but is one of {actual}")]
    OtherJob {
        /// The record.
        file: ResultName,
        /// The job in the record.
        job: String,
        /// The run.
        id: String,
        /// The job of the run.
        actual: String,
    },
}

fn listed(names: &[String]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

impl Classified for RecordError {
    fn class(&self) -> ErrorClass {
        match self {
            Self::NoSuchJob { .. } | Self::NoSuchRun { .. } | Self::RunExists { .. } => ErrorClass::Usage,
            Self::OtherJob { .. } => ErrorClass::Failed,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::OtherJob { .. } => Some(
                "Replace the run with `jobctl update-retried-job-run` by one of the right job.".to_owned(),
            ),
            _ => None,
        }
    }
}

/// The place of a run among a job's runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The first one.
    First,
    /// A retried one, by its number from 0.
    Retried(usize),
}

impl ResultFile {
    /// The record of a build that is about to be tested: an entry per job, with an intent.
    ///
    /// It is written before the first job is started, so that every process knows what must still be started.
    pub fn create(name: ResultName, build: Build, jobs: &[(TestJob, Intent)], now: Timestamp) -> Self {
        let now = stamp(now);
        let entries: Vec<Value> =
            jobs.iter().map(|(job, intent)| new_entry(&job.name, *intent, &now).into()).collect();
        let jobs = jobs.iter().map(|(job, _)| job.clone()).collect();
        let started_with = StartedWith { at: Some(now), jobs }.to_value();
        let document = Map::of([
            ("result", entries.into()),
            ("build", build.document().clone().into()),
            (STARTED_WITH, started_with),
        ]);
        Self::new(name, document, build)
    }

    /// Records intents for the first runs of `jobs` that the record does not have. Returns the jobs that the
    /// caller must start: those that have the caller's intent now.
    ///
    /// A complete record is reopened; its content is kept (spec 04 §10 D24).
    pub fn intend_first_runs(
        &mut self,
        jobs: &[(TestJob, Intent)],
        now: Timestamp,
    ) -> Vec<(TestJob, Intent)> {
        let since = stamp(now);
        let mut added = Vec::new();
        let mut ours = Vec::new();
        for (job, intent) in jobs {
            if !self.entries(&job.name).any(|entry| has_run(entry, &intent.to_string())) {
                let absent = |entry: &Map| Job::of(entry).first().is_none();
                if self.entries(&job.name).next().is_none() {
                    self.push_entry(new_entry(&job.name, *intent, &since));
                } else if !self.set_first(&job.name, absent, *intent, &since) {
                    continue;
                }
                added.push(job.clone());
            }
            ours.push((job.clone(), *intent));
        }
        if !added.is_empty() {
            self.extend_started_with(&added);
            self.reopen();
        }
        ours
    }

    /// Records that the job is about to be started again: its first run gets a new intent, its retried runs
    /// are removed.
    pub fn intend_restart(&mut self, job: &TestJob, intent: Intent, now: Timestamp) -> Change {
        if self.entries(&job.name).any(|entry| has_run(entry, &intent.to_string())) {
            return Change::Unchanged;
        }
        let since = stamp(now);
        if !self.set_first(&job.name, |_| true, intent, &since) {
            let _ = self.intend_first_runs(&[(job.clone(), intent)], now);
        }
        for entry in self.entries_mut() {
            if is_of(entry, &job.name) {
                entry.remove("retriedJobs");
            }
        }
        self.extend_started_with(std::slice::from_ref(job));
        self.reopen();
        Change::Changed
    }

    /// Records intents for retried runs of a job whose first run failed, until it has `wanted` of them.
    /// Returns the caller's intents that are in the record now: those that it must start.
    pub fn intend_retries(
        &mut self,
        job: &str,
        wanted: usize,
        intents: &[Intent],
        now: Timestamp,
    ) -> Result<Vec<Intent>, RecordError> {
        let since = stamp(now);
        self.require_job(job)?;
        let stands =
            |file: &Self, intent: &Intent| file.entries(job).any(|entry| has_run(entry, &intent.to_string()));
        let (mut ours, mut new): (Vec<Intent>, Vec<Intent>) =
            intents.iter().copied().partition(|intent| stands(self, intent));
        for entry in self.entries_mut().filter(|entry| is_of(entry, job) && first_failed(entry)) {
            if entry.get("retriedJobs").and_then(Value::as_list).is_none() {
                entry.set("retriedJobs", Vec::new());
            }
            let Some(runs) = entry.get_mut("retriedJobs").and_then(Value::as_list_mut) else { continue };
            // A retried run without an id was never started and has no data.
            runs.retain(|run| run.as_map().is_some_and(|run| Run(run).id().is_some()));
            let added = new.drain(..wanted.saturating_sub(runs.len()).min(new.len()));
            for intent in added {
                runs.push(run::intended(intent, &since).into());
                ours.push(intent);
            }
        }
        Ok(ours)
    }

    /// Records the id of a run that was started, and when its start was intended. If the id is already there,
    /// nothing changes; if the intent is gone, another process took it over.
    pub fn record_id(&mut self, job: &str, intent: Intent, id: &RunId) -> Result<Change, RecordError> {
        let mut change = Change::Unchanged;
        if self.entries(job).any(|entry| has_run(entry, id.text())) {
            return Ok(change);
        }
        for run in self.runs_mut(job, &intent.to_string()) {
            let since = intent.recorded().or_else(|| Run(run).intended_since());
            *run = run::with_id(id, since);
            change = Change::Changed;
        }
        if change.is_changed() { Ok(change) } else { Err(self.missing_run(job, &intent.to_string())) }
    }

    /// Takes over an intent whose run was not found: the caller must start the run, under the new intent.
    pub fn renew_intent(&mut self, job: &str, old: Intent, new: Intent) -> Result<Change, RecordError> {
        if self.entries(job).any(|entry| has_run(entry, &new.to_string())) {
            return Ok(Change::Unchanged);
        }
        let mut change = Change::Unchanged;
        for run in self.runs_mut(job, &old.to_string()) {
            if Run(run).stage() == Stage::Intended(old) {
                run::renew(run, old, new);
                change = Change::Changed;
            }
        }
        if change.is_changed() { Ok(change) } else { Err(self.missing_run(job, &old.to_string())) }
    }

    /// Records that certainly nothing was sent for an intent, which others can take over.
    pub fn record_unsent(&mut self, job: &str, intent: Intent) -> Result<Change, RecordError> {
        let id = intent.to_string();
        self.require_run(job, &id)?;
        let intended = self.runs_mut(job, &id).filter(|run| Run(run).stage() == Stage::Intended(intent));
        Ok(intended.fold(Change::Unchanged, |change, run| change.or(run::unsent(run))))
    }

    /// Records what was read of a run of `job`.
    pub fn record_run(&mut self, job: &str, seen: &Observation) -> Result<Change, RecordError> {
        if seen.job != job && !seen.job.is_empty() {
            let (id, actual) = (seen.id.clone(), seen.job.clone());
            return Err(RecordError::OtherJob { file: self.name.clone(), job: job.to_owned(), id, actual });
        }
        let mut change = Change::Unchanged;
        let mut found = false;
        for run in self.runs_mut(job, &seen.id) {
            found = true;
            change = change.or(run::update(run, seen));
        }
        if !found {
            return Err(self.missing_run(job, &seen.id));
        }
        if change.is_changed() {
            self.complete_shape();
        }
        Ok(change)
    }

    /// Gives up a run that Prow no longer has or that could not be started: it counts as one in `error` that
    /// ended at `now`. A run that has ended does not change.
    pub fn record_lost(&mut self, job: &str, id: &str, now: Timestamp) -> Result<Change, RecordError> {
        let seen = Observation {
            id: id.to_owned(),
            job: job.to_owned(),
            state: ProwState::Error,
            url: None,
            started: None,
            completed: Some(now),
        };
        let open = self
            .entries(job)
            .flat_map(Job::runs)
            .any(|run| run.id().is_some_and(|known| known == id) && !matches!(run.stage(), Stage::Ended(_)));
        if open { self.record_run(job, &seen) } else { self.require_run(job, id).map(|()| Change::Unchanged) }
    }

    /// Records that a run which Prow does not show was known at `now`, unless it has another time. The time
    /// until it is given up counts from there.
    pub fn record_known(&mut self, job: &str, id: &str, now: Timestamp) -> Result<Change, RecordError> {
        self.require_run(job, id)?;
        Ok(self.runs_mut(job, id).fold(Change::Unchanged, |change, run| change.or(run::known_at(run, now))))
    }

    /// Records that a run has ended without a test report, so that none is looked for any more.
    pub fn record_no_report(&mut self, job: &str, id: &str) -> Result<Change, RecordError> {
        self.require_run(job, id)?;
        Ok(self.runs_mut(job, id).fold(Change::Unchanged, |change, run| change.or(run::without_report(run))))
    }

    /// Adds the summary of the test report of a run that has ended and has none.
    pub fn record_summary(&mut self, job: &str, id: &str, summary: &Map) -> Result<Change, RecordError> {
        self.require_run(job, id)?;
        let mut change = Change::Unchanged;
        for run in self.runs_mut(job, id) {
            if matches!(Run(run).stage(), Stage::Ended(_)) && !run.contains("testResultSummary") {
                run.set("testResultSummary", summary.clone());
                change = Change::Changed;
            }
        }
        Ok(change)
    }

    /// Records that everything has ended, and whether the build is accepted.
    pub fn complete(&mut self, accepted: bool) -> Change {
        let before = (self.is_aggregated(), self.accepted());
        if before == (true, Some(accepted)) {
            return Change::Unchanged;
        }
        self.complete_shape();
        self.document.set("aggregated", true);
        self.document.set("accepted", accepted);
        Change::Changed
    }

    /// Promotes the build by hand: the next pass labels it and completes the record, whatever the results of
    /// the runs. A record that was promoted and completed before is reopened, so that the label is checked
    /// again (spec 04 §7.5).
    pub fn promote(&mut self) -> Change {
        if self.is_promoted() && !self.is_aggregated() {
            return Change::Unchanged;
        }
        self.document.set("aggregated", false);
        self.document.set("manual_promotion", true);
        Change::Changed
    }

    /// Replaces a run with another one that was started by hand and is known at `now`, and reopens the
    /// record. Both first and retried runs can be replaced.
    pub fn replace_run(
        &mut self,
        job: &str,
        current: &str,
        new: &RunId,
        now: Timestamp,
    ) -> Result<(Change, Place), RecordError> {
        self.require_job(job)?;
        let place = |file: &Self, id: &str| file.entries(job).find_map(|entry| place_of(entry, id));
        let Some(found) = place(self, current) else {
            return match place(self, new.text()) {
                Some(found) => Ok((Change::Unchanged, found)),
                None => Err(self.missing_run(job, current)),
            };
        };
        if current == new.text() {
            return Ok((Change::Unchanged, found));
        }
        if let Some(holder) = self.jobs().find(|entry| has_run(*entry, new.text())) {
            let job = holder.name().into_owned();
            return Err(RecordError::RunExists { file: self.name.clone(), job, id: new.to_string() });
        }
        for run in self.runs_mut(job, current) {
            *run = run::with_id(new, Some(now));
        }
        self.reopen();
        Ok((Change::Changed, found))
    }

    fn reopen(&mut self) {
        self.document.remove("aggregated");
        self.document.remove("accepted");
    }

    /// From the first pass on, every entry has a list of retried runs, which may be empty (spec 04 §6.1).
    fn complete_shape(&mut self) {
        for entry in self.entries_mut() {
            if entry.get("retriedJobs").and_then(Value::as_list).is_none() {
                entry.set("retriedJobs", Vec::new());
            }
        }
    }

    fn entries_mut(&mut self) -> impl Iterator<Item = &mut Map> {
        let list = self.document.get_mut("result").and_then(Value::as_list_mut);
        list.map(Vec::as_mut_slice).unwrap_or_default().iter_mut().filter_map(Value::as_map_mut)
    }

    fn push_entry(&mut self, entry: Map) {
        if self.document.get("result").and_then(Value::as_list).is_none() {
            self.document.set("result", Vec::new());
        }
        if let Some(list) = self.document.get_mut("result").and_then(Value::as_list_mut) {
            list.push(entry.into());
        }
    }

    /// Sets the first run of the first entry of the job that is `wanted`; `false` when there is none.
    fn set_first(&mut self, job: &str, wanted: impl Fn(&Map) -> bool, intent: Intent, since: &str) -> bool {
        let Some(entry) = self.entries_mut().find(|entry| is_of(entry, job) && wanted(entry)) else {
            return false;
        };
        entry.set("firstJob", run::intended(intent, since));
        true
    }

    fn extend_started_with(&mut self, added: &[TestJob]) {
        let Some(mut started) = self.started_with() else { return };
        let new = added.iter().filter(|job| started.jobs.iter().all(|known| known.name != job.name));
        let new: Vec<TestJob> = new.cloned().collect();
        if !new.is_empty()
            && let Some(list) = self
                .document
                .get_mut(STARTED_WITH)
                .and_then(Value::as_map_mut)
                .and_then(|map| map.get_mut("jobs"))
                .and_then(Value::as_list_mut)
        {
            list.extend(new.iter().map(TestJob::to_value));
            started.jobs.extend(new);
        }
    }

    fn runs_mut<'a>(&'a mut self, job: &'a str, id: &'a str) -> impl Iterator<Item = &'a mut Map> {
        self.entries_mut()
            .filter(move |entry| is_of(entry, job))
            .flat_map(|entry| {
                entry.iter_mut().flat_map(|(key, value)| match key.get().as_ref() {
                    "firstJob" => std::slice::from_mut(value),
                    "retriedJobs" => value.as_list_mut().map(Vec::as_mut_slice).unwrap_or_default(),
                    _ => &mut [],
                })
            })
            .filter_map(Value::as_map_mut)
            .filter(move |run| Run(run).id().is_some_and(|known| known == id))
    }

    fn require_job(&self, job: &str) -> Result<(), RecordError> {
        if self.entries(job).next().is_some() {
            return Ok(());
        }
        let known = self.jobs().map(|entry| entry.name().into_owned()).collect();
        Err(RecordError::NoSuchJob { file: self.name.clone(), job: job.to_owned(), known })
    }

    fn require_run(&self, job: &str, id: &str) -> Result<(), RecordError> {
        let known = self.entries(job).any(|entry| has_run(entry, id));
        if known { Ok(()) } else { Err(self.missing_run(job, id)) }
    }

    fn missing_run(&self, job: &str, id: &str) -> RecordError {
        if let Err(error) = self.require_job(job) {
            return error;
        }
        let known =
            self.entries(job).flat_map(Job::runs).filter_map(|run| Some(run.id()?.into_owned())).collect();
        RecordError::NoSuchRun { file: self.name.clone(), job: job.to_owned(), id: id.to_owned(), known }
    }
}

fn new_entry(job: &str, intent: Intent, since: &str) -> Map {
    Map::of([("jobName", job.into()), ("firstJob", run::intended(intent, since).into())])
}

fn is_of(entry: &Map, job: &str) -> bool {
    entry.text("jobName").is_some_and(|name| name == job)
}

/// Whether the first run of an entry ended without success.
fn first_failed(entry: &Map) -> bool {
    let first = Job::of(entry).first().map(Run::stage);
    matches!(first, Some(Stage::Ended(state)) if state != ProwState::Success)
}

fn has_run(entry: Job<'_>, id: &str) -> bool {
    place_of(entry, id).is_some()
}

fn place_of(entry: Job<'_>, id: &str) -> Option<Place> {
    let is = |run: Run<'_>| run.id().is_some_and(|known| known == id);
    if entry.first().is_some_and(is) {
        return Some(Place::First);
    }
    entry.retried().position(is).map(Place::Retried)
}
