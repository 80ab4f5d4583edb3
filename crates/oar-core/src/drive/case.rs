//! The case of a build whose tests are not accepted, prepared for the person who decides (spec 05 §8.10): what fails, where,
//! how often, what is known of it, and a recommendation with its reasons. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use schemars::JsonSchema;
use serde::Serialize;

use crate::prow::outcome::JobOutcome;
use crate::prow::view::{BuildView, JobView, RunView};
use crate::version::ReleaseVersion;

/// How many scenarios are named in words.
const NAMED: usize = 3;
/// How much of a scenario's name is shown in words, in characters.
const NAME: usize = 120;
/// The fewest digits of a test case's number.
const DIGITS: usize = 4;
/// What stands before the number of a test case, in the name of a scenario or as people write it.
const MARKS: [&str; 5] = ["OCP", "Critical", "High", "Medium", "Low"];

/// An issue that may speak of a scenario.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownIssue {
    /// The release that has it; `None` for the one that the case is about.
    pub release: Option<ReleaseVersion>,
    /// Its text.
    pub text: String,
}

/// What is recommended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Recommendation {
    /// Accept the build.
    Accept,
    /// Reject it.
    Reject,
    /// Look further: what is recorded does not suffice.
    Investigate,
}

impl fmt::Display for Recommendation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Accept => "accept",
            Self::Reject => "reject",
            Self::Investigate => "look further",
        })
    }
}

/// The case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Case {
    /// What is recommended; a person decides.
    pub recommendation: Recommendation,
    /// Why.
    pub reasons: Vec<String>,
    /// The failing scenarios, the gravest first.
    pub scenarios: Vec<Scenario>,
    /// Required jobs that did not pass and list no failing scenario.
    pub unexplained: Vec<UnexplainedJob>,
    /// Jobs that passed only in a repetition.
    pub flaky_jobs: Vec<String>,
}

/// A scenario that failed in a run of a required job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Scenario {
    /// Its name.
    pub name: String,
    /// The platforms on which it failed: `aws`, `azure`, `gcp` or `other`.
    pub platforms: BTreeSet<String>,
    /// The jobs in which it failed.
    pub jobs: BTreeSet<String>,
    /// How it failed in the repetitions of a job.
    pub repeats: Repeats,
    /// Whether its name marks it as critical.
    pub critical: bool,
    /// The issue that speaks of it; one of another release begins with that one's version.
    pub known: Option<String>,
    /// Whether a required job on another platform passed.
    pub passes_elsewhere: bool,
    /// Whether that is an issue of another release.
    pub known_elsewhere: bool,
    /// The pages of the runs in which it failed.
    pub runs: Vec<String>,
}

/// How a scenario failed in the repetitions of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Repeats {
    /// In each run of some job that has results.
    Consistent,
    /// In the only run of each job.
    Once,
    /// In some runs of each job, and not in others.
    Flaky,
}

impl Repeats {
    fn words(self) -> &'static str {
        match self {
            Self::Consistent => "in each run",
            Self::Once => "in the only run",
            Self::Flaky => "flaky",
        }
    }
}

/// A required job that did not pass, of which no failing scenario is recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct UnexplainedJob {
    /// The job.
    pub job: String,
    /// Why it did not pass.
    pub reason: String,
    /// The page of its newest run.
    pub url: Option<String>,
}

/// The platform of a job, by its name.
fn platform(job: &str) -> &'static str {
    let mut parts = job.split('-');
    parts.find_map(|part| ["aws", "azure", "gcp"].into_iter().find(|known| *known == part)).unwrap_or("other")
}

/// The numbers of test cases in a text, such as `53817` of `LEVEL0-Critical-53817-Acceptance`.
fn numbers(text: &str) -> impl Iterator<Item = &str> {
    text.split(|character: char| !character.is_ascii_digit()).filter(|part| part.len() >= DIGITS)
}

fn shortened(name: &str) -> String {
    let mut short: String = name.chars().take(NAME).collect();
    if short.len() < name.len() {
        short.push('…');
    }
    short
}

/// Runs of which it is known what failed: their tests were read, or they passed.
fn with_results(job: &JobView) -> impl Iterator<Item = &RunView> {
    job.runs.iter().filter(|run| run.ended && (passed(run) || !run.tests.is_empty()))
}

fn failing(run: &RunView) -> impl Iterator<Item = &str> {
    run.tests.iter().flat_map(|suite| suite.failing.iter().map(String::as_str))
}

fn passed(run: &RunView) -> bool {
    run.state == "success"
}

