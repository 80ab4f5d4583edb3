//! A build's tests as people and programs look at them: jobs, runs, results, and why the build is accepted or not.

use std::borrow::Cow;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use super::json::{Map, Value};
use super::outcome::{BuildOutcome, BuildVerdict, JobOutcome, JobVerdict, RuleSource, Rules, judge};
use super::record::{Job, ResultFile, Run, Stage};
use super::registry::TestJobRegistry;
use crate::version::Arch;

/// A build's record, judged.
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
    /// When its jobs were started, as far as the record tells.
    pub started: Option<String>,
    /// What the record says.
    pub recorded: Recorded,
    /// What its runs say.
    pub outcome: BuildOutcome,
    /// Why.
    pub reasons: Vec<String>,
    /// Where the list of jobs comes from that the build is judged by.
    pub judged_by: JobListSource,
    /// The jobs, in the order of the record.
    pub jobs: Vec<JobView>,
    /// The jobs that should be in the record and are not.
    pub missing: Vec<MissingJob>,
}

/// What a record says about its build.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Recorded {
    /// Everything has ended.
    pub aggregated: bool,
    /// The acceptance.
    pub accepted: Option<bool>,
    /// Somebody promoted the build by hand.
    pub manual_promotion: bool,
}

/// Where the list of jobs comes from that a build is judged by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum JobListSource {
    /// The registry that the build was started with, kept in the record.
    StartedWith,
    /// The current registry.
    Registry,
    /// Nothing but the entries of the record.
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
    /// Where this comes from.
    pub rule: RuleSource,
    /// What became of it.
    pub outcome: JobOutcome,
    /// Why.
    pub reason: String,
    /// Its runs, the first one first.
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
    /// How long it ran, in seconds.
    pub seconds: Option<i64>,
    /// Its page.
    pub url: Option<String>,
    /// Its tests, by suite.
    pub tests: Vec<SuiteView>,
}

/// The tests of one suite of a run.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct SuiteView {
    /// The suite.
    pub suite: String,
    /// How many tests there were.
    pub total: Option<u64>,
    /// How many failed.
    pub failures: Option<u64>,
    /// How many could not be run.
    pub errors: Option<u64>,
    /// How many were left out.
    pub skipped: Option<u64>,
    /// Those that failed, as far as they are listed.
    pub failing: Vec<String>,
}

/// A job that should be in a record and is not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct MissingJob {
    /// The Prow job.
    pub job: String,
    /// Whether it counts for acceptance.
    pub required: bool,
    /// The entry under which the record may have it: an unknown job whose name differs in the frequency at its end
    /// only (`…-f360` and `…-f999`), as renamed jobs do (spec 04 §12).
    pub recorded_as: Option<String>,
}

impl BuildView {
    /// How `file` looks, judged by what it was started with or by the current registry.
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
