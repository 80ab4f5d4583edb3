//! Checks stored files: whether the recorded result follows from the runs, and whether the bytes are exact.

use schemars::JsonSchema;
use serde::Serialize;

use super::names::{BuildName, LatestName, RegistryName, ResultName};
use super::outcome::{BuildVerdict, JobOutcome, JobVerdict, RuleSource, Rules, judge};
use super::problem::{Problem, Severity, utf8};
use super::record::{Form, LatestFile, ResultFile, Stage};
use super::registry::TestJobRegistry;
use super::stream::check_latest;
use super::view::{JobListSource, MissingJob, missing};
use crate::clients::prow::ProwState;
use crate::version::Arch;

/// From this day on, a build without any required job is not accepted (spec 04 §7.4, §12).
const NOTHING_IS_NOT_ENOUGH_SINCE: &str = "2024-07-26";

/// The result of checking a file.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Verified {
    /// The file.
    pub file: String,
    /// Whether it agrees with its runs.
    #[serde(flatten)]
    pub agreement: Agreement,
    /// The recorded acceptance.
    pub recorded: Option<bool>,
    /// The acceptance computed from the runs in the record.
    pub recomputed: Option<bool>,
    /// The acceptance when missing jobs count too; absent when the list of jobs is unknown.
    pub with_missing_jobs: Option<bool>,
    /// The reasons for the computed acceptance.
    pub reasons: Vec<String>,
    /// The source of the list of jobs; absent for files that are not records.
    pub judged_by: Option<JobListSource>,
    /// The enabled jobs that are missing from the record.
    pub lacks: Vec<MissingJob>,
    /// The jobs that the registry does not know.
    pub unknown: Vec<String>,
    /// Other notes.
    pub notes: Vec<Note>,
}

/// Whether a file agrees with its runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(tag = "agreement", content = "why", rename_all = "snake_case")]
pub enum Agreement {
    /// It agrees.
    Agrees,
    /// It does not, for a known and acceptable reason.
    Exception(String),
    /// Nothing is recorded yet: the build is still being tested.
    Open,
    /// It disagrees.
    Disagrees(String),
    /// It cannot be parsed.
    Unreadable(Vec<Problem>),
}

/// A note about a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Note {
    /// Its subject.
    pub kind: NoteKind,
    /// Its text.
    pub text: String,
}

/// The subject of a note.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum NoteKind {
    /// The bytes are not what the programs write.
    Form,
    /// The build was accepted without an enabled required job.
    PartOfTheEvidence,
    /// A job passed with at most half of its runs.
    NoMajority,
    /// The data of a run is inconsistent.
    OddRun,
    /// A job is several times in a record.
    RepeatedJob,
    /// The registry has warnings.
    Registry,
}

impl Verified {
    fn new(file: impl std::fmt::Display, agreement: Agreement) -> Self {
        Self {
            file: file.to_string(),
            agreement,
            recorded: None,
            recomputed: None,
            with_missing_jobs: None,
            reasons: Vec::new(),
            judged_by: None,
            lacks: Vec::new(),
            unknown: Vec::new(),
            notes: Vec::new(),
        }
    }

    fn unreadable(file: impl std::fmt::Display, problems: Vec<Problem>) -> Self {
        Self::new(file, Agreement::Unreadable(problems))
    }

    fn note(&mut self, kind: NoteKind, text: impl Into<String>) {
        self.notes.push(Note { kind, text: text.into() });
    }

    /// Whether the file has an error.
    pub fn is_bad(&self) -> bool {
        matches!(self.agreement, Agreement::Disagrees(_) | Agreement::Unreadable(_))
    }

    /// Whether the file has a problem in strict mode: a missing job, no majority, inexact bytes.
    pub fn is_weak(&self) -> bool {
        let weak = |note: &Note| {
            matches!(
                note.kind,
                NoteKind::Form | NoteKind::PartOfTheEvidence | NoteKind::NoMajority | NoteKind::OddRun
            )
        };
        self.is_bad() || self.notes.iter().any(weak)
    }
}

