//! The pages of builds under test: what `jobctl show` says of their records.

use askama::Template;
use askama::filters::HtmlSafe;
use oar_core::clock::duration_words;
use oar_core::prow::outcome::{BuildOutcome, JobOutcome};
use oar_core::prow::view::{BuildView, JobListSource, JobView, RunView, SuiteView};
use oar_core::version::Arch;
use serde::Serialize;

use super::{Badge, ProblemItem, Tone};
use crate::dashboard::links::build_path;
use crate::dashboard::seen::{BuildSeen, Builds, Problem, unusable_words};
use crate::dashboard::text::{Link, Shower, Text, Time, Words};

/// The most failing tests of a suite that are named.
const FAILING: usize = 30;

/// The newest builds.
#[derive(Debug, Serialize, Template)]
#[template(path = "builds.html")]
pub(in crate::dashboard) struct BuildsPage {
    read: Option<Time>,
    problem: Option<ProblemItem>,
    builds: Vec<BuildRow>,
}

impl HtmlSafe for BuildsPage {}

#[derive(Debug, Serialize)]
struct BuildRow {
    build: String,
    #[serde(skip)]
    path: Option<String>,
    arch: Arch,
    kind: &'static str,
    verdict: Badge,
    started: Option<Time>,
    by_hand: bool,
    jobs: usize,
    passed: usize,
    failed: usize,
    open: usize,
    reasons: Vec<Words>,
    /// When its record was read.
    read: Time,
    /// Why it was not read since, or cannot be used.
    problem: Option<Text>,
    /// Whether it was read at all.
    #[serde(skip)]
    is_known: bool,
}

fn badge_of(outcome: BuildOutcome) -> Badge {
    match outcome {
        BuildOutcome::Open => Badge::new(Tone::Running, "under test"),
        BuildOutcome::Accepted => Badge::new(Tone::Done, "accepted"),
        BuildOutcome::Rejected => Badge::new(Tone::Failed, "rejected"),
    }
}

impl BuildRow {
    fn new(BuildSeen { name, view, at, problem }: &BuildSeen, shower: &Shower) -> Self {
        let count = |outcome: JobOutcome| {
            let jobs = view.iter().flat_map(|view| &view.jobs);
            jobs.filter(|job| job.outcome == outcome).count()
        };
        let view = view.as_ref();
        Self {
            build: name.build.to_string(),
            path: build_path(&name.build.to_string(), name.arch.text()),
            arch: name.arch,
            kind: name.build.kind().text(),
            verdict: view
                .map_or_else(|_| Badge::new(Tone::Unknown, "unknown"), |view| badge_of(view.outcome)),
            started: view.ok().and_then(|view| view.started.as_deref()).map(|at| shower.time(at)),
            by_hand: view.is_ok_and(|view| view.recorded.manual_promotion),
            jobs: view.map_or(0, |view| view.jobs.len()),
            passed: count(JobOutcome::Success),
            failed: count(JobOutcome::Failed),
            open: count(JobOutcome::Open),
            reasons: view
                .map(|view| view.reasons.iter().map(|reason| shower.words(reason)).collect())
                .unwrap_or_default(),
            read: shower.moment(*at),
            problem: match (view, problem) {
                (Err(why), _) => Some(shower.text(&unusable_words(why))),
                (Ok(_), problem) => {
                    let words = |problem: &Problem| format!("cannot be read now: {}", problem.why);
                    problem.as_ref().map(|problem| shower.text(&words(problem)))
                }
            },
            is_known: view.is_ok(),
        }
    }
}

impl BuildsPage {
    pub(in crate::dashboard) fn new(builds: &Builds, problem: Option<ProblemItem>, shower: &Shower) -> Self {
        let mut recorded: Vec<&BuildSeen> = builds.recorded.iter().collect();
        // The newest minor version first, and of each the newest build.
        recorded.sort_by(|BuildSeen { name: one, .. }, BuildSeen { name: other, .. }| {
            let key = |name: &oar_core::prow::names::ResultName| (name.build.y_stream(), name.build.kind());
            key(other)
                .cmp(&key(one))
                .then_with(|| other.build.cmp(&one.build))
                .then(one.arch.cmp(&other.arch))
        });
        Self {
            read: builds.looked.map(|at| shower.moment(at)),
            problem,
            builds: recorded.into_iter().map(|build| BuildRow::new(build, shower)).collect(),
        }
    }
}

