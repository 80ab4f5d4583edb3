use std::collections::BTreeSet;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::build::judge;
use super::rules::Rules;
use crate::clients::prow::ProwState;
use crate::prow::record::{Intent, ResultFile, Run, Stage};
use crate::prow::registry::{TestJob, TestJobRegistry};

/// One step for a build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Read a run from Prow, and record it.
    Read {
        /// The job.
        job: String,
        /// The run's id.
        id: String,
    },
    /// Look for the run that was started with this intent. If there is one, record its id. Otherwise, if it
    /// may be started, take the intent over (`ResultFile::renew_intent`) and start it; if not, give it up
    /// (`ResultFile::record_lost`).
    Settle {
        /// The job.
        job: TestJob,
        /// The intent.
        intent: Intent,
        /// Whether the caller recorded it and knows that nothing was started, so that no run need be looked
        /// for.
        own: bool,
        /// Whether the job may be started. It may not when it was removed from the registry, when its start
        /// was tried for long enough, or when the build is promoted.
        may_start: bool,
    },
    /// Record intents for the first runs of these jobs, then start them.
    StartFirst {
        /// The jobs, in the order of the registry.
        jobs: Vec<TestJob>,
    },
    /// Record intents for retried runs until the job has the wanted number, then start these.
    StartRetries {
        /// The job.
        job: TestJob,
        /// The wanted number of retried runs.
        wanted: usize,
    },
    /// Fetch the test report of a run that has ended, and record its summary.
    FetchReport {
        /// The job.
        job: String,
        /// The run's id.
        id: String,
        /// The page of the run, which leads to its artifacts.
        url: String,
    },
    /// Label the release payload, and read the label back.
    Label,
    /// Record that everything has ended.
    Complete {
        /// Whether the build is accepted.
        accepted: bool,
    },
}

/// The registry that is available for a record.
#[derive(Debug, Clone, Copy)]
pub enum AvailableRegistry<'a> {
    /// It was read.
    Read(&'a TestJobRegistry),
    /// The minor version and architecture have none.
    Absent,
    /// It could not be read, or is invalid.
    Unreadable,
}

/// What is known about the label of the build's release payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Label {
    /// Not read.
    #[default]
    Unknown,
    /// It marks the build as accepted.
    Present,
    /// There is none.
    Absent,
    /// It has another value, which is never overwritten (spec 04 §2.6).
    Other,
    /// There is no payload object.
    NoPayload,
}

/// The observations of a pass about a build, besides its record.
#[derive(Debug, Clone, Default)]
pub struct Observed {
    /// The runs that this pass has read or tried to read; they are not read again.
    pub read: BTreeSet<String>,
    /// The runs that are known to have no test report.
    pub without_report: BTreeSet<String>,
    /// The runs whose report this pass could not fetch.
    pub report_failed: BTreeSet<String>,
    /// The intents that this process recorded and that are known not to be started.
    pub own: BTreeSet<Intent>,
    /// The intents that this pass has handled.
    pub settled: BTreeSet<Intent>,
    /// The jobs whose runs this pass tried to start.
    pub started: BTreeSet<String>,
    /// The label.
    pub label: Label,
}

/// Time limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// How long an intent is reserved for the process that recorded it. That process starts the job within
    /// this time or not at all (`Intent::is_fresh`), with a margin for the longest request.
    pub intent_lease: Duration,
    /// How long a start is retried before the run is given up.
    pub give_up_after: Duration,
    /// How long after its start a run that Prow does not have is looked for. Prow removes ended runs 24 hours
    /// after their start, and jobs may run 22 hours (spec 04 §2.4).
    pub lost_after: Duration,
    /// How long after its end a run may still get its test report; afterwards the absence is recorded and no
    /// report is looked for any more. Jobs upload their artifacts before they end.
    pub report_due: Duration,
    /// How long after the end of its run a test report that cannot be fetched keeps a record open.
    pub report_timeout: Duration,
    /// How long after its last run an accepted build waits for its release payload to appear, so that it can
    /// be labelled.
    pub payload_timeout: Duration,
    /// Whether required jobs that are missing from a record of the Python tooling are started, when the
    /// current registry knows all its entries: their start was refused (spec 04 §10 D1).
    pub start_missing: bool,
}

