//! Processes one record: reads what is open, records it and starts what is due, until there is nothing left
//! to do now.

use futures::StreamExt;
use futures::stream::iter;

use super::{Aggregator, BuildReport, Done, READ_CONCURRENCY};
use crate::error::{Classified, ErrorClass};
use crate::permit::WritePermit;
use crate::prow::change::{ChangeError, Changed, change};
use crate::prow::json::Map;
use crate::prow::names::ResultName;
use crate::prow::outcome::{
    AvailableRegistry, Label, Observed, Rules, Step, is_lost, judge, next_steps, report_is_due,
};
use crate::prow::record::{Intent, Job, Observation, RecordError, ResultFile, Run};
use crate::prow::registry::TestJob;
use crate::prow::starter::{Sources, Starter, intents};
use crate::prow::world::FoundReport;
use crate::store::Change;
use crate::store::Stored;
use crate::store::transaction::Start;

/// The most rounds for one record in one pass; each follows an action of the one before.
const ROUNDS: usize = 8;
/// The next step for a report that cannot be understood.
const REPORT_LEFT_OUT: &str = "The run counts without its report: look at it on the run's page, and replace the run if its \
    result must have one (jobctl update-retried-job-run).";

/// A change of a record as a result of what was read.
#[derive(Clone)]
enum Finding {
    Run(String, Observation),
    /// Prow does not show a run whose times are unknown.
    Known(String, String),
    Lost(String, String),
    Summary(String, String, Map),
}

/// What one round found, and what it must start.
#[derive(Default)]
struct Round {
    findings: Vec<Finding>,
    /// Runs that Prow does not have: job and id.
    unknown: Vec<(String, String)>,
    /// Jobs whose first run must be started.
    first: Vec<TestJob>,
    /// Jobs whose retried runs must be started, and the wanted number of retried runs.
    retries: Vec<(TestJob, usize)>,
    /// Recorded intents, and whether their runs may still be started.
    settle: Vec<(TestJob, Intent, bool)>,
    label: bool,
    complete: Option<bool>,
}

/// The first and retried runs that this process must start after a change of the record.
type ToStart = Vec<(TestJob, Intent)>;

/// One record during a pass.
pub(super) struct Work<'a> {
    pub(super) aggregator: Aggregator<'a>,
    pub(super) name: &'a ResultName,
    pub(super) registry: AvailableRegistry<'a>,
    pub(super) permit: Option<&'a WritePermit>,
    pub(super) file: ResultFile,
    pub(super) stored: Option<Stored>,
    pub(super) observed: Observed,
    /// Whether setting the label failed; the next pass tries again.
    pub(super) label_failed: bool,
    /// Runs that will never have a test report: job and id.
    pub(super) no_report: Vec<(String, String)>,
    pub(super) report: BuildReport,
}