/// The tests of one build.
#[derive(Debug, Serialize, Template)]
#[template(path = "build.html")]
pub(in crate::dashboard) struct BuildPage {
    build: Words,
    arch: Arch,
    file: Words,
    record: Link,
    read: Time,
    problems: Vec<ProblemItem>,
    pull_spec: Words,
    started: Option<Time>,
    verdict: Badge,
    reasons: Vec<Words>,
    aggregated: bool,
    accepted: Option<bool>,
    by_hand: bool,
    judged_by: &'static str,
    jobs: Vec<JobItem>,
    missing: Vec<MissingItem>,
}

impl HtmlSafe for BuildPage {}

#[derive(Debug, Serialize)]
struct JobItem {
    job: Words,
    required: bool,
    verdict: Badge,
    reason: Text,
    runs: Vec<RunItem>,
}

#[derive(Debug, Serialize)]
struct RunItem {
    id: Words,
    state: Badge,
    started: Option<Time>,
    duration: Option<String>,
    page: Option<Link>,
    suites: Vec<SuiteItem>,
}

#[derive(Debug, Serialize)]
struct SuiteItem {
    suite: Words,
    total: Option<u64>,
    failures: Option<u64>,
    errors: Option<u64>,
    skipped: Option<u64>,
    failing: Vec<Words>,
    left_out: usize,
}

#[derive(Debug, Serialize)]
struct MissingItem {
    job: Words,
    required: bool,
    recorded_as: Option<Words>,
}

impl BuildPage {
    pub(in crate::dashboard) fn new(
        view: &BuildView,
        record: &str,
        read: Time,
        problems: Vec<ProblemItem>,
        shower: &Shower,
    ) -> Self {
        Self {
            build: shower.words(&view.build),
            arch: view.arch,
            file: shower.words(&view.file),
            record: shower.named_link(&view.file, record),
            read,
            problems,
            pull_spec: shower.words(&view.pull_spec),
            started: view.started.as_deref().map(|at| shower.time(at)),
            verdict: badge_of(view.outcome),
            reasons: view.reasons.iter().map(|reason| shower.words(reason)).collect(),
            aggregated: view.recorded.aggregated,
            accepted: view.recorded.accepted,
            by_hand: view.recorded.manual_promotion,
            judged_by: match view.judged_by {
                JobListSource::StartedWith => "the jobs that it was started with",
                JobListSource::Registry => "the current registry of jobs",
                JobListSource::EntriesOnly => "the entries of its record alone",
            },
            jobs: view.jobs.iter().map(|job| job_item(job, shower)).collect(),
            missing: view
                .missing
                .iter()
                .map(|job| MissingItem {
                    job: shower.words(&job.job),
                    required: job.required,
                    recorded_as: job.recorded_as.as_deref().map(|name| shower.words(name)),
                })
                .collect(),
        }
    }
}

fn job_item(job: &JobView, shower: &Shower) -> JobItem {
    JobItem {
        job: shower.words(&job.job),
        required: job.required,
        verdict: match job.outcome {
            JobOutcome::Open => Badge::new(Tone::Running, "running"),
            JobOutcome::Success => Badge::new(Tone::Done, "passed"),
            JobOutcome::Failed => Badge::new(Tone::Failed, "failed"),
        },
        reason: shower.text(&job.reason),
        runs: job.runs.iter().map(|run| run_item(run, shower)).collect(),
    }
}

fn run_item(run: &RunView, shower: &Shower) -> RunItem {
    let tone = match (run.ended, run.state.as_str()) {
        (true, "success") => Tone::Done,
        (true, _) => Tone::Failed,
        (false, "intended") => Tone::Waiting,
        (false, _) => Tone::Running,
    };
    RunItem {
        id: shower.words(&run.id),
        state: Badge::new(tone, shower.words(&run.state).raw()),
        started: run.started.as_deref().map(|at| shower.time(at)),
        duration: run.seconds.map(duration_words),
        page: run.url.as_deref().map(|url| shower.link(url)),
        suites: run.tests.iter().map(|suite| suite_item(suite, shower)).collect(),
    }
}

fn suite_item(suite: &SuiteView, shower: &Shower) -> SuiteItem {
    SuiteItem {
        suite: shower.words(&suite.suite),
        total: suite.total,
        failures: suite.failures,
        errors: suite.errors,
        skipped: suite.skipped,
        failing: suite.failing.iter().take(FAILING).map(|name| shower.words(name)).collect(),
        left_out: suite.failing.len().saturating_sub(FAILING),
    }
}