/// Checks the record `name`: recomputes the acceptance from its runs.
///
/// The runs in the record count, by the rules that apply when no run is started any more. Missing jobs are
/// reported separately; they are a disagreement only when the record itself says that the build was started
/// with them.
pub fn verify_result(name: &ResultName, bytes: &[u8], registry: Option<&TestJobRegistry>) -> Verified {
    let file = match ResultFile::parse(name, bytes) {
        Ok(file) => file,
        Err(problems) => return Verified::unreadable(name, problems.iter().cloned().collect()),
    };
    let verdict = judge(&file, &Rules::of(&file, registry).when_nothing_starts());
    let judged_by = JobListSource::of(&verdict);
    let verdict = verdict.by_entries();
    let recomputed =
        verdict.entries_are_accepted() && !(verdict.bound && verdict.missing_required().next().is_some());
    let recorded = file.accepted().filter(|_| file.is_aggregated());
    let agreement = match recorded {
        None => Agreement::Open,
        Some(recorded) if recorded == recomputed => Agreement::Agrees,
        Some(recorded) => disagreement(&file, &verdict, judged_by, recorded),
    };
    let mut verified = Verified::new(name, agreement);
    verified.recorded = recorded;
    verified.recomputed = Some(recomputed).filter(|_| verdict.has_ended() || recorded.is_some());
    verified.with_missing_jobs = verified
        .recomputed
        .filter(|_| judged_by != JobListSource::EntriesOnly)
        .map(|_| verdict.is_accepted());
    verified.reasons = verdict.reasons();
    verified.judged_by = Some(judged_by);
    verified.lacks = missing(&verdict);
    verified.unknown = match registry {
        Some(_) => verdict.unknown().map(|job| job.name.clone()).collect(),
        None => Vec::new(),
    };
    note_form(&mut verified, file.form());
    if recorded == Some(true) && !file.is_promoted() {
        let missing = verified.lacks.iter().filter(|job| job.required && job.recorded_as.is_none());
        let missing: Vec<String> =
            missing.map(|job| format!("accepted without the enabled required job {}", job.job)).collect();
        for text in missing {
            verified.note(NoteKind::PartOfTheEvidence, text);
        }
        for job in verdict.jobs.iter().filter(|job| lacks_majority(job)) {
            let runs = job.retried + 1;
            let text =
                format!("{} counts as passed on {} of {runs} runs, no majority", job.name, job.successes);
            verified.note(NoteKind::NoMajority, text);
        }
    }
    note_runs(&mut verified, &file);
    verified
}

/// Whether the job counts as passed although at most half of its runs succeeded.
fn lacks_majority(job: &JobVerdict) -> bool {
    job.outcome == JobOutcome::Success
        && job.retried > 0
        && !matches!(job.first, Stage::Ended(ProwState::Success))
        && 2 * job.successes <= job.retried + 1
}

/// The known exceptions (spec 04 §12), and everything else.
fn disagreement(
    file: &ResultFile,
    verdict: &BuildVerdict,
    judged_by: JobListSource,
    recorded: bool,
) -> Agreement {
    let none_required = !verdict.jobs.is_empty() && verdict.jobs.iter().all(|job| !job.rule.is_required());
    if recorded && none_required && is_before(file, NOTHING_IS_NOT_ENOUGH_SINCE) {
        return Agreement::Exception(format!(
            "none of its jobs is required; until {NOTHING_IS_NOT_ENOUGH_SINCE} such a build counted as accepted"
        ));
    }
    // All jobs of arm64 were optional then, which the present registry does not show.
    let unknown = verdict.jobs.iter().all(|job| job.rule.source == RuleSource::Unknown);
    if recorded && unknown && file.name().arch == Arch::Arm64 && is_before(file, NOTHING_IS_NOT_ENOUGH_SINCE)
    {
        return Agreement::Exception(format!(
            "the registry does not know its jobs, which were optional until {NOTHING_IS_NOT_ENOUGH_SINCE}; builds with \
             optional jobs only counted as accepted then"
        ));
    }
    if !recorded && unknown && file.name().arch == Arch::Arm64 {
        return Agreement::Exception(format!(
            "the registry does not know its jobs, which were all optional for arm64; since {NOTHING_IS_NOT_ENOUGH_SINCE} \
             builds with optional jobs only do not count as accepted"
        ));
    }
    let failed = |job: &&JobVerdict| job.rule.is_required() && job.outcome != JobOutcome::Success;
    let mut failed = verdict.jobs.iter().filter(failed).peekable();
    if recorded && judged_by != JobListSource::EntriesOnly && failed.peek().is_some() {
        let failed: Vec<_> = failed.collect();
        if failed.iter().all(|job| job.rule.source == RuleSource::Unknown) {
            let names: Vec<&str> = failed.iter().map(|job| job.name.as_str()).collect();
            let names = names.join(", ");
            return Agreement::Exception(format!(
                "the registry does not know the jobs that did not pass: {names}"
            ));
        }
    }
    let word = |accepted: bool| if accepted { "accepted" } else { "rejected" };
    let (recorded, recomputed) = (word(recorded), word(!recorded));
    Agreement::Disagrees(format!(
        "it is recorded as {recorded}; its runs say {recomputed}: {}",
        verdict.reasons().join("; ")
    ))
}