impl Policy {
    /// The policy of these programs; the lease of an intent is a setting (`OAR_INTENT_LEASE`).
    pub fn with_intent_lease(intent_lease: Duration) -> Self {
        Self {
            intent_lease,
            give_up_after: Duration::from_hours(24),
            lost_after: Duration::from_hours(48),
            report_due: Duration::from_mins(30),
            report_timeout: Duration::from_hours(24),
            payload_timeout: Duration::from_hours(24),
            start_missing: true,
        }
    }
}

#[cfg(test)]
impl Default for Policy {
    fn default() -> Self {
        Self::with_intent_lease(Duration::from_mins(10))
    }
}

/// What is to be done for the build that `file` is about. Steps of one answer do not depend on each other; after they
/// were done, ask again with what was observed. [`Step::Complete`] comes alone. Nothing means that there is nothing to
/// do in this pass, because the record is final or because others must move first.
///
/// - A final record needs nothing, except a label that is known to be absent.
/// - A promoted build is labelled immediately. Nothing more is started for it; open runs are read until they
///   end.
/// - While there is no readable registry, nothing is started and no build is rejected, because retries may be
///   due or jobs may be missing. Runs are still read, and a build is accepted if its record itself has the
///   required jobs.
pub fn next_steps(
    file: &ResultFile,
    registry: AvailableRegistry<'_>,
    observed: &Observed,
    policy: &Policy,
    now: Timestamp,
) -> Vec<Step> {
    let promoted = file.is_promoted();
    if file.is_aggregated() {
        let good = promoted || file.accepted() == Some(true);
        return if good && observed.label == Label::Absent { vec![Step::Label] } else { Vec::new() };
    }
    let readable = matches!(registry, AvailableRegistry::Read(_));
    let rules =
        Rules::of(file, if let AvailableRegistry::Read(registry) = registry { Some(registry) } else { None });
    let verdict = judge(file, &rules);
    let may_start = readable && !promoted;
    let mut pass = Pass { observed, policy, now, readable, promoted, steps: Vec::new(), waits: false };
    for (job, verdict) in file.jobs().zip(&verdict.jobs) {
        for run in job.runs() {
            pass.run(&verdict.rule.job, run, verdict.rule.startable);
        }
        if let Some(wanted) =
            verdict.wanted_retries.filter(|_| may_start && !observed.started.contains(&verdict.name))
        {
            pass.steps.push(Step::StartRetries { job: verdict.rule.job.clone(), wanted });
        }
    }
    if may_start {
        let lost = |name: &str| verdict.jobs.iter().any(|job| job.name == name && job.start_first);
        let may_add = rules.is_bound() || (policy.start_missing && verdict.unknown().next().is_none());
        let missing = |name: &str| {
            may_add
                && verdict
                    .missing
                    .iter()
                    .any(|rule| rule.job.name == name && rule.is_required() && rule.startable)
        };
        let mut names: BTreeSet<&str> = BTreeSet::new();
        let candidates = verdict.jobs.iter().map(|job| &job.rule).chain(&verdict.missing);
        let jobs: Vec<TestJob> = candidates
            .filter(|rule| lost(&rule.job.name) || missing(&rule.job.name))
            .filter(|rule| !observed.started.contains(&rule.job.name) && names.insert(&rule.job.name))
            .map(|rule| rule.job.clone())
            .collect();
        // A job that could not be added in this pass is added in the next one; until then there is no
        // decision.
        pass.waits |= verdict.missing.iter().any(|rule| missing(&rule.job.name));
        if !jobs.is_empty() {
            pass.steps.push(Step::StartFirst { jobs });
        }
    }
    let label = promoted || verdict.is_accepted();
    if label && matches!(observed.label, Label::Unknown | Label::Absent) {
        pass.steps.push(Step::Label);
    }
    let settled = if promoted { verdict.jobs.iter().all(|job| job.open == 0) } else { verdict.has_ended() };
    // Without the registry only an acceptance is certain.
    let certain = readable || verdict.is_accepted();
    if pass.steps.is_empty() && settled && !pass.waits && certain {
        pass.steps.push(Step::Complete { accepted: verdict.is_accepted() });
    }
    pass.steps
}