impl Work<'_> {
    /// Does everything that can be done now.
    pub(super) async fn run(mut self) -> BuildReport {
        for _ in 0..ROUNDS {
            let now = self.aggregator.world.clock.now();
            let policy = &self.aggregator.policy;
            let mut steps = next_steps(&self.file, self.registry, &self.observed, policy, now);
            if self.label_failed {
                steps.retain(|step| *step != Step::Label);
            }
            if steps.is_empty() {
                break;
            }
            let round = self.look(steps).await;
            let Some(permit) = self.permit else {
                self.imagine(round);
                continue;
            };
            if let Err(error) = self.act(round, permit).await {
                self.fail("the record", &error);
                break;
            }
        }
        if let Err(error) = self.note_absent_reports().await {
            self.fail("the record", &error);
        }
        self.conclude()
    }

    /// Records which runs have no test report, so that later passes do not look for them. A final record
    /// needs no such note.
    async fn note_absent_reports(&mut self) -> Result<(), ChangeError> {
        let Some(permit) = self.permit else { return Ok(()) };
        if self.no_report.is_empty() || self.file.is_aggregated() {
            return Ok(());
        }
        let ResultName { build, arch } = self.name;
        let message = format!("{build} {arch}: runs without a test report");
        let start = match self.stored.take() {
            Some(stored) => Start::Known { stored: Some(stored), recent: true },
            None => Start::Read,
        };
        let changed = change(self.aggregator.world, self.name, &message, start, permit, None, |file| {
            for (job, id) in &self.no_report {
                // A run that was replaced in the meantime no longer concerns this record.
                let _ = file.record_no_report(job, id);
            }
            Ok(())
        })
        .await?;
        (self.file, self.stored) = (changed.file, changed.stored);
        Ok(())
    }

    fn conclude(mut self) -> BuildReport {
        let registry =
            if let AvailableRegistry::Read(registry) = self.registry { Some(registry) } else { None };
        let verdict = judge(&self.file, &Rules::of(&self.file, registry));
        self.report.reasons = verdict.reasons();
        if matches!(self.registry, AvailableRegistry::Absent) && !self.file.is_aggregated() {
            let words = format!(
                "there is no registry {}: nothing is started or decided until there is one",
                self.name.registry()
            );
            if verdict.jobs.iter().all(|job| job.open == 0) {
                self.report.problem(words.clone(), ErrorClass::Configuration);
            }
            self.report.reasons.push(words);
        }
        // A dry run completes nothing.
        self.report.is_final = self.permit.is_some() && self.file.is_aggregated();
        self.report.result = match (self.file.is_aggregated(), self.file.accepted()) {
            (true, Some(true)) => "accepted",
            (true, _) => "rejected",
            (false, _) => "open",
        };
        self.report
    }

    pub(super) fn fail(&mut self, what: &str, error: &dyn Classified) {
        self.report.fail(what, error);
    }

    /// Reads what the steps require.
    async fn look(&mut self, steps: Vec<Step>) -> Round {
        let mut round = Round::default();
        let (mut runs, mut reports) = (Vec::new(), Vec::new());
        for step in steps {
            match step {
                Step::Read { job, id } => runs.push((job, id)),
                Step::FetchReport { job, id, url } => reports.push((job, id, url)),
                Step::Settle { job, intent, may_start, .. } => round.settle.push((job, intent, may_start)),
                Step::StartFirst { jobs } => round.first.extend(jobs),
                Step::StartRetries { job, wanted } => round.retries.push((job, wanted)),
                Step::Label => round.label = true,
                Step::Complete { accepted } => round.complete = Some(accepted),
            }
        }
        let Aggregator { world, artifacts, .. } = self.aggregator;
        let runs = iter(runs.into_iter().map(|(job, id)| async move {
            let run = world.jobs.run(&id).await;
            (job, id, run)
        }));
        for (job, id, run) in runs.buffered(READ_CONCURRENCY).collect::<Vec<_>>().await {
            self.observed.read.insert(id.clone());
            match run {
                Ok(Some(run)) => round.findings.push(Finding::Run(job, run)),
                Ok(None) => round.unknown.push((job, id)),
                Err(error) => self.fail(&format!("the run {id} of {job}"), &error),
            }
        }
        let reports = iter(reports.into_iter().map(|(job, id, url)| async move {
            let found = match artifacts {
                Some(artifacts) => artifacts.report(&url).await,
                None => Ok(FoundReport::Absent),
            };
            (job, id, found)
        }));
        for (job, id, found) in reports.buffered(READ_CONCURRENCY).collect::<Vec<_>>().await {
            match found {
                Ok(FoundReport::Summary(summary)) => round.findings.push(Finding::Summary(job, id, summary)),
                Ok(FoundReport::Absent) => {
                    let ended = self.recorded_run(&job, &id).and_then(|run| run.completed()?.parse().ok());
                    let now = world.clock.now();
                    if ended.is_some() && !report_is_due(ended, &self.aggregator.policy, now) {
                        self.no_report.push((job, id.clone()));
                    }
                    self.observed.without_report.insert(id);
                }
                Ok(FoundReport::Unreadable(why)) => {
                    let words = format!("the test report of the run {id} of {job} is left out: {why}");
                    let hint = Some(REPORT_LEFT_OUT.to_owned());
                    self.report.problem_with_hint(words, ErrorClass::Failed, hint);
                    self.no_report.push((job, id.clone()));
                    self.observed.without_report.insert(id);
                }
                Err(error) => {
                    self.observed.report_failed.insert(id.clone());
                    self.fail(&format!("the test report of the run {id} of {job}"), &error);
                }
            }
        }
        self.look_for_forgotten(&mut round).await;
        round
    }

    /// Looks in the artifacts for the results of runs that Prow no longer has. A run without any is given up
    /// when it is old; a new one may not be visible yet.
    async fn look_for_forgotten(&mut self, round: &mut Round) {
        for (job, id) in std::mem::take(&mut round.unknown) {
            let page = self.recorded_run(&job, &id).and_then(Run::url).map(std::borrow::Cow::into_owned);
            let artifacts = self.aggregator.artifacts;
            if let Some((artifacts, page)) = artifacts.zip(page) {
                match artifacts.ended(&id, &page).await {
                    Ok(Some(seen)) => {
                        round.findings.push(Finding::Run(job, seen));
                        continue;
                    }
                    Ok(None) => {}
                    Err(error) => {
                        self.fail(&format!("how the run {id} of {job} ended"), &error);
                        continue;
                    }
                }
            }
            let now = self.aggregator.world.clock.now();
            if artifacts.is_some() && is_lost(&self.file, &job, &id, &self.aggregator.policy, now) {
                round.findings.push(Finding::Lost(job, id));
            } else {
                let words = format!("Prow does not know the run {id} of {job}, which is read again later");
                self.report.problem(words, ErrorClass::Unavailable);
                if self.file.known_since(&job, &id).is_none() {
                    round.findings.push(Finding::Known(job, id));
                }
            }
        }
    }

    fn recorded_run(&self, job: &str, id: &str) -> Option<Run<'_>> {
        self.file
            .jobs()
            .filter(|entry| entry.name() == job)
            .flat_map(Job::runs)
            .find(|run| run.id().is_some_and(|known| known == id))
    }

    /// Records the findings and starts what is due.
    async fn act(&mut self, round: Round, permit: &WritePermit) -> Result<(), ChangeError> {
        if round.label {
            self.label(permit).await;
        }
        let to_start = self.record(&round, permit).await?;
        let mut own = Vec::new();
        for (job, intent) in to_start {
            self.observed.started.insert(job.name.clone());
            own.push((job, intent, true));
        }
        if own.is_empty() && round.settle.is_empty() {
            return Ok(());
        }
        for (_, intent, _) in own.iter().chain(&round.settle) {
            self.observed.settled.insert(*intent);
        }
        let world = self.aggregator.world;
        let jobs = own.iter().chain(&round.settle).map(|(job, ..)| job);
        let needed = Sources::are_needed(jobs, self.file.build());
        let sources = Sources::of(world, needed, self.file.build(), self.name.arch).await;
        let mut starter = Starter::new(world, permit, self.name, self.file.clone(), self.stored.take());
        let mut starts = starter.start(starter.prepare(own, &sources)).await;
        starts.extend(starter.take_over(starter.prepare(round.settle, &sources)).await);
        (self.file, self.stored) = starter.into_record();
        for job in starts {
            match (&job.id, &job.problem) {
                (Some(id), _) => {
                    // A run that was just started may not be visible yet.
                    self.observed.read.insert(id.clone());
                    self.report.started += usize::from(job.result == "started");
                    self.report.done.push(Done::run(&job.job, id, job.result));
                }
                (None, Some(problem)) => {
                    let class = job.class.unwrap_or(ErrorClass::Failed);
                    self.report.problem_with_hint(format!("{}: {problem}", job.job), class, job.hint.clone());
                }
                (None, None) if job.result == "given up" => {
                    self.report.done.push(Done::job(&job.job, "given up, it could not be started"));
                }
                (None, None) => {}
            }
        }
        for standing in intents(&self.file) {
            self.observed.settled.insert(standing.intent);
        }
        Ok(())
    }

    /// Writes the findings, the intents and the completion in one change.
    async fn record(&mut self, round: &Round, permit: &WritePermit) -> Result<ToStart, ChangeError> {
        if round.findings.is_empty()
            && round.first.is_empty()
            && round.retries.is_empty()
            && round.complete.is_none()
        {
            return Ok(Vec::new());
        }
        let world = self.aggregator.world;
        let now = world.clock.now();
        let first: Vec<(TestJob, Intent)> =
            round.first.iter().map(|job| (job.clone(), Intent::at(now))).collect();
        let retries: Vec<(TestJob, usize, Vec<Intent>)> = round
            .retries
            .iter()
            .map(|(job, wanted)| (job.clone(), *wanted, (0..*wanted).map(|_| Intent::at(now)).collect()))
            .collect();
        let start = match self.stored.take() {
            Some(stored) => Start::Known { stored: Some(stored), recent: true },
            None => Start::Read,
        };
        let message = self.message(round);
        let (registry, observed, policy) = (self.registry, &self.observed, &self.aggregator.policy);
        let changed: Changed<(ToStart, Vec<RecordError>, bool)> =
            change(world, self.name, &message, start, permit, None, |file| {
                let mut errors = Vec::new();
                for finding in &round.findings {
                    if let Err(error) = apply(file, finding, now) {
                        errors.push(error);
                    }
                }
                let mut ours = file.intend_first_runs(&first, now);
                for (job, wanted, intents) in &retries {
                    match file.intend_retries(&job.name, *wanted, intents, now) {
                        Ok(intents) => ours.extend(intents.into_iter().map(|intent| (job.clone(), intent))),
                        Err(error) => errors.push(error),
                    }
                }
                // Another writer may have changed the record since it was evaluated.
                let complete = round.complete.filter(|accepted| {
                    next_steps(file, registry, observed, policy, now)
                        == [Step::Complete { accepted: *accepted }]
                });
                if let Some(accepted) = complete {
                    let _ = file.complete(accepted);
                }
                Ok((ours, errors, complete.is_some()))
            })
            .await?;
        let (ours, errors, completed) = changed.answer;
        (self.file, self.stored) = (changed.file, changed.stored);
        for error in errors {
            // A run that was replaced in the meantime no longer concerns this record.
            if !matches!(error, RecordError::NoSuchRun { .. } | RecordError::NoSuchJob { .. }) {
                self.fail("the record", &error);
            }
        }
        if changed.written {
            self.report.done.extend(round.findings.iter().filter_map(described));
            if completed {
                let words = if self.file.accepted() == Some(true) { "accepted" } else { "rejected" };
                self.report.done.push(Done::build(format!("completed the record: {words}")));
            }
        }
        Ok(ours)
    }

    fn message(&self, round: &Round) -> String {
        let ResultName { build, arch } = self.name;
        let words = match round.complete {
            Some(true) => "accepted".to_owned(),
            Some(false) => "rejected".to_owned(),
            None if !round.first.is_empty() || !round.retries.is_empty() => {
                "results, and about to start further runs".to_owned()
            }
            None => "results".to_owned(),
        };
        format!("{build} {arch}: {words}")
    }

    /// For a dry run: applies the findings only to this copy.
    fn imagine(&mut self, round: Round) {
        let now = self.aggregator.world.clock.now();
        for finding in &round.findings {
            if apply(&mut self.file, finding, now).is_ok_and(Change::is_changed) {
                self.report.done.extend(described(finding));
            }
        }
        for job in round.first {
            self.report.done.push(Done::job(&job.name, "would be started"));
            self.observed.started.insert(job.name);
        }
        for (job, wanted) in round.retries {
            let words = format!("would be retried until it has {wanted} further runs");
            self.report.done.push(Done::job(&job.name, words));
            self.observed.started.insert(job.name);
        }
        for (job, intent, _) in round.settle {
            self.report.done.push(Done::job(&job.name, "its start would be continued"));
            self.observed.settled.insert(intent);
        }
        if round.label {
            self.report.done.push(Done::build("would label the release payload: Accepted"));
            self.observed.label = Label::Present;
        }
        if let Some(accepted) = round.complete {
            let _ = self.file.complete(accepted);
            let words = if accepted { "accepted" } else { "rejected" };
            self.report.done.push(Done::build(format!("would complete the record: {words}")));
        }
    }
}

fn apply(file: &mut ResultFile, finding: &Finding, now: jiff::Timestamp) -> Result<Change, RecordError> {
    match finding {
        Finding::Run(job, seen) => file.record_run(job, seen),
        Finding::Known(job, id) => file.record_known(job, id, now),
        Finding::Lost(job, id) => file.record_lost(job, id, now),
        Finding::Summary(job, id, summary) => file.record_summary(job, id, summary),
    }
}

fn described(finding: &Finding) -> Option<Done> {
    match finding {
        Finding::Run(job, seen) => Some(Done::run(job, &seen.id, seen.state.text())),
        // A note for later passes; the missing run is reported as a problem.
        Finding::Known(..) => None,
        Finding::Lost(job, id) => Some(Done::run(job, id, "lost: Prow and its artifacts do not know it")),
        Finding::Summary(job, id, _) => Some(Done::run(job, id, "test report read")),
    }
}