/// Whether the build was tested before this day.
fn is_before(file: &ResultFile, day: &str) -> bool {
    let build: &BuildName = &file.name().build;
    let mut started = file.jobs().filter_map(|job| Some(job.first()?.started()?.into_owned())).peekable();
    if started.peek().is_some() {
        started.all(|time| time.as_str() < day)
    } else {
        build.nightly_date().is_some_and(|date| date < day)
    }
}

fn note_form(verified: &mut Verified, form: Form) {
    match form {
        Form::Exact => {}
        Form::FinalNewline => verified
            .note(NoteKind::Form, "edited by hand: a newline at the end, which the programs do not write"),
        Form::Other { line } => {
            verified.note(
                NoteKind::Form,
                format!("edited by hand: from line {line} on not as the programs write it"),
            );
        }
    }
}

fn note_runs(verified: &mut Verified, file: &ResultFile) {
    let mut names: Vec<String> = Vec::new();
    for job in file.jobs() {
        let name = job.name().into_owned();
        if job.first().is_none() {
            verified.note(NoteKind::OddRun, format!("{name} has no first run"));
        }
        for run in job.runs() {
            let id = run.id().unwrap_or_default();
            let text = match run.stage() {
                Stage::Open if run.completed().is_some() => {
                    format!("has a completion time and is {}", run.state_text().unwrap_or("not read".into()))
                }
                Stage::Ended(state) if run.completed().is_none() => {
                    format!("ended as {} without a completion time", state.text())
                }
                Stage::Open if run.state().is_none() && run.state_text().is_some() => {
                    format!(
                        "has the state `{}`, which Prow does not have",
                        run.state_text().unwrap_or_default().escape_debug()
                    )
                }
                Stage::Open | Stage::Intended(_) if file.is_aggregated() => {
                    "is open in a record that is complete".to_owned()
                }
                _ => continue,
            };
            verified.note(NoteKind::OddRun, format!("the run {id} of {name} {text}"));
        }
        if names.contains(&name) {
            verified
                .note(NoteKind::RepeatedJob, format!("{name} occurs several times; every entry must pass"));
        }
        names.push(name);
    }
}

/// Checks the file of a stream's latest build.
pub fn verify_latest(name: LatestName, bytes: &[u8]) -> Verified {
    let problem = |place: &str, message: String| {
        let severity = Severity::Error;
        Verified::unreadable(
            name,
            vec![Problem { file: name.to_string(), place: place.to_owned(), message, severity }],
        )
    };
    let text = match utf8(bytes) {
        Ok(text) => text,
        Err(reason) => return problem("", reason),
    };
    let latest = match LatestFile::parse(name, text) {
        Ok(latest) => latest,
        Err(error) => return problem("", error.to_string()),
    };
    let build = &latest.build().name;
    let agreement = match check_latest(build, "Accepted", name.release, name.kind) {
        Ok(()) => Agreement::Agrees,
        Err(reason) => Agreement::Disagrees(format!("it holds {build}: {reason}")),
    };
    let mut verified = Verified::new(name, agreement);
    if latest.text() != format!("{}\n", latest.build().document().to_text()) {
        verified.note(NoteKind::Form, "not as the release controller writes it");
    }
    verified
}