/// Whether a run that ended at `ended` may still get its test report.
pub fn report_is_due(ended: Option<Timestamp>, policy: &Policy, now: Timestamp) -> bool {
    ended.is_some_and(|ended| now.duration_since(ended) < signed(policy.report_due))
}

/// Whether a run that neither Prow nor the artifacts have any more must be given up
/// (`ResultFile::record_lost`). A run without any known time is not; `ResultFile::record_known` records one.
pub fn is_lost(file: &ResultFile, job: &str, id: &str, policy: &Policy, now: Timestamp) -> bool {
    file.known_since(job, id).is_some_and(|since| now.duration_since(since) >= signed(policy.lost_after))
}

struct Pass<'a> {
    observed: &'a Observed,
    policy: &'a Policy,
    now: Timestamp,
    readable: bool,
    promoted: bool,
    steps: Vec<Step>,
    /// Whether something external keeps the record open.
    waits: bool,
}

impl Pass<'_> {
    fn run(&mut self, job: &TestJob, run: Run<'_>, startable: bool) {
        let Some(id) = run.id() else { return };
        if let Stage::Intended(intent) = run.stage() {
            self.intent(job, run, intent, startable);
        } else if run.needs_read() && !self.observed.read.contains(id.as_ref()) {
            self.steps.push(Step::Read { job: job.name.clone(), id: id.into_owned() });
        } else if matches!(run.stage(), Stage::Ended(_)) {
            self.report(job, run, &id);
        }
    }

    fn intent(&mut self, job: &TestJob, run: Run<'_>, intent: Intent, startable: bool) {
        if self.observed.settled.contains(&intent) || !self.readable {
            return;
        }
        let own = self.observed.own.contains(&intent);
        let older = |time: Timestamp, limit: Duration| self.now.duration_since(time) >= signed(limit);
        let recorded = intent.recorded();
        // An intent without a time counts as old.
        if own || recorded.is_none_or(|time| older(time, self.policy.intent_lease)) {
            let since = run.intended_since().or(recorded);
            let tried = since.is_some_and(|time| older(time, self.policy.give_up_after));
            let may_start = startable && !tried && !self.promoted;
            self.steps.push(Step::Settle { job: job.clone(), intent, own, may_start });
        }
    }

    /// Fetches the reports of runs that install the build (upgrades have none, spec 04 §6.1.2), while they
    /// may exist.
    fn report(&mut self, job: &TestJob, run: Run<'_>, id: &str) {
        let Some(url) = run.url() else { return };
        let error = run.stage() == Stage::Ended(ProwState::Error);
        let none = job.upgrade || error || run.is_without_report();
        if none || run.summary().is_some() || self.observed.without_report.contains(id) {
            return;
        }
        if self.observed.report_failed.contains(id) {
            let timeout = signed(self.policy.report_timeout);
            let ended: Option<Timestamp> = run.completed().and_then(|time| time.parse().ok());
            self.waits |= ended.is_some_and(|ended| self.now.duration_since(ended) < timeout);
            return;
        }
        self.steps.push(Step::FetchReport {
            job: job.name.clone(),
            id: id.to_owned(),
            url: url.into_owned(),
        });
    }
}

fn signed(duration: Duration) -> SignedDuration {
    SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX)
}