impl Case {
    /// The case of the build in `view`; `issues` are those of the release, then those of others, that block nothing: what blocks
    /// is no reason to accept a build.
    pub fn of(view: &BuildView, issues: &[KnownIssue]) -> Self {
        let required = || view.jobs.iter().filter(|job| job.required);
        let mut found: BTreeMap<String, Scenario> = BTreeMap::new();
        for job in required() {
            let runs: Vec<&RunView> = with_results(job).collect();
            let mut counts: BTreeMap<&str, Vec<&RunView>> = BTreeMap::new();
            for run in &runs {
                let names: BTreeSet<&str> = failing(run).collect();
                for name in names {
                    counts.entry(name).or_default().push(run);
                }
            }
            for (name, failed) in counts {
                let repeats = match (failed.len() == runs.len(), runs.len()) {
                    (true, 1) => Repeats::Once,
                    (true, _) => Repeats::Consistent,
                    (false, _) => Repeats::Flaky,
                };
                let scenario = found.entry(name.to_owned()).or_insert_with(|| {
                    let known = known(name, issues);
                    Scenario {
                        name: name.to_owned(),
                        platforms: BTreeSet::new(),
                        jobs: BTreeSet::new(),
                        repeats,
                        critical: name.contains("Critical-"),
                        passes_elsewhere: false,
                        known_elsewhere: known.is_some_and(|issue| issue.release.is_some()),
                        known: known.map(KnownIssue::words),
                        runs: Vec::new(),
                    }
                });
                scenario.repeats = scenario.repeats.min(repeats);
                scenario.platforms.insert(platform(&job.job).to_owned());
                scenario.jobs.insert(job.job.clone());
                scenario.runs.extend(failed.iter().filter_map(|run| run.url.clone()));
            }
        }
        let passing: BTreeSet<&str> = required()
            .filter(|job| job.outcome == JobOutcome::Success)
            .map(|job| platform(&job.job))
            .collect();
        for scenario in found.values_mut() {
            scenario.passes_elsewhere =
                passing.iter().any(|platform| !scenario.platforms.contains(*platform));
        }
        let mut scenarios: Vec<Scenario> = found.into_values().collect();
        scenarios.sort_by_key(|scenario| (!scenario.stops(), scenario.is_harmless(), scenario.repeats));
        let unexplained: Vec<UnexplainedJob> = required()
            .filter(|job| {
                job.outcome != JobOutcome::Success
                    && !with_results(job).any(|run| failing(run).next().is_some())
            })
            .map(|job| UnexplainedJob {
                job: job.job.clone(),
                reason: job.reason.clone(),
                url: job.runs.iter().rev().find_map(|run| run.url.clone()),
            })
            .collect();
        let is_flaky = |job: &&JobView| {
            job.outcome == JobOutcome::Success && job.runs.iter().any(|run| run.ended && !passed(run))
        };
        let flaky_jobs = view.jobs.iter().filter(is_flaky).map(|job| job.job.clone()).collect();
        let missing = view.missing.iter().filter(|job| job.required).count();
        let (recommendation, reasons) = recommend(&scenarios, &unexplained, missing);
        Self { recommendation, reasons, scenarios, unexplained, flaky_jobs }
    }

    /// The recommendation with its reasons, in a sentence.
    pub fn advice(&self) -> String {
        format!("recommended: {} ({})", self.recommendation, self.reasons.join("; "))
    }

    /// What fails, in a few words.
    pub fn summary(&self) -> String {
        let named = self.scenarios.iter().take(NAMED).map(|scenario| {
            let platforms: Vec<&str> = scenario.platforms.iter().map(String::as_str).collect();
            let known = match (&scenario.known, scenario.known_elsewhere) {
                (None, _) => "",
                (Some(_), false) => ", known",
                (Some(_), true) => ", known in another release",
            };
            let words = scenario.repeats.words();
            format!("{} ({}; {words}{known})", shortened(&scenario.name), platforms.join(", "))
        });
        let mut parts: Vec<String> = named.collect();
        if let Some(more) = self.scenarios.len().checked_sub(NAMED).filter(|more| *more > 0) {
            parts.push(format!("{more} more scenarios"));
        }
        parts.extend(self.unexplained.iter().take(NAMED).map(|job| format!("{}: {}", job.job, job.reason)));
        if let Some(more) = self.unexplained.len().checked_sub(NAMED).filter(|more| *more > 0) {
            parts.push(format!("{more} more jobs without test results"));
        }
        if parts.is_empty() { "no failing scenario is recorded".to_owned() } else { parts.join("; ") }
    }
}