/// Checks a registry of test jobs.
pub fn verify_registry(name: RegistryName, bytes: &[u8]) -> Verified {
    let registry = match TestJobRegistry::parse(name, bytes) {
        Ok(registry) => registry,
        Err(problems) => return Verified::unreadable(name, problems.iter().cloned().collect()),
    };
    let mut verified = Verified::new(name, Agreement::Agrees);
    for warning in registry.warnings() {
        verified.note(NoteKind::Registry, format!("{}: {}", warning.place, warning.message));
    }
    if registry.to_text().as_bytes() != bytes {
        verified
            .note(NoteKind::Form, "not as the programs write it: two spaces of indentation, nothing else");
    }
    verified
}

/// Checks the file `name` by its kind; `None` when it is none of these files. `registry` finds the registry
/// for a record.
pub fn verify_file<'a>(
    name: &str,
    bytes: &[u8],
    registry: impl Fn(RegistryName) -> Option<&'a TestJobRegistry>,
) -> Option<Verified> {
    if let Ok(name) = name.parse::<ResultName>() {
        return Some(verify_result(&name, bytes, registry(name.registry())));
    }
    if let Ok(name) = name.parse::<LatestName>() {
        return Some(verify_latest(name, bytes));
    }
    name.parse::<RegistryName>().ok().map(|name| verify_registry(name, bytes))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::prow::record::tests::{INSTALL, UPGRADE, build, by_python, files, id, name, seen, started};

    /// A complete record of the Python tooling: per job the states of its first run and of the retried ones, `S` or `F`.
    fn record(build_name: &str, day: &str, jobs: &[(&str, &str)], accepted: bool) -> (ResultName, String) {
        let name: ResultName = format!("ocp-test-result-{build_name}-amd64.json").parse().unwrap();
        let run = |state: char| {
            let state = if state == 'S' { "success" } else { "failure" };
            format!(
                r#"{{"jobStartTime": "{day}T01:00:00Z", "jobID": "x", "jobState": "{state}", "jobCompletionTime": "{day}T02:00:00Z"}}"#
            )
        };
        let entries: Vec<String> = jobs
            .iter()
            .map(|(job, runs)| {
                let mut runs = runs.chars().map(run);
                let first = runs.next().unwrap();
                let retried: Vec<String> = runs.collect();
                format!(
                    r#"{{"jobName": "{job}", "firstJob": {first}, "retriedJobs": [{}]}}"#,
                    retried.join(", ")
                )
            })
            .collect();
        let text = format!(
            r#"{{"result": [{}], "build": {{"name": "{build_name}"}}, "aggregated": true, "accepted": {accepted}}}"#,
            entries.join(", ")
        );
        (name, crate::prow::json::Value::parse(&text).unwrap().to_text())
    }

    fn registry(entries: &str) -> TestJobRegistry {
        let text = format!(r#"{{"nightly": [{entries}], "stable": [{entries}]}}"#);
        TestJobRegistry::parse("ocp-4.99-test-jobs-amd64.json".parse().unwrap(), text.as_bytes()).unwrap()
    }

    fn verify(record: &(ResultName, String), registry: Option<&TestJobRegistry>) -> Verified {
        verify_result(&record.0, record.1.as_bytes(), registry)
    }

    fn kinds(verified: &Verified) -> Vec<NoteKind> {
        verified.notes.iter().map(|note| note.kind).collect()
    }

    #[test]
    fn acceptance_is_recomputed_from_the_runs() {
        for (jobs, accepted, agrees) in [
            (&[("a", "S"), ("b", "S")][..], true, true),
            (&[("a", "S"), ("b", "FSS")], true, true),
            (&[("a", "S"), ("b", "FSF")], false, true),
            (&[("a", "S"), ("b", "F")], false, true),
            (&[("a", "S"), ("b", "FSF")], true, false),
            (&[("a", "S"), ("b", "S")], false, false),
        ] {
            let verified = verify(&record("4.99.1", "2026-01-02", jobs, accepted), None);
            assert_eq!(verified.agreement == Agreement::Agrees, agrees, "{jobs:?} {verified:?}");
            assert_eq!((verified.is_bad(), verified.recorded), (!agrees, Some(accepted)));
        }
        let verified = verify(&record("4.99.1", "2026-01-02", &[("a", "FSF")], true), None);
        let Agreement::Disagrees(why) = verified.agreement else { panic!("{verified:?}") };
        assert!(
            why.starts_with("it is recorded as accepted; its runs say rejected: a: first run failed, 1 of 2"),
            "{why}"
        );
    }

    #[test]
    fn a_record_that_lacks_jobs_agrees_with_itself_and_the_jobs_are_named() {
        let registry = registry(
            r#"{"prowJob": "a"}, {"prowJob": "b"}, {"prowJob": "c", "optional": true}, {"prowJob": "d", "disabled": true}"#,
        );
        let verified = verify(&record("4.99.1", "2026-01-02", &[("a", "S")], true), Some(&registry));
        assert_eq!(verified.agreement, Agreement::Agrees);
        assert_eq!((verified.recomputed, verified.with_missing_jobs), (Some(true), Some(false)));
        let lacks: Vec<_> = verified.lacks.iter().map(|job| (job.job.as_str(), job.required)).collect();
        assert_eq!(lacks, [("b", true), ("c", false)]);
        assert_eq!(
            (kinds(&verified), verified.is_bad(), verified.is_weak()),
            (vec![NoteKind::PartOfTheEvidence], false, true)
        );
    }

    #[test]
    fn a_record_that_lacks_what_it_was_started_with_disagrees() {
        let mut file = started();
        let _ = file.record_run(INSTALL, &seen(INSTALL, &id(1), ProwState::Success)).unwrap();
        let _ = file.complete(true);
        let mut value = crate::prow::json::Value::parse(&file.to_text()).unwrap();
        value.as_map_mut().unwrap().get_mut("result").unwrap().as_list_mut().unwrap().pop();
        let verified = verify_result(&name(), value.to_text().as_bytes(), None);
        let Agreement::Disagrees(why) = &verified.agreement else { panic!("{verified:?}") };
        assert!(why.contains(&format!("{UPGRADE}: required, and not in the record")), "{why}");
        assert_eq!(verified.judged_by, Some(JobListSource::StartedWith));
    }

    #[test]
    fn renamed_jobs_are_named_and_no_disagreement() {
        let registry = registry(r#"{"prowJob": "a-f999"}"#);
        let verified = verify(&record("4.99.1", "2026-01-02", &[("a-f360", "S")], true), Some(&registry));
        assert_eq!(
            (&verified.agreement, &verified.unknown[..]),
            (&Agreement::Agrees, &["a-f360".to_owned()][..])
        );
        assert_eq!(verified.lacks[0].recorded_as.as_deref(), Some("a-f360"));
        assert_eq!(kinds(&verified), [], "a renamed job is no missing evidence");
        let verified = verify(
            &record("4.99.1", "2026-01-02", &[("a-f360", "F"), ("a-f999", "S")], true),
            Some(&registry),
        );
        assert!(
            matches!(&verified.agreement, Agreement::Exception(why) if why.ends_with("a-f360")),
            "{verified:?}"
        );
        let verified = verify(
            &record("4.99.1", "2026-01-02", &[("a-f360", "F"), ("a-f999", "F")], true),
            Some(&registry),
        );
        assert!(verified.is_bad(), "{verified:?}");
    }

    #[test]
    fn only_optional_jobs_were_enough_until_a_day() {
        let registry = registry(r#"{"prowJob": "a", "optional": true}"#);
        let nightly = "4.99.0-0.nightly-2024-07-25-010203";
        let verified = verify(&record(nightly, "2024-07-25", &[("a", "F")], true), Some(&registry));
        assert!(
            matches!(&verified.agreement, Agreement::Exception(why) if why.contains("2024-07-26")),
            "{verified:?}"
        );
        assert!(!verified.is_bad());
        let (name, text) =
            record("4.99.0-0.nightly-arm64-2024-07-25-010203", "2024-07-25", &[("a", "F")], true);
        assert!(verify(&(name.clone(), text.clone()), None).is_bad(), "amd64 jobs were required");
        let name = ResultName { arch: Arch::Arm64, ..name };
        assert!(matches!(verify(&(name, text), None).agreement, Agreement::Exception(_)));
        let (name, text) =
            record("4.99.0-0.nightly-arm64-2024-08-25-010203", "2024-08-25", &[("a", "S")], false);
        let name = ResultName { arch: Arch::Arm64, ..name };
        let verified = verify(&(name, text), None);
        assert!(
            matches!(&verified.agreement, Agreement::Exception(why) if why.contains("all optional")),
            "{verified:?}"
        );
        let nightly = "4.99.0-0.nightly-2024-07-27-010203";
        let verified = verify(&record(nightly, "2024-07-27", &[("a", "S")], true), Some(&registry));
        assert!(verified.is_bad(), "{verified:?}");
    }

    #[test]
    fn half_a_majority_agrees_and_is_noted() {
        let verified = verify(
            &record("4.99.1", "2026-01-02", &[("a", "FS")], true),
            Some(&registry(r#"{"prowJob": "a"}"#)),
        );
        assert_eq!((&verified.agreement, kinds(&verified)), (&Agreement::Agrees, vec![NoteKind::NoMajority]));
        assert_eq!(verified.notes[0].text, "a counts as passed on 1 of 2 runs, no majority");
    }

    #[test]
    fn the_form_odd_runs_and_open_records_are_told() {
        let record = record("4.99.1", "2026-01-02", &[("a", "S")], true);
        let newline = verify(&(record.0.clone(), format!("{}\n", record.1)), None);
        assert_eq!((&newline.agreement, kinds(&newline)), (&Agreement::Agrees, vec![NoteKind::Form]));
        let odd = verify(
            &(
                record.0.clone(),
                record
                    .1
                    .replace("\"success\"", "\"pending\"")
                    .replace("true,\n  \"accepted\": true", "true,\n  \"accepted\": false"),
            ),
            None,
        );
        assert_eq!((&odd.agreement, kinds(&odd)), (&Agreement::Agrees, vec![NoteKind::OddRun]), "{odd:?}");
        let open = verify_result(&name(), by_python(&started()).to_text().as_bytes(), None);
        assert_eq!((open.agreement, open.recomputed), (Agreement::Open, None));
        let broken = verify(&(record.0, "{".to_owned()), None);
        assert!(matches!(&broken.agreement, Agreement::Unreadable(problems) if problems.len() == 1));
    }

    #[test]
    fn latest_files_and_registries_are_checked_too() {
        let latest = format!("{}\n", build().document().to_text());
        let check = |name: &str, text: &str| verify_file(name, text.as_bytes(), |_| None).unwrap();
        let good = check("ocp-latest-4.99-stable-amd64.json", &latest);
        assert_eq!((&good.agreement, good.notes.is_empty()), (&Agreement::Agrees, true));
        assert_eq!(kinds(&check("ocp-latest-4.99-stable-amd64.json", latest.trim_end())), [NoteKind::Form]);
        assert!(check("ocp-latest-4.98-stable-amd64.json", &latest).is_bad());
        assert!(check("ocp-latest-4.99-nightly-amd64.json", &latest).is_bad());
        assert!(check("ocp-latest-4.99-stable-amd64.json", "{}").is_bad());
        let good = check("ocp-4.99-test-jobs-amd64.json", "{\n  \"nightly\": [],\n  \"stable\": []\n}\n");
        assert_eq!((&good.agreement, good.notes.is_empty()), (&Agreement::Agrees, true));
        assert_eq!(
            kinds(&check("ocp-4.99-test-jobs-amd64.json", "{\"nightly\": [], \"stable\": [], \"x\": 1}")),
            [NoteKind::Registry, NoteKind::Form]
        );
        assert!(check("ocp-4.99-test-jobs-amd64.json", "{}").is_bad());
        assert!(verify_file("notes.json", b"{}", |_| None).is_none());
    }

    proptest! {
        #[test]
        fn any_record_is_verified_and_a_recorded_acceptance_is_judged(file in files()) {
            let registry = registry(r#"{"prowJob": "periodic-ci-demo-a"}, {"prowJob": "periodic-ci-demo-b", "optional": true}"#);
            for registry in [None, Some(&registry)] {
                let verified = verify_result(file.name(), file.to_text().as_bytes(), registry);
                let decided = file.is_aggregated() && file.accepted().is_some();
                prop_assert_eq!(verified.agreement == Agreement::Open, !decided);
                if verified.agreement == Agreement::Agrees {
                    prop_assert_eq!(verified.recorded, verified.recomputed);
                }
                prop_assert!(!verified.notes.iter().any(|note| note.kind == NoteKind::Form));
            }
        }
    }
}
