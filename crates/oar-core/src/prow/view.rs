//! A view of a build's tests, for people and programs: jobs, runs, results, and why the build is accepted or
//! not.

use std::borrow::Cow;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use super::json::{Map, Value};
use super::outcome::{BuildOutcome, BuildVerdict, JobOutcome, JobVerdict, RuleSource, Rules, judge};
use super::record::{Job, ResultFile, Run, Stage};
use super::registry::TestJobRegistry;
use crate::version::Arch;

/// A build's record, evaluated.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct BuildView {
    /// The record's name.
    pub file: String,
    /// The build.
    pub build: String,
    /// The architecture that was tested.
    pub arch: Arch,
    /// The build's image.
    pub pull_spec: String,
    /// When its jobs were started, if the record shows it.
    pub started: Option<String>,
    /// The recorded result.
    pub recorded: Recorded,
    /// The outcome by its runs.
    pub outcome: BuildOutcome,
    /// The reasons.
    pub reasons: Vec<String>,
    /// The source of the list of jobs.
    pub judged_by: JobListSource,
    /// The jobs, in the order of the record.
    pub jobs: Vec<JobView>,
    /// The jobs that should be in the record but are not.
    pub missing: Vec<MissingJob>,
}

/// The result in a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Recorded {
    /// Whether everything has ended.
    pub aggregated: bool,
    /// Whether the build is accepted.
    pub accepted: Option<bool>,
    /// Whether the build was promoted by hand.
    pub manual_promotion: bool,
}

/// The source of the list of jobs that a build is judged by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum JobListSource {
    /// The registry that the build was started with, stored in the record.
    StartedWith,
    /// The current registry.
    Registry,
    /// Only the entries of the record.
    EntriesOnly,
}

impl JobListSource {
    pub(super) fn of(verdict: &BuildVerdict) -> Self {
        match (verdict.bound, verdict.complete) {
            (true, _) => Self::StartedWith,
            (false, true) => Self::Registry,
            (false, false) => Self::EntriesOnly,
        }
    }
}

/// One job.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct JobView {
    /// The Prow job.
    pub job: String,
    /// Whether it counts for acceptance.
    pub required: bool,
    /// The source of the rule.
    pub rule: RuleSource,
    /// Its outcome.
    pub outcome: JobOutcome,
    /// The reasons.
    pub reason: String,
    /// Its runs, starting with the first one.
    pub runs: Vec<RunView>,
}

/// One run.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct RunView {
    /// Its id, or its intent's.
    pub id: String,
    /// Prow's state; `intended` before it was started, `started` before it was read.
    pub state: String,
    /// Whether it has ended.
    pub ended: bool,
    /// When it was created.
    pub started: Option<String>,
    /// When it ended.
    pub completed: Option<String>,
    /// Its duration in seconds.
    pub seconds: Option<i64>,
    /// Its page.
    pub url: Option<String>,
    /// Its test results by suite.
    pub tests: Vec<SuiteView>,
}

/// The tests of one suite of a run.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct SuiteView {
    /// The suite.
    pub suite: String,
    /// Number of tests.
    pub total: Option<u64>,
    /// Number of failed tests.
    pub failures: Option<u64>,
    /// Number of tests that could not be run.
    pub errors: Option<u64>,
    /// Number of skipped tests.
    pub skipped: Option<u64>,
    /// The failed tests that are listed.
    pub failing: Vec<String>,
}

/// A job that should be in a record but is not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct MissingJob {
    /// The Prow job.
    pub job: String,
    /// Whether it counts for acceptance.
    pub required: bool,
    /// The entry that may be this job: an unknown one whose name differs only in the frequency at its end
    /// (`…-f360` and `…-f999`), as after a rename (spec 04 §12).
    pub recorded_as: Option<String>,
}

impl BuildView {
    /// Evaluates `file` by the registry that it was started with, or by the current one.
    pub fn of(file: &ResultFile, registry: Option<&TestJobRegistry>) -> Self {
        let rules = Rules::of(file, registry);
        let rules = match registry {
            // Nothing is started for a final record any more.
            _ if file.is_aggregated() => rules.when_nothing_starts(),
            Some(_) => rules,
            None => rules.all_startable(),
        };
        let verdict = judge(file, &rules);
        let judged_by = JobListSource::of(&verdict);
        let verdict = verdict.by_entries();
        Self {
            file: file.name().to_string(),
            build: file.name().build.to_string(),
            arch: file.name().arch,
            pull_spec: file.build().pull_spec.clone(),
            started: started(file),
            recorded: Recorded {
                aggregated: file.is_aggregated(),
                accepted: file.accepted(),
                manual_promotion: file.is_promoted(),
            },
            outcome: verdict.outcome(),
            reasons: verdict.reasons(),
            judged_by,
            jobs: file.jobs().zip(&verdict.jobs).map(|(job, verdict)| JobView::of(job, verdict)).collect(),
            missing: missing(&verdict),
        }
    }
}

pub(super) fn missing(verdict: &BuildVerdict) -> Vec<MissingJob> {
    let missing = verdict.missing.iter().map(|rule| MissingJob {
        job: rule.job.name.clone(),
        required: rule.is_required(),
        recorded_as: verdict.recorded_as(rule).map(|entry| entry.name.clone()),
    });
    missing.collect()
}

/// When the build's jobs were started: as the record says, or when its earliest run was created.
fn started(file: &ResultFile) -> Option<String> {
    let said = file.started_with().and_then(|started| started.at);
    said.or_else(|| file.jobs().filter_map(|job| Some(job.first()?.started()?.into_owned())).min())
}

impl JobView {
    fn of(job: Job<'_>, verdict: &JobVerdict) -> Self {
        Self {
            job: verdict.name.clone(),
            required: verdict.rule.is_required(),
            rule: verdict.rule.source,
            outcome: verdict.outcome,
            reason: verdict.reason(),
            runs: job.runs().map(RunView::of).collect(),
        }
    }
}

impl RunView {
    fn of(run: Run<'_>) -> Self {
        let state = match (run.stage(), run.state_text()) {
            (Stage::Intended(_), _) => "intended".to_owned(),
            (_, Some(text)) => text.into_owned(),
            (_, None) => "started".to_owned(),
        };
        let time = |text: Option<&String>| text.and_then(|text| text.parse::<Timestamp>().ok());
        let started = run.started().map(Cow::into_owned);
        let completed = run.completed().map(Cow::into_owned);
        let seconds = time(started.as_ref())
            .zip(time(completed.as_ref()))
            .map(|(start, end)| end.duration_since(start).as_secs());
        Self {
            id: run.id().map(Cow::into_owned).unwrap_or_default(),
            state,
            ended: matches!(run.stage(), Stage::Ended(_)),
            started,
            completed,
            seconds,
            url: run.url().map(Cow::into_owned),
            tests: run.summary().map(suites).unwrap_or_default(),
        }
    }
}

fn suites(summary: &Map) -> Vec<SuiteView> {
    let suite = |(name, value): (&super::json::Text, &Value)| {
        let suite = value.as_map()?;
        let number =
            |key: &str| if let Some(Value::Number(number)) = suite.get(key) { number.as_u64() } else { None };
        let failing = suite.get("failingScenarios").and_then(Value::as_list).unwrap_or_default();
        Some(SuiteView {
            suite: name.get().into_owned(),
            total: number("total"),
            failures: number("failures"),
            errors: number("errors"),
            skipped: number("skipped"),
            failing: failing.iter().filter_map(|name| Some(name.as_str()?.into_owned())).collect(),
        })
    };
    summary.iter().filter_map(suite).collect()
}