impl Scenario {
    /// Whether it may be waived: it is known, or it is not critical and passed in another run or on another platform.
    fn is_harmless(&self) -> bool {
        self.known.is_some()
            || (!self.critical
                && match self.repeats {
                    Repeats::Flaky => true,
                    Repeats::Consistent => self.platforms.len() == 1 && self.passes_elsewhere,
                    Repeats::Once => false,
                })
    }

    /// Whether it must not be waived: it fails in each run and is critical or fails on several platforms.
    fn stops(&self) -> bool {
        self.known.is_none()
            && self.repeats == Repeats::Consistent
            && (self.critical || self.platforms.len() > 1)
    }
}

impl KnownIssue {
    fn words(&self) -> String {
        let text = shortened(self.text.trim());
        self.release.as_ref().map_or_else(|| text.clone(), |release| format!("{release}: {text}"))
    }
}

/// The numbers of test cases that an issue names: alone, after `OCP-`, or as in the name of a scenario. Those of Jira issues,
/// CVEs, dates and builds are none.
fn named_cases(text: &str) -> Vec<&str> {
    let is_number = |part: &str| part.len() >= DIGITS && part.bytes().all(|byte| byte.is_ascii_digit());
    let is_mark = |part: &str| MARKS.iter().any(|mark| part.eq_ignore_ascii_case(mark));
    let mut numbers = Vec::new();
    for word in
        text.split(|character: char| !(character.is_ascii_alphanumeric() || "-_.".contains(character)))
    {
        let parts: Vec<&str> = word.trim_matches(['.', '-', '_']).split('-').collect();
        match parts[..] {
            [number] if is_number(number) => numbers.push(number),
            _ => numbers.extend(parts.windows(2).filter_map(|pair| match pair {
                [mark, number] if is_mark(mark) && is_number(number) => Some(*number),
                _ => None,
            })),
        }
    }
    numbers
}

/// The issue that speaks of the scenario: it names it, or the number of its test case.
fn known<'a>(name: &str, issues: &'a [KnownIssue]) -> Option<&'a KnownIssue> {
    let cases: BTreeSet<&str> = numbers(name).collect();
    let speaks = |issue: &&KnownIssue| {
        issue.text.contains(name) || named_cases(&issue.text).into_iter().any(|number| cases.contains(number))
    };
    issues.iter().find(speaks)
}

fn recommend(
    scenarios: &[Scenario],
    unexplained: &[UnexplainedJob],
    missing: usize,
) -> (Recommendation, Vec<String>) {
    let count = |count: usize, noun: &str, words: &str| {
        (count > 0).then(|| format!("{count} {noun}{} {words}", if count == 1 { "" } else { "s" }))
    };
    let stopping = scenarios.iter().filter(|scenario| scenario.stops()).count();
    if let Some(reason) =
        count(stopping, "scenario", "failed in each run, critical or on several platforms, and not known")
    {
        return (Recommendation::Reject, vec![reason]);
    }
    let open = scenarios.iter().filter(|scenario| !scenario.is_harmless()).count();
    let doubts: Vec<String> = [
        count(open, "scenario", "new, and what is recorded does not say that it may be accepted"),
        count(unexplained.len(), "required job", "without a failing scenario: infrastructure, or not run"),
        count(missing, "required job", "missing in the record"),
    ]
    .into_iter()
    .flatten()
    .collect();
    if !doubts.is_empty() {
        return (Recommendation::Investigate, doubts);
    }
    if scenarios.is_empty() {
        return (Recommendation::Investigate, vec!["no failing scenario is recorded".to_owned()]);
    }
    let of = |is_it: fn(&&Scenario) -> bool| scenarios.iter().filter(is_it).count();
    let known = of(|scenario| scenario.known.is_some() && !scenario.known_elsewhere);
    let elsewhere = of(|scenario| scenario.known_elsewhere);
    let flaky = of(|scenario| scenario.known.is_none() && scenario.repeats == Repeats::Flaky);
    let reasons = [
        count(known, "scenario", "known by an issue of the release"),
        count(elsewhere, "scenario", "known by an issue of another release"),
        count(flaky, "scenario", "passed in another run of the same job"),
        count(
            scenarios.len() - known - elsewhere - flaky,
            "scenario",
            "not critical, and another platform passed",
        ),
    ];
    (Recommendation::Accept, reasons.into_iter().flatten().collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prow::record::ResultFile;

    const CRITICAL: &str = "[sig-x] X Author:someone-LEVEL0-Critical-53817-accepts what it should";
    const MEDIUM: &str = "[sig-y] Y Author:someone-LEVEL0-Medium-64296-disables a header";

    /// A run: its state, and the scenarios that failed in it; `None` when its tests are not recorded.
    type Run = (&'static str, Option<&'static [&'static str]>);

    fn case(jobs: &[(&str, &[Run])], issues: &[&str]) -> Case {
        let job = |(name, runs): &(&str, &[Run])| {
            let run = |number: usize, (state, failing): &Run| {
                let mut run = serde_json::json!({
                    "jobID": format!("{name}-{number}"),
                    "jobURL": format!("https://prow.example.test/view/gs/logs/{name}/{number}"),
                    "jobState": state,
                    "jobStartTime": "2026-07-01T00:00:00Z",
                    "jobCompletionTime": "2026-07-01T02:00:00Z",
                });
                if let Some(failing) = failing {
                    run["testResultSummary"] = serde_json::json!({
                        "suite": {"total": 10, "failures": failing.len(), "errors": 0, "skipped": 0, "failingScenarios": failing},
                    });
                }
                run
            };
            let mut runs = runs.iter().enumerate().map(|(number, one)| run(number, one));
            let mut job = serde_json::json!({"jobName": format!("periodic-ci-{name}-ipi")});
            job["firstJob"] = runs.next().unwrap();
            let repeated: Vec<_> = runs.collect();
            if !repeated.is_empty() {
                job["retriedJobs"] = repeated.into();
            }
            job
        };
        let file = serde_json::json!({
            "build": {"name": "4.19.1", "phase": "Accepted", "pullSpec": "quay.io/example/release:4.19.1-x86_64"},
            "result": jobs.iter().map(job).collect::<Vec<_>>(),
            "aggregated": true,
            "accepted": false,
        });
        let name = "ocp-test-result-4.19.1-amd64.json".parse().unwrap();
        let file = ResultFile::parse(&name, file.to_string().as_bytes()).unwrap();
        let issues: Vec<KnownIssue> = issues
            .iter()
            .map(|issue| {
                let (release, text) = issue.split_once(" in ").unwrap_or(("", issue));
                KnownIssue { release: release.parse().ok(), text: text.to_owned() }
            })
            .collect();
        Case::of(&BuildView::of(&file, None), &issues)
    }

    #[test]
    fn a_consistent_failure_on_several_platforms_is_rejected_unless_it_is_known() {
        let runs: &[Run] = &[("failure", Some(&[MEDIUM])), ("failure", Some(&[MEDIUM]))];
        let both: &[(&str, &[Run])] = &[("aws", runs), ("gcp", runs)];
        let found = case(both, &[]);
        assert_eq!(found.recommendation, Recommendation::Reject, "{found:#?}");
        let [scenario] = &found.scenarios[..] else { panic!("{found:#?}") };
        assert_eq!((scenario.repeats, scenario.platforms.len()), (Repeats::Consistent, 2));
        assert_eq!(scenario.runs.len(), 4);
        assert!(found.advice().starts_with("recommended: reject (1 scenario failed in each run"));
        assert!(found.summary().contains("(aws, gcp; in each run)"), "{}", found.summary());
        let found = case(both, &["OCPQE-1: case 64296 fails since the header moved"]);
        assert_eq!(found.recommendation, Recommendation::Accept, "{found:#?}");
        // An issue of the release counts before one of another release.
        let elsewhere = "4.18.9 in OCPQE-2: case 64296 fails";
        let found = case(both, &[elsewhere]);
        assert_eq!(found.recommendation, Recommendation::Accept, "{found:#?}");
        assert!(found.advice().contains("known by an issue of another release"), "{}", found.advice());
        assert!(found.summary().contains("known in another release"), "{}", found.summary());
        assert_eq!(found.scenarios[0].known.as_deref(), Some("4.18.9: OCPQE-2: case 64296 fails"));
        let found = case(both, &["OCPQE-1: case 64296", elsewhere]);
        assert!(!found.scenarios[0].known_elsewhere, "{found:#?}");
        assert_eq!(case(both, &["4.18.9 in case 64297"]).recommendation, Recommendation::Reject);
        // A critical one needs no second platform; another one may be waived there.
        let critical: &[Run] = &[("failure", Some(&[CRITICAL])), ("failure", Some(&[CRITICAL]))];
        assert_eq!(case(&[("aws", critical)], &[]).recommendation, Recommendation::Reject);
        let elsewhere: &[Run] = &[("success", Some(&[]))];
        let found = case(&[("aws", runs), ("gcp", elsewhere)], &[]);
        assert_eq!(found.recommendation, Recommendation::Accept, "{found:#?}");
        let found = case(&[("aws", runs)], &[]);
        assert_eq!(
            found.recommendation,
            Recommendation::Investigate,
            "nothing shows that it passes elsewhere"
        );
    }

    #[test]
    fn only_the_number_of_a_test_case_makes_a_scenario_known() {
        for (text, expected) in [
            ("case 64296 fails", &["64296"][..]),
            ("OCP-64296, ocp-12345: both.", &["64296", "12345"]),
            ("LEVEL0-Critical-53817-Acceptance", &["53817"]),
            ("OCPBUGS-64296 is a regression", &[]),
            ("CVE-2026-64296 in golang", &[]),
            ("seen on 2026-07-01 in 4.20.0-0.nightly-2026-07-01-123456", &[]),
            ("case 123", &[]),
        ] {
            assert_eq!(named_cases(text), expected, "{text}");
        }
        let runs: &[Run] = &[("failure", Some(&[MEDIUM])), ("failure", Some(&[MEDIUM]))];
        let both: &[(&str, &[Run])] = &[("aws", runs), ("gcp", runs)];
        assert_eq!(case(both, &["4.18.9 in OCPBUGS-64296"]).recommendation, Recommendation::Reject);
        assert_eq!(case(both, &["4.18.9 in OCP-64296"]).recommendation, Recommendation::Accept);
    }

    #[test]
    fn a_job_that_passed_too_rarely_is_not_explained_by_that() {
        let runs: &[Run] = &[("failure", None), ("success", None), ("failure", None)];
        let flaky: &[Run] = &[("failure", Some(&[MEDIUM])), ("success", None), ("success", None)];
        let found = case(&[("aws-upgrade", runs), ("gcp", flaky)], &[]);
        assert_eq!(found.recommendation, Recommendation::Investigate, "{found:#?}");
        assert_eq!(found.unexplained.len(), 1);
        assert_eq!(found.flaky_jobs, ["periodic-ci-gcp-ipi"]);
        assert_eq!(found.scenarios[0].repeats, Repeats::Flaky, "it passed, though without a summary");
    }

    #[test]
    fn what_passed_in_another_run_is_flaky_and_what_ran_once_is_open() {
        let flaky: &[Run] = &[("failure", Some(&[MEDIUM])), ("success", Some(&[])), ("success", Some(&[]))];
        let critical: &[Run] =
            &[("failure", Some(&[CRITICAL])), ("success", Some(&[])), ("success", Some(&[]))];
        assert_eq!(case(&[("aws", critical)], &[]).recommendation, Recommendation::Investigate);
        let found = case(&[("aws", flaky)], &[]);
        assert_eq!(found.recommendation, Recommendation::Accept, "{found:#?}");
        assert!(found.scenarios.iter().all(|scenario| scenario.repeats == Repeats::Flaky));
        assert_eq!(found.flaky_jobs, ["periodic-ci-aws-ipi"]);
        let once: &[Run] = &[("failure", Some(&[MEDIUM]))];
        let found = case(&[("aws", once)], &[]);
        assert_eq!(
            (found.recommendation, found.scenarios[0].repeats),
            (Recommendation::Investigate, Repeats::Once)
        );
    }

    #[test]
    fn a_job_without_results_explains_nothing() {
        for runs in
            [&[("aborted", None)][..], &[("error", None), ("failure", None)], &[("failure", Some(&[][..]))]]
        {
            let found = case(&[("azure", runs)], &[]);
            assert_eq!(found.recommendation, Recommendation::Investigate, "{found:#?}");
            assert_eq!(found.unexplained.len(), 1);
            assert!(found.unexplained[0].url.is_some());
            assert!(found.summary().contains("periodic-ci-azure-ipi"), "{}", found.summary());
        }
        let found = case(&[("aws", &[("success", Some(&[]))])], &[]);
        assert_eq!(found.recommendation, Recommendation::Investigate);
        assert_eq!(found.summary(), "no failing scenario is recorded");
    }

    #[test]
    fn platforms_are_whole_words_of_a_name() {
        for (job, expected) in [
            ("periodic-ci-openshift-release-4.20-automated-release-aws-ipi-f999", "aws"),
            ("periodic-ci-x-azure-ipi-fips-f999", "azure"),
            ("periodic-ci-x-gcp-ipi-custom-dns-f999", "gcp"),
            ("periodic-ci-x-vsphere-ipi", "other"),
            ("periodic-ci-x-laws-ipi", "other"),
        ] {
            assert_eq!(platform(job), expected, "{job}");
        }
    }
}
